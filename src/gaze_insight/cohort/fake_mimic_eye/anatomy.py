"""A healthy frontal chest radiograph: body, lungs, ribs, heart, diaphragm, spine and vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.canvas import BodyBox, Canvas, Points, fractal_noise, smooth_curve
from gaze_insight.cohort.fake_mimic_eye.overlay import draw_bones, draw_vessels
from gaze_insight.types import FloatArray, Size

__all__ = ["REGION_BOXES", "Build", "draw_anatomy", "draw_build"]

_LUNG: Points = (
    (-0.12, -0.405),
    (-0.2, -0.385),
    (-0.275, -0.325),
    (-0.335, -0.215),
    (-0.372, -0.08),
    (-0.392, 0.08),
    (-0.398, 0.2),
    (-0.395, 0.29),
    (-0.395, 0.29),
    (-0.33, 0.215),
    (-0.25, 0.17),
    (-0.17, 0.165),
    (-0.1, 0.195),
    (-0.065, 0.23),
    (-0.06, 0.1),
    (-0.06, -0.1),
    (-0.045, -0.25),
    (-0.07, -0.37),
)
_HEART: Points = (
    (-0.04, -0.12),
    (-0.075, -0.02),
    (-0.095, 0.07),
    (-0.085, 0.16),
    (-0.03, 0.225),
    (0.06, 0.25),
    (0.15, 0.245),
    (0.195, 0.2),
    (0.18, 0.1),
    (0.13, 0.0),
    (0.085, -0.08),
    (0.05, -0.15),
)
_BODY: Points = (
    (-0.09, -0.75),
    (-0.1, -0.52),
    (-0.22, -0.46),
    (-0.42, -0.4),
    (-0.5, -0.28),
    (-0.47, -0.1),
    (-0.455, 0.1),
    (-0.46, 0.35),
    (-0.47, 0.75),
)

_RIGHT_REGIONS = {
    "lung": BodyBox(-0.4, -0.41, -0.05, 0.29),
    "upper lung zone": BodyBox(-0.35, -0.41, -0.05, -0.16),
    "mid lung zone": BodyBox(-0.39, -0.16, -0.06, 0.02),
    "lower lung zone": BodyBox(-0.4, 0.02, -0.07, 0.25),
    "hilar structures": BodyBox(-0.18, -0.11, -0.05, 0.07),
    "costophrenic angle": BodyBox(-0.4, 0.19, -0.3, 0.29),
    "clavicle": BodyBox(-0.32, -0.44, -0.02, -0.33),
}


def _both_sides() -> dict[str, BodyBox]:
    boxes = {f"right {name}": box for name, box in _RIGHT_REGIONS.items()}
    boxes |= {
        f"left {name}": BodyBox(-box.x1, box.y0, -box.x0, box.y1) for name, box in _RIGHT_REGIONS.items()
    }
    boxes["cardiac silhouette"] = BodyBox(-0.1, -0.14, 0.21, 0.25)
    boxes["trachea"] = BodyBox(-0.03, -0.45, 0.03, -0.15)
    boxes["upper mediastinum"] = BodyBox(-0.09, -0.36, 0.1, -0.12)
    return boxes


REGION_BOXES: dict[str, BodyBox] = _both_sides()
"""The 17 regions of EyeGaze as boxes of the body frame; left and right are the patient's."""


@dataclass(frozen=True)
class Build:
    """How one patient is built; the same in all of the patient's studies but for the positioning.

    Args:
        stretch: Width and height of the body, as multiples of the usual.
        heart: Width of the heart as a multiple of the usual; 1.35 and more is enlarged.
        mediastinum: Width of the upper mediastinum as a multiple of the usual; 1.6 and more is widened.
        raised: How far the right and the left diaphragm stand higher than usual, in body units.
        breast: Strength of the breasts' shadows, 0 for none.
        fat: How much soft tissue covers the ribs, in [0, 1].

    Example:
        >>> Build().heart
        1.0
    """

    stretch: tuple[float, float] = (1.0, 1.0)
    heart: float = 1.0
    mediastinum: float = 1.0
    raised: tuple[float, float] = (0.0, 0.0)
    breast: float = 0.0
    fat: float = 0.3


def draw_build(rng: np.random.Generator) -> Build:
    """Make up how a patient is built.

    Args:
        rng: Source of all randomness.

    Returns:
        A healthy build.

    Example:
        >>> 0.9 < draw_build(np.random.default_rng(0)).heart < 1.3
        True
    """
    return Build(
        stretch=(float(rng.uniform(1.02, 1.17)), float(rng.uniform(1.0, 1.14))),
        heart=float(rng.uniform(0.95, 1.2)),
        mediastinum=float(rng.uniform(0.9, 1.2)),
        raised=(float(rng.uniform(-0.02, 0.035)), float(rng.uniform(-0.03, 0.025))),
        breast=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.45 else 0.0,
        fat=float(rng.uniform(0, 1)),
    )


