"""What tells of a label's quality: each feature against its words, pixel by pixel."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pseudomask_making import ellipse, evidence_of, gaze_on, painted

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.features import FEATURES, label_features
from gaze_insight.pseudomask.recipe import make_pseudo_mask, vote
from gaze_insight.types import Size

SHARES = ["agreement", "least_agreement", "prior_agreement", "certainty", "outlier_share", "looked_inside"]
SIZE = Size(24, 32)
IMAGE = painted(ellipse(SIZE, 0.5, 0.5, 0.3, 0.3), [180, 90, 80], [90, 60, 60], noise=9)
GAZE = Fixations.from_rows([*gaze_on(0.5, 0.5, 0.2, 0.2).to_rows(), (0.02, 0.98, 300.0, 9000.0)])


def overlap(one: set, other: set) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.0


def pixels(mask: np.ndarray) -> set:
    return {place for place, value in np.ndenumerate(mask) if value >= 0.5}


@pytest.mark.parametrize("seed", range(4))
def test_each_feature_is_what_it_says(seed):
    rng = np.random.default_rng(seed)
    evidence = evidence_of(IMAGE, GAZE, long_side_px=32)
    parts = {name: rng.random(SIZE).astype(np.float32) for name in "abc"}
    soft = vote(list(parts.values()), [1, 2, 1])
    found = label_features(parts, soft, evidence)
    assert list(found) == list(FEATURES)
    sets, mask = [pixels(part) for part in parts.values()], pixels(soft)
    pairs = [overlap(one, other) for one, other in combinations(sets, 2)]
    assert found["agreement"] == pytest.approx(sum(pairs) / 3)
    assert found["least_agreement"] == pytest.approx(min(pairs))
    assert found["prior_agreement"] == pytest.approx(overlap(mask, pixels(evidence.prior)))
    anywhere = set.union(*sets)
    certain = [abs(2 * float(soft[place]) - 1) for place in anywhere]
    assert found["certainty"] == pytest.approx(sum(certain) / len(certain), abs=1e-5)
    assert found["log_area"] == pytest.approx(math.log(len(mask) / (24 * 32)))
    inside = int((evidence.distance > 0).sum())
    assert found["log_hull"] == pytest.approx(math.log(math.sqrt(inside / math.pi) / 32))
    counted = evidence.gaze.fixations
    assert found["log_count"] == pytest.approx(math.log(len(counted)))
    assert found["outlier_share"] == evidence.gaze.left_out["outlier"] / len(GAZE)
    assert evidence.gaze.left_out["outlier"] >= 1
    time = {True: 0.0, False: 0.0}
    for x, y, duration in zip(counted.x, counted.y, counted.duration_ms, strict=True):
        time[(min(23, int(y * 24)), min(31, int(x * 32))) in mask] += duration
    assert found["looked_inside"] == pytest.approx(time[True] / sum(time.values()))


def test_the_colour_step_is_measured_in_units_of_the_spread():
    evidence = evidence_of(IMAGE, GAZE, long_side_px=32)
    truth = ellipse(SIZE, 0.5, 0.5, 0.3, 0.3)
    soft = truth.astype(np.float32)
    near = ~truth & (evidence.distance > -(0.1 + evidence.radius_frac))
    total = 0.0
    for channel in range(3):
        one, other = (evidence.image[..., channel][where].astype(float) for where in (truth, near))
        spread = math.sqrt((one.var() + other.var()) / 2) + 1
        total += ((one.mean() - other.mean()) / spread) ** 2
    assert label_features({"a": soft, "b": soft}, soft, evidence)["colour_step"] == pytest.approx(
        math.sqrt(total)
    )
    off = np.roll(soft, 8, axis=1)
    assert label_features({"a": off, "b": off}, off, evidence)["colour_step"] < math.sqrt(total)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_features_are_finite_and_in_range_whatever_the_masks(seed, low, high):
    rng = np.random.default_rng(seed)
    evidence = evidence_of(IMAGE, GAZE, long_side_px=32)
    low, high = sorted((low, high))
    parts = {name: rng.uniform(low, high, SIZE).astype(np.float32) for name in "ab"}
    soft = vote(list(parts.values()), [1, 1])
    found = label_features(parts, soft, evidence)
    assert all(math.isfinite(value) for value in found.values())
    assert all(0 <= found[name] <= 1 for name in SHARES)
    assert found["log_area"] <= 0
    assert found["colour_step"] >= 0


def test_parts_that_agree_on_nothing_do_not_agree():
    evidence = evidence_of(IMAGE, GAZE, long_side_px=32)
    nothing = np.zeros(SIZE, np.float32)
    found = label_features({"a": nothing, "b": nothing}, nothing, evidence)
    assert found["agreement"] == found["least_agreement"] == found["certainty"] == 0
    assert found["log_area"] == pytest.approx(-math.log(nothing.size))


def test_a_part_alone_has_no_features():
    evidence = evidence_of(IMAGE, GAZE, long_side_px=32)
    assert label_features({"a": evidence.prior}, evidence.prior, evidence) == {}


def test_a_clear_lesion_has_better_features_than_noise():
    truth = ellipse(Size(72, 96), 0.5, 0.5, 0.25, 0.25)
    noise = np.random.default_rng(0).integers(0, 255, (72, 96, 3)).astype(np.uint8)
    clear, lost = (
        make_pseudo_mask(image, gaze_on(0.5, 0.5, 0.25, 0.25)).features
        for image in (painted(truth, [200, 110, 90], [110, 70, 60], noise=4), noise)
    )
    for name in ("agreement", "certainty", "colour_step"):
        assert clear[name] > lost[name], name
