"""The verbs take a cohort of radiographs and find their way by its task."""

from __future__ import annotations

import json

import pytest

from chest_drawing import chest_cohort
from gaze_insight.cli.app import main
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return chest_cohort(tmp_path_factory.mktemp("verbs")).folder


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    assert main(["run", str(cohort), "--preset", "chest_tiny", "--name", str(folder), "--quiet"]) == 0
    return folder


def test_run_goes_from_cohort_to_page(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["task"] == "chest_xray"
    assert summary["test"]["report"]["reports"] == 10
    page = (run / "report.html").read_text()
    assert "Pneumothorax" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_evaluate_tells_a_row_a_finding(run, capsys):
    assert main(["evaluate", str(run), "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "AUC [95 % interval]" in told
    assert "Pneumothorax" in told
    assert "macro" in told
    assert "attention against gaze and boxes: cc" in told


def test_evaluate_gives_json_of_another_split(run, capsys):
    assert main(["evaluate", str(run), "--split", "val", "--json", "--quiet"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["split"]["test"] == 10
    assert (run / "evaluations" / "own-val" / "cases.csv").exists()


def test_report_writes_the_page_again(run, tmp_path, capsys):
    assert main(["report", str(run), "--out", str(tmp_path / "page.html"), "--each", "1"]) == 0
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert "page.html" in capsys.readouterr().out


def test_a_preset_of_the_other_task_is_refused(cohort, tmp_path, capsys):
    assert main(["train", str(cohort), "--preset", "tiny", "--name", str(tmp_path / "a")]) == 2
    told = capsys.readouterr().err
    assert "is for chest radiographs, but the settings are for segmentation" in told
    assert "--preset chest" in told
    drawn = import_synthetic(tmp_path / "images", tmp_path / "drawn", settings=SyntheticSettings(cases=20))
    assert main(["train", str(drawn.folder), "--preset", "chest_tiny", "--name", str(tmp_path / "b")]) == 2
    assert "is for segmentation, but the settings are for chest" in capsys.readouterr().err


def test_commands_of_segmentation_refuse_the_run_in_words(run, capsys):
    assert main(["export", str(run), "--out", str(run / "model.onnx")]) == 2
    assert "run on chest radiographs" in capsys.readouterr().err


def test_config_shows_and_lists_what_is_for_radiographs(capsys):
    assert main(["config", "show", "--preset", "chest", "--set", "gaze.shuffled=true"]) == 0
    shown = capsys.readouterr().out
    assert "task: chest_xray" in shown
    assert "shuffled: true" in shown
    assert main(["config", "presets"]) == 0
    assert "chest_demo" in capsys.readouterr().out
    assert main(["config", "methods"]) == 0
    listed = capsys.readouterr().out
    assert "gaze_classifier" in listed
    assert "text_only" in listed
    assert "fgi" in listed
