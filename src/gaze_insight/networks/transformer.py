"""Transformer blocks over the places of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import SettingsError

__all__ = ["PositionEmbedding", "TransformerBlock", "from_tokens", "to_tokens"]


def to_tokens(features: Tensor) -> Tensor:
    """Read a map place by place, row by row.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, H * W, C).

    Example:
        >>> to_tokens(torch.zeros(2, 8, 3, 4)).shape
        torch.Size([2, 12, 8])
    """
    return features.flatten(2).transpose(1, 2)


def from_tokens(tokens: Tensor, height: int, width: int) -> Tensor:
    """Put tokens back into their places; the inverse of `to_tokens`.

    Args:
        tokens: (B, height * width, C).
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        (B, C, height, width).

    Example:
        >>> x = torch.rand(1, 2, 3, 4)
        >>> torch.equal(from_tokens(to_tokens(x), 3, 4), x)
        True
    """
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, height, width)


class PositionEmbedding(nn.Module):
    """A learned vector for each place, added to the tokens; interpolated to maps of any other size.

    Args:
        channels: Channels of the tokens.
        grid: Rows and columns of places that are learned.

    Example:
        >>> PositionEmbedding(8, (4, 4))(torch.zeros(2, 15, 8), 3, 5).shape
        torch.Size([2, 15, 8])
    """

    def __init__(self, channels: int, grid: tuple[int, int] = (14, 14)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, *grid))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Tell each token where it is.

        Args:
            tokens: (B, height * width, channels).
            height: Rows of the map.
            width: Columns of the map.

        Returns:
            The same shape.
        """
        places: Tensor = self.weight
        if places.shape[-2:] != (height, width):
            places = F.interpolate(places, size=(height, width), mode="bicubic", align_corners=False)
        return tokens + to_tokens(places).to(tokens.dtype)


class TransformerBlock(nn.Module):
    """Multi-head self-attention and a two-layer perceptron, each after a layer norm and beside a shortcut.

    z' = MSA(LN(z)) + z and z'' = MLP(LN(z')) + z', eqs. 2 and 3 of Chen et al., "TransUNet", arXiv 2102.04306
    (2021). There is no dropout, so that a training step repeats exactly.

    Args:
        channels: Channels of the tokens, a multiple of `heads`.
        heads: Attention heads.
        expansion: Width of the perceptron's hidden layer, in `channels`.

    Raises:
        SettingsError: The channels cannot be divided among the heads.

    Example:
        >>> TransformerBlock(8, heads=2)(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, channels: int, *, heads: int, expansion: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise SettingsError(
                f"expected transformer heads that divide {channels} channels, found {heads}",
                remedy="change the number of heads or the channels of the coarsest level",
            )
        self.heads = heads
        self.attention_norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, expansion * channels),
            nn.GELU(),
            nn.Linear(expansion * channels, channels),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Let every token see every other.

        Args:
            tokens: (B, L, channels).

        Returns:
            The same shape.
        """
        batch, length, channels = tokens.shape
        joined = self.query_key_value(self.attention_norm(tokens))
        split = joined.view(batch, length, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.project(seen.transpose(1, 2).flatten(2))
        out: Tensor = tokens + self.perceptron(tokens)
        return out
