"""REFLACX 1.0.0 (Bigolin Lanfredi et al., 2022, PhysioNet) with the pictures of MIMIC-CXR-JPG."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.assembling import RadiographParts, assemble
from gaze_insight.cohort.mimic_eye.mimic_cxr import MimicCxr
from gaze_insight.cohort.mimic_eye.patients import ReadRadiograph
from gaze_insight.cohort.mimic_eye.radiographs import Radiograph
from gaze_insight.cohort.mimic_eye.reflacx_metadata import (
    METADATA_COLUMNS,
    ReflacxEntry,
    read_reflacx_metadata,
)
from gaze_insight.cohort.mimic_eye.reflacx_readings import read_reflacx_looks
from gaze_insight.cohort.mimic_eye.tables import Table, read_table
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, silent

__all__ = ["import_reflacx"]

_PHASES = tuple(f"metadata_phase_{phase}.csv" for phase in (1, 2, 3))


@DATASETS.register("reflacx")
def import_reflacx(
    source: str | Path,
    destination: str | Path,
    *,
    images: str | Path,
    reports: str | Path | None = None,
    splits: str | Path | SplitSettings | None = None,
    name: str = "reflacx",
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> Cohort:
    """Import REFLACX as PhysioNet gives it, or a folder ``REFLACX`` of MIMIC-Eye's form.

    Of ``main_data/metadata_phase_1.csv`` to ``_3.csv`` those that are there are joined; a label that a phase
    did not offer is unknown there, not absent. Else ``metadata.csv`` is read. `MimicCxr` finds the pictures.

    Args:
        source: The folder with ``main_data/`` in it.
        destination: Folder of the cohort.
        images: Folder of MIMIC-CXR-JPG.
        reports: Folder of MIMIC-CXR's reports; by default none are read.
        splits: Folder of split files, or settings for making splits by patient; by default they are made.
        name: The cohort's name.
        on_bad: What happens at a bad row, file or picture.
        progress: Told how many pictures were read.

    Returns:
        The saved cohort.

    Raises:
        DataError: A table is not there, a file is bad, or a picture is missing or damaged.

    Example:
        >>> import_reflacx("nowhere", "cohort", images=".")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected main_data/metadata_phase_1.csv, or metadata.csv
          -> give the folder of REFLACX 1.0.0 that holds main_data
    """
    place, account = Path(source), Account(on_bad)
    tables = _tables(place)
    cxr = MimicCxr(Path(images), None if reports is None else Path(reports), account)
    entries = list(read_reflacx_metadata(tables, account))
    radiographs = cxr.complete(_radiographs(entries, account))
    sizes = {one: radiograph.size for one, radiograph in radiographs.items() if radiograph.size is not None}
    progress("reading readings", 0, len(entries))
    looks = read_reflacx_looks(entries, place, sizes, account)
    progress("reading readings", len(entries), len(entries))
    labels = cxr.labels({one.study for one in radiographs.values()})
    read = []
    for dicom_id, one in radiographs.items():
        known = {key: studies[one.study] for key, studies in labels.items() if one.study in studies}
        read.append(ReadRadiograph(one, tuple(looks.get(dicom_id, ())), known, cxr.report(one)))
    parts = RadiographParts(
        name=name,
        destination=Path(destination),
        dataset="reflacx",
        root=Path(images),
        read=read,
        splits=Path(splits) if isinstance(splits, str) else splits,
        gaze_files=("main_data/*/fixations.csv",),
        facts={
            "source": str(place.resolve()),
            "tables": [table.path.name for table in tables],
            "images": str(Path(images).resolve()),
            "reports": None if reports is None else str(Path(reports).resolve()),
        },
    )
    return assemble(parts, account, progress)


def _tables(place: Path) -> list[Table]:
    phases = [path for path in (place / "main_data" / name for name in _PHASES) if path.is_file()]
    whole = [
        path for path in (place / "metadata.csv", place / "main_data" / "metadata.csv") if path.is_file()
    ]
    chosen = phases or whole[:1]
    if not chosen:
        raise DataError(
            f"expected main_data/{_PHASES[0]}, or metadata.csv",
            path=place,
            remedy="give the folder of REFLACX 1.0.0 that holds main_data",
        )
    return [read_table(path, METADATA_COLUMNS) for path in chosen]


def _radiographs(entries: Iterable[ReflacxEntry], account: Account) -> dict[str, Radiograph]:
    """The images of the readings; several readings of one agree about whose it is and how large."""
    found: dict[str, Radiograph] = {}
    for entry in entries:
        picture = Path(f"{entry.dicom_id}.jpg")
        one = Radiograph(entry.dicom_id, entry.subject, entry.study, picture, entry.size)
        if found.setdefault(entry.dicom_id, one) != one:
            account.refuse(
                DataError(
                    f"reading {entry.id!r} and another of the image {entry.dicom_id} state other patients, "
                    "studies or sizes"
                )
            )
    return found
