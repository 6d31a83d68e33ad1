"""How a synthetic scene looks: as endoscopy, as dermoscopy, or as an MRI slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from gaze_insight.cohort.synthetic_scene import Scene, smooth_noise
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["Look", "field_of_view", "paint"]

Look = Literal["endoscopy", "dermoscopy", "mri"]
"""The imaging that a synthetic image resembles."""

Painter = Callable[[np.random.Generator, Scene, Size, float], FloatArray]


def field_of_view(rng: np.random.Generator, look: Look, size: Size) -> FloatArray:
    """Say which part of the image shows anything: inside the endoscope's frame, or inside the body.

    Args:
        rng: Source of all randomness.
        look: What the image resembles.
        size: Height and width in pixels.

    Returns:
        Shape (H, W), in [0, 1]; 0 where the image is black.

    Example:
        >>> field_of_view(np.random.default_rng(0), "dermoscopy", Size(2, 3)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    if look == "dermoscopy":
        return np.ones(size)
    down, across = _coordinates(size)
    if look == "endoscopy":
        corner = np.maximum(np.maximum(np.abs(down), np.abs(across)), (np.abs(down) + np.abs(across)) / 1.55)
        return _sigmoid((0.985 - corner) * 90)
    wobble = 0.06 * smooth_noise(rng, size, 70 * size.height / 192)
    return _sigmoid((1.0 - np.hypot(across / 0.97, down / 0.95) ** 2 + wobble) * 25)


def paint(rng: np.random.Generator, scene: Scene, look: Look, difficulty: float) -> ByteArray:
    """Paint a scene. Lesions and decoys have like contrast; they differ in texture and rim.

    So brightness alone does not find a lesion, and a network that has seen enough of them can.

    Args:
        rng: Source of all randomness.
        scene: Where things are.
        look: What the image resembles.
        difficulty: In [0, 1]; harder images have less contrast and more noise.

    Returns:
        Shape (H, W, 3), uint8, RGB.

    Example:
        >>> from gaze_insight.cohort.synthetic_scene import draw_scene
        >>> rng = np.random.default_rng(0)
        >>> field = field_of_view(rng, "mri", Size(48, 64))
        >>> paint(rng, draw_scene(rng, field, 0.5), "mri", 0.5).shape
        (48, 64, 3)
    """
    size = Size(*scene.lesion.shape)
    picture = _PAINTERS[look](rng, scene, size, difficulty)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _endoscopy(rng: np.random.Generator, scene: Scene, size: Size, difficulty: float) -> FloatArray:
    """Pink mucosa with folds, vessels, a lamp off the centre, highlights, and a dark frame."""
    scale = size.height / 192
    strength = rng.uniform(0.10, 0.20) * (1.25 - 0.7 * difficulty)
    clarity = _clarity(rng, difficulty)
    light = 0.09 * smooth_noise(rng, size, 60 * scale) + 0.04 * smooth_noise(rng, size, 18 * scale)
    light += 0.13 * np.exp(-((smooth_noise(rng, size, 75 * scale) / 0.16) ** 2))  # folds catch the lamp
    relief = _relief(scene.lesion, rng) + _relief(scene.decoy, rng)
    light += strength * 0.9 * relief + strength * 0.4 * (scene.lesion_alpha + scene.decoy_alpha)
    light += 0.02 * smooth_noise(rng, size, 4 * scale)
    light += clarity * 0.06 * smooth_noise(rng, size, 3.2 * scale) * scene.lesion_alpha
    light -= clarity * 0.10 * _rim(scene.lesion)
    vessels = np.exp(-((smooth_noise(rng, size, 22 * scale) / 0.07) ** 2)) * (1 - scene.lesion_alpha)
    base = np.array([0.70, 0.38, 0.31]) + rng.normal(0, [0.05, 0.05, 0.04])
    tint = rng.uniform(-0.5, 1.0) * strength * np.array([0.1, -0.35, -0.3])
    picture = base + light[..., None] * np.array([1.0, 0.85, 0.8])
    picture += (scene.lesion_alpha + 0.8 * scene.decoy_alpha)[..., None] * tint
    picture -= vessels[..., None] * np.array([0.05, 0.10, 0.08])
    picture *= _lamp(rng, size, 0.55)[..., None]
    picture += _grain(rng, size, 0.012 + 0.012 * difficulty)
    picture += _highlights(rng, scene, size)[..., None]
    return np.asarray(picture * scene.field[..., None])


def _dermoscopy(rng: np.random.Generator, scene: Scene, size: Size, difficulty: float) -> FloatArray:
    """Skin with fine lines and hairs; pigmented lesions with a network, decoys without."""
    scale = size.height / 192
    strength = rng.uniform(0.14, 0.32) * (1.25 - 0.7 * difficulty)
    clarity = _clarity(rng, difficulty)
    skin = np.array([0.80, 0.63, 0.54]) + rng.normal(0, [0.05, 0.06, 0.06])
    patches = 0.045 * smooth_noise(rng, size, 55 * scale) + 0.025 * smooth_noise(rng, size, 3 * scale)
    network = np.abs(smooth_noise(rng, size, 5.0 * scale)) - 0.8
    blotches = smooth_noise(rng, size, 26 * scale)
    body = 0.85 + 0.25 * blotches + clarity * 0.4 * network + 0.25 * np.clip(scene.lesion, 0, 1)
    dark = strength * (scene.lesion_alpha * body + scene.decoy_alpha * (0.9 + 0.15 * blotches))
    brown = np.array([0.75, 1.0, 0.95]) + rng.normal(0, 0.05, 3)
    picture = skin + patches[..., None] - dark[..., None] * brown
    picture *= _lamp(rng, size, 0.35)[..., None]
    picture += _grain(rng, size, 0.010 + 0.010 * difficulty)
    return _haired(rng, picture, size)


def _mri(rng: np.random.Generator, scene: Scene, size: Size, difficulty: float) -> FloatArray:
    """A grey body section with organs, a coil's uneven gain, and Rician noise."""
    scale = size.height / 192
    strength = rng.uniform(0.12, 0.20) * (1.2 - 0.6 * difficulty) * rng.choice([-1.0, 1.0])
    clarity = _clarity(rng, difficulty)
    tissue = 0.42 + 0.07 * smooth_noise(rng, size, 45 * scale) + 0.045 * smooth_noise(rng, size, 14 * scale)
    organs = np.tanh(4 * smooth_noise(rng, size, 55 * scale))
    tissue += 0.05 * organs
    tissue += 0.02 * smooth_noise(rng, size, 5 * scale)
    mottled = 1.0 + clarity * 0.45 * smooth_noise(rng, size, 4.5 * scale)
    tissue += strength * (scene.lesion_alpha * mottled + scene.decoy_alpha)
    tissue += clarity * 0.4 * abs(strength) * _rim(scene.lesion)
    gain = np.exp(0.20 * smooth_noise(rng, size, 110 * scale))
    signal = tissue * scene.field * gain
    sigma = 0.020 + 0.020 * difficulty
    noise = rng.normal(0, sigma, (2, *size))
    grey = np.hypot(signal + noise[0], noise[1])
    return np.repeat(grey[..., None], 3, axis=2)


_PAINTERS: dict[str, Painter] = {"endoscopy": _endoscopy, "dermoscopy": _dermoscopy, "mri": _mri}


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))))


