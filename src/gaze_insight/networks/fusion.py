"""Text-vision fusion: every place of a map asks the words (eqs. 1 to 7 of From Gaze to Insight)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import SettingsError
from gaze_insight.types import Settings

__all__ = ["FusionMode", "FusionSettings", "TextVisionFusion"]

FusionMode = Literal["sum", "concat"]


class FusionSettings(Settings):
    """How and where the teacher takes in the words.

    Example:
        >>> FusionSettings(stages=2).mode
        'sum'
    """

    stages: int = Field(
        4, ge=1, le=4, description="Scales that are fused, from the finest pooled one upwards"
    )
    mode: FusionMode = Field("sum", description="sum: X + lambda * attention; concat: linear map of both")
    heads: int = Field(4, ge=1, description="Attention heads; a divisor of each fused map's channels")
    initial_lambda: float = Field(0.1, ge=0, description="Fusion strength lambda at the start of training")


class TextVisionFusion(nn.Module):
    """Multi-head cross-attention from the places of a feature map (queries) to text tokens (keys, values).

    Q = phi(LayerNorm(X)) + P (eq. 1), K = psi_k(F_t), V = psi_v(F_t) (eq. 3), head^k = softmax(Q K^T /
    sqrt(d)) V (eqs. 4, 5), MHAtt = Concat(head^1..head^h) W^O (eq. 6), and X' = X + lambda MHAtt (eq. 7).

    The paper applies "a layer normalization" without saying where. It stands here before phi, over the
    channels of each place, so that eq. 7 holds as written and lambda = 0 leaves X untouched. `lambda` starts
    at a small positive
    value: at zero neither W^O nor the projections would receive a gradient.

    The weights over (places x tokens) are never stored: attention runs through the fused kernel.
    `attention_map` computes them when a picture is wanted.

    Args:
        visual_channels: Channels C_v of the feature map, a multiple of `heads`.
        text_channels: Channels C_t of the tokens.
        heads: Number of attention heads h.
        grid: Rows and columns of the learned positional embedding P; it is interpolated to any other map
            size.
        mode: "sum" is eq. 7; "concat" replaces it by X' = Linear([X, MHAtt]), which starts at X plus a
            little.
        initial_lambda: First value of lambda; used by "sum" alone.

    Raises:
        SettingsError: The channels cannot be divided among the heads.

    Example:
        >>> fusion = TextVisionFusion(8, 6, heads=2, grid=(4, 4))
        >>> image, words = torch.rand(1, 8, 5, 7), torch.rand(1, 3, 6)
        >>> fusion(image, words, torch.ones(1, 3, dtype=torch.bool)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(
        self,
        visual_channels: int,
        text_channels: int,
        *,
        heads: int = 4,
        grid: tuple[int, int] = (16, 16),
        mode: FusionMode = "sum",
        initial_lambda: float = 0.1,
    ) -> None:
        super().__init__()
        if visual_channels % heads:
            raise SettingsError(f"expected heads that divide {visual_channels} channels, found {heads}")
        self.heads = heads
        self.norm = nn.LayerNorm(visual_channels)
        self.query = nn.Linear(visual_channels, visual_channels)
        self.key = nn.Linear(text_channels, visual_channels)
        self.value = nn.Linear(text_channels, visual_channels)
        self.project = nn.Linear(visual_channels, visual_channels, bias=False)
        self.position = nn.Parameter(torch.empty(1, visual_channels, *grid))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.strength = nn.Parameter(torch.tensor(float(initial_lambda))) if mode == "sum" else None
        self.join = None if mode == "sum" else nn.Linear(2 * visual_channels, visual_channels)
        if self.join is not None:
            nn.init.xavier_uniform_(self.join.weight, gain=0.1)
            nn.init.zeros_(self.join.bias)
            with torch.no_grad():
                self.join.weight[:, :visual_channels] = torch.eye(visual_channels)

    def forward(
        self, features: Tensor, tokens: Tensor, token_mask: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Fuse words into a feature map.

        Args:
            features: X, (B, C_v, H, W).
            tokens: F_t, (B, L, C_t).
            token_mask: (B, L) bool, True where a token is real. Where an image has none, its attention is
                zero.
            weight: (B,) in [0, 1]: how far each image's words are believed. It scales MHAtt; 0 is as if the
                image had no token. None for 1.

        Returns:
            X', (B, C_v, H, W).
        """
        places = features.flatten(2).transpose(1, 2)
        query = self._split(self._query(places, features.shape[-2:]))
        known = token_mask.any(dim=1)
        value = self.value(tokens) * known[:, None, None]
        if weight is not None:
            value = value * weight.to(value.dtype)[:, None, None]
        absent = ~token_mask & known[:, None]
        bias = torch.zeros_like(absent, dtype=query.dtype).masked_fill(absent, -torch.inf)
        bias = bias[:, None, None, :].expand(-1, self.heads, query.shape[2], -1)
        heads: Tensor = F.scaled_dot_product_attention(
            query, self._split(self.key(tokens)), self._split(value), attn_mask=bias
        )
        concatenated = heads.transpose(1, 2).flatten(2)
        weight = self.project.weight if self.strength is None else self.strength * self.project.weight
        attention = F.linear(concatenated, weight)
        fused = places + attention if self.join is None else self.join(torch.cat([places, attention], dim=-1))
        return fused.transpose(1, 2).reshape(features.shape)

    def attention_map(self, features: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """Compute the weights alpha of eq. 5, which the forward pass never stores; for pictures.

        Args:
            features: X, (B, C_v, H, W).
            tokens: F_t, (B, L, C_t).
            token_mask: (B, L) bool, True where a token is real.

        Returns:
            (B, heads, H, W, L); the weights of a place sum to 1, or are 0 for an image without tokens.

        Example:
            >>> fusion = TextVisionFusion(8, 6, heads=2, grid=(4, 4))
            >>> mask = torch.tensor([[True, True, False]])
            >>> weights = fusion.attention_map(torch.rand(1, 8, 4, 4), torch.rand(1, 3, 6), mask)
            >>> weights.shape, weights[..., 2].max().item()
            (torch.Size([1, 2, 4, 4, 3]), 0.0)
        """
        places = features.flatten(2).transpose(1, 2)
        query = self._split(self._query(places, features.shape[-2:]))
        key = self._split(self.key(tokens))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~token_mask[:, None, None, :], -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        return weights.reshape(*weights.shape[:2], *features.shape[-2:], -1)

    def _query(self, places: Tensor, size: torch.Size) -> Tensor:
        position: Tensor = self.position
        if position.shape[-2:] != size:
            position = F.interpolate(position, size=tuple(size), mode="bilinear", align_corners=False)
        query: Tensor = self.query(self.norm(places))
        return query + position.flatten(2).transpose(1, 2).to(query.dtype)

    def _split(self, sequence: Tensor) -> Tensor:
        batch, length, channels = sequence.shape
        return sequence.view(batch, length, self.heads, channels // self.heads).transpose(1, 2)
