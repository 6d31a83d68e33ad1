"""`study shift`: how much trained runs lose on corrupted images, and which of them loses less."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.corruptions import CORRUPTIONS
from gaze_insight.types import Progress, Split, silent
from gaze_insight.workflow.studies.scoring import image_and_truth
from gaze_insight.workflow.studies.shift_estimates import (
    ShiftDifference,
    ShiftEstimates,
    ShiftLevel,
    ShiftMean,
    ShiftSettings,
)
from gaze_insight.workflow.studies.shift_scoring import ShiftRun, hidden_share, score_cells

__all__ = ["ShiftStudy", "cases_of", "name_runs", "study_shift"]

_SEED_ENDING = re.compile(r"-seed\d+$")


@dataclass(frozen=True)
class ShiftStudy:
    """What was found.

    Args:
        cohort: The cohort's name.
        split: The split, or "all".
        lines: Line to the folders of its runs.
        reference: The line that the others are compared with.
        levels: One entry a line, corruption and severity.
        means: One entry a line and corruption, and their means.
        differences: The same for each line but the reference.
        hidden_frac: Severity to the mean share of the lesion in the black corners of "other_scope".
        cases: Cases studied.
        left_out: Reason to count.
        failed: Id to message of the cases that were skipped.
        seen: Run to how many of the images it learned from or was watched with.
        predicted: Predictions made now, not kept from before.
        per_case: One row a case and line.
        settings: How it was done.
    """

    cohort: str
    split: str
    lines: dict[str, tuple[str, ...]]
    reference: str
    levels: tuple[ShiftLevel, ...]
    means: tuple[ShiftMean, ...]
    differences: tuple[ShiftDifference, ...]
    hidden_frac: dict[int, float]
    cases: int
    left_out: dict[str, int]
    failed: dict[str, str]
    seen: dict[str, int]
    predicted: int
    per_case: tuple[dict[str, Any], ...]
    settings: ShiftSettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the figure: one row a line, corruption and severity."""
        return [
            {
                "line": one.line,
                "corruption": one.corruption,
                "severity": one.severity,
                "value": CORRUPTIONS[one.corruption].value(one.severity)
                if one.corruption in CORRUPTIONS
                else None,
                "dice": one.dice.mean,
                "dice_low": one.dice.low,
                "dice_high": one.dice.high,
                "loss": one.loss.mean,
                "loss_low": one.loss.low,
                "loss_high": one.loss.high,
                "n": one.dice.n,
            }
            for one in self.levels
        ]


def name_runs(runs: Sequence[str]) -> list[tuple[str, Path]]:
    """Read runs as they are named in a command: ``FOLDER`` or ``NAME=FOLDER``.

    Args:
        runs: The words. Without a name the folder's own is taken, less the ``-seed0`` that a benchmark adds.

    Returns:
        Name of the line and folder of each run.

    Raises:
        SettingsError: There is no run, or one is named twice.

    Example:
        >>> [(name, path.as_posix()) for name, path in name_runs(["gaze=a/x", "b/unet-seed1"])]
        [('gaze', 'a/x'), ('unet', 'b/unet-seed1')]
    """
    named = []
    for word in runs:
        name, equals, folder = word.partition("=")
        if not equals or Path(word).exists():
            name, folder = _SEED_ENDING.sub("", Path(word).resolve().name), word
        named.append((name, Path(folder)))
    folders = [path.resolve() for _, path in named]
    if not named or len(set(folders)) < len(folders):
        raise SettingsError(f"expected folders of runs, each once, found {', '.join(runs) or 'none'}")
    return named


def cases_of(
    cohort: Cohort, split: Split | None, count: int | None = None, seed: int = 0
) -> tuple[tuple[Case, ...], dict[str, int]]:
    """Choose the cases: those of a split that have a true mask, or some of them drawn at random.

    Args:
        cohort: The cohort.
        split: The split; None for all cases.
        count: Cases to draw; None for all.
        seed: Seed of the draw.

    Returns:
        The cases, and reason to count of those left out.

    Raises:
        DataError: No case has a true mask.

    Example:
        >>> cases_of(Cohort("none", Path("none"), {}), None)
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: none: expected cases with true masks, found none among 0
          -> import the masks too, or choose another split
    """
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    usable = [case for case in wanted if case.mask_path is not None]
    if not usable:
        raise DataError(
            f"expected cases with true masks, found none among {len(wanted)}",
            path=cohort.folder,
            remedy="import the masks too, or choose another split",
        )
    chosen = usable
    if count is not None and count < len(usable):
        drawn = np.random.default_rng(seed).choice(len(usable), size=count, replace=False)
        chosen = [usable[index] for index in np.sort(drawn)]
    left_out = {"without a true mask": len(wanted) - len(usable), "not drawn": len(usable) - len(chosen)}
    return tuple(chosen), {why: n for why, n in left_out.items() if n}


