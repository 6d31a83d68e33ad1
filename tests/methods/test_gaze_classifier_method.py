"""The classifier's step: which terms are on, what they weigh, and that gaze teaches its attention."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.losses.box_attention import box_attention_loss
from gaze_insight.losses.gaze_attention import GazeAttentionSettings, gaze_attention_loss
from gaze_insight.losses.multi_label import multi_label_loss
from gaze_insight.losses.soft_contrastive import ContrastiveSettings
from gaze_insight.methods.classifiers import CLASSIFIERS
from gaze_insight.methods.gaze_classifier import GazeClassifier, GazeClassifierSettings, positive_map
from gaze_insight.methods.radiograph_batch import RadiographBatch
from gaze_insight.methods.text_classifier import TextOnly, TextOnlySettings
from gaze_insight.networks.gaze_classifier import ClassifierNetworkSettings
from gaze_insight.networks.vision_transformer import VisionTransformerSettings
from gaze_insight.training.schedule import rate_shares
from gaze_insight.types import Size

SIZE, CLASSES, VOCABULARY = Size(48, 32), 3, 20
NETWORK = ClassifierNetworkSettings(encoder="unet", unet_channels=(4, 4, 8, 8, 8), width=16, stride=8)


def make_method(**settings) -> GazeClassifier:
    torch.manual_seed(0)
    options = {"network": NETWORK, "contrastive": ContrastiveSettings(width=8)} | settings
    return GazeClassifier(GazeClassifierSettings(**options), CLASSES, VOCABULARY, SIZE)


def make_batch(count: int = 4, progress: float = 0.5, seed: int = 0) -> RadiographBatch:
    generator = torch.Generator().manual_seed(seed)
    grid = (6, 4)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator)

    labels = (rand(CLASSES) < 0.5).float()
    labels[rand(CLASSES) < 0.2] = torch.nan
    gaze = rand(*grid)
    gaze /= gaze.sum(dim=(1, 2), keepdim=True)
    gaze[-1] = 0
    trust = 0.5 + rand() / 2
    trust[-1] = 0
    boxes = torch.zeros(count, CLASSES, *grid)
    boxes[0, 1, 2:4, 1:3] = 1
    text = (rand(5) * VOCABULARY).long()
    text[1] = 0
    mask = rand(7) < 0.7
    mask[-1] = False
    return RadiographBatch(rand(3, *SIZE), labels, gaze, trust, boxes, text, rand(7, 4), mask, progress, seed)


def without(batch: RadiographBatch) -> RadiographBatch:
    zero = {name: torch.zeros_like(getattr(batch, name)) for name in batch_parts()}
    return dataclasses.replace(batch, **zero)


def batch_parts() -> tuple[str, ...]:
    return ("gaze", "trust", "boxes", "text", "sequence", "sequence_mask")


def test_the_loss_is_the_weighted_sum_of_the_terms_it_tells():
    weights = {"class_weight": 0.5, "gaze_weight": 0.4, "box_weight": 0.2, "contrastive_weight": 0.3}
    weights |= {"warm_up_frac": 1.0, "supervise": "global"}
    contrastive = ContrastiveSettings(width=8, image_text=0.5, image_gaze=2.0)
    method, batch = make_method(**weights, contrastive=contrastive), make_batch()
    found = method(batch, "classifier")
    terms = {name: value.item() for name, value in found.items()}
    by_hand = 0.5 * terms["classification"] + 0.4 * 0.5 * terms["gaze"] + 0.2 * terms["box"]
    by_hand += 0.3 * (0.5 * terms["image_text"] + 2.0 * terms["image_gaze"])
    assert terms["loss"] == pytest.approx(by_hand, rel=1e-5)
    output = method.predict(batch.image)
    classified = multi_label_loss(output.logits, batch.labels).item()
    assert terms["classification"] == pytest.approx(classified, rel=1e-5)
    seen = gaze_attention_loss(output.attention, batch.gaze, batch.trust, GazeAttentionSettings())
    for name, value in seen.items():
        assert terms[name] == pytest.approx(value.item(), rel=1e-5)
    assert terms["box"] == pytest.approx(box_attention_loss(output.class_attention, batch.boxes).item())
    assert set(terms) == {
        *("loss", "classification", "gaze", "gaze_mse", "gaze_kl", "gaze_correlation"),
        *("gaze_centre_of_mass", "box", "image_text", "image_gaze"),
    }


@pytest.mark.parametrize(
    ("off", "gone", "unbuilt"),
    [
        ({"gaze_weight": 0}, {"gaze", "gaze_mse"}, ()),
        ({"gaze": GazeAttentionSettings(kl=0)}, {"gaze_kl"}, ()),
        ({"box_weight": 0}, {"box"}, ()),
        ({"contrastive_weight": 0}, {"image_text", "image_gaze"}, ("project", "text", "fixations")),
        ({"contrastive": ContrastiveSettings(image_text=0)}, {"image_text"}, ("text",)),
        ({"contrastive": ContrastiveSettings(image_gaze=0)}, {"image_gaze"}, ("fixations",)),
        (
            {"contrastive": ContrastiveSettings(image_text=0, image_gaze=0)},
            {"image_text", "image_gaze"},
            ("project", "text", "fixations"),
        ),
    ],
)
def test_a_term_of_weight_zero_is_neither_computed_nor_built(monkeypatch, off, gone, unbuilt):
    everything = set(make_method()(make_batch(), "classifier"))
    method = make_method(**off)
    for name in {"gaze_attention_loss": "gaze", "box_attention_loss": "box"}.items():
        if name[1] in gone:
            monkeypatch.setattr(f"gaze_insight.methods.gaze_classifier.{name[0]}", None)
    terms = set(method(make_batch(), "classifier"))
    assert gone <= everything - terms
    assert all(getattr(method, part) is None for part in unbuilt)


def test_without_a_vocabulary_there_is_no_text_term():
    method = GazeClassifier(GazeClassifierSettings(network=NETWORK), CLASSES, 0, SIZE)
    assert (method.uses_text, method.uses_sequence) == (False, True)
    assert "image_text" not in method(make_batch(), "classifier")


@pytest.mark.parametrize(
    ("progress", "warm_up", "share"), [(0.0, 0.5, 0.0), (0.25, 0.5, 0.5), (0.6, 0.5, 1.0), (0.0, 0.0, 1.0)]
)
def test_the_gaze_weight_rises_over_a_share_of_the_training(progress, warm_up, share):
    method = make_method(gaze_weight=0.3, warm_up_frac=warm_up, box_weight=0, contrastive_weight=0)
    terms = method(make_batch(progress=progress), "classifier")
    expected = 0.6 * terms["classification"] + share * 0.3 * terms["gaze"]
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_trust_scales_the_gaze_term_and_can_be_switched_off():
    batch = make_batch()
    half = dataclasses.replace(batch, trust=batch.trust / 2)
    full = make_method()(batch, "classifier")["gaze"].item()
    assert make_method()(half, "classifier")["gaze"].item() == pytest.approx(full / 2, rel=1e-5)
    blind = make_method(trust=False)
    assert blind(half, "classifier")["gaze"].item() == blind(batch, "classifier")["gaze"].item()
    assert blind(batch, "classifier")["gaze"].item() > full


def test_gaze_teaches_the_maps_of_the_positive_classes_if_asked():
    batch, method = make_batch(), make_method(supervise="positives")
    output = method.predict(batch.image)
    maps = positive_map(output.class_attention, batch.labels, output.attention)
    for case in range(4):
        positive = [c for c in range(CLASSES) if batch.labels[case, c] == 1]
        expected = output.class_attention[case, positive].mean(dim=0) if positive else output.attention[case]
        torch.testing.assert_close(maps[case], expected)
    seen = gaze_attention_loss(maps, batch.gaze, batch.trust, GazeAttentionSettings())["gaze"]
    found = method(batch, "classifier")["gaze"].item()
    assert found == pytest.approx(seen.item(), rel=1e-5)
    whole = make_method(supervise="global")(batch, "classifier")["gaze"].item()
    assert found != pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("attention", ["per_class", "gaze_token", "none"])
def test_a_batch_without_any_gaze_text_or_box_is_classified_alone(attention):
    method = make_method(network=NETWORK.model_copy(update={"attention": attention}))
    method.begin_stage("classifier")
    terms = method(without(make_batch()), "classifier")
    zero = [name for name in terms if name not in ("loss", "classification")]
    assert [terms[name].item() for name in zero] == [0.0] * len(zero)
    assert terms["loss"].item() == pytest.approx(0.6 * terms["classification"].item())
    terms["loss"].backward()
    for name, parameter in method.named_parameters():
        assert (parameter.grad is None) == (not parameter.requires_grad), name
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


def test_every_modality_may_be_missing_in_any_case():
    whole = make_batch()
    generator = np.random.default_rng(0)
    for _ in range(6):
        parts = {}
        for name in batch_parts():
            part = getattr(whole, name).clone()
            part[torch.from_numpy(generator.random(4) < 0.5)] = 0
            parts[name] = part
        terms = make_method()(dataclasses.replace(whole, **parts), "classifier")
        assert all(torch.isfinite(value) for value in terms.values())


def test_unused_parts_of_the_encoder_are_frozen_and_the_rest_is_trained():
    network = NETWORK.model_copy(update={"merge_coarser": False})
    method = make_method(network=network)
    method.begin_stage("classifier")
    frozen = {name for name, parameter in method.named_parameters() if not parameter.requires_grad}
    assert frozen == {f"network.{name}" for name in method.network.unused}
    assert frozen
    assert method.training
    assert method.trained_in("classifier") is method


def test_a_step_repeats_exactly_and_predicts_from_the_image_alone():
    batch = make_batch()
    first, second = (make_method()(batch, "classifier") for _ in range(2))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}
    method = make_method().eval()
    assert torch.equal(method.predict(batch.image).logits, method.predict(batch.image, batch.text).logits)


def test_gaze_teaches_where_the_network_looks():
    batch = make_batch()
    gaze = torch.zeros_like(batch.gaze)
    gaze[:, 4, 1] = 1
    batch = dataclasses.replace(batch, gaze=gaze, trust=torch.ones(4))
    looked = {}
    for weight in (0.0, 1.0):
        weights = {"gaze_weight": weight, "contrastive_weight": 0, "box_weight": 0}
        method = make_method(**weights, warm_up_frac=0, supervise="global")
        optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
        for _ in range(25):
            loss = method(batch, "classifier")["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        looked[weight] = method.predict(batch.image).attention[:, 4, 1].mean().item()
    assert looked[1.0] > 0.5 > 4 * looked[0.0]


@pytest.mark.parametrize("encoder", ["unet", "vit"])
@pytest.mark.parametrize("attention", ["per_class", "gaze_token"])
def test_an_encoder_of_no_rate_stays_as_it_begins_while_the_rest_learns(encoder, attention):
    vit = VisionTransformerSettings(width=16, depth=2, heads=2, patch_px=8)
    own = {"encoder": encoder, "attention": attention, "vit": vit, "encoder_rate_share": 0}
    method = make_method(network=NETWORK.model_copy(update=own), warm_up_frac=0)
    method.begin_stage("classifier")
    encoder_before = {name: value.clone() for name, value in method.network.encoder.state_dict().items()}
    head_before = method.network.head.weight.detach().clone()
    groups = [{"params": found} for _, found in rate_shares(method)]
    optimizer = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        method(make_batch(), "classifier")["loss"].backward()
        optimizer.step()
    assert all(parameter.grad is None for parameter in method.network.encoder.parameters())
    for name, value in method.network.encoder.state_dict().items():
        assert torch.equal(value, encoder_before[name]), name
    assert not torch.equal(method.network.head.weight, head_before)


def test_batches_on_another_grid_and_weights_for_other_classes_are_refused():
    batch = make_batch()
    with pytest.raises(DataError, match="gaze of shape"):
        make_method()(dataclasses.replace(batch, gaze=torch.zeros(4, 3, 3)), "classifier")
    with pytest.raises(DataError, match="boxes of shape"):
        make_method()(dataclasses.replace(batch, boxes=torch.zeros(4, CLASSES, 3, 3)), "classifier")
    with pytest.raises(SettingsError, match="3 weights"):
        make_method(positive_weights=(1.0, 2.0))
    with pytest.raises(ValidationError):
        GazeClassifierSettings(gaze_weight=-1)


def test_weights_of_positives_reach_the_labels_term():
    batch, weights = make_batch(), (2.0, 1.0, 0.5)
    found = make_method(positive_weights=weights)(batch, "classifier")["classification"].item()
    logits = make_method().predict(batch.image).logits
    expected = multi_label_loss(logits, batch.labels, torch.tensor(weights)).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_text_control_learns_from_words_and_needs_them():
    torch.manual_seed(0)
    method = TextOnly(TextOnlySettings(width=8), CLASSES, VOCABULARY, SIZE)
    batch = make_batch(8)
    labels = torch.eye(3)[torch.arange(8) % 3]
    text = torch.stack([torch.tensor([4 + i % 3, 10, 11 + i, 0]) for i in range(8)])
    text[7] = 0
    batch = dataclasses.replace(batch, labels=labels, text=text)
    method.begin_stage("classifier")
    optimizer = torch.optim.Adam(method.parameters(), lr=0.05)
    for _ in range(60):
        loss = method(batch, "classifier")["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    output = method.predict(batch.image, torch.tensor([[4, 10, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]]))
    assert output.logits[:2].argmax(dim=1).tolist() == [0, 1]
    torch.testing.assert_close(output.logits[2], method.head.bias)
    assert output.attention.shape == (3, 1, 1)
    assert output.class_attention.shape == (3, CLASSES, 1, 1)
    with pytest.raises(DataError, match="given none"):
        method.predict(batch.image)


def test_methods_by_name_have_settings_of_that_kind():
    for name in CLASSIFIERS:
        method = CLASSIFIERS[name]
        assert method.settings_type().kind == name
        assert method.summary
    assert {name for name in CLASSIFIERS if CLASSIFIERS[name].needs_text} == {"text_only"}


def test_a_batch_is_changed_part_by_part():
    batch = make_batch()
    part = batch.map(lambda tensor: tensor[2:])
    for name in ("image", "labels", *batch_parts()):
        torch.testing.assert_close(getattr(part, name), getattr(batch, name)[2:], equal_nan=True)
    assert (part.progress, part.seed) == (batch.progress, batch.seed)
