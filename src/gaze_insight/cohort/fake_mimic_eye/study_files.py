"""Files of the hospital: pictures, labels, reports, what the studies are, and a few clinical tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gaze_insight.cohort.fake_mimic_eye.plan import Patient, Study
from gaze_insight.cohort.fake_mimic_eye.radiograph import draw_lateral
from gaze_insight.cohort.fake_mimic_eye.speech import report_text
from gaze_insight.cohort.fake_mimic_eye.tables import Row, table_text, write_bytes, write_text
from gaze_insight.types import ByteArray, Size

__all__ = ["CHEXPERT_NAMES", "LABEL_HEADER", "META_HEADER", "SPLIT_HEADER", "StudyRows", "write_studies"]

CHEXPERT_NAMES = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""The 14 labels in the order of their columns."""

META_HEADER = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
    "in_eye_gaze",
    "in_reflacx",
    "StudyDateTime",
    "stay_id",
    "split",
)
LABEL_HEADER = ("subject_id", "study_id", *CHEXPERT_NAMES)
SPLIT_HEADER = ("dicom_id", "study_id", "subject_id", "split")

_JPEG_QUALITY = 95


class StudyRows:
    """Rows of the four tables of studies, of one patient or of all.

    Example:
        >>> StudyRows().meta
        []
    """

    def __init__(self) -> None:
        self.meta: list[Row] = []
        self.chexpert: list[Row] = []
        self.negbio: list[Row] = []
        self.split: list[Row] = []

    def add(self, other: StudyRows) -> None:
        """Append the rows of another.

        Args:
            other: Its rows come last.
        """
        self.meta += other.meta
        self.chexpert += other.chexpert
        self.negbio += other.negbio
        self.split += other.split

    def write(self, folder: Path, labels_folder: Path) -> None:
        """Write the four tables, each with an index column.

        Args:
            folder: Where ``cxr_meta.csv`` goes.
            labels_folder: Where the others go.
        """
        write_text(folder / "cxr_meta.csv", table_text(META_HEADER, self.meta, index=True))
        for name, rows in (("chexpert", self.chexpert), ("negbio", self.negbio)):
            write_text(labels_folder / f"cxr_{name}.csv", table_text(LABEL_HEADER, rows, index=True))
        write_text(labels_folder / "cxr_split.csv", table_text(SPLIT_HEADER, self.split, index=True))


def write_studies(folder: Path, patient: Patient, rng: np.random.Generator) -> StudyRows:
    """Write one patient's pictures, reports and tables.

    Args:
        folder: The patient's folder.
        patient: The patient.
        rng: Source of all randomness.

    Returns:
        The rows, for the tables of the whole tree.
    """
    rows = StudyRows()
    for study in patient.studies:
        place = folder / "CXR-JPG" / f"s{study.study_id}"
        write_bytes(place / f"{study.dicom_id}.jpg", _jpeg(study.radiograph.image))
        if study.lateral_id is not None:
            size = Size(*study.radiograph.image.shape)
            write_bytes(place / f"{study.lateral_id}.jpg", _jpeg(draw_lateral(rng, size)))
        text = report_text(rng, study.report, study.radiograph.bedside)
        write_text(folder / "CXR-DICOM" / f"s{study.study_id}.txt", text)
        rows.meta.append(_meta_row(patient, study))
        rows.chexpert.append(_label_row(patient, study, study.labels))
        rows.negbio.append(_label_row(patient, study, _other_labels(study.labels, rng)))
        rows.split.append((study.dicom_id, study.study_id, patient.subject_id, patient.split))
    rows.write(folder / "CXR-JPG", folder / "CXR-JPG")
    if patient.hospital:
        _write_hospital(folder, patient, rng)
    return rows


def _jpeg(image: ByteArray) -> bytes:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(content)


def _meta_row(patient: Patient, study: Study) -> Row:
    view, words = ("AP", "CHEST (PORTABLE AP)") if study.radiograph.bedside else ("PA", "CHEST (PA AND LAT)")
    height, width = study.radiograph.image.shape
    day, time = str(study.date), study.time
    return (
        study.dicom_id,
        patient.subject_id,
        study.study_id,
        words,
        view,
        height,
        width,
        study.date,
        f"{int(time)}.0",
        words,
        "antero-posterior" if view == "AP" else "postero-anterior",
        "Erect",
        study.in_eye_gaze,
        bool(study.readers),
        f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{time[4:]}",
        None if study.stay_id is None else float(study.stay_id),
        patient.split,
    )


def _label_row(patient: Patient, study: Study, labels: dict[str, int]) -> Row:
    values = [float(labels[name]) if name in labels else None for name in CHEXPERT_NAMES]
    return (patient.subject_id, study.study_id, *values)


def _other_labels(labels: dict[str, int], rng: np.random.Generator) -> dict[str, int]:
    """NegBio agrees with CheXpert but for one negation in twenty that it misses."""
    return {name: value for name, value in labels.items() if value != 0 or rng.random() > 0.05}


def _write_hospital(folder: Path, patient: Patient, rng: np.random.Generator) -> None:
    who = patient.subject_id
    header: tuple[str, ...] = (
        "subject_id",
        "gender",
        "anchor_age",
        "anchor_year",
        "anchor_year_group",
        "dod",
    )
    rows: Sequence[Row] = [(who, patient.gender, patient.age, 2150, "2014 - 2016", None)]
    write_text(folder / "Hosp" / "patients.csv", table_text(header, rows, index=True))
    header = ("subject_id", "hadm_id", "stay_id", "first_careunit", "los")
    write_text(folder / "ICU" / "icustays.csv", table_text(header, [], index=True))
    header = (
        "subject_id",
        "stay_id",
        "temperature",
        "heartrate",
        "resprate",
        "o2sat",
        "sbp",
        "dbp",
        "pain",
        "acuity",
    )
    rows = [
        (
            who,
            study.stay_id,
            round(rng.normal(98.4, 1), 1),
            *rng.integers((60, 12, 90, 100, 60), (110, 24, 100, 160, 95)),
            0,
            3,
        )
        for study in patient.studies
        if study.stay_id is not None
    ]
    write_text(folder / "ED" / "triage.csv", table_text(header, rows, index=True))
