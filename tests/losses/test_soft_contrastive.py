"""Contrast in both directions with soft targets, against a literal loop."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.losses.soft_contrastive import (
    ContrastiveSettings,
    label_similarity,
    soft_contrastive_loss,
)


def draw(seed: int, cases: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image, other = (torch.randn(cases, 6, generator=generator) for _ in range(2))
    return image, other, (torch.rand(cases, 4, generator=generator) < 0.4).float()


def cosine(a: list[float], b: list[float]) -> float:
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def likeness(a: list[float], b: list[float]) -> float:
    if not any(a) or not any(b):
        return float(any(a) == any(b))
    return cosine(a, b)


def literal_loss(image, other, labels, present, tau, label_tau) -> float:
    kept = [i for i, here in enumerate(present.tolist()) if here]
    image, other, labels = (x.double()[kept].tolist() for x in (image, other, labels))
    total = 0.0
    for i in range(len(kept)):
        if label_tau is None:
            target = [float(i == j) for j in range(len(kept))]
        else:
            target = softmax([likeness(labels[i], labels[j]) / label_tau for j in range(len(kept))])
        for first, second in ((image, other), (other, image)):
            scores = softmax([cosine(first[i], second[j]) / tau for j in range(len(kept))])
            total -= sum(t * math.log(s) for t, s in zip(target, scores, strict=True)) / 2
    return total / len(kept)


@pytest.mark.parametrize("soft", [True, False])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.integers(0, 3))
def test_the_loss_is_the_loops(soft, seed, missing):
    image, other, labels = draw(seed)
    present = torch.arange(5) >= missing
    options = ContrastiveSettings(soft_targets=soft, temperature=0.2, label_temperature=0.3)
    found = soft_contrastive_loss(image, other, labels, present, options).item()
    expected = literal_loss(image, other, labels, present, 0.2, 0.3 if soft else None)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("present", [[False] * 5, [False, True, False, False, False]])
def test_fewer_than_two_cases_cost_nothing(present):
    image, other, labels = draw(1)
    image.requires_grad_()
    loss = soft_contrastive_loss(image, other, labels, torch.tensor(present), ContrastiveSettings())
    loss.backward()
    assert loss.item() == 0
    assert image.grad.abs().sum().item() == 0


def test_missing_views_do_not_count_whatever_stands_there():
    image, other, labels = draw(2)
    present = torch.tensor([True, True, False, True, True])
    plain = soft_contrastive_loss(image, other, labels, present, ContrastiveSettings())
    other[2] = torch.nan
    image.requires_grad_()
    found = soft_contrastive_loss(image, other, labels, present, ContrastiveSettings())
    found.backward()
    assert found.item() == plain.item()
    assert torch.isfinite(image.grad).all()
    assert image.grad[2].abs().sum().item() == 0


def test_soft_targets_ask_like_cases_to_stay_together_and_hard_ones_to_part():
    labels, present = torch.tensor([[1.0, 0.0]] * 2), torch.ones(2, dtype=torch.bool)
    apart, together = torch.eye(2), torch.ones(2, 2)
    hard, soft = ContrastiveSettings(soft_targets=False), ContrastiveSettings()
    assert soft_contrastive_loss(together, together, labels, present, soft).item() == pytest.approx(
        math.log(2)
    )
    assert soft_contrastive_loss(apart, apart, labels, present, soft).item() > 1
    assert soft_contrastive_loss(apart, apart, labels, present, hard).item() < 0.01


def test_likeness_of_labels():
    labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [torch.nan, 0.0, 0.0]])
    expected = [
        [likeness(a, b) for b in labels.nan_to_num(0).tolist()] for a in labels.nan_to_num(0).tolist()
    ]
    torch.testing.assert_close(label_similarity(labels), torch.tensor(expected))


def test_other_shapes_are_refused():
    image, other, labels = draw(3)
    with pytest.raises(DataError, match="other view"):
        soft_contrastive_loss(image, other[:, :3], labels, torch.ones(5).bool(), ContrastiveSettings())
    with pytest.raises(DataError, match="presence"):
        soft_contrastive_loss(image, other, labels, torch.ones(4).bool(), ContrastiveSettings())
