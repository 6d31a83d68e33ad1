from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import map_coordinates

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.fusion import (
    REASONS,
    FusionCalibration,
    Gate,
    JointRule,
    fuse,
    joint_logit,
    shipped_fusion,
)
from gaze_insight.pseudomask.fusion_features import FUSION_FEATURES, fusion_features
from gaze_insight.pseudomask.fusion_fit import SHARES, FusionFitSettings, FusionRow, fit_fusion, fusion_row
from gaze_insight.pseudomask.levels import make_levels

UNIT = st.floats(0, 1, width=32)


def always(score: float) -> FusionCalibration:
    gate = Gate(features=("agreement",), mean=(0.0,), sd=(1.0,), weight=(0.0,), intercept=score)
    return FusionCalibration(alone=gate, cases=1)


def disc(side: int, row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] + 0.5
    return np.hypot(rows - row, columns - column) < radius


def test_the_fused_map_is_the_formula_pixel_by_pixel():
    rng = np.random.default_rng(0)
    network, soft = rng.uniform(0.02, 0.98, (5, 7)), rng.uniform(0.05, 0.95, (5, 7))
    rule = JointRule(network_weight=0.6, gaze_weight=1.3, bias=-0.2)
    gate = Gate(features=("agreement",), mean=(0.4,), sd=(0.2,), weight=(0.7,), intercept=-0.1)
    fused = fuse(network, make_levels(soft), FusionCalibration(joint=rule, alone=gate, cases=1))
    agreement = 2 * np.minimum(network, soft).sum() / (network.sum() + soft.sum())
    share = 1 / (1 + math.exp(-(-0.1 + 0.7 * (agreement - 0.4) / 0.2)))
    assert fused.gaze_share == pytest.approx(share, abs=1e-6)
    for place, prob in np.ndenumerate(network):
        own = math.log(prob / (1 - prob))
        vote = math.log(soft[place] / (1 - soft[place]))
        logit = (1 - share) * own + share * (0.6 * own + 1.3 * vote - 0.2)
        assert fused.probability[place] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-5)


def test_a_vote_on_another_grid_is_interpolated_between_pixel_centres():
    rng = np.random.default_rng(1)
    soft, network = rng.uniform(0.2, 0.8, (6, 8)).astype(np.float32), np.full((12, 24), 0.5)
    steps = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(network.shape, soft.shape, strict=True)]
    big = map_coordinates(soft, np.meshgrid(*steps, indexing="ij"), order=1, mode="nearest")
    assert np.allclose(joint_logit(network, soft), np.log(big / (1 - big)) + 0.1, atol=1e-4)
    assert fuse(network, make_levels(soft), always(2.0)).probability.shape == (12, 24)


def test_features_by_hand():
    network = np.array([[0.8, 0.6], [0.1, 0.0]], np.float32)
    vote = make_levels(np.array([[1.0, 0.0], [0.5, 0.0]]))
    found = fusion_features(network, vote)
    assert set(found) == set(FUSION_FEATURES)
    assert found["agreement"] == pytest.approx(2 * (0.8 + 0.1) / (1.5 + 1.5))
    assert found["vote_in_network"] == pytest.approx((0.8 + 0.05) / 1.5)
    assert found["network_in_vote"] == pytest.approx((0.8 + 0.05) / 1.5)
    assert found["log_area_ratio"] == pytest.approx(0.0, abs=1e-6)
    assert found["network_self"] == pytest.approx(2 * 1.4 / (1.5 + 2))
    assert found["vote_self"] == pytest.approx(2 * 1.5 / (1.5 + 2))
    assert found["network_sure"] == pytest.approx((0.6 + 0.2 + 0.8) / 3)
    assert found["network_most"] == pytest.approx(0.8)
    assert found["log_network_area"] == pytest.approx(math.log(1.5 / 4))
    assert found["trust"] == pytest.approx((1.0 + 0.0) / 2)
    assert math.isnan(found["label_agreement"])


