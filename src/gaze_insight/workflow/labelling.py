"""`label`: from looking to pseudo-masks, in parallel and cached."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import GazeInsightError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import Progress, silent

__all__ = ["LabelReport", "label", "load_pseudo_mask", "pseudo_mask_key"]

_KIND, _VERSION = "pseudomask", 1
_CASES_WORTH_A_PROCESS = 32


@dataclass
class LabelReport:
    """What labelling did.

    Attributes:
        made: Pseudo-masks computed.
        cached: Pseudo-masks that were there already.
        without_gaze: Ids that have no fixation on the image, and so no pseudo-mask.
        failed: Id to message of the cases that were skipped.
        seconds: Wall-clock time.
    """

    made: int = 0
    cached: int = 0
    without_gaze: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def label(
    cohort: Cohort,
    settings: PseudoMaskSettings | None = None,
    *,
    cases: Iterable[Case] | None = None,
    workers: int | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> LabelReport:
    """Make the pseudo-mask of each case that has gaze, or find it in the cohort's cache.

    A pseudo-mask is keyed by the image's content, the fixations and the settings; it never depends on a
    true mask. What was made before a failure or an interruption stays.

    Args:
        cohort: The cohort.
        settings: The recipe; None for the defaults.
        cases: The cases to label; None for all.
        workers: Processes; None for one a core, 1 to stay in this one.
        on_bad: What a case that cannot be labelled does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        What was done.

    Raises:
        DataError: An image cannot be read and ``on_bad`` is "raise".
    """
    settings = settings or PseudoMaskSettings()
    started, report = time.monotonic(), LabelReport()
    missing: list[Case] = []
    for case in cohort.cases.values() if cases is None else cases:
        if not _has_gaze(case):
            report.without_gaze.append(case.id)
        elif case.image_path.exists() and _stored_at(cohort.derived, case, settings).exists():
            report.cached += 1
        else:
            missing.append(case)
    for id, error in _outcomes(cohort.derived, missing, settings, workers):
        if error is None:
            report.made += 1
        elif on_bad == "raise":
            raise error
        else:
            report.failed[id] = str(error)
        progress("labelling", report.made + len(report.failed), len(missing))
    report.seconds = time.monotonic() - started
    return report


def load_pseudo_mask(
    cohort: Cohort, case: Case, settings: PseudoMaskSettings | None = None
) -> PseudoMask | None:
    """Read a case's pseudo-mask from the cohort's cache, making it where it is missing or damaged.

    Args:
        cohort: The cohort.
        case: One of its cases.
        settings: The recipe; None for the defaults.

    Returns:
        The pseudo-mask; None for a case without gaze.

    Raises:
        DataError: The image cannot be read.
    """
    settings = settings or PseudoMaskSettings()
    if not _has_gaze(case):
        return None
    stored = cohort.derived.get_arrays(_KIND, pseudo_mask_key(cohort.derived, case, settings))
    if stored is None:
        return _make(cohort.derived, case, settings)
    return PseudoMask(soft=stored["soft"], sparse=stored["sparse"], comprehensive=stored["comprehensive"])


def _has_gaze(case: Case) -> bool:
    return case.fixations is not None and len(case.fixations) > 0


def pseudo_mask_key(store: ArtefactStore, case: Case, settings: PseudoMaskSettings) -> str:
    """Make the key of a case's pseudo-mask; what is made from pseudo-masks carries it in its own key.

    Args:
        store: The cohort's cache.
        case: The case; without gaze it has a key all the same.
        settings: The recipe.

    Returns:
        A key that changes with the image, the fixations, the settings and the recipe's version.

    Raises:
        DataError: The image cannot be read.
    """
    rows = np.array([] if case.fixations is None else case.fixations.to_rows())
    frame = "" if case.fixations is None else case.fixations.frame
    return store.key(_KIND, _VERSION, case.image_path, rows, frame, settings)


def _stored_at(store: ArtefactStore, case: Case, settings: PseudoMaskSettings) -> Path:
    return store.path(_KIND, pseudo_mask_key(store, case, settings), ".npz")


def _make(store: ArtefactStore, case: Case, settings: PseudoMaskSettings) -> PseudoMask:
    fixations = Fixations.empty() if case.fixations is None else case.fixations
    mask = make_pseudo_mask(case.read_image(), fixations, settings)
    key = pseudo_mask_key(store, case, settings)
    store.put_arrays(_KIND, key, soft=mask.soft, sparse=mask.sparse, comprehensive=mask.comprehensive)
    return mask


def _attempt(
    store_folder: Path, case: Case, settings: PseudoMaskSettings
) -> tuple[str, GazeInsightError | None]:
    cv2.setNumThreads(1)
    try:
        _make(ArtefactStore(store_folder), case, settings)
    except GazeInsightError as error:
        return case.id, error
    return case.id, None


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _outcomes(
    store: ArtefactStore, cases: Sequence[Case], settings: PseudoMaskSettings, workers: int | None
) -> Iterator[tuple[str, GazeInsightError | None]]:
    count = min(workers or os.cpu_count() or 1, len(cases) // _CASES_WORTH_A_PROCESS)
    if count <= 1:
        for case in cases:
            yield _attempt(store.folder, case, settings)
        return
    with ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_leave_interrupts_to_the_parent
    ) as pool:
        futures = [pool.submit(_attempt, store.folder, case, settings) for case in cases]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
