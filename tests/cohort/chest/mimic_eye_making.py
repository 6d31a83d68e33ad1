"""A tiny tree of MIMIC-Eye, written row by row: made-up patients, pictures and readings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (400, 300)
"""Height and width of every original image."""

BOTH, REFLACX_ONLY, EGD_ONLY = "90000001", "90000002", "90000003"

CHEXPERT = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture",
    "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia",
    "Pneumothorax", "Support Devices",
)  # fmt: skip

PHASE_1 = (
    "Airway wall thickening", "Atelectasis", "Consolidation", "Emphysema", "Enlarged cardiac silhouette",
    "Fibrosis", "Fracture", "Groundglass opacity", "Mass", "Nodule", "Other", "Pleural effusion",
    "Pleural thickening", "Pneumothorax", "Pulmonary edema", "Quality issue", "Support devices",
    "Wide mediastinum",
)  # fmt: skip

PHASE_3 = (
    "Abnormal mediastinal contour", "Acute fracture", "Atelectasis", "Consolidation",
    "Enlarged cardiac silhouette", "Enlarged hilum", "Groundglass opacity", "Hiatal hernia",
    "High lung volume / emphysema", "Interstitial lung disease", "Lung nodule or mass", "Other",
    "Pleural abnormality", "Pneumothorax", "Pulmonary edema", "Support devices",
)  # fmt: skip

META = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows",
    "Columns", "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning", "PatientOrientationCodeSequence_CodeMeaning", "in_eye_gaze",
    "in_reflacx", "StudyDateTime", "stay_id",
)  # fmt: skip

FIXATIONS = (
    "timestamp_start_fixation", "timestamp_end_fixation", "x_position", "y_position",
    "pupil_area_normalized", "angular_resolution_x_pixels_per_degree",
    "angular_resolution_y_pixels_per_degree", "window_width", "window_level", "xmin_shown_from_image",
    "ymin_shown_from_image", "xmax_shown_from_image", "ymax_shown_from_image",
    "xmin_in_screen_coordinates", "ymin_in_screen_coordinates", "xmax_in_screen_coordinates",
    "ymax_in_screen_coordinates",
)  # fmt: skip

EGD_GAZE = (
    "SESSION_ID", "MEDIA_ID", "DICOM_ID", "CNT", "Time (in secs)", "TIMETICK(f=10000000)", "FPOGX", "FPOGY",
    "FPOGS", "FPOGD", "FPOGID", "FPOGV", "X_ORIGINAL", "Y_ORIGINAL",
)  # fmt: skip

SHEET = (
    "dicom_id", "path", "study_id", "patient_id", "stay_id", "gender", "anchor_age", "image_top_pad",
    "image_bottom_pad", "image_left_pad", "image_right_pad", "Normal", "CHF", "pneumonia",
    "consolidation", "edema__chx", "lung_opacity__chx", "cxr_exam_indication",
)  # fmt: skip

PADS = (0, 0, 555, 555)
"""Top, bottom, left, right: an image of 810 x 1080 screen pixels."""


def dicom(number: int) -> str:
    return "-".join([f"{number:08x}"] * 5)


def study_of(subject: str) -> str:
    return f"5{subject[1:]}"


def write_csv(
    path: Path,
    header: Sequence[str],
    rows: Sequence[Sequence[object] | Mapping[str, object]],
    *,
    index: bool = True,
    end: str = "\n",
) -> Path:
    """Write a table, with the index column that pandas leaves, or without."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [[row.get(name, "") for name in header] if isinstance(row, Mapping) else row for row in rows]
    lines = [[*([""] if index else []), *header]]
    lines += [[*([number] if index else []), *row] for number, row in enumerate(listed)]
    text = "".join(",".join(_cell(cell) for cell in line) + end for line in lines)
    path.write_bytes(text.encode("utf-8"))
    return path


def _cell(value: object) -> str:
    text = str(value)
    return f'"{text}"' if "," in text else text


def write_jpg(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=30)
    return path


def meta_row(number: int, subject: str, *, egd: bool, reflacx: bool, split: str = "") -> dict[str, object]:
    return {
        "dicom_id": dicom(number), "subject_id": subject, "study_id": study_of(subject),
        "ViewPosition": "PA", "Rows": SIZE[0], "Columns": SIZE[1], "StudyDate": 21800506,
        "StudyTime": 213014.531, "in_eye_gaze": egd, "in_reflacx": reflacx, "split": split,
    }  # fmt: skip