def test_without_gaze_the_image_alone_and_why():
    network = np.random.default_rng(2).uniform(size=(4, 5)).astype(np.float32)
    for gaze, reason in ((None, "no_gaze"), (make_levels(np.zeros((3, 3))), "nothing_looked_at")):
        fused = fuse(network, gaze)
        assert np.array_equal(fused.probability, network)
        assert (fused.gaze_share, fused.reason) == (0.0, reason)
        assert "image alone" in REASONS[fused.reason]


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (6, 6), elements=UNIT), arrays(np.float32, (4, 5), elements=UNIT), UNIT)
def test_any_map_gives_a_probability_between_image_and_joint_rule(network, soft, agreement):
    gaze = make_levels(soft)
    fused = fuse(network, gaze, recording_agreement=float(agreement))
    assert fused.probability.dtype == np.float32
    assert np.isfinite(fused.probability).all()
    assert (fused.probability >= 0).all()
    assert (fused.probability <= 1).all()
    assert 0 <= fused.gaze_share <= 1
    if not soft.any():
        return
    own = np.clip(network.astype(float), 1 / (1 + math.exp(6)), 1 / (1 + math.exp(-6)))
    joint = 1 / (1 + np.exp(-joint_logit(network, gaze.soft)))
    low, high = np.minimum(own, joint), np.maximum(own, joint)
    assert (fused.probability >= low - 1e-5).all()
    assert (fused.probability <= high + 1e-5).all()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (5, 5), elements=st.floats(0.0, 0.5, width=32)),
    arrays(np.float32, (5, 5), elements=st.floats(0.0, 0.5, width=32)),
    arrays(np.float32, (5, 5), elements=UNIT),
)
def test_more_looking_never_lowers_a_pixel_at_a_given_share(less, more, network):
    low, high = make_levels(np.maximum(less, 1e-3)), make_levels(np.maximum(less, 1e-3) + more * 0.9)
    assert (
        fuse(network, high, always(0.3)).probability >= fuse(network, low, always(0.3)).probability - 1e-6
    ).all()


def test_a_share_of_nothing_is_the_mask_of_the_image_alone():
    rng = np.random.default_rng(3)
    network, vote = rng.uniform(size=(20, 20)), make_levels(rng.uniform(size=(20, 20)))
    assert np.array_equal(fuse(network, vote, always(-60.0)).probability > 0.5, network > 0.5)
    assert fuse(network, vote, always(-60.0)).reason == "little_gaze"


@pytest.mark.parametrize("network", [np.zeros((8, 8)), np.ones((8, 8))])
@pytest.mark.parametrize("soft", [np.full((8, 8), 1e-4), np.ones((8, 8))])
def test_maps_of_one_value(network, soft):
    for agreement in (None, 0.0, 1.0):
        fused = fuse(network, make_levels(soft), recording_agreement=agreement)
        assert np.isfinite(fused.probability).all()


GOOD = {
    "agreement": 0.93, "least_agreement": 0.9, "prior_agreement": 0.9, "certainty": 0.75, "log_area": -2.4,
    "log_hull": -2.0, "log_count": 3.2, "outlier_share": 0.0, "looked_inside": 0.97, "colour_step": 2.0,
}  # fmt: skip
POOR = GOOD | {
    "agreement": 0.7, "least_agreement": 0.6, "prior_agreement": 0.7, "certainty": 0.45,
    "looked_inside": 0.85, "colour_step": 0.7,
}  # fmt: skip


def test_the_shipped_fusion_believes_gaze_that_fits_and_not_gaze_elsewhere():
    network = np.where(disc(96, 42, 42, 14), 0.95, 0.03).astype(np.float32)
    shares = {}
    for name, mask, features in (
        ("fits", disc(96, 40, 40, 16), GOOD),
        ("elsewhere", disc(96, 76, 78, 14), POOR),
    ):
        levels = replace(make_levels(np.where(mask, 0.95, 0.02)), features=features)
        for agreement in (None, 0.78, 0.1):
            shares[name, agreement] = fuse(network, levels, recording_agreement=agreement).gaze_share
    assert shares["fits", None] > 0.5 > shares["elsewhere", None]
    assert shares["fits", 0.78] > 0.5 > 0.1 > shares["elsewhere", 0.1]
    assert shares["fits", 0.78] > shares["fits", 0.1]
    assert shipped_fusion().source
    assert shipped_fusion().cases >= 500


def test_the_shipped_gates_never_punish_gaze_for_fitting():
    for gate in (shipped_fusion().alone, shipped_fusion().recording):
        weights = dict(zip(gate.features, gate.weight, strict=True))
        for name in ("agreement", "vote_in_network", "network_in_vote", "trust", "label_agreement"):
            assert weights[name] >= 0
        assert weights["area_mismatch"] <= 0
    assert weights["recording_agreement"] > 1


