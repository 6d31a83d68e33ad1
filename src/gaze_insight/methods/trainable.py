"""What the training loop asks of a method, whatever it predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

__all__ = ["Stage", "Trainable"]


class Stage(NamedTuple):
    """A part of the training with its own optimiser: a name and a length in passes over the training set."""

    name: str
    epochs: int


class Trainable(nn.Module, ABC):
    """Something that passes through stages and turns a batch of its own kind into named losses.

    Attributes:
        stages: What it passes through, in this order.
    """

    stages: tuple[Stage, ...]

    @abstractmethod
    def trained_in(self, stage: str) -> nn.Module:
        """Name the part of the method that a stage trains; the rest is frozen and in evaluation mode.

        Args:
            stage: A stage's name.
        """

    @abstractmethod
    def forward(self, batch: Any, stage: str) -> dict[str, Tensor]:
        """Compute the losses of one step.

        Args:
            batch: The step's input, of the kind that the method's batch source makes.
            stage: The stage's name.

        Returns:
            Scalars by name; ``"loss"`` is the one to minimise, the others are logged.
        """

    def begin_stage(self, stage: str) -> None:
        """Freeze all but what the stage trains, and set training and evaluation modes.

        Args:
            stage: A stage's name.
        """
        self.eval().requires_grad_(False)
        self.trained_in(stage).train().requires_grad_(True)

    def after_step(self, stage: str) -> None:
        """Follow the step that the optimiser has just taken; a teacher of averaged weights moves here.

        Args:
            stage: The stage's name.
        """
