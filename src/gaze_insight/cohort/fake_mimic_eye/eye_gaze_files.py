"""The EyeGaze part of a patient: one reader, gaze in fractions of the screen, boxes, transcript, masks."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gaze_insight.cohort.fake_mimic_eye.gaze_path import GazePath, LookedAt, Spoken, look_and_speak
from gaze_insight.cohort.fake_mimic_eye.plan import Patient, Study
from gaze_insight.cohort.fake_mimic_eye.radiograph import FracBox
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.speech import state, vocabulary
from gaze_insight.cohort.fake_mimic_eye.tables import Row, table_text, write_bytes, write_text
from gaze_insight.types import Size

__all__ = ["BOX_HEADER", "GAZE_HEADER", "SHEET_HEADER", "EyeGazeRows", "Pads", "letterbox", "write_eye_gaze"]

SCREEN_PX = Size(1080, 1920)
_CONDITIONS = ("Normal", "CHF", "pneumonia")
_READ_AS: dict[str, str] = {
    "consolidation": "Consolidation",
    "enlarged_cardiac_silhouette": "Cardiomegaly",
    "linear__patchy_atelectasis": "Atelectasis",
    "lobar__segmental_collapse": "",
    "not_otherwise_specified_opacity___pleural__parenchymal_opacity__": "Lung Opacity",
    "pleural_effusion_or_thickening": "Pleural Effusion",
    "pulmonary_edema__hazy_opacity": "Edema",
    "normal_anatomically": "No Finding",
    "elevated_hemidiaphragm": "",
    "hyperaeration": "",
    "vascular_redistribution": "",
}
_CHEXPERT: dict[str, str] = {
    "atelectasis__chx": "Atelectasis",
    "cardiomegaly__chx": "Cardiomegaly",
    "consolidation__chx": "Consolidation",
    "edema__chx": "Edema",
    "enlarged_cardiomediastinum__chx": "Enlarged Cardiomediastinum",
    "fracture__chx": "Fracture",
    "lung_lesion__chx": "Lung Lesion",
    "lung_opacity__chx": "Lung Opacity",
    "no_finding__chx": "No Finding",
    "pleural_effusion__chx": "Pleural Effusion",
    "pleural_other__chx": "Pleural Other",
    "pneumonia__chx": "Pneumonia",
    "pneumothorax__chx": "Pneumothorax",
    "support_devices__chx": "Support Devices",
}
_DIAGNOSES = {
    "Pneumonia": ("Pneumonia, unspecified organism", "J189"),
    "Edema": ("Heart failure, unspecified", "I509"),
    "Pleural Effusion": ("Pleural effusion, not elsewhere classified", "J90"),
    "Pneumothorax": ("Pneumothorax, unspecified", "J939"),
}
_MASKS: dict[str, tuple[str, ...]] = {
    "aortic_knob": ("upper mediastinum",),
    "left_lung": ("left lung",),
    "mediastanum": ("upper mediastinum", "cardiac silhouette"),
    "right_lung": ("right lung",),
}
_SILENT_MP3 = b"\xff\xfb\x90\x00" + bytes(413)

SHEET_HEADER = (
    "dicom_id",
    "path",
    "study_id",
    "patient_id",
    "stay_id",
    "gender",
    "anchor_age",
    "image_top_pad",
    "image_bottom_pad",
    "image_left_pad",
    "image_right_pad",
    *(name for number in range(1, 10) for name in (f"dx{number}", f"dx{number}_icd")),
    "normal_reports",
    *_CONDITIONS,
    *_READ_AS,
    *_CHEXPERT,
    "cxr_exam_indication",
)
BOX_HEADER = ("dicom_id", "bbox_name", "x1", "x2", "y1", "y2")
GAZE_HEADER = (
    *("SESSION_ID", "MEDIA_ID", "DICOM_ID", "CNT", "Time (in secs)", "TIMETICK(f=10000000)"),
    *("FPOGX", "FPOGY", "FPOGS", "FPOGD", "FPOGID", "FPOGV", "BPOGX", "BPOGY", "BPOGV"),
    *("LPCX", "LPCY", "LPD", "LPS", "LPV", "RPCX", "RPCY", "RPD", "RPS", "RPV"),
    *("BKID", "BKDUR", "BKPMIN", "LPMM", "LPMMV", "RPMM", "RPMMV"),
    *("SACCADE_MAG", "SACCADE_DIR", "VID_FRAME", "X_ORIGINAL", "Y_ORIGINAL"),
)


class Pads(NamedTuple):
    """Empty borders about an image that is shown as large as the screen allows, in screen pixels."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass
