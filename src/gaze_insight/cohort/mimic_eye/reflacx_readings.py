"""REFLACX's readings put together from its table and the folders of its readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gaze_insight.cohort.chest_facts import ChestBox, ChestReading
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.looks import Look, PlacedGaze
from gaze_insight.cohort.mimic_eye.reflacx_files import (
    Dictation,
    read_chest_box,
    read_dictation,
    read_ellipses,
    read_reflacx_fixations,
)
from gaze_insight.cohort.mimic_eye.reflacx_metadata import ReflacxEntry
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Size

__all__ = ["read_reflacx_looks"]


@dataclass(frozen=True)
class _Gaze:
    """What is left of a reading's recording."""

    fixations: Fixations | None
    trust: float
    degree_frac: tuple[float, float] | None
    dropped: Mapping[str, int]


def read_reflacx_looks(
    entries: Iterable[ReflacxEntry], folder: Path, sizes: Mapping[str, Size], account: Account
) -> dict[str, list[Look]]:
    """Read the files of each reading of a table.

    A reading whose recording the authors discarded keeps its labels and boxes and has no fixations. Any
    file and any folder may be missing: it is counted and the rest is used.

    Args:
        entries: The readings.
        folder: The folder ``REFLACX``; readings lie in ``main_data/<id>/``, in some copies in ``<id>/``.
        sizes: Size of the original image by dicom_id, as the table of images states it. Readings of other
            images are noted and not used. Where REFLACX states another size that is noted too, and pixels of
            REFLACX are taken by its own.
        account: Told of counts and problems.

    Returns:
        The looks by dicom_id, in the order of the entries.

    Raises:
        DataError: A file is bad, where `account` says so.

    Example:
        >>> read_reflacx_looks([], Path("REFLACX"), {}, Account())
        {}
    """
    looks: dict[str, list[Look]] = {}
    named: set[str] = set()
    for entry in entries:
        named.add(entry.id)
        if entry.dicom_id not in sizes:
            account.gaze_without_image.add(entry.dicom_id)
            continue
        account.counts["reflacx_readings"] += 1
        stated = sizes[entry.dicom_id]
        if stated != entry.size:
            account.counts["reflacx_sizes_disagree"] += 1
            account.note(
                f"reading {entry.id}: REFLACX says the image is {entry.size.width} x {entry.size.height} "
                f"px (width x height), cxr_meta {stated.width} x {stated.height} px"
            )
        with account.allowing("bad_reading"):
            looks.setdefault(entry.dicom_id, []).append(_look(entry, folder, account))
    account.counts["reflacx_folders_without_metadata"] += len(_folders(folder) - named)
    return looks


def _look(entry: ReflacxEntry, folder: Path, account: Account) -> Look:
    place = _place(entry.id, folder)
    if place is None:
        account.counts["reflacx_folders_missing"] += 1
    gaze = _gaze(entry, place, account)
    said = _dictation(entry, place, account)
    reading = ChestReading(
        id=entry.id,
        source="reflacx",
        fixations=gaze.fixations,
        certainties=entry.certainties,
        transcript=said.text,
        words=said.words,
        degree_frac=gaze.degree_frac,
        trust=gaze.trust,
        dropped=gaze.dropped,
    )
    facts = {f"other findings in {entry.id}": entry.other} if entry.other else {}
    return Look(reading, _boxes(entry, place, account), facts)


def _gaze(entry: ReflacxEntry, place: Path | None, account: Account) -> _Gaze:
    if entry.discarded:
        account.counts["reflacx_recordings_discarded"] += 1
        return _Gaze(None, 0.0, None, {"discarded_recording": 1})
    path = None if place is None else place / "fixations.csv"
    if path is None or not path.is_file():
        account.counts["reflacx_fixations_missing"] += 1
        return _Gaze(None, 0.0, None, {})
    gaze, degree = _read_gaze(path, entry.size, account)
    account.dropped.update(gaze.dropped)
    account.counts["reflacx_fixations"] += len(gaze.fixations) + sum(gaze.dropped.values())
    return _Gaze(gaze.fixations, gaze.trust, degree, gaze.dropped)


def _read_gaze(path: Path, size: Size, account: Account) -> tuple[PlacedGaze, tuple[float, float] | None]:
    try:
        return read_reflacx_fixations(path, size, account)
    except DataError as error:
        account.refuse(error, "bad_gaze_file")
        return PlacedGaze(Fixations.empty(), 0.0, {"bad_gaze_file": 1}), None


def _dictation(entry: ReflacxEntry, place: Path | None, account: Account) -> Dictation:
    said = Dictation(None)
    if place is not None:
        with account.allowing("bad_dictation"):
            said = read_dictation(place, account)
    if said.text is None and not entry.discarded:
        account.counts["reflacx_dictations_missing"] += 1
    if not said.agrees:
        account.counts["reflacx_dictations_disagree"] += 1
        account.note(f"reading {entry.id}: the dictation's text and its words with times differ")
    return said


def _boxes(entry: ReflacxEntry, place: Path | None, account: Account) -> tuple[ChestBox, ...]:
    boxes: list[ChestBox] = []
    parts = (
        ("chest_bounding_box.csv", "reflacx_chest_boxes_missing", read_chest_box),
        ("anomaly_location_ellipses.csv", "reflacx_ellipses_missing", read_ellipses),
    )
    for name, missing, read in parts:
        if place is None or not (place / name).is_file():
            account.counts[missing] += 1
            continue
        with account.allowing("bad_box_file"):
            boxes += read(place / name, entry.size, entry.id, account)
    return tuple(boxes)


def _place(reading: str, folder: Path) -> Path | None:
    places = (folder / "main_data" / reading, folder / reading)
    return next((place for place in places if place.is_dir()), None)


def _folders(folder: Path) -> set[str]:
    """Names of the folders of readings."""
    inner = folder / "main_data"
    where = inner if inner.is_dir() else folder
    if not where.is_dir():
        return set()
    return {path.name for path in where.iterdir() if path.name[:1] == "P" and path.is_dir()}
