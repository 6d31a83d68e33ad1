from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.expected_dice import shipped_calibration
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.pseudomask.parts import GrabCutPart, PriorPart
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.calibration_file import read_calibration, write_calibration
from gaze_insight.workflow.label_quality import score_labels
from gaze_insight.workflow.label_report import label_notes, label_record, label_rows, write_label_page
from gaze_insight.workflow.labelling import LabelReport, label

SMALL = ["--set", "labels.working_long_side_px=48", "--workers", "1", "--quiet"]
LABELS = PseudoMaskSettings(working_long_side_px=48)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Ten cases, of which one has no gaze and one looked beside the image."""
    folder = tmp_path_factory.mktemp("labels")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=10, size_px=(48, 64)))
    cohort = Cohort.open(folder)
    cases = dict(cohort.cases)
    first, second, *_ = cases
    cases[first] = replace(cases[first], fixations=None)
    cases[second] = replace(cases[second], fixations=Fixations.from_rows([(1.5, 1.5, 200, 0)]))
    replace(cohort, cases=cases).save()
    return folder


@pytest.fixture
def cohort(made, tmp_path) -> Cohort:
    shutil.copytree(made, tmp_path / "own")
    return Cohort.open(tmp_path / "own")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_command_tells_writes_a_table_and_a_page(cohort, capsys):
    assert main(["label", str(cohort.folder), *SMALL]) == 0
    said = capsys.readouterr().out
    first, second, *others = cohort.cases
    assert "9 made" in said
    assert shipped_calibration().source in said
    assert "worth another look" in said
    assert f"Without gaze, and so without label: 1. The first: {first}" in said
    assert f"as no gaze lies on the image: 1. The first: {second}" in said
    rows = {row["id"]: row for row in read_csv(cohort.folder / "labels.csv")}
    assert list(rows) == [second, *others]
    assert rows[second]["expected_dice"] == rows[second]["look_again_rank"] == ""
    quality = score_labels(cohort, LABELS)
    known = {row.id: row for row in quality.labels}
    for id in others:
        assert float(rows[id]["expected_dice"]) == pytest.approx(known[id].expected.mean)
        assert {name: float(rows[id][name]) for name in FEATURES} == pytest.approx(dict(known[id].features))
    ranks = {row["id"]: int(row["look_again_rank"]) for row in rows.values() if row["look_again_rank"]}
    assert sorted(ranks, key=ranks.__getitem__) == [row.id for row in quality.look_again]
    html = (cohort.folder / "labels.html").read_text(encoding="utf-8")
    assert "Worth another look" in html
    assert "Trusted pixels" in html
    assert "GrabCut" in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_json_has_the_scores_and_nothing_else_on_the_terminal(cohort, tmp_path, capsys):
    page, table = tmp_path / "a.html", tmp_path / "b.csv"
    assert (
        main(["label", str(cohort.folder), *SMALL, "--json", "--page", str(page), "--table", str(table)]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["expected_cases"] == 8
    assert said["labelled"] == 9
    assert said["files"] == {"page": str(page), "table": str(table)}
    assert 0 < said["expected_dice"] < 1
    assert [part["name"] for part in said["parts"]] == ["appearance", "grabcut", "random_walk"]
    assert len(said["look_again"]) == len([r for r in read_csv(table) if r["look_again_rank"]])


@pytest.mark.parametrize("parts", ["[{kind: prior}]", "[{kind: prior}, {kind: prior, weight: 2}]"])
def test_one_part_has_no_scores_and_says_so(cohort, capsys, parts):
    assert main(["label", str(cohort.folder), *SMALL, "--set", f"labels.parts={parts}"]) == 0
    said = capsys.readouterr().out
    assert "one part only" in said
    assert "expected Dice 0" not in said
    html = (cohort.folder / "labels.html").read_text(encoding="utf-8")
    assert "how well is not known" in html
    assert "Worth another look" not in html
    assert 'class="rank drawn"' in html


def test_a_calibration_of_ones_own_is_used(cohort, tmp_path, capsys):
    shipped = shipped_calibration()
    flat = shipped.model_copy(update={"dice": (0.5,) * len(shipped.dice), "source": "twelve phantoms"})
    write_calibration(flat, tmp_path / "own.json")
    assert main(["label", str(cohort.folder), *SMALL, "--calibration", str(tmp_path / "own.json")]) == 0
    said = capsys.readouterr().out
    assert "expected Dice 0.500 on average" in said
    assert "twelve phantoms" in said
    assert "twelve phantoms" in (cohort.folder / "labels.html").read_text(encoding="utf-8")


def test_a_recipe_that_the_calibration_does_not_know_is_noted(cohort):
    done, quality = LabelReport(), score_labels(cohort, LABELS)
    assert not any(
        "calibrated for the default" in note for note in label_notes(cohort, done, quality, LABELS)
    )
    other = LABELS.model_copy(update={"parts": (GrabCutPart(), PriorPart())})
    quality = score_labels(cohort, other)
    assert any("calibrated for the default" in note for note in label_notes(cohort, done, quality, other))
    own = label_notes(cohort, done, quality, other, shipped_calibration())
    assert not any("calibrated for the default" in note for note in own)
    assert any("simulated" in note for note in own)


def test_a_case_that_cannot_be_labelled_is_named_and_scored_by_nobody(cohort, capsys):
    bad = list(cohort.cases.values())[4]
    bad.image_path.write_bytes(b"no image")
    assert main(["label", str(cohort.folder), *SMALL, "--on-bad", "skip"]) == 0
    assert f"skipped {bad.id}: " in capsys.readouterr().out
    assert bad.id not in {row["id"] for row in read_csv(cohort.folder / "labels.csv")}
    assert "Could not be labelled: 1." in (cohort.folder / "labels.html").read_text(encoding="utf-8")
    assert main(["label", str(cohort.folder), *SMALL]) == 3


def test_pictures_that_cannot_be_read_are_named_on_the_page(cohort, tmp_path):
    done = label(cohort, LABELS, workers=1)
    quality = score_labels(cohort, LABELS)
    worst = quality.look_again[0].id
    cohort.cases[worst].image_path.unlink()
    write_label_page(cohort, done, quality, LABELS, tmp_path / "p.html", listed=2, pictures=2)
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Some pictures cannot be shown" in html
    assert "6 more cases" in html


def test_an_empty_cohort_has_an_empty_report(tmp_path):
    empty = Cohort("empty", tmp_path, {})
    quality = score_labels(empty)
    assert label_rows(quality) == []
    record = label_record(empty, LabelReport(), quality, PseudoMaskSettings())
    assert (record["labelled"], record["expected_dice"], record["trusted_share"]) == (0, None, None)
    write_label_page(empty, LabelReport(), quality, PseudoMaskSettings(), tmp_path / "p.html")
    assert "Nothing was labelled" in (tmp_path / "p.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coverage": 2}, "coverage"),
        ({"surprise": 1}, "surprise"),
        ({"weight": [1.0]}, "one length"),
        ({"features": ["colour"] + ["agreement"] * 9}, "unknown feature 'colour'"),
        ({"sd": [0.0] * 10}, "sd must be above 0"),
        ({"knots": [1.0, 0.0] * 4}, "knots must rise"),
        (None, "JSON"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, change, words):
    path = tmp_path / "c.json"
    values = json.loads(shipped_calibration().model_dump_json())
    text = "{not json" if change is None else json.dumps(values | change)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)


def test_a_calibration_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "c.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_calibration(tmp_path / "c.json")


def test_a_cohort_that_the_calibration_does_not_come_from_is_noted(cohort):
    done = label(cohort, LABELS, workers=1)
    quality = score_labels(cohort, LABELS)
    assert any("not on this cohort" in note for note in label_notes(cohort, done, quality, LABELS))
    named = replace(cohort, name="kvasir")
    assert not any("calibrated" in note for note in label_notes(named, done, quality, LABELS))


def test_too_few_cases_for_a_calibration_are_told_before_the_study(cohort, tmp_path, capsys):
    own = tmp_path / "own.json"
    assert main(["study", "parts", str(cohort.folder), "--fit-calibration", str(own), "--quiet"]) == 3
    assert "a calibration needs 50 cases" in capsys.readouterr().err
    assert not own.exists()
    assert not (cohort.folder / "study-parts.html").exists()
