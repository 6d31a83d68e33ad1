"""EGD's table of fixations, with calibration rows, looks beside the image and two kinds of position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.egd_sheet import EgdEntry
from gaze_insight.cohort.mimic_eye.looks import RecordedFixation
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow
from gaze_insight.types import Size

__all__ = ["EGD_GAZE_COLUMNS", "calibration_rows", "read_egd_fixations"]

EGD_GAZE_COLUMNS = ("DICOM_ID", "FPOGX", "FPOGY", "FPOGS", "FPOGD", "FPOGID", "FPOGV")
"""Columns of ``fixations.csv`` and ``eye_gaze.csv`` that are needed."""

_IMAGE_POSITION = ("X_ORIGINAL", "Y_ORIGINAL")
_CALIBRATION_LENGTH = 39
_TOLERANCE_PX = 3.0
_TOLERANCE_FRAC = 0.002


def calibration_rows(rows: Iterable[TableRow]) -> int:
    """Count the rows of calibration frames by the length of their names.

    Args:
        rows: Rows of a gaze table.

    Returns:
        How many have a name of 39 characters, as a dicom_id without its last five has.

    Example:
        >>> from pathlib import Path
        >>> calibration_rows([TableRow(Path("a.csv"), 2, {"DICOM_ID": 0}, ["a" * 39])])
        1
    """
    return sum(len(row.text("DICOM_ID")) == _CALIBRATION_LENGTH for row in rows)


def read_egd_fixations(
    table: Table, entries: Mapping[str, EgdEntry], sizes: Mapping[str, Size], account: Account
) -> dict[str, list[RecordedFixation]]:
    """Turn EGD's rows into fixations of images.

    Every 20 images or so a blank frame was shown for calibration; its rows carry the name of an image cut
    to 39 characters. A row whose name is not in the master sheet is of no image: it is dropped, and never
    joined to the image that its name begins like. Of several rows of one fixation, as in ``eye_gaze.csv``,
    the last is used: it has the whole duration. Durations are FPOGD; differences of the column *Time* would
    count saccades, and run over from image to image.

    The position is X_ORIGINAL, Y_ORIGINAL, in pixels of the original image; negative beside it, or 0, 0 where
    the image was magnified and the pads say that the look was beside it. Where the
    table lacks them, it is FPOGX, FPOGY, which are fractions of the *screen*, moved onto the image by the
    master sheet's pads. Where a row has both they are compared; they disagree if they are more than 3 pixels
    and 0.2 % of the longer side apart.

    Args:
        table: ``fixations.csv`` or ``eye_gaze.csv``.
        entries: The master sheet.
        sizes: Size of the original image by dicom_id; rows of other images are dropped.
        account: Told of bad rows, and of what is dropped as ``calibration``, ``not_in_master_sheet`` or
            ``image_unknown``; its counts ``egd_positions_compared`` and ``egd_positions_disagree``.

    Returns:
        The fixations by dicom_id, in the table's order.

    Raises:
        DataError: A row is bad, where `account` says so, or neither kind of position can be had.

    Example:
        >>> from pathlib import Path
        >>> read_egd_fixations(Table(Path("fixations.csv"), ()), {}, {}, Account())
        {}
    """
    kept: dict[tuple[str, str, str, str], TableRow] = {}
    for row in account.rows(table, "bad_row"):
        name = row.text("DICOM_ID")
        if name not in entries:
            account.dropped["calibration" if len(name) == _CALIBRATION_LENGTH else "not_in_master_sheet"] += 1
        elif name not in sizes:
            account.dropped["image_unknown"] += 1
        else:
            session = row.text("SESSION_ID") if table.has("SESSION_ID") else ""
            key = (name, session, row.text("FPOGID"), row.text("FPOGS"))
            account.dropped["repeated"] += key in kept
            kept[key] = row
    found: dict[str, list[RecordedFixation]] = {}
    on_image = table.has(*_IMAGE_POSITION)
    for (name, *_), row in kept.items():
        with account.allowing("bad_row"):
            one = _fixation(row, entries[name], sizes[name], on_image, account)
            found.setdefault(name, []).append(one)
    return found


@dataclass(frozen=True)
class _Position:
    """Pixels of the original image; None where the row states none."""

    x_px: float | None
    y_px: float | None


def _fixation(
    row: TableRow, entry: EgdEntry, size: Size, on_image: bool, account: Account
) -> RecordedFixation:
    start, duration = row.needed("FPOGS"), row.needed("FPOGD")
    if duration < 0:
        raise row.error(f"expected a duration FPOGD of 0 s or more, found {duration:g} s")
    mapped = _by_pads(row, entry, size)
    dropped = None if row.flag("FPOGV") else "not_valid"
    if on_image:
        position = _Position(*(row.number(column) for column in _IMAGE_POSITION))
        _compare(position, mapped, size, account)
        if dropped is None and _is_collapsed(position, mapped, size):
            dropped = "off_image"
    elif mapped is None:
        raise row.error(
            "expected the columns X_ORIGINAL and Y_ORIGINAL, or the pads of the image in master_sheet.csv: "
            "FPOGX and FPOGY are fractions of the screen, not of the image",
            remedy="copy both tables again from the release",
        )
    else:
        position = mapped
    return RecordedFixation(position.x_px, position.y_px, start * 1000, duration * 1000, dropped)


def _by_pads(row: TableRow, entry: EgdEntry, size: Size) -> _Position | None:
    if entry.pads is None:
        return None
    x, y = row.number("FPOGX"), row.number("FPOGY")
    if x is None or y is None:
        return _Position(None, None)
    across, down = entry.pads.place(x, y)
    return _Position(across * size.width, down * size.height)


def _is_beside(position: _Position, size: Size, margin_px: float = 0.0) -> bool:
    """Whether a position lies beside the image by more than a margin; not so where it is not known."""
    if position.x_px is None or position.y_px is None:
        return False
    across = -margin_px <= position.x_px <= size.width + margin_px
    down = -margin_px <= position.y_px <= size.height + margin_px
    return not (across and down)


def _is_collapsed(stated: _Position, mapped: _Position | None, size: Size) -> bool:
    """The publisher writes ``int(-ratio)`` beside the image: 0 where the screen magnified the image."""
    return (stated.x_px, stated.y_px) == (0, 0) and mapped is not None and _is_beside(mapped, size)


def _compare(stated: _Position, mapped: _Position | None, size: Size, account: Account) -> None:
    """Count where both positions lie apart; of a stated one beside the image no more is known."""
    if mapped is None or None in (stated.x_px, stated.y_px, mapped.x_px, mapped.y_px):
        return
    account.counts["egd_positions_compared"] += 1
    tolerance = max(_TOLERANCE_PX, _TOLERANCE_FRAC * max(size))
    if _is_beside(stated, size) or _is_collapsed(stated, mapped, size):
        agree = _is_beside(mapped, size, -tolerance)
    else:
        agree = _distance(stated, mapped) <= tolerance
    account.counts["egd_positions_disagree"] += not agree


def _distance(one: _Position, other: _Position) -> float:
    """The larger of the distances along both axes."""
    pairs = ((one.x_px, other.x_px), (one.y_px, other.y_px))
    return max(abs((a or 0.0) - (b or 0.0)) for a, b in pairs)
