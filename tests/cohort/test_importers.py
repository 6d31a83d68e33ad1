from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_making import disc, make_folder, make_table, picture
from PIL import Image

from gaze_insight.cohort.building import CohortParts, build_cohort
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.folder import import_folder, read_patients
from gaze_insight.cohort.datasets.kvasir import import_kvasir
from gaze_insight.cohort.datasets.ph2 import import_ph2
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.images import write_mask, write_png
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.readers.fixation_table import FixationColumns
from gaze_insight.types import Size

IDS = ["a", "b", "c", "d", "e"]
LOOSE = SplitSettings(fractions=(1.0, 0.0, 0.0))


def test_every_built_in_importer_loads():
    assert {DATASETS[name].__name__ for name in DATASETS} >= {"import_folder", "import_kvasir", "import_ph2"}


def test_what_joins_and_what_does_not_is_reported(tmp_path: Path):
    make_folder(tmp_path, IDS)
    (tmp_path / "masks" / "e.png").unlink()
    write_mask(tmp_path / "masks" / "d.png", np.zeros((24, 32), bool))
    write_mask(tmp_path / "masks" / "stray.png", disc())
    (tmp_path / "images" / "notes.txt").write_text("hello")
    extra = ["b.jpg,9,1.7,0.5,200,1,990,24,32", "b.jpg,10,0.5,0.5,20,1,1300,24,32"]
    table = make_table(tmp_path / "g.csv", ["a", "b", "ghost"], extra=extra)
    told: list[tuple[str, int, int]] = []
    cohort = import_folder(
        tmp_path, tmp_path / "c", gaze=table, splits=LOOSE, progress=lambda *facts: told.append(facts)
    )
    report = cohort.report
    assert report.joined == ("a", "b")
    assert report.images_without_gaze == ("c", "d", "e")
    assert report.gaze_without_image == ("ghost",)
    assert report.images_without_mask == ("e",)
    assert report.masks_without_image == ("stray",)
    assert report.empty_masks == ("d",)
    assert report.dropped == {"off_image": 1, "too_short": 1}
    assert report.rows == 11
    assert [Path(path).name for path in report.ignored_files] == ["notes.txt"]
    assert not report.clean
    assert told[-1] == ("reading images", 5, 5)
    assert cohort.cases["a"].meta == {"gaze": "recorded"}
    assert cohort.cases["a"].image_size == Size(24, 32)
    assert Cohort.open(tmp_path / "c").report == report


def damaged(folder: Path, what: str) -> None:
    picture_file = folder / "images" / "b.png"
    if what == "empty":
        picture_file.write_bytes(b"")
    elif what == "truncated":
        picture_file.write_bytes(picture_file.read_bytes()[:900])
    elif what == "text":
        picture_file.write_text("no image")
    elif what == "mask size":
        write_mask(folder / "masks" / "b.png", disc(12, 16, 3))
    else:
        (folder / "masks" / "b.png").write_bytes(b"")


@pytest.mark.parametrize("what", ["empty", "truncated", "text", "mask size", "mask empty"])
def test_a_bad_file_stops_the_import_or_is_left_out(tmp_path: Path, what: str):
    make_folder(tmp_path, IDS)
    damaged(tmp_path, what)
    with pytest.raises(DataError) as caught:
        import_folder(tmp_path, tmp_path / "c")
    assert caught.value.path.name == "b.png"
    assert caught.value.remedy
    assert not (tmp_path / "c").exists()
    cohort = import_folder(tmp_path, tmp_path / "c", on_bad="skip", splits=LOOSE)
    assert list(cohort.cases) == ["a", "c", "d", "e"]
    assert [one for one, _ in cohort.report.excluded] == ["b"]
    assert [Path(path).name for path, _ in cohort.report.bad_files] == ["b.png"]
    if what == "mask size":
        assert cohort.report.sizes_disagree[0].mask == Size(12, 16)


def test_several_bad_files_are_counted_in_one_message(tmp_path: Path):
    make_folder(tmp_path, IDS)
    for one in ("b", "d", "e"):
        (tmp_path / "images" / f"{one}.png").write_bytes(b"")
    with pytest.raises(DataError, match="and 2 more bad cases"):
        import_folder(tmp_path, tmp_path / "c")


def test_a_bad_import_leaves_the_earlier_cohort_as_it_was(tmp_path: Path):
    make_folder(tmp_path, IDS)
    import_folder(tmp_path, tmp_path / "c", splits=LOOSE)
    before = (tmp_path / "c" / "cohort.yaml").read_bytes()
    damaged(tmp_path, "truncated")
    with pytest.raises(DataError):
        import_folder(tmp_path, tmp_path / "c", splits=LOOSE)
    assert (tmp_path / "c" / "cohort.yaml").read_bytes() == before


