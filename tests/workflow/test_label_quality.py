"""Labels in a cohort's cache: keys, provenance, expected Dice and the list of what to look at again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.expected_dice import expected_dice, fit_calibration
from gaze_insight.pseudomask.look_again import LookAgainSettings
from gaze_insight.pseudomask.parts import PARTS, GrabCutPart, HeatPart, RandomWalkPart
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask, provenance
from gaze_insight.pseudomask.stored import made_by
from gaze_insight.workflow.label_quality import LabelQuality, score_labels
from gaze_insight.workflow.labelling import label, load_pseudo_mask, pseudo_mask_key

RECIPE = PseudoMaskSettings(working_long_side_px=48)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("label-quality")
    return import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))


def changed(**values) -> PseudoMaskSettings:
    return PseudoMaskSettings(**(RECIPE.model_dump() | values))


OTHERS = {
    "weight": changed(parts=(GrabCutPart(weight=2), RandomWalkPart())),
    "order": changed(parts=(RandomWalkPart(), GrabCutPart())),
    "part's own": changed(parts=(GrabCutPart(cut={"iterations": 3}), RandomWalkPart())),
    "part": changed(parts=(GrabCutPart(), HeatPart())),
    "prior": changed(parts=(GrabCutPart(), RandomWalkPart()), prior={"heat_weight": 1}),
    "selection": changed(parts=(GrabCutPart(), RandomWalkPart()), prior={"gaze": {"skip_first": 0}}),
    "levels": changed(parts=(GrabCutPart(), RandomWalkPart()), levels={"least_trust": 0.3}),
    "grid": changed(parts=(GrabCutPart(), RandomWalkPart()), working_long_side_px=32),
    "same": changed(parts=(GrabCutPart(), RandomWalkPart())),
}


def test_whatever_a_label_depends_on_changes_its_key(cohort):
    case = next(iter(cohort.cases.values()))
    keys = {name: pseudo_mask_key(cohort.derived, case, one) for name, one in OTHERS.items()}
    assert len(set(keys.values())) == len(OTHERS)
    same = changed(parts=({"kind": "grabcut"}, {"kind": "random_walk"}))
    assert pseudo_mask_key(cohort.derived, case, same) == keys["same"]
    moved = replace(case, fixations=Fixations.from_rows([(0.5, 0.5, 200.0, 0.0)]))
    assert pseudo_mask_key(cohort.derived, moved, same) != keys["same"]


def test_a_part_of_a_new_version_is_made_again_and_others_are_not(cohort, monkeypatch):
    case = next(iter(cohort.cases.values()))
    both = [OTHERS["same"], changed(parts=(RandomWalkPart(),))]
    before = [pseudo_mask_key(cohort.derived, case, one) for one in both]
    monkeypatch.setitem(PARTS._entries, "grabcut", replace(PARTS["grabcut"], version=99))
    after = [pseudo_mask_key(cohort.derived, case, one) for one in both]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_artefact_holds_the_label_and_its_provenance(cohort):
    cases = list(cohort.cases.values())[:3]
    assert label(cohort, RECIPE, cases=cases, workers=1).made == 3
    assert label(cohort, RECIPE, cases=cases, workers=1).cached == 3
    for case in cases:
        stored = cohort.derived.get_arrays("pseudomask", pseudo_mask_key(cohort.derived, case, RECIPE))
        assert made_by(stored) == provenance(RECIPE)
        expected = make_pseudo_mask(case.read_image(), case.fixations, RECIPE)
        found = load_pseudo_mask(cohort, case, RECIPE)
        np.testing.assert_array_equal(found.sparse, expected.sparse)
        assert dict(found.features) == dict(expected.features)


def test_each_case_with_gaze_has_a_score(cohort):
    first = next(iter(cohort.cases.values()))
    cases = [replace(first, fixations=None), *list(cohort.cases.values())[1:]]
    seen = []
    quality = score_labels(
        cohort, RECIPE, cases=cases, progress=lambda what, done, total: seen.append((done, total))
    )
    assert [row.id for row in quality.labels] == [case.id for case in cases[1:]]
    assert seen[-1] == (12, 12)
    for row, case in zip(quality.labels, cases[1:], strict=True):
        mask = load_pseudo_mask(cohort, case, RECIPE)
        assert row.expected == expected_dice(mask.features)
        assert row.area_frac == mask.comprehensive.mean()
        assert row.trusted_share == mask.sparse_share
        ends = case.fixations.start_ms + case.fixations.duration_ms
        assert row.seconds == pytest.approx((ends.max() - case.fixations.start_ms.min()) / 1000)
    known = [row.expected.mean for row in quality.labels]
    assert quality.expected_mean == pytest.approx(sum(known) / len(known))
    rates = [row.gain_per_s for row in quality.look_again]
    assert rates == sorted(rates, reverse=True)
    assert {row.id for row in quality.look_again} <= {row.id for row in quality.labels}


def test_costs_and_calibration_are_the_callers(cohort):
    cases = list(cohort.cases.values())
    features = [load_pseudo_mask(cohort, case, RECIPE).features for case in cases] * 5
    flat = fit_calibration(features, np.full(len(features), 0.6))
    quality = score_labels(
        cohort, RECIPE, calibration=flat, look_again=LookAgainSettings(drawing_s=10, drawn_dice=0.9)
    )
    assert {row.expected.mean for row in quality.labels} == {0.6}
    assert {row.action for row in quality.look_again} == {"draw"}
    assert [row.gain_per_s for row in quality.look_again] == pytest.approx([0.03] * len(cases))


def test_a_recipe_of_one_part_has_labels_without_an_expectation(cohort):
    quality = score_labels(cohort, changed(parts=(HeatPart(),)), cases=list(cohort.cases.values())[:2])
    assert [row.expected for row in quality.labels] == [None, None]
    assert quality.look_again == []
    assert quality.expected_mean is None


def test_no_cases_have_no_quality(cohort):
    assert score_labels(cohort, RECIPE, cases=[]) == LabelQuality()
