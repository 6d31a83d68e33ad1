"""REFLACX's table of readings: who was looked at, what was found with which certainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.radiographs import check_dicom_id, stated_size
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow
from gaze_insight.types import Size

__all__ = ["METADATA_COLUMNS", "REFLACX_LABELS", "ReflacxEntry", "read_reflacx_metadata"]

METADATA_COLUMNS = (
    "id",
    "eye_tracking_data_discarded",
    "image",
    "dicom_id",
    "subject_id",
    "image_size_x",
    "image_size_y",
)
"""Columns of ``metadata.csv`` without which a reading cannot be placed."""

REFLACX_LABELS = (
    "Abnormal mediastinal contour",
    "Acute fracture",
    "Airway wall thickening",
    "Atelectasis",
    "Consolidation",
    "Emphysema",
    "Enlarged cardiac silhouette",
    "Enlarged hilum",
    "Fibrosis",
    "Fracture",
    "Groundglass opacity",
    "Hiatal hernia",
    "High lung volume / emphysema",
    "Interstitial lung disease",
    "Lung nodule or mass",
    "Mass",
    "Nodule",
    "Pleural abnormality",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary edema",
    "Quality issue",
    "Support devices",
    "Wide mediastinum",
)
"""All labels of the three phases of REFLACX; a reader was offered those of the phase only."""

_BOOKKEEPING = frozenset({*METADATA_COLUMNS, "split", "Other", "study_id", "stay_id"})
_LARGEST = 5


@dataclass(frozen=True)
class ReflacxEntry:
    """One row of the table.

    Args:
        id: The reading, ``P<phase>…R<number>``.
        dicom_id: The image that was read.
        subject: The patient.
        study: The study, from the image's path in MIMIC-CXR.
        size: Height and width of the original image.
        discarded: Whether the recording of the gaze was discarded by the authors.
        certainties: Label to certainty 0..5; None where the phase did not offer it.
        other: Findings in free text; empty for none.

    Example:
        >>> ReflacxEntry("P300R000001", "a", "9", "5", Size(2, 3), False).other
        ''
    """

    id: str
    dicom_id: str
    subject: str
    study: str
    size: Size
    discarded: bool
    certainties: Mapping[str, int | None] = field(default_factory=dict)
    other: str = ""


def read_reflacx_metadata(tables: Iterable[Table], account: Account) -> Iterator[ReflacxEntry]:
    """Read the table of MIMIC-Eye, or the tables of REFLACX's three phases one after the other.

    A label is the largest certainty that its reader gave it: 0 absent, 1 unlikely to 5 consistent with. A
    blank cell means that the label was not offered in that phase, which is not the same as absent. *Support
    devices* and *Quality issue* are only marked or not: they count as 5 or 0.

    Args:
        tables: ``metadata.csv``, or ``metadata_phase_1.csv`` to ``metadata_phase_3.csv``.
        account: Told of bad rows, repeated readings, and columns that are not known.

    Yields:
        The readings, in the tables' order.

    Raises:
        DataError: A row is bad, where `account` says so.

    Example:
        >>> list(read_reflacx_metadata([], Account()))
        []
    """
    seen: set[str] = set()
    for table in tables:
        labels = [label for label in REFLACX_LABELS if table.has(label)]
        unknown = [name for name in table.columns if name not in _BOOKKEEPING and name not in REFLACX_LABELS]
        if unknown:
            account.note(f"{table.path}: columns that are not known are not used: {', '.join(unknown)}")
        for row in account.rows(table, "bad_row"):
            with account.allowing("bad_row"):
                entry = _entry(row, labels)
                if entry.id in seen:
                    raise row.error(f"the reading {entry.id!r} is listed twice")
                seen.add(entry.id)
                yield entry


def _entry(row: TableRow, labels: Iterable[str]) -> ReflacxEntry:
    identity = row.text("id")
    if not identity or "/" in identity or identity.startswith("."):
        raise row.error(f"expected the id of a reading, such as 'P300R000001', found {identity!r}")
    place = PurePosixPath(row.text("image"))
    study = place.parent.name
    if not (study.startswith("s") and study[1:].isdigit()):
        raise row.error(
            f"expected an image such as '…/p90000001/s90000001/<dicom_id>.dcm', found {str(place)!r}"
        )
    discarded = row.flag("eye_tracking_data_discarded")
    return ReflacxEntry(
        id=identity,
        dicom_id=check_dicom_id(row),
        subject=row.name("subject_id"),
        study=study[1:],
        size=stated_size(row, "image_size_y", "image_size_x"),
        discarded=bool(discarded),
        certainties={label: _certainty(row, label) for label in labels},
        other=_other(row),
    )


def _certainty(row: TableRow, label: str) -> int | None:
    if row.text(label).lower() in ("true", "false"):
        return _LARGEST if row.flag(label) else 0
    value = row.number(label)
    if value is None:
        return None
    if value not in range(_LARGEST + 1):
        raise row.error(f"expected a certainty from 0 to 5, True or False for {label!r}, found {value:g}")
    return int(value)


def _other(row: TableRow) -> str:
    text = row.text("Other") if "Other" in row.places else ""
    return "" if text.lower() in ("nan", "false") else text
