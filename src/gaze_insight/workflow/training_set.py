"""The training set of a split: images and label maps at the network's size, memory-mapped from the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gaze_insight.atomic import replace_atomic
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.weak_labels import WEAK_KINDS, WeakKind, WeakLabelSettings
from gaze_insight.inference.predictor import fit_image
from gaze_insight.losses.soft_labels import SHARE_STEPS
from gaze_insight.methods.levels import level_threshold
from gaze_insight.pseudomask.expected_dice import expected_dice, shipped_calibration
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.batches import TrainingSet
from gaze_insight.training.words import WordRows
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, FloatArray, Progress, Size, silent
from gaze_insight.workflow.label_source import LabelSource, VotedLabels
from gaze_insight.workflow.weak_labels import weak_label_key, weak_label_of

__all__ = ["build_training_set", "needs_pseudo_mask", "unreadable_cases", "usable_cases"]

_KIND, _VERSION = "training-set", 1
_PLURAL = {
    "image": "images",
    "mask": "true masks",
    "sparse": "sparse labels",
    "comprehensive": "comprehensive labels",
    "soft": "soft labels",
    "trust": "trust in the labels",
    "weighted_trust": "trust weighed by case",
    "points": "points",
    "box": "boxes",
    "scribble": "scribbles",
}
_LEVELS = frozenset({"sparse", "comprehensive"})
_SHARES = frozenset({"soft", "trust", "weighted_trust"})
_WEAK: Mapping[str, WeakKind] = {kind: kind for kind in WEAK_KINDS}


@dataclass(frozen=True)
class _Recipe:
    """What a plane depends on besides its cases."""

    cohort: Cohort
    weak: WeakLabelSettings
    size: Size
    pseudo: LabelSource


def needs_pseudo_mask(label_map: str) -> bool:
    """Tell whether a label map is cut from the gaze pseudo-mask.

    Args:
        label_map: Its name.

    Example:
        >>> [needs_pseudo_mask(name) for name in ("sparse", "above_0.5000", "soft", "box", "mask")]
        [True, True, True, False, False]
    """
    return label_map in _LEVELS | _SHARES or level_threshold(label_map) is not None


def _needs_gaze(label_map: str) -> bool:
    return needs_pseudo_mask(label_map) or label_map in _WEAK


def usable_cases(cases: Sequence[Case], label_maps: Sequence[str]) -> tuple[list[Case], dict[str, str]]:
    """Sort out the cases that have what a method learns from.

    Args:
        cases: The cases of a split.
        label_maps: Names among "sparse", "comprehensive", those of `level_name`, "soft", "trust",
            "weighted_trust", "points", "box", "scribble" (all from gaze) and "mask".

    Returns:
        The usable cases, and id to reason for the others.

    Example:
        >>> from pathlib import Path
        >>> usable_cases([Case(id="a", image_path=Path("a.png"))], ["sparse"])
        ([], {'a': 'no fixations'})
    """
    usable, left_out = [], {}
    for case in cases:
        if any(map(_needs_gaze, label_maps)) and not (case.fixations and len(case.fixations)):
            left_out[case.id] = "no fixations"
        elif _WEAK.keys() & set(label_maps) and not _on_image(case):
            left_out[case.id] = "no fixation on the image"
        elif "mask" in label_maps and case.mask_path is None:
            left_out[case.id] = "no mask"
        else:
            usable.append(case)
    return usable, left_out


def _on_image(case: Case) -> bool:
    fixations = case.fixations
    return fixations is not None and bool(
        fixations.to_frame("image_unit", image_size=case.image_size).inside.any()
    )


def unreadable_cases(cases: Sequence[Case], label_maps: Sequence[str]) -> dict[str, str]:
    """Find the cases whose image, or whose mask where it is needed, cannot be read.

    Args:
        cases: The cases; each file is decoded.
        label_maps: Names as for `usable_cases`.

    Returns:
        Id to message; empty where all can be read.

    Example:
        >>> from pathlib import Path
        >>> unreadable_cases([Case(id="a", image_path=Path("a.png"))], ["sparse"])["a"].splitlines()[0]
        'a.png: expected an image file, found nothing'
    """
    found: dict[str, str] = {}
    for case in cases:
        try:
            case.read_image()
            if "mask" in label_maps:
                case.read_mask()
        except DataError as error:
            found[case.id] = str(error)
    return found


def build_training_set(
    cohort: Cohort,
    cases: Sequence[Case],
    label_maps: Sequence[str],
    labels: PseudoMaskSettings,
    size: Size,
    *,
    weak: WeakLabelSettings | None = None,
    words: WordRows | None = None,
    pseudo: LabelSource | None = None,
    progress: Progress = silent,
) -> TrainingSet:
    """Bring cases to the network's size, once; later calls map the stored arrays into memory.

    Args:
        cohort: The cohort.
        cases: The cases, each with what the label maps need.
        label_maps: Names as for `usable_cases`.
        labels: The recipe of the pseudo-masks.
        size: Height and width in pixels.
        weak: The recipe of points, boxes and scribbles; None for the defaults.
        words: The cases' descriptions, in the same order.
        pseudo: Where pseudo-masks come from; None for the gaze vote by `labels`.
        progress: Receives progress in cases.

    Returns:
        The training set.

    Raises:
        DataError: There is no case, or a file cannot be read.
        SettingsError: A label map of that name cannot be made.
    """
    unknown = [name for name in label_maps if name not in _PLURAL and not needs_pseudo_mask(name)]
    if unknown:
        known = ", ".join(name for name in _PLURAL if name != "image")
        raise SettingsError(
            f"unknown label map {unknown[0]!r}; known: {known}, and what level_name(threshold) gives",
            remedy="correct Method.label_maps; see gaze-insight config check-method",
        )
    if not cases:
        raise DataError(
            f"expected training cases with {', '.join(label_maps)}, found none",
            path=cohort.folder,
            remedy="see what is missing with: gaze-insight inspect",
        )
    source = VotedLabels(cohort, labels) if pseudo is None else pseudo
    recipe = _Recipe(cohort, weak or WeakLabelSettings(), size, source)
    images = _plane(recipe, cases, "image", progress)
    planes: Mapping[str, ByteArray] = {name: _plane(recipe, cases, name, progress) for name in label_maps}
    return TrainingSet(tuple(case.id for case in cases), images, planes, words)


def _plane(recipe: _Recipe, cases: Sequence[Case], name: str, progress: Progress) -> ByteArray:
    store, size = recipe.cohort.derived, recipe.size
    contents = [_content(recipe, case, name) for case in cases]
    path = store.path(_KIND, store.key(_KIND, _VERSION, name, repr(size), *contents), ".npy")
    if not path.exists():
        shape = (*size, 3) if name == "image" else tuple(size)
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(cases), *shape)}
        with replace_atomic(path) as temporary, temporary.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for done, case in enumerate(cases, start=1):
                stream.write(_fitted(recipe, case, name).tobytes())
                progress(f"preparing {_PLURAL.get(name, 'levels')}", done, len(cases))
    stored: ByteArray = np.load(path, mmap_mode="r")
    return stored


def _content(recipe: _Recipe, case: Case, name: str) -> str:
    store = recipe.cohort.derived
    if name == "mask" and case.mask_path is not None:
        return store.file_hash(case.mask_path)
    if name == "image":
        return store.file_hash(case.image_path)
    if name in _WEAK:
        return weak_label_key(store, case, _WEAK[name], recipe.weak)
    key = recipe.pseudo.key(case)
    return f"{key} {shipped_calibration().model_dump_json()}" if name == "weighted_trust" else key


def _fitted(recipe: _Recipe, case: Case, name: str) -> ByteArray:
    size = recipe.size
    if name == "image":
        return fit_image(case.read_image(), size)
    if name == "mask":
        return _fitted_mask(recipe, case)
    if name in _WEAK:
        label = weak_label_of(case, _WEAK[name], recipe.weak)
        return np.full(size, IGNORE, np.uint8) if label is None else label.rasterise(size)
    pseudo = recipe.pseudo.load(case)
    if pseudo is None:
        return np.full(size, IGNORE, np.uint8)
    if name in _SHARES:
        return _share_codes(_share_of(pseudo, name), size)
    threshold = level_threshold(name)
    if threshold is not None:
        soft = cv2.resize(pseudo.soft, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        return np.where(soft >= threshold, FOREGROUND, BACKGROUND).astype(np.uint8)
    plane: ByteArray = getattr(pseudo, name)
    resized = cv2.resize(plane, (size.width, size.height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)


def _share_of(pseudo: PseudoMask, name: str) -> FloatArray:
    if name == "soft":
        return pseudo.soft
    expected = expected_dice(pseudo.features) if name == "weighted_trust" else None
    return pseudo.trust if expected is None else pseudo.trust * expected.mean


def _share_codes(share: FloatArray, size: Size) -> ByteArray:
    """Code shares in [0, 1] as bytes, 0 to 254; see `decode_share`."""
    fitted = cv2.resize(share, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    codes: ByteArray = np.rint(np.clip(fitted, 0, 1) * SHARE_STEPS).astype(np.uint8)
    return codes


def _fitted_mask(recipe: _Recipe, case: Case) -> ByteArray:
    mask = case.read_mask()
    if mask is None:
        raise DataError(f"case {case.id!r} has no mask", path=recipe.cohort.folder)
    width_height = (recipe.size.width, recipe.size.height)
    share = cv2.resize(mask.astype(np.float32), width_height, interpolation=cv2.INTER_AREA)
    return np.where(share >= 0.5, FOREGROUND, BACKGROUND).astype(np.uint8)
