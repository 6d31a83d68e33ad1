from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.levels import LevelSettings, PseudoMask, make_levels
from gaze_insight.pseudomask.refinement import NETWORK_PART, RefinementSettings, refined_mask
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE


def random_vote(seed: int, shape: tuple[int, int] = (4, 6)) -> PseudoMask:
    rng = np.random.default_rng(seed)
    parts = {name: rng.random(shape).astype(np.float16) for name in ("grabcut", "random_walk")}
    soft = np.mean([part.astype(np.float32) for part in parts.values()], axis=0)
    mask = make_levels(soft)
    return PseudoMask(mask.soft, mask.sparse, mask.comprehensive, mask.trust, parts, {"agreement": 0.7})


def logit(value: float) -> float:
    inside = min(max(value, 1e-7), 1 - 1e-7)
    return math.log(inside / (1 - inside))


def cut(value: float, largest: float) -> float:
    return min(max(value, -largest), largest)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@settings(max_examples=25)
@given(
    st.integers(0, 10_000), st.floats(0, 1), st.floats(0.2, 5), st.floats(0.5, 12),
    st.sampled_from(["agreement", "fused"]),
)  # fmt: skip
def test_mean_logit_and_its_trust_equal_a_literal_loop(seed, weight, temperature, largest, trust):
    how = RefinementSettings(
        network_weight=weight, temperature=temperature, largest_logit=largest, trust=trust
    )
    vote = random_vote(seed)
    network = np.random.default_rng(seed + 1).choice([0.0, 1.0, 0.3, 0.8, 0.5], vote.soft.shape)
    refined = refined_mask(vote, network, how)
    for place, prob in np.ndenumerate(network):
        own = cut(logit(prob) / temperature, largest)
        joined = sigmoid(weight * own + (1 - weight) * cut(logit(float(vote.soft[place])), largest))
        assert refined.soft[place] == pytest.approx(joined, abs=1e-5)
        lesion = refined.soft[place] >= 0.5
        voters = [joined if lesion else 1 - joined]
        if trust == "agreement":
            said = [
                sigmoid(own),
                float(vote.soft[place]),
                *(float(part[place]) for part in vote.parts.values()),
            ]
            voters += [value if lesion else 1 - value for value in said]
        assert refined.trust[place] == pytest.approx(
            max(0.0, min(2 * value - 1 for value in voters)), abs=1e-4
        )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_lesion_and_background_are_treated_alike(seed, weight):
    how, vote = RefinementSettings(network_weight=weight), random_vote(seed)
    network = np.random.default_rng(seed + 1).random(vote.soft.shape)
    one = refined_mask(vote, network, how)
    mirrored = make_levels(1 - vote.soft)
    parts = {name: (1 - part.astype(np.float32)).astype(np.float32) for name, part in vote.parts.items()}
    mirrored = PseudoMask(mirrored.soft, mirrored.sparse, mirrored.comprehensive, mirrored.trust, parts)
    other = refined_mask(mirrored, 1 - network, how)
    assert np.allclose(other.soft, 1 - one.soft, atol=1e-5)
    clear = np.abs(one.soft - 0.5) > 1e-4
    assert np.allclose(other.trust[clear], one.trust[clear], atol=1e-4)


def test_the_levels_are_those_of_the_run_and_parts_and_features_stay():
    vote = random_vote(3)
    network = np.random.default_rng(1).random(vote.soft.shape)
    levels = LevelSettings.papers()
    refined = refined_mask(vote, network, None, levels)
    expected = make_levels(refined.soft, refined.trust, levels)
    assert np.array_equal(refined.sparse, expected.sparse)
    assert np.array_equal(refined.comprehensive, expected.comprehensive)
    assert refined.features == vote.features
    assert set(refined.parts) == {"grabcut", "random_walk", NETWORK_PART}
    assert np.array_equal(refined.parts[NETWORK_PART], network.astype(np.float16))


def test_contradiction_of_network_and_vote_leaves_the_pixel_open():
    vote = make_levels(np.array([[0.95, 0.95, 0.05, 0.05]]))
    refined = refined_mask(vote, np.array([[0.9, 0.1, 0.1, 0.9]]))
    assert refined.sparse.tolist() == [[FOREGROUND, IGNORE, BACKGROUND, IGNORE]]
    assert refined.trust[0, 1] == refined.trust[0, 3] == 0


def test_the_ends_of_the_weight_are_the_vote_and_the_network():
    vote = random_vote(5)
    network = np.clip(np.random.default_rng(1).random(vote.soft.shape), 0.02, 0.98)
    for weight, expected in ((0.0, vote.soft), (1.0, network)):
        refined = refined_mask(vote, network, RefinementSettings(network_weight=weight))
        assert np.allclose(refined.soft, np.clip(expected, sigmoid(-4), sigmoid(4)), atol=1e-5)


def test_where_nobody_looked_the_network_speaks_and_nothing_is_trusted():
    nobody = make_levels(np.zeros((2, 3)))
    network = np.array([[0.9, 0.8, 0.1], [0.2, 0.6, 0.0]])
    refined = refined_mask(nobody, network)
    assert np.allclose(refined.soft, network)
    assert not refined.trust.any()
    assert (refined.sparse == IGNORE).all()
    assert refined.comprehensive.tolist() == [[1, 1, 0], [0, 1, 0]]
    assert not refined_mask(nobody, np.zeros((2, 3))).comprehensive.any()


def test_a_prediction_of_another_size_is_brought_to_the_grid():
    vote = make_levels(np.full((4, 6), 0.5, np.float32))
    how = RefinementSettings(network_weight=1.0)
    finer = np.kron(np.random.default_rng(0).uniform(0.05, 0.95, (4, 6)), np.ones((3, 3)))
    assert np.allclose(refined_mask(vote, finer, how).soft, finer[::3, ::3], atol=1e-5)
    flat = refined_mask(vote, np.full((2, 2), 0.8), how)
    assert flat.soft.shape == (4, 6)
    assert np.allclose(flat.soft, 0.8, atol=1e-5)


@pytest.mark.parametrize(
    "network", [np.zeros((2, 2, 1)), np.array([[1.2]]), np.array([[np.nan]]), np.zeros((0, 3))]
)
def test_what_is_no_prediction_is_refused(network):
    with pytest.raises(DataError, match="a prediction must be"):
        refined_mask(make_levels(np.array([[0.5]])), network)


@pytest.mark.parametrize("name", ["network_weight", "temperature", "largest_logit"])
def test_settings_without_effect_are_refused(name):
    with pytest.raises(ValidationError, match=f"{name} has no effect with fusion 'calibrated'"):
        RefinementSettings.model_validate({"fusion": "calibrated", name: 0.9})
    assert RefinementSettings(fusion="calibrated", trust="fused").fusion == "calibrated"
