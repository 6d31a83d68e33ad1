"""Pooling of a feature map by learned attention, by its mean, or by both, with a map of where it looked."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gaze_insight.networks.transformer import PositionEmbedding, from_tokens, to_tokens

__all__ = ["ActivationMap", "AttentionPooling", "BoundedGate", "Pooled", "activation_maps"]

ActivationMap = Literal["positive", "shifted"]
"""How a class activation map becomes a distribution: its positive part, or its values above the least."""


class Pooled(NamedTuple):
    """What K queries took out of a map.

    Args:
        values: (B, K, C), the features under each query's attention.
        attention: (B, K, h, w), >= 0; each map sums to 1.
    """

    values: Tensor
    attention: Tensor


class AttentionPooling(nn.Module):
    """K learned queries, each of which looks at the places of a map and takes their weighted mean.

    a_k = softmax over the places of q_k . W x / sqrt(C), and value_k = sum of a_k x. With `grid`, the keys
    know their place by a learned embedding; the values do not.

    Args:
        channels: Channels C of the map.
        queries: K.
        grid: Rows and columns of the position embedding; None for keys that do not know their place.

    Example:
        >>> pooled = AttentionPooling(8, 3, (4, 4))(torch.rand(2, 8, 4, 5))
        >>> pooled.values.shape, pooled.attention.shape
        (torch.Size([2, 3, 8]), torch.Size([2, 3, 4, 5]))
    """

    def __init__(self, channels: int, queries: int, grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, channels))
        self.key = nn.Linear(channels, channels)
        self.position = None if grid is None else PositionEmbedding(channels, grid)

    def forward(self, features: Tensor) -> Pooled:
        """Look and take; the softmax is computed in float32.

        Args:
            features: (B, C, h, w).

        Returns:
            The means and the attention.
        """
        height, width = features.shape[-2:]
        tokens = to_tokens(features)
        placed = tokens if self.position is None else self.position(tokens, height, width)
        scores = self.key(placed) @ self.query.T.to(placed.dtype) * self.query.shape[1] ** -0.5
        attention = scores.float().softmax(dim=1)
        values = attention.transpose(1, 2).to(tokens.dtype) @ tokens
        return Pooled(values, from_tokens(attention, height, width))


class BoundedGate(nn.Module):
    """Add attended features to the plain mean through a gate that cannot exceed one: m + tanh(g) v.

    One g per channel, at the beginning atanh(1/2).

    Args:
        channels: Channels of both.

    Example:
        >>> BoundedGate(4)(torch.ones(1, 4), torch.ones(1, 3, 4)).detach().unique().tolist()
        [1.5]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.full((channels,), 0.5).atanh())

    def forward(self, mean: Tensor, attended: Tensor) -> Tensor:
        """Fuse.

        Args:
            mean: (B, C), the mean over all places.
            attended: (B, K, C).

        Returns:
            (B, K, C).
        """
        return mean[:, None] + self.gate.tanh() * attended


def activation_maps(features: Tensor, weight: Tensor, kind: ActivationMap = "positive") -> Tensor:
    r"""Compute the class activation maps of a network that ends in a mean and a linear layer.

    The logit of class c is b_c + mean over the places of $M_c = \sum_k w_{ck} x_k$, so that M_c is each
    place's exact share in it (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR
    2016, eq. 2). M_c is made a distribution by its positive part, or by its values above the least.

    Args:
        features: (B, K, h, w).
        weight: (C, K), the linear layer's.
        kind: Which of the two.

    Returns:
        (B, C, h, w), >= 0, each map sums to 1; uniform where nothing is left (no positive place; a constant).

    Example:
        >>> features = torch.tensor([[[[-1.0, 1.0, 3.0]]]])
        >>> activation_maps(features, torch.ones(1, 1)).flatten().tolist()
        [0.0, 0.25, 0.75]
        >>> activation_maps(features, -torch.ones(1, 1), "shifted").flatten().tolist()[1:]
        [0.3333333432674408, 0.0]
    """
    shares = torch.einsum("bkhw,ck->bchw", features.float(), weight.float())
    if kind == "shifted":
        shares = shares - shares.amin(dim=(-2, -1), keepdim=True)
    shares = shares.relu()
    total = shares.sum(dim=(-2, -1), keepdim=True)
    some = total > 0
    uniform = 1 / (shares.shape[-1] * shares.shape[-2])
    return torch.where(some, shares / torch.where(some, total, 1.0), uniform)
