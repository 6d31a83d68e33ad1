"""A language model as a part of a network: its settings come from a run, its weights can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Self

from torch import Tensor, nn

from gaze_insight.errors import MissingExtraError
from gaze_insight.language.encoders.model_files import ModelSource
from gaze_insight.language.encoders.tokeniser import load_part

__all__ = ["TextModel", "TextModelFacts"]


class TextModelFacts(NamedTuple):
    """Which language model read the words of a run, and what it takes to build it again.

    Attributes:
        name: As it was asked for.
        source: Where its files came from; None where only their cached results were needed.
        sha256: File name to SHA-256 of all that decides what it says.
        truncated_texts: How many distinct texts were longer than allowed and lost their end.
        config: The model's own settings, where it is trained along; None where it is frozen.
        rate_share: Its learning rate as a share of the others', where it is trained along.
    """

    name: str
    source: ModelSource | None
    sha256: dict[str, str]
    truncated_texts: int = 0
    config: dict[str, Any] | None = None
    rate_share: float = 1.0


class TextModel(nn.Module):
    """A language model that gives one feature vector a token; trained or frozen, it drops nothing out.

    Dropout would make a step depend on more than its batch, so the model stays in evaluation mode; its
    normalisation does not differ between the two.

    Args:
        model: A `transformers` model.
        rate_share: The learning rate of its weights as a share of the others', in (0, 1].

    Example:
        >>> tiny = {"model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
        ...         "num_attention_heads": 2, "intermediate_size": 4}
        >>> model = TextModel.from_config(tiny)
        >>> import torch
        >>> model(torch.zeros(1, 3).long(), torch.ones(1, 3).bool()).shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, model: Any, *, rate_share: float = 1.0) -> None:
        super().__init__()
        if hasattr(model, "pooler"):
            model.pooler = None
        self.model = model.float().eval()
        self.rate_share = rate_share

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, rate_share: float = 1.0) -> Self:
        """Build an untrained model.

        Args:
            config: Its settings, as `Tokeniser.config` gives them.
            rate_share: See the class.

        Returns:
            The model, with random weights.

        Raises:
            MissingExtraError: transformers is not installed.
        """
        try:
            transformers = import_module("transformers")
        except ModuleNotFoundError as error:
            raise MissingExtraError.for_package("transformers", "text") from error
        built = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**config))
        return cls(built, rate_share=rate_share)

    @classmethod
    def pretrained(cls, name: str, *, download: bool = False, rate_share: float = 1.0) -> Self:
        """Load a model from this machine.

        Args:
            name: As for `find_model`.
            download: Fetch a model that is not on this machine.
            rate_share: See the class.

        Returns:
            The model with its weights.

        Raises:
            MissingExtraError: transformers, or a packaged model, is not installed.
            SettingsError: The model is not on this machine, or incomplete.
        """

        def read(library: Any, place: str, offline: bool) -> Any:
            return library.AutoModel.from_pretrained(place, local_files_only=offline)

        return cls(load_part(name, read, download=download), rate_share=rate_share)

    @property
    def dim(self) -> int:
        """Length C of a token's features."""
        return int(self.model.config.hidden_size)

    def train(self, mode: bool = True) -> Self:
        """Keep the model in evaluation mode; see the class."""
        self.training = mode
        return self

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Give the last hidden state of every token.

        Args:
            ids: ``(B, L)`` int64.
            mask: ``(B, L)``, True where a token is real; the others are masked from attention.

        Returns:
            ``(B, L, C)``, zero where padded.
        """
        hidden: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return hidden * mask.unsqueeze(2)
