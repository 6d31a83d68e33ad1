"""The files of one REFLACX reading: fixations, ellipses, the box of the chest, and the dictation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaze_insight.cohort.chest_facts import ChestBox, SpokenWord
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.looks import PlacedGaze, RecordedFixation, box_on_image, place_on_image
from gaze_insight.cohort.mimic_eye.reflacx_metadata import REFLACX_LABELS
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow, read_table
from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = ["Dictation", "read_chest_box", "read_dictation", "read_ellipses", "read_reflacx_fixations"]

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SHOWN = tuple(f"{corner}_shown_from_image" for corner in _CORNERS)
_ON_SCREEN = tuple(f"{corner}_in_screen_coordinates" for corner in _CORNERS)
_RESOLUTION = ("angular_resolution_x_pixels_per_degree", "angular_resolution_y_pixels_per_degree")
_TIMES = ("timestamp_start_fixation", "timestamp_end_fixation")
_FIXATION_COLUMNS = (*_TIMES, "x_position", "y_position", *_RESOLUTION, *_SHOWN)

_BUTTONS_PX = (10.0, 933.0, 650.0, 1122.0)
_BUTTONS_MARGIN_PX = 50.0
_MARGIN_DEG = 0.5


def read_reflacx_fixations(
    path: Path, size: Size, account: Account
) -> tuple[PlacedGaze, tuple[float, float] | None]:
    """Read ``fixations.csv`` of a reading and keep what was on the part of the image that was shown.

    Readers zoomed and moved the image. A fixation counts if it is inside the rectangle that was shown, or
    less than 0.5 degrees beside it and more than 50 screen pixels from the block of buttons (10, 933 to 650,
    1122), which is the rule of REFLACX's authors. The others are dropped as ``not_shown``. What lies beside
    the whole image is dropped as ``off_image``, however near: nothing is moved onto the image.

    Args:
        path: The file; positions are pixels of the original image, times seconds.
        size: Height and width of the original image.
        account: Told of bad rows; its count ``reflacx_kept_beside_the_shown_part`` says how many fixations
            the 0.5 degrees kept.

    Returns:
        The gaze, and one degree of visual angle as a fraction of the image's width and height: the median
        over the fixations; None where no row states it.

    Raises:
        DataError: The file cannot be read or a row is bad, where `account` says so.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "fixations.csv")
        >>> _ = file.write_text(",".join(_FIXATION_COLUMNS))
        >>> read_reflacx_fixations(file, Size(2, 3), Account())[0].trust
        0.0
    """
    table = read_table(path, _FIXATION_COLUMNS)
    on_screen = table.has(*_ON_SCREEN)
    recorded, degrees = [], []
    for row in account.rows(table, "bad_row"):
        with account.allowing("bad_row"):
            one, resolution = _fixation(row, size, on_screen, account)
            recorded.append(one)
            if resolution is not None:
                degrees.append(resolution)
    degree = None
    if degrees:
        across, down = (statistics.median(axis) for axis in zip(*degrees, strict=True))
        degree = (round(across / size.width, 6), round(down / size.height, 6))
    return place_on_image(recorded, size), degree


def _fixation(
    row: TableRow, size: Size, on_screen: bool, account: Account
) -> tuple[RecordedFixation, tuple[float, float] | None]:
    start, end = (row.needed(column) for column in _TIMES)
    if end < start:
        raise row.error(f"expected an end after the start, found {start:g} s to {end:g} s")
    x, y = row.number("x_position"), row.number("y_position")
    across, down = (row.number(column) for column in _RESOLUTION)
    resolution = (across, down) if across and down and across > 0 and down > 0 else None
    dropped = None
    if x is not None and y is not None and 0 <= x <= size.width and 0 <= y <= size.height:
        shown = tuple(row.needed(column) for column in _SHOWN)
        screen = tuple(row.needed(column) for column in _ON_SCREEN) if on_screen else None
        beside = _beside((x, y), shown)
        if any(beside):
            near = _is_near(beside, resolution) and not _at_buttons((x, y), shown, screen)
            dropped = None if near else "not_shown"
            account.counts["reflacx_kept_beside_the_shown_part"] += near
    return RecordedFixation(x, y, start * 1000, (end - start) * 1000, dropped), resolution


def _beside(point: tuple[float, float], shown: Sequence[float]) -> tuple[float, float]:
    """Distance of a point from a rectangle along both axes; zero inside."""
    left, top, right, bottom = shown
    return max(left - point[0], 0.0, point[0] - right), max(top - point[1], 0.0, point[1] - bottom)


def _is_near(beside: tuple[float, float], resolution: tuple[float, float] | None) -> bool:
    if resolution is None:
        return False
    return math.hypot(beside[0] / resolution[0], beside[1] / resolution[1]) < _MARGIN_DEG


def _at_buttons(point: tuple[float, float], shown: Sequence[float], screen: Sequence[float] | None) -> bool:
    """Whether the look may have been at the buttons; so it is where the screen's place is not known."""
    width, height = shown[2] - shown[0], shown[3] - shown[1]
    if screen is None or width <= 0 or height <= 0:
        return True
    on_screen = (
        screen[0] + (point[0] - shown[0]) / width * (screen[2] - screen[0]),
        screen[1] + (point[1] - shown[1]) / height * (screen[3] - screen[1]),
    )
    return math.hypot(*_beside(on_screen, _BUTTONS_PX)) <= _BUTTONS_MARGIN_PX


