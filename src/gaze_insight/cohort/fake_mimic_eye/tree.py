"""Writes a complete fake MIMIC-Eye 1.0.0 tree: both sources, every trap of the layout, made-up ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.eye_gaze_files import (
    BOX_HEADER,
    GAZE_HEADER,
    SHEET_HEADER,
    EyeGazeRows,
    write_eye_gaze,
)
from gaze_insight.cohort.fake_mimic_eye.plan import Patient, make_patient
from gaze_insight.cohort.fake_mimic_eye.radiograph import FracBox
from gaze_insight.cohort.fake_mimic_eye.reflacx_files import METADATA_HEADER, write_reflacx
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.study_files import META_HEADER, StudyRows, write_studies
from gaze_insight.cohort.fake_mimic_eye.tables import Row, table_text, write_text
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, silent

__all__ = ["FakeTreeReport", "write_fake_mimic_eye"]

_IMAGES_BETWEEN_CALIBRATIONS = 20
_CALIBRATION_LETTERS = 39


@dataclass(frozen=True)
class FakeTreeReport:
    """What was written, and what is true of it.

    Args:
        folder: The tree.
        patients: Number of patients.
        images: Number of frontal radiographs.
        reflacx_readings: Readings of REFLACX, discarded ones included.
        discarded: Those of them without eye tracking.
        eye_gaze_readings: Readings of EyeGaze.
        truth: dicom_id to (finding as CheXpert spells it, box in image fractions), one a box.
        decoys: dicom_id to (harmless thing, box in image fractions).

    Example:
        >>> FakeTreeReport(Path("tree"), 1, 1, 1, 0, 0).truth
        {}
    """

    folder: Path
    patients: int
    images: int
    reflacx_readings: int
    discarded: int
    eye_gaze_readings: int
    truth: Mapping[str, tuple[tuple[str, FracBox], ...]] = field(default_factory=dict)
    decoys: Mapping[str, tuple[tuple[str, FracBox], ...]] = field(default_factory=dict)


def write_fake_mimic_eye(
    folder: str | Path, settings: FakeTreeSettings, *, progress: Progress = silent
) -> FakeTreeReport:
    """Write a fake tree in the layout of MIMIC-Eye 1.0.0.

    Layout, columns and traps follow the published descriptions; pixels, ids, words, recordings are made up.
    Files of another tree in the same folder are not removed.

    Args:
        folder: Where to write; it is made. It holds ``patient_*`` and ``spreadsheets``.
        settings: What to make up.
        progress: Told how many patients were written.

    Returns:
        What was written, and what is true of each image.

    Raises:
        DataError: The folder cannot be written to, or holds other patients already.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = write_fake_mimic_eye(folder, FakeTreeSettings(patients=1, image_size_px=((64, 80),)))
        ...     report.patients, sorted(path.name for path in Path(folder).iterdir())
        (1, ['patient_90000092', 'spreadsheets'])
    """
    place = Path(folder)
    if any(place.glob("patient_*")):
        raise DataError(
            "expected a folder without patients, found some", path=place, remedy="name another folder"
        )
    studies, eye_gaze, reflacx = StudyRows(), EyeGazeRows(), list[Row]()
    truth: dict[str, tuple[tuple[str, FracBox], ...]] = {}
    decoys: dict[str, tuple[tuple[str, FracBox], ...]] = {}
    try:
        for index in range(settings.patients):
            patient = make_patient(settings, index)
            _write_patient(place, patient, settings, index, studies, eye_gaze, reflacx)
            for study in patient.studies:
                findings = study.radiograph.findings
                truth[study.dicom_id] = tuple((one.name, box) for one in findings for box in one.boxes)
                decoys[study.dicom_id] = study.radiograph.decoys
            progress("making up patients", index + 1, settings.patients)
        _write_spreadsheets(place / "spreadsheets", studies, eye_gaze, reflacx)
    except OSError as error:
        raise DataError(f"cannot write the tree: {error.strerror}", path=place) from error
    discarded = sum(bool(row[2]) for row in reflacx)
    readings = len(eye_gaze.sheet)
    return FakeTreeReport(
        place, settings.patients, len(truth), len(reflacx), discarded, readings, truth, decoys
    )


def _write_patient(
    place: Path,
    patient: Patient,
    settings: FakeTreeSettings,
    index: int,
    studies: StudyRows,
    eye_gaze: EyeGazeRows,
    reflacx: list[Row],
) -> None:
    folder = place / f"patient_{patient.subject_id}"
    rng = np.random.default_rng([settings.seed, index, 1])
    studies.add(write_studies(folder, patient, rng))
    reflacx += write_reflacx(folder, patient, settings, rng, index)
    rows = write_eye_gaze(folder, patient, settings, rng)
    eye_gaze.sheet += rows.sheet
    eye_gaze.fixations += rows.fixations
    eye_gaze.boxes += rows.boxes


def _write_spreadsheets(place: Path, studies: StudyRows, eye_gaze: EyeGazeRows, reflacx: list[Row]) -> None:
    """Write the tables of the whole tree; the EyeGaze fixations with calibration rows among them."""
    studies.write(place, place / "CXR-JPG")
    stays = [row for row in studies.meta if row[META_HEADER.index("stay_id")] is not None]
    write_text(place / "cxr_meta_with_stay_id_only.csv", table_text(META_HEADER, stays, index=True))
    write_text(place / "REFLACX" / "metadata.csv", table_text(METADATA_HEADER, reflacx, index=True))
    gaze = place / "EyeGaze"
    sheet = table_text(SHEET_HEADER, eye_gaze.sheet, index=True)
    write_text(gaze / "master_sheet_with_updated_stayId.csv", sheet)
    write_text(gaze / "bounding_boxes.csv", table_text(BOX_HEADER, eye_gaze.boxes, index=True))
    fixations = table_text(GAZE_HEADER, _with_calibration(eye_gaze.fixations), index=True)
    write_text(gaze / "fixations.csv", fixations)
    write_text(gaze / "eye_gaze.csv", fixations)
    codes: list[Row] = [("J189", 10, "Pneumonia, unspecified organism")]
    header: tuple[str, ...] = ("icd_code", "icd_version", "long_title")
    write_text(place / "Hosp" / "d_icd_diagnoses.csv", table_text(header, codes, index=True))
    items: list[Row] = [(220_045, "Heart Rate", "HR", "chartevents")]
    header = ("itemid", "label", "abbreviation", "linksto")
    write_text(place / "ICU" / "d_items.csv", table_text(header, items, index=True))


def _with_calibration(rows: list[Row]) -> list[Row]:
    """Put a blank frame's fixation, under a cut id, before the first image and every twentieth one after."""
    column = GAZE_HEADER.index("DICOM_ID")
    mixed: list[Row] = []
    images = 0
    for number, row in enumerate(rows):
        if number == 0 or row[column] != rows[number - 1][column]:
            if images % _IMAGES_BETWEEN_CALIBRATIONS == 0:
                mixed.append((*row[:column], str(row[column])[:_CALIBRATION_LETTERS], *row[column + 1 :]))
            images += 1
        mixed.append(row)
    return mixed
