"""Factories for folders of images, masks and gaze tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gaze_insight.cohort.images import write_mask, write_png

HEADER = (
    "IMAGE,CURRENT_FIX_INDEX,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_DURATION,"
    "CURRENT_FIX_PUPIL,CURRENT_FIX_START,IMAGE_HEIGHT,IMAGE_WIDTH"
)


def picture(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def disc(height: int = 24, width: int = 32, radius: float = 7.0) -> np.ndarray:
    down, across = np.mgrid[:height, :width]
    return np.hypot(down - height / 2, across - width / 2) < radius


def make_folder(folder: Path, ids: Sequence[str], *, masks: bool = True, suffix: str = ".png") -> Path:
    for seed, one in enumerate(ids):
        write_png(folder / "images" / f"{one}{suffix}", picture(seed))
        if masks:
            write_mask(folder / "masks" / f"{one}{suffix}", disc())
    return folder


def make_table(
    path: Path, ids: Sequence[str], *, extra: Sequence[str] = (), size: tuple[int, int] = (24, 32)
) -> Path:
    lines = [HEADER]
    for one in ids:
        for index in range(3):
            lines.append(f"{one}.jpg,{index + 1},0.5,0.{index + 4},200,900,{index * 220},{size[0]},{size[1]}")
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    return path
