"""The soft vote: what each switch adds, asks for and keeps, and nothing else."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from drawn_blobs import draw_blobs
from method_making import ATTRIBUTES, NETWORK, SIDE, TEXTS
from pydantic import ValidationError

from gaze_insight.errors import SettingsError
from gaze_insight.losses.angular import angular_feature_consistency
from gaze_insight.losses.area_interval import area_interval_loss, described_area, sure_area
from gaze_insight.losses.disagreement_masking import DarmSettings
from gaze_insight.losses.partial_cross_entropy import partial_cross_entropy
from gaze_insight.losses.projection import projection_loss
from gaze_insight.losses.soft_cross_entropy import soft_cross_entropy, soft_dice
from gaze_insight.losses.soft_labels import read_labels
from gaze_insight.losses.teacher_consistency import pseudo_label_consistency
from gaze_insight.methods.checking import check_method
from gaze_insight.methods.checks.drawn_batches import drawn_batch
from gaze_insight.methods.protocol import Batch
from gaze_insight.methods.soft_vote import FgiParts, SoftVote, SoftVoteSettings
from gaze_insight.methods.strong_view import StrongViewSettings, strong_view
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.types import Size

EMA: dict[str, Any] = {"teacher": "ema", "consistency_weight": 0}
EAGER = {"teacher": "ema", "least_confidence": 0.501, "ramp_frac": 0.5}
"""Untrained networks are unsure, so a confidence low enough for the consistency to count."""


def make(words: WordSpace | None = ATTRIBUTES, **settings: Any) -> SoftVote:
    """The trusted cross-entropy of soft labels alone, and what the settings switch on."""
    torch.manual_seed(0)
    base: dict[str, Any] = {"network": NETWORK, "labels": "soft", "weight": "trust", "dice_weight": 0}
    method = SoftVote(SoftVoteSettings(**{**base, **settings}), words, Size(SIDE, SIDE))
    method.begin_stage("student")
    return method


def batch_for(method: SoftVote, words: WordSpace = ATTRIBUTES, **changes: Any) -> Batch:
    return drawn_batch(method.label_maps, Size(SIDE, SIDE), words if method.uses_words else None, **changes)


def part(method: SoftVote) -> None:
    """Let the student leave its teacher behind."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


