from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.levels import LevelSettings, PseudoMask, make_levels, trust_map
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE


def label_pixel(value: float, settings: LevelSettings) -> tuple[int, int]:
    sparse = IGNORE
    if value >= settings.sparse_foreground:
        sparse = FOREGROUND
    elif value < settings.sparse_background:
        sparse = BACKGROUND
    return sparse, FOREGROUND if value >= settings.comprehensive else BACKGROUND


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.integers(0, 10_000))
def test_levels_equal_a_literal_loop_and_are_nested(thresholds, seed):
    low, middle, high = sorted(max(value, 1e-6) for value in thresholds)
    settings = LevelSettings(
        sparse="thresholds", sparse_background=low, comprehensive=middle, sparse_foreground=high
    )
    soft = np.random.default_rng(seed).random((5, 7)).astype(np.float32)
    mask = make_levels(soft, settings=settings)
    for (i, j), value in np.ndenumerate(soft):
        assert (mask.sparse[i, j], mask.comprehensive[i, j]) == label_pixel(value, settings)
    assert np.all(mask.comprehensive[mask.sparse == FOREGROUND] == FOREGROUND)
    assert np.all(mask.comprehensive[mask.sparse == BACKGROUND] == BACKGROUND)
    assert mask.sparse_share == pytest.approx(np.mean(mask.sparse != IGNORE))


def test_thresholds_themselves_are_foreground_and_not_background():
    mask = make_levels(np.array([[0.5, 0.3, 0.1]]), settings=LevelSettings.papers())
    assert mask.sparse.tolist() == [[FOREGROUND, IGNORE, IGNORE]]
    assert mask.comprehensive.tolist() == [[FOREGROUND, FOREGROUND, BACKGROUND]]


def test_nothing_is_known_where_nobody_looked():
    mask = make_levels(np.zeros((4, 6)))
    assert np.all(mask.sparse == IGNORE)
    assert np.all(mask.comprehensive == BACKGROUND)
    assert mask.sparse_share == 0.0


def test_an_array_without_pixels_gives_masks_without_pixels():
    mask = make_levels(np.zeros((0, 3)))
    assert mask.soft.shape == mask.sparse.shape == mask.comprehensive.shape == (0, 3)
    assert mask.sparse_share == 0.0


def test_types_are_small():
    mask = make_levels(np.full((2, 2), 0.6))
    assert (mask.soft.dtype, mask.sparse.dtype, mask.comprehensive.dtype) == (np.float32, np.uint8, np.uint8)


@pytest.mark.parametrize(
    "soft", [np.zeros(4), np.full((2, 2), 1.2), np.full((2, 2), np.nan), np.full((2, 2), -0.1)]
)
def test_a_soft_map_that_is_no_map_is_refused(soft):
    with pytest.raises(DataError, match=r"soft must be \(h, w\)"):
        make_levels(soft)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sparse_background": 0.51},
        {"sparse_foreground": 0.29},
        {"least_trust": 1.0},
        {"sparse": "parts"},
        {"comprehensive": 0.05},
        {"sparse_foreground": 1.1},
        {"comprehensive": 0},
        {"background": 0.1},
    ],
)
def test_thresholds_out_of_order_or_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        LevelSettings(**wrong)


def trust_pixel(votes: list[float], soft: float) -> float:
    """Probability of the vote's label, by the least sure voter, on a scale from a coin to certainty."""
    of_label = [vote if soft >= 0.5 else 1 - vote for vote in [*votes, soft]]
    return max(0.0, 2 * min(of_label) - 1)


@given(st.integers(0, 4), st.integers(0, 10_000), st.floats(0, 0.99))
def test_trust_and_what_is_labelled_by_it_equal_a_literal_loop(count, seed, least):
    rng = np.random.default_rng(seed)
    votes, soft = list(rng.random((count, 5, 7))), rng.random((5, 7)).round(2)
    trust = trust_map(votes, soft)
    assert trust.dtype == np.float32
    mask = make_levels(soft, trust, LevelSettings(least_trust=least, comprehensive=0.5))
    for place, value in np.ndenumerate(soft):
        expected = trust_pixel([vote[place] for vote in votes], value)
        assert trust[place] == pytest.approx(expected, abs=1e-6)
        label = IGNORE if trust[place] < least else FOREGROUND if value >= 0.5 else BACKGROUND
        assert mask.sparse[place] == label
    assert np.all(mask.comprehensive[mask.sparse == FOREGROUND] == FOREGROUND)
    assert np.all(mask.comprehensive[mask.sparse == BACKGROUND] == BACKGROUND)


def test_more_trust_asked_labels_fewer_pixels():
    rng = np.random.default_rng(0)
    soft = rng.random((20, 30))
    trust = trust_map(list(np.clip(soft + rng.normal(0, 0.1, (3, 20, 30)), 0, 1)), soft)
    shares = [
        make_levels(soft, trust, LevelSettings(least_trust=least)).sparse_share
        for least in (0.0, 0.3, 0.6, 0.9)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert len(set(shares)) == 4


def test_a_contradiction_and_no_gaze_are_not_trusted():
    assert trust_map([np.array([[0.0]])], np.array([[0.9]])) == 0
    nothing = make_levels(np.zeros((2, 3)), np.ones((2, 3)))
    assert not nothing.trust.any()


def test_a_trust_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"trust must be \(2, 3\) as soft is, found \(3, 2\)"):
        make_levels(np.ones((2, 3)), np.ones((3, 2)))


@pytest.mark.parametrize("wrong", ["soft", "sparse", "comprehensive", "trust", "parts"])
def test_masks_of_different_shape_are_refused(wrong):
    maps = {
        "soft": np.zeros((2, 2), np.float32),
        "sparse": np.zeros((2, 2), np.uint8),
        "comprehensive": np.zeros((2, 2), np.uint8),
        "trust": np.zeros((2, 2), np.float32),
    }
    other = np.zeros((2, 3))
    with pytest.raises(DataError, match="one shape"):
        PseudoMask(**(maps | {wrong: {"heat": other} if wrong == "parts" else other}))
