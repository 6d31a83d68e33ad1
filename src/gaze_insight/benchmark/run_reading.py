"""One run of a benchmark, read from its folder: scores, facts, and whether it is what the suite asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, GazeInsightError
from gaze_insight.evaluation.cases import CaseScore, read_cases_csv
from gaze_insight.types import Settings

__all__ = ["AbsentRun", "Run", "RunFacts", "RunState", "read_run", "setting_differences"]

RunState = Literal["missing", "unfinished", "other settings", "other cases", "damaged"]
"""Why a run is not in the tables."""

_FREE_SETTINGS = (
    "training.device",
    "training.checkpoint_minutes",
    "prediction.batch_size",
    "evaluation.resamples",
)


@dataclass(frozen=True)
class AbsentRun:
    """A run that the suite asks for and the tables do not use.

    Args:
        row: The row it was for.
        seed: Its seed.
        state: Why it is not used.
        reason: The same in words, with what to do.

    Example:
        >>> AbsentRun("fgi", 1, "missing", "not started").state
        'missing'
    """

    row: str
    seed: int
    state: RunState
    reason: str


@dataclass(frozen=True)
class RunFacts:
    """How a run was made; None or empty where its files do not say.

    Args:
        method: The method's registered name.
        cohort: Name of the cohort it was scored on.
        protocol: How its weights were chosen, in words.
        empty_masks: What empty masks scored, in words.
        training_cases: Images it learned from.
        validation_cases: Images it was watched with.
        train_seconds: Time of the training.
        parameters: Numbers of weights by part.
        gaze_hours: Time that the gaze on the training images took.
        gaze_source: How that time was measured.
        drawing_hours: Time that drawing the true masks it learned from is taken to cost.
        drawing_source: Where that is from.
        asked_cases: Images it was asked to learn from; None for all.
        hardware: Name of the processor or GPU.
        version: Version of gaze-insight.
        commit: Commit of the code.

    Example:
        >>> RunFacts(method="fgi", cohort="kvasir").train_seconds is None
        True
    """

    method: str
    cohort: str
    protocol: str = ""
    empty_masks: str = ""
    training_cases: int | None = None
    validation_cases: int | None = None
    train_seconds: float | None = None
    parameters: Mapping[str, int] | None = None
    gaze_hours: float | None = None
    gaze_source: str = ""
    drawing_hours: float | None = None
    drawing_source: str = ""
    asked_cases: int | None = None
    hardware: str = ""
    version: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        row: Key of the row it belongs to.
        seed: Its seed.
        folder: Its folder.
        scores: Scores by head, each head's in the file's order.
        last_scores: Scores of the last weights by head; empty but under the protocol "paper".
        evaluations: Mean test Dice at each evaluation during training; empty likewise.
        facts: How it was made.
        external: It was made by another program, and its settings could not be checked.
    """

    row: str
    seed: int
    folder: Path
    scores: Mapping[str, tuple[CaseScore, ...]]
    last_scores: Mapping[str, tuple[CaseScore, ...]]
    evaluations: tuple[float, ...]
    facts: RunFacts
    external: bool = False


def read_run(folder: Path, row: str, seed: int, *, planned: Settings | None, cohort: str) -> Run | AbsentRun:
    """Read a run, or say why it cannot be used.

    Args:
        folder: The run's folder.
        row: The row it is for.
        seed: The seed it is for.
        planned: The configuration that the suite composes; None for a run that another program makes.
        cohort: Name of the benchmark's cohort.

    Returns:
        The run; or an absent one, whose state names what is wrong.

    Example:
        >>> read_run(Path("nowhere"), "fgi", 0, planned=None, cohort="kvasir").state
        'missing'
    """
    files = RunFolder(folder)
    if not (files.summary_json.is_file() and files.cases_csv.is_file()):
        if not files.config_yaml.is_file():
            return AbsentRun(row, seed, "missing", "not started")
        done = files.weights.is_file()
        return AbsentRun(row, seed, "unfinished", "trained, not scored" if done else "training not finished")
    try:
        wrong = None if planned is None else _wrong_settings(files, planned, row, seed)
        return wrong or _finished(files, row, seed, cohort, external=planned is None)
    except GazeInsightError as error:
        return AbsentRun(row, seed, "damaged", str(error).splitlines()[0])


