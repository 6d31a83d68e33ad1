"""Image files as radiographs: what can be read as one, and what about it a reader must know first."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.cohort.dicom import is_dicom
from gaze_insight.cohort.images import read_image
from gaze_insight.errors import DataError
from gaze_insight.types import ByteArray

__all__ = ["LEAST_SIDE_PX", "RadiographFile", "read_radiograph"]

LEAST_SIDE_PX = 32
"""A shorter side than this shows too little of a chest."""

_COLOUR_LEVELS = 8.0
_LEAST_SPREAD = 2.0
_LONGEST_ASPECT = 1.6
_FRONTAL = frozenset({"PA", "AP"})
_LATERAL = frozenset({"LL", "RL", "LATERAL", "LAT"})
_MODALITIES = frozenset({"CR", "DX", "RF", "XA", ""})


@dataclass(frozen=True)
class RadiographFile:
    """An image that can be read as a radiograph.

    Args:
        path: The file.
        image: RGB, (H, W, 3) uint8; grey for a radiograph.
        view: PA or AP as the file states it; empty where it does not.
        notes: What speaks against reading it as an upright frontal radiograph, or is not known.

    Example:
        >>> RadiographFile(Path("a.png"), np.zeros((64, 64, 3), np.uint8)).view
        ''
    """

    path: Path
    image: ByteArray
    view: str = ""
    notes: tuple[str, ...] = ()


def read_radiograph(path: str | Path) -> RadiographFile:
    """Read PNG, JPEG, another raster image or DICOM as a frontal chest radiograph.

    A raster file does not say what it shows: nobody checks here that it is a chest, or that it is frontal.

    Args:
        path: The file.

    Returns:
        The image, in grey, with notes.

    Raises:
        DataError: It is no image, a side has fewer than 32 pixels, it is blank, or its header says that it is
            a lateral view or no radiograph.
        MissingExtraError: DICOM needs the extra ``medical``.

    Example:
        >>> import tempfile
        >>> from gaze_insight.cohort.images import write_png
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_png(file, np.arange(6400, dtype=np.uint16).reshape(80, 80))
        >>> found = read_radiograph(file)
        >>> found.image.shape, len(found.notes)
        ((80, 80, 3), 1)
    """
    file = Path(path)
    image = read_image(file)
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE_PX:
        raise DataError(
            f"expected a radiograph of at least {LEAST_SIDE_PX} x {LEAST_SIDE_PX} pixels, "
            f"found {width} x {height}",
            path=file,
            remedy="give the image itself, not a preview of it",
        )
    if float(image.std()) < _LEAST_SPREAD:
        raise DataError("the image is blank", path=file, remedy="check the file; some exports lose pixels")
    view, notes = _dicom_facts(file) if is_dicom(file) else ("", [_UNKNOWN_VIEW])
    notes += _looks(image)
    grey = np.rint(image.mean(axis=2)).astype(np.uint8)
    return RadiographFile(file, np.repeat(grey[:, :, None], 3, axis=2), view, tuple(notes))


_UNKNOWN_VIEW = (
    "The file does not say which view it shows. It was read as an upright frontal one, with the patient's "
    "left on the right of the image as usual; on a lateral or mirrored image what is said, and every side, "
    "is wrong."
)


def _looks(image: ByteArray) -> list[str]:
    notes = []
    values = image.astype(np.int16)
    spread = float((values.max(axis=2) - values.min(axis=2)).mean())
    if spread > _COLOUR_LEVELS:
        notes.append("The image has colours, which a radiograph has not. It was turned to grey and read.")
    height, width = image.shape[:2]
    if max(height, width) / min(height, width) > _LONGEST_ASPECT:
        notes.append(
            f"The image is {width} x {height} pixels, an unusual shape for a chest: is it the whole chest?"
        )
    return notes


def _dicom_facts(file: Path) -> tuple[str, list[str]]:
    """View position and notes from the header; an error where it says that this is no frontal radiograph."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header: Any = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    modality = str(header.get("Modality", "")).strip().upper()
    if modality not in _MODALITIES:
        raise DataError(
            f"expected a radiograph (modality CR or DX), found {modality}",
            path=file,
            remedy="give a frontal chest radiograph",
        )
    view = str(header.get("ViewPosition", "")).strip().upper()
    if view in _LATERAL:
        raise DataError(
            f"expected a frontal view (PA or AP), found {view}",
            path=file,
            remedy="give the frontal view of the study",
        )
    notes = [] if view in _FRONTAL else [_UNKNOWN_VIEW]
    across = str((header.get("PatientOrientation") or [""])[0]).upper()
    if across.startswith("R"):
        notes.append(
            "The header says that the patient's right lies on the right of the image. Sides are named as if "
            "the patient's left did, so they are likely reversed."
        )
    return (view if view in _FRONTAL else ""), notes