@pytest.mark.parametrize(
    ("network", "agreement", "words"),
    [
        (np.zeros(4), None, "shape"),
        (np.full((2, 2), 1.5), None, "values outside"),
        (np.full((2, 2), np.nan), None, "values outside"),
        (np.zeros((2, 2)), 1.2, "recording_agreement"),
    ],
)
def test_what_cannot_be_fused_is_refused(network, agreement, words):
    with pytest.raises(DataError, match=words):
        fuse(network, None, recording_agreement=agreement)


def test_a_gate_names_a_missing_feature_and_refuses_lists_of_other_lengths():
    gate = Gate(features=("agreement",), mean=(0.0,), sd=(1.0,), weight=(1.0,), intercept=0.0)
    with pytest.raises(DataError, match="agreement"):
        gate.share({})
    with pytest.raises(ValueError, match="one length"):
        Gate(features=("a", "b"), mean=(0.0,), sd=(1.0,), weight=(1.0,), intercept=0.0)
    assert gate.share({"agreement": 1e9}) == pytest.approx(1 / (1 + math.exp(-3)))


def rows(count: int, seed: int = 0) -> list[FusionRow]:
    """Gaze whose agreement is high helps by 0.1, gaze whose agreement is low hurts by 0.3."""
    rng, made = np.random.default_rng(seed), []
    for case in range(count):
        for recorded in (True, False):
            agreement = float(rng.uniform(0.6, 0.9) if recorded else rng.uniform(0.1, 0.4))
            gain = 0.1 if recorded else -0.3
            dice = tuple(0.8 + gain * share for share in SHARES)
            made.append(FusionRow(str(case), str(recorded), recorded, {"agreement": agreement}, dice))
    return made


def test_the_fit_learns_when_to_believe_gaze():
    fitted = fit_fusion(rows(120), FusionFitSettings(ridge=1e-5))
    assert fitted.alone.share({"agreement": 0.75}) > 0.9 > 0.1 > fitted.alone.share({"agreement": 0.25})
    assert fitted.recording is not None
    assert fitted.recording.features == ("agreement", "recording_agreement")
    assert fitted.measured["recorded_image"] == pytest.approx(0.8)
    assert fitted.measured["recorded_joint"] == pytest.approx(0.9)
    assert fitted.measured["recorded_recording"] > 0.88
    assert fitted.measured["worse_recording"] > 0.79
    assert fitted == fit_fusion(rows(120), FusionFitSettings(ridge=1e-5))


def test_loss_aversion_makes_the_fit_more_careful():
    rng, made = np.random.default_rng(1), []
    for case in range(150):
        for recorded in (True, False):
            gain = float(rng.normal(0.02 if recorded else -0.02, 0.1))
            dice = tuple(0.8 + gain * share for share in SHARES)
            made.append(FusionRow(str(case), "", recorded, {"agreement": float(rng.uniform())}, dice))
    shares = [
        fit_fusion(made, FusionFitSettings(loss_aversion=kappa)).alone.share({"agreement": 0.5})
        for kappa in (0.0, 3.0)
    ]
    assert shares[1] < shares[0]


def test_a_row_tables_the_dice_of_each_share():
    network = np.where(disc(32, 12, 12, 6), 0.9, 0.1)
    truth, vote = disc(32, 14, 14, 8), make_levels(np.where(disc(32, 14, 14, 8), 0.99, 0.01))
    row = fusion_row(network, vote, truth, case="a", joint=JointRule(network_weight=0.3))
    for share, found in zip(SHARES, row.dice, strict=True):
        logit = np.log(network / (1 - network))
        vote_logit = np.clip(np.log(vote.soft.astype(float) / (1 - vote.soft.astype(float))), -3.9, 3.9)
        mask = (1 - share) * logit + share * (0.3 * logit + vote_logit + 0.1) > 0
        assert found == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    assert row.dice[-1] == 1.0


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(DataError, match="50 images"):
        fit_fusion(rows(20))
    with pytest.raises(DataError, match="made worse"):
        fit_fusion([row for row in rows(60) if row.as_recorded])
    with pytest.raises(DataError, match="differ in shape"):
        fusion_row(np.zeros((2, 2)), make_levels(np.ones((2, 2))), np.zeros((3, 3), bool), case="a")


def test_small_recordings_count_in_the_gate_without_recording_only():
    made = [FusionRow(r.case, r.case, r.as_recorded, r.features, r.dice) for r in rows(60)]
    fitted = fit_fusion(made)
    assert fitted.recording is None
    assert "recorded_recording" not in fitted.measured