class EyeGazeRows:
    """Rows of the EyeGaze tables, of one patient or of all.

    Example:
        >>> EyeGazeRows().sheet
        []
    """

    sheet: list[Row] = field(default_factory=list)
    fixations: list[Row] = field(default_factory=list)
    boxes: list[Row] = field(default_factory=list)


def letterbox(size: Size) -> Pads:
    """Say where an image lies on the screen of 1920 x 1080 pixels.

    Args:
        size: Height and width of the image.

    Returns:
        Borders in screen pixels.

    Example:
        >>> letterbox(Size(300, 300))
        Pads(top=0, bottom=0, left=420, right=420)
    """
    scale = min(SCREEN_PX.width / size.width, SCREEN_PX.height / size.height)
    across, down = SCREEN_PX.width - round(scale * size.width), SCREEN_PX.height - round(scale * size.height)
    return Pads(down // 2, down - down // 2, across // 2, across - across // 2)


def write_eye_gaze(
    folder: Path, patient: Patient, settings: FakeTreeSettings, rng: np.random.Generator
) -> EyeGazeRows:
    """Write one patient's EyeGaze folder; nothing where EyeGaze lacks the patient.

    Args:
        folder: The patient's folder.
        patient: The patient.
        settings: What the tree holds.
        rng: Source of all randomness.

    Returns:
        The rows, for the tables of the whole tree.
    """
    rows, raw = EyeGazeRows(), list[Row]()
    place = folder / "EyeGaze"
    for study in patient.studies:
        if not study.in_eye_gaze:
            continue
        said = state(
            rng, study.radiograph, study.radiograph.findings, study.pneumonia, int(rng.integers(1, 4))
        )
        path = look_and_speak(rng, study.radiograph, said, settings, zooms=False, first_s=0.05)
        size = Size(*study.radiograph.image.shape)
        samples, fixations = _gaze_rows(path.fixations, study.dicom_id, size, settings, rng)
        raw += samples
        rows.fixations += fixations
        rows.sheet.append(_sheet_row(patient, study, letterbox(size), rng))
        rows.boxes += _box_rows(study, size)
        _write_speech(place / "audio_segmentation_transcripts" / study.dicom_id, path, study)
    if rows.sheet:
        write_text(place / "master_sheet.csv", table_text(SHEET_HEADER, rows.sheet, index=True))
        write_text(place / "fixations.csv", table_text(GAZE_HEADER, rows.fixations, index=True))
        write_text(place / "bounding_boxes.csv", table_text(BOX_HEADER, rows.boxes, index=True))
        if settings.raw_gaze:
            write_text(place / "eye_gaze.csv", table_text(GAZE_HEADER, raw, index=True))
    return rows


def _sheet_row(patient: Patient, study: Study, pads: Pads, rng: np.random.Generator) -> Row:
    present = {one.name for one in study.radiograph.findings}
    if study.pneumonia is not None:
        present.add("Pneumonia")
    healthy = not present - {"Support Devices"}
    if healthy:
        present.add("No Finding")
    diagnoses: list[object] = []
    for name, entry in _DIAGNOSES.items():
        diagnoses += entry if name in present else ()
    diagnoses += [None] * (18 - len(diagnoses))
    failing = bool(present & {"Edema", "Cardiomegaly"})
    conditions = (int(healthy), int(failing), int(not failing and "Pneumonia" in present))
    decade = 10 * (patient.age // 10)
    indications = vocabulary()["indications"]
    group = f"p{str(patient.subject_id)[:2]}/p{patient.subject_id}/s{study.study_id}"
    return (
        study.dicom_id,
        f"files/{group}/{study.dicom_id}.dcm",
        study.study_id,
        patient.subject_id,
        None if study.stay_id is None else float(study.stay_id),
        patient.gender,
        f"{decade} - {decade + 10}",
        *pads,
        *diagnoses,
        int(healthy),
        *conditions,
        *(int(name in present) for name in _READ_AS.values()),
        *(float(study.labels[name]) if name in study.labels else None for name in _CHEXPERT.values()),
        str(indications[int(rng.integers(len(indications)))]),
    )


def _box_rows(study: Study, size: Size) -> list[Row]:
    return [
        (
            study.dicom_id,
            name,
            round(box[0] * size.width, 2),
            round(box[2] * size.width, 2),
            round(box[1] * size.height, 2),
            round(box[3] * size.height, 2),
        )
        for name, box in study.radiograph.regions.items()
    ]


def _gaze_rows(
    fixations: Sequence[LookedAt],
    dicom_id: str,
    size: Size,
    settings: FakeTreeSettings,
    rng: np.random.Generator,
) -> tuple[list[Row], list[Row]]:
    """Write all samples, and the last one of each fixation as the table of fixations has it."""
    pads = letterbox(size)
    wide, high = SCREEN_PX.width - pads.left - pads.right, SCREEN_PX.height - pads.top - pads.bottom
    samples: list[Row] = []
    last: list[Row] = []
    step = 1 / settings.samples_hz
    for number, one in enumerate(fixations, start=1):
        screen = np.array([pads.left + one.x * wide, pads.top + one.y * high])
        original = _original(screen, pads, size)
        x, y = (round(float(value), 5) for value in screen / (SCREEN_PX.width, SCREEN_PX.height))
        count = max(2, int(one.duration_s / step))
        blinks = rng.random() < 1 / 12
        for sample in range(count):
            spent = one.duration_s * (sample + 1) / count
            lost = blinks and sample == 0
            row = _gaze_row(dicom_id, len(samples) + 1, (x, y), number, (one.start_s, spent), original, lost)
            samples.append(row)
        last.append(samples[-1])
    return samples, last


def _gaze_row(
    dicom_id: str,
    count: int,
    place: tuple[float, float],
    number: int,
    times: tuple[float, float],
    original: tuple[int, int],
    lost: bool,
) -> Row:
    """One row of 37 cells; of a lost sample the gaze is blank and not valid."""
    now = times[0] + times[1]
    x, y = (None, None) if lost else place
    valid = 0 if lost else 1
    here = (None, None) if lost else original
    pupil = (0.5, 0.5, 14.2, 1.0, valid)
    return (
        *("1", dicom_id[:8], dicom_id, count, round(now, 5), int(now * 10_000_000)),
        *(x, y, round(times[0], 5), round(times[1], 5), number, valid, x, y, valid),
        *pupil,
        *pupil,
        *(0, 0.0, 12, 3.4, valid, 3.4, valid, 0.0, 0.0, count, *here),
    )


def _original(
    screen: np.ndarray[tuple[int], np.dtype[np.float64]], pads: Pads, size: Size
) -> tuple[int, int]:
    """Turn screen into image pixels as EyeGaze does: off the image both are negative."""
    wide, high = SCREEN_PX.width - pads.left - pads.right, SCREEN_PX.height - pads.top - pads.bottom
    ratios = size.width / wide, size.height / high
    inside = pads.left < screen[0] < SCREEN_PX.width - pads.right
    inside = inside and pads.top < screen[1] < SCREEN_PX.height - pads.bottom
    if not inside:
        return -max(1, int(ratios[0])), -max(1, int(ratios[1]))
    return int(ratios[0] * (screen[0] - pads.left)), int(ratios[1] * (screen[1] - pads.top))


def _write_speech(folder: Path, path: GazePath, study: Study) -> None:
    phrases = []
    for one in _joined(path.words):
        phrases.append(
            {"phrase": one.word, "begin_time": round(one.start_s, 2), "end_time": round(one.end_s, 2)}
        )
    content = {"full_text": " ".join(str(one["phrase"]) for one in phrases), "time_stamped_text": phrases}
    write_text(folder / "transcript.json", json.dumps(content, indent=1))
    write_bytes(folder / "audio.wav", _silence())
    write_bytes(folder / "audio.mp3", _SILENT_MP3)
    for name, regions in _MASKS.items():
        _, png = cv2.imencode(".png", _mask([study.radiograph.regions[one] for one in regions], study))
        write_bytes(folder / f"{name}.png", bytes(png))


def _joined(words: Sequence[Spoken]) -> list[Spoken]:
    """Put a sign of punctuation to the word before it."""
    joined: list[Spoken] = []
    for one in words:
        if one.word in (".", ",") and joined:
            before = joined[-1]
            joined[-1] = Spoken(before.word + one.word, before.start_s, before.end_s)
        else:
            joined.append(one)
    return joined


def _mask(boxes: Sequence[FracBox], study: Study) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    height, width = study.radiograph.image.shape
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes:
        centre = round((x0 + x1) / 2 * width), round((y0 + y1) / 2 * height)
        axes = max(1, round((x1 - x0) / 2 * width)), max(1, round((y1 - y0) / 2 * height))
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
    return mask


def _silence() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return buffer.getvalue()
