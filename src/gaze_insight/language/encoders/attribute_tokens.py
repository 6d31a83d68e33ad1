"""Learned tokens of a description's fields, which move with the image under flips and quarter turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gaze_insight.errors import SettingsError
from gaze_insight.language.schema import LOCATIONS, NOT_VISIBLE, VOCABULARY, Description
from gaze_insight.language.symmetry import CELL_MOVES

__all__ = ["FIELDS", "AttributeIds", "AttributeTokens", "encode_ids", "tokenise"]

FIELDS: tuple[str, ...] = tuple(VOCABULARY)
"""The fields in the order of their columns; the location is the first."""

_ALWAYS_KNOWN = ("location", "confidence")


class AttributeIds(NamedTuple):
    """A description as numbers: 0 where a field is unknown, else the word's place from 1."""

    fields: NDArray[np.int64]
    area_frac: float


def tokenise(description: Description | None) -> AttributeIds:
    """Number the words of a description.

    Args:
        description: The description, or None where a case has none.

    Returns:
        Ids ``(F,)`` in the order of `FIELDS` and the area as a fraction of the image. All ids and the
        area are 0 for None; where nothing is visible only location and confidence are known.

    Example:
        >>> tokenise(Description.nothing_seen("measured")).fields.tolist()
        [10, 0, 0, 0, 0, 3]
    """
    if description is None:
        return AttributeIds(np.zeros(len(FIELDS), np.int64), 0.0)
    ids = [
        VOCABULARY[name].index(getattr(description, name)) + 1
        if description.visible or name in _ALWAYS_KNOWN
        else 0
        for name in FIELDS
    ]
    return AttributeIds(np.array(ids, np.int64), description.area_percentage / 100)


def encode_ids(descriptions: Sequence[Description | None]) -> tuple[Tensor, Tensor]:
    """Number the words of a batch of descriptions.

    Args:
        descriptions: B descriptions; None where a case has none.

    Returns:
        Ids ``(B, F)`` int64 and area fractions ``(B,)`` float32; ``(0, F)`` and ``(0,)`` for an empty batch.

    Example:
        >>> ids, area = encode_ids([None, Description.nothing_seen("measured")])
        >>> ids.shape, area.shape
        (torch.Size([2, 6]), torch.Size([2]))
    """
    numbered = [tokenise(description) for description in descriptions]
    ids = np.stack([one.fields for one in numbered]) if numbered else np.zeros((0, len(FIELDS)), np.int64)
    area = np.array([one.area_frac for one in numbered], np.float32)
    return torch.from_numpy(ids), torch.from_numpy(area)


def _location_moves() -> Tensor:
    """Give ``(8, 11)``: the id of each location word after each symmetry; unknown and not visible stay."""
    stay = LOCATIONS.index(NOT_VISIBLE) + 1
    return torch.tensor([[0, *(cell + 1 for cell in moves), stay] for moves in CELL_MOVES])


class AttributeTokens(nn.Module):
    """Embed the words of a description: one learned vector a word, one for the area, layer-normalised.

    An unknown field is masked out. A case without a description keeps one learned token, [none], so that
    attention never meets an empty row.

    Args:
        dim: Length C of a token.

    Example:
        >>> encoder = AttributeTokens(dim=16)
        >>> tokens, mask = encoder(*encode_ids([None]))
        >>> tokens.shape, mask.tolist()
        (torch.Size([1, 7, 16]), [[True, False, False, False, False, False, False]])
    """

    location_moves: Tensor
    offsets: Tensor

    def __init__(self, dim: int = 64) -> None:
        super().__init__()
        if dim < 1:
            raise SettingsError(f"dim must be at least 1, found {dim}")
        self.dim = dim
        sizes = [len(VOCABULARY[name]) + 1 for name in FIELDS]
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        self.words = nn.Embedding(sum(sizes), dim)
        self.area = nn.Linear(2, dim)
        self.norm = nn.LayerNorm(dim)
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        self.register_buffer("location_moves", _location_moves(), persistent=False)

    def forward(self, ids: Tensor, area: Tensor, symmetry: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give the tokens of descriptions whose images were flipped or turned.

        Args:
            ids: ``(B, F)`` int64 from `encode_ids`.
            area: ``(B,)`` fraction of the image, in [0, 1].
            symmetry: ``(B,)`` int64 codes 0..7 of what was done to each image; None for nothing.

        Returns:
            Tokens ``(B, F + 1, dim)``, the last one for the area, and the mask ``(B, F + 1)``, True where a
            token is real; every row has at least one. An empty batch gives empty tensors.

        Example:
            >>> encoder = AttributeTokens(dim=8)
            >>> encoder(*encode_ids([None, None]), torch.tensor([0, 5]))[0].shape
            torch.Size([2, 7, 8])
        """
        if symmetry is not None:
            ids = torch.cat([self.location_moves[symmetry, ids[:, 0]].unsqueeze(1), ids[:, 1:]], dim=1)
        words = self.words(ids + self.offsets)
        measure = area.to(words.dtype).clamp(0, 1)
        size = self.area(torch.stack([measure, measure.sqrt()], dim=1)).unsqueeze(1)
        known = ids > 0
        first = torch.ones_like(known[:, :1])
        mask = torch.cat([first, known[:, 1:], known[:, 1:2]], dim=1)
        return self.norm(torch.cat([words, size], dim=1)), mask