def draw_anatomy(rng: np.random.Generator, size: Size, build: Build) -> Canvas:
    """Draw a healthy chest.

    Args:
        rng: Source of all randomness.
        size: Height and width in pixels.
        build: How the patient is built.

    Returns:
        The canvas: attenuation about 0.1 in the air outside, 0.2 in lungs, 0.8 over the spine.

    Example:
        >>> canvas = draw_anatomy(np.random.default_rng(0), Size(96, 80), Build())
        >>> bool(canvas.tissue[60, 40] > canvas.tissue[40, 20])
        True
    """
    canvas = Canvas.blank(
        size,
        stretch=build.stretch,
        shift=(float(rng.normal(0, 0.012)), float(rng.normal(0.035, 0.015))),
        tilt=float(rng.normal(0, 0.02)),
    )
    _soft_tissue(canvas, rng, build)
    middle = _middle(canvas, build)
    lungs = canvas.lungs
    lungs[:] = _lungs(canvas, build, middle)
    _breasts(canvas, build)
    draw_bones(canvas, build.fat)
    draw_vessels(canvas, rng)
    canvas.tissue[:] += np.float32(0.006) * fractal_noise(rng, size, 0.05 * canvas.unit_px, 3) * (0.4 + lungs)
    return canvas


def _soft_tissue(canvas: Canvas, rng: np.random.Generator, build: Build) -> None:
    outline = [*_BODY, *((-x, y) for x, y in reversed(_BODY))]
    body = canvas.filled(smooth_curve(outline, closed=True), 0.006)
    shade = np.float32(0.014) * fractal_noise(rng, canvas.size, 0.3 * canvas.unit_px, 1)
    shade += np.float32(0.34 + 0.06 * build.fat) + np.float32(0.1) * _step((canvas.down - 0.3) * 16)
    canvas.tissue[:] += body * shade + np.float32(0.2) * canvas.blurred(body, 0.06)


def _step(values: FloatArray) -> FloatArray:
    """Rise from 0 to 1 about 0, smoothly."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))


def _lungs(canvas: Canvas, build: Build, middle: FloatArray) -> FloatArray:
    """Hollow out both lungs where the middle does not hide them; return how much of each pixel is lung."""
    cover = np.zeros(canvas.size, np.float32)
    for side, raised in zip((-1, 1), build.raised, strict=True):
        lift = raised + 0.012 if side < 0 else raised - 0.02
        outline = [(-side * x, y - lift * _low(y) * (abs(x) < 0.36)) for x, y in _LUNG]
        cover = np.maximum(cover, canvas.filled(smooth_curve(outline, closed=True), 0.005))
    cover *= 1 - np.float32(0.85) * middle
    depth = canvas.blurred(cover, 0.05) * cover
    canvas.tissue[:] -= cover * np.float32(0.19) + depth * (np.float32(0.13) - np.float32(0.07) * canvas.down)
    return cover


def _breasts(canvas: Canvas, build: Build) -> None:
    if build.breast <= 0:
        return
    fade = np.float32(0.035 * build.breast) * np.clip(0.4 + canvas.down * 4, 0.2, 1)
    for side in (-1, 1):
        far = np.hypot((canvas.across - side * 0.235) / 0.17, (canvas.down - 0.1) / 0.16)
        canvas.tissue[:] += fade * _step((1 - far) * 14)


def _low(y: float) -> float:
    return float(np.clip((y - 0.05) / 0.12, 0, 1))


def _middle(canvas: Canvas, build: Build) -> FloatArray:
    """Spine, mediastinum, heart, aortic knob and the windpipe's air; return how much hides the lungs."""
    wide = build.mediastinum
    band = [(-0.05 * wide, -0.5), (-0.052 * wide, -0.3), (-0.062 * wide, -0.1), (-0.05, 0.6)]
    band += [(0.06, 0.6), (0.06 * wide, -0.1), (0.068 * wide, -0.2), (0.05 * wide, -0.3), (0.05 * wide, -0.5)]
    middle = canvas.filled(smooth_curve(band, closed=True), 0.008)
    heart = canvas.filled(smooth_curve([(x * build.heart, y) for x, y in _HEART], closed=True), 0.007)
    knob = canvas.filled(smooth_curve(_circle(0.045 * wide, -0.2, 0.033), closed=True), 0.006)
    canvas.tissue[:] += np.float32(0.05) * (middle + knob)
    canvas.tissue[:] += np.float32(0.06) * canvas.blurred(heart, 0.04)
    spine = np.exp(-((canvas.across / np.float32(0.034)) ** 4))
    heights = np.linspace(-0.7, 0.7, 512, dtype=np.float32)
    discs = 0.75 + 0.25 * np.tanh(4 * np.cos(2 * np.pi * heights / (0.058 + 0.012 * heights)))
    at = np.clip((canvas.down + 0.7) / 1.4 * 511, 0, 511).astype(np.intp)
    canvas.tissue[:] += np.float32(0.07) * spine * discs.astype(np.float32)[at]
    pipe = canvas.filled([(-0.017, -0.55), (0.015, -0.55), (0.017, -0.14), (-0.015, -0.14)], 0.006)
    bronchi = canvas.strokes(
        [[(0, -0.15), (-0.075, -0.08)], [(0, -0.15), (0.085, -0.065)]], (0.018, 0.016), 0.005
    )
    canvas.tissue[:] -= np.float32(0.085) * pipe + np.float32(0.05) * bronchi
    rows, columns = canvas.window(BodyBox(0.06, 0.24, 0.32, 0.42))
    bubble = np.hypot(
        (canvas.across[rows, columns] - 0.19) / 0.065, (canvas.down[rows, columns] - 0.33) / 0.035
    )
    canvas.tissue[rows, columns] -= np.float32(0.07) * np.exp(-(np.clip(bubble, 0, 6) ** 4))
    return np.asarray(np.maximum(middle, np.maximum(heart, knob)))


def _circle(x: float, y: float, radius: float) -> Points:
    return [
        (x + radius * np.cos(a), y + radius * np.sin(a))
        for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ]
