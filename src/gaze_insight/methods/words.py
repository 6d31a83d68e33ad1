"""How a method receives descriptions: as learned attribute tokens or as a text model's features."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from gaze_insight.language.encoders.attribute_tokens import AttributeTokens
from gaze_insight.methods.protocol import EncodedWords, Words

__all__ = ["WordReader", "WordSpace"]


class WordSpace(NamedTuple):
    """The kind of words a run gives its method, and their number of channels."""

    kind: Literal["attributes", "transformer"]
    channels: int


class WordReader(nn.Module):
    """Turn either kind of words into tokens for cross-attention.

    Args:
        space: The kind and width of the words.

    Example:
        >>> import torch
        >>> reader = WordReader(WordSpace("transformer", 8))
        >>> words = EncodedWords(torch.zeros(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
        >>> [tuple(part.shape) for part in reader(words)]
        [(2, 5, 8), (2, 5)]
    """

    def __init__(self, space: WordSpace) -> None:
        super().__init__()
        self.attributes = AttributeTokens(space.channels) if space.kind == "attributes" else None

    def forward(self, words: Words) -> tuple[Tensor, Tensor]:
        """Return tokens (B, L, C) and their mask (B, L), True where a token is real.

        Args:
            words: Descriptions of the kind the reader was built for.

        Raises:
            TypeError: The words are of the other kind.
        """
        if isinstance(words, EncodedWords) and self.attributes is None:
            return words.features, words.mask
        if not isinstance(words, EncodedWords) and self.attributes is not None:
            tokens, mask = self.attributes(words.ids, words.area, words.symmetry)
            return tokens, mask
        raise TypeError(f"this method was built for other words than {type(words).__name__}")
