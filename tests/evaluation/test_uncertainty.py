"""Fit and check of one output on drawn cases whose probabilities are known to be right or wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.evaluation.uncertainty import (
    MeasuredCase,
    UncertaintySettings,
    fit_head,
    groups_of,
    measure_case,
)
from gaze_insight.evaluation.uncertainty_check import check_head, measured_share

SIDE = 40


def drawn_case(seed: int, temperature: float = 1.0, patient: str | None = None) -> MeasuredCase:
    """A disc that is hidden more or less well; the truth is drawn from the right probability."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE]
    radius, blur = rng.uniform(6, 13), rng.uniform(0.5, 4)
    centre = rng.uniform(14, 26, 2)
    odds = (radius - np.hypot(down - centre[0], across - centre[1])) / blur
    noise = gaussian_filter(rng.logistic(size=(SIDE, SIDE)), 2.0, mode="wrap")
    truth = odds + logit(rng.uniform(0.02, 0.98)) * 0.5 + noise > 0
    return measure_case(expit(odds * temperature), truth, id=str(seed), patient=patient)


@pytest.fixture(scope="module")
def cases() -> list[MeasuredCase]:
    return [drawn_case(seed, 0.5) for seed in range(240)]


@pytest.fixture(scope="module")
def found(cases):
    fitted = fit_head(cases[:80], source="drawn")
    return fitted, check_head(cases[80:], fitted, resamples=100)


def test_temperature_makes_probabilities_right(found):
    fitted, facts = found
    assert fitted.temperature < 0.9
    for region in ("image", "outline"):
        place = facts["pixels"][region]
        assert place["after"]["ece"] < place["before"]["ece"]
        assert place["after"]["nll"] < place["before"]["nll"]
        assert place["ece_change_ci95"][1] < 0
        low, high = place["after"]["ece_ci95"]
        assert low <= high
        assert place["cases"] == 160


def test_the_promises_hold_on_other_cases(found):
    _, facts = found
    for name in ("missed", "contains"):
        assert facts[name]["kept"]
        assert facts[name]["risk"] <= facts[name]["risk_of_prediction"]
        assert facts[name]["area_ratio_median"] >= 1
    assert facts["expected_dice"]["kept"]
    assert facts["expected_dice"]["spearman"] > 0.3


def test_each_figure_is_that_of_a_literal_loop(cases, found):
    fitted, facts = found
    rows = facts["cases"]
    level = fitted.contains.level
    outside = [1 - case.lesion_levels[: level + 1].sum() / case.lesion_levels.sum() for case in cases[80:]]
    assert facts["contains"]["risk"] == pytest.approx(np.mean([one > 0.1 for one in outside]))
    assert [row["outside_contains"] for row in rows] == pytest.approx(outside)
    ratios = [case.all_levels[: level + 1].sum() / case.predicted for case in cases[80:]]
    assert facts["contains"]["area_ratio_median"] == pytest.approx(np.median(ratios))
    assert facts["dice"]["mean"] == pytest.approx(np.mean([row["dice"] for row in rows]))
    held = [row["low"] - 1e-9 <= row["dice"] <= row["high"] + 1e-9 for row in rows]
    assert facts["expected_dice"]["coverage"]["share"] == pytest.approx(np.mean(held))
    order = sorted(rows, key=lambda row: -row["confidence"])[:128]
    assert facts["selective"]["dice_kept"] == pytest.approx(np.mean([row["dice"] for row in order]))
    used = [row["dice"] for row in rows if not row["asked"]]
    assert facts["asked_human"]["dice_used"] == pytest.approx(np.mean(used))
    assert facts["asked_human"]["cases"] == len(rows) - len(used)


def test_everything_is_plain_json(found):
    fitted, facts = found
    assert json.loads(json.dumps(facts, allow_nan=False))["n"] == 160
    assert type(fitted).model_validate_json(fitted.model_dump_json()) == fitted


def test_the_fit_is_the_same_each_time(cases, found):
    assert fit_head(cases[:80], source="drawn") == found[0]


def test_about_the_asked_share_of_the_fitted_cases_is_kept(cases):
    fitted = fit_head(cases[:80], UncertaintySettings(keep_frac=0.6))
    facts = check_head(cases[80:], fitted, resamples=5)
    assert 0.25 < facts["asked_human"]["share"] < 0.55
    assert fit_head(cases[:80], UncertaintySettings(least_dice=0.77)).least == 0.77


def test_few_cases_give_no_interval_and_say_so(cases):
    fitted = fit_head(cases[:20])
    assert fitted.dice is None
    limited = fit_head(cases[:20], UncertaintySettings(least_dice=0.9))
    assert limited.least == fitted.least
    assert any("limit of 0.9 is not used" in note for note in limited.notes)
    assert any("51 cases" in note for note in fitted.notes)
    facts = check_head(cases[80:100], fitted, resamples=5)
    assert facts["expected_dice"] is None
    assert 0 < facts["asked_human"]["share"] < 0.6
    tiny = fit_head(cases[:5])
    assert tiny.missed.whole_image
    assert not tiny.contains.enough
    assert sum("needs 9 cases, found 5" in note for note in tiny.notes) == 2


def test_patients_are_the_units_of_promises(cases):
    again = [drawn_case(seed, 0.5, patient=f"p{seed // 4}") for seed in range(80)]
    fitted = fit_head(again)
    assert fitted.missed.cases == 20
    assert check_head(again, fitted, resamples=20)["groups"] == 20
    assert groups_of(cases) is None
    mixed = [again[0], cases[5]]
    assert groups_of(mixed) == ["p0", ("case", "5")]


def test_a_case_without_lesion_or_prediction_is_measured():
    flat = measure_case(np.full((20, 20), 0.1), np.zeros((20, 20), bool), id="a")
    assert (flat.dice, flat.predicted, int(flat.outline.sum())) == (1.0, 0, 0)
    facts = check_head([flat], fit_head([flat]), resamples=5)
    assert facts["asked_human"]["cases"] == 1
    assert "before" not in facts["pixels"]["outline"]
    assert facts["missed"]["area_ratio_median"] is None


def test_no_case_is_refused(cases):
    with pytest.raises(DataError, match="cases"):
        fit_head([])
    with pytest.raises(DataError, match="cases to check"):
        check_head([], fit_head(cases[:10]))


def test_shares_come_with_honest_intervals():
    assert measured_share(np.zeros(30, bool), None)["ci95"] == pytest.approx([0.0, 0.1157], abs=1e-3)
    grouped = measured_share(np.arange(40) % 2 == 0, [i // 2 for i in range(40)])
    assert grouped["ci95"] == [0.5, 0.5]
