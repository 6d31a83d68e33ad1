"""From a memory-mapped training set to the batch of a given step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaze_insight.methods.protocol import Batch
from gaze_insight.training.augmentation import AugmentationSettings, augment
from gaze_insight.training.epoch_order import EpochOrder, step_seed
from gaze_insight.training.words import WordRows, select_rows
from gaze_insight.types import ByteArray

__all__ = ["BatchSource", "TrainingSet"]


@dataclass(frozen=True)
class TrainingSet:
    """N cases at the network's size.

    Attributes:
        ids: The cases' ids, N of them.
        images: (N, H, W, 3) uint8; may be memory-mapped.
        labels: Name to (N, H, W) uint8 in {0, 1, 255}; shares are 0 to 254 and 255.
        words: Descriptions, or None.
    """

    ids: tuple[str, ...]
    images: ByteArray
    labels: Mapping[str, ByteArray]
    words: WordRows | None = None

    def __len__(self) -> int:
        return len(self.ids)


class BatchSource:
    """Make the batch of any step of a stage from the seed alone.

    Every process draws the randomness of the whole batch and keeps its own share of it, so that several
    processes together see what one would have seen.

    Args:
        data: The training set.
        batch_size: Images a step over all processes; a smaller set lowers it.
        seed: The run's seed.
        augmentation: How images are varied.
        device: Where the batch is made.
        rank: This process's number.
        world: The number of processes.

    Raises:
        SettingsError: The batch cannot be shared equally by the processes.
        DataError: The set is empty or smaller than the number of processes.
    """

    def __init__(
        self,
        data: TrainingSet,
        *,
        batch_size: int,
        seed: int,
        augmentation: AugmentationSettings,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.data, self.seed, self.augmentation, self.device = data, seed, augmentation, torch.device(device)
        self.order = EpochOrder(len(data), batch_size=batch_size, seed=seed, rank=rank, world=world)

    @property
    def batch_size(self) -> int:
        """Images a step over all processes."""
        return self.order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training set."""
        return self.order.steps_per_epoch

    def indices(self, stage: str, step: int) -> Tensor:
        """Tell which cases a step sees: a new random order each epoch, the last incomplete batch left out.

        Args:
            stage: The stage's name.
            step: The step within the stage, from 0.

        Returns:
            (batch_size,) positions in the training set.
        """
        return self.order.indices(stage, step)

    def batch(self, stage: str, step: int, steps: int) -> Batch:
        """Make the batch of a step.

        Args:
            stage: The stage's name.
            step: The step within the stage, from 0.
            steps: The stage's number of steps.

        Returns:
            This process's share of the batch, on the device.
        """
        index = self.indices(stage, step)
        generator = torch.Generator().manual_seed(step_seed(self.seed, stage, "step", step))
        picked = index.numpy()
        image = self._load(self.data.images, picked).permute(0, 3, 1, 2).float().div_(255)
        labels = {name: self._load(array, picked)[:, None] for name, array in self.data.labels.items()}
        words = self.data.words
        rows = None if words is None else select_rows(words, index)
        image, labels, moved = augment(image, labels, rows, self.augmentation, generator)
        noise = torch.rand(len(index), 1, *image.shape[2:], generator=generator)
        mine = self.order.mine
        return Batch(
            image=image[mine].to(memory_format=torch.contiguous_format),
            labels={name: array[mine] for name, array in labels.items()},
            words=None if moved is None else moved.map(lambda part: part[mine].to(self.device)),
            noise=noise[mine].to(self.device),
            progress=step / steps,
            seed=step_seed(self.seed, stage, "method", step),
        )

    def _load(self, array: ByteArray, index: np.ndarray) -> Tensor:
        order = np.argsort(index)
        picked = np.empty((len(index), *array.shape[1:]), np.uint8)
        picked[order] = array[index[order]]
        return torch.from_numpy(picked).to(self.device)
