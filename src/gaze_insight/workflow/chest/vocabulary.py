"""The words that a run knows: those of its training texts, and one id for all others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError

__all__ = ["PADDING", "UNKNOWN", "Vocabulary", "words_of"]

PADDING = 0
UNKNOWN = 1
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words and numbers; punctuation is left out.

    Args:
        text: Any text.

    Returns:
        The words in order; empty for a text without any.

    Example:
        >>> words_of("Small LEFT effusion; no pneumothorax.")
        ['small', 'left', 'effusion', 'no', 'pneumothorax']
    """
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Words and their ids: 0 is no word, 1 any unknown one, the known ones follow.

    Args:
        words: The known words, each once.

    Raises:
        DataError: A word stands there twice.

    Example:
        >>> known = Vocabulary(("effusion", "left"))
        >>> known.encode("Left pleural effusion", 4).tolist(), len(known)
        ([3, 1, 2, 0], 4)
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.words)) < len(self.words):
            raise DataError("a word stands twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.words) + 2

    @classmethod
    def of_texts(cls, texts: Iterable[str], *, least_count: int = 2, most_words: int = 4000) -> Vocabulary:
        """Collect the words of texts, the most frequent first, equally frequent ones by the alphabet.

        Args:
            texts: The training texts, and no others.
            least_count: A word in fewer texts stays unknown.
            most_words: The largest number of words.

        Returns:
            The vocabulary; of no texts, one without words.

        Example:
            >>> Vocabulary.of_texts(["clear lungs", "lungs clear clear", "edema"]).words
            ('clear', 'lungs')
        """
        counts = Counter(word for text in texts for word in set(words_of(text)))
        kept = [word for word, count in counts.items() if count >= least_count]
        return cls(tuple(sorted(kept, key=lambda word: (-counts[word], word))[:most_words]))

    def encode(self, text: str | None, length: int) -> NDArray[np.int64]:
        """Write a text as word ids.

        Args:
            text: The text; None for no text.
            length: Length of the result; later words are cut off.

        Returns:
            (length,) int64, 0 beyond the last word.
        """
        ids = [self._ids.get(word, UNKNOWN) for word in words_of(text or "")[:length]]
        row = np.full(length, PADDING, np.int64)
        row[: len(ids)] = ids
        return row

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Measure which share of the words of texts is unknown; 0 for no words.

        Args:
            texts: Any texts.

        Example:
            >>> Vocabulary(("left",)).unknown_share(["left lung"])
            0.5
        """
        found = [word in self._ids for text in texts for word in words_of(text)]
        return 1 - sum(found) / len(found) if found else 0.0

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, start=2)}
