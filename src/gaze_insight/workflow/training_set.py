"""The training set of a split: images and label maps at the network's size, memory-mapped from the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from gaze_insight.cohort.atomic import replace_atomic
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.inference.predictor import fit_image
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.batches import TrainingSet
from gaze_insight.training.words import WordRows
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, Progress, Size, silent
from gaze_insight.workflow.labelling import load_pseudo_mask, pseudo_mask_key

__all__ = ["build_training_set", "unreadable_cases", "usable_cases"]

_KIND, _VERSION = "training-set", 1
_PLURAL = {
    "image": "images",
    "mask": "true masks",
    "sparse": "sparse labels",
    "comprehensive": "comprehensive labels",
}


def usable_cases(cases: Sequence[Case], label_maps: Sequence[str]) -> tuple[list[Case], dict[str, str]]:
    """Sort out the cases that have what a method learns from.

    Args:
        cases: The cases of a split.
        label_maps: Names among "sparse", "comprehensive" (both from gaze) and "mask".

    Returns:
        The usable cases, and id to reason for the others.

    Example:
        >>> from pathlib import Path
        >>> usable_cases([Case(id="a", image_path=Path("a.png"))], ["sparse"])
        ([], {'a': 'no fixations'})
    """
    usable, left_out = [], {}
    for case in cases:
        if {"sparse", "comprehensive"} & set(label_maps) and not (case.fixations and len(case.fixations)):
            left_out[case.id] = "no fixations"
        elif "mask" in label_maps and case.mask_path is None:
            left_out[case.id] = "no mask"
        else:
            usable.append(case)
    return usable, left_out


def unreadable_cases(cases: Sequence[Case], label_maps: Sequence[str]) -> dict[str, str]:
    """Find the cases whose image, or whose mask where it is needed, cannot be read.

    Args:
        cases: The cases; each file is decoded.
        label_maps: Names among "sparse", "comprehensive" and "mask".

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
    words: WordRows | None = None,
    progress: Progress = silent,
) -> TrainingSet:
    """Bring cases to the network's size, once; later calls map the stored arrays into memory.

    Args:
        cohort: The cohort.
        cases: The cases, each with what the label maps need.
        label_maps: Names among "sparse", "comprehensive" and "mask".
        labels: The recipe of the pseudo-masks.
        size: Height and width in pixels.
        words: The cases' descriptions, in the same order.
        progress: Receives progress in cases.

    Returns:
        The training set.

    Raises:
        DataError: There is no case, or a file cannot be read.
    """
    if not cases:
        raise DataError(
            f"expected training cases with {', '.join(label_maps)}, found none",
            path=cohort.folder,
            remedy="see what is missing with: gaze-insight inspect",
        )
    images = _plane(cohort, cases, "image", labels, size, progress)
    planes: Mapping[str, ByteArray] = {
        name: _plane(cohort, cases, name, labels, size, progress) for name in label_maps
    }
    return TrainingSet(tuple(case.id for case in cases), images, planes, words)


def _plane(
    cohort: Cohort,
    cases: Sequence[Case],
    name: str,
    labels: PseudoMaskSettings,
    size: Size,
    progress: Progress,
) -> ByteArray:
    store = cohort.derived
    contents = [_content(cohort, case, name, labels) for case in cases]
    path = store.path(_KIND, store.key(_KIND, _VERSION, name, repr(size), *contents), ".npy")
    if not path.exists():
        shape = (*size, 3) if name == "image" else tuple(size)
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(cases), *shape)}
        with replace_atomic(path) as temporary, temporary.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for done, case in enumerate(cases, start=1):
                stream.write(_fitted(cohort, case, name, labels, size).tobytes())
                progress(f"preparing {_PLURAL[name]}", done, len(cases))
    stored: ByteArray = np.load(path, mmap_mode="r")
    return stored


def _content(cohort: Cohort, case: Case, name: str, labels: PseudoMaskSettings) -> str:
    if name == "mask" and case.mask_path is not None:
        return cohort.derived.file_hash(case.mask_path)
    if name == "image":
        return cohort.derived.file_hash(case.image_path)
    return pseudo_mask_key(cohort.derived, case, labels)


def _fitted(cohort: Cohort, case: Case, name: str, labels: PseudoMaskSettings, size: Size) -> ByteArray:
    if name == "image":
        return fit_image(case.read_image(), size)
    if name == "mask":
        mask = case.read_mask()
        if mask is None:
            raise DataError(f"case {case.id!r} has no mask", path=cohort.folder)
        share = cv2.resize(mask.astype(np.float32), (size.width, size.height), interpolation=cv2.INTER_AREA)
        return np.where(share >= 0.5, FOREGROUND, BACKGROUND).astype(np.uint8)
    pseudo = load_pseudo_mask(cohort, case, labels)
    if pseudo is None:
        return np.full(size, IGNORE, np.uint8)
    plane: ByteArray = getattr(pseudo, name)
    resized = cv2.resize(plane, (size.width, size.height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)
