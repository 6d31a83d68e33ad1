from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mimic_eye_making import make_tree

from gaze_insight.cli.app import main
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestBox, ChestFacts, ChestReading, SpokenWord
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_png
from gaze_insight.cohort.import_report import ImportReport, SizeMismatch
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.findings import findings_from_import
from gaze_insight.types import Size
from gaze_insight.workflow.chest.inspecting import inspect_chest, mask_of_findings
from gaze_insight.workflow.inspecting import inspect_cohort


def looking(n: int = 4) -> Fixations:
    place = np.linspace(0.3, 0.6, n)
    return Fixations(place, place, np.full(n, 250.0), np.arange(n) * 300.0, "image_unit")


def facts(**changes) -> ChestFacts:
    readings = (
        ChestReading(
            "R1", "reflacx", "one", looking(), {"Mass": 4, "Support devices": 0}, "a mass",
            (SpokenWord("mass", 0, 5),), trust=0.4, dropped={"off_image": 3},
        ),
        ChestReading("R2", "reflacx", "two", looking(6), {"Mass": 1}, trust=0.8),
        ChestReading("R3", "reflacx", "two", None, {"Mass": 0}),
    )  # fmt: skip
    values = {
        "labels": {"chexpert": {"Edema": -1, "Lung Lesion": 1, "No Finding": None}},
        "boxes": (ChestBox("Mass", "finding", 0.2, 0.2, 0.6, 0.6, "ellipse", 4, "R1"),),
        "readings": readings,
        "report": "A mass.",
        "view": "PA",
    } | changes
    return ChestFacts(**values)


def make(folder: Path, **changes) -> Cohort:
    known = [facts(), facts(readings=(), report=None, boxes=()), ChestFacts(), facts(labels={}, readings=())]
    cases = {}
    for index, one in enumerate(known):
        picture = folder / "pictures" / f"c{index}.png"
        write_png(picture, np.full((20, 30, 3), 40 * index, np.uint8))
        patient = None if index == 3 else f"9000000{index // 2}"
        cases[f"c{index}"] = Case(f"c{index}", picture, patient=patient, chest=one, image_size=Size(20, 30))
    splits = {"train": ("c0", "c1"), "val": ("c2",), "test": ("c3",)}
    made = Cohort("lungs", folder, cases, splits, ImportReport(joined=("c0",)), root=folder)
    made = replace(made, **changes)
    made.save()
    return made


def test_readings_modalities_and_labels_are_counted(tmp_path: Path):
    seen = inspect_chest(make(tmp_path))
    (row,) = seen.readings
    assert (row.readings, row.images, row.readers, row.most, row.looked) == (3, 1, 2, 3, 2)
    assert (row.fixations, row.spoken, row.timed, row.low_trust) == (10, 1, 1, 1)
    assert row.dwell_off_image == pytest.approx(0.4)
    assert row.hours == pytest.approx(10 * 250 / 3_600_000)
    assert row.not_used == ["3 fixations beside the image"]
    train, val, test = seen.splits
    assert train.has == {
        "labels": 2, "gaze": 1, "two readings or more": 1, "transcript": 1, "timed words": 1, "report": 1,
        "boxes of findings": 1, "boxes of regions": 0,
    }  # fmt: skip
    assert (train.patients, val.patients, test.patients) == (1, 1, 0)
    assert [table.source for table in seen.labels] == ["auto", "chexpert", "reflacx"]
    edema = next(row for row in seen.labels[0].rows if row.finding == "Edema")
    assert edema.policies == {"U-Ones": (2, 0, 2), "U-Zeros": (0, 2, 2), "U-Ignore": (0, 0, 4)}
    assert edema.states == {"uncertain": 2, "not offered": 2}
    assert seen.labels[0].labelled == {"chexpert": 2, "none": 2}
    lesion = next(row for row in seen.labels[2].rows if row.finding == "Lung Lesion")
    assert lesion.policies["U-Ignore"] == (0, 1, 3)


