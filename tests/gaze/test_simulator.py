from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations

SIDE = 160


def lesion(rng, *, radius, spread, centre, centre_sd, aspect) -> np.ndarray:
    """An ellipse with a wavy boundary; the radius is log-normal."""
    radius = rng.lognormal(np.log(radius), spread)
    stretch = rng.lognormal(np.log(aspect), 0.1)
    at = np.clip(rng.normal(centre, centre_sd), 0.15, 0.85)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    dx, dy = (x - at[0]) / np.sqrt(stretch), (y - at[1]) * np.sqrt(stretch)
    wave = 1 + 0.12 * np.sin(3 * np.arctan2(dy, dx) + rng.uniform(0, 6))
    return np.hypot(dx, dy) < radius * wave


def statistics(preset, count=250, **shape) -> dict[str, float]:
    rng = np.random.default_rng(11)
    gathered: dict[str, list[float]] = {}

    def note(**values):
        for name, value in values.items():
            gathered.setdefault(name, []).append(float(value))

    durations, gaps = [], []
    for _ in range(count):
        mask = lesion(rng, **shape)
        f = simulate_fixations(mask, preset, rng)
        on = mask[(f.y * SIDE).astype(int).clip(0, SIDE - 1), (f.x * SIDE).astype(int).clip(0, SIDE - 1)]
        rows, columns = np.nonzero(mask)
        away = np.hypot(f.x - (columns.mean() + 0.5) / SIDE, f.y - (rows.mean() + 0.5) / SIDE)
        third = np.arange(len(f)) * 3 // len(f)
        weight = f.duration_ms / f.total_duration_ms
        variance = [(weight * (c - (weight * c).sum()) ** 2).sum() for c in (f.x, f.y)]
        note(
            count=len(f),
            area=mask.mean(),
            on=on.mean(),
            on_first_3=on[:3].mean(),
            on_last_third=on[third == 2].mean(),
            saccade=np.hypot(np.diff(f.x), np.diff(f.y)).mean(),
            sd=np.sqrt(variance).mean(),
            away_1=away[0],
            away_2=away[1],
            away_4=away[3],
            early=away[1:4].mean(),
            late=away[-8:].mean(),
        )
        durations.extend(f.duration_ms)
        gaps.extend(f.start_ms[1:] - (f.start_ms + f.duration_ms)[:-1])
    means = {name: float(np.mean(values)) for name, values in gathered.items()}
    means |= {"count_sd": float(np.std(gathered["count"])), "gap": float(np.median(gaps))}
    logs = np.log(durations)
    return means | {
        "log_mean": float(logs.mean()),
        "log_sd": float(logs.std()),
        "ms": float(np.mean(durations)),
    }


@pytest.fixture(scope="module")
def kvasir() -> dict[str, float]:
    shape = {"radius": 0.2, "spread": 0.32, "centre": (0.53, 0.48), "centre_sd": 0.15, "aspect": 1.15}
    return statistics(SimulatorSettings.kvasir(), **shape)


@pytest.fixture(scope="module")
def prostate() -> dict[str, float]:
    shape = {"radius": 0.098, "spread": 0.2, "centre": (0.48, 0.49), "centre_sd": 0.045, "aspect": 1.35}
    return statistics(SimulatorSettings.nci_isbi(), **shape)


@pytest.mark.parametrize(
    ("name", "published", "relative"),
    [
        ("area", 0.154, 0.15),
        ("count", 26.8, 0.08),
        ("count_sd", 10.4, 0.2),
        ("log_mean", 5.716, 0.005),
        ("log_sd", 0.453, 0.04),
        ("ms", 336, 0.03),
        ("gap", 23, 0.05),
        ("saccade", 0.133, 0.1),
        ("sd", 0.115, 0.1),
        ("on", 0.85, 0.04),
        ("on_first_3", 0.77, 0.06),
        ("on_last_third", 0.86, 0.05),
        ("away_1", 0.198, 0.12),
        ("away_2", 0.125, 0.15),
        ("away_4", 0.171, 0.25),
    ],
)
def test_colonoscopy_statistics(kvasir, name, published, relative):
    assert kvasir[name] == pytest.approx(published, rel=relative)


