"""What every study needs: its cases, the Dice of a reading's pseudo-mask, intervals, and cached work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from gaze_insight.cohort.artefacts import KeyPart
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, GazeInsightError
from gaze_insight.evaluation.overlap import dice
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import BoolArray, ByteArray, Progress, Settings, Size, Split, silent
from gaze_insight.workflow.labelling import pseudo_mask_key
from gaze_insight.workflow.parallel import map_items

__all__ = [
    "Estimate",
    "StudiedCases",
    "StudyItem",
    "StudySettings",
    "choose_cases",
    "estimate",
    "image_and_truth",
    "pseudo_mask_dice",
    "score_items",
    "strata_of",
]

_FEWEST = 5


class StudySettings(Settings):
    """What all studies have in common.

    Example:
        >>> StudySettings().area_edges_frac
        (0.06, 0.15)
    """

    area_edges_frac: tuple[float, ...] = Field(
        (0.06, 0.15), description="borders of the size strata: share of the image that the true mask covers"
    )
    resamples: int = Field(2000, ge=20, description="bootstrap resamples of each interval")
    seed: int = Field(0, ge=0, description="seed of everything that is drawn")

    @model_validator(mode="after")
    def _in_order(self) -> StudySettings:
        edges = self.area_edges_frac
        if list(edges) != sorted(set(edges)) or any(not 0 < edge < 1 for edge in edges):
            raise ValueError(f"area_edges_frac must rise within (0, 1), found {edges}")
        return self


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval over cases (over patients where they are known).

    Args:
        mean: The mean.
        low: Lower end; NaN where there are fewer than five cases.
        high: Upper end; NaN likewise.
        n: Cases.

    Example:
        >>> Estimate(0.8, 0.7, 0.9, 60).n
        60
    """

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class StudyItem:
    """A case to work on.

    Args:
        case: The case, with its fixations and the path of its true mask.
        others: Readings of other images, where the study needs them.
    """

    case: Case
    others: tuple[Fixations, ...] = ()


