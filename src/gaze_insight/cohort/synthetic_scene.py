"""Shapes of a synthetic image: lesions, and things that resemble lesions and are none."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gaze_insight.types import BoolArray, FloatArray, Size

__all__ = ["Scene", "draw_scene", "smooth_noise"]

_SMALLEST_FRAC, _LARGEST_FRAC = 0.025, 0.33
_SECOND_LESION_SHARE = 0.15
_HARMONICS = 6
_DIRECTIONS = 1024
_TRIES = 8
_SHOWN_SHARE = 0.9
_APART_SHOWN_SHARE = 0.7

_Blob = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Scene:
    """Where things are in one image. A depth is 1 at a thing's centre, 0 on its outline, below 0 outside.

    Args:
        lesion: Depth in the nearest lesion, shape (H, W).
        lesion_alpha: How much of each pixel is lesion, in [0, 1].
        decoy: Depth in the nearest decoy: a thing of a lesion's size and contrast that is none.
        decoy_alpha: How much of each pixel is decoy.
        field: How much of each pixel the imaging shows at all, in [0, 1].

    Example:
        >>> draw_scene(np.random.default_rng(0), np.ones((48, 64)), difficulty=0.5).mask.any().item()
        True
    """

    lesion: FloatArray
    lesion_alpha: FloatArray
    decoy: FloatArray
    decoy_alpha: FloatArray
    field: FloatArray

    @property
    def mask(self) -> BoolArray:
        """The true mask: pixels that are shown and are lesion to more than a half."""
        return np.asarray(self.lesion_alpha * self.field > 0.5)


def draw_scene(rng: np.random.Generator, field: FloatArray, difficulty: float) -> Scene:
    """Draw one lesion, sometimes two, and up to three decoys that do not touch them.

    A lesion covers about 2 to 40 % of the image; its outline is an ellipse with random harmonics, bent by
    smooth noise.

    Args:
        rng: Source of all randomness.
        field: How much of each pixel the imaging shows, in [0, 1], shape (H, W); all ones for all of it.
        difficulty: In [0, 1]; harder scenes have softer edges and more decoys.

    Returns:
        The scene.

    Example:
        >>> draw_scene(np.random.default_rng(0), np.ones((48, 64)), difficulty=0.5).lesion.shape
        (48, 64)
    """
    size = Size(*field.shape)
    total = float(np.exp(rng.uniform(np.log(_SMALLEST_FRAC), np.log(_LARGEST_FRAC))))
    edge_px = size.height / 192 * rng.uniform(0.8, 1.5 + 3.0 * difficulty)
    lesion = _shown(rng, field, total, edge_px)
    if rng.random() < _SECOND_LESION_SHARE:
        other = _apart(rng, field, total * rng.uniform(0.3, 0.6), edge_px, lesion[0])
        lesion = _merged(lesion, other)
    decoy: _Blob = (np.full(size, -9.0, np.float32), np.zeros(size, np.float32))
    for _ in range(int(rng.integers(1, 3 + round(difficulty)))):
        area = float(np.exp(rng.uniform(np.log(0.012), np.log(0.07))))
        decoy = _merged(decoy, _apart(rng, field, area, edge_px, lesion[0]))
    return Scene(*lesion, *decoy, field)


def smooth_noise(rng: np.random.Generator, size: Size, cell_px: float) -> FloatArray:
    """Draw noise of mean 0 and standard deviation about 1 that varies over `cell_px` pixels.

    Args:
        rng: Source of all randomness.
        size: Height and width in pixels.
        cell_px: Distance of the random values between which is interpolated; above 0.

    Returns:
        Shape (H, W), float32.

    Example:
        >>> smooth_noise(np.random.default_rng(0), Size(20, 30), 5).shape
        (20, 30)
    """
    rows, columns = int(size.height / cell_px) + 4, int(size.width / cell_px) + 4
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    step = np.float32(1.0 / cell_px)
    offset_x, offset_y = rng.uniform(1, 2, size=2).astype(np.float32)
    across = np.arange(size.width, dtype=np.float32) * step + offset_x
    down = np.arange(size.height, dtype=np.float32) * step + offset_y
    grid_x, grid_y = np.meshgrid(across, down)
    fine = cv2.remap(coarse, grid_x, grid_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(fine * np.float32(1.35))


def _shown(rng: np.random.Generator, field: FloatArray, area_frac: float, edge_px: float) -> _Blob:
    """A blob of which the imaging shows most; the best of a few tries."""
    tries: list[tuple[float, _Blob]] = []
    while len(tries) < _TRIES and not (tries and tries[-1][0] > _SHOWN_SHARE):
        blob = _blob(rng, Size(*field.shape), area_frac, edge_px)
        tries.append((float((blob[1] * field).sum() / blob[1].sum()), blob))
    return max(tries, key=lambda one: one[0])[1]


def _blob(rng: np.random.Generator, size: Size, area_frac: float, edge_px: float) -> _Blob:
    """Depth and alpha of one irregular blob; most of it lies on the image."""
    radius = float(np.sqrt(area_frac * size.height * size.width / np.pi))
    margin_y, margin_x = min(0.95 * radius, 0.46 * size.height), min(0.95 * radius, 0.46 * size.width)
    centre_y = rng.uniform(margin_y, size.height - margin_y)
    centre_x = rng.uniform(margin_x, size.width - margin_x)
    bend = np.float32(radius * rng.uniform(0.1, 0.22))
    down, across = np.arange(size.height, dtype=np.float32)[:, None], np.arange(size.width, dtype=np.float32)
    dy = (down - np.float32(centre_y)) + bend * smooth_noise(rng, size, max(radius * 0.7, 3))
    dx = (across - np.float32(centre_x)) + bend * smooth_noise(rng, size, max(radius * 0.7, 3))
    turn, stretch = rng.uniform(0, np.pi), np.sqrt(rng.uniform(1.0, 1.9))
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along = (cosine * dx + sine * dy) * np.float32(1 / stretch)
    aside = (cosine * dy - sine * dx) * np.float32(stretch)
    turns = (cv2.phase(along, aside) * np.float32(_DIRECTIONS / (2 * np.pi))).astype(np.intp) % _DIRECTIONS
    outline = (radius * _outline(rng)).astype(np.float32)[turns]
    depth = 1.0 - cv2.magnitude(along, aside) / outline
    alpha = 1.0 / (1.0 + np.exp(-np.clip(depth * np.float32(radius / edge_px), -30, 30)))
    return _largest_part(depth, alpha)


def _outline(rng: np.random.Generator) -> FloatArray:
    """Radius in each direction as a multiple of the circle's."""
    angle = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    outline = np.ones(_DIRECTIONS)
    for order in range(2, 2 + _HARMONICS):
        outline += rng.normal(0, 0.16 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return np.clip(outline, 0.4, 1.6)


def _largest_part(depth: FloatArray, alpha: FloatArray) -> _Blob:
    """Cut off what the bending tore from the blob."""
    parts, labels, facts, _ = cv2.connectedComponentsWithStats((depth > -0.05).astype(np.uint8))
    if parts <= 2:
        return depth, alpha
    torn = (labels != 0) & (labels != 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA])))
    torn = cv2.dilate(torn.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return np.where(torn, -1.0, depth), np.where(torn, 0.0, alpha)


def _apart(
    rng: np.random.Generator, field: FloatArray, area_frac: float, edge_px: float, taken: FloatArray
) -> _Blob | None:
    """A blob that does not touch what is taken; None where no try found room."""
    for _ in range(_TRIES):
        depth, alpha = _blob(rng, Size(*field.shape), area_frac, edge_px)
        shown = (alpha * field).sum() > _APART_SHOWN_SHARE * alpha.sum()
        if shown and not np.any((depth > -0.25) & (taken > -0.1)):
            return depth, alpha
    return None


def _merged(one: _Blob, other: _Blob | None) -> _Blob:
    if other is None:
        return one
    return np.maximum(one[0], other[0]), np.maximum(one[1], other[1])
