from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import dice
from gaze_insight.gaze.annotation_time import PAPER_ANNOTATION_HOURS, annotation_time
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.workflow.parallel import map_items
from gaze_insight.workflow.studies import noise as noise_module
from gaze_insight.workflow.studies import scoring
from gaze_insight.workflow.studies.noise import NoiseStudySettings, study_noise
from gaze_insight.workflow.studies.noise_page import noise_page
from gaze_insight.workflow.studies.output import as_plain
from gaze_insight.workflow.studies.scoring import StudySettings, choose_cases, estimate, strata_of
from gaze_insight.workflow.studies.simulator import (
    SimulatorStudySettings,
    simulated_reading,
    study_simulator,
)
from gaze_insight.workflow.studies.simulator_figures import scan_path_pictures
from gaze_insight.workflow.studies.simulator_page import simulator_page
from gaze_insight.workflow.studies.time import TimeSettings, study_time
from gaze_insight.workflow.studies.time_page import time_page

LABELS = PseudoMaskSettings(working_long_side_px=48)
EDGES = {"area_edges_frac": (0.1,), "resamples": 50}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=14, size_px=(48, 64)))
    return folder


@pytest.fixture
def cohort(made, tmp_path) -> Cohort:
    """The same cohort with a cache of its own."""
    shutil.copytree(made, tmp_path / "own", ignore=shutil.ignore_patterns("derived"))
    return Cohort.open(tmp_path / "own")


def count_labels(monkeypatch) -> list[Fixations]:
    seen: list[Fixations] = []

    def counted(image, reading, settings):
        seen.append(reading)
        return make_pseudo_mask(image, reading, settings)

    monkeypatch.setattr(scoring, "make_pseudo_mask", counted)
    return seen


def literal_dice(cohort: Cohort, readings: dict[str, Fixations]) -> dict[str, float]:
    """Dice at the mask's own size, without any of the studies' code."""
    found = {}
    for id, reading in readings.items():
        case = cohort.cases[id]
        soft = make_pseudo_mask(case.read_image(), reading, LABELS).soft
        truth = case.read_mask()
        image = Image.fromarray(soft).resize(truth.shape[::-1], Image.Resampling.BILINEAR)
        found[id] = dice(np.asarray(image) >= LABELS.levels.comprehensive, truth)
    return found


def test_time_is_the_dice_of_cut_readings(cohort):
    settings = TimeSettings(limits_s=(1, 3, 30), **EDGES)
    study = study_time(cohort, choose_cases(cohort), LABELS, settings, workers=1)
    readings = {id: case.fixations for id, case in cohort.cases.items()}
    spans = np.array([one.span_ms / 1000 for one in readings.values()])
    cut = literal_dice(cohort, {id: one.until(1000) for id, one in readings.items()})
    first, _, long, whole = study.levels
    assert first.dice["all"].mean == pytest.approx(np.mean(list(cut.values())), abs=0.02)
    assert as_plain(whole.dice) == as_plain(long.dice)
    assert [level.limit_s for level in study.levels] == [1, 3, 30, None]
    assert first.mean_s == pytest.approx(np.minimum(spans, 1).mean())
    assert first.still_looking == pytest.approx((spans > 1).mean())
    assert whole.hours == pytest.approx(annotation_time(readings).hours)
    assert whole.loss.mean == whole.loss.high == 0.0
    assert first.loss.mean == pytest.approx(whole.dice["all"].mean - first.dice["all"].mean)
    assert study.enough_s in (1, 3, 30)
    sizes = [found.n for name, found in first.dice.items() if name != "all"]
    assert sum(sizes) == first.dice["all"].n == 14
    assert study.reported_s["mask"] == pytest.approx(PAPER_ANNOTATION_HOURS["mask"] * 3600 / 900)
    assert study.simulated == 14
    assert {row["id"] for row in study.per_case} == set(cohort.cases)


