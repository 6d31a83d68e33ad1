"""FGI's two stages against literal recomputations of the paper's equations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from method_making import (
    ATTRIBUTES,
    SIDE,
    TEXTS,
    attribute_words,
    encoded_words,
    make_batch,
    make_fgi,
)
from torch import Tensor

from gaze_insight.losses.disagreement_masking import DarmSettings, disagreement_mask
from gaze_insight.methods.fgi import Fgi
from gaze_insight.methods.protocol import Batch, Method
from gaze_insight.networks.fusion import FusionSettings
from gaze_insight.types import IGNORE

# Untrained networks hardly disagree and are unsure, so thresholds low enough for every term to matter.
EAGER = {
    "tau_positive": 0.5,
    "tau_negative": 0.49,
    "darm": DarmSettings(disagreement=0.01, budget_frac=0.5),
    "darm_probability": 1.0,
    "ramp_frac": 0.5,
}


def literal_cross_entropy(logits: Tensor, labels: Tensor) -> float:
    means = []
    for z, y in zip(logits.flatten(1).tolist(), labels.flatten(1).tolist(), strict=True):
        terms = [math.log1p(math.exp(-a if b == 1 else a)) for a, b in zip(z, y, strict=True) if b != IGNORE]
        means.append(sum(terms) / len(terms))
    return sum(means) / len(means)


def literal_angular(student: list[Tensor], teacher: list[Tensor]) -> float:
    levels = []
    for z, x in zip(student, teacher, strict=True):
        a, b = z.movedim(1, -1).flatten(0, 2).double(), x.movedim(1, -1).flatten(0, 2).double()
        angles = [1 - float(p @ q) / (float(p.norm() * q.norm()) + 1e-6) for p, q in zip(a, b, strict=True)]
        levels.append(sum(angles) / len(angles))
    return sum(levels) / len(levels)


def literal_consistency(student: Tensor, teacher: Tensor, hidden: Tensor, high: float, low: float) -> float:
    total = 0.0
    for image in range(len(student)):
        sure, unsure = [], []
        rows = zip(student[image].flatten(), teacher[image].flatten(), hidden[image].flatten(), strict=True)
        for z_s, z_t, gone in rows:
            if gone:
                continue
            p_s, p_t = [float(f) for f in (z_s.double().sigmoid(), z_t.double().sigmoid())]
            cross_entropy = -math.log(p_s if p_t >= 0.5 else 1 - p_s)
            if min(max(p_s, 1 - p_s), max(p_t, 1 - p_t)) >= high:
                sure.append(max(p_t, 1 - p_t) * cross_entropy)
            if max(min(p_s, 1 - p_s), min(p_t, 1 - p_t)) <= low:
                unsure.append(min(p_t, 1 - p_t) * cross_entropy)
        total += sum(sum(terms) / len(terms) for terms in (sure, unsure) if terms)
    return total / len(student)


def student_step(method: Fgi, batch: Batch) -> dict[str, Tensor]:
    method.begin_stage("student")
    return method(batch, "student")


def test_the_teacher_stage_is_partial_cross_entropy_of_the_teachers_logits() -> None:
    method, batch = make_fgi(), make_batch(attribute_words(2))
    method.begin_stage("teacher")
    losses = method(batch, "teacher")
    logits = method.predict(batch.image, batch.words)["teacher"]
    assert set(losses) == {"loss"}
    assert losses["loss"].item() == pytest.approx(
        literal_cross_entropy(logits, batch.labels["sparse"]), rel=1e-5
    )


@pytest.mark.parametrize("progress", [0.0, 0.2, 0.9])
def test_the_student_stage_is_equation_14(progress: float) -> None:
    method, batch = make_fgi(**EAGER), make_batch(attribute_words(2), progress=progress)
    ramp = math.exp(-5 * (1 - min(1.0, progress / 0.5)) ** 2)
    losses = student_step(method, batch)
    with torch.no_grad():
        tokens = method.teacher["words"](batch.words)
        teacher = method.teacher["network"](batch.image, *tokens)
        clean = method.student.predict(batch.image).sigmoid()
        hidden = disagreement_mask(
            clean,
            teacher.logits.sigmoid(),
            batch.noise,
            DarmSettings(disagreement=0.01, budget_frac=0.5 * ramp),
        )
        image, labels = batch.image.clone(), batch.labels["comprehensive"].clone()
        fill = torch.tensor([0.485, 0.456, 0.406])
        for b, _, row, column in hidden.nonzero().tolist():
            image[b, :, row, column], labels[b, 0, row, column] = fill, IGNORE
        student = method.student(image)
    ce = literal_cross_entropy(student.logits, labels)
    afc = literal_angular(student.features, teacher.features)
    cwc = literal_consistency(student.logits, teacher.logits, hidden, 0.5, 0.49)
    assert losses["ce"].item() == pytest.approx(ce, rel=1e-4)
    assert losses["afc"].item() == pytest.approx(afc, rel=1e-4)
    assert losses["cwc"].item() == pytest.approx(cwc, rel=1e-4)
    assert losses["loss"].item() == pytest.approx(ce + 0.1 * afc + 1.0 * ramp * cwc, rel=1e-4)
    assert losses["hidden"].item() == pytest.approx(hidden.float().mean().item())
    if progress == 0.9:
        assert hidden.any()
        assert cwc > 0


def test_without_masking_the_student_sees_the_whole_image() -> None:
    batch = make_batch(attribute_words(2), progress=0.9)
    plain = student_step(make_fgi(**{**EAGER, "darm": None}), batch)
    none_hidden = student_step(make_fgi(**{**EAGER, "darm": DarmSettings(budget_frac=0)}), batch)
    assert plain["hidden"] == 0
    assert plain["loss"] == none_hidden["loss"] != student_step(make_fgi(**EAGER), batch)["loss"]


def test_only_a_share_of_the_images_is_masked() -> None:
    batch = make_batch(attribute_words(4), count=4, progress=0.9)
    chances = batch.noise[:, 0, 0, 0].sort().values
    hidden = [
        student_step(make_fgi(**{**EAGER, "darm_probability": float(chance)}), batch)["hidden"].item()
        for chance in (0.0, *(chances + 1e-6).clamp(max=1))
    ]
    assert hidden[0] == 0
    assert hidden == sorted(set(hidden))


@pytest.mark.parametrize("term", ["afc", "cwc"])
def test_a_weight_of_zero_leaves_its_term_out(term: str) -> None:
    batch = make_batch(attribute_words(2), progress=0.9)
    full = student_step(make_fgi(**EAGER), batch)
    without = student_step(make_fgi(**EAGER, **{f"{term}_weight": 0.0}), batch)
    weight = {"afc": 0.1, "cwc": 1.0}[term]
    assert term not in without
    assert without["loss"].item() == pytest.approx((full["loss"] - weight * full[term]).item(), rel=1e-5)


def test_the_frozen_teacher_neither_learns_nor_changes() -> None:
    method, batch = make_fgi(**EAGER), make_batch(attribute_words(2), progress=0.9)
    method.begin_stage("student")
    assert method.student.training
    assert not any(part.training for part in method.teacher.modules())
    before = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        method(batch, "student")["loss"].backward()
        optimizer.step()
    assert all(p.grad is None for p in method.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.teacher.state_dict().items())


@pytest.mark.parametrize("words", [ATTRIBUTES, TEXTS, None])
@pytest.mark.parametrize("mode", ["sum", "concat"])
@pytest.mark.parametrize("afc_weight", [0.1, 0.0])
def test_all_that_a_stage_trains_receives_a_gradient(words, mode: str, afc_weight: float) -> None:
    """Parameters without a gradient would stop a distributed run."""
    method = make_fgi(words, fusion=FusionSettings(mode=mode), **EAGER, afc_weight=afc_weight)
    given = {ATTRIBUTES: attribute_words, TEXTS: encoded_words}.get(words, lambda _: None)(2)
    for stage in method.stages:
        method.zero_grad(set_to_none=True)
        method.begin_stage(stage.name)
        method(make_batch(given, progress=0.9), stage.name)["loss"].backward()
        trained = set(method.trained_in(stage.name).parameters())
        assert {p for p in method.parameters() if p.grad is not None} == trained


def test_words_move_the_teacher_and_not_the_student() -> None:
    method = make_fgi().eval()
    image = torch.rand(2, 3, SIDE, SIDE)
    one, other = (method.predict(image, attribute_words(2, seed)) for seed in (0, 1))
    assert (one["teacher"] - other["teacher"]).abs().max() > 1e-4
    assert torch.equal(one["student"], other["student"])
    assert set(method.predict(image)) == {"student"}
    assert torch.equal(method.predict(image)["student"], one["student"])


def test_words_follow_the_symmetry_of_the_image() -> None:
    method = make_fgi().eval()
    image, words = torch.rand(2, 3, SIDE, SIDE), attribute_words(2)
    turned = replace(words, symmetry=torch.tensor([1, 0]))
    there, here = method.predict(image, turned)["teacher"], method.predict(image, words)["teacher"]
    assert not torch.allclose(there[0], here[0])
    assert torch.allclose(there[1], here[1], atol=1e-6)


def test_a_teacher_without_words_learns_and_predicts_from_the_image_alone() -> None:
    method, batch = make_fgi(None), make_batch(None)
    method.begin_stage("teacher")
    logits = method.predict(batch.image)["teacher"]
    assert method(batch, "teacher")["loss"].item() == pytest.approx(
        literal_cross_entropy(logits, batch.labels["sparse"]), rel=1e-5
    )
    assert not method.uses_words
    assert torch.isfinite(student_step(method, batch)["loss"])


def test_padding_of_a_text_models_features_does_not_matter() -> None:
    method, words = make_fgi(TEXTS).eval(), encoded_words(2)
    image = torch.rand(2, 3, SIDE, SIDE)
    noisy = replace(words, features=words.features.masked_fill(~words.mask[..., None], 1e3))
    changed = replace(words, features=-words.features)
    expected = method.predict(image, words)["teacher"]
    assert torch.allclose(method.predict(image, noisy)["teacher"], expected, atol=1e-6)
    assert not torch.allclose(method.predict(image, changed)["teacher"], expected, atol=1e-4)


@pytest.mark.parametrize(("space", "given"), [(ATTRIBUTES, encoded_words), (TEXTS, attribute_words)])
def test_words_of_the_other_kind_are_refused(space, given) -> None:
    with pytest.raises(TypeError, match="built for other words"):
        make_fgi(space).predict(torch.rand(1, 3, SIDE, SIDE), given(1))


def test_the_stages_and_label_maps_are_as_configured() -> None:
    method: Method = make_fgi(teacher_epochs=3, student_epochs=5)
    assert [tuple(stage) for stage in method.stages] == [("teacher", 3), ("student", 5)]
    assert method.label_maps == ("sparse", "comprehensive")
