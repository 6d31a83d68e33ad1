"""Trained runs on corrupted images: scores, kept results, differences, the page and the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.corruptions import CORRUPTIONS, corrupt
from gaze_insight.evaluation.overlap import dice
from gaze_insight.evaluation.statistics import bootstrap_interval, crossed_bootstrap_interval
from gaze_insight.insight.study_page import write_study
from gaze_insight.types import Size
from gaze_insight.workflow.studies.shift import cases_of, name_runs, study_shift
from gaze_insight.workflow.studies.shift_estimates import MEAN, ShiftSettings
from gaze_insight.workflow.studies.shift_page import shift_markdown, shift_page
from gaze_insight.workflow.studies.shift_pictures import shift_pictures
from gaze_insight.workflow.studies.shift_scoring import ShiftRun, hidden_share, score_cells

TWO = ShiftSettings(corruptions=("darker", "jpeg"), severities=(1, 4), resamples=200)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("shift")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=14, size_px=(48, 64)))
    return Cohort.open(folder)


@pytest.fixture
def cohort(made, tmp_path) -> Cohort:
    """The same cohort with a cache of its own."""
    return replace(made, folder=tmp_path / "own")


class ByRedness:
    """Stands for a predictor: what is redder than a share of the image is lesion; counts what it is shown."""

    def __init__(self, share: float) -> None:
        self.share, self.shown = share, 0
        self.input_size = Size(48, 64)
        self.method = SimpleNamespace(heads=("student",))

    def predict_batch(self, images) -> list[dict[str, np.ndarray]]:
        self.shown += len(images)
        red = [image[..., 0].astype(np.float32) - image[..., 1] for image in images]
        return [{"student": (one > np.quantile(one, self.share)).astype(np.float32)} for one in red]


def run_of(folder: Path, name: str, share: float, seed: int = 0, seen: tuple[str, ...] = ()) -> ShiftRun:
    weights = folder / f"{name}-{seed}-{share}.weights"
    weights.write_text(f"{share}", encoding="utf-8")
    config = RunConfig(seed=seed)
    return ShiftRun(name, folder / f"{name}-seed{seed}", config, weights, ByRedness(share), frozenset(seen))


def test_dice_is_that_of_the_corrupted_image(cohort, tmp_path):
    run = run_of(tmp_path, "a", 0.8)
    cases = cohort.subset("train")[:3]
    found = score_cells([run], cohort, cases, {"darker": (2, 5)}, seed=3, workers=2)
    assert [tuple(cell) for cell in found.cells] == [("clean", 0), ("darker", 2), ("darker", 5)]
    for place, (name, severity) in enumerate((("jpeg", 0), ("darker", 2), ("darker", 5))):
        for number, case in enumerate(cases):
            image = corrupt(case.read_image(), name, severity, seed=3, case=case.id)
            mask = ByRedness(0.8).predict_batch([image])[0]["student"] > 0.5
            assert found.dice[0, place, number] == dice(mask, case.read_mask())
    assert found.predicted == 9


def test_images_are_corrupted_once_for_all_runs_and_results_are_kept(cohort, tmp_path, monkeypatch):
    calls: list[tuple[str, int]] = []

    def counted(image, name, severity, **more):
        calls.append((name, severity))
        return corrupt(image, name, severity, **more)

    monkeypatch.setattr("gaze_insight.workflow.studies.shift_scoring.corrupt", counted)
    runs = [run_of(tmp_path, "a", 0.8), run_of(tmp_path, "b", 0.7)]
    cases = cohort.subset("train")[:2]
    first = score_cells(runs, cohort, cases, {"darker": (1, 2)})
    assert (len(calls), first.predicted) == (4, 12)
    again = score_cells(runs, cohort, cases, {"darker": (1, 2)})
    assert (len(calls), again.predicted) == (4, 0)
    assert np.array_equal(again.dice, first.dice)
    more = score_cells(runs, cohort, cases, {"darker": (1, 2, 3)})
    assert (calls[4:], more.predicted) == ([("darker", 3)] * 2, 4)
    third = score_cells([*runs, run_of(tmp_path, "c", 0.6)], cohort, cases, {"darker": (1, 2)})
    assert third.predicted == 6
    assert score_cells(runs, cohort, cases, {"darker": (1,)}, seed=1).predicted == 4


def test_other_weights_are_predicted_anew(cohort, tmp_path):
    run = run_of(tmp_path, "a", 0.8)
    cases = cohort.subset("train")[:1]
    score_cells([run], cohort, cases, {"jpeg": (1,)})
    run.weights.write_text("others", encoding="utf-8")
    assert score_cells([run], cohort, cases, {"jpeg": (1,)}).predicted == 2


def test_an_interrupted_study_goes_on_where_it_was(cohort, tmp_path):
    run, cases = run_of(tmp_path, "a", 0.8), cohort.subset("train")[:4]

    def stop(what: str, done: int, total: int) -> None:
        assert total == 12
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_cells([run], cohort, cases, {"jpeg": (1, 2)}, progress=stop)
    assert score_cells([run], cohort, cases, {"jpeg": (1, 2)}).predicted == 6


def test_a_damaged_image_stops_or_is_listed(cohort, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    run, cases = run_of(tmp_path, "a", 0.8), cohort.subset("train")[:3]
    cases[1] = replace(cases[1], image_path=broken)
    with pytest.raises(DataError, match=r"broken\.png"):
        score_cells([run], cohort, cases, {"jpeg": (1,)})
    found = score_cells([run], cohort, cases, {"jpeg": (1,)}, on_bad="skip")
    assert list(found.failed) == [cases[1].id]
    assert found.dice.shape == (1, 2, 2)


def test_means_losses_and_differences_are_those_of_the_table(cohort, tmp_path):
    runs = [run_of(tmp_path, "a", 0.85), run_of(tmp_path, "b", 0.7)]
    study = study_shift(runs, cohort, split=None, settings=TWO)
    cases = [case for case in cohort.cases.values() if case.mask_path]
    table = score_cells(runs, cohort, cases, dict.fromkeys(TWO.corruptions, TWO.severities))
    assert (table.predicted, study.cases, study.reference) == (0, len(cases), "b")
    groups = [case.patient or ("case", case.id) for case in cases]
    clean, darker, jpeg = table.dice[:, 0], table.dice[:, 1:3].mean(axis=1), table.dice[:, 3:].mean(axis=1)
    found = {(one.line, one.corruption): one for one in study.means}
    worst = next(one for one in study.levels if (one.line, one.corruption, one.severity) == ("a", MEAN, 4))
    assert worst.dice.mean == pytest.approx(table.dice[0, [2, 4]].mean())
    assert found["a", "darker"].dice.mean == pytest.approx(darker[0].mean())
    assert found["a", "darker"].loss.mean == pytest.approx((clean - darker)[0].mean())
    both = (darker + jpeg) / 2
    assert found["b", MEAN].dice.mean == pytest.approx(both[1].mean())
    ends = bootstrap_interval((clean - both)[0], groups=groups, resamples=200, seed=0)
    assert (found["a", MEAN].loss.low, found["a", MEAN].loss.high) == pytest.approx(ends)
    difference = {one.corruption: one for one in study.differences}
    assert set(difference) == {"clean", "darker", "jpeg", MEAN}
    assert difference["jpeg"].dice.mean == pytest.approx((jpeg[0] - jpeg[1]).mean())
    lost = (clean - both)[0] - (clean - both)[1]
    assert difference[MEAN].loss.mean == pytest.approx(lost.mean())
    ends = bootstrap_interval(lost, groups=groups, resamples=200, seed=0)
    assert (difference[MEAN].loss.low, difference[MEAN].loss.high) == pytest.approx(ends)


def test_runs_of_one_name_are_seeds_and_both_are_resampled(cohort, tmp_path):
    runs = [run_of(tmp_path, name, share, seed) for name, share, seed in (
        ("a", 0.85, 0), ("a", 0.8, 1), ("b", 0.7, 0), ("b", 0.65, 1))]  # fmt: skip
    study = study_shift(runs, cohort, split=None, settings=TWO)
    assert {line: len(folders) for line, folders in study.lines.items()} == {"a": 2, "b": 2}
    cases = [case for case in cohort.cases.values() if case.mask_path]
    table = score_cells(runs, cohort, cases, dict.fromkeys(TWO.corruptions, TWO.severities)).dice
    jpeg = table[:, 3:].mean(axis=1)
    groups = [case.patient or ("case", case.id) for case in cases]
    ends = crossed_bootstrap_interval(jpeg[:2].T, jpeg[2:].T, groups=groups, resamples=200, seed=0)
    found = next(one for one in study.differences if one.corruption == "jpeg")
    assert found.dice.mean == pytest.approx(jpeg[:2].mean() - jpeg[2:].mean())
    assert (found.dice.low, found.dice.high) == pytest.approx(ends)
    runs[1] = replace(runs[1], config=RunConfig(seed=1, method={"kind": "unet"}))
    with pytest.raises(SettingsError, match="the runs called 'a' differ in more than their seed"):
        study_shift(runs, cohort, split=None, settings=TWO)


def test_runs_are_named_by_their_folder_or_by_hand(tmp_path):
    odd = tmp_path / "x=1"
    odd.mkdir()
    names = [name for name, _ in name_runs(["runs/unet-seed0", "runs/unet-seed12", "full=b/c", str(odd)])]
    assert names == ["unet", "unet", "full", "x=1"]
    for bad in ([], ["a", "b=a"]):
        with pytest.raises(SettingsError, match="each once"):
            name_runs(bad)


def test_cases_are_drawn_and_counted(cohort):
    chosen, left_out = cases_of(cohort, None, 5, seed=1)
    assert len(chosen) == 5
    assert sum(left_out.values()) == len(cohort) - 5
    assert [case.id for case in chosen] == [id for id in cohort.cases if id in {case.id for case in chosen}]
    bare = replace(cohort, cases={id: replace(one, mask_path=None) for id, one in cohort.cases.items()})
    with pytest.raises(DataError, match="expected cases with true masks, found none"):
        cases_of(bare, "test")


@pytest.mark.parametrize(
    ("bad", "why"), [({"corruptions": ("fog",)}, "unknown corruption"), ({"severities": (0,)}, "from 1 to 5")]
)
def test_settings_that_name_nothing_are_refused(bad, why):
    with pytest.raises(ValidationError, match=why):
        ShiftSettings(**bad)
    assert ShiftSettings(severities=(5, 1, 5)).severities == (1, 5)


def test_an_unknown_reference_is_refused(cohort, tmp_path):
    with pytest.raises(SettingsError, match="unknown line 'c'; known: a"):
        study_shift([run_of(tmp_path, "a", 0.8)], cohort, reference="c")


def test_a_corner_hides_what_lies_in_it():
    truth = np.zeros((100, 100), bool)
    truth[:10, :10] = True
    assert hidden_share(truth, 5) > 0.9
    assert hidden_share(truth, 0) == hidden_share(~truth[::-1], 0) == 0
    assert hidden_share(np.pad(truth[:10, :10], 45), 5) == 0


def test_the_page_tells_everything(cohort, tmp_path):
    settings = ShiftSettings(corruptions=("darker", "other_scope"), severities=(1, 5), resamples=50)
    hashes = [cohort.derived.file_hash(case.image_path) for case in cohort.cases.values()]
    runs = [run_of(tmp_path, "gaze", 0.85, seen=tuple(hashes[:3])), run_of(tmp_path, "masks", 0.7)]
    study = study_shift(runs, cohort, split=None, settings=settings)
    assert study.seen[str(runs[0].path)] == 3
    study = replace(study, hidden_frac={1: 0.0, 5: 0.02})
    content = shift_page(study, "gaze-insight study shift", shift_pictures(cohort, study, runs[0], 1))
    assert [len(row.tiles) for row in content.pictures] == [1, 2, 2]
    write_study(content, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("gaze minus masks", "learned from, or was watched with, 3 of these", "2.0 % of a lesion",
                  "another scope", "too dark", "Loss of gaze minus that of masks"):  # fmt: skip
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", "")
    text = shift_markdown(content)
    assert "| mean of all | gaze |" in text
    assert f"| {CORRUPTIONS['darker'].title} | exposure, stops (factors of 2) | -0.6 | -3.2 |" in text
    assert len(study.rows()) == 2 * (1 + 2 * 2 + 2)


def test_the_command_writes_page_tables_and_json(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "gaze_insight.workflow.studies.shift_scoring.open_run",
        lambda name, path, device: run_of(tmp_path, name, {"gaze": 0.8}.get(name, 0.7)),
    )
    out = tmp_path / "out"
    words = ["study", "shift", "gaze=a", "masks=b", "--cohort", str(made.folder), "--quiet"]
    words += ["--split", "all", "--severities", "1", "5", "--corruptions", "darker", "jpeg", "--cases", "6"]
    assert main([*words, "--out", str(out), "--json", "--pictures", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == 6
    assert set(told["lines"]) == {"gaze", "masks"}
    assert json.loads((out / "study-shift.json").read_text(encoding="utf-8"))["verdict"] == told["verdict"]
    with (out / "study-shift.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["severity"] for row in rows] == ["0", "1", "5", "1", "5", "1", "5"] * 2
    assert {path.name for path in out.iterdir()} == {
        f"study-shift{end}" for end in (".html", ".md", ".json", ".csv", "-cases.csv")
    }
    assert main([*words, "--corruptions", "fog"]) == 2
    assert "unknown corruption 'fog'" in capsys.readouterr().err
