"""The fake MIMIC-Eye tree: its layout, its columns, and each trap of the real one."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from gaze_insight.cohort.datasets.mimic_eye import import_mimic_eye
from gaze_insight.cohort.fake_mimic_eye.eye_gaze_files import SCREEN_PX, letterbox
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.tree import FakeTreeReport, write_fake_mimic_eye
from gaze_insight.errors import DataError
from gaze_insight.types import Size

SETTINGS = FakeTreeSettings(
    patients=24, image_size_px=((112, 96), (96, 112)), uncertain_share=0.3, missing_folder_share=0.3
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> FakeTreeReport:
    return write_fake_mimic_eye(tmp_path_factory.mktemp("fake") / "mimic-eye", SETTINGS)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def every(tree: FakeTreeReport, pattern: str) -> list[Path]:
    found = sorted(tree.folder.glob(pattern))
    assert found, pattern
    return found


def test_ids_are_made_up(tree: FakeTreeReport) -> None:
    meta = rows(tree.folder / "spreadsheets" / "cxr_meta.csv")
    assert len(meta) == tree.images == len({row["dicom_id"] for row in meta})
    for row in meta:
        assert re.fullmatch(r"9\d{7}", row["subject_id"])
        assert re.fullmatch(r"9\d{7}", row["study_id"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", row["dicom_id"])
        assert len(row["dicom_id"]) == 44
    assert len({row["study_id"] for row in meta}) == len(meta)
    splits = {row["subject_id"]: set() for row in meta}
    for row in meta:
        splits[row["subject_id"]].add(row["split"])
    assert all(len(one) == 1 for one in splits.values())
    assert set.union(*splits.values()) <= {"train", "validate", "test"}


def test_pictures_have_the_size_that_the_table_states(tree: FakeTreeReport) -> None:
    sizes = set()
    for row in rows(tree.folder / "spreadsheets" / "cxr_meta.csv"):
        place = tree.folder / f"patient_{row['subject_id']}" / "CXR-JPG" / f"s{row['study_id']}"
        image = cv2.imread(str(place / f"{row['dicom_id']}.jpg"), cv2.IMREAD_UNCHANGED)
        assert image.shape == (int(row["Rows"]), int(row["Columns"]))
        assert image.std() > 20
        sizes.add(image.shape)
    assert sizes == {(112, 96), (96, 112)}


def test_study_folders_hold_views_that_no_table_lists(tree: FakeTreeReport) -> None:
    pictures = {path.stem for path in every(tree, "patient_*/CXR-JPG/s*/*.jpg")}
    known = {row["dicom_id"] for row in rows(tree.folder / "spreadsheets" / "cxr_meta.csv")}
    assert known < pictures


def test_tables_of_mimic_eye_have_an_index_column_and_copied_ones_have_none(tree: FakeTreeReport) -> None:
    indexed = every(tree, "patient_*/CXR-JPG/*.csv") + every(tree, "patient_*/EyeGaze/*.csv")
    indexed += every(tree, "spreadsheets/**/*.csv") + every(tree, "patient_*/REFLACX/metadata.csv")
    for path in indexed:
        assert path.read_text().startswith(","), path
        assert "\r" not in path.read_bytes().decode(), path
    for path in every(tree, "patient_*/REFLACX/*_data/*/*.csv"):
        lines = path.read_bytes().decode().split("\n")
        assert not lines[0].startswith(",")
        assert all(line.endswith("\r") for line in lines[:-1])
        assert lines[-1] == ""


def test_labels_hold_blanks_uncertain_and_absent_ones(tree: FakeTreeReport) -> None:
    table = rows(tree.folder / "spreadsheets" / "CXR-JPG" / "cxr_chexpert.csv")
    values = {value for row in table for name, value in row.items() if name[:1].isupper()}
    assert values == {"", "0.0", "1.0", "-1.0"}
    assert list(table[0])[3:] == sorted(list(table[0])[3:])
    assert len(table[0]) == 1 + 2 + 14


def test_certain_findings_are_labelled_and_reported(tree: FakeTreeReport) -> None:
    meta = {row["study_id"]: row for row in rows(tree.folder / "spreadsheets" / "cxr_meta.csv")}
    agreeing = told = 0
    for row in rows(tree.folder / "spreadsheets" / "CXR-JPG" / "cxr_chexpert.csv"):
        image = meta[row["study_id"]]
        names = {name for name, _ in tree.truth[image["dicom_id"]]}
        for name in set(row) & {"Atelectasis", "Edema", "Lung Lesion", "Pneumothorax", "Pleural Effusion"}:
            told += 1
            agreeing += (row[name] in ("1.0", "-1.0")) == (name in names)
    assert agreeing / told > 0.97
    for path in every(tree, "patient_*/CXR-DICOM/s*.txt"):
        text = path.read_text()
        assert "FINDINGS:" in text
        names = {name for name, _ in tree.truth[meta[path.stem[1:]]["dicom_id"]]}
        assert ("nodule" in text.lower().replace("no lung nodule", "")) == ("Lung Lesion" in names)


def test_both_sources_meet_in_some_patients(tree: FakeTreeReport) -> None:
    meta = rows(tree.folder / "spreadsheets" / "cxr_meta.csv")
    sources: dict[str, set[str]] = {}
    for row in meta:
        here = sources.setdefault(row["subject_id"], set())
        here |= {name for name in ("in_eye_gaze", "in_reflacx") if row[name] == "True"}
        assert row["in_eye_gaze"] == "True" or row["in_reflacx"] == "True"
    kinds = {frozenset(one) for one in sources.values()}
    assert kinds == {
        frozenset({"in_eye_gaze"}),
        frozenset({"in_reflacx"}),
        frozenset({"in_eye_gaze", "in_reflacx"}),
    }
    for row in meta:
        for name, folder in (("in_eye_gaze", "EyeGaze"), ("in_reflacx", "REFLACX")):
            if row[name] == "True":
                assert (tree.folder / f"patient_{row['subject_id']}" / folder).is_dir()
    assert any(not (path / "Hosp").exists() for path in tree.folder.glob("patient_*"))
    assert any(not (path / "EyeGaze").exists() for path in tree.folder.glob("patient_*"))
    assert any(not (path / "REFLACX").exists() for path in tree.folder.glob("patient_*"))


def test_reflacx_phases_offer_different_labels(tree: FakeTreeReport) -> None:
    table = rows(tree.folder / "spreadsheets" / "REFLACX" / "metadata.csv")
    assert len(table) == tree.reflacx_readings
    phases = {row["id"][1] for row in table}
    assert phases == {"1", "2", "3"}
    for row in table:
        first = row["id"][1] == "1"
        assert (row["Nodule"] == "") == (not first)
        assert (row["Lung nodule or mass"] == "") == first
        assert row["Support devices"] in ("True", "False")
        assert re.fullmatch(r"P(300|[12]\d\d)R\d{6}", row["id"])
        assert re.fullmatch(r"s9\d{7}", row["image"].split("/")[-2])
        assert row["image"].endswith(f"{row['dicom_id']}.dcm")
    readers = [sum(row["dicom_id"] == one for row in table) for one in {row["dicom_id"] for row in table}]
    assert set(readers) == {1, 5}


def test_discarded_readings_have_marks_and_no_look(tree: FakeTreeReport) -> None:
    table = rows(tree.folder / "spreadsheets" / "REFLACX" / "metadata.csv")
    assert tree.discarded >= 1
    for row in table:
        place = tree.folder / f"patient_{row['subject_id']}" / "REFLACX"
        files = {path.name for path in (place / "main_data" / row["id"]).iterdir()}
        marks = {"anomaly_location_ellipses.csv", "chest_bounding_box.csv"}
        if row["eye_tracking_data_discarded"] == "True":
            assert files == marks
            assert not (place / "gaze_data" / row["id"]).exists()
        else:
            assert files == marks | {"fixations.csv", "timestamps_transcription.csv", "transcription.txt"}
            assert (place / "gaze_data" / row["id"] / "gaze.csv").is_file()


def test_ellipses_give_the_certainties_of_the_metadata(tree: FakeTreeReport) -> None:
    empty = 0
    for row in rows(tree.folder / "spreadsheets" / "REFLACX" / "metadata.csv"):
        place = tree.folder / f"patient_{row['subject_id']}" / "REFLACX" / "main_data" / row["id"]
        ellipses = rows(place / "anomaly_location_ellipses.csv")
        empty += not ellipses
        for name in ("Pneumothorax", "Consolidation", "Atelectasis"):
            found = [int(one["certainty"]) for one in ellipses if one[name] == "True"]
            assert float(row[name]) == max(found, default=0)
        for one in ellipses:
            assert int(one["xmin"]) < int(one["xmax"])
            assert int(one["ymin"]) < int(one["ymax"])
    assert empty


def test_transcriptions_are_the_words_with_their_times(tree: FakeTreeReport) -> None:
    for path in every(tree, "patient_*/REFLACX/main_data/*/transcription.txt"):
        table = rows(path.with_name("timestamps_transcription.csv"))
        text = path.read_text().replace(".", " .").replace(",", " ,")
        assert text == " ".join(row["word"] for row in table)
        starts = [float(row["timestamp_start_word"]) for row in table]
        assert starts == sorted(starts)
        assert all(float(r["timestamp_end_word"]) > float(r["timestamp_start_word"]) for r in table)
    for path in every(tree, "patient_*/EyeGaze/audio_segmentation_transcripts/*/transcript.json"):
        content = json.loads(path.read_text())
        assert content["full_text"] == " ".join(one["phrase"] for one in content["time_stamped_text"])
        assert content["full_text"].endswith(".")


def test_some_fixations_leave_the_image_and_some_screens_are_zoomed(tree: FakeTreeReport) -> None:
    outside = zoomed = early = 0
    for path in every(tree, "patient_*/REFLACX/main_data/*/fixations.csv"):
        table = rows(path)
        full = max(int(row["xmax_shown_from_image"]) for row in table)
        for row in table:
            outside += not 0 <= int(row["x_position"]) < full
            zoomed += int(row["xmin_shown_from_image"]) > 0
            early += float(row["timestamp_start_fixation"]) < 0
            assert float(row["timestamp_end_fixation"]) > float(row["timestamp_start_fixation"])
    assert outside
    assert zoomed
    assert early


def test_blinks_leave_blank_samples(tree: FakeTreeReport) -> None:
    gaze = [row for path in every(tree, "patient_*/REFLACX/gaze_data/*/gaze.csv") for row in rows(path)]
    assert any(row["x_position"] == "" and row["pupil_area_normalized"] == "" for row in gaze)
    gaze = [row for path in every(tree, "patient_*/EyeGaze/eye_gaze.csv") for row in rows(path)]
    assert any(row["FPOGV"] == "0" and row["FPOGX"] == "" for row in gaze)


def test_eye_gaze_positions_are_screen_fractions_of_a_letterboxed_image(tree: FakeTreeReport) -> None:
    sheet = {
        row["dicom_id"]: row
        for path in every(tree, "patient_*/EyeGaze/master_sheet.csv")
        for row in rows(path)
    }
    meta = {row["dicom_id"]: row for row in rows(tree.folder / "spreadsheets" / "cxr_meta.csv")}
    off = 0
    for path in every(tree, "patient_*/EyeGaze/fixations.csv"):
        for row in rows(path):
            assert len(row) == 1 + 37
            size = Size(int(meta[row["DICOM_ID"]]["Rows"]), int(meta[row["DICOM_ID"]]["Columns"]))
            one = sheet[row["DICOM_ID"]]
            pads = tuple(int(one[f"image_{side}_pad"]) for side in ("top", "bottom", "left", "right"))
            assert pads == letterbox(size)
            if row["FPOGV"] == "0":
                continue
            x, y = float(row["FPOGX"]) * SCREEN_PX.width, float(row["FPOGY"]) * SCREEN_PX.height
            across = (x - pads[2]) / (SCREEN_PX.width - pads[2] - pads[3])
            down = (y - pads[0]) / (SCREEN_PX.height - pads[0] - pads[1])
            if int(row["X_ORIGINAL"]) < 0:
                off += 1
                assert not (0.001 < across < 0.999 and 0.001 < down < 0.999)
            else:
                assert int(row["X_ORIGINAL"]) == pytest.approx(across * size.width, abs=1.02)
                assert int(row["Y_ORIGINAL"]) == pytest.approx(down * size.height, abs=1.02)
    assert off


def test_calibration_rows_have_cut_ids_in_the_common_table_only(tree: FakeTreeReport) -> None:
    common = rows(tree.folder / "spreadsheets" / "EyeGaze" / "fixations.csv")
    lengths = {len(row["DICOM_ID"]) for row in common}
    assert lengths == {39, 44}
    own = {
        len(row["DICOM_ID"]) for path in every(tree, "patient_*/EyeGaze/fixations.csv") for row in rows(path)
    }
    assert own == {44}


def test_regions_are_seventeen_a_picture_in_the_order_x1_x2_y1_y2(tree: FakeTreeReport) -> None:
    table = rows(tree.folder / "spreadsheets" / "EyeGaze" / "bounding_boxes.csv")
    assert list(table[0]) == ["", "dicom_id", "bbox_name", "x1", "x2", "y1", "y2"]
    assert len(table) == 17 * tree.eye_gaze_readings
    places = {}
    for row in table:
        assert float(row["x1"]) < float(row["x2"])
        assert float(row["y1"]) < float(row["y2"])
        places.setdefault(row["dicom_id"], {})[row["bbox_name"]] = float(row["x1"])
    assert all(one["left lung"] > one["right lung"] for one in places.values())


def test_sheet_has_the_published_columns(tree: FakeTreeReport) -> None:
    table = rows(tree.folder / "spreadsheets" / "EyeGaze" / "master_sheet_with_updated_stayId.csv")
    assert len(table[0]) == 1 + 59
    assert all(re.fullmatch(r"\d0 - \d0", row["anchor_age"]) or row["anchor_age"] == "" for row in table)


def test_findings_are_looked_at_longer_than_harmless_things(tree: FakeTreeReport) -> None:
    cohort = import_mimic_eye(tree.folder, tree.folder.parent / "cohort")
    on_finding, on_decoy = [], []
    for case in cohort.cases.values():
        boxes, decoys = tree.truth[case.id], tree.decoys[case.id]
        for reading in case.chest.looks():
            x, y, spent = reading.fixations.x, reading.fixations.y, reading.fixations.duration_ms
            for things, found in ((boxes, on_finding), (decoys, on_decoy)):
                for _, (x0, y0, x1, y1) in things:
                    inside = (x >= x0 - 0.02) & (x <= x1 + 0.02) & (y >= y0 - 0.02) & (y <= y1 + 0.02)
                    found.append(float(spent[inside].sum() / spent.sum()))
    assert np.mean(on_finding) > 3 * np.mean(on_decoy)
    assert len(cohort.cases) == tree.images
    assert sum(len(case.chest.readings) for case in cohort.cases.values()) == (
        tree.reflacx_readings + tree.eye_gaze_readings
    )


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    settings = FakeTreeSettings(patients=4, image_size_px=((80, 72),), seed=5)
    told: list[tuple[str, int, int]] = []
    write_fake_mimic_eye(tmp_path / "a", settings, progress=lambda *call: told.append(call))
    write_fake_mimic_eye(tmp_path / "b", settings)
    write_fake_mimic_eye(tmp_path / "c", settings.model_copy(update={"seed": 6}))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")
    assert told[-1] == ("making up patients", 4, 4)


def test_a_folder_with_patients_is_refused(tmp_path: Path) -> None:
    settings = FakeTreeSettings(patients=1, image_size_px=((64, 64),), raw_gaze=False)
    write_fake_mimic_eye(tmp_path, settings)
    assert not list(tmp_path.rglob("gaze.csv"))
    with pytest.raises(DataError, match="without patients"):
        write_fake_mimic_eye(tmp_path, settings)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the tree"):
        write_fake_mimic_eye(tmp_path / "file", FakeTreeSettings(patients=1, image_size_px=((64, 64),)))
