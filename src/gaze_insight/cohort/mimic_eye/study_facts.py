"""What belongs to a study rather than to an image: the labels of its report, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.tables import TableRow
from gaze_insight.errors import DataError

__all__ = ["read_label", "read_report", "read_study_labels"]

_NOT_LABELS = frozenset({"subject_id", "study_id", "dicom_id", "split"})
_LABELS = {1.0: 1, 0.0: 0, -1.0: -1}


def read_study_labels(
    rows: Iterable[TableRow], account: Account, names: Mapping[str, str] | None = None
) -> dict[str, dict[str, int | None]]:
    """Read rows of ``cxr_chexpert.csv`` or ``cxr_negbio.csv``: one a study.

    Args:
        rows: The rows.
        account: Told of bad rows, and of studies with two rows that differ.
        names: Columns that hold labels, to the labels' names; by default all but the ids, under their names.

    Returns:
        Label to 1 (positive), 0 (negative), -1 (uncertain) or None (blank: not mentioned), by study.

    Raises:
        DataError: A row is bad, where `account` says so.

    Example:
        >>> row = TableRow(Path("a.csv"), 2, {"study_id": 0, "Edema": 1, "Fracture": 2}, ["5", "-1.0", ""])
        >>> read_study_labels([row], Account())
        {'5': {'Edema': -1, 'Fracture': None}}
    """
    found: dict[str, dict[str, int | None]] = {}
    for row in rows:
        with account.allowing("bad_label_row"):
            study = row.name("study_id")
            if not study:
                raise row.error("expected a study_id, found a blank cell")
            columns = (
                {name: name for name in row.places if name not in _NOT_LABELS} if names is None else names
            )
            labels = {label: read_label(row, column) for column, label in columns.items()}
            if found.setdefault(study, labels) != labels:
                raise row.error(
                    f"study {study} has two rows with different labels",
                    remedy="labels belong to a study: keep one row of each",
                )
    return found


def read_label(row: TableRow, column: str) -> int | None:
    """Read one label of a report.

    Args:
        row: A row of a table.
        column: The label's column.

    Returns:
        1, 0, -1, or None for a blank cell.

    Raises:
        DataError: The cell holds something else.

    Example:
        >>> read_label(TableRow(Path("a.csv"), 2, {"Edema": 0}, ["1.0"]), "Edema")
        1
    """
    value = row.number(column)
    if value is None:
        return None
    if value not in _LABELS:
        raise row.error(f"expected 1, 0, -1 or a blank cell in the column {column!r}, found {value:g}")
    return _LABELS[value]


def read_report(path: Path) -> str | None:
    """Read the text of a radiology report.

    Args:
        path: Its file, such as ``CXR-DICOM/s90000001.txt``.

    Returns:
        The text; None where there is no file.

    Raises:
        DataError: The file cannot be read.

    Example:
        >>> read_report(Path("nowhere.txt")) is None
        True
    """
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the report cannot be read: {error}", path=path, remedy="copy the file again from the release"
        ) from error
