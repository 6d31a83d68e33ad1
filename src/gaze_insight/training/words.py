"""The descriptions of a whole data set as arrays, and the look-up of a batch's words under a symmetry."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from gaze_insight.errors import SettingsError
from gaze_insight.methods.protocol import AttributeWords, EncodedWords, TokenWords, Words

__all__ = ["AttributeRows", "EncodedRows", "TokenRows", "WordRows", "look_up", "select_rows", "weigh_rows"]


class _Rows:
    """Tensors that tell the words of N cases."""

    def tensors(self) -> list[Tensor]:
        """List the tensors that are there, in a fixed order: what the words are told by.

        Returns:
            The tensors; a weight that is absent is left out.

        Example:
            >>> import torch
            >>> len(AttributeRows(torch.zeros(2, 6).long(), torch.zeros(2)).tensors())
            2
        """
        return [part for part in vars(self).values() if part is not None]


@dataclass(frozen=True)
class AttributeRows(_Rows):
    """Descriptions of N cases as ids (N, F) int64 and area fractions (N,); weights (N,) in [0, 1] or None."""

    ids: Tensor
    area: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EncodedRows(_Rows):
    """Rows (N, 8) into a table of text features (T, L, C) with masks (T, L): one row for each symmetry.

    Weights are (N,) in [0, 1], or None.
    """

    rows: Tensor
    features: Tensor
    mask: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class TokenRows(_Rows):
    """Rows (N, 8) into a table of token ids (T, L) int64 with masks (T, L): one row for each symmetry.

    Weights are (N,) in [0, 1], or None.
    """

    rows: Tensor
    ids: Tensor
    mask: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)


WordRows = AttributeRows | EncodedRows | TokenRows


def weigh_rows(words: WordRows, weight: Tensor) -> WordRows:
    """Say how far each case's description is believed.

    Args:
        words: Descriptions of N cases.
        weight: (N,) in [0, 1]: what the words add to the image is scaled by it; 0 is as if there were none.

    Returns:
        The descriptions with their weights, float32.

    Raises:
        SettingsError: There are fewer or more weights than cases, or one lies outside [0, 1].

    Example:
        >>> import torch
        >>> rows = AttributeRows(torch.zeros(2, 6).long(), torch.zeros(2))
        >>> weigh_rows(rows, torch.tensor([1.0, 0.25])).weight.tolist()
        [1.0, 0.25]
    """
    if weight.shape != (len(words),):
        shape = tuple(weight.shape)
        raise SettingsError(f"expected {len(words)} weights of words, one a case, found {shape}")
    if not bool(((weight >= 0) & (weight <= 1)).all()):
        raise SettingsError("expected weights of words in [0, 1], found others")
    return replace(words, weight=weight.float())


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
    weight = None if words.weight is None else words.weight[index]
    if isinstance(words, AttributeRows):
        return AttributeRows(words.ids[index], words.area[index], weight)
    return replace(words, rows=words.rows[index], weight=weight)


def look_up(words: WordRows, symmetry: Tensor) -> Words:
    """Resolve descriptions for images that were moved by a symmetry.

    Args:
        words: Descriptions of B cases.
        symmetry: (B,) codes in 0..7; 0 leaves an image as it is.

    Returns:
        The words a method receives; the weights stay with their cases.

    Example:
        >>> import torch
        >>> words = look_up(AttributeRows(torch.zeros(1, 3).long(), torch.zeros(1)), torch.tensor([0]))
        >>> type(words).__name__
        'AttributeWords'
    """
    if isinstance(words, AttributeRows):
        return AttributeWords(words.ids, words.area, symmetry.to(words.ids.device), words.weight)
    rows = words.rows.gather(1, symmetry.to(words.rows.device)[:, None])[:, 0]
    if isinstance(words, TokenRows):
        return TokenWords(words.ids[rows], words.mask[rows], words.weight)
    return EncodedWords(words.features[rows].float(), words.mask[rows], words.weight)
