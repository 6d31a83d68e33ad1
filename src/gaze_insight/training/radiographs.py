"""From a memory-mapped set of radiographs to the batch of a given step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaze_insight.methods.radiograph_batch import RadiographBatch
from gaze_insight.training.epoch_order import EpochOrder, step_seed
from gaze_insight.training.radiograph_augmentation import (
    Moves,
    RadiographAugmentation,
    draw_moves,
    vary_light,
)
from gaze_insight.types import BoolArray, ByteArray, FloatArray, Size

__all__ = ["BoxRows", "RadiographSet", "RadiographSource", "cover_boxes", "pool_areas"]

_FINER = 4


@dataclass(frozen=True)
class BoxRows:
    """M boxes of findings, in the order of their cases.

    Attributes:
        case: (M,) position of the case in the set, never decreasing.
        finding: (M,) position of the finding.
        corners: (M, 4) x0, y0, x1, y1 as fractions of the square.
        ellipse: (M,) whether it is the ellipse inscribed in the corners.
    """

    case: NDArray[np.int64]
    finding: NDArray[np.int64]
    corners: FloatArray
    ellipse: BoolArray

    def __len__(self) -> int:
        return len(self.case)

    @classmethod
    def none(cls) -> BoxRows:
        """Make rows without a box.

        Example:
            >>> len(BoxRows.none())
            0
        """
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, np.zeros((0, 4), np.float32), np.zeros(0, bool))


@dataclass(frozen=True)
class RadiographSet:
    """N radiographs in the network's square, with what is known of each; any part may be missing.

    Attributes:
        ids: The cases' ids, N of them.
        images: (N, S, S) uint8, grey; may be memory-mapped.
        labels: (N, C) float32: 1, 0, or nan where unknown.
        gaze: (N, g, g) float32, at least 0, the sum 1, or all 0 where nobody looked; may be memory-mapped.
        trust: (N,) float32 in [0, 1], 0 where nobody looked.
        boxes: Boxes of findings.
        text: (N, L) int64 word ids, 0 beyond the last word.
        sequence: (N, T, 4) float32: x and y as fractions of the square, start and duration in seconds.
        sequence_mask: (N, T) bool, true for a fixation.
        frames: (N, 4) float32, where each image lies in the square: x0, y0, x1, y1.
    """

    ids: tuple[str, ...]
    images: ByteArray
    labels: FloatArray
    gaze: FloatArray
    trust: FloatArray
    boxes: BoxRows
    text: NDArray[np.int64]
    sequence: FloatArray
    sequence_mask: BoolArray
    frames: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """List all arrays, for a key of the set's content."""
        boxes = (self.boxes.case, self.boxes.finding, self.boxes.corners, self.boxes.ellipse)
        rest = (self.text, self.sequence, self.sequence_mask, self.frames)
        return (self.images, self.labels, self.gaze, self.trust, *boxes, *rest)


class RadiographSource:
    """Make the batch of any step of a stage from the seed alone.

    Image, gaze, boxes and fixations of a case are moved as one, then gaze and boxes are pooled by area to the
    network's grid. Fixations that leave the picture are masked; gaze that left it leaves no map and no trust.

    Args:
        data: The training set.
        grid: Height and width of the network's attention map.
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
        data: RadiographSet,
        grid: Size,
        *,
        batch_size: int,
        seed: int,
        augmentation: RadiographAugmentation,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.data, self.grid, self.seed, self.augmentation = data, grid, seed, augmentation
        self.device = torch.device(device)
        self.order = EpochOrder(len(data), batch_size=batch_size, seed=seed, rank=rank, world=world)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training set."""
        return self.order.steps_per_epoch

    def batch(self, stage: str, step: int, steps: int) -> RadiographBatch:
        """Make the batch of a step.

        Args:
            stage: The stage's name.
            step: The step within the stage, from 0.
            steps: The stage's number of steps.

        Returns:
            This process's share of the batch, on the device.
        """
        index = self.order.indices(stage, step)
        generator = torch.Generator().manual_seed(step_seed(self.seed, stage, "step", step))
        moves = draw_moves(len(index), self.augmentation, generator)
        image = self._load(self.data.images, index.numpy())[:, None].float().div_(255)
        image = vary_light(image, self.augmentation, generator) * self._on_image(index.numpy())
        mine, data = self.order.mine, self.data
        own, moved = index[mine].numpy(), moves.part(mine)
        shown = moved.maps(image[mine])
        gaze, seen = self._gaze(own, moved)
        sequence, valid = _move_sequence(
            torch.from_numpy(data.sequence[own]), torch.from_numpy(data.sequence_mask[own]), moved
        )
        return RadiographBatch(
            image=shown.expand(-1, 3, -1, -1).contiguous(),
            labels=torch.from_numpy(data.labels[own]).to(self.device),
            gaze=gaze,
            trust=(torch.from_numpy(data.trust[own]) * seen).to(self.device),
            boxes=cover_boxes(data.boxes, own, data.labels.shape[1], self.grid, moved).to(self.device),
            text=torch.from_numpy(data.text[own]).to(self.device),
            sequence=sequence.to(self.device),
            sequence_mask=valid.to(self.device),
            progress=step / steps,
            seed=step_seed(self.seed, stage, "method", step),
        )

    def _load(self, array: NDArray[Any], index: NDArray[np.int64]) -> Tensor:
        """Read rows in the order they lie in, since the array may be on a disk."""
        order = np.argsort(index)
        picked = np.empty((len(index), *array.shape[1:]), array.dtype)
        picked[order] = array[index[order]]
        return torch.from_numpy(picked).to(self.device)

    def _on_image(self, index: NDArray[np.int64]) -> Tensor:
        """1 where a pixel of the square belongs to the image, which the light falls on: (B, 1, S, S)."""
        side = self.data.images.shape[1]
        at = (torch.arange(side) + 0.5) / side
        x0, y0, x1, y1 = (edge[:, None] for edge in torch.from_numpy(self.data.frames[index]).unbind(1))
        across, down = (at >= x0) & (at <= x1), (at >= y0) & (at <= y1)
        on: Tensor = down[:, None, :, None] & across[:, None, None, :]
        return on.float().to(self.device)

    def _gaze(self, own: NDArray[np.int64], moves: Moves) -> tuple[Tensor, Tensor]:
        pooled = pool_areas(moves.maps(self._load(self.data.gaze, own)[:, None])[:, 0], self.grid)
        mass = pooled.sum(dim=(1, 2), keepdim=True)
        seen = mass > 1e-6
        gaze = torch.where(seen, pooled / mass.clamp(min=1e-6), 0.0)
        return gaze, seen[:, 0, 0].float().cpu()


