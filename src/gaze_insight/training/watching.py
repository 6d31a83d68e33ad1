"""Scores taken again and again while a stage is trained: what choosing a checkpoint on test data does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gaze_insight.methods.trainable import Trainable

__all__ = ["Watch"]

AnyMethod = TypeVar("AnyMethod", bound=Trainable)


@dataclass(frozen=True)
class Watch(Generic[AnyMethod]):
    """Score the weights that would end the stage, at even distances in the last stage, and keep the best.

    This is the protocol of the published code: evaluated k times on the test set, the best is reported.

    Attributes:
        times: How often, k; the last time is at the stage's end.
        score: Gets the method with the weights in question; higher is better.
    """

    times: int
    score: Callable[[AnyMethod], float]

    def is_due(self, step: int, steps: int) -> bool:
        """Tell whether a score is taken after so many steps of the stage.

        Args:
            step: Steps done, from 1.
            steps: Steps of the stage.

        Returns:
            True at the k steps nearest to even distances, fewer where the stage has fewer steps.

        Example:
            >>> watch = Watch(3, lambda method: 0.0)
            >>> [step for step in range(1, 11) if watch.is_due(step, 10)]
            [3, 7, 10]
        """
        return step in {round(turn * steps / self.times) for turn in range(1, self.times + 1)}