def test_a_second_study_finds_the_first_and_a_stopped_one_goes_on(cohort, monkeypatch):
    seen = count_labels(monkeypatch)
    settings, chosen = TimeSettings(limits_s=(1, 2)), choose_cases(cohort)
    some = replace(chosen, cases=chosen.cases[:5])
    study_time(cohort, some, LABELS, settings, workers=1)
    first = len(seen)
    assert first == 15
    study_time(cohort, chosen, LABELS, settings, workers=1)
    assert len(seen) - first == 27
    again = study_time(cohort, chosen, LABELS, TimeSettings(limits_s=(1, 2), resamples=20), workers=1)
    assert len(seen) == 42
    assert again.cases == 14
    study_time(cohort, some, PseudoMaskSettings(working_long_side_px=40), settings, workers=1)
    assert len(seen) == 57


@pytest.mark.slow
def test_two_processes_find_what_one_finds(cohort, monkeypatch):
    monkeypatch.setattr(scoring, "map_items", partial(map_items, least_per_worker=4))
    settings = NoiseStudySettings(levels={"dropout": (0.5,), "annotator_swap": (0.5,)}, repeats=1, **EDGES)
    both = study_noise(cohort, choose_cases(cohort), LABELS, settings, workers=2)
    shutil.rmtree(cohort.derived.folder)
    alone = study_noise(cohort, choose_cases(cohort), LABELS, settings, workers=1)
    assert as_plain(both) == as_plain(alone)


def test_a_limit_beyond_the_reading_costs_no_labelling(cohort, monkeypatch):
    seen = count_labels(monkeypatch)
    one = replace(choose_cases(cohort), cases=choose_cases(cohort).cases[:1])
    study_time(cohort, one, LABELS, TimeSettings(limits_s=(500, 600)), workers=1)
    assert len(seen) == 1


def test_noise_is_paired_with_no_noise_and_swaps_take_other_readings(cohort):
    settings = NoiseStudySettings(
        levels={"offset_frac": (0.001, 0.4), "annotator_swap": (1.0,), "dropout": (1.0,)}, repeats=2, **EDGES
    )
    study = study_noise(cohort, choose_cases(cohort), LABELS, settings, workers=1)
    own = literal_dice(cohort, {id: case.fixations for id, case in cohort.cases.items()})
    clean, small, large = study.dials["offset_frac"]
    assert clean.level == 0
    assert clean.dice["all"].mean == pytest.approx(np.mean(list(own.values())), abs=0.02)
    assert clean.loss.mean == 0.0
    assert abs(small.loss.mean) < 0.02
    assert large.loss.mean > 0.2
    assert small.level < study.borne["offset_frac"] < large.level
    assert study.dials["dropout"][1].dice["all"].mean == 0.0
    assert study.dials["annotator_swap"][1].loss.mean > 0.1
    assert large.repeat_sd > 0
    again = study_noise(cohort, choose_cases(cohort), LABELS, settings, workers=1)
    assert as_plain(again) == as_plain(study)


def test_a_swapped_reading_is_never_the_images_own(cohort):
    cases = choose_cases(cohort).cases
    for item in noise_module._items(cases, NoiseStudySettings(repeats=6), True):
        assert len(item.others) == 6
        assert all(other is not item.case.fixations for other in item.others)


@pytest.mark.parametrize(
    "levels",
    [
        {},
        {"offset": (0.1,)},
        {"dropout": ()},
        {"dropout": (0.5, 0.2)},
        {"dropout": (0.0,)},
        {"dropout": (2,)},
    ],
)
def test_impossible_levels_are_refused(levels):
    with pytest.raises(ValidationError):
        NoiseStudySettings(levels=levels)


def test_one_case_cannot_be_swapped(cohort):
    one = replace(choose_cases(cohort), cases=choose_cases(cohort).cases[:1])
    with pytest.raises(DataError, match="at least two cases"):
        study_noise(cohort, one, LABELS, workers=1)


