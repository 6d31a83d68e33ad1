"""Equations 8 and 13 against loops over pixels."""

from __future__ import annotations

import math

import pytest
import torch

from gaze_insight.errors import DataError
from gaze_insight.losses.partial_cross_entropy import comprehensive_cross_entropy, partial_cross_entropy
from gaze_insight.losses.per_image import image_means


def make(seed: int = 0, size: tuple[int, int, int] = (4, 5, 6)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images, height, width = size
    logits = 3 * torch.randn(images, 1, height, width, generator=generator)
    values = torch.tensor([0, 1, 255], dtype=torch.uint8)
    return logits, values[torch.randint(0, 3, logits.shape, generator=generator)]


def pixel_loss(logit: torch.Tensor, label: torch.Tensor) -> float:
    probability = 1 / (1 + math.exp(-float(logit)))
    return -math.log(probability if int(label) == 1 else 1 - probability)


def losses_of(logits, labels, wanted) -> list[float]:
    pairs = zip(logits.flatten(), labels.flatten(), strict=True)
    return [pixel_loss(z, y) for z, y in pairs if int(y) in wanted]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def test_partial_cross_entropy_is_equation_8():
    logits, labels = make()
    labels[2] = 255
    expected = mean([mean(losses_of(z, y, {0, 1})) for z, y in zip(logits, labels, strict=True)])
    assert partial_cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_balanced_classes_count_alike():
    logits, labels = make(1)
    labels[0][labels[0] == 1] = 255
    labels[3] = 255
    images = []
    for z, y in zip(logits, labels, strict=True):
        kinds = [losses_of(z, y, {1}), losses_of(z, y, {0})]
        images.append(mean([mean(kind) for kind in kinds if kind]))
    assert partial_cross_entropy(logits, labels, balance="classes").item() == pytest.approx(
        mean(images), rel=1e-5
    )


def test_comprehensive_cross_entropy_is_equation_13_as_a_weighted_mean():
    logits, labels = make(2)
    weight = torch.rand(logits.shape, generator=torch.Generator().manual_seed(3))
    images = []
    for z, y, w in zip(logits, labels, weight, strict=True):
        triples = zip(z.flatten(), y.flatten(), w.flatten(), strict=True)
        counted = [(float(v), pixel_loss(a, b)) for a, b, v in triples if int(b) != 255]
        images.append(sum(v * loss for v, loss in counted) / sum(v for v, _ in counted))
    found = comprehensive_cross_entropy(logits, labels, weight=weight)
    assert found.item() == pytest.approx(mean(images), rel=1e-5)
    plain = comprehensive_cross_entropy(logits, labels)
    assert plain.item() == pytest.approx(partial_cross_entropy(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_unlabelled_pixels_receive_no_gradient(balance):
    logits, labels = make(4)
    logits.requires_grad_()
    partial_cross_entropy(logits, labels, balance=balance).backward()
    assert (logits.grad[labels == 255] == 0).all()
    assert (logits.grad[labels != 255] != 0).all()


@pytest.mark.parametrize("loss", [partial_cross_entropy, comprehensive_cross_entropy])
def test_nothing_labelled_is_zero_with_a_zero_gradient(loss):
    logits = torch.randn(2, 1, 3, 3, requires_grad=True)
    value = loss(logits, torch.full((2, 1, 3, 3), 255))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_two_processes_equal_one(balance):
    logits, labels = make(5)
    labels[0, :, :4] = 255
    halves = [
        partial_cross_entropy(logits[i], labels[i], balance=balance) for i in (slice(0, 2), slice(2, 4))
    ]
    whole = partial_cross_entropy(logits, labels, balance=balance)
    assert torch.stack(halves).mean().item() == pytest.approx(whole.item(), rel=1e-6)


def test_float32_under_autocast_and_finite_for_huge_logits():
    logits, labels = torch.tensor([[[[1e4, -1e4]]]]), torch.tensor([[[[0, 1]]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = partial_cross_entropy(logits.to(torch.bfloat16), labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(1e4, rel=1e-2)


@pytest.mark.parametrize("loss", [partial_cross_entropy, comprehensive_cross_entropy])
def test_shapes_must_agree(loss):
    with pytest.raises(DataError, match="expected labels of shape"):
        loss(torch.zeros(2, 1, 3, 3), torch.zeros(2, 3, 3))


def test_a_weight_of_another_shape_is_refused():
    with pytest.raises(DataError, match="expected weight"):
        comprehensive_cross_entropy(*make(), weight=torch.ones(1))


def test_image_means_weigh_their_pixels():
    values, weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert image_means(values, weights).tolist() == [1.75, 0.0]
