"""Attention that is recorded beside the forward pass, and its sum over the tokens of a field."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gaze_insight.errors import DataError
from gaze_insight.networks.building import NetworkSettings, build_teacher
from gaze_insight.networks.fusion import FusionSettings, TextVisionFusion
from gaze_insight.networks.word_attention import StageAttention, record_attention, relative_attention
from gaze_insight.types import Size

NETWORK = NetworkSettings(encoder="unet", teacher_channels=(8,) * 5, student_channels=(4,) * 5)
MASK = torch.tensor([[True, True, True, True, True], [True, False, True, True, False]])


def make_teacher(stages: int = 3) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    teacher = build_teacher(NETWORK, 6, FusionSettings(stages=stages, heads=2), Size(32, 32)).eval()
    return teacher, torch.rand(2, 3, 32, 32), torch.randn(2, 5, 6)


@torch.no_grad()
def test_recorded_weights_are_those_of_the_fusions_and_the_prediction_stays_the_same():
    teacher, image, tokens = make_teacher()
    plain = teacher(image, tokens, MASK).logits
    with record_attention(teacher) as stages:
        recorded = teacher(image, tokens, MASK).logits
    assert torch.equal(plain, recorded)
    maps = teacher.encode(image)
    assert len(stages) == 3
    for number, (stage, fusion) in enumerate(zip(stages, teacher.fusions, strict=True), start=1):
        torch.testing.assert_close(stage.weights, fusion.attention_map(maps[number], tokens, MASK))
        assert torch.equal(stage.mask, MASK)


def test_nothing_is_recorded_after_the_block_or_after_an_error_in_it():
    teacher, image, tokens = make_teacher(1)
    with pytest.raises(RuntimeError, match="stop"), record_attention(teacher) as stages:
        raise RuntimeError("stop")
    teacher(image, tokens, MASK)
    assert stages == []
    assert not any(module._forward_pre_hooks for module in teacher.modules())


def test_names_and_a_weight_of_the_words_make_no_difference_to_what_is_recorded():
    fusion = TextVisionFusion(8, 6, heads=2, grid=(4, 4))
    features, tokens = torch.randn(2, 8, 4, 4), torch.randn(2, 5, 6)
    with record_attention(fusion) as stages:
        fusion(features, tokens, MASK)
        fusion(features, token_mask=MASK, tokens=tokens)
        fusion(features, tokens, MASK, torch.tensor([0.0, 0.5]))
    assert len(stages) == 3
    assert all(torch.equal(stages[0].weights, one.weights) for one in stages)
    assert not stages[0].weights.requires_grad


def test_relative_attention_follows_its_formula_place_by_place():
    torch.manual_seed(2)
    fields = ["location", "area", "area", None, "shape"]
    logits = torch.randn(2, 3, 4, 6, 5).masked_fill(~MASK[:, None, None, None], -torch.inf)
    stage = StageAttention(logits.softmax(dim=-1), MASK)
    for image in (0, 1):
        real = [token for token in range(5) if MASK[image, token]]
        found = relative_attention([stage, stage], fields, (4, 6), image)
        assert list(found) == list(dict.fromkeys(fields[t] for t in real if fields[t]))
        for name, maps in found.items():
            own = [token for token in real if fields[token] == name]
            assert maps.shape == (2, 4, 6)
            for row in range(4):
                for column in range(6):
                    given = sum(float(stage.weights[image, :, row, column, t].mean()) for t in own)
                    expected = given / (len(own) / len(real))
                    assert float(maps[1, row, column]) == pytest.approx(expected, rel=1e-5)


def test_shares_of_all_fields_sum_to_one_at_every_place_and_every_size():
    teacher, image, tokens = make_teacher()
    with record_attention(teacher) as stages:
        teacher(image, tokens, MASK)
    maps = relative_attention(stages, ["a", "b", "b", "c", "c"], (20, 30))
    total = maps["a"] / 5 + 2 * maps["b"] / 5 + 2 * maps["c"] / 5
    torch.testing.assert_close(total, torch.ones(3, 20, 30))


def test_words_without_a_token_give_no_map_and_missing_fields_are_an_error():
    none = StageAttention(torch.zeros(1, 2, 3, 3, 4), torch.zeros(1, 4, dtype=torch.bool))
    assert relative_attention([none], ["a"], (3, 3)) == {}
    assert relative_attention([], ["a"], (3, 3)) == {}
    with pytest.raises(DataError, match="the field of 5 tokens, found 2"):
        relative_attention([StageAttention(torch.zeros(2, 1, 2, 2, 5), MASK)], ["a", "b"], (2, 2))
