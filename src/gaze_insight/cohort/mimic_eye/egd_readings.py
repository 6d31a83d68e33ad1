"""EGD's readings put together: gaze, boxes of the anatomy, and the dictation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gaze_insight.cohort.chest_facts import ChestBox, ChestReading, SpokenWord
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.egd_sheet import EgdEntry
from gaze_insight.cohort.mimic_eye.looks import (
    Look,
    PlacedGaze,
    RecordedFixation,
    box_on_image,
    place_on_image,
)
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow
from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = ["BOX_COLUMNS", "EGD_READING", "read_egd_boxes", "read_egd_looks", "read_egd_transcript"]

EGD_READING = "egd"
"""Id of EGD's one reading of an image."""

BOX_COLUMNS = ("dicom_id", "bbox_name", "x1", "x2", "y1", "y2")
"""Columns of ``bounding_boxes.csv``, in the file's order: both x before both y."""

_READER = "EGD radiologist"
_TRANSCRIPTS = "audio_segmentation_transcripts"


def read_egd_boxes(
    table: Table, sizes: Mapping[str, Size], account: Account
) -> dict[str, tuple[ChestBox, ...]]:
    """Read ``bounding_boxes.csv``: regions of the anatomy in pixels of the original image.

    Args:
        table: The table.
        sizes: Size of the original image by dicom_id; boxes of other images are counted, not used.
        account: Told of bad rows and counts.

    Returns:
        Boxes by dicom_id, in the table's order; names in small letters.

    Raises:
        DataError: A row is bad, where `account` says so.

    Example:
        >>> read_egd_boxes(Table(Path("bounding_boxes.csv"), BOX_COLUMNS), {}, Account())
        {}
    """
    found: dict[str, list[ChestBox]] = {}
    for row in account.rows(table, "bad_box_row"):
        name = row.text("dicom_id")
        if name not in sizes:
            account.counts["egd_boxes_of_unknown_images"] += 1
            continue
        with account.allowing("bad_box_row"):
            edges = _edges(row, sizes[name])
            if edges is None:
                account.counts["egd_boxes_beside_the_image"] += 1
            else:
                box = ChestBox(row.text("bbox_name").lower(), "region", *edges)
                found.setdefault(name, []).append(box)
    return {name: tuple(boxes) for name, boxes in found.items()}


def read_egd_looks(
    entries: Iterable[EgdEntry],
    fixations: Mapping[str, list[RecordedFixation]],
    boxes: Mapping[str, tuple[ChestBox, ...]],
    folder: Path,
    sizes: Mapping[str, Size],
    account: Account,
) -> dict[str, Look]:
    """Make the reading of each image of the master sheet.

    Args:
        entries: Rows of the sheet.
        fixations: What `read_egd_fixations` gave.
        boxes: What `read_egd_boxes` gave.
        folder: The folder that holds ``audio_segmentation_transcripts``.
        sizes: Size of the original image by dicom_id; images without one are noted and not used.
        account: Told of counts and problems.

    Returns:
        The look by dicom_id; its boxes belong to the image, not to the reading.

    Raises:
        DataError: A transcript is bad, where `account` says so.

    Example:
        >>> read_egd_looks([], {}, {}, Path("EyeGaze"), {}, Account())
        {}
    """
    looks = {}
    for entry in entries:
        size = sizes.get(entry.dicom_id)
        if size is None:
            account.gaze_without_image.add(entry.dicom_id)
            continue
        account.counts["egd_readings"] += 1
        account.counts["egd_boxes_missing"] += entry.dicom_id not in boxes
        text, words = _transcript(folder / _TRANSCRIPTS / entry.dicom_id / "transcript.json", account)
        gaze = _gaze(fixations.get(entry.dicom_id), size, account)
        reading = ChestReading(
            id=EGD_READING,
            source="egd",
            reader=_READER,
            fixations=None if gaze is None else gaze.fixations,
            transcript=text,
            words=words,
            trust=0.0 if gaze is None else gaze.trust,
            dropped={} if gaze is None else gaze.dropped,
        )
        looks[entry.dicom_id] = Look(reading, boxes.get(entry.dicom_id, ()))
    return looks


def _gaze(recorded: list[RecordedFixation] | None, size: Size, account: Account) -> PlacedGaze | None:
    if recorded is None:
        account.counts["egd_fixations_missing"] += 1
        return None
    gaze = place_on_image(recorded, size, _READER)
    account.counts["egd_fixations"] += len(recorded)
    account.dropped.update(gaze.dropped)
    return gaze


def _transcript(path: Path, account: Account) -> tuple[str | None, tuple[SpokenWord, ...]]:
    if not path.is_file():
        account.counts["egd_transcripts_missing"] += 1
        return None, ()
    try:
        return read_egd_transcript(path)
    except DataError as error:
        account.refuse(error, "bad_dictation")
        return None, ()


def read_egd_transcript(path: Path) -> tuple[str, tuple[SpokenWord, ...]]:
    """Read ``transcript.json``: the whole text, and phrases (most of one word) with their times.

    Args:
        path: The file.

    Returns:
        The text, and its phrases.

    Raises:
        DataError: The file cannot be read or has another form.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "transcript.json")
        >>> phrase = {"phrase": "Clear.", "begin_time": 0.5, "end_time": 1}
        >>> _ = file.write_text(json.dumps({"full_text": "Clear.", "time_stamped_text": [phrase]}))
        >>> read_egd_transcript(file)
        ('Clear.', (SpokenWord(text='Clear.', start_ms=500.0, end_ms=1000.0),))
    """
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        words = tuple(
            SpokenWord(
                str(one["phrase"]),
                round(float(one["begin_time"]) * 1000, 3),
                round(float(one["end_time"]) * 1000, 3),
            )
            for one in record["time_stamped_text"]
        )
        return str(record["full_text"]), words
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "expected JSON with full_text and time_stamped_text (phrase, begin_time, end_time), "
            f"found {type(error).__name__}: {error}",
            path=path,
            remedy="copy the file again from the release",
        ) from error


def _edges(row: TableRow, size: Size) -> tuple[float, float, float, float] | None:
    left, right, top, bottom = (row.needed(column) for column in ("x1", "x2", "y1", "y2"))
    try:
        return box_on_image((left, top, right, bottom), size)
    except DataError as error:
        raise row.error(error.message, error.remedy) from error
