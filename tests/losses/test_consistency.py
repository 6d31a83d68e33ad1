"""Equations 9 to 12 against loops, and the warm-up."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.losses.angular import angular_feature_consistency
from gaze_insight.losses.confidence import confidence_weighted_consistency
from gaze_insight.losses.ramp import gaussian_ramp


def angular_by_loops(student, teacher, beta: float, eps: float) -> float:
    stages = []
    for z, x in zip(student, teacher, strict=True):
        places = []
        for b in range(z.shape[0]):
            for row in range(z.shape[2]):
                for column in range(z.shape[3]):
                    own, theirs = z[b, :, row, column].tolist(), x[b, :, row, column].tolist()
                    product = sum(p * q for p, q in zip(own, theirs, strict=True))
                    norms = math.hypot(*own) * math.hypot(*theirs)
                    places.append(1 - product / (norms + eps))
        stages.append(sum(places) / len(places))
    return beta * sum(stages) / len(stages)


def features(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, c, h, w, generator=generator) for c, h, w in ((4, 5, 3), (6, 2, 2))]


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_angular_consistency_is_equation_9(beta):
    student, teacher = features(0), features(1)
    student[0][0, :, 0, 0] = 0
    found = angular_feature_consistency(student, teacher, beta=beta)
    assert found.item() == pytest.approx(angular_by_loops(student, teacher, beta, 1e-6), rel=1e-5)


def test_angular_consistency_ends_at_0_and_2_and_ignores_scale():
    student = features(2)
    assert angular_feature_consistency(student, [3 * x for x in student]).item() == pytest.approx(0, abs=1e-5)
    assert angular_feature_consistency(student, [-x for x in student]).item() == pytest.approx(2, abs=1e-5)


def test_angular_gradients_reach_the_student_alone_and_are_finite_at_zero():
    student, teacher = features(3), features(4)
    student[0] = torch.zeros_like(student[0])
    for tensor in student + teacher:
        tensor.requires_grad_()
    angular_feature_consistency(student, teacher).backward()
    assert all(torch.isfinite(z.grad).all() for z in student)
    assert student[1].grad.abs().sum() > 0
    assert all(x.grad is None for x in teacher)


def test_angular_resizes_the_teacher():
    student = [torch.randn(1, 4, 6, 6)]
    teacher = [torch.randn(1, 4, 3, 3)]
    resized = torch.nn.functional.interpolate(teacher[0], size=(6, 6), mode="bilinear")
    found = angular_feature_consistency(student, teacher)
    assert found.item() == pytest.approx(angular_feature_consistency(student, [resized]).item())


def test_angular_refuses_features_that_do_not_match():
    with pytest.raises(DataError, match="found 0 and 0"):
        angular_feature_consistency([], [])
    with pytest.raises(DataError, match="found 2 and 1"):
        angular_feature_consistency(features(0), features(1)[:1])
    with pytest.raises(DataError, match="expected features of shape"):
        angular_feature_consistency([torch.zeros(1, 3, 2, 2)], [torch.zeros(1, 4, 2, 2)])


def confidence_by_loops(student, teacher, tau_positive: float, tau_negative: float, keep=None) -> float:
    images = []
    for b in range(student.shape[0]):
        positive, negative = [], []
        for row in range(student.shape[2]):
            for column in range(student.shape[3]):
                if keep is not None and not bool(keep[b, 0, row, column]):
                    continue
                s = 1 / (1 + math.exp(-float(student[b, 0, row, column])))
                t = 1 / (1 + math.exp(-float(teacher[b, 0, row, column])))
                y_student, y_teacher = (1 - s, s), (1 - t, t)
                label = int(t >= 0.5)
                if max(y_teacher) >= tau_positive and max(y_student) >= tau_positive:
                    positive.append(max(y_teacher) * -math.log(y_student[label]))
                if min(y_teacher) <= tau_negative and min(y_student) <= tau_negative:
                    negative.append(min(y_teacher) * -math.log(1 - y_student[1 - label]))
        images.append(sum(sum(part) / len(part) for part in (positive, negative) if part))
    return sum(images) / len(images)


def logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(3, 1, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("tau_positive", "tau_negative"), [(0.8, 0.2), (0.9, 0.3), (0.7, 0.05)])
def test_confidence_is_equations_10_to_12(tau_positive, tau_negative):
    student, teacher = logits(0), logits(1)
    found = confidence_weighted_consistency(
        student, teacher, tau_positive=tau_positive, tau_negative=tau_negative
    )
    expected = confidence_by_loops(student, teacher, tau_positive, tau_negative)
    assert expected > 0
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_confidence_counts_kept_pixels_only_and_empty_sets_as_0():
    student, teacher = logits(2), logits(3)
    keep = torch.rand(student.shape, generator=torch.Generator().manual_seed(4)) > 0.5
    keep[1] = False
    found = confidence_weighted_consistency(student, teacher, keep=keep)
    assert found.item() == pytest.approx(confidence_by_loops(student, teacher, 0.8, 0.2, keep), rel=1e-4)
    assert confidence_weighted_consistency(student, teacher, keep=torch.zeros_like(keep)).item() == 0


def test_confidence_gradient_reaches_the_students_confident_pixels_alone():
    student, teacher = logits(5).requires_grad_(), logits(6).requires_grad_()
    confidence_weighted_consistency(student, teacher).backward()
    assert teacher.grad is None
    sure = (student.sigmoid() - 0.5).abs().ge(0.3) & (teacher.sigmoid() - 0.5).abs().ge(0.3)
    assert torch.equal(student.grad != 0, sure)


def test_confidence_two_processes_equal_one():
    student, teacher = logits(7)[:2], logits(8)[:2]
    halves = [confidence_weighted_consistency(student[i : i + 1], teacher[i : i + 1]) for i in (0, 1)]
    whole = confidence_weighted_consistency(student, teacher)
    assert torch.stack(halves).mean().item() == pytest.approx(whole.item(), rel=1e-6)


def test_confidence_is_float32_under_autocast_and_finite_for_huge_logits():
    student, teacher = torch.full((1, 1, 2, 2), -500.0), torch.full((1, 1, 2, 2), 500.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = confidence_weighted_consistency(student.bfloat16(), teacher.bfloat16())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(500, rel=1e-2)


def test_confidence_refuses_shapes_that_differ():
    with pytest.raises(DataError, match="teacher logits"):
        confidence_weighted_consistency(logits(0), logits(0)[:1])
    with pytest.raises(DataError, match="keep"):
        confidence_weighted_consistency(logits(0), logits(0), keep=torch.ones(1, dtype=torch.bool))


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 2, allow_nan=False))
def test_the_ramp_rises_from_exp_minus_5_to_1(progress):
    value = gaussian_ramp(progress)
    inside = min(max(progress, 0.0), 1.0)
    assert value == pytest.approx(math.exp(-5 * (1 - inside) ** 2))
    assert gaussian_ramp(progress) <= gaussian_ramp(progress + 0.1)


def test_the_ramp_at_the_published_steps():
    found = [gaussian_ramp(step / 4000) for step in (500, 1000, 2000, 3000)]
    assert found == pytest.approx([0.022, 0.060, 0.287, 0.732], abs=1e-3)
