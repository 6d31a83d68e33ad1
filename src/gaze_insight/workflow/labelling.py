"""`label`: from looking to pseudo-masks, in parallel and cached."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask, provenance
from gaze_insight.pseudomask.stored import from_arrays, to_arrays
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.parallel import map_items

__all__ = ["LabelReport", "label", "load_pseudo_mask", "pseudo_mask_key"]

_KIND, _VERSION = "pseudomask", 2


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
    cluster: str | None = None,
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
        cluster: Address of a dask scheduler whose workers do it instead, such as ``tcp://host:8786``; they
            must see the cohort's folder and the images under the same paths.
        on_bad: What a case that cannot be labelled does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        What was done.

    Raises:
        DataError: An image cannot be read and ``on_bad`` is "raise".
        SettingsError: The cluster cannot be used, or `workers` and `cluster` are both given.
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
            missing.append(replace(case, image_path=case.image_path.absolute()))
    folder = cohort.derived.folder.absolute()
    work = partial(_make_one, folder, settings)
    with closing(map_items(work, missing, workers=workers, cluster=cluster, shared=folder)) as outcomes:
        for case, error in outcomes:
            if error is None:
                report.made += 1
            elif on_bad == "raise":
                raise error
            else:
                report.failed[case.id] = str(error)
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
        stored = _make(cohort.derived, case, settings)
    return from_arrays(stored)


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
    versions = json.dumps([part["version"] for part in provenance(settings)])
    return store.key(_KIND, _VERSION, case.image_path, rows, frame, settings, versions)


def _stored_at(store: ArtefactStore, case: Case, settings: PseudoMaskSettings) -> Path:
    return store.path(_KIND, pseudo_mask_key(store, case, settings), ".npz")


def _make(store: ArtefactStore, case: Case, settings: PseudoMaskSettings) -> dict[str, NDArray[Any]]:
    fixations = Fixations.empty() if case.fixations is None else case.fixations
    arrays = to_arrays(make_pseudo_mask(case.read_image(), fixations, settings), settings)
    store.put_arrays(_KIND, pseudo_mask_key(store, case, settings), **arrays)
    return arrays


def _make_one(store_folder: Path, settings: PseudoMaskSettings, case: Case) -> None:
    _make(_store_in(store_folder), case, settings)


@lru_cache(maxsize=2)
def _store_in(folder: Path) -> ArtefactStore:
    """One store a process: it reads its list of known file hashes once, not once a case."""
    return ArtefactStore(folder)
