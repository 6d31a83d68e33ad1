"""Attention against gaze: each term against literal loops, and what must hold of all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from gaze_insight.errors import DataError
from gaze_insight.losses.gaze_attention import (
    GazeAttentionSettings,
    centre_of_mass,
    centre_of_mass_distance,
    correlation_distance,
    gaze_attention_loss,
    gaze_divergence,
    map_squared_error,
)

TERMS = {
    "mse": map_squared_error,
    "kl": gaze_divergence,
    "correlation": correlation_distance,
    "centre_of_mass": centre_of_mass_distance,
}


def random_maps(seed: int, shape: tuple[int, ...] = (3, 5, 7)) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) + 0.01


def blob(row: float, column: float, side: int = 14, width: float = 1.5) -> torch.Tensor:
    y, x = np.mgrid[:side, :side]
    values = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return torch.tensor(values / values.sum(), dtype=torch.float32)[None]


def literal_terms(a: np.ndarray, g: np.ndarray) -> dict[str, float]:
    rows, columns = a.shape
    places = [(i, j) for i in range(rows) for j in range(columns)]
    p, q = a / a.sum(), g / g.sum()
    squared = divergence = 0.0
    centres = {"p": [0.0, 0.0], "q": [0.0, 0.0]}
    for i, j in places:
        squared += (a[i, j] / a.max() - g[i, j] / g.max()) ** 2
        divergence += q[i, j] * math.log(q[i, j] / p[i, j])
        for name, share in (("p", p[i, j]), ("q", q[i, j])):
            centres[name][0] += share * (j + 0.5) / columns
            centres[name][1] += share * (i + 0.5) / rows
    distance = sum((one - other) ** 2 for one, other in zip(centres["p"], centres["q"], strict=True))
    rho = stats.pearsonr(a.ravel(), g.ravel()).statistic
    return {
        "mse": squared / len(places),
        "kl": divergence,
        "correlation": 1 - rho,
        "centre_of_mass": distance,
    }


@pytest.mark.parametrize("name", TERMS)
def test_each_term_is_its_formula_place_by_place(name):
    attention, gaze = random_maps(0), random_maps(1)
    found = TERMS[name](attention, gaze).tolist()
    pairs = zip(attention.double().numpy(), gaze.double().numpy(), strict=True)
    assert found == pytest.approx([literal_terms(a, g)[name] for a, g in pairs], rel=2e-4, abs=1e-6)


def test_the_squared_error_under_each_normalisation():
    attention, gaze = random_maps(2), random_maps(3)
    a, g = attention.double().numpy(), gaze.double().numpy()
    for kind, scale in (("max", np.max), ("sum", np.sum), ("none", lambda _: 1.0)):
        expected = [np.mean((x / scale(x) - y / scale(y)) ** 2) for x, y in zip(a, g, strict=True)]
        assert map_squared_error(attention, gaze, kind).tolist() == pytest.approx(expected, rel=1e-4)


def test_centres_are_scipys():
    maps = random_maps(4)
    for found, one in zip(centre_of_mass(maps).tolist(), maps.numpy(), strict=True):
        y, x = ndimage.center_of_mass(one)
        assert found == pytest.approx([(x + 0.5) / 7, (y + 0.5) / 5], rel=1e-4)


@pytest.mark.parametrize("name", TERMS)
def test_identical_maps_cost_nothing(name):
    for maps in (random_maps(5), blob(4, 9)):
        assert TERMS[name](maps, maps).abs().max().item() < 1e-5


@pytest.mark.parametrize("name", TERMS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), first=st.floats(1e-2, 1e3), second=st.floats(1e-2, 1e3))
def test_the_scale_of_either_map_does_not_count(name, seed, first, second):
    attention, gaze = random_maps(seed), random_maps(seed + 1)
    plain = TERMS[name](attention, gaze)
    torch.testing.assert_close(TERMS[name](first * attention, second * gaze), plain, rtol=2e-3, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ranges(seed):
    attention, gaze = random_maps(seed).square(), random_maps(seed + 7).square()
    assert ((map_squared_error(attention, gaze) >= 0) & (map_squared_error(attention, gaze) <= 1)).all()
    assert (gaze_divergence(attention, gaze) >= -1e-6).all()
    distance = correlation_distance(attention, gaze)
    assert ((distance >= 0) & (distance <= 2)).all()
    assert (centre_of_mass_distance(attention, gaze) < 2).all()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("which", ["attention", "gaze", "both"])
def test_constant_maps_have_finite_values_and_gradients(name, which):
    constant = torch.full((1, 14, 14), 1 / 196)
    attention = (constant if which != "gaze" else blob(3, 3)).clone().requires_grad_()
    gaze = constant if which != "attention" else blob(3, 3)
    value = TERMS[name](attention, gaze).sum()
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(attention.grad).all()


def test_a_zero_attention_is_finite_too():
    zero = torch.zeros(1, 4, 4, requires_grad=True)
    terms = gaze_attention_loss(zero, blob(1, 1, side=4), torch.ones(1), GazeAttentionSettings())
    terms["gaze"].backward()
    assert torch.isfinite(terms["gaze"])
    assert torch.isfinite(zero.grad).all()


def test_the_centre_moves_away_with_the_translation():
    gaze = blob(7, 4)
    distances = [centre_of_mass_distance(blob(7, 4 + shift), gaze).item() for shift in range(6)]
    assert distances == sorted(distances)
    assert distances[0] == 0
    assert distances[5] == pytest.approx((5 / 14) ** 2, rel=0.02)


def test_the_centre_alone_is_blind_to_both_lungs_and_the_others_are_not():
    two = (blob(7, 2) + blob(7, 11)) / 2
    between = blob(7, 6.5)
    assert centre_of_mass_distance(between, two).item() == pytest.approx(0, abs=1e-6)
    assert correlation_distance(between, two).item() > 0.7
    assert gaze_divergence(between, two).item() > 1.5


def test_sum_normalisation_switches_the_squared_error_off():
    uniform, gaze = torch.full((1, 14, 14), 1 / 196), blob(5, 5)
    assert map_squared_error(uniform, gaze, "sum").item() < 1e-3
    assert map_squared_error(uniform, gaze, "max").item() > 0.5


def test_the_loss_is_the_trusted_mean_over_images_with_gaze():
    attention, gaze = random_maps(6, (4, 5, 7)), random_maps(7, (4, 5, 7))
    gaze[2] = 0
    trust = torch.tensor([0.5, 0.0, 1.0, 0.8])
    weights = GazeAttentionSettings(mse=1, kl=2, correlation=3, centre_of_mass=4)
    found = gaze_attention_loss(attention, gaze, trust, weights)
    total = 0.0
    for name, share in (("mse", 1), ("kl", 2), ("correlation", 3), ("centre_of_mass", 4)):
        values = TERMS[name](attention, gaze)
        mean = (0.5 * values[0] + 0.8 * values[3]).item() / 2
        assert found[f"gaze_{name}"].item() == pytest.approx(mean, rel=1e-5)
        total += share * mean
    assert found["gaze"].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("none", ["weight", "gaze", "batch"])
def test_nobody_looked_costs_nothing_and_gives_a_gradient_of_zeros(none):
    attention = random_maps(8, (0, 5, 7) if none == "batch" else (2, 5, 7)).requires_grad_()
    gaze = torch.zeros_like(attention) if none == "gaze" else random_maps(9, tuple(attention.shape))
    weight = torch.zeros(len(attention)) if none == "weight" else torch.ones(len(attention))
    terms = gaze_attention_loss(attention, gaze, weight, GazeAttentionSettings())
    assert {value.item() for value in terms.values()} == {0.0}
    terms["gaze"].backward()
    assert attention.grad.abs().sum().item() == 0


def test_images_without_gaze_do_not_disturb_the_others_even_if_not_a_number():
    attention, gaze = random_maps(10, (2, 5, 7)), random_maps(11, (2, 5, 7))
    attention[1] = torch.nan
    attention.requires_grad_()
    terms = gaze_attention_loss(attention, gaze, torch.tensor([1.0, 0.0]), GazeAttentionSettings())
    terms["gaze"].backward()
    assert torch.isfinite(terms["gaze"])
    assert torch.isfinite(attention.grad).all()


def test_a_term_of_weight_zero_is_not_computed():
    maps, weight = random_maps(12), torch.ones(3)
    off = GazeAttentionSettings(mse=0, correlation=0, centre_of_mass=0)
    assert set(gaze_attention_loss(maps, maps, weight, off)) == {"gaze", "gaze_kl"}
    none = GazeAttentionSettings(mse=0, kl=0, correlation=0, centre_of_mass=0)
    assert {k: v.item() for k, v in gaze_attention_loss(maps, maps, weight, none).items()} == {"gaze": 0.0}


@pytest.mark.parametrize("name", TERMS)
def test_descent_on_each_term_alone_brings_attention_nearer(name):
    gaze = blob(3, 10)
    logits = torch.zeros(1, 196, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    first = None
    for _ in range(80):
        value = TERMS[name](logits.softmax(dim=1).view(1, 14, 14), gaze).sum()
        first = value.item() if first is None else first
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert value.item() < 0.25 * first


def test_half_precision_is_computed_in_full():
    attention, gaze = random_maps(13), random_maps(14)
    for compute in TERMS.values():
        assert compute(attention.bfloat16(), gaze.bfloat16()).dtype == torch.float32


def test_other_shapes_are_refused():
    maps = random_maps(15)
    with pytest.raises(DataError, match="gaze of shape"):
        gaze_divergence(maps, maps[:1])
    with pytest.raises(DataError, match=r"\(B, h, w\)"):
        correlation_distance(maps[None], maps[None])
    with pytest.raises(DataError, match="weights of shape"):
        gaze_attention_loss(maps, maps, torch.ones(2), GazeAttentionSettings())
