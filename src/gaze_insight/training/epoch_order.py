"""Which cases a step sees, and which of them a process works on."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Protocol

import torch
from torch import Tensor

from gaze_insight.errors import DataError, SettingsError

__all__ = ["BatchMaker", "EpochOrder", "step_seed"]


class BatchMaker(Protocol):
    """What the training loop asks of a source of batches."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training set."""

    def batch(self, stage: str, step: int, steps: int) -> Any:
        """Make this process's share of a step's batch, from the seed and the step's number alone.

        Args:
            stage: The stage's name.
            step: The step within the stage, from 0.
            steps: The stage's number of steps.
        """


def step_seed(*parts: object) -> int:
    """Derive a seed from what identifies a step, so that any step can be repeated by itself.

    Args:
        *parts: Seed, stage, step and the like.

    Returns:
        An integer in [0, 2**63).

    Example:
        >>> step_seed(0, "student", 5) == step_seed(0, "student", 5) != step_seed(1, "student", 5)
        True
    """
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class EpochOrder:
    """A new random order of the cases in each epoch, cut into batches; the last incomplete batch is left out.

    Args:
        cases: Size of the training set.
        batch_size: Images a step over all processes; a smaller set lowers it.
        seed: The run's seed.
        rank: This process's number.
        world: The number of processes.

    Attributes:
        batch_size: Images a step over all processes.
        steps_per_epoch: Steps of one pass over the training set.
        mine: The part of each batch that this process works on.

    Raises:
        SettingsError: The batch cannot be shared equally by the processes.
        DataError: The set is empty or smaller than the number of processes.

    Example:
        >>> order = EpochOrder(10, batch_size=4, seed=0)
        >>> seen = torch.cat([order.indices("student", step) for step in range(2)])
        >>> order.steps_per_epoch, len(seen.unique())
        (2, 8)
    """

    def __init__(self, cases: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if batch_size % world:
            raise SettingsError(
                f"batch_size must be a multiple of the {world} processes, found {batch_size}",
                remedy=f"use training.batch_size={batch_size // world * world or world}",
            )
        size = min(batch_size, cases) // world * world
        if size == 0:
            raise DataError(
                f"expected at least one training case a process, found {cases} for {world}",
                remedy="check the splits with `gaze-insight inspect`, or use fewer processes",
            )
        self.cases, self.seed, self.batch_size = cases, seed, size
        self.steps_per_epoch = cases // size
        self.mine = slice(rank * size // world, (rank + 1) * size // world)

    def indices(self, stage: str, step: int) -> Tensor:
        """Tell which cases a step sees.

        Args:
            stage: The stage's name.
            step: The step within the stage, from 0.

        Returns:
            (batch_size,) positions in the training set.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        generator = torch.Generator().manual_seed(step_seed(self.seed, stage, "epoch", epoch))
        order = torch.randperm(self.cases, generator=generator)
        return order[position * self.batch_size :][: self.batch_size]