def place_in_cxr(number: int, subject: str) -> str:
    root = "physionet.org/files/mimic-cxr/2.0.0/files"
    return f"{root}/p{subject[:2]}/p{subject}/s{study_of(subject)}/{dicom(number)}.dcm"


def metadata_row(reading: str, number: int, subject: str, **labels: object) -> dict[str, object]:
    return {
        "id": reading, "split": "train", "eye_tracking_data_discarded": False,
        "image": place_in_cxr(number, subject), "dicom_id": dicom(number), "subject_id": subject,
        "image_size_x": SIZE[1], "image_size_y": SIZE[0], **labels,
    }  # fmt: skip


METADATA = tuple(name for name in metadata_row("", 0, BOTH))


def fixation(
    start: float,
    end: float,
    x: object,
    y: object,
    shown: Sequence[float] = (0, 0, 300, 400),
    screen: Sequence[float] = (1000, 0, 2620, 2160),
) -> list[object]:
    """One row: an image that fills the screen's height unless `shown` says that it is zoomed."""
    return [start, end, x, y, 1.01, 20, 22, 1, 0.5, *shown, *screen]


def write_reading(
    folder: Path,
    *,
    fixations: Sequence[Sequence[object]] | None,
    ellipses: Sequence[Mapping[str, object]] = (),
    labels: Sequence[str] = PHASE_3,
    words: Sequence[tuple[str, float, float]] = (),
    text: str = "",
) -> None:
    """The files of one reading, copied byte for byte: no index column, lines end in CRLF."""
    rest = {"index": False, "end": "\r\n"}
    corners = ("xmin", "ymin", "xmax", "ymax")
    header = (*corners, "certainty", *labels)
    rows = [{**dict.fromkeys(labels, False), **row} for row in ellipses]
    write_csv(folder / "anomaly_location_ellipses.csv", header, rows, **rest)
    write_csv(folder / "chest_bounding_box.csv", corners, [(30, 40, 270, 360)], **rest)
    if fixations is None:
        return
    write_csv(folder / "fixations.csv", FIXATIONS, fixations, **rest)
    names = ("word", "timestamp_start_word", "timestamp_end_word")
    write_csv(folder / "timestamps_transcription.csv", names, words, **rest)
    (folder / "transcription.txt").write_bytes(text.encode())


def egd_row(name: str, x: float, y: float, start: float, number: int, **other: object) -> dict[str, object]:
    """One fixation; `x` and `y` are fractions of the image, the row holds both kinds of position."""
    top, bottom, left, right = PADS
    across, down = left + x * (1920 - left - right), top + y * (1080 - top - bottom)
    on_image = left < across < 1920 - right and top < down < 1080 - bottom
    return {
        "SESSION_ID": 7, "DICOM_ID": name, "Time (in secs)": start + 0.25, "FPOGX": across / 1920,
        "FPOGY": down / 1080, "FPOGS": start, "FPOGD": 0.25, "FPOGID": number, "FPOGV": 1,
        "X_ORIGINAL": int(x * SIZE[1]) if on_image else -1,
        "Y_ORIGINAL": int(y * SIZE[0]) if on_image else -1,
        **other,
    }  # fmt: skip


def sheet_row(number: int, subject: str, **labels: object) -> dict[str, object]:
    top, bottom, left, right = PADS
    return {
        "dicom_id": dicom(number), "study_id": study_of(subject), "patient_id": subject, "gender": "F",
        "anchor_age": "20 - 30", "image_top_pad": top, "image_bottom_pad": bottom, "image_left_pad": left,
        "image_right_pad": right, "Normal": 0, "CHF": 1, "pneumonia": 0, **labels,
    }  # fmt: skip


def write_egd(folder: Path, number: int, subject: str, gaze: Sequence[Mapping[str, object]]) -> None:
    """The folder ``EyeGaze`` of a patient."""
    write_csv(folder / "master_sheet.csv", SHEET, [sheet_row(number, subject, edema__chx=-1.0)])
    write_csv(folder / "fixations.csv", EGD_GAZE, gaze)
    boxes = [(dicom(number), "Left lung", 150.0, 270.0, 40.0, 200.0)]
    write_csv(folder / "bounding_boxes.csv", ("dicom_id", "bbox_name", "x1", "x2", "y1", "y2"), boxes)
    words = [
        {"phrase": "Heart", "begin_time": 0.5, "end_time": 0.9},
        {"phrase": "large.", "begin_time": 0.9, "end_time": 1.4},
    ]
    spoken = folder / "audio_segmentation_transcripts" / dicom(number) / "transcript.json"
    spoken.parent.mkdir(parents=True)
    spoken.write_text(json.dumps({"full_text": "Heart large.", "time_stamped_text": words}))


