"""From attention to regions: the formula, what decides, and that no side is invented."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gaze_insight.chest.grounding import confidence_weight, ground
from gaze_insight.chest.priors import load_priors, parse_priors, prior_of
from gaze_insight.chest.region_agreement import region_agreement
from gaze_insight.chest.region_scores import GroundingSettings, focus_of, score_regions
from gaze_insight.chest.regions import RegionSet, all_regions, box_mask
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError
from gaze_insight.types import Size

FINDINGS = sorted(load_priors().findings)
maps = arrays(np.float64, (6, 5), elements=st.floats(0, 10))


def spot(x: float, y: float, grid: int = 20) -> np.ndarray:
    at = (np.arange(grid) + 0.5) / grid
    return np.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / 0.005) + 1e-3


@settings(max_examples=30, deadline=None)
@given(maps, st.sampled_from(FINDINGS), st.floats(0, 5), st.sampled_from(["lift", "share"]))
def test_scores_are_those_of_the_formula_written_out(attention, finding, beta, mass):
    prior = prior_of(finding)
    chosen = GroundingSettings(beta=beta, mass=mass)
    found = {one.name: one for one in score_regions(prior, attention, (), finding, chosen)}
    total = attention.sum()
    raw = {}
    for region in RegionSet("egd17").regions:
        cover = box_mask(region.box, Size(6, 5))
        inside = sum(
            cover[i, j] * attention[i, j] / total if total > 0 else cover[i, j] / 30
            for i in range(6)
            for j in range(5)
        )
        gained = inside / cover.mean() if mass == "lift" else inside
        raw[region.name] = prior.regions.get(region.base, 0.0) * (1 + beta * gained)
    whole = sum(raw.values())
    for name, value in raw.items():
        assert found[name].score == pytest.approx(value / whole if whole else 0.0, abs=1e-6)


@pytest.mark.parametrize("finding", FINDINGS)
def test_an_even_map_leaves_the_prior_and_names_no_side(finding):
    even = ground(finding, np.full((9, 7), 0.2))
    none = ground(finding, None)
    assert even.provenance == none.provenance == "prior"
    assert even.side is None
    assert none.side is None
    assert [one.score for one in even.scores] == pytest.approx([one.score for one in none.scores], abs=1e-6)
    assert "even" in even.why


def test_attention_decides_where_it_stands_out():
    found = ground("Pleural Effusion", spot(0.15, 0.78))
    assert (found.provenance, found.side) == ("attention", "right")
    assert found.regions[0].name == "right costophrenic angle"
    assert found.regions[0].lift > 5
    assert all("left" not in one.name for one in found.regions)
    both = ground("Pleural Effusion", spot(0.15, 0.78) + spot(0.85, 0.78))
    assert both.side == "bilateral"
    assert {one.name for one in both.regions[:2]} == {"left costophrenic angle", "right costophrenic angle"}


def test_a_nearly_even_map_does_not_choose_among_the_usual_places():
    tilted = np.full((9, 7), 1.0)
    tilted[5:] = 1.05
    found = ground("Lung Lesion", tilted)
    assert found.provenance == "prior"
    assert {one.name for one in found.regions} == {f"{side} {found.usual}" for side in ("left", "right")}
    assert found.scores[0].name not in {one.name for one in found.regions}


def test_attention_at_an_unusual_place_does_not_name_the_usual_one_as_seen():
    found = ground("Cardiomegaly", spot(0.2, 0.15))
    assert found.provenance == "prior"
    assert "does not stand out" in found.why


@settings(max_examples=60, deadline=None)
@given(maps, st.sampled_from(FINDINGS))
def test_named_regions_are_lit_and_midline_findings_get_no_side(attention, finding):
    found = ground(finding, attention)
    if found.provenance == "attention":
        assert all(one.lift >= 1.25 and one.prior > 0 for one in found.regions)
        assert found.regions
    else:
        assert found.side is None
    if prior_of(finding).laterality == "midline":
        assert found.side is None
    known = RegionSet("egd17")
    if found.side in ("left", "right"):
        assert all(known[one.name].side in (found.side, "midline") for one in found.regions)


@settings(max_examples=40, deadline=None)
@given(maps, st.sampled_from(FINDINGS))
def test_a_mirrored_map_with_mirrored_boxes_names_the_other_side(attention, finding):
    other = {"left": "right", "right": "left"}
    turned = []
    for region in all_regions():
        words = region.name.split()
        name = " ".join(other.get(word, word) for word in words) if region.side != "midline" else region.name
        x0, y0, x1, y1 = region.box
        turned.append(ChestBox(name, "region", 1 - x1, y0, 1 - x0, y1))
    here = ground(finding, attention)
    there = ground(finding, attention[:, ::-1], boxes=turned)
    assert there.provenance == here.provenance
    assert there.side == (None if here.side is None else other.get(here.side, here.side))


def test_a_box_of_the_finding_outweighs_attention():
    box = ChestBox("Effusion", "finding", 0.75, 0.68, 0.95, 0.85, shape="ellipse")
    found = ground("Pleural Effusion", spot(0.15, 0.78), boxes=[box])
    assert (found.provenance, found.side) == ("box", "left")
    assert found.regions[0].name == "left costophrenic angle"
    assert found.regions[0].coverage > 0.7
    of_another = ground(
        "Pleural Effusion", spot(0.15, 0.78), boxes=[ChestBox("Edema", "finding", 0, 0, 1, 1)]
    )
    assert of_another.provenance == "attention"
    outside = ChestBox("Cardiomegaly", "finding", 0.1, 0.1, 0.3, 0.3)
    assert "not usual" in ground("Cardiomegaly", None, boxes=[outside]).why


def test_a_finding_that_the_book_lacks_gets_a_region_by_attention_only():
    assert ground("Aortic_Calcification", None).provenance is None
    assert ground("Aortic_Calcification", None).regions == ()
    lit = ground("Aortic_Calcification", spot(0.51, 0.27))
    assert lit.provenance == "attention"
    assert {"trachea", "upper mediastinum"} & {one.name for one in lit.regions}


def test_wrong_maps_are_refused():
    for bad in (np.zeros(3), np.zeros((0, 3)), np.full((2, 2), np.nan), -np.ones((2, 2))):
        with pytest.raises(DataError, match="attention map"):
            ground("Edema", bad)
    assert ground("Edema", np.zeros((3, 3))).provenance == "prior"
    assert focus_of(np.zeros((3, 3))) == 0


def test_confidence_is_one_of_two_weights():
    assert confidence_weight(0.4, 0.4, "above_threshold") == 0
    assert confidence_weight(0.1, 0.4, "above_threshold") == 0
    assert confidence_weight(1.0, 1.0, "above_threshold") == 1
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        confidence_weight(1.2, 0.4)


def test_the_book_is_whole_and_a_wrong_one_is_told():
    book = load_priors()
    assert len(book.findings) == 17
    assert any(prior.negate for prior in book.findings.values())
    for name, prior in book.findings.items():
        assert max(prior.regions.values()) <= 1, name
        assert sum(prior.weights(RegionSet("egd17")).values()) > 0, name
        assert set(prior.unspoken) <= {one.base for one in all_regions()}
    good = book.model_dump(mode="json")
    for change, told in (
        ({"regions": {"left lung": 1}}, "without side"),
        ({"regions": {"lung": 1.5}}, r"\[0, 1\]"),
        ({"phrases": {"absent": "No {thing}."}}, "slots"),
        ({"laterality": "both"}, "laterality"),
    ):
        wrong = good | {"findings": {"Edema": good["findings"]["Edema"] | change}}
        with pytest.raises(DataError, match=told):
            parse_priors(wrong)
    with pytest.raises(DataError, match="no phrase for definite"):
        parse_priors(good | {"phrases": {"probable": "a", "possible": "b", "absent": "c"}})


def test_agreement_shares_ties_of_the_prior_and_scores_sides():
    prior, seen = ground("Pleural Effusion", None), ground("Pleural Effusion", spot(0.85, 0.78))
    left, right = (0.85, 0.78), (0.15, 0.78)
    assert region_agreement(prior, [left]).first == region_agreement(prior, [right]).first == 0.5
    assert region_agreement(prior, [left]).named == 1.0
    assert np.isnan(region_agreement(prior, [left]).side)
    assert region_agreement(seen, [left]).first == 1.0
    assert region_agreement(seen, [left]).side == 1.0
    assert region_agreement(seen, [right]).first == 0.0
    assert region_agreement(seen, [left, right]).side == 0.0
    assert np.isnan(region_agreement(ground("Unheard of", None), [left]).first)
    with pytest.raises(DataError, match="at least one place"):
        region_agreement(prior, [])