def _clarity(rng: np.random.Generator, difficulty: float) -> float:
    """How plainly a lesion's texture and rim tell it from a decoy."""
    return float(rng.uniform(0.35, 1.0) * (1.25 - 0.5 * difficulty))


def _relief(depth: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Light on a dome: brighter where its slope faces the lamp, in about [-1, 1]."""
    height = np.sqrt(np.clip(depth, 0, 1))
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(height, (0, 0), max(1.0, depth.shape[0] / 60)))
    turn = rng.uniform(0, 2 * np.pi)
    facing = -(np.cos(turn) * slope_x + np.sin(turn) * slope_y) * depth.shape[0] / 8
    return np.asarray(np.clip(facing, -1, 1) + 0.5 * height)


def _rim(depth: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-((depth / 0.09) ** 2)))


def _lamp(rng: np.random.Generator, size: Size, fall: float) -> FloatArray:
    down, across = _coordinates(size)
    centre = rng.uniform(-0.45, 0.45, 2)
    return np.asarray(1.12 - fall * 0.5 * ((down - centre[0]) ** 2 + (across - centre[1]) ** 2))


def _coordinates(size: Size) -> tuple[FloatArray, FloatArray]:
    down, across = np.mgrid[-1 : 1 : size.height * 1j, -1 : 1 : size.width * 1j]
    return down, across


def _grain(rng: np.random.Generator, size: Size, sigma: float) -> FloatArray:
    return rng.normal(0, sigma, (*size, 3))


def _highlights(rng: np.random.Generator, scene: Scene, size: Size) -> FloatArray:
    """Wet spots that mirror the lamp, a third of them on lesions or decoys."""
    canvas = np.zeros(size, dtype=np.float32)
    things = np.argwhere((scene.lesion > 0.1) | (scene.decoy > 0.1))
    for index in range(int(rng.integers(6, 22))):
        on_thing = index % 3 == 0 and len(things)
        row, column = things[rng.integers(len(things))] if on_thing else rng.integers((0, 0), size)
        axes = rng.uniform(0.6, 3.2, 2) * size.height / 192
        cv2.ellipse(
            canvas,
            (int(column) * 16, int(row) * 16),
            (int(axes[0] * 16), int(axes[1] * 16)),
            float(rng.uniform(0, 180)),
            0,
            360,
            float(rng.uniform(0.25, 0.6)),
            -1,
            cv2.LINE_AA,
            4,
        )
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.7), dtype=np.float64)


def _haired(rng: np.random.Generator, picture: FloatArray, size: Size) -> FloatArray:
    """Draw hairs over the picture: thin dark arcs."""
    cover = np.zeros(size, dtype=np.uint8)
    for _ in range(int(rng.integers(0, 13))):
        ends = rng.uniform(0, 1, (3, 2)) * (size.width, size.height)
        t = np.linspace(0, 1, 24)[:, None]
        arc = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
        points = np.rint(arc * 16).astype(np.int32)[:, None]
        cv2.polylines(cover, [points], False, int(rng.integers(120, 230)), 1, cv2.LINE_AA, 4)
    share = cover[..., None] / 255.0
    return picture * (1 - share) + np.array([0.16, 0.11, 0.09]) * share