def test_the_cohorts_own_simulator_is_hard_to_tell_apart_and_another_is_not(cohort):
    chosen = choose_cases(cohort)
    recorded = SyntheticSettings(cases=1).gaze
    quick = {"permutations": 259, "resamples": 50}
    same = SimulatorStudySettings(simulator=recorded, comparison=quick, repeats=2, **EDGES)
    study = study_simulator(cohort, chosen, LABELS, same, workers=1)
    assert study.comparison.paired
    assert "different" not in {one.verdict for one in study.comparison.comparisons}
    found = study.dice["all"]
    assert found.difference.mean == pytest.approx(found.simulated.mean - found.real.mean)
    assert found.difference.n == 14
    slow = recorded.model_copy(update={"duration_log_mean": recorded.duration_log_mean + 1.5})
    other = SimulatorStudySettings(simulator=slow, comparison=quick, **EDGES)
    far = study_simulator(cohort, chosen, LABELS, other, workers=1)
    verdicts = {one.name: one.verdict for one in far.comparison.comparisons}
    assert verdicts["duration_ms"] == "different"
    assert far.comparison.verdict == "different"
    assert far.marked_simulated == 14


def test_simulated_readings_repeat_and_differ_between_repeats():
    truth = np.zeros((32, 32), bool)
    truth[8:20, 8:20] = True
    settings = SimulatorStudySettings()
    first = simulated_reading("a", truth, settings)
    assert first.to_rows() == simulated_reading("a", truth, settings).to_rows()
    assert first.to_rows() != simulated_reading("a", truth, settings, 1).to_rows()
    assert first.to_rows() != simulated_reading("b", truth, settings).to_rows()


def test_pages_say_what_was_found_and_what_was_left_out(cohort):
    chosen = choose_cases(cohort, count=12, seed=3)
    assert chosen.left_out == {"not drawn": 2}
    timed = study_time(cohort, chosen, LABELS, TimeSettings(limits_s=(1, 2), **EDGES), workers=1)
    content = time_page(timed, "gaze-insight study time x")
    assert f"{timed.levels[-1].dice['all'].mean:.3f}" in content.verdict
    assert any("itself simulated" in warning for warning in content.warnings)
    assert any("Only 12 images" in warning for warning in content.warnings)
    assert content.facts["Left out"] == "2 not drawn"
    assert all(figure.svg for figure in content.figures)
    assert all("n = 12" in figure.svg or "measured here" in figure.svg for figure in content.figures)
    assert "18.7" not in content.verdict
    noisy = study_noise(
        cohort, chosen, LABELS, NoiseStudySettings(levels={"jitter_sd_frac": (0.02,)}, **EDGES), workers=1
    )
    assert "over 2 %" in noise_page(noisy).verdict
    assert [figure.name for figure in noise_page(noisy).figures] == ["jitter-sd-frac"]
    real = study_simulator(cohort, chosen, LABELS, SimulatorStudySettings(**EDGES), workers=1)
    page = simulator_page(real, pictures=scan_path_pictures(cohort, real, 2))
    assert len(page.pictures) == 2
    assert len(page.tables[0].rows) == len(real.comparison.comparisons)
    assert all(len(row) == len(table.columns) for table in page.tables for row in table.rows)