def test_bad_rows_stop_or_are_skipped_and_listed(tmp_path: Path):
    make_folder(tmp_path, IDS)
    table = make_table(tmp_path / "g.csv", IDS, extra=["a.jpg,9,half,0.5,200,1,990,24,32"])
    with pytest.raises(DataError) as caught:
        import_folder(tmp_path, tmp_path / "c", gaze=table)
    assert (caught.value.path, caught.value.row) == (table, 17)
    report = import_folder(tmp_path, tmp_path / "c", gaze=table, on_bad="skip", splits=LOOSE).report
    assert report.dropped == {"bad_row": 1}
    assert "row 17" in report.problems[0]


def test_pixels_become_fractions_and_those_outside_are_counted(tmp_path: Path):
    make_folder(tmp_path, ["a", "b", "c"])
    table = tmp_path / "gaze.tsv"
    table.write_text("picture\tx\ty\tseconds\na.png\t8\t12\t0.25\na.png\t16\t6\t0.3\na.png\t40\t6\t0.3\n")
    columns = FixationColumns(
        image="picture",
        x="x",
        y="y",
        duration_ms="seconds",
        start_ms=None,
        image_height=None,
        image_width=None,
        time_unit="s",
    )
    cohort = import_folder(
        tmp_path, tmp_path / "c", gaze=table, columns=columns, frame="image_px", splits=LOOSE
    )
    fixations = cohort.cases["a"].fixations
    assert fixations.frame == "image_unit"
    assert fixations.x.tolist() == [0.25, 0.5]
    assert fixations.y.tolist() == [0.5, 0.25]
    assert fixations.duration_ms.tolist() == [250.0, 300.0]
    assert cohort.report.dropped["off_image"] == 1


def test_a_table_of_another_size_is_reported_not_refused(tmp_path: Path):
    make_folder(tmp_path, ["a", "b", "c"])
    table = make_table(tmp_path / "g.csv", ["a", "b"], size=(48, 64))
    report = import_folder(tmp_path, tmp_path / "c", gaze=table, splits=LOOSE).report
    assert [(one.id, one.table, one.image) for one in report.sizes_disagree] == [
        ("a", Size(48, 64), Size(24, 32)),
        ("b", Size(48, 64), Size(24, 32)),
    ]


def test_masks_join_by_usual_endings_and_twins_are_refused(tmp_path: Path):
    make_folder(tmp_path, ["a", "b"], masks=False)
    write_mask(tmp_path / "masks" / "a_segmentation.png", disc())
    cohort = import_folder(tmp_path, tmp_path / "c", splits=LOOSE)
    assert cohort.cases["a"].read_mask().sum() == disc().sum()
    write_mask(tmp_path / "masks" / "a_mask.png", disc())
    with pytest.raises(DataError, match="two masks belong to image 'a'"):
        import_folder(tmp_path, tmp_path / "c")


def test_two_images_with_one_id_are_refused(tmp_path: Path):
    make_folder(tmp_path, ["a", "b"])
    Image.fromarray(picture(9)).save(tmp_path / "images" / "a.jpg")
    with pytest.raises(DataError, match="the id 'a'"):
        import_folder(tmp_path, tmp_path / "c")


def test_patients_group_the_splits(tmp_path: Path):
    ids = [f"{index:02d}" for index in range(20)]
    make_folder(tmp_path, ids, masks=False)
    table = tmp_path / "patients.csv"
    table.write_text("id,patient\n" + "".join(f"{one}.png,{int(one) // 2}\n" for one in ids))
    cohort = import_folder(tmp_path, tmp_path / "c", patients=table, spacing_mm=(0.5, 0.5))
    where = {one: split for split, chosen in cohort.splits.items() for one in chosen}
    assert all(where[ids[index]] == where[ids[index + 1]] for index in range(0, 20, 2))
    assert Cohort.open(tmp_path / "c").cases["00"].spacing_mm == (0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,who\n", "expected the columns"),
        ("id,patient\na,1\na,2\n", "twice"),
        ("id,patient\na\n", "lacks"),
    ],
)
def test_a_bad_table_of_patients_is_named(tmp_path: Path, text: str, words: str):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_patients(tmp_path / "p.csv")
    assert caught.value.row