SWITCHES: dict[str, tuple[dict[str, Any], tuple[str, ...], set[str], set[str]]] = {
    # settings: label maps, losses beside loss and ce, heads beside the student
    "trust": ({}, ("soft", "trust"), set(), set()),
    "hard": ({"labels": "comprehensive"}, ("comprehensive", "trust"), set(), set()),
    "no trust": ({"weight": "none"}, ("soft",), set(), set()),
    "cases": ({"weight": "weighted_trust"}, ("soft", "trust", "weighted_trust"), set(), set()),
    "twin": ({"labels": "mask", "weight": "weighted_trust"}, ("mask",), set(), set()),
    "dice": ({"dice_weight": 1}, ("soft", "trust"), {"dice"}, set()),
    "strong": ({"student_view": "strong"}, ("soft", "trust"), set(), set()),
    "projection": ({"projection_weight": 1}, ("soft", "trust"), {"projection"}, set()),
    "box": (
        {"projection_weight": 1, "projection_box": "box"},
        ("soft", "trust", "box"),
        {"projection"},
        set(),
    ),
    "area": ({"area_weight": 1, "weight": "none"}, ("soft", "trust"), {"area"}, set()),
    "described": ({"described_area_weight": 1}, ("soft", "trust"), {"described_area"}, set()),
    "ema": ({"teacher": "ema"}, ("soft", "trust"), {"consistency", "confident"}, {"teacher"}),
    "cwc": ({**EMA, "fgi": FgiParts(cwc_weight=1)}, ("soft", "trust"), {"cwc"}, {"teacher"}),
    "afc": ({**EMA, "fgi": FgiParts(afc_weight=1)}, ("soft", "trust"), {"afc"}, {"teacher"}),
    "darm": ({**EMA, "fgi": FgiParts(darm_probability=1)}, ("soft", "trust"), {"hidden"}, {"teacher"}),
    "words": (
        {"teacher": "words"},
        ("soft", "trust", "sparse"),
        {"consistency", "confident"},
        {"teacher"},
    ),
    "words twin": (
        {"teacher": "words", "labels": "mask"},
        ("mask",),
        {"consistency", "confident"},
        {"teacher"},
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_adds_its_losses_maps_and_heads_and_nothing_else(name):
    settings, maps, losses, heads = SWITCHES[name]
    method = make(**settings)
    assert method.label_maps == maps
    assert set(method(batch_for(method), "student")) == {"loss", "ce"} | losses
    assert set(method.heads) == {"student"} | heads
    words = settings.get("teacher") == "words"
    assert method.uses_words == (words or name == "described")
    assert [stage.name for stage in method.stages] == (["teacher"] if words else []) + ["student"]
    kept = {key.partition(".")[0] for key in method.state_dict()}
    assert kept == {"student"} | heads | ({"updates"} if settings.get("teacher") == "ema" else set())
    assert any("adapters" in key for key in method.state_dict()) == (name == "afc")


def test_by_default_it_learns_from_all_pixels_of_the_votes_mask_with_dice_and_nothing_else():
    method = SoftVote(SoftVoteSettings(network=NETWORK), ATTRIBUTES, Size(SIDE, SIDE))
    method.begin_stage("student")
    losses = method(batch_for(method), "student")
    assert method.label_maps == ("comprehensive",)
    assert method.heads == ("student",)
    assert set(losses) == {"loss", "ce", "dice"}


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (ATTRIBUTES, {}),
        (None, {"labels": "mask", "dice_weight": 1, "student_view": "strong", "teacher": "ema"}),
        (
            ATTRIBUTES,
            {
                "teacher": "ema",
                "weight": "weighted_trust",
                "projection_weight": 0.1,
                "area_weight": 0.1,
                "fgi": FgiParts(cwc_weight=1, afc_weight=0.1, darm_probability=0.5),
            },
        ),
        (ATTRIBUTES, {"teacher": "words", "described_area_weight": 0.1, "projection_weight": 0.1}),
        (TEXTS, {"teacher": "words", "fgi": FgiParts(cwc_weight=1, afc_weight=0.1, darm_probability=0.5)}),
        (None, {"teacher": "words", "weight_floor": 0, "projection_weight": 1, "projection_box": "box"}),
    ],
)
def test_it_fulfils_the_contract_of_methods(words, settings):
    checked = check_method(
        SoftVote, SoftVoteSettings(network=NETWORK, **settings), input_size=Size(SIDE, SIDE), words=words
    )
    assert checked.problems == ()


def test_without_other_parts_it_is_the_weighted_cross_entropy_of_the_plain_image():
    method = make()
    batch = batch_for(method)
    labels = read_labels(batch.labels["soft"], batch.labels["trust"])
    logits = method.student.predict(batch.image)
    losses = method(batch, "student")
    assert losses["loss"].item() == pytest.approx(soft_cross_entropy(logits, labels, floor=0.1).item())
    alike = make(weight="none")
    shown = read_labels(batch.labels["soft"])
    expected = soft_cross_entropy(alike.student.predict(batch.image), shown)
    assert alike(batch_for(alike), "student")["loss"].item() == pytest.approx(expected.item())


def test_the_loss_is_the_weighted_sum_of_what_is_on():
    method = make(
        dice_weight=0.5, projection_weight=0.3, projection_box="box", area_weight=0.7,
        described_area_weight=0.2, fgi=FgiParts(cwc_weight=2, afc_weight=0.4), **EAGER,
    )  # fmt: skip
    part(method)
    batch = batch_for(method, progress=0.2)
    losses = method(batch, "student")
    labels = read_labels(batch.labels["soft"], batch.labels["trust"])
    student, teacher = method.student(batch.image), method._teach(batch.image, None)
    box = batch.labels["box"].masked_fill(~labels.known, 255)
    expected = {
        "ce": soft_cross_entropy(student.logits, labels, floor=0.1),
        "dice": soft_dice(student.logits, labels, floor=0.1),
        "projection": projection_loss(student.logits, box),
        "area": area_interval_loss(student.logits, labels.known, sure_area(labels, least_trust=0.5)),
        "described_area": area_interval_loss(
            student.logits, labels.known, described_area(batch.words.area, tolerance=0.5)
        ),
        "afc": angular_feature_consistency(student.features, teacher.features),
    }
    view = strong_view(batch, StrongViewSettings(), method.student.encoder.mean)
    expected["consistency"], share = pseudo_label_consistency(
        method.student.predict(view.image), view.move(teacher.logits), confidence=0.501
    )
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-4), name
    assert losses["confident"].item() == pytest.approx(share.item())
    assert losses["confident"] > 0.05
    ramp = math.exp(-5 * (1 - 0.2 / 0.5) ** 2)
    weights = {"ce": 1, "dice": 0.5, "projection": 0.3, "area": 0.7, "described_area": 0.2, "afc": 0.4}
    total = sum(weight * losses[name].item() for name, weight in weights.items())
    total += ramp * (2 * losses["cwc"].item() + losses["consistency"].item())
    assert losses["loss"].item() == pytest.approx(total, rel=1e-5)


