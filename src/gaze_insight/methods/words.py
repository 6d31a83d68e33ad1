"""How a method receives descriptions: as attributes, as a text model's features, or as texts to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.attribute_tokens import AttributeTokens
from gaze_insight.language.encoders.text_model import TextModel, TextModelFacts
from gaze_insight.methods.protocol import AttributeWords, EncodedWords, TokenWords, Words

__all__ = ["WordReader", "WordSpace", "refuse_weights"]


class WordSpace(NamedTuple):
    """The kind of words a run gives its method, and their number of channels.

    Attributes:
        kind: "attributes" are learned vectors, "transformer" the features of a frozen text model, "tokens"
            the token ids for a text model that is trained along.
        channels: Length of a token's vector.
        model: Which text model, where there is one.
        pretrained: Of "tokens": begin with the model's own weights, from this machine; otherwise with random
            ones, into which a run's are loaded.

    Example:
        >>> WordSpace.from_record({"kind": "attributes", "channels": 8}).to_record()
        {'kind': 'attributes', 'channels': 8}
    """

    kind: Literal["attributes", "transformer", "tokens"]
    channels: int
    model: TextModelFacts | None = None
    pretrained: bool = False

    def to_record(self) -> dict[str, Any]:
        """Give plain values from which the space of a trained run is made again.

        Returns:
            kind and channels, and the model where there is one.
        """
        model = {} if self.model is None else {"model": self.model._asdict()}
        return {"kind": self.kind, "channels": self.channels, **model}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> WordSpace:
        """Make a space from what `to_record` gave.

        Args:
            record: The values.

        Returns:
            The space, of a run that is trained.
        """
        model = record.get("model")
        return cls(record["kind"], record["channels"], None if model is None else TextModelFacts(**model))


class WordReader(nn.Module):
    """Turn any kind of words into tokens for cross-attention.

    Args:
        space: The kind and width of the words.

    Raises:
        SettingsError: A text model is to be trained along, and it is not told which, or it is not on this
            machine.

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
        self.model = _model_of(space) if space.kind == "tokens" else None

    def forward(self, words: Words) -> tuple[Tensor, Tensor]:
        """Return tokens (B, L, C) and their mask (B, L), True where a token is real.

        Args:
            words: Descriptions of the kind the reader was built for.

        Raises:
            TypeError: The words are of another kind.
        """
        if isinstance(words, AttributeWords) and self.attributes is not None:
            tokens, mask = self.attributes(words.ids, words.area, words.symmetry)
            return tokens, mask
        if isinstance(words, TokenWords) and self.model is not None:
            return self.model(words.ids, words.mask), words.mask
        if isinstance(words, EncodedWords) and self.attributes is None and self.model is None:
            return words.features, words.mask
        raise TypeError(f"this method was built for other words than {type(words).__name__}")


def refuse_weights(words: Words | None, method: str) -> None:
    """Refuse weights of words in a method whose fusion has no place for them.

    Args:
        words: The words of a batch, or None.
        method: The method's name.

    Raises:
        SettingsError: The words have weights.
    """
    if words is not None and words.weight is not None:
        raise SettingsError(
            f"the method {method} takes no weights of words, found some",
            remedy="train method fgi or soft_vote, or leave the weights of words out",
        )


def _model_of(space: WordSpace) -> TextModel:
    facts = space.model
    if facts is None or facts.config is None:
        raise SettingsError("words of kind tokens need the settings of a text model, found none")
    if space.pretrained:
        return TextModel.pretrained(facts.name, rate_share=facts.rate_share)
    return TextModel.from_config(facts.config, rate_share=facts.rate_share)
