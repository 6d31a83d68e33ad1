from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.levels import LevelSettings, PseudoMask, make_levels
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
    settings = LevelSettings(sparse_background=low, comprehensive=middle, sparse_foreground=high)
    soft = np.random.default_rng(seed).random((5, 7)).astype(np.float32)
    mask = make_levels(soft, settings)
    for (i, j), value in np.ndenumerate(soft):
        assert (mask.sparse[i, j], mask.comprehensive[i, j]) == label_pixel(value, settings)
    assert np.all(mask.comprehensive[mask.sparse == FOREGROUND] == FOREGROUND)
    assert np.all(mask.comprehensive[mask.sparse == BACKGROUND] == BACKGROUND)
    assert mask.sparse_share == pytest.approx(np.mean(mask.sparse != IGNORE))


def test_thresholds_themselves_are_foreground_and_not_background():
    mask = make_levels(np.array([[0.5, 0.3, 0.1]]))
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
        {"sparse_background": 0.31},
        {"sparse_foreground": 0.29},
        {"comprehensive": 0.05},
        {"sparse_foreground": 1.1},
        {"comprehensive": 0},
        {"background": 0.1},
    ],
)
def test_thresholds_out_of_order_or_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        LevelSettings(**wrong)


def test_masks_of_different_shape_are_refused():
    with pytest.raises(DataError, match="one shape"):
        PseudoMask(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.uint8))
