"""MIMIC-Eye from its tree to a cohort on disk: what is joined, what may be missing, how it is split."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mimic_eye_making import (
    BOTH,
    CHEXPERT,
    EGD_GAZE,
    EGD_ONLY,
    META,
    REFLACX_ONLY,
    SHEET,
    dicom,
    egd_row,
    make_tree,
    meta_row,
    sheet_row,
    study_of,
    write_csv,
    write_cxr,
    write_jpg,
)
from test_chest_facts import plain

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestFacts
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.mimic_eye import import_mimic_eye
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Size

ONE, TWO, THREE = dicom(1), dicom(2), dicom(3)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "mimic-eye")


def facts_of(cohort: Cohort, one: str) -> ChestFacts:
    facts = cohort.cases[one].chest
    assert facts is not None
    return facts


def counts_of(cohort: Cohort) -> dict[str, int]:
    counts: dict[str, int] = cohort.source["counts"]
    return counts


def test_one_case_an_image_with_all_readings_of_both_sources(tree: Path, tmp_path: Path) -> None:
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert list(cohort.cases) == [ONE, TWO, THREE]
    facts = facts_of(cohort, ONE)
    assert [(one.id, one.source) for one in facts.readings] == [("P300R000001", "reflacx"), ("egd", "egd")]
    assert [one.id for one in facts_of(cohort, TWO).readings] == ["P102R000002", "P102R000003"]
    reflacx, egd = facts.readings
    assert reflacx.fixations is not None
    assert egd.fixations is not None
    assert reflacx.fixations.to_rows() == [[0.5, 0.25, 300.0, -10.0], [0.25, 0.75, 400.0, 300.0]]
    assert egd.fixations.to_rows() == [[0.25, 0.5, 250.0, 100.0], [0.75, 0.125, 250.0, 400.0]]
    assert (reflacx.trust, egd.trust) == (pytest.approx(0.7), 0.5)
    assert (reflacx.dropped, egd.dropped) == ({"off_image": 2}, {"off_image": 1, "not_valid": 1})
    assert (reflacx.transcript, egd.transcript) == ("edema NA.", "Heart large.")
    assert [word.text for word in reflacx.words] == ["edema", "NA", "."]
    assert reflacx.certainties["Pulmonary edema"] == 4
    assert reflacx.certainties["Mass"] is None
    assert reflacx.certainties["Pneumothorax"] == 0
    assert cohort.cases[ONE].fixations is reflacx.fixations


def test_labels_report_boxes_and_view_are_joined_by_study_and_image(tree: Path, tmp_path: Path) -> None:
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    facts = facts_of(cohort, ONE)
    assert set(facts.labels) == {"chexpert", "negbio", "egd"}
    assert set(facts.labels["chexpert"]) == set(CHEXPERT)
    known = {name: value for name, value in facts.labels["chexpert"].items() if value is not None}
    assert known == {"Edema": -1, "Pneumonia": 1, "Fracture": 0}
    assert facts.labels["egd"] == {"Normal": 0, "CHF": 1, "pneumonia": 0, "consolidation": None}
    assert (facts.report, facts.study, facts.view) == ("FINDINGS: made up.\n", study_of(BOTH), "PA")
    assert [(box.name, box.kind, box.reading) for box in facts.boxes] == [
        ("chest", "region", "P300R000001"), ("Consolidation", "finding", "P300R000001"),
        ("Pulmonary edema", "finding", "P300R000001"), ("left lung", "region", None),
    ]  # fmt: skip
    assert cohort.cases[ONE].meta == {"gaze": "recorded", "other findings in P300R000001": "scar|clip"}
    assert cohort.cases[ONE].patient == BOTH
    assert "egd" not in facts_of(cohort, TWO).labels


def test_the_cohort_on_disk_is_the_same(tree: Path, tmp_path: Path) -> None:
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    again = Cohort.open(tmp_path / "cohort")
    assert list(again.cases) == list(cohort.cases)
    for one, case in cohort.cases.items():
        other = again.cases[one]
        assert plain(other.chest) == plain(case.chest)
        assert (other.patient, other.image_size, other.meta) == (case.patient, case.image_size, case.meta)
        assert other.read_image().shape == (400, 300, 3)
    assert again.splits == cohort.splits
    assert again.report == cohort.report
    assert again.source == cohort.source


def test_the_account_names_all_that_is_not_used(tree: Path, tmp_path: Path) -> None:
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    report = cohort.report
    assert report.joined == (ONE, TWO, THREE)
    assert report.dropped == {"calibration": 1, "not_valid": 1, "off_image": 3}
    assert (report.fixations, report.rows) == (10, 11)
    assert (report.problems, report.bad_files, report.excluded, report.images_without_gaze) == (
        (),
        (),
        (),
        (),
    )
    counts = counts_of(cohort)
    assert counts["pictures_of_other_views"] == 3
    assert counts["reflacx_recordings_discarded"] == 1
    assert (counts["patients"], counts["reflacx_readings"], counts["egd_readings"]) == (3, 3, 2)
    assert (counts["patients_without_hosp"], counts["patients_without_icu"]) == (1, 2)
    assert "egd_positions_disagree" not in counts


def test_other_views_in_the_study_folder_are_never_cases(tree: Path, tmp_path: Path) -> None:
    folder = tree / f"patient_{BOTH}" / "CXR-JPG" / f"s{study_of(BOTH)}"
    assert len(list(folder.glob("*.jpg"))) == 2
    assert dicom(0xFFFF) not in import_mimic_eye(tree, tmp_path / "cohort").cases


@pytest.mark.parametrize(("sources", "expected"), [(["egd"], [ONE, THREE]), (["reflacx"], [ONE, TWO])])
def test_one_source_alone(tree, tmp_path, sources, expected) -> None:
    cohort = import_mimic_eye(tree, tmp_path / "cohort", sources=sources)
    assert list(cohort.cases) == expected
    assert {one.source for case in expected for one in facts_of(cohort, case).readings} == set(sources)
    assert counts_of(cohort)["images_of_other_sources"] == 1


@pytest.mark.parametrize("sources", [[], ["nih"]])
def test_an_unknown_source_is_refused(tree, tmp_path, sources) -> None:
    with pytest.raises(SettingsError, match="reflacx, egd"):
        import_mimic_eye(tree, tmp_path / "cohort", sources=sources)


@pytest.mark.parametrize(
    ("missing", "count"),
    [
        ("CXR-DICOM", "images_without_report"),
        ("CXR-JPG/cxr_chexpert.csv", "patients_without_chexpert"),
        ("CXR-JPG/cxr_negbio.csv", "patients_without_negbio"),
        ("REFLACX", "patients_without_reflacx_folder"),
        ("REFLACX/metadata.csv", "patients_without_reflacx_metadata"),
        ("REFLACX/main_data", "reflacx_folders_missing"),
        ("REFLACX/main_data/P300R000001/fixations.csv", "reflacx_fixations_missing"),
        ("REFLACX/main_data/P300R000001/chest_bounding_box.csv", "reflacx_chest_boxes_missing"),
        ("REFLACX/main_data/P300R000001/anomaly_location_ellipses.csv", "reflacx_ellipses_missing"),
        ("EyeGaze", "patients_without_egd_folder"),
        ("EyeGaze/master_sheet.csv", "patients_without_egd_master_sheet"),
        ("EyeGaze/fixations.csv", "egd_fixations_missing"),
        ("EyeGaze/bounding_boxes.csv", "egd_boxes_missing"),
        ("EyeGaze/audio_segmentation_transcripts", "egd_transcripts_missing"),
        ("CXR-JPG/cxr_meta.csv", "patients_without_cxr_meta"),
        ("Hsop", "patients_without_hosp"),
    ],
)
def test_whatever_is_missing_is_counted_and_never_fatal(tree, tmp_path, missing, count) -> None:
    before = counts_of(import_mimic_eye(tree, tmp_path / "before")).get(count, 0)
    path = tree / f"patient_{BOTH}" / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert counts_of(cohort)[count] == before + 1
    assert len(cohort) == (2 if missing.endswith("cxr_meta.csv") else 3)


def test_without_negbio_and_chexpert_the_master_sheet_gives_chexpert(tree: Path, tmp_path: Path) -> None:
    (tree / f"patient_{EGD_ONLY}" / "CXR-JPG" / "cxr_chexpert.csv").unlink()
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert facts_of(cohort, THREE).labels["chexpert"] == {"Edema": -1, "Lung Opacity": None}


def test_tables_of_all_patients_stand_in_for_a_patients_own(tree: Path, tmp_path: Path) -> None:
    own = import_mimic_eye(tree, tmp_path / "own")
    folder, sheets = tree / f"patient_{BOTH}", tree / "spreadsheets"
    moved = {
        "CXR-JPG/cxr_meta.csv": "cxr_meta.csv",
        "CXR-JPG/cxr_chexpert.csv": "CXR-JPG/cxr_chexpert.csv",
        "CXR-JPG/cxr_negbio.csv": "CXR-JPG/cxr_negbio.csv",
        "REFLACX/metadata.csv": "REFLACX/metadata.csv",
        "EyeGaze/master_sheet.csv": "EyeGaze/master_sheet_with_updated_stayId.csv",
        "EyeGaze/fixations.csv": "EyeGaze/fixations.csv",
        "EyeGaze/bounding_boxes.csv": "EyeGaze/bounding_boxes.csv",
    }
    for name, sheet in moved.items():
        (sheets / sheet).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / name, sheets / sheet)
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert plain(facts_of(cohort, ONE)) == plain(facts_of(own, ONE))
    assert cohort.report.dropped == own.report.dropped
    assert counts_of(cohort)["tables_from_spreadsheets_cxr_meta"] == 1


def test_raw_samples_stand_in_for_missing_fixations(tree: Path, tmp_path: Path) -> None:
    folder = tree / f"patient_{EGD_ONLY}" / "EyeGaze"
    (folder / "fixations.csv").unlink()
    rows = [egd_row(THREE, 0.25, 0.5, 0.0, 1, FPOGD=end) for end in (0.02, 0.04, 0.06)]
    write_csv(folder / "eye_gaze.csv", EGD_GAZE, [*rows, egd_row(THREE, 0.5, 0.5, 0.1, 2)])
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    gaze = cohort.cases[THREE].fixations
    assert gaze is not None
    assert gaze.to_rows() == [[0.25, 0.5, 60.0, 0.0], [0.5, 0.5, 250.0, 100.0]]
    assert counts_of(cohort)["egd_fixations_from_raw_gaze"] == 1
    assert cohort.report.dropped["repeated"] == 2


def test_a_resized_picture_keeps_the_fractions_of_the_original(tree: Path, tmp_path: Path) -> None:
    before = import_mimic_eye(tree, tmp_path / "before")
    write_jpg(tree / f"patient_{BOTH}" / "CXR-JPG" / f"s{study_of(BOTH)}" / f"{ONE}.jpg", (200, 150))
    write_jpg(
        tree / f"patient_{EGD_ONLY}" / "CXR-JPG" / f"s{study_of(EGD_ONLY)}" / f"{THREE}.jpg", (100, 150)
    )
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    for one in (ONE, THREE):
        assert plain(facts_of(cohort, one)) == plain(facts_of(before, one))
    assert cohort.cases[ONE].image_size == Size(200, 150)
    assert [(one.id, one.table, one.image) for one in cohort.report.sizes_disagree] == [
        (ONE, Size(400, 300), Size(200, 150)), (THREE, Size(400, 300), Size(100, 150)),
    ]  # fmt: skip
    assert [text for text in cohort.report.problems if "another shape" in text] == [
        f"1 pictures have another shape than the original image (the first is {THREE}): gaze and boxes fit "
        "if they were squeezed, but not if they were cut or padded"
    ]


@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_picture_that_cannot_be_read(tree, tmp_path, damage) -> None:
    picture = tree / f"patient_{BOTH}" / "CXR-JPG" / f"s{study_of(BOTH)}" / f"{ONE}.jpg"
    data = picture.read_bytes()
    picture.unlink()
    if damage != "missing":
        picture.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    with pytest.raises(DataError) as caught:
        import_mimic_eye(tree, tmp_path / "cohort")
    assert caught.value.path == picture
    assert "--on-bad skip" in str(caught.value)
    assert not (tmp_path / "cohort").exists()
    cohort = import_mimic_eye(tree, tmp_path / "cohort", on_bad="skip")
    assert list(cohort.cases) == [TWO, THREE]
    assert [path for path, _ in cohort.report.bad_files] == [str(picture)]
    assert cohort.report.excluded[0][0] == ONE


def many(root: Path, split: list[str] | None = None, patients: int = 6) -> Path:
    """Patients with two images each, and the optional column of splits."""
    for number in range(patients):
        subject = f"9000010{number}"
        rows = [meta_row(2 * number + one, subject, egd=False, reflacx=True) for one in (0, 1)]
        for one, row in enumerate(rows):
            row["split"] = "" if split is None else split[2 * number + one]
        write_cxr(root / f"patient_{subject}", rows, split=split is not None)
    return root


def patients_of(cases: list[Case]) -> set[str | None]:
    return {case.patient for case in cases}


def test_splits_are_made_by_patient(tmp_path: Path) -> None:
    cohort = import_mimic_eye(many(tmp_path / "m"), tmp_path / "c")
    train, val, test = (patients_of(cohort.subset(name)) for name in ("train", "val", "test"))
    assert not train & val
    assert not (train | val) & test
    assert sum(map(len, cohort.splits.values())) == 12
    assert cohort.source["splits"]["near_duplicate_ncc"] is None
    assert len(cohort.report.images_without_gaze) == 12


def test_the_published_column_is_used_unless_settings_are_given(tmp_path: Path) -> None:
    split = ["train"] * 6 + ["validate"] * 2 + ["test"] * 2 + ["", ""]
    cohort = import_mimic_eye(many(tmp_path / "m", split), tmp_path / "c")
    assert {name: len(ids) for name, ids in cohort.splits.items()} == {"train": 6, "val": 2, "test": 2}
    assert cohort.source["splits"] == {"published": True}
    assert cohort.report.unsplit == (dicom(10), dicom(11))
    own = import_mimic_eye(tmp_path / "m", tmp_path / "c", splits=SplitSettings(fractions=(0.5, 0.0, 0.5)))
    assert {name: len(ids) for name, ids in own.splits.items()} == {"train": 6, "val": 0, "test": 6}


def test_a_published_split_that_tears_a_patient_is_not_used(tmp_path: Path) -> None:
    split = ["train", "test"] + ["train"] * 10
    cohort = import_mimic_eye(many(tmp_path / "m", split), tmp_path / "c")
    assert "1 patients stand in two splits, the first is 90000100" in cohort.report.problems[0]
    train, test = (patients_of(cohort.subset(name)) for name in ("train", "test"))
    assert not train & test


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="to be train, validate or test, found 'moon'"):
        import_mimic_eye(many(tmp_path / "m", ["moon"] * 2, patients=1), tmp_path / "c")


def test_split_files_are_used_and_torn_patients_noted(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text(f"{dicom(0)}\n{dicom(2)}\n")
    (lists / "test.txt").write_text(f"{dicom(1)}\nunknown\n")
    cohort = import_mimic_eye(many(tmp_path / "m"), tmp_path / "c", splits=str(lists))
    assert cohort.splits["train"] == (dicom(0), dicom(2))
    assert (cohort.report.unknown_split_ids, len(cohort.report.unsplit)) == (("unknown",), 9)
    assert "1 patients stand in two splits" in cohort.report.problems[0]


def rewrite_meta(tree: Path, subject: str, rows: list[dict[str, object]], **form: bool) -> None:
    path = tree / f"patient_{subject}" / "CXR-JPG" / "cxr_meta.csv"
    write_csv(path, META, rows, **form)  # type: ignore[arg-type]


def test_an_image_with_a_row_for_each_source_is_one_case(tree: Path, tmp_path: Path) -> None:
    rows = [meta_row(1, BOTH, egd=egd, reflacx=not egd) for egd in (True, False)]
    rewrite_meta(tree, BOTH, rows, index=False)
    cohort = import_mimic_eye(tree, tmp_path / "cohort", sources=["reflacx"])
    assert ONE in cohort.cases
    assert counts_of(cohort)["cxr_meta_rows_repeated"] == 1
    rewrite_meta(tree, BOTH, [rows[0], rows[1] | {"Rows": 401}])
    with pytest.raises(DataError, match="has two rows that differ"):
        import_mimic_eye(tree, tmp_path / "cohort")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"subject_id": REFLACX_ONLY},
            f"expected rows of patient {BOTH}, found one of patient {REFLACX_ONLY}",
        ),
        ({"dicom_id": ONE[:-1]}, "44 characters"),
        ({"study_id": ""}, "expected a subject_id and a study_id"),
        ({"Rows": 0}, "expected Rows and Columns above 0"),
        ({"Columns": "wide"}, "column 'Columns', found 'wide'"),
        ({"in_reflacx": "often"}, "expected True or False in the column 'in_reflacx'"),
    ],
)
def test_a_bad_row_of_cxr_meta_is_named(tree, tmp_path, change, words) -> None:
    rewrite_meta(tree, BOTH, [meta_row(1, BOTH, egd=True, reflacx=True) | change])
    with pytest.raises(DataError, match=words) as caught:
        import_mimic_eye(tree, tmp_path / "cohort")
    assert caught.value.path == tree / f"patient_{BOTH}" / "CXR-JPG" / "cxr_meta.csv"
    cohort = import_mimic_eye(tree, tmp_path / "cohort", on_bad="skip")
    assert list(cohort.cases) == [TWO, THREE]
    assert cohort.report.dropped["bad_row"] == 1


def test_a_master_sheet_of_another_patient_is_refused(tree: Path, tmp_path: Path) -> None:
    write_csv(tree / f"patient_{BOTH}" / "EyeGaze" / "master_sheet.csv", SHEET, [sheet_row(1, EGD_ONLY)])
    with pytest.raises(DataError, match=f"found one of patient {EGD_ONLY}"):
        import_mimic_eye(tree, tmp_path / "cohort")


def test_gaze_on_images_that_no_table_lists_is_named(tree: Path, tmp_path: Path) -> None:
    rewrite_meta(tree, BOTH, [meta_row(7, BOTH, egd=True, reflacx=True)])
    write_jpg(tree / f"patient_{BOTH}" / "CXR-JPG" / f"s{study_of(BOTH)}" / f"{dicom(7)}.jpg")
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert cohort.report.gaze_without_image == (ONE,)
    assert cohort.report.images_without_gaze == (dicom(7),)
    assert cohort.report.dropped["image_unknown"] == 4


def test_labels_with_two_rows_a_study(tree: Path, tmp_path: Path) -> None:
    path = tree / f"patient_{BOTH}" / "CXR-JPG" / "cxr_chexpert.csv"
    row = {"subject_id": BOTH, "study_id": f"{study_of(BOTH)}.0", "Edema": 1}
    write_csv(path, ("subject_id", "study_id", "Edema"), [row, row])
    assert facts_of(import_mimic_eye(tree, tmp_path / "cohort"), ONE).labels["chexpert"] == {"Edema": 1}
    write_csv(path, ("subject_id", "study_id", "Edema"), [row, row | {"Edema": 0}])
    with pytest.raises(DataError, match="two rows with different labels"):
        import_mimic_eye(tree, tmp_path / "cohort")
    write_csv(path, ("subject_id", "study_id", "Edema"), [row | {"Edema": 3}])
    with pytest.raises(DataError, match="expected 1, 0, -1 or a blank cell in the column 'Edema', found 3"):
        import_mimic_eye(tree, tmp_path / "cohort")


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("CXR-DICOM/s{study}.txt", b"\xff\xfe\x00", "the report cannot be read"),
        ("CXR-JPG/cxr_negbio.csv", b"study_id,Edema\n,1\n", "expected a study_id, found a blank cell"),
        ("REFLACX/main_data/P300R000001/transcription.txt", b"\xff\xfe", "the dictation cannot be read"),
        (
            "EyeGaze/audio_segmentation_transcripts/{image}/transcript.json",
            b"{}",
            "expected JSON with full_text",
        ),
    ],
)
def test_a_damaged_part_costs_that_part_alone(
    tree: Path, tmp_path: Path, file: str, data: bytes, words: str
) -> None:
    path = tree / f"patient_{BOTH}" / file.format(study=study_of(BOTH), image=ONE)
    path.write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        import_mimic_eye(tree, tmp_path / "cohort")
    assert caught.value.path == path
    cohort = import_mimic_eye(tree, tmp_path / "cohort", on_bad="skip")
    assert list(cohort.cases) == [ONE, TWO, THREE]
    assert len(facts_of(cohort, ONE).looks()) == 2
    assert [words in problem for problem in cohort.report.problems] == [True]


@pytest.mark.parametrize(
    ("file", "readings", "labels"),
    [
        ("EyeGaze/fixations.csv", ["P300R000001"], ["chexpert", "negbio"]),
        ("EyeGaze/master_sheet.csv", ["P300R000001"], ["chexpert", "negbio"]),
        ("REFLACX/metadata.csv", ["egd"], ["chexpert", "negbio", "egd"]),
        ("CXR-JPG/cxr_negbio.csv", ["P300R000001", "egd"], ["chexpert", "egd"]),
    ],
)
def test_a_table_without_its_columns_costs_what_it_holds(
    tree: Path, tmp_path: Path, file: str, readings: list[str], labels: list[str]
) -> None:
    (tree / f"patient_{BOTH}" / file).write_text("one,two\n1,2\n")
    with pytest.raises(DataError, match=r"lacking .*, found one, two"):
        import_mimic_eye(tree, tmp_path / "cohort")
    cohort = import_mimic_eye(tree, tmp_path / "cohort", on_bad="skip")
    facts = facts_of(cohort, ONE)
    assert [one.id for one in facts.readings] == readings
    assert list(facts.labels) == labels
    assert len(cohort.report.problems) == 1


def test_a_dictation_that_differs_from_its_words_is_noted(tree: Path, tmp_path: Path) -> None:
    folder = tree / f"patient_{BOTH}" / "REFLACX" / "main_data" / "P300R000001"
    (folder / "transcription.txt").write_text("something else")
    cohort = import_mimic_eye(tree, tmp_path / "cohort")
    assert counts_of(cohort)["reflacx_dictations_disagree"] == 1
    assert "P300R000001: the dictation's text and its words with times differ" in cohort.report.problems[0]
    assert facts_of(cohort, ONE).readings[0].transcript == "something else"


def test_the_folder_may_be_named_from_above_and_must_be_there(tree: Path, tmp_path: Path) -> None:
    assert len(import_mimic_eye(tree.parent, tmp_path / "c" / "cohort")) == 3
    make_tree(tmp_path / "again")
    with pytest.raises(DataError, match="found several folders that hold some"):
        import_mimic_eye(tmp_path, tmp_path / "cohort")
    (tmp_path / "bare" / "patient_9").mkdir(parents=True)
    with pytest.raises(DataError, match="expected radiographs, found none"):
        import_mimic_eye(tmp_path / "bare", tmp_path / "cohort")


def test_progress_and_registry(tree: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    DATASETS["mimic_eye"](tree, tmp_path / "cohort", progress=lambda *step: told.append(step))
    assert told[2] == ("reading patients", 3, 3)
    assert told[-1] == ("reading images", 3, 3)
