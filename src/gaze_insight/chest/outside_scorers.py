"""Report metrics of other packages, which bring networks with weights: RadGraph-F1 and CheXbert-F1."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gaze_insight.errors import DataError, MissingExtraError, SettingsError

__all__ = ["OutsideScores", "chexbert_scores", "radgraph_scores"]

RadGraphModel = Literal["radgraph", "radgraph-xl", "modern-radgraph-xl"]
_LEVELS = ("simple", "partial", "complete")


@dataclass(frozen=True)
class OutsideScores:
    """Scores of another package.

    Args:
        scores: Name to value in [0, 1]; NaN where there is no report.
        per_report: Name to one value a report, where the package gives them.
        flavour: Package, version and model: figures of another flavour cannot be compared.
        without_reference: Pairs left out since the reference is blank.
    """

    scores: Mapping[str, float]
    per_report: Mapping[str, tuple[float, ...]]
    flavour: str
    without_reference: int


def radgraph_scores(
    references: Sequence[str],
    generated: Sequence[str],
    *,
    model: RadGraphModel = "radgraph-xl",
    cuda: int = -1,
) -> OutsideScores:
    """Compute RadGraph-F1 (Delbrouck et al., 2022; Jain et al., 2021) with the package radgraph.

    Simple counts entities, partial entities and whether they have a relation, complete also the relations.

    Args:
        references: The reference reports, (N,); pairs whose reference is blank are left out and counted.
        generated: The generated reports, (N,).
        model: Which of the package's models.
        cuda: Number of the GPU; -1 for none.

    Returns:
        radgraph_simple, radgraph_partial and radgraph_complete, of the corpus and of each report.

    Raises:
        DataError: The lists differ in length.
        SettingsError: There is no such model.
        MissingExtraError: The package is not installed, or its weights are not there and cannot be fetched.

    Example:
        >>> radgraph_scores(["Clear."], ["Clear.", "Clear."])
        Traceback (most recent call last):
        gaze_insight.errors.DataError: each reference needs its text: found 1 references and 2 texts
    """
    if model not in ("radgraph", "radgraph-xl", "modern-radgraph-xl"):
        raise SettingsError(
            f"unknown RadGraph model {model!r}; known: radgraph, radgraph-xl, modern-radgraph-xl"
        )
    wanted, said, left_out = _pairs(references, generated)
    package = _package("radgraph")
    flavour = f"radgraph {_version('radgraph')}, model {model}"
    if not wanted:
        return OutsideScores({f"radgraph_{level}": math.nan for level in _LEVELS}, {}, flavour, left_out)
    scorer = _loaded(lambda: package.F1RadGraph(reward_level="all", model_type=model, cuda=cuda), "radgraph")
    means, rewards, *_ = scorer(hyps=said, refs=wanted)
    if len(means) != len(_LEVELS) or any(len(one) != len(wanted) for one in rewards):
        raise DataError(
            "radgraph did not answer with three scores a report", remedy="pip install radgraph==0.1.18"
        )
    return OutsideScores(
        {f"radgraph_{level}": float(value) for level, value in zip(_LEVELS, means, strict=True)},
        {
            f"radgraph_{level}": tuple(float(one) for one in values)
            for level, values in zip(_LEVELS, rewards, strict=True)
        },
        flavour,
        left_out,
    )


def chexbert_scores(
    references: Sequence[str], generated: Sequence[str], *, device: str = "cpu"
) -> OutsideScores:
    """Compute CheXbert-F1 (Smit et al., 2020) over 14 and over 5 findings with the package f1chexbert.

    Its labels positive and uncertain count as present, all else as absent.

    Args:
        references: The reference reports, (N,); pairs whose reference is blank are left out and counted.
        generated: The generated reports, (N,).
        device: Where its network runs, such as cpu or cuda.

    Returns:
        chexbert_micro_14, chexbert_macro_14, chexbert_micro_5 and chexbert_macro_5.

    Raises:
        DataError: The lists differ in length.
        MissingExtraError: The package is not installed, or its weights are not there and cannot be fetched.

    Example:
        >>> chexbert_scores([], ["Clear."])
        Traceback (most recent call last):
        gaze_insight.errors.DataError: each reference needs its text: found 0 references and 1 texts
    """
    wanted, said, left_out = _pairs(references, generated)
    package = _package("f1chexbert")
    flavour = f"f1chexbert {_version('f1chexbert')}, uncertain counted as present"
    names = [f"chexbert_{kind}_{count}" for count in (14, 5) for kind in ("micro", "macro")]
    if not wanted:
        return OutsideScores(dict.fromkeys(names, math.nan), {}, flavour, left_out)
    scorer = _loaded(lambda: package.F1CheXbert(device=device), "f1chexbert")
    _, _, *reports = scorer(hyps=said, refs=wanted)
    values = [float(report[f"{kind} avg"]["f1-score"]) for report in reports for kind in ("micro", "macro")]
    return OutsideScores(dict(zip(names, values, strict=True)), {}, flavour, left_out)


def _pairs(references: Sequence[str], generated: Sequence[str]) -> tuple[list[str], list[str], int]:
    if len(references) != len(generated):
        raise DataError(
            f"each reference needs its text: found {len(references)} references and {len(generated)} texts"
        )
    kept = [(one, two) for one, two in zip(references, generated, strict=True) if one.strip()]
    return [one for one, _ in kept], [two for _, two in kept], len(references) - len(kept)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the optional package {name!r} is not installed or does not import: {error}",
            remedy=f"pip install {name}, in an environment of its own if it asks for another transformers",
        ) from error


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"


def _loaded(load: Any, name: str) -> Any:
    """Load the scorer; what goes wrong there is nearly always that its weights cannot be fetched."""
    try:
        return load()
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise MissingExtraError(
            f"{name} is installed, but its model could not be loaded: {error}",
            remedy="its weights come from the Hugging Face hub (StanfordAIMI/RRG_scorers): run it once with "
            "network, or fill the hub's cache",
        ) from error
