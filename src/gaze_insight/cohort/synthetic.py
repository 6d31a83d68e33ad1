"""A cohort drawn by the package: textured images with known lesions, and simulated gaze on them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import Field

from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.images import write_mask, write_png
from gaze_insight.cohort.synthetic_looks import Look, field_of_view, paint
from gaze_insight.cohort.synthetic_scene import draw_scene
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations
from gaze_insight.types import BoolArray, ByteArray, Progress, Settings, Size, silent

__all__ = ["SyntheticSettings", "draw_case", "write_synthetic"]

_COLUMNS = (
    "IMAGE",
    "CURRENT_FIX_INDEX",
    "CURRENT_FIX_X",
    "CURRENT_FIX_Y",
    "CURRENT_FIX_DURATION",
    "CURRENT_FIX_PUPIL",
    "CURRENT_FIX_START",
    "IMAGE_HEIGHT",
    "IMAGE_WIDTH",
)


class SyntheticSettings(Settings):
    """What a synthetic cohort holds.

    Example:
        >>> SyntheticSettings().size_px
        (192, 240)
    """

    cases: int = Field(60, ge=1, description="Number of images")
    size_px: tuple[int, int] = Field((192, 240), description="Height and width of an image, each 32 or more")
    looks: tuple[Look, ...] = Field(
        ("endoscopy", "dermoscopy", "mri"), min_length=1, description="Looks, taken in turn"
    )
    seed: int = Field(0, ge=0, description="Seed of everything")
    difficulty: float = Field(
        0.5, ge=0, le=1, description="0: clear lesions, few decoys; 1: faint ones, many decoys"
    )
    gaze: SimulatorSettings = Field(
        default_factory=lambda: SimulatorSettings(offset_frac=0.015, extra=0.05),
        description="How the images are looked at",
    )


def draw_case(settings: SyntheticSettings, index: int) -> tuple[ByteArray, BoolArray, Fixations]:
    """Draw one case; it depends on the settings and its index only, not on the number of cases.

    Args:
        settings: Size, looks, difficulty, seed.
        index: Number of the case, from 0.

    Returns:
        Image (H, W, 3) uint8, mask (H, W) bool, fixations on the image in ``image_unit``. Decoys are not
        looked at, except by chance.

    Raises:
        DataError: The size is too small to draw on.

    Example:
        >>> image, mask, fixations = draw_case(SyntheticSettings(size_px=(48, 64)), 0)
        >>> image.shape, mask.shape, fixations.frame
        ((48, 64, 3), (48, 64), 'image_unit')
    """
    size = Size(*settings.size_px)
    if min(size) < 32:
        raise DataError(f"a synthetic image must be 32 px or more on each side, found {tuple(size)}")
    rng = np.random.default_rng([settings.seed, index])
    look = settings.looks[index % len(settings.looks)]
    scene = draw_scene(rng, field_of_view(rng, look, size), settings.difficulty)
    image = paint(rng, scene, look, settings.difficulty)
    fixations = simulate_fixations(scene.mask, settings.gaze, rng)
    return image, scene.mask, fixations.select(fixations.inside)


def write_synthetic(folder: str | Path, settings: SyntheticSettings, *, progress: Progress = silent) -> Path:
    """Write a synthetic cohort as files: ``images/*.png``, ``masks/*.png`` and ``fixations.csv``.

    The table has GazeMedSeg's columns. Files of an earlier call with more cases are not removed.

    Args:
        folder: Where to write; it is made.
        settings: What to draw.
        progress: Told how many cases were written.

    Returns:
        The path of the fixation table.

    Raises:
        DataError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = write_synthetic(folder, SyntheticSettings(cases=2, size_px=(48, 64)))
        ...     table.name, sorted(path.name for path in Path(folder, "images").iterdir())
        ('fixations.csv', ['dermoscopy-0001.png', 'endoscopy-0000.png'])
    """
    place = Path(folder)

    def write(index: int) -> list[Sequence[object]]:
        image, mask, fixations = draw_case(settings, index)
        name = f"{settings.looks[index % len(settings.looks)]}-{index:04d}.png"
        write_png(place / "images" / name, image, durable=False)
        write_mask(place / "masks" / name, mask, durable=False)
        return _rows(name, fixations, Size(*settings.size_px))

    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(_COLUMNS)
    with ThreadPoolExecutor() as pool:
        for done, rows in enumerate(pool.map(write, range(settings.cases)), start=1):
            table.writerows(rows)
            progress("drawing images", done, settings.cases)
    target = place / "fixations.csv"
    write_text_atomic(target, buffer.getvalue())
    return target


def _rows(name: str, fixations: Fixations, size: Size) -> list[Sequence[object]]:
    return [
        (name, number, f"{x:.6f}", f"{y:.6f}", f"{duration:.1f}", 0, f"{start:.1f}", size.height, size.width)
        for number, (x, y, duration, start) in enumerate(fixations.to_rows(), start=1)
    ]
