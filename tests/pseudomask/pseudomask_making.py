"""Drawn images, fixations on them, and what several tests of pseudo-masks measure."""

from __future__ import annotations

import numpy as np

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.selection import GazeSelection
from gaze_insight.pseudomask.evidence import Evidence, PriorSettings, gather_evidence
from gaze_insight.types import Size

EVERYTHING = GazeSelection(skip_first=0, mad_factor=None, least_heat=None)


def ellipse(size: Size, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Return the pixels whose centre is in an ellipse; lengths are fractions of the image's sides."""
    rows, columns = (np.mgrid[: size.height, : size.width] + 0.5) / np.array(size)[:, None, None]
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1


def painted(
    mask: np.ndarray, inside: int | list[int], outside: int | list[int], noise: float = 0, seed: int = 0
) -> np.ndarray:
    """Paint a lesion and its surroundings in two colours, with Gaussian noise."""
    image = np.where(mask[..., None], np.broadcast_to(inside, 3), np.broadcast_to(outside, 3))
    spread = np.random.default_rng(seed).normal(0, noise, image.shape) if noise else 0
    return np.clip(np.round(image + spread), 0, 255).astype(np.uint8)


def gaze_on(
    x: float, y: float, rx: float, ry: float, count: int = 16, reach: float = 0.8, seed: int = 0
) -> Fixations:
    """Return a first fixation at the image's centre, then some spread over an ellipse."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = reach * np.sqrt(rng.uniform(0.4, 1, count))
    rows = [(0.5, 0.5, 200.0, 0.0)]
    rows += [
        (x + rx * r * np.cos(a), y + ry * r * np.sin(a), 250.0, 300.0 * (i + 1))
        for i, (a, r) in enumerate(zip(angle, radius, strict=True))
    ]
    return Fixations.from_rows(rows)


def evidence_of(
    image: np.ndarray, gaze: Fixations, settings: PriorSettings | None = None, long_side_px: int = 96
) -> Evidence:
    """Gather evidence that is known to be there."""
    found = gather_evidence(image, gaze, settings, long_side_px)
    assert found is not None
    return found


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two boolean masks that are not both empty."""
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())