def setting_differences(found: Settings, planned: Settings) -> list[str]:
    """List the settings in which a run differs from what was planned.

    The device, the time between saved states, the batch of predictions and the number of resamples may
    differ: they do not change the scores.

    Args:
        found: The run's configuration.
        planned: The suite's.

    Returns:
        ``key: found (planned)`` for each, sorted by key; empty where they agree.

    Example:
        >>> from gaze_insight.config.run_config import RunConfig
        >>> setting_differences(RunConfig(seed=1), RunConfig(seed=0))
        ['seed: 1 (planned 0)']
    """
    ours, theirs = _flat(found.model_dump(mode="json")), _flat(planned.model_dump(mode="json"))
    return [
        f"{key}: {ours.get(key)!r} (planned {theirs.get(key)!r})"
        for key in sorted(ours.keys() | theirs.keys())
        if key not in _FREE_SETTINGS and ours.get(key) != theirs.get(key)
    ]


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def _wrong_settings(files: RunFolder, planned: Settings, row: str, seed: int) -> AbsentRun | None:
    differences = setting_differences(files.config(), planned)
    if not differences:
        return None
    rest = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return AbsentRun(row, seed, "other settings", "; ".join(differences[:3]) + rest)


def _finished(files: RunFolder, row: str, seed: int, cohort: str, *, external: bool) -> Run | AbsentRun:
    summary = files.read_json(files.summary_json)
    plan = files.plan() if files.plan_json.is_file() else {}
    made = files.read_json(files.environment_json) if files.environment_json.is_file() else {}
    if summary.get("cohort") != cohort:
        reason = f"scored on the cohort {summary.get('cohort')!r}, the benchmark's is {cohort!r}"
        return AbsentRun(row, seed, "other cases", reason)
    scores = _by_head(files.cases_csv)
    if not scores:
        return AbsentRun(row, seed, "damaged", "its table of scores holds no case")
    last = _by_head(files.cases_last_csv) if files.cases_last_csv.is_file() else {}
    chosen = files.read_json(files.selection_json) if files.selection_json.is_file() else {}
    return Run(
        row=row,
        seed=seed,
        folder=files.path,
        scores=scores,
        last_scores=last,
        evaluations=tuple(float(one["dice"]) for one in chosen.get("evaluations", ())),
        facts=_facts(summary, plan, made),
        external=external,
    )


def _by_head(path: Path) -> dict[str, tuple[CaseScore, ...]]:
    heads: dict[str, dict[str, CaseScore]] = {}
    for score in read_cases_csv(path):
        if score.id in heads.setdefault(score.head, {}):
            raise DataError(f"case {score.id!r} is scored twice for the head {score.head!r}", path=path)
        heads[score.head][score.id] = score
    return {head: tuple(scores.values()) for head, scores in heads.items()}


def _facts(summary: Mapping[str, Any], plan: Mapping[str, Any], made: Mapping[str, Any]) -> RunFacts:
    split, spent = summary.get("split") or {}, summary.get("annotation_time_h") or {}
    seconds = summary.get("seconds") or {}
    return RunFacts(
        method=str(summary.get("method", "unknown")),
        cohort=str(summary.get("cohort", "unknown")),
        protocol=str(summary.get("protocol", "")),
        empty_masks=str(summary.get("empty_mask_policy", "")),
        training_cases=split.get("train"),
        validation_cases=split.get("val"),
        train_seconds=seconds.get("train"),
        parameters=plan.get("parameters") or summary.get("parameters"),
        gaze_hours=spent.get("gaze"),
        gaze_source=str(spent.get("source", "")),
        drawing_hours=spent.get("drawing"),
        drawing_source=str(spent.get("drawing_source", "")),
        asked_cases=(plan.get("learned_from") or {}).get("asked"),
        hardware=str(made.get("hardware", "")),
        version=str(made.get("gaze-insight", "")),
        commit=str(made.get("commit", "")),
    )
