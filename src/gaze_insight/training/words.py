"""The descriptions of a whole data set as arrays, and the look-up of a batch's words under a symmetry."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gaze_insight.methods.protocol import AttributeWords, EncodedWords, Words

__all__ = ["AttributeRows", "EncodedRows", "WordRows", "look_up", "select_rows"]


@dataclass(frozen=True)
class AttributeRows:
    """Descriptions of N cases as ids (N, F) int64 and area fractions (N,)."""

    ids: Tensor
    area: Tensor


@dataclass(frozen=True)
class EncodedRows:
    """Rows (N, 8) into a table of text features (T, L, C) with masks (T, L): one row for each symmetry."""

    rows: Tensor
    features: Tensor
    mask: Tensor


WordRows = AttributeRows | EncodedRows


def select_rows(words: WordRows, index: Tensor) -> WordRows:
    """Take the descriptions of some cases.

    Args:
        words: Descriptions of N cases.
        index: (B,) positions in [0, N).

    Returns:
        Descriptions of B cases.

    Example:
        >>> import torch
        >>> some = select_rows(AttributeRows(torch.eye(3).long(), torch.zeros(3)), torch.tensor([2]))
        >>> some.ids.tolist()
        [[0, 0, 1]]
    """
    if isinstance(words, AttributeRows):
        return AttributeRows(words.ids[index], words.area[index])
    return EncodedRows(words.rows[index], words.features, words.mask)


def look_up(words: WordRows, symmetry: Tensor) -> Words:
    """Resolve descriptions for images that were moved by a symmetry.

    Args:
        words: Descriptions of B cases.
        symmetry: (B,) codes in 0..7; 0 leaves an image as it is.

    Returns:
        The words a method receives.

    Example:
        >>> import torch
        >>> words = look_up(AttributeRows(torch.zeros(1, 3).long(), torch.zeros(1)), torch.tensor([0]))
        >>> type(words).__name__
        'AttributeWords'
    """
    if isinstance(words, AttributeRows):
        return AttributeWords(words.ids, words.area, symmetry.to(words.ids.device))
    rows = words.rows.gather(1, symmetry.to(words.rows.device)[:, None])[:, 0]
    return EncodedWords(words.features[rows].float(), words.mask[rows])
