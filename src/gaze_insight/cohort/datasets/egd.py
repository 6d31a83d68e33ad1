"""EGD 1.0.0, Eye Gaze Data for Chest X-rays (Karargyris et al., 2021), with MIMIC-CXR-JPG's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.images import image_size
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.assembling import RadiographParts, assemble
from gaze_insight.cohort.mimic_eye.egd_gaze import EGD_GAZE_COLUMNS, read_egd_fixations
from gaze_insight.cohort.mimic_eye.egd_readings import BOX_COLUMNS, read_egd_boxes, read_egd_looks
from gaze_insight.cohort.mimic_eye.egd_sheet import OLD_NAMES, SHEET_COLUMNS, EgdEntry, read_egd_sheet
from gaze_insight.cohort.mimic_eye.looks import Look
from gaze_insight.cohort.mimic_eye.mimic_cxr import MimicCxr
from gaze_insight.cohort.mimic_eye.patients import ReadRadiograph, add_sheet_labels
from gaze_insight.cohort.mimic_eye.radiographs import Radiograph
from gaze_insight.cohort.mimic_eye.tables import read_table
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, Size, silent

__all__ = ["import_egd"]


@DATASETS.register("egd")
def import_egd(
    source: str | Path,
    destination: str | Path,
    *,
    images: str | Path,
    reports: str | Path | None = None,
    splits: str | Path | SplitSettings | None = None,
    name: str = "egd",
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> Cohort:
    """Import EGD as PhysioNet gives it.

    Positions need the original images' sizes: they are taken from ``mimic-cxr-2.0.0-metadata.csv.gz`` in the
    folder of pictures, and where it lacks them from the pictures themselves, which must then not have been
    resized; those are counted as ``sizes_from_pictures``.

    Args:
        source: The folder with ``master_sheet.csv``, ``fixations.csv`` (or ``eye_gaze.csv``),
            ``bounding_boxes.csv`` and ``audio_segmentation_transcripts/``; all but the first may be missing.
        destination: Folder of the cohort.
        images: Folder of MIMIC-CXR-JPG; see `MimicCxr`.
        reports: Folder of MIMIC-CXR's reports; by default none are read.
        splits: Folder of split files, or settings for making splits by patient; by default they are made.
        name: The cohort's name.
        on_bad: What happens at a bad row, file or picture.
        progress: Told how many pictures were read.

    Returns:
        The saved cohort.

    Raises:
        DataError: The master sheet is not there, a file is bad, or a picture is missing or damaged.

    Example:
        >>> import_egd("nowhere", "cohort", images=".")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected master_sheet.csv, found none
          -> give the folder of EGD 1.0.0 that holds it
    """
    place, account = Path(source), Account(on_bad)
    sheet = place / "master_sheet.csv"
    if not sheet.is_file():
        raise DataError(
            "expected master_sheet.csv, found none",
            path=place,
            remedy="give the folder of EGD 1.0.0 that holds it",
        )
    entries = read_egd_sheet(read_table(sheet, SHEET_COLUMNS, rename=OLD_NAMES), account)
    cxr = MimicCxr(Path(images), None if reports is None else Path(reports), account)
    radiographs = _with_sizes(cxr.complete(_radiographs(entries)), account)
    looks = _looks(place, entries, radiographs, account)
    labels = cxr.labels({one.study for one in radiographs.values()})
    read = []
    for dicom_id, one in radiographs.items():
        own = {key: studies[one.study] for key, studies in labels.items() if one.study in studies}
        known = add_sheet_labels(own, entries[dicom_id], account)
        look = (looks[dicom_id],) if dicom_id in looks else ()
        read.append(ReadRadiograph(one, look, known, cxr.report(one)))
    parts = RadiographParts(
        name=name,
        destination=Path(destination),
        dataset="egd",
        root=Path(images),
        read=read,
        splits=Path(splits) if isinstance(splits, str) else splits,
        gaze_files=("fixations.csv",),
        facts={
            "source": str(place.resolve()),
            "images": str(Path(images).resolve()),
            "reports": None if reports is None else str(Path(reports).resolve()),
        },
    )
    return assemble(parts, account, progress)


def _radiographs(entries: Mapping[str, EgdEntry]) -> dict[str, Radiograph]:
    return {
        name: Radiograph(name, entry.subject, entry.study, Path(f"{name}.jpg"))
        for name, entry in entries.items()
    }


def _with_sizes(radiographs: Mapping[str, Radiograph], account: Account) -> dict[str, Radiograph]:
    found = {}
    for name, one in radiographs.items():
        if one.size is None and one.picture.is_file():
            with account.allowing("bad_picture"):
                one = replace(one, size=image_size(one.picture))
                account.counts["sizes_from_pictures"] += 1
        found[name] = one
    return found


def _looks(
    place: Path, entries: Mapping[str, EgdEntry], radiographs: Mapping[str, Radiograph], account: Account
) -> dict[str, Look]:
    sizes: dict[str, Size] = {name: one.size for name, one in radiographs.items() if one.size is not None}
    gaze = next((path for path in (place / "fixations.csv", place / "eye_gaze.csv") if path.is_file()), None)
    if gaze is None:
        account.counts["egd_gaze_tables_missing"] += 1
    boxes = place / "bounding_boxes.csv"
    return read_egd_looks(
        entries.values(),
        {}
        if gaze is None
        else read_egd_fixations(read_table(gaze, EGD_GAZE_COLUMNS), entries, sizes, account),
        read_egd_boxes(read_table(boxes, BOX_COLUMNS), sizes, account) if boxes.is_file() else {},
        place,
        sizes,
        account,
    )