@pytest.mark.parametrize(
    ("name", "published", "relative"),
    [
        ("count", 22.1, 0.06),
        ("count_sd", 7.1, 0.15),
        ("log_mean", 5.756, 0.005),
        ("log_sd", 0.448, 0.04),
        ("ms", 350, 0.03),
        ("gap", 19, 0.05),
        ("saccade", 0.061, 0.1),
        ("sd", 0.053, 0.15),
        ("away_1", 0.067, 0.15),
        ("away_4", 0.072, 0.2),
    ],
)
def test_prostate_statistics(prostate, name, published, relative):
    assert prostate[name] == pytest.approx(published, rel=relative)


def test_the_scan_goes_from_the_centre_outwards(kvasir):
    assert kvasir["away_1"] > kvasir["away_2"]
    assert kvasir["late"] > kvasir["early"]


def blob(shape=(60, 80)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - shape[0] * 0.4, x - shape[1] * 0.6) < 14


def test_an_equal_state_gives_an_equal_reading():
    one, same, other = (
        simulate_fixations(blob(), SimulatorSettings(), np.random.default_rng(seed)).to_rows()
        for seed in (5, 5, 6)
    )
    assert one == same
    assert one != other


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_any_mask_gives_a_valid_reading_on_the_image(seed, height, width, share):
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < share
    f = simulate_fixations(mask, SimulatorSettings(), rng, annotator="sim")
    assert f.frame == "image_unit"
    assert f.annotator == "sim"
    assert f.inside.all()
    assert len(f) >= 5
    assert (f.duration_ms >= 50).all()
    assert (np.diff(f.start_ms) >= f.duration_ms[:-1]).all()


def test_nothing_to_find_is_a_search_of_the_whole_image():
    rng = np.random.default_rng(0)
    readings = [simulate_fixations(np.zeros((50, 50), bool), SimulatorSettings(), rng) for _ in range(20)]
    x = np.concatenate([f.x[1:] for f in readings])
    assert np.std(x) > 0.2
    assert np.mean([f.x[0] for f in readings]) == pytest.approx(0.563, abs=0.05)


def test_every_part_of_a_lesion_of_two_parts_is_looked_at():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:45, 10:35] = mask[60:85, 60:85] = True
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(20):
        f = simulate_fixations(mask, SimulatorSettings(), rng)
        seen.append([(f.x < 0.4).sum() > 1, (f.x > 0.55).sum() > 2])
    assert np.mean(seen) > 0.7


def noisy(**dials) -> Fixations:
    return simulate_fixations(blob(), SimulatorSettings(**dials), np.random.default_rng(2))


def test_offset_moves_a_whole_reading_by_its_length():
    clean, moved = noisy(), noisy(offset_frac=0.1)
    dx, dy = moved.x - clean.x, moved.y - clean.y
    np.testing.assert_allclose(np.hypot(dx, dy), 0.1, atol=1e-12)
    assert np.ptp(dx) < 1e-12


def test_dropout_loses_fixations_and_leaves_gaps():
    clean, fewer = noisy(), noisy(dropout=0.5)
    assert 0 < len(fewer) < len(clean)
    assert set(fewer.start_ms) < set(clean.start_ms)
    assert len(noisy(dropout=1.0)) == 0


def test_extra_adds_spurious_fixations_all_over():
    clean, more = noisy(), noisy(extra=0.5)
    assert len(more) == len(clean) + round(0.5 * len(clean))
    assert set(clean.x) <= set(more.x)
    assert more.x[0] == clean.x[0]


@pytest.mark.parametrize("mask", [np.zeros((3, 4, 5), bool), np.zeros((0, 5), bool), np.zeros(7, bool)])
def test_a_mask_that_is_no_picture_is_refused(mask):
    with pytest.raises(DataError, match="shape"):
        simulate_fixations(mask, SimulatorSettings(), np.random.default_rng(0))


@pytest.mark.parametrize("dials", [{"dropout": 1.5}, {"offset_frac": -1}, {"blink_share": 2}, {"speed": 3}])
def test_dials_have_ranges(dials):
    with pytest.raises(ValidationError):
        SimulatorSettings(**dials)
