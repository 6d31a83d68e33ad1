"""What an import found, joined, dropped and could not use: nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.left_out import unexpected
from gaze_insight.types import Size

__all__ = ["ImportReport", "SizeMismatch"]


@dataclass(frozen=True)
class SizeMismatch:
    """An image whose size differs from its mask's or from the size the gaze table states.

    Args:
        id: The case.
        table: Size in the gaze table; None where the table states none.
        image: Size of the stored image.
        mask: Size of the mask; None where there is none.

    Example:
        >>> SizeMismatch("a", None, Size(2, 3), Size(2, 4)).mask.width
        4
    """

    id: str
    table: Size | None
    image: Size
    mask: Size | None


@dataclass(frozen=True)
class ImportReport:
    """The account of one import; every image, mask and row that is not used has its place in it.

    Args:
        joined: Cases with both an image and at least one fixation.
        images_without_gaze: Cases kept although nobody looked at them (they cannot be trained on from gaze).
        gaze_without_image: Ids in the gaze files for which there is no image; their gaze is not used.
        images_without_mask: Cases that cannot be scored.
        masks_without_image: Ids of masks without an image; not used.
        empty_masks: Cases whose mask has no foreground.
        sizes_disagree: Images whose size differs from their mask's or the table's.
        gaze_files: The gaze files that were given; those that could not be read are among the problems.
        rows: Rows of the gaze files (of fixations, or of samples).
        fixations: Fixations in them, before any was dropped.
        dropped: Rows, samples or fixations of the gaze files that were not used, by reason (see
            `gaze.readers.left_out.REASONS`).
        problems: Messages for rows and gaze files that were skipped.
        bad_files: Path and message of each file that could not be used.
        excluded: Id and reason of each image that is not in the cohort.
        ignored_files: Files beside the images and masks whose names are not those of images.
        unknown_split_ids: Ids that a split file names and the cohort does not hold.
        unsplit: Cases that no split file names.

    Example:
        >>> ImportReport.from_record(ImportReport(joined=("a",)).to_record()).joined
        ('a',)
    """

    joined: tuple[str, ...] = ()
    images_without_gaze: tuple[str, ...] = ()
    gaze_without_image: tuple[str, ...] = ()
    images_without_mask: tuple[str, ...] = ()
    masks_without_image: tuple[str, ...] = ()
    empty_masks: tuple[str, ...] = ()
    sizes_disagree: tuple[SizeMismatch, ...] = ()
    gaze_files: tuple[str, ...] = ()
    rows: int = 0
    fixations: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    bad_files: tuple[tuple[str, str], ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    ignored_files: tuple[str, ...] = ()
    unknown_split_ids: tuple[str, ...] = ()
    unsplit: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every image, mask and row could be used and joined, and gaze files gave gaze.

        Rows that every recording may have beside its gaze, such as those of the other eye, do not count.

        Example:
            >>> ImportReport().clean, ImportReport(gaze_without_image=("b",)).clean
            (True, False)
            >>> ImportReport(dropped={"other_eye": 9}).clean, ImportReport(dropped={"off_image": 1}).clean
            (True, False)
        """
        concerns = (
            self.gaze_files and not self.joined,
            self.gaze_without_image,
            self.masks_without_image,
            self.sizes_disagree,
            self.problems,
            self.bad_files,
            self.excluded,
            self.unknown_split_ids,
            self.unsplit,
        )
        return not any(concerns) and not unexpected(self.dropped)

    def to_record(self) -> dict[str, Any]:
        """Turn the report into plain values for a YAML or JSON file.

        Returns:
            Lists, numbers and text only.

        Example:
            >>> ImportReport(dropped={"off_image": 2}).to_record()["dropped"]
            {'off_image': 2}
        """
        record: dict[str, Any] = _REPORT.dump_python(self, mode="json")
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ImportReport:
        """Read a report back from plain values.

        Args:
            record: What `to_record` gave.

        Returns:
            The report.

        Raises:
            DataError: A field has another form; the message names it.

        Example:
            >>> ImportReport.from_record({}).clean
            True
        """
        try:
            return _REPORT.validate_python(dict(record))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"the import report's field {where!r} is not as expected: {first['msg']}"
            ) from error


_REPORT: TypeAdapter[ImportReport] = TypeAdapter(ImportReport)
