from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import dice
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.study_page import write_study
from gaze_insight.pseudomask.expected_dice import ExpectedDice, expected_dice, shipped_calibration
from gaze_insight.pseudomask.look_again import LookAgainSettings
from gaze_insight.pseudomask.parts import PARTS, GrabCutPart
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.workflow.studies import parts_scoring
from gaze_insight.workflow.studies.output import as_plain
from gaze_insight.workflow.studies.parts import calibration_of, study_parts
from gaze_insight.workflow.studies.parts_figures import part_pictures
from gaze_insight.workflow.studies.parts_page import parts_page
from gaze_insight.workflow.studies.parts_quality import gain_curves
from gaze_insight.workflow.studies.parts_recipes import PartsSettings
from gaze_insight.workflow.studies.parts_scoring import TRUST_STEPS, grey_of, overlap_scores
from gaze_insight.workflow.studies.scoring import choose_cases

LABELS = PseudoMaskSettings(working_long_side_px=48)
QUICK = {"resamples": 30, "area_edges_frac": (0.1,)}
SETTINGS = PartsSettings(**QUICK)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))
    study_parts(Cohort.open(folder), choose_cases(Cohort.open(folder)), LABELS, SETTINGS, workers=1)
    return folder


@pytest.fixture
def cohort(made, tmp_path) -> Cohort:
    """The same cohort with a cache of its own, filled."""
    shutil.copytree(made, tmp_path / "own")
    return Cohort.open(tmp_path / "own")


@pytest.fixture
def study(cohort):
    return study_parts(cohort, choose_cases(cohort), LABELS, SETTINGS, workers=1)


def test_every_part_the_vote_and_the_reference_are_compared(study):
    names = [part.name for part in study.parts]
    assert names == [*PARTS, "vote", "gazemedseg_0.3", "gazemedseg_0.5"]
    roles = {part.name: part.role for part in study.parts}
    assert {name for name, role in roles.items() if role == "voter"} == {p.kind for p in LABELS.parts}
    assert study.vote.difference["all"].mean == 0
    for part in study.parts:
        gap = study.vote.dice["all"].mean - part.dice["all"].mean
        assert part.difference["all"].mean == pytest.approx(gap)
    assert sum(one.n for name, one in study.vote.dice.items() if name != "all") == 12
    assert study.simulated == study.cases == 12


def test_dice_of_a_part_is_that_of_a_recipe_of_it_alone(cohort, study):
    for name in ("grabcut", "crf", "heat"):
        alone = LABELS.model_copy(update={"parts": (PARTS[name].settings_type(kind=name),)})
        values = []
        for case in cohort.cases.values():
            soft = make_pseudo_mask(case.read_image(), case.fixations, alone).soft
            truth = case.read_mask()
            own = Image.fromarray(soft).resize(truth.shape[::-1], Image.Resampling.BILINEAR)
            values.append(dice(np.asarray(own) >= 0.5, truth))
        part = next(part for part in study.parts if part.name == name)
        assert part.dice["all"].mean == pytest.approx(np.mean(values), abs=0.02)


def test_trust_counts_the_pixels_of_the_sparse_mask(cohort, study):
    shares, wrong = [], []
    for case in cohort.cases.values():
        mask, truth = make_pseudo_mask(case.read_image(), case.fixations, LABELS), case.read_mask()
        rows = np.arange(truth.shape[0]) * mask.sparse.shape[0] // truth.shape[0]
        columns = np.arange(truth.shape[1]) * mask.sparse.shape[1] // truth.shape[1]
        sparse = mask.sparse[np.ix_(rows, columns)]
        shares.append((sparse != 255).mean())
        wrong.append(((sparse != 255) & ((sparse == 1) != truth)).mean())
    assert study.trust.share.mean == pytest.approx(np.mean(shares))
    assert study.trust.error.mean == pytest.approx(np.sum(wrong) / np.sum(shares))
    levels = study.trust.levels
    assert levels[0].share == pytest.approx(1)
    assert [level.share for level in levels] == sorted((level.share for level in levels), reverse=True)
    used = levels[round(LABELS.levels.least_trust * TRUST_STEPS)]
    assert used.share == pytest.approx(study.trust.share.mean)
    assert used.error == pytest.approx(study.trust.error.mean)