def read_ellipses(path: Path, size: Size, reading: str, account: Account) -> tuple[ChestBox, ...]:
    r"""Read ``anomaly_location_ellipses.csv``: one finding a label that is True in a row.

    Args:
        path: The file; a file without rows says that nothing was marked.
        size: Height and width of the original image.
        reading: Id of the reading.
        account: Told of bad rows; it counts rows without a label and ellipses beside the image.

    Returns:
        The ellipses as boxes; a row with several labels gives several.

    Raises:
        DataError: The file cannot be read or a row is bad, where `account` says so.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "ellipses.csv")
        >>> _ = file.write_text("xmin,ymin,xmax,ymax,certainty,Mass\n0,0,10,10,4,True\n")
        >>> read_ellipses(file, Size(100, 100), "P300R000001", Account())[0].certainty
        4
    """
    table = read_table(path, (*_CORNERS, "certainty"))
    labels = [name for name in (*REFLACX_LABELS, "Other") if table.has(name)]
    boxes: list[ChestBox] = []
    for row in account.rows(table, "bad_box_row"):
        with account.allowing("bad_box_row"):
            edges = _edges(row, size)
            meant = [label for label in labels if row.flag(label)]
            if not meant:
                account.counts["reflacx_ellipses_without_label"] += 1
            elif edges is None:
                account.counts["reflacx_boxes_beside_the_image"] += 1
            else:
                certainty = _certainty(row)
                boxes += [ChestBox(one, "finding", *edges, "ellipse", certainty, reading) for one in meant]
    return tuple(boxes)


def read_chest_box(path: Path, size: Size, reading: str, account: Account) -> tuple[ChestBox, ...]:
    r"""Read ``chest_bounding_box.csv``: where the reader drew the lungs and heart.

    Args:
        path: The file, of one row.
        size: Height and width of the original image.
        reading: Id of the reading.
        account: Told of bad rows; it counts boxes beside the image.

    Returns:
        One box called ``chest`` a row.

    Raises:
        DataError: The file cannot be read or a row is bad, where `account` says so.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "chest_bounding_box.csv")
        >>> _ = file.write_text("xmin,ymin,xmax,ymax\n10,0,90,50\n")
        >>> read_chest_box(file, Size(100, 100), "P300R000001", Account())[0].area_frac
        0.4
    """
    boxes = []
    for row in account.rows(read_table(path, _CORNERS), "bad_box_row"):
        with account.allowing("bad_box_row"):
            edges = _edges(row, size)
            if edges is None:
                account.counts["reflacx_boxes_beside_the_image"] += 1
            else:
                boxes.append(ChestBox("chest", "region", *edges, reading=reading))
    return tuple(boxes)


@dataclass(frozen=True)
class Dictation:
    """What was dictated in a reading.

    Args:
        text: The text; None where neither file is there.
        words: Its words with times.
        agrees: Whether text and words are the same but for spaces; True where one of them is missing.

    Example:
        >>> Dictation(None).words
        ()
    """

    text: str | None
    words: tuple[SpokenWord, ...] = ()
    agrees: bool = True


def read_dictation(folder: Path, account: Account) -> Dictation:
    """Read ``transcription.txt`` and ``timestamps_transcription.csv`` of a reading.

    Args:
        folder: The reading's folder; either file may be missing.
        account: Told of bad rows.

    Returns:
        Text and words. Without the text it is the words with spaces between them.

    Raises:
        DataError: A file cannot be read or a row is bad, where `account` says so.

    Example:
        >>> read_dictation(Path("nowhere"), Account())
        Dictation(text=None, words=(), agrees=True)
    """
    plain, timed = folder / "transcription.txt", folder / "timestamps_transcription.csv"
    words: tuple[SpokenWord, ...] = ()
    if timed.is_file():
        table = read_table(timed, ("word", "timestamp_start_word", "timestamp_end_word"))
        words = tuple(_words(table, account))
    if not plain.is_file():
        return Dictation(" ".join(word.text for word in words) if timed.is_file() else None, words)
    try:
        text = " ".join(plain.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the dictation cannot be read: {error}", path=plain) from error
    spoken = "".join("".join(word.text.split()) for word in words)
    return Dictation(text, words, not timed.is_file() or spoken == text.replace(" ", ""))


def _words(table: Table, account: Account) -> Iterator[SpokenWord]:
    for row in account.rows(table, "bad_word_row"):
        with account.allowing("bad_word_row"):
            start, end = row.needed("timestamp_start_word"), row.needed("timestamp_end_word")
            yield SpokenWord(row.text("word"), round(start * 1000, 3), round(end * 1000, 3))


def _edges(row: TableRow, size: Size) -> tuple[float, float, float, float] | None:
    left, top, right, bottom = (row.needed(column) for column in _CORNERS)
    try:
        return box_on_image((left, top, right, bottom), size)
    except DataError as error:
        raise row.error(error.message, error.remedy) from error


def _certainty(row: TableRow) -> int | None:
    """Certainty of an ellipse; blank or 0 where none was asked for, as for support devices."""
    value = row.number("certainty")
    if value is None or value == 0:
        return None
    if value not in range(1, 6):
        raise row.error(f"expected a certainty from 1 to 5, found {value:g}")
    return int(value)