def study_shift(
    runs: Sequence[ShiftRun],
    cohort: Cohort,
    *,
    split: Split | None = "test",
    count: int | None = None,
    reference: str | None = None,
    settings: ShiftSettings | None = None,
    workers: int = 2,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> ShiftStudy:
    """Score runs on corrupted images, and compare them with each other on the same images.

    Runs of one name are seeds of one line: its Dice is their mean. With two seeds or more in each line that
    an interval concerns, cases and seeds are drawn (`crossed_bootstrap_interval`), else cases alone.

    Args:
        runs: The runs, from `open_run`.
        cohort: The cohort that is corrupted; its cache keeps results.
        split: Which cases; None for all.
        count: Cases drawn at random; None for all.
        reference: The line that the others are compared with; None for the last one.
        settings: Corruptions and severities; None for all.
        workers: Threads that corrupt images ahead of the networks.
        on_bad: What a case that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in predictions.

    Returns:
        The study.

    Raises:
        SettingsError: There is no such line, or runs of one name differ in more than their seed.
        DataError: No case has a true mask, or a case cannot be read and `on_bad` is "raise".
    """
    settings = settings or ShiftSettings()
    lines = _lines(runs)
    compared = list(lines)[-1] if reference is None else reference
    if compared not in lines:
        raise SettingsError(f"unknown line {compared!r}; known: {', '.join(lines)}")
    cases, left_out = cases_of(cohort, split, count, settings.seed)
    scores = score_cells(
        runs,
        cohort,
        cases,
        dict.fromkeys(settings.corruptions, settings.severities),
        seed=settings.seed,
        workers=workers,
        on_bad=on_bad,
        progress=progress,
    )
    if not scores.cases:
        raise DataError(f"none of {len(cases)} cases could be used", path=cohort.folder)
    maths = ShiftEstimates(lines, scores, settings)
    return ShiftStudy(
        cohort=cohort.name,
        split=split or "all",
        lines={line: tuple(str(runs[one].path) for one in members) for line, members in lines.items()},
        reference=compared,
        levels=maths.levels(),
        means=maths.means(),
        differences=maths.differences(compared),
        hidden_frac=_hidden(scores.cases, settings),
        cases=len(scores.cases),
        left_out=left_out,
        failed=scores.failed,
        seen=_seen(runs, cohort, scores.cases),
        predicted=scores.predicted,
        per_case=maths.per_case(),
        settings=settings,
    )


def _lines(runs: Sequence[ShiftRun]) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        lines.setdefault(run.name, []).append(number)
    for line, members in lines.items():
        decisive = [runs[one].config.model_dump(mode="json") for one in members]
        if any({**one, "seed": 0} != {**decisive[0], "seed": 0} for one in decisive):
            raise SettingsError(
                f"the runs called {line!r} differ in more than their seed: "
                f"{', '.join(str(runs[one].path) for one in members)}",
                remedy="give each its own name, such as gaze=FOLDER masks=FOLDER",
            )
    return lines


def _hidden(cases: Sequence[Case], settings: ShiftSettings) -> dict[int, float]:
    if "other_scope" not in settings.corruptions:
        return {}
    truths = [image_and_truth(case)[1] for case in cases]
    return {
        severity: float(np.mean([hidden_share(truth, severity) for truth in truths]))
        for severity in settings.severities
    }


def _seen(runs: Sequence[ShiftRun], cohort: Cohort, cases: Sequence[Case]) -> dict[str, int]:
    hashes = [cohort.derived.file_hash(case.image_path) for case in cases]
    return {str(run.path): sum(one in run.seen for one in hashes) for run in runs}