def test_on_the_strong_view_one_pass_serves_labels_and_consistency(monkeypatch):
    method = make(student_view="strong", dice_weight=1, **EAGER)
    part(method)
    batch = batch_for(method)
    passes = []
    run = type(method.student).encode

    def counted(network, image):
        passes.append(network is method.student)
        return run(network, image)

    monkeypatch.setattr(type(method.student), "encode", counted)
    losses = method(batch, "student")
    assert sorted(passes) == [False, True]
    view = strong_view(batch, StrongViewSettings(), method.student.encoder.mean)
    labels = view.move_labels(read_labels(batch.labels["soft"], batch.labels["trust"]))
    logits = method.student.predict(view.image)
    assert losses["ce"].item() == pytest.approx(
        soft_cross_entropy(logits, labels, floor=0.1).item(), rel=1e-5
    )
    assert losses["dice"].item() == pytest.approx(soft_dice(logits, labels, floor=0.1).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "passes"),
    [({}, 1), ({"teacher": "ema"}, 3), ({"teacher": "ema", "consistency_weight": 0}, 1)],
)
def test_a_part_that_is_off_costs_no_pass(settings, passes, monkeypatch):
    method, count = make(**settings), []
    run = type(method.student).encode
    monkeypatch.setattr(type(method.student), "encode", lambda n, image: count.append(1) or run(n, image))
    method(batch_for(method), "student")
    assert len(count) == passes


def test_masking_hides_pixels_and_their_labels_from_every_loss():
    eager = FgiParts(darm_probability=1, darm=DarmSettings(disagreement=0.001, budget_frac=0.5))
    method = make(projection_weight=1, area_weight=1, dice_weight=1, fgi=eager, **EMA)
    part(method)
    batch = batch_for(method, progress=0.9)
    losses = method(batch, "student")
    assert 0.1 < losses["hidden"] < 0.5
    image, labels, hidden = method._shown(batch, method._guide(batch), None, 1.0)
    assert not (labels.known & hidden).any()
    assert torch.equal(
        image.permute(0, 2, 3, 1)[~hidden[:, 0]], batch.image.permute(0, 2, 3, 1)[~hidden[:, 0]]
    )
    other = {**batch.labels, "soft": torch.where(hidden, 254, batch.labels["soft"])}
    again = method(replace(batch, labels=other), "student")
    assert again["loss"].item() == pytest.approx(losses["loss"].item(), rel=1e-6)
    never = make(fgi=eager.model_copy(update={"darm_probability": 1e-9}), **EMA)
    assert never(batch, "student")["hidden"] == 0


def test_the_teacher_with_words_learns_the_sure_pixels_then_stands_still():
    method = make(teacher="words")
    batch = batch_for(method)
    method.begin_stage("teacher")
    found = method(batch, "teacher")
    logits = method.predict(batch.image, batch.words)["teacher"]
    assert set(found) == {"loss"}
    assert found["loss"].item() == pytest.approx(partial_cross_entropy(logits, batch.labels["sparse"]).item())
    found["loss"].backward()
    assert all(p.grad is None for p in method.student.parameters())
    assert any(p.grad is not None and p.grad.any() for p in method.teacher["words"].parameters())
    method.zero_grad(set_to_none=True)
    method.begin_stage("student")
    before = copy.deepcopy(method.teacher.state_dict())
    method(batch, "student")["loss"].backward()
    method.after_step("student")
    assert all(p.grad is None for p in method.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.teacher.state_dict().items())
    assert set(method.predict(batch.image)) == {"student"}
    assert set(make(None, teacher="words").predict(batch.image)) == {"student", "teacher"}


