"""One case: an image, who looked where on it, what was said about it, and its true mask where known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gaze_insight.cohort.chest_facts import ChestFacts
from gaze_insight.cohort.images import read_image, read_mask
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.language.schema import Description
from gaze_insight.types import BoolArray, ByteArray, Size

__all__ = ["Case"]


@dataclass(frozen=True, eq=False)
class Case:
    """One image of a cohort with all that is known about it; pixels are read when asked for.

    Args:
        id: The name that joins image, mask, gaze and description: the image file's stem.
        image_path: The image file.
        mask_path: The true mask's file, where there is one.
        fixations: One reading of the image, in the image's own unit frame; None where nobody looked.
        description: Words for the case; None where nobody described it.
        patient: The patient, so that no patient stands in two splits.
        spacing_mm: Distance between pixel centres (down, across) in mm, where known.
        image_size: Height and width of the stored image in pixels.
        meta: Further facts as text, such as ``{"gaze": "simulated"}``.
        recording: What the recording says of the reading besides its fixations; None where none was made.
        chest: Labels, boxes, readings and report of a chest radiograph; None for other images. With it,
            `fixations` are by default those of the first reading that has any.

    Example:
        >>> case = Case(id="a", image_path=Path("images/a.png"))
        >>> case.mask_path is None, case.read_mask() is None
        (True, True)
    """

    id: str
    image_path: Path
    mask_path: Path | None = None
    fixations: Fixations | None = None
    description: Description | None = None
    patient: str | None = None
    spacing_mm: tuple[float, float] | None = None
    image_size: Size | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    recording: RecordingFacts | None = None
    chest: ChestFacts | None = None

    def __post_init__(self) -> None:
        if self.chest is not None and self.fixations is None:
            object.__setattr__(self, "fixations", self.chest.first_look())

    def read_image(self) -> ByteArray:
        """Read the image.

        Returns:
            Array of shape (H, W, 3), uint8, RGB.

        Raises:
            DataError: The file is missing or damaged.

        Example:
            >>> Case(id="a", image_path=Path("nowhere.png")).read_image()
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: nowhere.png: expected an image file, found nothing
              -> check the path
        """
        return read_image(self.image_path)

    def read_mask(self) -> BoolArray | None:
        """Read the true mask.

        Returns:
            Array of shape (H, W), bool; None where the case has no mask.

        Raises:
            DataError: The file is missing or damaged, or its size differs from the image's.

        Example:
            >>> Case(id="a", image_path=Path("a.png")).read_mask() is None
            True
        """
        if self.mask_path is None:
            return None
        mask = read_mask(self.mask_path)
        if self.image_size is not None and mask.shape != tuple(self.image_size):
            raise DataError(
                f"the mask of case {self.id!r} is {mask.shape[1]} x {mask.shape[0]} px (width x height), "
                f"its image is {self.image_size.width} x {self.image_size.height} px",
                path=self.mask_path,
                remedy="save the mask at the image's size, or remove the case",
            )
        return mask
