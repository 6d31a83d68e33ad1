"""Refining labels by rounds: networks trained on parts of the cases correct the labels of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from accelerate import Accelerator

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.folds import cut_folds
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError, StoppedError
from gaze_insight.gaze.noise import NoiseSettings
from gaze_insight.methods.protocol import Stage
from gaze_insight.pseudomask.fusion import shipped_fusion
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.refinement import NETWORK_PART, RefinementSettings, refined_mask
from gaze_insight.pseudomask.stored import to_arrays
from gaze_insight.training.loop import STATE_FILE
from gaze_insight.types import FloatArray, Progress, silent
from gaze_insight.workflow.label_source import REFINED_KIND, LabelSource, RefinedLabels, VotedLabels
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.training_set import needs_pseudo_mask

__all__ = ["Refinement", "check_refinement", "read_refined_labels", "refine", "shortened"]

_VERSION = 1
_ROUND_FILE = "labels.json"
_FUSING = {"fusion", "network_weight", "temperature", "largest_logit", "trust"}
_ASKING = {"threshold", "batch_size"}

TrainFold = Callable[[Cohort, RunConfig, RunFolder, bool, LabelSource, Progress], RunFolder]
"""Trains a part of the cases: cohort, configuration, folder, whether to go on, labels, progress."""


@dataclass(frozen=True)
class Refinement:
    """What the rounds left.

    Attributes:
        labels: The refined labels.
        facts: What ``plan.json`` says of the rounds.
        seconds: Time that the rounds took, training included, over all sittings.
        batch_seconds: The part of it in which networks waited for batches.
    """

    labels: RefinedLabels
    facts: dict[str, Any]
    seconds: float
    batch_seconds: float


@dataclass(frozen=True)
class _Work:
    """What all rounds share."""

    cohort: Cohort
    config: RunConfig
    run: RunFolder
    folds: list[list[Case]]
    watched: Sequence[Case]
    voted: VotedLabels
    accelerator: Accelerator
    progress: Progress


def check_refinement(config: RunConfig, label_maps: Sequence[str]) -> None:
    """Refuse to refine labels that a method does not learn from.

    Args:
        config: The run's configuration.
        label_maps: What its method learns from.

    Raises:
        SettingsError: Rounds are asked for, and no label map is cut from the pseudo-mask.

    Example:
        >>> check_refinement(RunConfig(refinement={"rounds": 1}), ("sparse", "box"))
        >>> check_refinement(RunConfig(), ("mask",))
    """
    if config.refinement.rounds and not any(map(needs_pseudo_mask, label_maps)):
        raise SettingsError(
            f"refinement.rounds={config.refinement.rounds} refines gaze pseudo-masks, and the method "
            f"{config.method_name!r} learns from {', '.join(label_maps)} alone",
            remedy="use refinement.rounds=0, or a method that learns from pseudo-masks",
        )


def shortened(stages: Sequence[Stage], share: float) -> tuple[Stage, ...]:
    """Shorten the stages of a training.

    Args:
        stages: The stages.
        share: Of their epochs, in (0, 1].

    Returns:
        The stages with so many epochs, rounded, and at least one each.

    Example:
        >>> shortened((Stage("teacher", 1), Stage("student", 10)), 0.25)
        (Stage(name='teacher', epochs=1), Stage(name='student', epochs=2))
    """
    return tuple(Stage(stage.name, max(1, round(stage.epochs * share))) for stage in stages)


def refine(
    cohort: Cohort,
    config: RunConfig,
    run: RunFolder,
    cases: Sequence[Case],
    *,
    train_fold: TrainFold,
    accelerator: Accelerator,
    watched: Sequence[Case] = (),
    progress: Progress = silent,
) -> Refinement:
    """Refine the labels of the training cases, round by round; go on where an earlier sitting stopped.

    In each round, for each fold, the run's own method is trained on the other folds in
    ``rounds/R/fold-K/`` and predicts the fold's cases, whose labels it never saw. Each prediction is joined
    with the gaze vote (see `refined_mask`). The next round trains on the refined labels, and joins its
    predictions with the vote again. No true mask is read, and labels of other splits stay as they are.

    Args:
        cohort: The cohort.
        config: The run's configuration, with rounds.
        run: The run's folder.
        cases: The training cases, all with gaze.
        train_fold: Trains the networks.
        accelerator: Devices and processes; the first process writes the labels.
        watched: Validation cases; they are watched where weights are chosen on them, and not otherwise.
        progress: Receives progress; each message names round and fold.

    Returns:
        The refined labels and what is to be said of them.

    Raises:
        DataError: There are fewer patients than folds, or the folder holds a fold's training of other
            settings or other data.
        StoppedError: A stop was asked for; all is saved.
    """
    settings = config.refinement
    folds = cut_folds(cases, settings.folds, config.seed)
    voted = VotedLabels(cohort, config.labels)
    chosen = watched if config.training.selection == "validation" else ()
    work = _Work(cohort, config, run, folds, chosen, voted, accelerator, progress)
    labels: LabelSource = voted
    refined, rounds, seconds, waited = RefinedLabels(voted, {}), [], 0.0, 0.0
    for number in range(1, settings.rounds + 1):
        trained = [_trained_fold(work, number, fold, labels, train_fold) for fold in range(settings.folds)]
        with accelerator.main_process_first():
            record = _record_of(work, number, trained)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            for fold_run in trained:
                (fold_run.path / STATE_FILE).unlink(missing_ok=True)
        plans = [fold_run.plan() for fold_run in trained]
        spent = record["seconds"] + sum(plan["train_seconds"] for plan in plans)
        rounds.append({"round": number, **_means(record), "seconds": spent})
        seconds, waited = seconds + spent, waited + sum(plan["batch_seconds"] for plan in plans)
        labels = refined = RefinedLabels(voted, _keys(record))
    facts = {"folds": [[case.id for case in fold] for fold in folds], "rounds": rounds}
    return Refinement(refined, facts, seconds, waited)


def read_refined_labels(cohort: Cohort, config: RunConfig, run: RunFolder) -> dict[str, dict[str, Any]]:
    """Read what the last round of a run changed, case by case.

    Args:
        cohort: The run's cohort.
        config: The run's configuration.
        run: The run's folder.

    Returns:
        Case id to "key", "dice" (of the vote's and the refined comprehensive mask), "changed" (share of
        pixels whose label differs), "trust_before" and "trust_after" (means over the pixels); empty for a
        run without rounds.

    Raises:
        DataError: The record is missing or damaged.
    """
    if config.refinement.rounds == 0:
        return {}
    cases: dict[str, dict[str, Any]] = run.read_json(_round_folder(run, config.refinement.rounds))["cases"]
    return cases


def _round_folder(run: RunFolder, number: int) -> Any:
    return run.rounds / str(number) / _ROUND_FILE


def _trained_fold(
    work: _Work, number: int, fold: int, labels: LabelSource, train_fold: TrainFold
) -> RunFolder:
    """Train on all folds but one, or go on with it, or find it trained."""
    others = [case for index, one in enumerate(work.folds) if index != fold for case in one]
    cases = {case.id: case for case in (*others, *work.watched)}
    view = replace(
        work.cohort,
        cases={**work.cohort.cases, **cases},
        splits={
            "train": tuple(case.id for case in others),
            "val": tuple(case.id for case in work.watched),
        },
    )
    folder = RunFolder(work.run.rounds / str(number) / f"fold-{fold + 1}")
    where = f"round {number} of {work.config.refinement.rounds}, fold {fold + 1} of {len(work.folds)}"

    def tell(what: str, done: int, total: int) -> None:
        work.progress(f"{where}: {what}", done, total)

    try:
        return train_fold(view, _fold_config(work.config), folder, folder.has_begun(), labels, tell)
    except StoppedError as error:
        raise StoppedError(
            f"{where}: {error.message}", remedy=f"go on with: gaze-insight train --resume {work.run.path}"
        ) from error


def _fold_config(config: RunConfig) -> RunConfig:
    """The configuration of a fold: no rounds of its own, no look at the test set, its cases as they are."""
    min_steps = round(config.training.min_steps * config.refinement.epochs_share)
    return config.model_copy(
        update={
            "refinement": RefinementSettings(),
            "gaze_noise": NoiseSettings(),
            "training": config.training.model_copy(update={"cases": None, "min_steps": min_steps}),
            "evaluation": config.evaluation.model_copy(update={"protocol": "honest"}),
        }
    )


def _record_of(work: _Work, number: int, trained: Sequence[RunFolder]) -> dict[str, Any]:
    """Find the labels of a round, or make them from the networks of its folds."""
    path, key = _round_folder(work.run, number), _round_key(work, trained)
    store = work.cohort.derived
    if path.exists():
        known = work.run.read_json(path)
        stored = (store.path(REFINED_KIND, one, ".npz").exists() for one in _keys(known).values())
        if known["key"] == key and all(stored):
            return known
    started, rows = time.monotonic(), {}
    total = sum(map(len, work.folds))
    for fold, fold_run in zip(work.folds, trained, strict=True):
        for case, network in _predictions(work, fold, fold_run):
            rows[case.id] = _refined_case(work, case, network)
            work.progress(f"round {number} of {work.config.refinement.rounds}: refining", len(rows), total)
    record = {"key": key, "seconds": time.monotonic() - started, "cases": rows}
    work.run.write_json(path, record)
    return record


def _predictions(work: _Work, fold: Sequence[Case], fold_run: RunFolder) -> Any:
    predictor = load_predictor(fold_run.path, device=str(work.accelerator.device))
    head, size = predictor.method.heads[0], work.config.prediction.batch_size
    for start in range(0, len(fold), size):
        part = fold[start : start + size]
        for case, said in zip(part, predictor.predict_batch([one.read_image() for one in part]), strict=True):
            yield case, said[head]


def _refined_case(work: _Work, case: Case, network: FloatArray) -> dict[str, Any]:
    vote, settings, levels = work.voted.load(case), work.config.refinement, work.config.labels.levels
    if vote is None:
        raise DataError(f"case {case.id!r} has no gaze to refine", path=work.cohort.folder)
    refined = refined_mask(vote, network, settings, levels)
    store = work.cohort.derived
    key = store.key(
        REFINED_KIND,
        _VERSION,
        work.voted.key(case),
        refined.parts[NETWORK_PART],
        refined.soft,
        refined.trust,
        _fusing(settings),
        levels,
    )
    store.put_arrays(REFINED_KIND, key, **to_arrays(refined, work.config.labels))
    return {"key": key, **_difference(vote, refined)}


def _difference(vote: PseudoMask, refined: PseudoMask) -> dict[str, float]:
    before, after = vote.comprehensive == 1, refined.comprehensive == 1
    total = int(before.sum() + after.sum())
    return {
        "dice": 2 * int((before & after).sum()) / total if total else 1.0,
        "changed": float(np.mean(before != after)),
        "trust_before": float(vote.trust.mean()),
        "trust_after": float(refined.trust.mean()),
    }


def _round_key(work: _Work, trained: Sequence[RunFolder]) -> str:
    asking = work.config.prediction.model_dump_json(exclude=_ASKING)
    folds = [[case.id for case in fold] for fold in work.folds]
    votes = [work.voted.key(case) for fold in work.folds for case in fold]
    networks = [fold_run.plan()["fingerprint"] for fold_run in trained]
    settings = work.config.refinement
    rule = shipped_fusion().model_dump_json() if settings.fusion == "calibrated" else ""
    how = f"{_fusing(settings)} {rule} {asking} {folds}"
    return work.cohort.derived.key("refined-round", _VERSION, how, *networks, *votes)


def _fusing(settings: RefinementSettings) -> str:
    return settings.model_dump_json(include=_FUSING)


def _keys(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: row["key"] for name, row in record["cases"].items()}


def _means(record: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(record["cases"].values())
    return {
        "cases": len(rows),
        "changed_cases": sum(row["changed"] > 0 for row in rows),
        "dice_of_vote_and_refined": float(np.mean([row["dice"] for row in rows])),
        "changed_pixels_frac": float(np.mean([row["changed"] for row in rows])),
        "trust_before": float(np.mean([row["trust_before"] for row in rows])),
        "trust_after": float(np.mean([row["trust_after"] for row in rows])),
    }