def test_quality_rests_on_the_calibration(study):
    assert study.quality is not None
    for row in study.per_case:
        told = expected_dice({name: row[name] for name in shipped_calibration().features})
        assert (row["expected_dice"], row["expected_low"], row["expected_high"]) == told
    inside = [row["expected_low"] <= row["dice_vote"] <= row["expected_high"] for row in study.per_case]
    assert study.quality.coverage.mean == pytest.approx(np.mean(inside))
    assert study.quality.source == shipped_calibration().source
    ordered = sorted(study.per_case, key=lambda row: row["expected_dice"])[2:]
    assert study.quality.kept.mean == pytest.approx(np.mean([row["dice_vote"] for row in ordered]))
    assert study.quality.kept_best >= study.quality.kept.mean
    assert sorted(row["look_again_rank"] for row in study.per_case) == list(range(1, 13))


def test_an_order_that_knows_the_truth_gains_all_there_is():
    true = np.array([0.9, 0.3, 0.6, 0.8, 0.5])
    known = [ExpectedDice(value, value, value) for value in true]
    curves, listed = gain_curves(list("abcde"), known, true, [-2.0] * 5, [8.0] * 5, LookAgainSettings())
    assert curves.orders["lowest"] == curves.orders["worst"]
    assert curves.share_of_best["lowest"] == pytest.approx(1)
    assert listed[0].id == "b"
    assert curves.counts == (0, 1, 2, 3, 4, 5)
    assert curves.seconds[-1] == pytest.approx(5 * curves.drawing_s)
    for curve in curves.orders.values():
        assert curve[0] == pytest.approx(true.mean())
        assert curve[-1] == pytest.approx(1)
    assert curves.orders["random"][1] == pytest.approx(true.mean() + (1 - true.mean()) / 5)


def test_a_second_study_computes_nothing_and_another_calibration_needs_no_labels(cohort, study, monkeypatch):
    monkeypatch.setattr(parts_scoring, "make_pseudo_mask", None)
    again = study_parts(cohort, choose_cases(cohort), LABELS, SETTINGS, workers=1)
    assert as_plain(again) == as_plain(study)
    flat = shipped_calibration().model_copy(update={"source": f"all splits of {cohort.name}"})
    other = study_parts(cohort, choose_cases(cohort), LABELS, SETTINGS, calibration=flat, workers=1)
    assert other.seen_in_fit == 12
    assert any("has not seen" in one for one in parts_page(other).warnings)
    for words, split in (("9 images of {} (split test)", "test"), ("5 training images of {}", "train")):
        named = flat.model_copy(update={"source": words.format(cohort.name)})
        third = study_parts(cohort, choose_cases(cohort), LABELS, SETTINGS, calibration=named, workers=1)
        assert third.seen_in_fit == len(cohort.splits[split])


def test_a_single_part_has_no_quality(cohort):
    alone = LABELS.model_copy(update={"parts": (GrabCutPart(),)})
    few = replace(choose_cases(cohort), cases=choose_cases(cohort).cases[:5])
    quick = PartsSettings(reference="none", **QUICK)
    study = study_parts(cohort, few, alone, quick, workers=1)
    assert study.quality is None
    assert study.gain is None
    assert study.unscored == 5
    cut = next(part for part in study.parts if part.name == "grabcut")
    assert as_plain(study.vote.dice) == as_plain(cut.dice)
    content = parts_page(study)
    assert "no quality score" in content.verdict
    assert [figure.name for figure in content.figures] == ["dice-by-part", "vote-minus-part", "trust"]
    with pytest.raises(DataError, match="50 cases"):
        calibration_of(study)


def test_gaze_beside_the_image_is_counted_and_scores_nothing(cohort):
    few = choose_cases(cohort).cases[:5]
    outside = Fixations.from_rows([(1.5, 1.5, 200, 0)])
    chosen = replace(choose_cases(cohort), cases=(replace(few[0], fixations=outside), *few[1:]))
    study = study_parts(cohort, chosen, LABELS, PartsSettings(reference="none", **QUICK), workers=1)
    assert study.unscored == 1
    row = next(row for row in study.per_case if row["id"] == few[0].id)
    assert row["dice_vote"] == row["dice_heat"] == 0
    assert row["expected_dice"] is None
    assert any("no gaze lies on the image: 1" in warning for warning in parts_page(study).warnings)


