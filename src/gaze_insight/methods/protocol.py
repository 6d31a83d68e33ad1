"""What a method is: stages, a batch contract, a loss and a prediction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from gaze_insight.methods.trainable import Stage, Trainable
from gaze_insight.types import Settings

__all__ = ["AttributeWords", "Batch", "EncodedWords", "Method", "Stage", "TokenWords", "Words"]


class _Tensors:
    """Tensors of B cases each, some of which may be absent."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Change every tensor alike: a part of the batch, or another device.

        Args:
            change: From a tensor to a tensor.

        Returns:
            The changed words; what is absent stays absent.

        Example:
            >>> import torch
            >>> words = EncodedWords(torch.zeros(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
            >>> words.map(lambda part: part[:1]).mask.shape
            torch.Size([1, 5])
        """
        present = {name: part for name, part in vars(self).items() if part is not None}
        return replace(self, **{name: change(part) for name, part in present.items()})  # type: ignore[type-var]


@dataclass(frozen=True)
class AttributeWords(_Tensors):
    """Descriptions as word ids (B, F) int64, areas (B,) in [0, 1], and symmetries (B,) in 0..7.

    `weight` (B,) in [0, 1] says how far each description is believed: it scales what its words add to the
    image; at 0 they add nothing. None believes all.
    """

    ids: Tensor
    area: Tensor
    symmetry: Tensor
    weight: Tensor | None = None


@dataclass(frozen=True)
class EncodedWords(_Tensors):
    """Descriptions as a frozen text model's features (B, L, C), and a mask (B, L), True for real tokens.

    `weight` (B,) is as for `AttributeWords`.
    """

    features: Tensor
    mask: Tensor
    weight: Tensor | None = None


@dataclass(frozen=True)
class TokenWords(_Tensors):
    """Descriptions as token ids (B, L) int64 for a text model that is trained along, and a mask (B, L).

    The mask is True for real tokens; `weight` (B,) is as for `AttributeWords`.
    """

    ids: Tensor
    mask: Tensor
    weight: Tensor | None = None


Words = AttributeWords | EncodedWords | TokenWords


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        image: (B, 3, H, W), RGB in [0, 1].
        labels: Name of a label map to uint8 (B, 1, H, W) in {0, 1, 255 = ignore}; the names are those the
            method asked for in :attr:`Method.label_maps`. "soft", "trust" and "weighted_trust" hold shares
            in steps of 1/254 instead, 255 for unknown.
        words: The descriptions, moved as the images were; None for a method without words.
        noise: (B, 1, H, W), uniform in [0, 1): the randomness a step may use, so that a step repeats exactly.
        seed: Of whatever else a step draws, on a generator of its own; the same in every process.
        progress: Share of the stage's steps already done, in [0, 1).
    """

    image: Tensor
    labels: dict[str, Tensor]
    words: Words | None
    noise: Tensor
    progress: float
    seed: int = 0


class Method(Trainable):
    """Base of the segmentation methods.

    A method builds its networks, names the label maps it learns from and the stages it passes through, and
    turns a :class:`Batch` into named losses. It knows nothing of files, devices, epochs or optimisers.

    Attributes:
        settings_type: The settings that configure it; their ``kind`` is the method's public name.
        summary: One line for listings.
        heads: The predictions it makes, the deployable one first.
    """

    settings_type: ClassVar[type[Settings]]
    summary: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]

    label_maps: tuple[str, ...]
    uses_words: bool

    @abstractmethod
    def forward(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """Compute the losses of one step.

        Args:
            batch: The step's input.
            stage: The stage's name.

        Returns:
            Scalars by name; ``"loss"`` is the one to minimise, the others are logged.
        """

    @abstractmethod
    def predict(self, image: Tensor, words: Words | None = None) -> dict[str, Tensor]:
        """Predict logits for each head that the input allows.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            words: Descriptions; heads that need them are left out without.

        Returns:
            Head to logits (B, 1, H, W); the deployable head, ``heads[0]``, needs the image alone.
        """