def test_findings_name_leaks_missing_labels_and_doubtful_readings(tmp_path: Path):
    torn = {"train": ("c0",), "val": ("c1",), "test": ("c2", "c3")}
    found = {one["title"]: one for one in inspect_cohort(make(tmp_path, splits=torn))["findings"]}
    assert found["1 patients stand in more than one split"]["severity"] == "error"
    assert found["1 patients stand in more than one split"]["items"] == ["90000000: train, val"]
    for title in (
        "1 images of unknown patients",
        "2 images without any label",
        "1 of 3 readings (reflacx) without fixations",
        "1 readings (reflacx) with less than half of the dwell time on the image",
        "40 % of the dwell time (reflacx) is off the image",
    ):
        assert found[title]["severity"] == "warning", title


def test_images_without_gaze_and_outline_are_no_fault_of_radiographs():
    report = ImportReport(
        images_without_gaze=("a",),
        images_without_mask=("a",),
        sizes_disagree=(SizeMismatch("a", None, Size(2, 2), None),),
    )
    plain = findings_from_import(report)
    chest = findings_from_import(report, radiographs=True)
    assert [one.severity for one in plain if "sizes" in one.title] == ["error"]
    assert not any(one.severity == "error" for one in chest)
    assert not any("outline" in one.title for one in chest)
    assert any(one.meaning == "They teach by their labels alone." for one in chest)
    assert (
        len(findings_from_import(ImportReport(), radiographs=True))
        == len(findings_from_import(ImportReport())) - 1
    )


def test_the_outline_is_an_ellipse_where_the_reader_drew_one():
    mask = mask_of_findings(facts(), Size(100, 100))
    assert mask is not None
    assert mask.sum() == pytest.approx(np.pi * 20 * 20, rel=0.02)
    assert not mask[21, 21]
    assert mask[40, 40]
    assert mask_of_findings(ChestFacts(), Size(4, 4)) is None


def test_the_page_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make(tmp_path / "c")
    assert main(["inspect", str(tmp_path / "c")]) == 0
    told = capsys.readouterr().out
    assert "lungs: 4 cases, 2 with labels, 1 with gaze" in told
    assert "reflacx   3 readings, 2 with fixations, 40.0 % of the dwell time off the image" in told
    assert "Lung Lesion" in told
    page = (tmp_path / "c" / "inspect.html").read_text(encoding="utf-8")
    for text in (
        "Usable, with care.",
        "2 of 4 cases have an image and labels",
        "U-Ignore",
        "reading R1",
        "from chexpert",
    ):
        assert text in page
    assert "With expert's outline" not in page
    assert main(["inspect", str(tmp_path / "c"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["chest"]["readings"][0]["readers"] == 2
    assert record["with_gaze"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["label", "COHORT"],
        ["describe", "COHORT"],
        ["weak-labels", "COHORT", "--kind", "box", "--out", "OUT"],
        ["nnunet", "export", "COHORT", "--to", "OUT"],
        ["quality", "COHORT", "--correct", "OUT"],
    ],
)
def test_verbs_for_lesions_say_plainly_that_they_are(tmp_path: Path, capsys, words: list[str]):
    make(tmp_path / "c")
    places = {"COHORT": str(tmp_path / "c"), "OUT": str(tmp_path / "out")}
    assert main([places.get(word, word) for word in words]) == 2
    assert "are chest radiographs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tree_of_mimic_eye_goes_from_import_to_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_tree(tmp_path / "tree")
    words = ["import", "mimic-eye", str(tmp_path / "tree"), "--out", str(tmp_path / "c"), "--on-bad", "skip"]
    assert main([*words, "--quiet"]) == 0
    assert "cases with labels" in capsys.readouterr().out
    cohort = Cohort.open(tmp_path / "c")
    seen = inspect_cohort(cohort, tmp_path / "page.html")["chest"]
    assert {row["source"] for row in seen["readings"]} == {"egd", "reflacx"}
    assert sum(row["cases"] for row in seen["splits"]) == len(cohort) == seen["cases"]
    assert seen["labels"][0]["labelled"]["chexpert"] > 0
    for table in seen["labels"]:
        for row in table["rows"]:
            assert all(sum(counts) == len(cohort) for counts in row["policies"].values())
    alone = [*words[:-2], "--sources", "egd", "--on-bad", "skip", "--quiet"]
    assert main(alone) == 0
    read = {one.source for case in Cohort.open(tmp_path / "c").cases.values() for one in case.chest.readings}
    assert read == {"egd"}