def test_kvasir_in_its_released_layout(tmp_path: Path):
    release = tmp_path / "Kvasir-SEG"
    (release / "images").mkdir(parents=True)
    (release / "masks").mkdir()
    for seed, one in enumerate(IDS):
        Image.fromarray(picture(seed)).save(release / "images" / f"{one}.jpg")
        Image.fromarray(np.where(disc(), 255, 0).astype(np.uint8)).save(release / "masks" / f"{one}.jpg")
    (release / "kavsir_bboxes.json").write_text("{}")
    (release / "splits").mkdir()
    for split, ids in {"train": "a\nb\nc", "val": "d", "test": "e\nmissing"}.items():
        (release / "splits" / f"{split}.txt").write_text(ids)
    make_table(tmp_path / "kvasir_fixation.csv", IDS)
    cohort = import_kvasir(tmp_path, tmp_path / "c")
    assert cohort.splits == {"train": ("a", "b", "c"), "val": ("d",), "test": ("e",)}
    assert cohort.report.unknown_split_ids == ("missing",)
    assert cohort.report.joined == tuple(IDS)
    assert cohort.source["dataset"] == "kvasir"


def make_ph2(root: Path) -> None:
    for seed, one in enumerate(["IMD002", "IMD003", "IMD004", "IMD005"]):
        folder = root / "PH2 Dataset images" / one
        for kind in ("Dermoscopic_Image", "lesion", "roi"):
            (folder / f"{one}_{kind}").mkdir(parents=True)
        Image.fromarray(picture(seed)).save(folder / f"{one}_Dermoscopic_Image" / f"{one}.bmp")
        Image.fromarray(disc()).save(folder / f"{one}_lesion" / f"{one}_lesion.bmp")


def test_ph2_in_both_layouts_gives_the_same_cases(tmp_path: Path):
    make_ph2(tmp_path / "release")
    released = import_ph2(tmp_path / "release", tmp_path / "c1", splits=LOOSE, simulate_gaze=True, seed=3)
    for one, case in released.cases.items():
        write_png(tmp_path / "plain" / "images" / f"{one}.png", case.read_image())
        write_mask(tmp_path / "plain" / "masks" / f"{one}.png", case.read_mask())
    plain = import_ph2(tmp_path / "plain", tmp_path / "c2", splits=LOOSE, simulate_gaze=True, seed=3)
    assert list(plain.cases) == list(released.cases) == ["IMD002", "IMD003", "IMD004", "IMD005"]
    for one, case in plain.cases.items():
        assert case.fixations.to_rows() == released.cases[one].fixations.to_rows()
        assert case.meta == {"gaze": "simulated"}
        assert np.array_equal(case.read_mask(), disc())
    assert plain.source["simulated_gaze"]["seed"] == 3
    silent = import_ph2(tmp_path / "release", tmp_path / "c3", splits=LOOSE)
    assert silent.report.images_without_gaze == tuple(silent.cases)
    assert silent.source["simulated_gaze"] is None


def test_wrong_requests_are_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="on_bad"):
        build_cohort(CohortParts("x", tmp_path, "x", tmp_path, {}), on_bad="ignore")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="found none that can be used"):
        import_folder(tmp_path, tmp_path / "c")
    make_folder(tmp_path, IDS)
    with pytest.raises(DataError, match=r"train\.txt"):
        import_folder(tmp_path, tmp_path / "c", splits=tmp_path / "nowhere")


@pytest.mark.realdata
def test_the_real_recordings_join_fully(tmp_path: Path, real_data: Path):
    source = real_data / "kvasir-seg"
    cohort = import_kvasir(source, tmp_path / "c", gaze=real_data / "gazemedseg" / "kvasir_fixation.csv")
    assert len(cohort) == len(cohort.report.joined) == 880
    assert cohort.report.rows == 23525
    assert sum(len(case.fixations) for case in cohort.cases.values()) == 23525
    assert cohort.report.clean
    assert {split: len(ids) for split, ids in cohort.splits.items()} == {"train": 700, "val": 80, "test": 100}
    back = Cohort.open(tmp_path / "c")
    assert all(
        np.array_equal(case.fixations.x, back.cases[one].fixations.x) for one, case in cohort.cases.items()
    )


@pytest.mark.realdata
def test_real_dermoscopy_gets_simulated_gaze(tmp_path: Path, real_data: Path):
    cohort = import_ph2(real_data / "ph2", tmp_path / "c", simulate_gaze=True)
    assert len(cohort) == len(cohort.report.joined) == 150
    assert all(case.meta["gaze"] == "simulated" for case in cohort.cases.values())
    assert sum(map(len, cohort.splits.values())) == 150
