"""EGD's master sheet: which images were read, where they stood on the screen, and their labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.radiographs import check_dicom_id
from gaze_insight.cohort.mimic_eye.study_facts import read_label
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow
from gaze_insight.types import Size

__all__ = ["EGD_LABELS", "OLD_NAMES", "SHEET_COLUMNS", "EgdEntry", "Pads", "read_egd_sheet"]

SHEET_COLUMNS = ("dicom_id", "study_id", "patient_id")
"""Columns of ``master_sheet.csv`` without which nothing can be joined; the patient is ``patient_id`` here."""

OLD_NAMES = {f"image_{side}": f"image_{side}_pad" for side in ("top", "bottom", "left", "right")}
"""Names of columns in older copies of the sheet, to those of the release."""

EGD_LABELS = (
    "Normal",
    "CHF",
    "pneumonia",
    "consolidation",
    "enlarged_cardiac_silhouette",
    "linear__patchy_atelectasis",
    "lobar__segmental_collapse",
    "not_otherwise_specified_opacity___pleural__parenchymal_opacity__",
    "pleural_effusion_or_thickening",
    "pulmonary_edema__hazy_opacity",
    "normal_anatomically",
    "elevated_hemidiaphragm",
    "hyperaeration",
    "vascular_redistribution",
)
"""The sheet's own labels."""

_CHEXPERT = "__chx"
_SCREEN = Size(height=1080, width=1920)
_PADS = ("image_left_pad", "image_top_pad", "image_right_pad", "image_bottom_pad")


@dataclass(frozen=True)
class Pads:
    """The borders around an image on EGD's screen of 1920 x 1080 pixels.

    Args:
        left: Screen pixels beside the image.
        top: Screen pixels above it.
        right: Screen pixels beside it.
        bottom: Screen pixels below it.

    Example:
        >>> Pads(480, 0, 480, 0).place(0.5, 0.25)
        (0.5, 0.25)
    """

    left: float
    top: float
    right: float
    bottom: float

    def place(self, x_frac: float, y_frac: float) -> tuple[float, float]:
        """Turn fractions of the screen into fractions of the image.

        ``x = (1920 x_frac - left) / (1920 - left - right)``, and with 1080, top and bottom for y. The
        image is letterboxed, so that a fraction of the screen is not one of the image.

        Args:
            x_frac: Fraction of the screen's width from the left.
            y_frac: Fraction of its height from the top.

        Returns:
            Fractions of the image's width and height; below 0 or above 1 beside the image.
        """
        width, height = _SCREEN.width - self.left - self.right, _SCREEN.height - self.top - self.bottom
        return (x_frac * _SCREEN.width - self.left) / width, (y_frac * _SCREEN.height - self.top) / height


@dataclass(frozen=True)
class EgdEntry:
    """One row of the sheet.

    Args:
        dicom_id: The image.
        subject: The patient.
        study: The study.
        pads: Borders around the image on the screen; None where the sheet states none.
        labels: The sheet's own labels: 1, 0, -1, or None for a blank cell.
        chexpert: The CheXpert labels that the sheet repeats, by their CheXpert names.

    Example:
        >>> EgdEntry("a", "9", "5").pads is None
        True
    """

    dicom_id: str
    subject: str
    study: str
    pads: Pads | None = None
    labels: dict[str, int | None] = field(default_factory=dict)
    chexpert: dict[str, int | None] = field(default_factory=dict)


def read_egd_sheet(table: Table, account: Account) -> dict[str, EgdEntry]:
    """Read the master sheet.

    Args:
        table: The sheet, read with the names in `OLD_NAMES`.
        account: Told of bad and repeated rows.

    Returns:
        The entries by dicom_id. An id of a gaze table that is not among them is not of an image.

    Raises:
        DataError: A row is bad, where `account` says so.

    Example:
        >>> from pathlib import Path
        >>> read_egd_sheet(Table(Path("master_sheet.csv"), SHEET_COLUMNS), Account())
        {}
    """
    own = [name for name in EGD_LABELS if table.has(name)]
    repeated = {name: _chexpert_name(name) for name in table.columns if name.endswith(_CHEXPERT)}
    entries: dict[str, EgdEntry] = {}
    for row in account.rows(table, "bad_row"):
        with account.allowing("bad_row"):
            name = check_dicom_id(row)
            if name in entries:
                raise row.error(f"the image {name!r} is listed twice")
            entries[name] = EgdEntry(
                dicom_id=name,
                subject=row.name("patient_id"),
                study=row.name("study_id"),
                pads=_pads(row) if table.has(*_PADS) else None,
                labels={label: read_label(row, label) for label in own},
                chexpert={label: read_label(row, column) for column, label in repeated.items()},
            )
    return entries


def _pads(row: TableRow) -> Pads | None:
    found = [row.number(column) for column in _PADS]
    if any(value is None for value in found):
        return None
    pads = Pads(*(float(value) for value in found if value is not None))
    across, down = _SCREEN.width - pads.left - pads.right, _SCREEN.height - pads.top - pads.bottom
    if min(pads.left, pads.top, pads.right, pads.bottom) < 0 or across <= 0 or down <= 0:
        raise row.error(f"expected pads that leave room for an image on 1920 x 1080 px, found {found}")
    return pads


def _chexpert_name(column: str) -> str:
    """``lung_opacity__chx`` is *Lung Opacity*."""
    return column.removesuffix(_CHEXPERT).replace("_", " ").title()
