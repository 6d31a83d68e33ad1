"""Features of all the texts a training may need, computed once: words that follow the image's flips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaze_insight.errors import DataError
from gaze_insight.language.schema import Description
from gaze_insight.language.symmetry import SYMMETRIES
from gaze_insight.types import BoolArray, FloatArray

__all__ = ["NO_TEXT", "TextEncoder", "TextTable", "distinct_texts", "symmetry_rows"]

NO_TEXT = ""
"""The text of a case without a description; an encoder still gives its special tokens."""


class TextEncoder(Protocol):
    """Anything that turns texts into token features; `TransformerTextEncoder` is one."""

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Give features ``(B, L, C)`` and the mask ``(B, L)``, True where a token is real."""
        ...


def distinct_texts(descriptions: Iterable[Description | None]) -> list[str]:
    """List the texts of descriptions under every symmetry, each once.

    Args:
        descriptions: The cases' descriptions; None where a case has none.

    Returns:
        The texts in order; `NO_TEXT` is always one.

    Example:
        >>> distinct_texts([None, Description.nothing_seen("measured")])
        ['', 'Location: not visible. Confidence: low.']
    """
    texts = {NO_TEXT}
    for description in descriptions:
        if description is not None:
            texts.update(description.under(code).to_text() for code in range(SYMMETRIES))
    return sorted(texts)


def symmetry_rows(descriptions: Sequence[Description | None], rows: Mapping[str, int]) -> NDArray[np.int64]:
    """Find the row of each description's text under each symmetry.

    Args:
        descriptions: N descriptions; None where a case has none.
        rows: Text to row of a table.

    Returns:
        ``(N, 8)`` int64: the text that fits case n's image after symmetry s is row ``[n, s]``.

    Raises:
        DataError: A text is not in the table.

    Example:
        >>> symmetry_rows([None], {"": 3}).tolist()
        [[3, 3, 3, 3, 3, 3, 3, 3]]
    """
    index = np.zeros((len(descriptions), SYMMETRIES), np.int64)
    for case, description in enumerate(descriptions):
        for code in range(SYMMETRIES):
            text = NO_TEXT if description is None else description.under(code).to_text()
            if text not in rows:
                raise DataError(f"the table has no features of the text {text!r}", remedy="build it anew")
            index[case, code] = rows[text]
    return index


@dataclass(frozen=True, eq=False)
class TextTable:
    """Distinct texts and the features of their tokens.

    Args:
        rows: Text to row.
        features: ``(T, L, C)`` float16 or float32.
        mask: ``(T, L)``, True where a token is real.

    Raises:
        DataError: The arrays do not fit the texts.

    Example:
        >>> class Lengths:
        ...     def encode(self, texts):
        ...         sizes = torch.tensor([[[float(len(text))]] for text in texts])
        ...         return sizes, torch.ones(len(texts), 1, dtype=torch.bool)
        >>> table = TextTable.build([Description.nothing_seen("measured"), None], Lengths())
        >>> table.symmetry_index([None]).tolist(), len(table)
        ([[0, 0, 0, 0, 0, 0, 0, 0]], 2)
    """

    rows: dict[str, int]
    features: FloatArray
    mask: BoolArray

    def __post_init__(self) -> None:
        size = len(self.rows)
        if (
            self.features.ndim != 3
            or self.features.shape[0] != size
            or self.mask.shape != self.features.shape[:2]
        ):
            raise DataError(
                f"a table of {size} texts needs features ({size}, L, C) and a mask ({size}, L), "
                f"found {self.features.shape} and {self.mask.shape}"
            )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Length C of a token's features.

        Example:
            >>> TextTable({"a": 0}, np.zeros((1, 2, 5), np.float16), np.ones((1, 2), bool)).dim
            5
        """
        return int(self.features.shape[2])

    @classmethod
    def build(
        cls,
        descriptions: Iterable[Description | None],
        encoder: TextEncoder,
        *,
        dtype: type[np.float16] | type[np.float32] = np.float16,
    ) -> TextTable:
        """Encode the text of every description under every symmetry, each distinct text once.

        Args:
            descriptions: The cases' descriptions; None where a case has none. The empty text is always a row.
            encoder: What reads the texts.
            dtype: How features are kept; float16 halves the memory.

        Returns:
            The table, its texts sorted.

        Example:
            >>> class Ones:
            ...     def encode(self, texts):
            ...         return torch.ones(len(texts), 3, 2), torch.ones(len(texts), 3, dtype=torch.bool)
            >>> TextTable.build([], Ones()).features.shape
            (1, 3, 2)
        """
        ordered = distinct_texts(descriptions)
        features, mask = encoder.encode(ordered)
        rows = {text: row for row, text in enumerate(ordered)}
        return cls(rows, features.cpu().numpy().astype(dtype), mask.cpu().numpy().astype(bool))

    def symmetry_index(self, descriptions: Sequence[Description | None]) -> NDArray[np.int64]:
        """Find the row of each description's text under each symmetry.

        Args:
            descriptions: N descriptions; None where a case has none.

        Returns:
            ``(N, 8)`` int64: the text that fits case n's image after symmetry s is row ``[n, s]``.

        Raises:
            DataError: A text is not in the table.

        Example:
            >>> table = TextTable({"": 0}, np.zeros((1, 1, 1), np.float16), np.ones((1, 1), bool))
            >>> table.symmetry_index([None, None]).shape
            (2, 8)
        """
        return symmetry_rows(descriptions, self.rows)

    def look_up(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Fetch the features of a batch, as short as its longest text.

        Args:
            rows: ``(B,)`` int64 rows of the table.

        Returns:
            Features ``(B, L, C)`` float32 and the mask ``(B, L)``, on the CPU.

        Example:
            >>> mask = np.array([[True, True, False, False]])
            >>> table = TextTable({"": 0}, np.zeros((1, 4, 3), np.float16), mask)
            >>> table.look_up(torch.tensor([0, 0]))[0].shape
            torch.Size([2, 2, 3])
        """
        chosen = rows.cpu().numpy()
        mask = self.mask[chosen]
        used = np.flatnonzero(mask.any(axis=0))
        length = int(used[-1]) + 1 if used.size else 1
        features = self.features[chosen, :length].astype(np.float32)
        return torch.from_numpy(features), torch.from_numpy(mask[:, :length])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the table as plain arrays, for storing.

        Returns:
            ``texts`` (T,), ``features`` (T, L, C), ``mask`` (T, L).

        Example:
            >>> table = TextTable({"": 0}, np.zeros((1, 1, 1), np.float16), np.ones((1, 1), bool))
            >>> len(TextTable.from_arrays(table.to_arrays()))
            1
        """
        texts = np.array(sorted(self.rows, key=self.rows.__getitem__), dtype=np.str_)
        return {"texts": texts, "features": self.features, "mask": self.mask}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TextTable:
        """Rebuild a table from what `to_arrays` gave.

        Args:
            arrays: The arrays by name.

        Returns:
            The table.

        Raises:
            DataError: The arrays do not fit each other.
        """
        rows = {str(text): row for row, text in enumerate(arrays["texts"])}
        return cls(rows, arrays["features"], arrays["mask"])