def write_cxr(folder: Path, rows: Sequence[Mapping[str, object]], *, split: bool = False) -> None:
    """The folders ``CXR-JPG`` and ``CXR-DICOM`` of a patient."""
    subject = str(rows[0]["subject_id"])
    jpg = folder / "CXR-JPG"
    write_csv(jpg / "cxr_meta.csv", (*META, "split") if split else META, rows)
    label = {"subject_id": subject, "study_id": study_of(subject), "Edema": "-1.0", "Pneumonia": "1.0",
             "Fracture": "0.0"}  # fmt: skip
    for source in ("chexpert", "negbio"):
        write_csv(jpg / f"cxr_{source}.csv", ("subject_id", "study_id", *CHEXPERT), [label])
    for row in rows:
        write_jpg(jpg / f"s{study_of(subject)}" / f"{row['dicom_id']}.jpg")
    write_jpg(jpg / f"s{study_of(subject)}" / f"{dicom(0xFFFF)}.jpg")
    report = folder / "CXR-DICOM" / f"s{study_of(subject)}.txt"
    report.parent.mkdir(parents=True)
    report.write_text("FINDINGS: made up.\n")


def make_tree(root: Path) -> Path:
    """Three patients: one in both sources, one of REFLACX alone (with two readers), one of EGD alone."""
    both, one, other = (root / f"patient_{subject}" for subject in (BOTH, REFLACX_ONLY, EGD_ONLY))
    write_cxr(both, [meta_row(1, BOTH, egd=True, reflacx=True)])
    write_csv(
        both / "REFLACX" / "metadata.csv",
        (*METADATA, *sorted({*PHASE_1, *PHASE_3})),
        [metadata_row("P300R000001", 1, BOTH, **dict.fromkeys(PHASE_3, 0) | {
            "Pulmonary edema": 4.0, "Support devices": True, "Other": "scar|clip"})],
        end="\r\n",
    )  # fmt: skip
    write_reading(
        both / "REFLACX" / "main_data" / "P300R000001",
        fixations=[
            fixation(-0.010, 0.290, 150, 100),
            fixation(0.300, 0.700, 75, 300),
            fixation(0.700, 0.800, 301, 10),
            fixation(0.800, 1.000, -20, 10),
        ],
        ellipses=[
            {"xmin": 60, "ymin": 200, "xmax": 120, "ymax": 280, "certainty": 4, "Pulmonary edema": True,
             "Consolidation": True},
        ],
        words=[("edema", 0.1, 0.5), ("NA", 0.5, 0.6), (".", 0.6, 0.6)],
        text="edema NA.",
    )  # fmt: skip
    name = dicom(1)
    write_egd(
        both / "EyeGaze", 1, BOTH,
        [
            egd_row(name, 0.25, 0.5, 0.1, 1),
            egd_row(name, 0.75, 0.125, 0.4, 2),
            egd_row(name, -0.2, 0.5, 0.7, 3),
            egd_row(name, 0.5, 0.5, 1.0, 4, FPOGV=0),
            egd_row(name[:-5], 0.5, 0.5, 2.0, 5),
        ],
    )  # fmt: skip
    (both / "Hsop").mkdir()

    write_cxr(one, [meta_row(2, REFLACX_ONLY, egd=False, reflacx=True)])
    write_csv(
        one / "REFLACX" / "metadata.csv",
        (*METADATA, *sorted({*PHASE_1, *PHASE_3})),
        [
            metadata_row("P102R000002", 2, REFLACX_ONLY, **dict.fromkeys(PHASE_1, 0) | {
                "Mass": 3, "Quality issue": False, "Support devices": False, "Other": ""}),
            metadata_row("P102R000003", 2, REFLACX_ONLY, eye_tracking_data_discarded=True, Mass=5),
        ],
    )  # fmt: skip
    folder = one / "REFLACX" / "main_data"
    write_reading(folder / "P102R000002", fixations=[fixation(0, 0.2, 30, 40)], labels=PHASE_1)
    write_reading(folder / "P102R000003", fixations=None, labels=PHASE_1)

    write_cxr(other, [meta_row(3, EGD_ONLY, egd=True, reflacx=False)])
    write_egd(other / "EyeGaze", 3, EGD_ONLY, [egd_row(dicom(3), 0.5, 0.5, 0.2, 9)])
    for kind in ("Hosp", "ICU", "ED"):
        (other / kind).mkdir()
    return root