def test_grey_images_have_no_colour_left(cohort, study):
    image = next(iter(cohort.cases.values())).read_image()
    grey = grey_of(image)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert np.abs(grey[..., 0] - image @ np.array([0.299, 0.587, 0.114])).max() <= 1
    few = replace(choose_cases(cohort), cases=choose_cases(cohort).cases[:5])
    found = study_parts(cohort, few, LABELS, PartsSettings(grey=True, **QUICK), workers=1)
    coloured = {row["id"]: row["dice_vote"] for row in study.per_case}
    assert any(row["dice_vote"] != coloured[row["id"]] for row in found.per_case)
    assert found.parts[0].name == "heat"
    heat = {row["id"]: row["dice_heat"] for row in study.per_case}
    assert all(row["dice_heat"] == heat[row["id"]] for row in found.per_case)
    assert "without colour" in parts_page(found).title


@pytest.mark.parametrize(
    ("soft", "truth", "scores"),
    [
        ([[0, 0]], [[False, False]], (1, 1, 1)),
        ([[0, 0]], [[True, False]], (0, 0, 0)),
        ([[1, 0]], [[False, False]], (0, 0, 0)),
        ([[1, 1]], [[True, False]], (2 / 3, 0.5, 1)),
    ],
)
def test_overlap_of_small_masks(soft, truth, scores):
    found = overlap_scores(np.array(soft, np.float32), np.array(truth), 0.5)
    assert (found["dice"], found["precision"], found["recall"]) == pytest.approx(scores)


def test_overlap_is_at_the_true_masks_size():
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    soft = cv2.resize(truth.astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA)
    assert overlap_scores(soft, truth, 0.5)["dice"] > 0.95


def test_the_page_says_it_all(cohort, study, tmp_path):
    content = parts_page(study, "gaze-insight study parts x", part_pictures(cohort, study, 3))
    write_study(content, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "GazeMedSeg ≥ 0.3" in html
    assert "truly worst first" in html
    assert len(content.pictures) == 3
    assert content.pictures[0].title.endswith(f"{min(row['dice_vote'] for row in study.per_case):.2f}")
    assert len(content.figures) == 6
    assert all(len(row) == len(table.columns) for table in content.tables for row in table.rows)
    rows = study.rows()
    assert len(rows) == len(study.parts) * len(study.vote.dice)
    assert {"part", "dice", "dice_low", "difference_high"} <= set(rows[0])


def test_a_fitted_calibration_says_what_it_was_fitted_on(study, tmp_path):
    rows = [{**row, "id": f"{row['id']}-{copy}"} for copy in range(5) for row in study.per_case]
    many = replace(study, per_case=tuple(rows), cases=60, simulated=60)
    fitted = calibration_of(many, "split train")
    assert fitted.cases == 60
    assert f"60 images of {study.cohort} (split train) with simulated gaze" in fitted.source
    assert "appearance, grabcut, random_walk" in fitted.source


def test_the_command_writes_page_tables_and_json(cohort, tmp_path, capsys):
    code = main(
        [
            "study", "parts", str(cohort.folder), "--set", "labels.working_long_side_px=48", "--workers", "1",
            "--study-set", "resamples=30", "--study-set", "area_edges_frac=[0.1]", "--json", "--quiet",
            "--table", str(tmp_path / "t.csv"), "--case-table", str(tmp_path / "c.csv"), "--pictures", "1",
        ]
    )  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert said["cases"] == 12
    assert said["quality"]["meant"] == 0.8
    assert "per_case" not in said
    assert (cohort.folder / "study-parts.html").is_file()
    with (tmp_path / "c.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 12
    assert main(["study", "parts", str(cohort.folder), "--fit-calibration", str(tmp_path / "f.json"),
                 "--set", "labels.working_long_side_px=48", "--workers", "1", "--quiet"]) == 3  # fmt: skip
    assert "50 cases" in capsys.readouterr().err
    assert main(["study", "parts", str(cohort.folder), "--calibration", str(tmp_path / "none.json")]) == 3
