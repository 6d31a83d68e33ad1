from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings, detect_fixations, gaze_velocity
from gaze_insight.gaze.samples import Samples


def scan_path(t, seed=0, noise=0.02, still_ms=220.0):
    """Steps between random places (degrees) with a saccade of about 30 ms between, and noise."""
    rng = np.random.default_rng(seed)
    count = int(t[-1] // still_ms) + 2
    places = rng.uniform(3, 10, (count, 2)) * np.where(np.arange(count) % 2, 1, -1)[:, None]
    at = t / still_ms
    index = at.astype(int)
    blend = np.clip((at - index - 0.86) / 0.14, 0, 1)[:, None]
    xy = places[index] * (1 - blend) + places[index + 1] * blend
    return xy + rng.normal(0, noise, xy.shape)


def irregular_times(seed, count=300, low=2.0, high=14.0):
    return np.cumsum(np.random.default_rng(seed).uniform(low, high, count))


def test_two_places_with_a_gap():
    t = np.arange(0, 600, 2.0)
    x = np.where(t < 300, 1.0, 8.0)
    x[(t >= 100) & (t < 140)] = np.nan
    found = detect_fixations(Samples(t, x, 0 * t, "degrees", annotator="p"))
    assert found.x.tolist() == [1.0, 8.0]
    assert found.start_ms.tolist() == [0.0, 310.0]
    assert found.duration_ms.tolist() == [290.0, 290.0]
    assert (found.frame, found.annotator) == ("degrees", "p")


@pytest.mark.parametrize("kind", ["ivt", "idt"])
def test_a_long_loss_ends_a_fixation_and_a_short_one_does_not(kind):
    t = np.arange(0, 600, 2.0)
    for lost_ms, parts in ((70, 1), (80, 2)):
        x = np.where((t >= 200) & (t < 200 + lost_ms), np.nan, 3.0)
        rows = Samples(t, x, 0 * t, "degrees")
        holes = rows.select(~rows.lost)
        chosen = EventSettings(kind=kind)
        assert len(detect_fixations(rows, chosen)) == parts
        assert detect_fixations(holes, chosen).to_rows() == detect_fixations(rows, chosen).to_rows()


@pytest.mark.parametrize("kind", ["ivt", "idt"])
@pytest.mark.parametrize("hertz", [30, 60, 90, 120, 250, 500, 1000])
def test_a_jump_across_a_short_loss_is_no_fixation_in_between(kind, hertz):
    t = np.arange(0, 500, 1000 / hertz)
    x = np.where(t < 220, 1.0, 9.0)
    x[(t > 196) & (t < 250)] = np.nan
    rows = Samples(t, x, 0 * t, "degrees")
    found = detect_fixations(rows, EventSettings(kind=kind))
    assert found.x.tolist() == [1.0, 9.0]
    assert found.duration_ms.min() > 190
    assert detect_fixations(rows.select(~rows.lost), EventSettings(kind=kind)).x.tolist() == [1.0, 9.0]


@pytest.mark.parametrize("lost_ms", [12, 30, 70])
@pytest.mark.parametrize(
    ("jump", "changes", "parts"),
    [
        (0.4, {}, 1),
        (0.6, {}, 2),
        (2.0, {}, 2),
        (0.2, {"max_distance": 0}, 1),
        (2.9, {"max_distance": 0}, 2),
        (2.0, {"kind": "idt"}, 2),
        (0.9, {"kind": "idt"}, 1),
    ],
)
def test_a_small_jump_during_a_blink(lost_ms, jump, changes, parts):
    """2 degrees within 74 ms are 27 deg/s, and yet two places; 0.4 within 16 are 25, and one."""
    t = np.arange(0, 600, 4.0)
    x = np.where(t < 300, 0.0, jump)
    x[(t >= 300) & (t < 300 + lost_ms)] = np.nan
    assert len(detect_fixations(Samples(t, x, 0 * t, "degrees"), EventSettings(**changes))) == parts


def test_noise_beside_losses_does_not_cut_a_fixation():
    t = np.arange(0, 3000, 1.0)
    x, y = np.random.default_rng(0).normal(0, 0.1, (2, len(t)))
    x[np.isin(t // 10 % 10, (3, 4, 7))] = np.nan
    settings = EventSettings(velocity_threshold=100)
    assert len(detect_fixations(Samples(t, x, y, "degrees"), settings)) == 1


def test_neighbours_are_joined_within_gap_and_distance():
    t = np.arange(0, 500, 1.0)
    x = np.where((t >= 200) & (t < 220), 5.0, 1.0) + np.where(t >= 220, 0.4, 0.0)
    samples = Samples(t, x, 0 * t, "degrees")
    joined = detect_fixations(samples)
    assert len(joined) == 1
    assert joined.duration_ms[0] == 500.0
    assert 1.0 < joined.x[0] < 1.4
    assert len(detect_fixations(samples, EventSettings(max_distance=0.3))) == 2
    assert len(detect_fixations(samples, EventSettings(max_gap_ms=10))) == 2
    assert len(detect_fixations(samples, EventSettings(max_distance=0))) == 2


@pytest.mark.parametrize("hertz", [30, 60, 90, 120, 250, 1000])
def test_a_clean_scan_path_at_any_rate(hertz):
    t = np.arange(0, 2200, 1000 / hertz)
    xy = scan_path(t, seed=4, noise=0.01)
    found = detect_fixations(Samples(t, xy[:, 0], xy[:, 1], "degrees"))
    assert len(found) == 10
    assert np.abs(found.duration_ms - 189).max() < 2 * 1000 / hertz + 25
    assert (found.start_ms[1:] >= (found.start_ms + found.duration_ms)[:-1]).all()


@pytest.mark.parametrize("kind", ["ivt", "idt"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_sample(kind, count):
    t = np.arange(count) * 100.0
    found = detect_fixations(Samples(t, 0 * t, 0 * t, "degrees"), EventSettings(kind=kind))
    assert len(found) == (1 if count == 2 else 0)
    lost = detect_fixations(Samples(t, t * np.nan, t, "degrees"), EventSettings(kind=kind))
    assert len(lost) == 0


def test_the_unit_must_be_the_frame_or_be_converted():
    t = np.arange(0, 200, 4.0)
    samples = Samples(t, 0 * t + 640, 0 * t + 512, "screen_px")
    with pytest.raises(DataError, match="millimetres and the viewing distance"):
        detect_fixations(samples)
    with pytest.raises(DataError, match="where the image stood"):
        detect_fixations(samples, EventSettings(unit="image_unit", velocity_threshold=1, max_distance=0.1))
    found = detect_fixations(samples, to_unit=lambda x, y: (x / 35, y / 35))
    assert (found.x.tolist(), found.y.tolist(), found.frame) == ([640.0], [512.0], "screen_px")


@pytest.mark.parametrize("kind", ["ivt", "idt"])
def test_thresholds_in_another_unit_scale(kind):
    t = irregular_times(3)
    xy = scan_path(t, seed=3)
    degrees = detect_fixations(Samples(t, xy[:, 0], xy[:, 1], "degrees"), EventSettings(kind=kind))
    in_px = EventSettings(
        kind=kind, unit="screen_px", velocity_threshold=30 * 32, dispersion_threshold=32, max_distance=16
    )
    pixels = detect_fixations(Samples(t, xy[:, 0] * 32, xy[:, 1] * 32, "screen_px"), in_px)
    assert len(degrees) > 5
    np.testing.assert_allclose(pixels.start_ms, degrees.start_ms)
    np.testing.assert_allclose(pixels.x, degrees.x * 32)


def test_other_units_need_their_own_thresholds():
    with pytest.raises(ValidationError, match="max_distance and velocity_threshold"):
        EventSettings(unit="screen_px")
    with pytest.raises(ValidationError, match="state dispersion_threshold:"):
        EventSettings(unit="image_unit", kind="idt", max_distance=0.02)
    with pytest.raises(ValidationError):
        EventSettings(velocity_threshold=0)
    again = EventSettings.model_validate(EventSettings().model_dump())
    assert again == EventSettings()


# Literal transcriptions of the definitions, sample by sample, as oracles on irregular times.


def literal_velocity(t, x, y, window):
    speeds = []
    for i in range(len(t)):
        inside = [j for j in range(len(t)) if abs(t[j] - t[i]) <= window / 2 + 1e-6]
        a, b = inside[0], inside[-1]
        if a == b:
            a, b = (i - 1, i) if i > 0 else (0, 1)
        speeds.append(math.hypot(x[b] - x[a], y[b] - y[a]) / (t[b] - t[a]) * 1000)
    return speeds


def literal_ends(t):
    period = np.median(np.diff(t))
    end = [*t[1:], t[-1] + period]
    return [s + period if e - s > 2 * period else e for s, e in zip(t, end, strict=True)]


def literal_cuts(t, x, y, settings):
    """Samples before which no run goes on, since gaze has moved where velocity does not reach."""
    period = np.median(np.diff(t))
    cuts = set()
    for i in range(1, len(t)):
        step, moved = t[i] - t[i - 1], math.hypot(x[i] - x[i - 1], y[i] - y[i - 1])
        if step <= settings.velocity_window_ms / 2 + 1e-6:
            continue
        fast = moved / step * 1000 >= settings.velocity_threshold
        if fast or (step > 1.5 * period and 0 < settings.max_distance < moved):
            cuts.add(i)
    return cuts


def literal_ivt(t, x, y, settings):
    """One fixation after another for a recording without a long loss: x, y, duration, start."""
    end, cuts = literal_ends(t), literal_cuts(t, x, y, settings)
    slow = [v < settings.velocity_threshold for v in literal_velocity(t, x, y, settings.velocity_window_ms)]
    runs = []
    for i, still in enumerate(slow):
        if still and runs and runs[-1][-1] == i - 1 and i not in cuts:
            runs[-1].append(i)
        elif still:
            runs.append([i])
    groups = []
    for run in runs:
        before = groups[-1] if groups else None
        if before is not None and settings.max_distance > 0:
            apart = np.hypot(x[before].mean() - x[run].mean(), y[before].mean() - y[run].mean())
            if t[run[0]] - end[before[-1]] <= settings.max_gap_ms + 1e-6 and apart <= settings.max_distance:
                groups[-1] = before + run
                continue
        groups.append(run)
    rows = [[x[g].mean(), y[g].mean(), end[g[-1]] - t[g[0]], t[g[0]]] for g in groups]
    return [row for row in rows if row[2] >= settings.min_duration_ms - 1e-6]


def literal_idt(t, x, y, limit, shortest):
    end = literal_ends(t)

    def dispersion(a, b):
        return np.ptp(x[a:b]) + np.ptp(y[a:b])

    rows, i = [], 0
    while i < len(t):
        stop = i + 1
        while stop < len(t) and end[stop - 1] - t[i] < shortest - 1e-6:
            stop += 1
        if end[stop - 1] - t[i] < shortest - 1e-6:
            break
        if dispersion(i, stop) <= limit:
            while stop < len(t) and dispersion(i, stop + 1) <= limit:
                stop += 1
            rows.append([np.mean(x[i:stop]), np.mean(y[i:stop]), end[stop - 1] - t[i], t[i]])
            i = stop
        else:
            i += 1
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_ivt_on_irregular_times_as_written_down(seed):
    t = irregular_times(seed)
    x, y = scan_path(t, seed, noise=0.05).T
    np.testing.assert_allclose(gaze_velocity(t, x, y, 20.0), literal_velocity(t, x, y, 20.0))
    chosen = EventSettings(max_distance=0, max_loss_gap_ms=1e6)
    rows = detect_fixations(Samples(t, x, y, "degrees"), chosen).to_rows()
    assert len(rows) > 3
    np.testing.assert_allclose(rows, literal_ivt(t, x, y, chosen))


def with_losses(seed, count=200):
    """Irregular samples with losses of up to 75 ms, of which some hide a jump of up to 4 degrees."""
    rng = np.random.default_rng(seed)
    t = irregular_times(seed, count, 2.0, 12.0)
    x, y = rng.normal(0, 0.03, (2, count))
    keep = np.ones(count, dtype=bool)
    for start in rng.uniform(t[0], t[-1], 6):
        lost = (t > start) & (t < start + rng.uniform(5, 60))
        if lost[1:-1].sum() == 0:
            continue
        keep &= ~lost
        x = x + np.where(t > start, rng.choice([0.0, 0.3, 0.8, 1.5, 4.0]), 0.0)
    keep[[0, -1]] = True
    return t[keep], x[keep], y[keep]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    distance=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    window=st.sampled_from([6.0, 20.0, 40.0]),
    gap=st.sampled_from([0.0, 30.0, 75.0]),
)
def test_ivt_across_losses_as_written_down(seed, distance, window, gap):
    t, x, y = with_losses(seed)
    chosen = EventSettings(
        max_distance=distance, velocity_window_ms=window, max_gap_ms=gap, max_loss_gap_ms=1e6
    )
    rows = detect_fixations(Samples(t, x, y, "degrees"), chosen).to_rows()
    expected = literal_ivt(t, x, y, chosen)
    assert len(rows) == len(expected)
    np.testing.assert_allclose(np.reshape(rows, (-1, 4)), np.reshape(expected, (-1, 4)), atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_idt_across_losses_as_written_down(seed):
    t, x, y = with_losses(seed)
    chosen = EventSettings(kind="idt", max_distance=0, max_loss_gap_ms=1e6)
    rows = detect_fixations(Samples(t, x, y, "degrees"), chosen).to_rows()
    np.testing.assert_allclose(rows, literal_idt(t, x, y, 1.0, 60.0))
    for at_x, _, duration, start in rows:
        seen = x[(t >= start) & (t < start + duration)]
        assert np.abs(seen - at_x).max() <= 1.0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), limit=st.floats(0.1, 3.0), shortest=st.floats(0, 150))
def test_idt_on_irregular_times_as_written_down(seed, limit, shortest):
    t = irregular_times(seed, count=120)
    x, y = scan_path(t, seed, noise=0.1).T
    chosen = EventSettings(
        kind="idt",
        dispersion_threshold=limit,
        min_duration_ms=shortest,
        max_distance=0,
        max_loss_gap_ms=1e6,
    )
    rows = detect_fixations(Samples(t, x, y, "degrees"), chosen).to_rows()
    expected = literal_idt(t, x, y, limit, shortest)
    assert len(rows) == len(expected)
    np.testing.assert_allclose(np.reshape(rows, (-1, 4)), np.reshape(expected, (-1, 4)))


# pymovements as an independent implementation, on regular data.


@pytest.fixture(scope="module")
def pymovements():
    return pytest.importorskip("pymovements")


def regular(seed, hertz):
    t = np.arange(0, 1700 * hertz // 1000) * (1000.0 / hertz)
    return t, scan_path(t, seed, noise=0.005)


@pytest.mark.parametrize("hertz", [250, 500])
@pytest.mark.parametrize("seed", range(3))
def test_velocity_and_ivt_agree_with_pymovements(pymovements, seed, hertz):
    t, xy = regular(seed, hertz)
    from pymovements.events import ivt
    from pymovements.transforms.numpy import pos2vel

    velocities = pos2vel(xy, hertz, method="neighbors")
    period = 1000 / hertz
    ours = gaze_velocity(t, xy[:, 0], xy[:, 1], 2 * period)
    np.testing.assert_allclose(ours[1:-1], np.hypot(*velocities.T)[1:-1], rtol=1e-9)

    theirs = ivt(velocities, timesteps=t.astype(int), minimum_duration=60, velocity_threshold=30.0).frame
    chosen = EventSettings(velocity_window_ms=2 * period, min_duration_ms=60 + period, max_distance=0)
    found = detect_fixations(Samples(t, xy[:, 0], xy[:, 1], "degrees"), chosen)
    assert len(found) == 8
    assert found.start_ms.tolist() == theirs["onset"].to_list()
    assert (found.start_ms + found.duration_ms - period).tolist() == theirs["offset"].to_list()


@pytest.mark.parametrize("hertz", [250, 500])
@pytest.mark.parametrize("seed", range(3))
def test_idt_agrees_with_pymovements(pymovements, seed, hertz):
    t, xy = regular(seed, hertz)
    from pymovements.events import idt

    period = 1000 / hertz
    theirs = idt(xy, timesteps=t.astype(int), minimum_duration=60, dispersion_threshold=1.0).frame
    chosen = EventSettings(kind="idt", min_duration_ms=60, max_distance=0)
    found = detect_fixations(Samples(t, xy[:, 0], xy[:, 1], "degrees"), chosen)
    assert len(found) == len(theirs) == 8
    # Theirs counts the first sample beyond the threshold to the fixation, and looks on behind it.
    assert np.abs(found.start_ms - theirs["onset"].to_numpy()).max() <= 2 * period
    last = found.start_ms + found.duration_ms - period
    assert np.abs(last - theirs["offset"].to_numpy()).max() <= 2 * period


def test_long_recordings_are_quick():
    t = np.arange(0, 200_000.0)
    x, y = scan_path(t, seed=1, noise=0.01).T
    samples = Samples(t, x, y, "degrees")
    started = time.perf_counter()
    counts = [len(detect_fixations(samples, EventSettings(kind=kind))) for kind in ("ivt", "idt")]
    assert counts == [909, 909]
    assert time.perf_counter() - started < 5
