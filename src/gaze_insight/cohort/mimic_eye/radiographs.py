"""Which radiographs there are, of whom, how large they were, and where their pictures lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.tables import TableRow
from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = [
    "META_COLUMNS",
    "Radiograph",
    "check_dicom_id",
    "count_other_views",
    "read_radiographs",
    "stated_size",
]

META_COLUMNS = ("dicom_id", "subject_id", "study_id", "Rows", "Columns")
"""Columns of ``cxr_meta.csv`` without which nothing can be joined."""

_DICOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")


@dataclass(frozen=True)
class Radiograph:
    """One image as the tables describe it.

    Args:
        dicom_id: Its name, 44 characters.
        subject: The patient.
        study: The study, without the letter ``s``.
        picture: The picture's file, whether it is there or not.
        size: Height and width of the original image, to which all recorded pixels refer; None where no table
            states it.
        view: The view position, such as ``PA``.
        split: The published split, where there is one.
        in_reflacx: Whether REFLACX has readings of it, as the table says.
        in_egd: Whether EGD has.

    Example:
        >>> Radiograph("a" * 8, "90000001", "90000001", Path("a.jpg")).size is None
        True
    """

    dicom_id: str
    subject: str
    study: str
    picture: Path
    size: Size | None = None
    view: str | None = None
    split: str | None = None
    in_reflacx: bool | None = None
    in_egd: bool | None = None


def check_dicom_id(row: TableRow, column: str = "dicom_id") -> str:
    """Read the name of an image and check its form: five groups of eight hexadecimal digits.

    Args:
        row: A row of a table.
        column: Its column of names.

    Returns:
        The name, 44 characters.

    Raises:
        DataError: The name has another form; calibration frames, for one, have 39 characters.

    Example:
        >>> name = "-".join(["0123abcd"] * 5)
        >>> check_dicom_id(TableRow(Path("a.csv"), 2, {"dicom_id": 0}, [name])) == name
        True
    """
    name = row.text(column)
    if not _DICOM_ID.fullmatch(name):
        raise row.error(
            f"expected a dicom_id of five groups of eight hexadecimal digits (44 characters), found {name!r}",
            remedy="copy the table again from the release",
        )
    return name


def read_radiographs(rows: Iterable[TableRow], pictures: Path, account: Account) -> Iterator[Radiograph]:
    """Read rows of ``cxr_meta.csv``; only images that it lists are of the data set.

    Args:
        rows: The rows.
        pictures: The patient's folder ``CXR-JPG``, with ``s<study>/<dicom_id>.jpg``.
        account: Told of bad rows.

    Yields:
        The radiographs, in the table's order.

    Raises:
        DataError: A row is bad, where `account` says so.

    Example:
        >>> list(read_radiographs([], Path("CXR-JPG"), Account()))
        []
    """
    for row in rows:
        with account.allowing("bad_row"):
            yield _radiograph(row, pictures)


def _radiograph(row: TableRow, pictures: Path) -> Radiograph:
    name, study = check_dicom_id(row), row.name("study_id")
    subject = row.name("subject_id")
    if not study or not subject:
        raise row.error("expected a subject_id and a study_id, found a blank cell")
    return Radiograph(
        dicom_id=name,
        subject=subject,
        study=study,
        picture=pictures / f"s{study}" / f"{name}.jpg",
        size=stated_size(row, "Rows", "Columns"),
        view=_optional(row, "ViewPosition"),
        split=_optional(row, "split"),
        in_reflacx=row.flag("in_reflacx") if "in_reflacx" in row.places else None,
        in_egd=row.flag("in_eye_gaze") if "in_eye_gaze" in row.places else None,
    )


def stated_size(row: TableRow, height: str, width: str) -> Size:
    """Read the size of the original image.

    Args:
        row: A row of a table.
        height: Its column of heights.
        width: Its column of widths.

    Returns:
        The size.

    Raises:
        DataError: A cell is blank, no number, or not above 0.

    Example:
        >>> row = TableRow(Path("a.csv"), 2, {"Rows": 0, "Columns": 1}, ["30", "20.0"])
        >>> stated_size(row, "Rows", "Columns")
        Size(height=30, width=20)
    """
    size = Size(int(row.needed(height)), int(row.needed(width)))
    if min(size) <= 0:
        raise row.error(f"expected {height} and {width} above 0, found {size.height} and {size.width}")
    return size


def count_other_views(radiographs: Iterable[Radiograph]) -> int:
    """Count the pictures in the studies' folders that no table lists, such as lateral views.

    Args:
        radiographs: All radiographs of the folders looked at.

    Returns:
        How many ``.jpg`` files there are besides those of `radiographs`; none is used.

    Raises:
        DataError: A folder cannot be listed.

    Example:
        >>> count_other_views([])
        0
    """
    known: dict[Path, set[str]] = {}
    for one in radiographs:
        known.setdefault(one.picture.parent, set()).add(one.picture.name)
    count = 0
    for folder, names in known.items():
        try:
            found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        except OSError as error:
            raise DataError(f"the folder cannot be listed: {error}", path=folder) from error
        count += sum(name.endswith(".jpg") for name in found - names)
    return count


def _optional(row: TableRow, column: str) -> str | None:
    text = row.text(column) if column in row.places else ""
    return None if text.lower() in ("", "nan") else text
