"""The REFLACX part of a patient: several readers, ellipses with certainties, fixations in image pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.gaze_path import GazePath, LookedAt, look_and_speak
from gaze_insight.cohort.fake_mimic_eye.plan import Patient, Study
from gaze_insight.cohort.fake_mimic_eye.radiograph import FracBox, SeenFinding
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.speech import state
from gaze_insight.cohort.fake_mimic_eye.tables import Row, table_text, write_text
from gaze_insight.types import Size

__all__ = ["METADATA_HEADER", "PHASE_LABELS", "write_reflacx"]

PHASE_LABELS: dict[int, dict[str, str | None]] = {
    1: {
        "Airway wall thickening": None,
        "Atelectasis": "Atelectasis",
        "Consolidation": "Consolidation",
        "Emphysema": None,
        "Enlarged cardiac silhouette": "Cardiomegaly",
        "Fibrosis": None,
        "Fracture": "Fracture",
        "Groundglass opacity": "Lung Opacity",
        "Mass": None,
        "Nodule": "Lung Lesion",
        "Pleural effusion": "Pleural Effusion",
        "Pleural thickening": None,
        "Pneumothorax": "Pneumothorax",
        "Pulmonary edema": "Edema",
        "Quality issue": None,
        "Support devices": "Support Devices",
        "Wide mediastinum": "Enlarged Cardiomediastinum",
    },
    2: {
        "Abnormal mediastinal contour": "Enlarged Cardiomediastinum",
        "Acute fracture": "Fracture",
        "Atelectasis": "Atelectasis",
        "Consolidation": "Consolidation",
        "Enlarged cardiac silhouette": "Cardiomegaly",
        "Enlarged hilum": None,
        "Groundglass opacity": "Lung Opacity",
        "Hiatal hernia": None,
        "High lung volume / emphysema": None,
        "Interstitial lung disease": None,
        "Lung nodule or mass": "Lung Lesion",
        "Pleural abnormality": "Pleural Effusion",
        "Pneumothorax": "Pneumothorax",
        "Pulmonary edema": "Edema",
        "Support devices": "Support Devices",
    },
}
"""Phase to the labels that its readers were offered, each with what it calls of the drawn findings."""

PHASE_LABELS[3] = PHASE_LABELS[2]

METADATA_HEADER = (
    "id",
    "split",
    "eye_tracking_data_discarded",
    "image",
    "dicom_id",
    "subject_id",
    "image_size_x",
    "image_size_y",
    "Airway wall thickening",
    "Atelectasis",
    "Consolidation",
    "Emphysema",
    "Enlarged cardiac silhouette",
    "Fibrosis",
    "Fracture",
    "Groundglass opacity",
    "Mass",
    "Nodule",
    "Other",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary edema",
    "Quality issue",
    "Support devices",
    "Wide mediastinum",
    "Abnormal mediastinal contour",
    "Acute fracture",
    "Enlarged hilum",
    "Hiatal hernia",
    "High lung volume / emphysema",
    "Interstitial lung disease",
    "Lung nodule or mass",
    "Pleural abnormality",
)

_TRUE_OR_FALSE = ("Support devices", "Quality issue")
_SCREEN_PX = Size(2160, 3840)
_DEGREES_ACROSS = 24.0
_VIEW = (
    "angular_resolution_x_pixels_per_degree",
    "angular_resolution_y_pixels_per_degree",
    "window_width",
    "window_level",
    *(f"{edge}_shown_from_image" for edge in ("xmin", "ymin", "xmax", "ymax")),
    *(f"{edge}_in_screen_coordinates" for edge in ("xmin", "ymin", "xmax", "ymax")),
)
_FIXATION_HEADER = (
    "timestamp_start_fixation",
    "timestamp_end_fixation",
    "x_position",
    "y_position",
    "pupil_area_normalized",
    *_VIEW,
)
_GAZE_HEADER = ("timestamp_sample", *_FIXATION_HEADER[2:])


def write_reflacx(
    folder: Path, patient: Patient, settings: FakeTreeSettings, rng: np.random.Generator, first_trial: int
) -> list[Row]:
    """Write one patient's readings of REFLACX; nothing where there are none.

    Args:
        folder: The patient's folder.
        patient: The patient.
        settings: What the tree holds.
        rng: Source of all randomness.
        first_trial: Number from which readings of this patient are counted, so that ids differ.

    Returns:
        The rows of the metadata, for the table of the whole tree.
    """
    rows: list[Row] = []
    for study in patient.studies:
        for reader in study.readers:
            reading = f"P{study.phase}{len(rows) + 1:02d}R" if study.phase < 3 else "P300R"
            name = f"{reading}{(first_trial * 10 + len(rows)) % 1_000_000:06d}"
            forced = first_trial == 0 and len(rows) == 1
            discarded = forced or bool(rng.random() < settings.discarded_share)
            rows.append(
                _write_reading(folder / "REFLACX", name, patient, study, reader, discarded, settings, rng)
            )
    if rows:
        write_text(folder / "REFLACX" / "metadata.csv", table_text(METADATA_HEADER, rows, index=True))
    return rows


def _write_reading(
    folder: Path,
    name: str,
    patient: Patient,
    study: Study,
    reader: int,
    discarded: bool,
    settings: FakeTreeSettings,
    rng: np.random.Generator,
) -> Row:
    findings = _as_read(study, reader, rng)
    unsure = _doubted_decoy(study, rng)
    main = folder / "main_data" / name
    size = Size(*study.radiograph.image.shape)
    _write_marks(main, study, findings, unsure, size)
    if not discarded:
        pneumonia = study.pneumonia if any(one.name == "Consolidation" for one in findings) else None
        said = state(rng, study.radiograph, findings, pneumonia, int(rng.integers(1, 3)))
        path = look_and_speak(
            rng,
            study.radiograph,
            said,
            settings,
            pace=0.85 + 0.08 * reader,
            first_s=float(rng.uniform(-0.05, 0.6)),
        )
        _write_look(main, folder / "gaze_data" / name, path, size, settings, rng)
    return _metadata_row(name, patient, study, discarded, findings, unsure)


def _as_read(study: Study, reader: int, rng: np.random.Generator) -> tuple[SeenFinding, ...]:
    """What one of several readers sees: certainties vary by one; a faint thing is missed now and then."""
    if len(study.readers) == 1:
        return study.radiograph.findings
    seen = []
    for finding in study.radiograph.findings:
        certainty = int(np.clip(finding.certainty + rng.integers(-1, 2), 3, 5))
        if finding.certainty > 3 or rng.random() < 0.8 or reader == study.readers[0]:
            seen.append(replace(finding, certainty=certainty))
    return tuple(seen)


def _doubted_decoy(study: Study, rng: np.random.Generator) -> FracBox | None:
    """A harmless thing that is marked as an unlikely nodule, once in twenty readings."""
    round_things = [box for name, box in study.radiograph.decoys if name in ("nipples", "granuloma")]
    return round_things[0] if round_things and rng.random() < 0.05 else None


def _write_marks(
    folder: Path, study: Study, findings: Sequence[SeenFinding], unsure: FracBox | None, size: Size
) -> None:
    offered = PHASE_LABELS[study.phase]
    labels = sorted([*offered, "Other"])
    named = {canonical: label for label, canonical in offered.items() if canonical is not None}
    marks = [(box, one.certainty, named[one.name]) for one in findings for box in one.boxes]
    if unsure is not None:
        marks.append((unsure, 1, named["Lung Lesion"]))
    rows = [
        (*_px(box, size), certainty, *(label == name for label in labels))
        for box, certainty, name in marks
        if name != "Support devices"
    ]
    header = ("xmin", "ymin", "xmax", "ymax", "certainty", *labels)
    write_text(folder / "anomaly_location_ellipses.csv", table_text(header, rows, index=False, crlf=True))
    lungs = [study.radiograph.regions["right lung"], study.radiograph.regions["left lung"]]
    chest = (lungs[0][0], lungs[0][1], lungs[1][2], max(lungs[0][3], lungs[1][3]))
    text = table_text(header[:4], [_px(chest, size)], index=False, crlf=True)
    write_text(folder / "chest_bounding_box.csv", text)


def _px(box: FracBox, size: Size) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return (
        round(x0 * size.width),
        round(y0 * size.height),
        round(x1 * size.width),
        round(y1 * size.height),
    )


def _metadata_row(
    name: str,
    patient: Patient,
    study: Study,
    discarded: bool,
    findings: Sequence[SeenFinding],
    unsure: FracBox | None,
) -> Row:
    height, width = study.radiograph.image.shape
    subject = patient.subject_id
    place = (
        f"files/mimic-cxr/2.0.0/files/p{str(subject)[:2]}/p{subject}/s{study.study_id}/{study.dicom_id}.dcm"
    )
    certainty = {one.name: one.certainty for one in findings}
    if unsure is not None:
        certainty.setdefault("Lung Lesion", 1)
    cells: list[object] = []
    for label in METADATA_HEADER[8:]:
        if label == "Other" or label not in PHASE_LABELS[study.phase]:
            cells.append(None)
        else:
            value = certainty.get(PHASE_LABELS[study.phase][label] or "", 0)
            cells.append(value > 0 if label in _TRUE_OR_FALSE else float(value))
    return (
        name,
        patient.split,
        discarded,
        f"physionet.org/{place}",
        study.dicom_id,
        subject,
        width,
        height,
        *cells,
    )


def _write_look(
    main: Path, gaze: Path, path: GazePath, size: Size, settings: FakeTreeSettings, rng: np.random.Generator
) -> None:
    rows = []
    for one in path.fixations:
        cells = _view_cells(one.shown, size)
        x, y = int(np.floor(one.x * size.width)), int(np.floor(one.y * size.height))
        times = (round(one.start_s, 3), round(one.start_s + one.duration_s, 3))
        rows.append((*times, x, y, round(float(rng.normal(1, 0.08)), 3), *cells))
    write_text(main / "fixations.csv", table_text(_FIXATION_HEADER, rows, index=False, crlf=True))
    if settings.raw_gaze:
        text = table_text(_GAZE_HEADER, _samples(path.fixations, rows, settings, rng), index=False, crlf=True)
        write_text(gaze / "gaze.csv", text)
    header = ("word", "timestamp_start_word", "timestamp_end_word")
    words = [(one.word, round(one.start_s, 2), round(one.end_s, 2)) for one in path.words]
    write_text(main / "timestamps_transcription.csv", table_text(header, words, index=False, crlf=True))
    write_text(main / "transcription.txt", path.text)


def _view_cells(shown: FracBox, size: Size) -> tuple[object, ...]:
    """Resolution, window and the two rectangles: what of the image is shown, and where on the screen."""
    x0, y0, x1, y1 = _px(shown, size)
    scale = min((_SCREEN_PX.width - 700) / (x1 - x0), _SCREEN_PX.height / (y1 - y0))
    left = round((_SCREEN_PX.width - scale * (x1 - x0)) / 2)
    top = round((_SCREEN_PX.height - scale * (y1 - y0)) / 2)
    degree_px = max(1, round((x1 - x0) / _DEGREES_ACROSS))
    on_screen = (left, top, left + round(scale * (x1 - x0)), top + round(scale * (y1 - y0)))
    return (degree_px, degree_px, 1.0, 0.5, x0, y0, x1, y1, *on_screen)


def _samples(
    fixations: Sequence[LookedAt], rows: Sequence[Row], settings: FakeTreeSettings, rng: np.random.Generator
) -> list[Row]:
    """Raw samples: each fixation with a little jitter; a blink, blank, after one fixation in twelve."""
    samples: list[Row] = []
    step = 1 / settings.samples_hz
    for one, row in zip(fixations, rows, strict=True):
        count = max(2, int(one.duration_s / step))
        jitter = np.rint(rng.normal(0, 0.8, (count, 2))).astype(int)
        for number in range(count):
            x, y = int(str(row[2])) + int(jitter[number, 0]), int(str(row[3])) + int(jitter[number, 1])
            samples.append((round(one.start_s + number * step, 3), x, y, *row[4:]))
        if rng.random() < 1 / 12:
            end_s = one.start_s + one.duration_s
            samples.append((round(end_s + 0.2 * step, 3), None, None, None, None, None, *row[7:]))
    return samples