def test_the_averaged_teacher_follows_the_student():
    method = make(teacher="ema", teacher_decay=0.7)
    shown = next(method.teacher.parameters()).detach().flatten()[0].item()
    for step in range(1, 6):
        with torch.no_grad():
            next(method.student.parameters()).fill_(step)
        method.after_step("student")
        kept = min(0.7, 1 - 1 / step)
        shown = kept * shown + (1 - kept) * step
        assert next(method.teacher.parameters()).flatten()[0].item() == pytest.approx(shown, rel=1e-5)
    assert not any(p.requires_grad for p in method.teacher.parameters())


def test_a_described_area_follows_the_zoom_of_the_strong_view():
    settings = {"described_area_weight": 1, "student_view": "strong", "area_tolerance": 0.1}
    method = make(
        strong=StrongViewSettings(zoom=2, colour=0, blur_px=0, noise_sd=0, cutout_frac=0), **settings
    )
    batch = batch_for(method)
    view = strong_view(batch, method.settings.strong, method.student.encoder.mean)
    labels = view.move_labels(read_labels(batch.labels["soft"], batch.labels["trust"]))
    told = (batch.words.area * view.scale**2).clamp(max=1)
    expected = area_interval_loss(
        method.student.predict(view.image), labels.known, described_area(told, tolerance=0.1)
    )
    assert method(batch, "student")["described_area"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_student_starts_alike_whatever_else_is_on():
    plain = make().student.state_dict()
    for settings in (
        {"teacher": "ema"},
        {"teacher": "words"},
        {"labels": "mask"},
        {"student_view": "strong"},
    ):
        other = make(**settings).student.state_dict()
        assert all(torch.equal(value, other[name]) for name, value in plain.items())


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match=r"fgi\.afc_weight needs a teacher, found teacher=none"):
        SoftVoteSettings(fgi=FgiParts(afc_weight=0.1))
    with pytest.raises(ValidationError, match=r"fgi\.cwc_weight compares plain views"):
        SoftVoteSettings(teacher="ema", student_view="strong", fgi=FgiParts(cwc_weight=1))
    with pytest.raises(SettingsError, match="needs words with areas, found transformer"):
        make(TEXTS, described_area_weight=1)
    with pytest.raises(SettingsError, match="found none"):
        make(None, described_area_weight=1)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"weight_floor": 0}, {"teacher": "ema", "student_view": "strong"}])
def test_it_finds_drawn_lesions_from_soft_and_partly_wrong_labels(settings):
    torch.manual_seed(0)
    network = NetworkSettings(encoder="unet", student_channels=(8, 8, 8, 16, 16))
    method = SoftVote(SoftVoteSettings(network=network, **settings), None, Size(SIDE, SIDE))
    method.begin_stage("student")
    image, mask = draw_blobs(32, 0)
    wide = torch.nn.functional.max_pool2d(mask.float(), 3, 1, 1)
    soft = (254 * (0.9 * mask.float() + 0.6 * (wide - mask.float()))).to(torch.uint8)
    trust = (254 * (wide == mask.float())).to(torch.uint8)
    optimizer = torch.optim.AdamW(method.student.parameters(), lr=5e-3)
    for step in range(150):
        generator = torch.Generator().manual_seed(step)
        index = torch.randperm(32, generator=generator)[:8]
        noise = torch.rand(8, 1, SIDE, SIDE, generator=generator)
        labels = {"soft": soft[index], "trust": trust[index]}
        loss = method(Batch(image[index], labels, None, noise, step / 150, step), "student")["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step("student")
    shown, truth = draw_blobs(16, 9)
    with torch.no_grad():
        found = method.eval().predict(shown)["student"] > 0
    both = (found & truth).flatten(1).sum(1)
    assert (2 * both / (found.flatten(1).sum(1) + truth.flatten(1).sum(1))).mean() > 0.9


def test_a_few_steps_with_everything_on_lower_the_loss():
    method = make(dice_weight=1, projection_weight=0.1, area_weight=0.1, **EAGER)
    batch = batch_for(method, progress=0.5)
    optimizer = torch.optim.Adam(method.student.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = method(batch, "student")["loss"]
        loss.backward()
        optimizer.step()
        method.after_step("student")
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
