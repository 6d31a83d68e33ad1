"""Equations 1 to 7 against loops and against torch's own attention; no weight matrix is stored."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from gaze_insight.errors import SettingsError
from gaze_insight.networks.fusion import TextVisionFusion

B, C, H, W, L, T, HEADS = 2, 8, 3, 4, 5, 6, 2


def make(mode="sum", **options) -> tuple[TextVisionFusion, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    fusion = TextVisionFusion(C, T, heads=HEADS, grid=(H, W), mode=mode, **options)
    mask = torch.tensor([[True] * L, [True, True, False, True, False]])
    return fusion, torch.randn(B, C, H, W), torch.randn(B, L, T), mask


def attention_by_loops(fusion, features, tokens, mask) -> tuple[torch.Tensor, torch.Tensor]:
    """MHAtt (B, H, W, C) and alpha (B, heads, H, W, L), one place, head and token at a time."""
    size = C // HEADS
    result, alphas = torch.zeros(B, H, W, C), torch.zeros(B, HEADS, H, W, L)
    for b in range(B):
        for row in range(H):
            for column in range(W):
                query = fusion.query(fusion.norm(features[b, :, row, column]))
                query = query + fusion.position[0, :, row, column]
                heads = []
                for head in range(HEADS):
                    part = slice(head * size, (head + 1) * size)
                    real = [j for j in range(L) if mask[b, j]]
                    scores = [
                        math.exp(float(query[part] @ fusion.key(tokens[b, j])[part]) / math.sqrt(size))
                        for j in real
                    ]
                    total = torch.zeros(size)
                    for j, score in zip(real, scores, strict=True):
                        alphas[b, head, row, column, j] = score / sum(scores)
                        total = total + score / sum(scores) * fusion.value(tokens[b, j])[part]
                    heads.append(total)
                result[b, row, column] = fusion.project(torch.cat(heads))
    return result, alphas


@torch.no_grad()
def test_sum_follows_equations_1_to_7():
    fusion, features, tokens, mask = make(initial_lambda=0.7)
    attention, _ = attention_by_loops(fusion, features, tokens, mask)
    expected = features + 0.7 * attention.permute(0, 3, 1, 2)
    torch.testing.assert_close(fusion(features, tokens, mask), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_concat_is_a_linear_map_of_features_and_attention():
    fusion, features, tokens, mask = make("concat")
    attention, _ = attention_by_loops(fusion, features, tokens, mask)
    both = torch.cat([features.permute(0, 2, 3, 1), attention], dim=-1)
    expected = (both @ fusion.join.weight.T + fusion.join.bias).permute(0, 3, 1, 2)
    torch.testing.assert_close(fusion(features, tokens, mask), expected, rtol=1e-5, atol=1e-5)
    assert not hasattr(fusion.strength, "grad")


@torch.no_grad()
def test_attention_map_is_alpha_of_equation_5():
    fusion, features, tokens, mask = make()
    weights = fusion.attention_map(features, tokens, mask)
    torch.testing.assert_close(
        weights, attention_by_loops(fusion, features, tokens, mask)[1], rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, HEADS, H, W))


@torch.no_grad()
def test_equals_torch_multihead_attention():
    fusion, features, tokens, mask = make(initial_lambda=1.0)
    oracle = torch.nn.MultiheadAttention(C, HEADS, kdim=T, vdim=T, batch_first=True)
    oracle.q_proj_weight.copy_(torch.eye(C))
    oracle.k_proj_weight.copy_(fusion.key.weight)
    oracle.v_proj_weight.copy_(fusion.value.weight)
    oracle.in_proj_bias.copy_(torch.cat([torch.zeros(C), fusion.key.bias, fusion.value.bias]))
    oracle.out_proj.weight.copy_(fusion.project.weight)
    oracle.out_proj.bias.zero_()
    query = fusion.query(fusion.norm(features.flatten(2).transpose(1, 2)))
    query = query + fusion.position.flatten(2).transpose(1, 2)
    attention, _ = oracle(query, tokens, tokens, key_padding_mask=~mask)
    expected = features + attention.transpose(1, 2).unflatten(2, (H, W))
    torch.testing.assert_close(fusion(features, tokens, mask), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_masked_token_has_no_influence():
    fusion, features, tokens, mask = make()
    changed = torch.where(mask[..., None], tokens, torch.full_like(tokens, 50.0))
    torch.testing.assert_close(fusion(features, tokens, mask), fusion(features, changed, mask))


@pytest.mark.parametrize("mode", ["sum", "concat"])
def test_an_image_without_tokens_has_zero_attention_and_finite_gradients(mode):
    fusion, features, tokens, mask = make(mode)
    mask = torch.tensor([[False] * L, [True] * L])
    fused = fusion(features, tokens, mask)
    if mode == "sum":
        torch.testing.assert_close(fused[0], features[0])
    fused.square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
    assert fusion.attention_map(features, tokens, mask)[0].abs().max() == 0


def test_every_part_learns_from_the_first_step():
    fusion, features, tokens, mask = make()
    fusion(features, tokens, mask).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        if name != "key.bias":
            assert parameter.grad.abs().max() > 1e-6, name


@torch.no_grad()
def test_lambda_zero_leaves_the_features_untouched():
    fusion, features, tokens, mask = make(initial_lambda=0.0)
    torch.testing.assert_close(fusion(features, tokens, mask), features)


@torch.no_grad()
def test_concat_starts_near_the_features():
    fusion, features, tokens, mask = make("concat")
    assert (fusion(features, tokens, mask) - features).abs().mean() < 0.2 * features.abs().mean()


@torch.no_grad()
def test_the_position_is_interpolated_to_any_map_size():
    fusion, _, tokens, mask = make()
    features = torch.randn(B, C, 7, 9)
    resized = TextVisionFusion(C, T, heads=HEADS, grid=(7, 9))
    state = fusion.state_dict() | {"position": F.interpolate(fusion.position, size=(7, 9), mode="bilinear")}
    resized.load_state_dict(state)
    torch.testing.assert_close(fusion(features, tokens, mask), resized(features, tokens, mask))


def test_no_weight_matrix_of_places_by_tokens_is_stored_for_the_backward_pass():
    places, length = 32 * 32, 16
    fusion = TextVisionFusion(16, 6, heads=4, grid=(32, 32))
    mask = torch.ones(2, length, dtype=torch.bool)
    mask[0, 9:] = False
    storages = []

    def remember(tensor):
        storages.append(tensor.untyped_storage().nbytes() // tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        fusion(torch.randn(2, 16, 32, 32, requires_grad=True), torch.randn(2, length, 6), mask)
    assert storages
    assert max(storages) < 2 * 4 * places * length


def test_heads_must_divide_the_channels():
    with pytest.raises(SettingsError, match="heads that divide 6 channels, found 4"):
        TextVisionFusion(6, 4, heads=4)
