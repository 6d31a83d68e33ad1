from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.nih_chest_xray import import_nih_chest_xray, simulated_reading
from gaze_insight.cohort.datasets.nih_tables import NIH_LABELS, read_nih_boxes, read_nih_entries
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.simulator import SimulatorSettings

HEADER_2017 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
HEADER_QUOTED = HEADER_2017.replace("OriginalImage[Width,Height]", '"OriginalImage[Width,Height]"')
HEADER_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
)
LABELS = ("No Finding", "Mass|Effusion", "Pneumonia", "Cardiomegaly")


def make_nih(
    root: Path,
    patients: int = 10,
    *,
    header: str = HEADER_2017,
    folders: tuple[str, ...] = ("images",),
    suffix: str = ".jpg",
) -> Path:
    rows, boxes = [header], ["Image Index,Finding Label,Bbox [x,y,w,h],,,"]
    for index in range(2 * patients):
        one = f"{index // 2 + 1:08d}_{index % 2:03d}"
        rows.append(f"{one}.png,{LABELS[index % 4]},{index % 2},{index // 2 + 1},60,F,PA,2048,1024,0.1,0.2,")
        folder = root / folders[index % len(folders)]
        folder.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(index).integers(0, 256, (32, 64), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{one}{suffix}")
        if LABELS[index % 4].startswith("Mass"):
            boxes.append(f"{one}.png,Mass,512,256,256,128,,,")
            boxes.append(f"{one}.png,Infiltrate,-10.5,0,100,1100,,,")
    rows.append("99999999_000.png,Hernia,0,99999999,60,M,AP,2048,1024,0.1,0.2,")
    boxes.append("99999999_000.png,Mass,512,256,256,128,,,")
    (root / "Data_Entry_2017.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "BBox_List_2017.csv").write_text("\n".join(boxes) + "\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("header", [HEADER_2017, HEADER_QUOTED, HEADER_2020])
def test_labels_sizes_and_boxes_join_by_name_whatever_the_ending(tmp_path: Path, header: str):
    cohort = import_nih_chest_xray(make_nih(tmp_path / "s", header=header), tmp_path / "c")
    assert len(cohort) == 20
    case = cohort.cases["00000001_001"]
    assert case.chest is not None
    labels = case.chest.labels["nih"]
    assert {name for name, value in labels.items() if value == 1} == {"Mass", "Effusion"}
    assert set(labels) == {*NIH_LABELS, "No Finding"}
    mass, infiltrate = case.chest.boxes
    assert (mass.x0, mass.y0, mass.x1, mass.y1) == (0.5, 0.25, 0.75, 0.375)
    assert (infiltrate.name, infiltrate.x0, infiltrate.y1) == ("Infiltrate", 0, 1)
    assert case.spacing_mm == pytest.approx((0.2 * 1024 / 32, 0.1 * 2048 / 64))
    assert case.chest.view == "PA"
    assert case.meta == {"age": "60", "sex": "F", "follow_up": "1"}
    assert cohort.source["not_used"] == {"rows without an image": 1, "boxes without an image": 1}
    assert cohort.source["boxes"] == {"images": 5, "boxes": 10, "cut at the edge": 5}
    assert not cohort.report.joined
    assert cohort.report.clean
    again = Cohort.open(tmp_path / "c").cases["00000001_001"]
    assert again.chest is not None
    assert again.chest.boxes == case.chest.boxes
    assert again.chest.labels == case.chest.labels


def test_no_patient_stands_in_two_splits_and_the_seed_decides(tmp_path: Path):
    source = make_nih(tmp_path / "s", 30)
    first = import_nih_chest_xray(source, tmp_path / "a", seed=1)
    where = {split: {first.cases[one].patient for one in ids} for split, ids in first.splits.items()}
    assert not where["train"] & where["test"]
    assert not where["train"] & where["val"]
    assert [len(first.splits[name]) for name in ("train", "val", "test")] == [42, 6, 12]
    assert import_nih_chest_xray(source, tmp_path / "b", seed=1).splits == first.splits
    assert import_nih_chest_xray(source, tmp_path / "b", seed=2).splits != first.splits
    asked = SplitSettings(fractions=(0.5, 0.0, 0.5), near_duplicate_ncc=None)
    assert len(import_nih_chest_xray(source, tmp_path / "b", splits=asked).splits["test"]) == 30


def test_the_published_lists_make_the_test_set(tmp_path: Path):
    source = make_nih(tmp_path / "s", 20, folders=("images_001/images", "images_002/images"), suffix=".png")
    names = [path.name for path in sorted(source.glob("images_*/images/*.png"), key=lambda path: path.name)]
    (source / "test_list.txt").write_text("\n".join(names[:8]) + "\n")
    (source / "train_val_list.txt").write_text("\n".join([*names[8:38], "12345678_000.png"]))
    cohort = import_nih_chest_xray(source, tmp_path / "c")
    assert set(cohort.splits["test"]) == {Path(name).stem for name in names[:8]}
    train, val = (set(cohort.splits[split]) for split in ("train", "val"))
    assert train | val == {Path(name).stem for name in names[8:38]}
    assert len(val) == 4
    assert not {one[:8] for one in train} & {one[:8] for one in val}
    assert set(cohort.report.unsplit) == {Path(name).stem for name in names[38:]}


def test_simulated_readings_look_at_the_boxes_and_say_so(tmp_path: Path):
    source = make_nih(tmp_path / "s")
    cohort = import_nih_chest_xray(source, tmp_path / "c", simulate_gaze=True, seed=3)
    looked = [case for case in cohort.cases.values() if case.fixations is not None]
    assert len(looked) == 5 == len(cohort.report.joined)
    for case in looked:
        (reading,) = case.chest.looks()
        assert (reading.source, reading.trust, case.meta["gaze"]) == ("simulated", 1.0, "simulated")
        x, y = reading.fixations.x[1:], reading.fixations.y[1:]
        mass = (x > 0.47) & (x < 0.78) & (y > 0.22) & (y < 0.4)
        assert (mass | (x < 0.14)).mean() > 0.8
    again = import_nih_chest_xray(source, tmp_path / "d", simulate_gaze=True, seed=3)
    for case in looked:
        np.testing.assert_array_equal(again.cases[case.id].fixations.x, case.fixations.x)


def test_a_tracker_that_misses_the_image_costs_trust():
    shaky = SimulatorSettings(offset_frac=0.5)
    reading = simulated_reading("a", (), shaky, seed=1)
    assert 0 < reading.trust < 1
    assert reading.dropped["off_image"] > 0
    assert reading.fixations.inside.all()


def test_what_does_not_join_is_told(tmp_path: Path):
    source = make_nih(tmp_path / "s")
    Image.new("L", (8, 8)).save(source / "images" / "77777777_000.jpg")
    (source / "images" / "notes.txt").write_text("x")
    cohort = import_nih_chest_xray(source, tmp_path / "c")
    assert cohort.report.excluded == (("77777777_000", "not in Data_Entry_2017.csv"),)
    assert [Path(one).name for one in cohort.report.ignored_files] == ["notes.txt"]
    copy = source / "images_001" / "images"
    copy.mkdir(parents=True)
    Image.new("L", (8, 8)).save(copy / "00000001_000.png")
    with pytest.raises(DataError, match="is there twice"):
        import_nih_chest_xray(source, tmp_path / "c")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("00000001_000.png,No Finding,0,1,60,F,PA,1,1,1,1,", "listed twice"),
        ("00000500_000.png,No Finding|Mass,0,500,60,F,PA,1,1,1,1,", "expected labels"),
        ("00000500_000.png,,0,500,60,F,PA,1,1,1,1,", "expected labels"),
        ("00000500_000.png,Mass,0,,60,F,PA,1,1,1,1,", "its patient"),
    ],
)
def test_bad_rows_stop_or_are_skipped_and_listed(tmp_path: Path, row: str, match: str):
    table = make_nih(tmp_path / "s") / "Data_Entry_2017.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(DataError, match=match) as caught:
        read_nih_entries(table)
    assert caught.value.row == 23
    rows = read_nih_entries(table, on_bad="skip")
    assert len(rows.entries) == 21
    assert len(rows.problems) == 1