def cover_boxes(
    boxes: BoxRows, cases: NDArray[np.int64], classes: int, grid: Size, moves: Moves | None = None
) -> Tensor:
    """Measure which share of each cell the boxes of each finding cover.

    Points finer than the grid are asked for where they came from before the move, so nothing is interpolated.

    Args:
        boxes: Boxes of a set.
        cases: (B,) positions of the cases in the set.
        classes: Number of findings, C.
        grid: Height and width of the map.
        moves: Moves of the B pictures; None for none.

    Returns:
        (B, C, grid.height, grid.width) in [0, 1].

    Example:
        >>> box = BoxRows(np.array([0]), np.array([1]), np.array([[0, 0, 0.5, 1]]), np.array([False]))
        >>> cover_boxes(box, np.array([0]), 2, Size(1, 2)).tolist()
        [[[[0.0, 0.0]], [[1.0, 0.0]]]]
    """
    height, width = grid
    rows, columns = height * _FINER, width * _FINER
    count = len(cases)
    moves = moves or Moves(torch.eye(2).expand(count, 2, 2), torch.zeros(count, 2))
    sources = moves.sources(_centres(rows, columns)).view(count, rows, columns, 2)
    covered = torch.zeros(count, classes, rows, columns)
    first, after = (np.searchsorted(boxes.case, cases, side) for side in ("left", "right"))
    for place, (begin, end) in enumerate(zip(first, after, strict=True)):
        for row in range(begin, end):
            inside = _inside(sources[place], boxes.corners[row], ellipse=bool(boxes.ellipse[row]))
            plane = covered[place, int(boxes.finding[row])]
            torch.maximum(plane, inside, out=plane)
    return covered.view(count, classes, height, _FINER, width, _FINER).mean(dim=(3, 5))


def pool_areas(planes: Tensor, grid: Size) -> Tensor:
    """Pool maps to a coarser or finer grid by the exact area of overlap; sums stay as they are.

    Args:
        planes: (B, H, W), shares of something that lie in each cell.
        grid: Height and width wanted.

    Returns:
        (B, grid.height, grid.width), with the same sums.

    Example:
        >>> pool_areas(torch.tensor([[[1.0, 1.0, 4.0]]]), Size(1, 2)).tolist()
        [[[1.5, 4.5]]]
    """
    down = _overlaps(planes.shape[1], grid[0]).to(planes)
    across = _overlaps(planes.shape[2], grid[1]).to(planes)
    pooled: Tensor = down @ planes @ across.T
    return pooled


@lru_cache(maxsize=16)
def _overlaps(fine: int, coarse: int) -> Tensor:
    """Share of each of the fine cells that lies in each of the coarse ones: (coarse, fine)."""
    edges = torch.arange(fine + 1, dtype=torch.float64) / fine
    borders = torch.arange(coarse + 1, dtype=torch.float64) / coarse
    low = torch.maximum(borders[:-1, None], edges[None, :-1])
    high = torch.minimum(borders[1:, None], edges[None, 1:])
    return ((high - low).clamp(min=0) * fine).float()


@lru_cache(maxsize=8)
def _centres(rows: int, columns: int) -> Tensor:
    y, x = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([across, down], dim=-1).view(-1, 2)


def _inside(points: Tensor, corners: FloatArray, *, ellipse: bool) -> Tensor:
    x0, y0, x1, y1 = (float(edge) for edge in corners)
    x, y = points[..., 0], points[..., 1]
    if not ellipse:
        return ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).float()
    across = (x - (x0 + x1) / 2) / max((x1 - x0) / 2, 1e-9)
    down = (y - (y0 + y1) / 2) / max((y1 - y0) / 2, 1e-9)
    return (across**2 + down**2 <= 1).float()


def _move_sequence(sequence: Tensor, valid: Tensor, moves: Moves) -> tuple[Tensor, Tensor]:
    points = moves.points(sequence[..., :2])
    on = valid & ((points >= 0) & (points <= 1)).all(dim=-1)
    moved = torch.cat([points, sequence[..., 2:]], dim=-1)
    return torch.where(on[..., None], moved, 0.0), on