@dataclass(frozen=True, eq=False)
class StudiedCases:
    """The cases of a study, and those that are not in it.

    Args:
        cases: Those with gaze and a true mask that were drawn, in the cohort's order.
        left_out: Reason to count.
        simulated: How many of the cases have simulated gaze.
    """

    cases: tuple[Case, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    simulated: int = 0


def choose_cases(
    cohort: Cohort, *, split: Split | None = None, count: int | None = None, seed: int = 0
) -> StudiedCases:
    """Choose the cases that a study can use.

    Args:
        cohort: The cohort.
        split: Which split; None for all cases.
        count: Cases to draw at random; None for all.
        seed: Seed of the draw.

    Returns:
        The cases and what was left out.

    Raises:
        DataError: No case has both gaze and a true mask.
    """
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    seen = [case for case in wanted if case.fixations is not None and len(case.fixations)]
    usable = [case for case in seen if case.mask_path is not None]
    if not usable:
        raise DataError(
            f"a study needs cases with fixations and true masks, found none among {len(wanted)} cases of "
            f"{'all splits' if split is None else f'split {split!r}'} of cohort {cohort.name!r}",
            path=cohort.folder,
            remedy="import the gaze (--gaze), and the masks in a folder masks/ beside images/"
            if not seen
            else "import with the masks in a folder masks/ beside images/",
        )
    chosen = usable
    if count is not None and count < len(usable):
        drawn = np.random.default_rng(seed).choice(len(usable), size=count, replace=False)
        chosen = [usable[index] for index in np.sort(drawn)]
    left_out = {
        "without gaze": len(wanted) - len(seen),
        "without a true mask": len(seen) - len(usable),
        "not drawn": len(usable) - len(chosen),
    }
    simulated = sum(case.meta.get("gaze") == "simulated" for case in chosen)
    return StudiedCases(tuple(chosen), {why: n for why, n in left_out.items() if n}, simulated)


def image_and_truth(case: Case) -> tuple[ByteArray, BoolArray]:
    """Read a case's image and true mask.

    Args:
        case: A case with a true mask.

    Returns:
        Image (H, W, 3) uint8 and mask (H, W) bool.

    Raises:
        DataError: A file cannot be read, the sizes differ, or there is no mask.

    Example:
        >>> from pathlib import Path
        >>> image_and_truth(Case(id="a", image_path=Path("nowhere.png")))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: case 'a' has no true mask
    """
    truth = case.read_mask()
    if truth is None:
        raise DataError(f"case {case.id!r} has no true mask")
    return case.read_image(), truth


def pseudo_mask_dice(
    image: ByteArray, truth: BoolArray, reading: Fixations, settings: PseudoMaskSettings
) -> float:
    """Dice of a reading's comprehensive pseudo-mask at the true mask's own size.

    The soft foreground is brought to the mask's size bilinearly and cut at ``levels.comprehensive``, as
    `evaluate` does. A reading without a fixation on the image gives an empty mask, and Dice 0 on a lesion.

    Args:
        image: (H, W, 3) uint8.
        truth: (H, W) bool.
        reading: The fixations.
        settings: The recipe.

    Returns:
        A fraction in [0, 1].

    Raises:
        DataError: The recipe cannot use the image or the reading.

    Example:
        >>> truth = np.zeros((40, 40), bool)
        >>> pseudo_mask_dice(np.zeros((40, 40, 3), np.uint8), truth, Fixations.empty(), PseudoMaskSettings())
        1.0
    """
    size = Size(*truth.shape)
    soft = make_pseudo_mask(image, reading, settings).soft
    soft = cv2.resize(soft, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    return dice(np.asarray(soft >= settings.levels.comprehensive), truth)


def estimate(
    values: ArrayLike, cases: Sequence[Case], settings: StudySettings, among: BoolArray | None = None
) -> Estimate:
    """Mean and 95 % bootstrap interval over cases, or over patients where any is known.

    Args:
        values: One number a case, (N,).
        cases: The cases, in the same order.
        settings: Resamples and seed; equal seeds resample all estimates alike.
        among: Which cases count, (N,) bool; None for all.

    Returns:
        The estimate; NaN throughout for no case.

    Example:
        >>> estimate([], [], StudySettings()).n
        0
    """
    array = np.asarray(values, dtype=np.float64)
    chosen = np.arange(len(array)) if among is None else np.flatnonzero(among)
    if len(chosen) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    kept = array[chosen]
    if len(chosen) < _FEWEST:
        return Estimate(float(kept.mean()), float("nan"), float("nan"), len(chosen))
    groups = None
    counted = [cases[int(index)] for index in chosen]
    if any(case.patient is not None for case in counted):
        groups = [case.patient or ("case", case.id) for case in counted]
    low, high = bootstrap_interval(kept, groups=groups, resamples=settings.resamples, seed=settings.seed)
    return Estimate(float(kept.mean()), low, high, len(chosen))


def strata_of(areas_frac: ArrayLike, settings: StudySettings) -> dict[str, BoolArray]:
    """Sort cases by the share of the image that their true mask covers.

    Args:
        areas_frac: One a case, (N,), in [0, 1].
        settings: The borders.

    Returns:
        Name to mask (N,), from small to large, "all" first; strata without a case are left out.

    Example:
        >>> {name: which.tolist() for name, which in strata_of([0.02, 0.3], StudySettings()).items()}
        {'all': [True, True], '< 6 %': [True, False], '≥ 15 %': [False, True]}
    """
    areas = np.asarray(areas_frac, dtype=np.float64)
    edges = settings.area_edges_frac
    found = {"all": np.ones(len(areas), dtype=np.bool_)}
    number = np.searchsorted(edges, areas, side="right")
    for place in range(len(edges) + 1 if edges else 0):
        words = [f"{100 * edge:g}" for edge in edges[max(0, place - 1) : place + 1]]
        name = f"{words[0]} to {words[-1]} %"
        if place == 0:
            name = f"< {words[0]} %"
        elif place == len(edges):
            name = f"≥ {words[-1]} %"
        found[name] = number == place
    return {name: which for name, which in found.items() if which.any()}


def score_items(
    function: Callable[[StudyItem], dict[str, Any]],
    items: Sequence[StudyItem],
    cohort: Cohort,
    labels: PseudoMaskSettings,
    *,
    kind: str,
    version: int,
    parts: Callable[[StudyItem], Sequence[KeyPart]],
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Work on each case, or find its result in the cohort's cache; an interrupted study goes on from there.

    A result is keyed by the image, the true mask, the fixations, the recipe with its version, and `parts`.

    Args:
        function: From an item to plain values; it must come through pickle.
        items: The items.
        cohort: Whose cache is used.
        labels: The recipe.
        kind: Folder of the results in the cache.
        version: Raised whenever the function's result changes.
        parts: What else an item's result depends on.
        workers: Processes; None for one a core.
        cluster: Address of a dask scheduler instead.
        on_bad: What a case that cannot be used does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        Id to result in the order of the items, and id to message of the cases that were skipped.

    Raises:
        GazeInsightError: A case cannot be used and `on_bad` is "raise".
    """
    store, found, failed = cohort.derived, dict[str, dict[str, Any]](), dict[str, str]()
    missing: list[StudyItem] = []
    keys: dict[str, str] = {}
    for item in items:
        case = item.case
        try:
            recipe = pseudo_mask_key(store, case, labels)
            keys[case.id] = store.key(kind, version, recipe, case.mask_path, *parts(item))
        except GazeInsightError as error:
            _note(error, case.id, failed, on_bad)
            continue
        stored = store.get_json(kind, keys[case.id])
        if isinstance(stored, Mapping):
            found[case.id] = dict(stored)
        else:
            missing.append(_found_from_anywhere(item))
    shared = (cohort.root or cohort.folder).absolute()
    results = map_items(
        function, missing, workers=workers, cluster=cluster, shared=shared, what=kind, progress=progress
    )
    with closing(results):
        for item, result in results:
            if isinstance(result, GazeInsightError):
                _note(result, item.case.id, failed, on_bad)
            else:
                store.put_json(kind, keys[item.case.id], result)
                found[item.case.id] = result
    return {item.case.id: found[item.case.id] for item in items if item.case.id in found}, failed


def _found_from_anywhere(item: StudyItem) -> StudyItem:
    case = item.case
    mask = None if case.mask_path is None else case.mask_path.absolute()
    return replace(item, case=replace(case, image_path=case.image_path.absolute(), mask_path=mask))


def _note(error: GazeInsightError, id: str, failed: dict[str, str], on_bad: str) -> None:
    if on_bad == "raise":
        raise error
    failed[id] = str(error)
