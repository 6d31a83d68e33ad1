"""Losses on soft, trusted labels against literal loops and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from finite_differences import numeric_gradient, own_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gaze_insight.errors import DataError
from gaze_insight.losses.area_interval import area_interval_loss, described_area, sure_area
from gaze_insight.losses.partial_cross_entropy import partial_cross_entropy
from gaze_insight.losses.soft_cross_entropy import pixel_weights, soft_cross_entropy, soft_dice
from gaze_insight.losses.soft_labels import SHARE_STEPS, SoftLabels, decode_share, hide_labels, read_labels
from gaze_insight.types import IGNORE

SHAPE = (3, 1, 4, 5)


def codes(seed: int, unknown: float = 0.2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, SHARE_STEPS + 1, SHAPE, generator=generator).to(torch.uint8)
    return drawn.masked_fill(torch.rand(SHAPE, generator=generator) < unknown, IGNORE)


def drawn_labels(**weights: bool) -> SoftLabels:
    trust = codes(1)
    return read_labels(codes(0), trust, weighted(trust) if weights.get("cases") else None)


def weighted(trust: Tensor) -> Tensor:
    factor = torch.tensor([0.9, 0.5, 0.7]).view(-1, 1, 1, 1)
    return torch.where(trust == IGNORE, IGNORE, (trust * factor).round()).to(torch.uint8)


def drawn_logits(seed: int = 2) -> Tensor:
    return 2 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def pixels(logits: Tensor, labels: SoftLabels, image: int) -> list[tuple[float, float, float]]:
    """Probability, foreground and trust of each known pixel of an image."""
    parts = (logits.double().sigmoid(), labels.foreground, labels.trust, labels.known)
    rows = zip(*(part[image].flatten().tolist() for part in parts), strict=True)
    return [(p, q, t) for p, q, t, known in rows if known]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, SHARE_STEPS))
def test_a_share_survives_its_byte(code):
    value = decode_share(torch.tensor(code, dtype=torch.uint8)).item()
    assert value == pytest.approx(code / 254)
    assert np.rint(value * SHARE_STEPS) == code


def test_reading_keeps_what_is_known_by_labels_and_trust():
    labels, trust = codes(0), codes(1)
    found = read_labels(labels, trust)
    assert torch.equal(found.known, (labels != IGNORE) & (trust != IGNORE))
    assert not found.foreground[~found.known].any()
    assert not found.trust[~found.known].any()
    assert found.case_weight.tolist() == [1, 1, 1]
    hard = torch.tensor([[[[0, 1, 255]]]], dtype=torch.uint8)
    one = read_labels(hard, soft=False)
    assert one.foreground.flatten().tolist() == [0, 1, 0]
    assert one.trust.flatten().tolist() == [1, 1, 0]


def test_the_weight_of_a_case_is_what_its_trust_was_multiplied_by():
    trust = codes(1)
    found = read_labels(codes(0), trust, weighted(trust))
    assert torch.allclose(found.case_weight, torch.tensor([0.9, 0.5, 0.7]), atol=0.01)
    nothing = torch.zeros_like(trust)
    assert read_labels(codes(0), nothing, nothing).case_weight.tolist() == [0, 0, 0]


@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("cases", [False, True])
def test_soft_cross_entropy_is_the_literal_weighted_mean(floor, cases):
    logits, labels = drawn_logits(), drawn_labels(cases=cases)
    means = []
    for image in range(3):
        rows = [
            (floor + (1 - floor) * t, -q * math.log(p) - (1 - q) * math.log(1 - p))
            for p, q, t in pixels(logits, labels, image)
        ]
        mean = sum(w * loss for w, loss in rows) / sum(w for w, _ in rows)
        means.append(labels.case_weight[image].item() * mean)
    assert soft_cross_entropy(logits, labels, floor=floor).item() == pytest.approx(sum(means) / 3, rel=1e-5)


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_soft_dice_is_the_literal_quotient(floor):
    logits, labels = drawn_logits(), drawn_labels(cases=True)
    total = 0.0
    for image in range(3):
        shared = squares = 0.0
        for p, q, t in pixels(logits, labels, image):
            w = floor + (1 - floor) * t
            shared += w * p * q
            squares += w * (p * p + q * q)
        total += labels.case_weight[image].item() * (1 - (2 * shared + 1) / (squares + 1))
    assert soft_dice(logits, labels, floor=floor).item() == pytest.approx(total / 3, rel=1e-5)


def test_hard_trusted_labels_make_it_partial_cross_entropy():
    logits = drawn_logits()
    hard = torch.where(codes(3) == IGNORE, IGNORE, (codes(3) > 127).to(torch.uint8)).to(torch.uint8)
    found = soft_cross_entropy(logits, read_labels(hard, soft=False))
    assert found.item() == pytest.approx(partial_cross_entropy(logits, hard).item(), rel=1e-6)


def test_without_a_floor_untrusted_pixels_do_not_count():
    logits, labels = drawn_logits(), codes(0, unknown=0)
    trust = codes(1, unknown=0)
    trust[..., :2] = 0
    wrong = torch.where(trust == 0, 254 - labels, labels)
    first, other = (read_labels(one, trust) for one in (labels, wrong))
    assert soft_cross_entropy(logits, first).item() == soft_cross_entropy(logits, other).item()
    assert soft_dice(logits, first).item() == pytest.approx(soft_dice(logits, other).item())
    assert soft_cross_entropy(logits, first, floor=0.1) != soft_cross_entropy(logits, other, floor=0.1)
    assert not pixel_weights(first, floor=0.0)[..., :2].any()


@pytest.mark.parametrize("loss", [soft_cross_entropy, soft_dice])
def test_gradients_are_those_of_finite_differences_and_vanish_at_the_labels(loss):
    labels = drawn_labels(cases=True)
    at = drawn_logits()
    expected = numeric_gradient(lambda z: loss(z, labels, floor=0.1), at)
    assert torch.allclose(own_gradient(lambda z: loss(z, labels, floor=0.1), at), expected, atol=2e-4)
    exact = torch.logit(labels.foreground.clamp(1e-4, 1 - 1e-4))
    assert own_gradient(lambda z: loss(z, labels, floor=0.1), exact).abs().max() < 1e-4


def test_sure_pixels_bound_the_area():
    labels = drawn_labels()
    least, largest = sure_area(labels, least_trust=0.6)
    for image in range(3):
        rows = pixels(drawn_logits(), labels, image)
        lesion = sum(q >= 0.5 and t >= 0.6 for _, q, t in rows) / len(rows)
        ground = sum(q < 0.5 and t >= 0.6 for _, q, t in rows) / len(rows)
        assert least[image].item() == pytest.approx(lesion)
        assert largest[image].item() == pytest.approx(1 - ground)
    assert (least <= largest).all()


def test_an_area_outside_of_its_interval_costs_on_that_side_alone():
    logits, labels = drawn_logits(), drawn_labels()
    area = [np.mean([p for p, _, _ in pixels(logits, labels, image)]) for image in range(3)]
    bounds = torch.tensor([[area[0] * 0.5, area[1] + 0.1, 0.0], [area[0] * 2, 1.0, area[2] - 0.2]])
    expected = ((0.1 / (2 * area[1] + 0.1)) ** 2 + (0.2 / (2 * area[2] - 0.2)) ** 2) / 3
    found = area_interval_loss(logits, labels.known, (bounds[0].float(), bounds[1].float()))
    assert found.item() == pytest.approx(expected, rel=1e-3)
    gradient = own_gradient(
        lambda z: area_interval_loss(z, labels.known, (bounds[0].float(), bounds[1].float())), logits
    )
    assert not gradient[0].any()
    assert (gradient[1] <= 0).all()
    assert (gradient[2] >= 0).all()
    assert gradient[1].any()
    assert not gradient[~labels.known].any()


def test_the_gradient_of_the_area_is_that_of_finite_differences():
    labels = drawn_labels()
    interval = described_area(torch.tensor([0.9, 0.1, 0.0]), tolerance=0.1)

    def loss(z: Tensor) -> Tensor:
        return area_interval_loss(z, labels.known, interval)

    at = drawn_logits()
    assert torch.allclose(own_gradient(loss, at), numeric_gradient(loss, at), atol=2e-4)
    assert not own_gradient(loss, at)[2].any()


def test_nothing_known_costs_nothing():
    logits = drawn_logits().requires_grad_()
    nothing = read_labels(
        torch.full(SHAPE, IGNORE, dtype=torch.uint8), torch.full(SHAPE, 254).to(torch.uint8)
    )
    total = soft_cross_entropy(logits, nothing) + soft_dice(logits, nothing)
    total = total + area_interval_loss(logits, nothing.known, sure_area(nothing, least_trust=0.5))
    assert total.item() == 0
    total.backward()
    assert not logits.grad.any()


def test_hidden_pixels_are_forgotten():
    labels = drawn_labels()
    hidden = torch.rand(SHAPE, generator=torch.Generator().manual_seed(5)) < 0.5
    found = hide_labels(labels, hidden)
    assert not (found.known & hidden).any()
    assert torch.equal(found.trust[~hidden], labels.trust[~hidden])
    assert not found.foreground[hidden].any()


def test_other_shapes_are_refused():
    labels = drawn_labels()
    for loss in (soft_cross_entropy, soft_dice):
        with pytest.raises(DataError, match="labels of shape"):
            loss(drawn_logits()[:1], labels)
    with pytest.raises(DataError, match="known pixels"):
        area_interval_loss(drawn_logits()[:1], labels.known, sure_area(labels, least_trust=0.5))
