"""What one training step of a classifier of radiographs sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

__all__ = ["RadiographBatch"]


@dataclass(frozen=True)
class RadiographBatch:
    """B radiographs with what is known of them; each part but the image may be missing in any case.

    Attributes:
        image: (B, 3, H, W), grey or colour in [0, 1].
        labels: (B, C) in {0, 1, nan = unknown}.
        gaze: (B, h, w) on the network's grid, sums to 1; zeros where nobody looked.
        trust: (B,) in [0, 1], how far the recording is believed; 0 where nobody looked.
        boxes: (B, C, h, w), share of each place that boxes of the class cover; zeros where there are none.
        text: (B, L) int64 word ids, 0 = padding; a row of padding where there is no text.
        sequence: (B, T, 4), fixations: x, y in fractions of the image's sides, start and duration in seconds.
        sequence_mask: (B, T) bool, True for fixations; a row of False where nobody looked.
        progress: Share of the stage's steps already done, in [0, 1).
        seed: Of whatever a step draws; the same in every process.
    """

    image: Tensor
    labels: Tensor
    gaze: Tensor
    trust: Tensor
    boxes: Tensor
    text: Tensor
    sequence: Tensor
    sequence_mask: Tensor
    progress: float = 0.0
    seed: int = 0

    def map(self, change: Callable[[Tensor], Tensor]) -> RadiographBatch:
        """Change every tensor alike: a part of the batch, or another device.

        Args:
            change: From a tensor to a tensor.

        Returns:
            The changed batch.

        Example:
            >>> import torch
            >>> z = torch.zeros
            >>> batch = RadiographBatch(z(2, 3, 8, 8), z(2, 1), z(2, 2, 2), z(2), z(2, 1, 2, 2),
            ...                         z(2, 4).long(), z(2, 3, 4), z(2, 3).bool())
            >>> batch.map(lambda part: part[:1]).sequence.shape
            torch.Size([1, 3, 4])
        """
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {k: change(v) for k, v in parts.items() if isinstance(v, Tensor)}
        return replace(self, **changed)