def test_what_cannot_be_studied_is_named(cohort, tmp_path):
    bare = {id: replace(case, mask_path=None) for id, case in cohort.cases.items()}
    with pytest.raises(DataError, match="true masks, found none among 14 cases"):
        choose_cases(replace(cohort, cases=bare))
    mixed = dict(cohort.cases)
    ids = list(mixed)
    mixed[ids[0]] = replace(mixed[ids[0]], fixations=Fixations.empty())
    mixed[ids[1]] = replace(mixed[ids[1]], mask_path=None)
    chosen = choose_cases(replace(cohort, cases=mixed), count=5)
    assert chosen.left_out == {"without gaze": 1, "without a true mask": 1, "not drawn": 7}
    assert choose_cases(cohort, split="train").cases == tuple(cohort.subset("train"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    cases = dict(cohort.cases) | {ids[2]: replace(cohort.cases[ids[2]], image_path=broken)}
    with_broken = replace(cohort, cases=cases)
    chosen, limits = choose_cases(with_broken), TimeSettings(limits_s=(1,))
    with pytest.raises(DataError, match=r"broken\.png"):
        study_time(with_broken, chosen, LABELS, limits, workers=1)
    study = study_time(with_broken, chosen, LABELS, limits, workers=1, on_bad="skip")
    assert list(study.failed) == [ids[2]]
    assert study.cases == 13
    only = replace(chosen, cases=(cases[ids[2]],))
    with pytest.raises(DataError, match="none of 1 cases"):
        study_time(with_broken, only, LABELS, limits, workers=1, on_bad="skip")


def test_estimates_know_patients_and_their_own_limits(cohort):
    cases = list(cohort.cases.values())[:6]
    values = np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    alone = estimate(values, cases, StudySettings())
    two = [replace(case, patient=str(place // 3)) for place, case in enumerate(cases)]
    together = estimate(values, two, StudySettings())
    assert together.high - together.low > alone.high - alone.low
    few = estimate(values, cases, StudySettings(), np.arange(6) < 4)
    assert np.isnan(few.low)
    assert few.n == 4
    assert few.mean == pytest.approx(0.3)


def test_strata_share_the_cases_among_them():
    found = strata_of([0.05, 0.06, 0.149, 0.15, 0.9, 0.0], StudySettings())
    assert [which.sum() for which in found.values()] == [6, 2, 2, 2]
    assert list(strata_of([0.1], StudySettings(area_edges_frac=()))) == ["all"]
    with pytest.raises(ValidationError, match="must rise"):
        StudySettings(area_edges_frac=(0.2, 0.1))


@pytest.mark.parametrize(
    ("name", "flags", "head"),
    [
        ("time", ["--study-set", "limits_s=[1,2]"], "limit_s"),
        ("noise", ["--study-set", "levels.dropout=[0.5]", "--study-set", "repeats=1"], "dial"),
        ("simulator", ["--study-set", "comparison.resamples=20", "--pictures", "1"], "unit"),
    ],
)
def test_the_command_writes_page_tables_figures_and_json(made, tmp_path, capsys, name, flags, head):
    files = {one: tmp_path / one for one in ("page.html", "table.csv", "cases.csv", "figures")}
    words = [
        "study", name, made, "--cases", 10, "--page", files["page.html"], "--table", files["table.csv"],
        "--case-table", files["cases.csv"], "--figures", files["figures"], "--workers", 1, "--quiet",
        "--set", "labels.working_long_side_px=48", "--study-set", "resamples=20", *flags,
    ]  # fmt: skip
    assert main([*map(str, words), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == 10
    assert told["verdict"] in files["page.html"].read_text(encoding="utf-8").replace("&#39;", "'")
    assert files["table.csv"].read_text().startswith(f"{head},")
    rows = list(csv.DictReader(files["cases.csv"].read_text().splitlines()))
    assert len(rows) == 10
    assert len(list(files["figures"].glob("*.svg"))) == len(told["files"]["figures"]) > 0
    assert main([*map(str, words)]) == 0
    assert told["verdict"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--study-set", "limit_s=[1]"], 2, "did you mean 'limits_s'"),
        (["--study-set", "limits_s"], 2, "expects dotted.key=value"),
        (["--study-set", "limits_s=[2, 1]"], 2, "above 0 and rise"),
        (["--study-set", "limits_s=[2, 1"], 2, "not valid YAML"),
        (["--workers", "1", "--cluster", "tcp://localhost:1"], 2, "give one of the two"),
    ],
)
def test_flags_that_cannot_be_used_are_explained(made, capsys, flags, code, words):
    assert main(["study", "time", str(made), "--quiet", *flags]) == code
    assert words in capsys.readouterr().err
