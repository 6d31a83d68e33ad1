"""A text as the mean of its words, plain or weighted by a learned attention."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gaze_insight.errors import DataError, SettingsError

__all__ = ["PADDING", "TextBag"]

PADDING = 0
"""The word id that means: no word here."""


class TextBag(nn.Module):
    """Learned word vectors, averaged over the words of a text; their order does not count.

    Args:
        vocabulary_size: Number of word ids, the padding included.
        width: Channels of the features.
        pooling: "mean", or "attention": softmax over the words of a learned score of each.

    Raises:
        SettingsError: There is no word besides the padding.

    Example:
        >>> bag = TextBag(10, 8)
        >>> features = bag(torch.tensor([[3, 4, 0], [0, 0, 0]]))
        >>> features.shape, features[1].abs().sum().item()
        (torch.Size([2, 8]), 0.0)
    """

    def __init__(
        self, vocabulary_size: int, width: int, *, pooling: Literal["mean", "attention"] = "attention"
    ) -> None:
        super().__init__()
        if vocabulary_size < 2:
            raise SettingsError(
                f"expected a vocabulary of a word or more besides the padding, found {vocabulary_size} ids",
                remedy="check which text the configuration takes, and that the cohort has it",
            )
        self.words = nn.Embedding(vocabulary_size, width, padding_idx=PADDING)
        self.score = nn.Linear(width, 1) if pooling == "attention" else None

    def forward(self, ids: Tensor) -> Tensor:
        """Encode a batch of texts.

        Args:
            ids: (B, L) int64, 0 for padding, which may stand anywhere; L may be 0.

        Returns:
            (B, width); zeros for a text without words.

        Raises:
            DataError: The shape is not (B, L).
        """
        if ids.ndim != 2:
            raise DataError(f"expected word ids of shape (B, L), found {tuple(ids.shape)}")
        words = self.words(ids)
        real = ids != PADDING
        if self.score is None:
            weights = real / real.sum(dim=1, keepdim=True).clamp_min(1)
        else:
            scores = self.score(words)[..., 0].float().masked_fill(~real, torch.finfo(torch.float32).min)
            weights = scores.softmax(dim=1) * real
        return torch.einsum("bl,bld->bd", weights.to(words.dtype), words)