def test_unknown_labels_are_kept_and_told_and_bad_boxes_refused(tmp_path: Path):
    source = make_nih(tmp_path / "s")
    table = source / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("Cardiomegaly", "COVID"))
    rows = read_nih_entries(table)
    assert rows.entries["00000002_001"].labels["COVID"] == 1
    assert "unknown label 'COVID' in 5 rows" in rows.problems[0]
    boxes = source / "BBox_List_2017.csv"
    boxes.write_text(boxes.read_text() + "00000001_001.png,Mass,2000,0,10,10,,,\n")
    with pytest.raises(DataError, match="a box on the image of 1024 px"):
        read_nih_boxes(boxes)
    assert len(read_nih_boxes(boxes, on_bad="skip").problems) == 1


def test_nothing_to_import(tmp_path: Path):
    (tmp_path / "Data_Entry_2017.csv").write_text(f"{HEADER_2017}\n1.png,Mass,0,1,6,F,PA,1,1,1,1,\n")
    with pytest.raises(DataError, match="expected images in images/"):
        import_nih_chest_xray(tmp_path, tmp_path / "c")
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "images" / "other.png")
    with pytest.raises(DataError, match="none of the 1 images is among the 1 rows"):
        import_nih_chest_xray(tmp_path, tmp_path / "c")
    assert DATASETS["nih_chest_xray"] is import_nih_chest_xray


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [
        "import",
        "nih-chest-xray",
        str(make_nih(tmp_path / "s")),
        "--out",
        str(tmp_path / "c"),
        "--quiet",
    ]
    assert main([*words, "--simulate-gaze"]) == 0
    told = capsys.readouterr().out
    assert "20 cases, 5 with gaze; train 14, val 2, test 4" in told
    assert "10 patients, 5 readings, 20 cases with labels, 5 with boxes, 0 with reports" in told
    assert "rows without an image 1" in told
    assert main(["import", "nih_chest_xray", str(tmp_path), "--out", str(tmp_path / "d")]) == 3


@pytest.mark.slow
def test_the_real_radiographs(real_data: Path, tmp_path: Path):
    cohort = import_nih_chest_xray(real_data / "nih-chest-xray", tmp_path, simulate_gaze=True)
    assert len(cohort) == 806
    assert cohort.source["boxes"] == {"images": 37, "boxes": 41, "cut at the edge": 0}
    assert len({case.patient for case in cohort.cases.values()}) == 545
    assert len(cohort.report.joined) == 37
    boxed = [case for case in cohort.cases.values() if case.chest.boxes]
    assert all(0 <= box.x0 < box.x1 <= 1 for case in boxed for box in case.chest.boxes)
