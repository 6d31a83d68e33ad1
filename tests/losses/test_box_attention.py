"""Attention inside boxes, and cross-entropy of labels some of which are unknown, against literal loops."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import log_loss

from gaze_insight.errors import DataError
from gaze_insight.losses.box_attention import box_attention_loss
from gaze_insight.losses.multi_label import balanced_weights, multi_label_loss


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    attention = torch.rand(2, 3, 4, 5, generator=generator).flatten(2).softmax(dim=2).view(2, 3, 4, 5)
    boxes = torch.zeros(2, 3, 4, 5)
    boxes[0, 1, 1:3, 2:4] = 1.0
    boxes[0, 1, 0, 2:4] = 0.25
    boxes[1, 0, 2, 2] = 0.3
    return attention, boxes


@pytest.mark.parametrize("target", ["inside", "uniform"])
def test_both_forms_are_their_loops(target):
    attention, boxes = draw(0)
    values = []
    for b, c in ((0, 1), (1, 0)):
        a, m = attention[b, c].double(), boxes[b, c].double()
        places = [(i, j) for i in range(4) for j in range(5)]
        if target == "inside":
            mass = sum(float(a[i, j] * m[i, j]) for i, j in places) / float(m.max())
            values.append(-math.log(mass))
        else:
            shares = [(float(m[i, j] / m.sum()), float(a[i, j])) for i, j in places]
            values.append(sum(u * math.log(u / p) for u, p in shares if u > 0))
    found = box_attention_loss(attention, boxes, target).item()
    assert found == pytest.approx(sum(values) / 2, rel=1e-4)


def test_attention_in_the_box_costs_nothing_and_elsewhere_a_finite_lot():
    _, boxes = draw(0)
    inside = boxes / boxes.sum(dim=(2, 3), keepdim=True).clamp_min(1e-9)
    assert box_attention_loss(inside, boxes, "uniform").item() == pytest.approx(0, abs=1e-5)
    corner = torch.zeros(1, 1, 4, 4)
    corner[0, 0, 0, 0] = 1
    away = corner.flip(-1).requires_grad_()
    assert box_attention_loss(corner, 0.2 * corner).item() == pytest.approx(0, abs=1e-6)
    for target in ("inside", "uniform"):
        loss = box_attention_loss(away, corner, target)
        (gradient,) = torch.autograd.grad(loss, away)
        assert 10 < loss.item() < 20
        assert torch.isfinite(gradient).all()


def test_no_box_costs_nothing():
    attention, boxes = draw(1)
    attention.requires_grad_()
    for target in ("inside", "uniform"):
        loss = box_attention_loss(attention, torch.zeros_like(boxes), target)
        (gradient,) = torch.autograd.grad(loss, attention)
        assert (loss.item(), gradient.abs().sum().item()) == (0.0, 0.0)


def test_boxes_of_other_shapes_are_refused():
    attention, boxes = draw(2)
    with pytest.raises(DataError, match="boxes of shape"):
        box_attention_loss(attention, boxes[:, :2])
    with pytest.raises(DataError, match=r"\(B, C, h, w\)"):
        box_attention_loss(attention[0], boxes[0])


def test_known_labels_give_sklearns_log_loss():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 4, generator=generator)
    labels = (torch.rand(6, 4, generator=generator) < 0.5).float()
    labels[torch.rand(6, 4, generator=generator) < 0.3] = torch.nan
    known = ~labels.isnan()
    expected = log_loss(labels[known].numpy(), logits.sigmoid()[known].numpy(), labels=[0, 1])
    assert multi_label_loss(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_weights_of_positives_class_by_class():
    logits, weights = torch.tensor([[0.3, -0.7], [1.1, 0.2]]), torch.tensor([2.0, 5.0])
    labels = torch.tensor([[1.0, 0.0], [torch.nan, 1.0]])
    p = logits.sigmoid().tolist()
    expected = -(2 * math.log(p[0][0]) + math.log(1 - p[0][1]) + 5 * math.log(p[1][1])) / 3
    assert multi_label_loss(logits, labels, weights).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(DataError, match="2 weights"):
        multi_label_loss(logits, labels, torch.ones(3))


def test_nothing_known_costs_nothing():
    logits = torch.randn(2, 3).requires_grad_()
    loss = multi_label_loss(logits, torch.full((2, 3), torch.nan))
    loss.backward()
    assert (loss.item(), logits.grad.abs().sum().item()) == (0.0, 0.0)


def test_balanced_weights_are_negatives_by_positives_within_a_bound():
    labels = torch.tensor([[1.0, 1.0, torch.nan, 0.0]] + [[0.0, 1.0, 0.0, 0.0]] * 3 + [[1.0] + [0.0] * 3])
    assert balanced_weights(labels) == pytest.approx((3 / 2, 1 / 4, 1.0, 1.0))
    rare = torch.zeros(100, 1)
    rare[0] = 1
    assert balanced_weights(rare) == (10.0,)
    assert balanced_weights(rare, largest=200) == (99.0,)
