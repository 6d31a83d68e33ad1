from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.noise import NoiseSettings, with_noise
from gaze_insight.types import Size


def reading(count: int = 40, seed: int = 0) -> Fixations:
    rng = np.random.default_rng(seed)
    duration = rng.uniform(80, 600, count)
    gap = rng.uniform(5, 60, count)
    start = 7 + np.cumsum(duration + gap) - (duration + gap)
    return Fixations(rng.random(count), rng.random(count), duration, start, "image_unit", annotator="zy")


def noisy(fixations: Fixations, seed: int = 1, others=(), **dials) -> Fixations:
    return with_noise(fixations, NoiseSettings(**dials), np.random.default_rng(seed), others)


def test_no_noise_changes_nothing():
    own = reading()
    assert noisy(own).to_rows() == own.to_rows()
    assert noisy(own).annotator == "zy"


def test_an_offset_moves_all_fixations_alike_by_its_length():
    own = reading()
    moved = noisy(own, offset_frac=0.07)
    dx, dy = moved.x - own.x, moved.y - own.y
    assert np.ptp(dx) < 1e-12
    assert np.ptp(dy) < 1e-12
    assert np.hypot(dx[0], dy[0]) == pytest.approx(0.07)
    np.testing.assert_array_equal(moved.start_ms, own.start_ms)


def test_the_direction_of_the_offset_is_uniform():
    own = reading(3)
    angles = [
        np.arctan2(*(np.array([m.y[0] - own.y[0], m.x[0] - own.x[0]])))
        for m in (noisy(own, seed, offset_frac=0.1) for seed in range(400))
    ]
    counts = np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0]
    assert counts.min() > 70


def test_jitter_has_the_wanted_spread_and_no_bias():
    own = reading(4000)
    moved = noisy(own, jitter_sd_frac=0.03)
    for error in (moved.x - own.x, moved.y - own.y):
        assert error.std() == pytest.approx(0.03, rel=0.05)
        assert abs(error.mean()) < 0.002
    assert abs(np.corrcoef(moved.x - own.x, moved.y - own.y)[0, 1]) < 0.06


def test_dropout_loses_the_wanted_share_and_leaves_the_rest_as_it_was():
    own = reading(3000)
    left = noisy(own, dropout=0.3)
    assert len(left) == pytest.approx(2100, abs=90)
    known = {tuple(row) for row in own.to_rows()}
    assert all(tuple(row) in known for row in left.to_rows())
    assert len(noisy(own, dropout=1.0)) == 0


def test_spurious_fixations_delay_what_follows_and_change_no_true_one():
    own = reading(20)
    more = noisy(own, extra=0.5)
    true = {(x, y): place for place, (x, y) in enumerate(zip(own.x, own.y, strict=True))}
    added = [place for place in range(len(more)) if (more.x[place], more.y[place]) not in true]
    assert len(more) == 30
    assert len(added) == 10
    assert 0 not in added
    assert set(more.duration_ms[added]) <= set(own.duration_ms)
    assert more.total_duration_ms == pytest.approx(own.total_duration_ms + more.duration_ms[added].sum())
    assert more.inside.all()
    delay = 0.0
    for place in range(len(more)):
        if place in added:
            delay += more.duration_ms[place]
        else:
            original = true[(more.x[place], more.y[place])]
            assert more.start_ms[place] == pytest.approx(own.start_ms[original] + delay)


def test_a_swap_takes_the_reading_of_another_image_with_its_chance():
    own, others = reading(5), [reading(6, seed) for seed in (8, 9)]
    taken = [noisy(own, seed, others, annotator_swap=0.4).to_rows() for seed in range(500)]
    kept = sum(rows == own.to_rows() for rows in taken)
    assert kept == pytest.approx(300, abs=45)
    assert all(any(rows == one.to_rows() for one in others) for rows in taken if rows != own.to_rows())
    with pytest.raises(DataError, match="needs readings of other images"):
        noisy(own, annotator_swap=0.1)


def test_equal_generators_give_nested_noise():
    own = reading(200)
    few, many = noisy(own, dropout=0.2), noisy(own, dropout=0.6)
    assert {tuple(row) for row in many.to_rows()} < {tuple(row) for row in few.to_rows()}
    near, far = noisy(own, jitter_sd_frac=0.01), noisy(own, jitter_sd_frac=0.04)
    np.testing.assert_allclose(far.x - own.x, 4 * (near.x - own.x), atol=1e-12)


@given(
    count=st.integers(0, 12),
    seed=st.integers(0, 99),
    extra=st.floats(0, 3),
    dropout=st.floats(0, 1),
    offset=st.floats(0, 1),
    jitter=st.floats(0, 1),
)
@settings(max_examples=30, deadline=None)
def test_any_noise_gives_a_valid_reading(count, seed, extra, dropout, offset, jitter):
    own = reading(count, seed)
    found = noisy(own, seed, extra=extra, dropout=dropout, offset_frac=offset, jitter_sd_frac=jitter)
    assert len(found) <= count + round(extra * count)
    assert found.frame == "image_unit"
    assert (np.diff(found.start_ms) >= 0).all()


def test_pixels_are_brought_to_fractions_and_other_frames_refused():
    pixels = Fixations.from_rows([(30, 10, 200, 0)], frame="image_px", image_size=Size(20, 60))
    assert noisy(pixels).to_rows() == [[0.5, 0.5, 200, 0]]
    with pytest.raises(DataError, match="screen_px"):
        noisy(Fixations.from_rows([(30, 10, 200, 0)], frame="screen_px"))


@pytest.mark.parametrize("bad", [{"dropout": 1.1}, {"extra": -0.1}, {"offset_frac": -1}, {"shift": 1}])
def test_impossible_dials_are_refused(bad):
    with pytest.raises(ValidationError):
        NoiseSettings(**bad)
