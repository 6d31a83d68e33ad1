"""Findings drawn where they occur, each with the boxes that enclose what can be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.canvas import BodyBox, Canvas, fractal_noise, smooth_curve
from gaze_insight.cohort.fake_mimic_eye.overlay import lung_reach, rib_line
from gaze_insight.types import FloatArray, Size

__all__ = ["DrawnFinding", "draw_finding", "patch", "place_in_lung"]

Side = Literal["left", "right", "both", ""]


@dataclass(frozen=True)
class DrawnFinding:
    """A finding that was drawn.

    Args:
        name: The finding, as CheXpert spells it.
        boxes: What can be seen of it, in the body frame.
        side: The patient's side; empty for the midline.
        place: Where, in words, such as ``lower lung zone``.
        strength: How plain it is; 1 is usual, below 0.7 faint.

    Example:
        >>> DrawnFinding("Edema", (BodyBox(0, 0, 0.1, 0.1),), "both", "perihilar").strength
        1.0
    """

    name: str
    boxes: tuple[BodyBox, ...]
    side: Side
    place: str
    strength: float = 1.0


_Drawer = Callable[[Canvas, np.random.Generator, float], tuple[tuple[BodyBox, ...], Side, str]]


def draw_finding(name: str, canvas: Canvas, rng: np.random.Generator, strength: float) -> DrawnFinding:
    """Draw a finding on a canvas that holds a chest.

    Cardiomegaly and an enlarged mediastinum are part of the build and are only measured here.

    Args:
        name: One of the drawn findings, as CheXpert spells it.
        canvas: Drawn on in place.
        rng: Source of all randomness.
        strength: How plain it is; 1 is usual.

    Returns:
        Where it is.

    Raises:
        KeyError: It is none of the drawn findings.

    Example:
        >>> from gaze_insight.cohort.fake_mimic_eye.anatomy import Build, draw_anatomy
        >>> rng = np.random.default_rng(0)
        >>> canvas = draw_anatomy(rng, Size(96, 80), Build())
        >>> draw_finding("Pleural Effusion", canvas, rng, 1.0).place
        'costophrenic angle'
    """
    boxes, side, place = _DRAWERS[name](canvas, rng, strength)
    return DrawnFinding(name, boxes, side, place, strength)


def place_in_lung(
    rng: np.random.Generator, zones: tuple[str, ...] = ("upper", "mid", "lower"), margin: float = 0.03
) -> tuple[float, float, int, str]:
    """Choose a place inside a lung: x and y in the body frame, the side (-1 image left), the zone."""
    zone = zones[int(rng.integers(len(zones)))]
    low, high = {"upper": (-0.33, -0.18), "mid": (-0.14, 0.0), "lower": (0.03, 0.15)}[zone]
    y = float(rng.uniform(low, high))
    side = -1 if rng.random() < 0.5 else 1
    inner, outer = lung_reach(y)
    if side > 0 and zone == "lower":
        inner += 0.09
    x = side * float(rng.uniform(inner + margin, outer - margin))
    return x, y, side, zone


def patch(
    canvas: Canvas,
    rng: np.random.Generator,
    box: BodyBox,
    *,
    edge: float,
    rough: float = 0.0,
    cell: float = 0.03,
) -> tuple[tuple[slice, slice], FloatArray]:
    """Shape an opacity: an ellipse in a box, its outline bent by noise.

    Args:
        canvas: Where it will lie.
        rng: Source of all randomness.
        box: The box that the ellipse fills.
        edge: Sharpness; 3 fades slowly, 30 is crisp.
        rough: How far noise bends the outline, as a share of the radius.
        cell: Size of the noise in body units.

    Returns:
        The window of pixels, and the cover of each in [0, 1].
    """
    reach_x, reach_y = (box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2
    window = canvas.window(BodyBox(box.x0 - reach_x, box.y0 - reach_y, box.x1 + reach_x, box.y1 + reach_y))
    x = (canvas.across[window] - np.float32((box.x0 + box.x1) / 2)) / np.float32(reach_x)
    y = (canvas.down[window] - np.float32((box.y0 + box.y1) / 2)) / np.float32(reach_y)
    far = np.hypot(x, y)
    if rough:
        far = far + np.float32(rough) * fractal_noise(rng, Size(*far.shape), cell * canvas.unit_px)
    return window, np.asarray(0.5 + 0.5 * np.tanh((1 - far) * np.float32(0.5 * edge)))


def _around(x: float, y: float, reach_x: float, reach_y: float) -> BodyBox:
    return BodyBox(x - reach_x, y - reach_y, x + reach_x, y + reach_y)


def _name_of(side: int) -> Side:
    return "left" if side > 0 else "right"


def _lesion(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """A nodule: uneven outline with spicules, as dense as soft tissue."""
    x, y, side, zone = place_in_lung(rng)
    radius = float(rng.uniform(0.019, 0.032))
    box = _around(x, y, radius, radius * float(rng.uniform(0.85, 1.15)))
    window, cover = patch(canvas, rng, box, edge=7, rough=0.16, cell=0.016)
    canvas.tissue[window] += np.float32(0.105 * strength) * cover
    turns = rng.uniform(0, 2 * np.pi, 7)
    spicules = []
    for turn, reach in zip(turns, rng.uniform(1.4, 2.1, 7), strict=True):
        step = radius * np.array([np.cos(turn), np.sin(turn)])
        spicules.append(np.array([[x, y] + 0.6 * step, [x, y] + reach * step]))
    canvas.tissue[:] += np.float32(0.05 * strength) * canvas.strokes(spicules, [0.004] * 7, 0.001)
    return (_around(x, y, 1.35 * radius, 1.35 * radius),), _name_of(side), f"{zone} lung zone"


def _atelectasis(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """Plates: bands that lie across the lung base, tapering, often two side by side."""
    x, y, side, _ = place_in_lung(rng, ("lower",), 0.07)
    lines: list[FloatArray] = []
    for number in range(int(rng.integers(1, 3))):
        half = float(rng.uniform(0.04, 0.07))
        slope = float(rng.uniform(-0.25, 0.45)) * side
        bend = float(rng.uniform(-0.006, 0.006))
        middle = y + 0.022 * number
        lines.append(
            smooth_curve(
                [(x - half, middle - slope * half), (x, middle + bend), (x + half, middle + slope * half)]
            )
        )
    band = canvas.strokes(lines, [float(rng.uniform(0.009, 0.014)) for _ in lines], 0.0025)
    haze, cover = patch(canvas, rng, _around(x, y + 0.015, 0.07, 0.035), edge=4, rough=0.2)
    canvas.tissue[:] += np.float32(0.1 * strength) * band * canvas.lungs
    canvas.tissue[haze] += np.float32(0.03 * strength) * cover * canvas.lungs[haze]
    ends = np.concatenate(lines)
    (x0, y0), (x1, y1) = ends.min(axis=0), ends.max(axis=0)
    box = BodyBox(float(x0) - 0.005, float(y0) - 0.012, float(x1) + 0.005, float(y1) + 0.016)
    return (box,), _name_of(side), "lower lung zone"


def _consolidation(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """A patch with a fluffy outline that hides the vessels and is crossed by air-filled bronchi."""
    x, y, side, zone = place_in_lung(rng, ("upper", "mid", "lower", "lower"), 0.05)
    box = _around(x, y, float(rng.uniform(0.04, 0.07)), float(rng.uniform(0.035, 0.06)))
    window, cover = patch(canvas, rng, box, edge=5, rough=0.3, cell=0.035)
    mottle = 1 + np.float32(0.35) * fractal_noise(rng, Size(*cover.shape), 0.02 * canvas.unit_px)
    canvas.tissue[window] += np.float32(0.1 * strength) * cover * mottle * canvas.lungs[window]
    canvas.vessels[window] *= 1 - np.float32(0.8) * cover
    tubes = [
        [(x - side * 0.035, y - 0.01), (x + side * 0.03, y + float(rng.uniform(-0.03, 0.03)))]
        for _ in range(3)
    ]
    canvas.tissue[:] -= np.float32(0.05 * strength) * canvas.strokes(tubes, [0.006] * 3, 0.0015)
    return (box,), _name_of(side), f"{zone} lung zone"


def _opacity(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """Ground glass: a faint grainy haze through which vessels and ribs stay visible."""
    x, y, side, zone = place_in_lung(rng, margin=0.06)
    box = _around(x, y, float(rng.uniform(0.055, 0.085)), float(rng.uniform(0.05, 0.08)))
    window, cover = patch(canvas, rng, box, edge=4, rough=0.25, cell=0.05)
    grain = 1 + np.float32(0.5) * fractal_noise(rng, Size(*cover.shape), 0.012 * canvas.unit_px)
    canvas.tissue[window] += np.float32(0.06 * strength) * cover * grain * canvas.lungs[window]
    return (box,), _name_of(side), f"{zone} lung zone"


def _edema(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """Haze about both hila, fat vessels, and short lines at the edge of the bases."""
    boxes = []
    for side in (-1, 1):
        reach = float(rng.uniform(0.09, 0.115))
        box = _around(side * (0.09 + 0.55 * reach), -0.01, reach, float(rng.uniform(0.12, 0.16)))
        window, cover = patch(canvas, rng, box, edge=3.5, rough=0.25, cell=0.05)
        mottle = 1 + np.float32(0.4) * fractal_noise(rng, Size(*cover.shape), 0.022 * canvas.unit_px)
        canvas.tissue[window] += np.float32(0.05 * strength) * cover * mottle * canvas.lungs[window]
        canvas.vessels[window] *= 1 + np.float32(0.35) * cover
        lines = [
            [(side * float(rng.uniform(0.33, 0.35)), float(y)), (side * 0.385, float(y) + 0.004)]
            for y in np.linspace(0.06, 0.19, 7)
        ]
        canvas.tissue[:] += (
            np.float32(0.05 * strength) * canvas.strokes(lines, [0.004] * 7, 0.001) * canvas.lungs
        )
        boxes.append(box)
    return tuple(boxes), "both", "perihilar"


def _effusion(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """Fluid in the costophrenic angle, its surface rising towards the ribs."""
    side = -1 if rng.random() < 0.5 else 1
    height = float(rng.uniform(0.045, 0.1)) * (0.7 + 0.3 * strength)
    box = BodyBox(0.27, 0.26 - height, 0.4, 0.285) if side > 0 else BodyBox(-0.4, 0.26 - height, -0.27, 0.285)
    window = canvas.window(BodyBox(box.x0 - 0.06, box.y0 - 0.05, box.x1 + 0.06, 0.33))
    outwards = np.clip((side * canvas.across[window] - 0.2) / 0.19, 0, 1.05)
    surface = 0.285 - height * outwards**2
    wet = 0.5 + 0.5 * np.tanh((canvas.down[window] - surface) / np.float32(0.008))
    canvas.tissue[window] += np.float32(0.2) * wet * canvas.lungs[window]
    return (box,), _name_of(side), "costophrenic angle"


def _pneumothorax(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """A hair line beside the apex, and beyond it blackness without vessels."""
    side = -1 if rng.random() < 0.5 else 1
    gap, end = float(rng.uniform(0.035, 0.06)), float(rng.uniform(-0.16, -0.06))
    heights = np.linspace(-0.33, end, 7)
    course = [(0.1, -0.395 + 0.8 * gap), (0.17, -0.385 + 0.95 * gap)]
    shrink = np.linspace(1, 0.3, 7)
    course += [
        (lung_reach(float(y))[1] - 0.7 * gap * k, float(y)) for y, k in zip(heights, shrink, strict=True)
    ]
    line = smooth_curve(np.asarray(course) * (side, 1))
    beyond = np.concatenate([line, np.array([(side * 0.45, end), (side * 0.45, -0.5), (side * 0.06, -0.5)])])
    air = canvas.filled(beyond, 0.002) * canvas.lungs
    canvas.vessels[:] *= 1 - np.float32(0.95) * air
    canvas.tissue[:] -= np.float32(0.035 * strength) * air
    canvas.tissue[:] += np.float32(0.11 * strength) * canvas.strokes([line], [0.0055], 0.001) * canvas.lungs
    (x0, _), (x1, y1) = line.min(axis=0), line.max(axis=0)
    box = BodyBox(float(x0), -0.41, max(float(x1), 0.36), float(y1))
    if side < 0:
        box = BodyBox(min(float(x0), -0.36), -0.41, float(x1), float(y1))
    return (box,), _name_of(side), "apical zone"


def _devices(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """A central line, a breathing tube, or a pacemaker with its lead."""
    kind = int(rng.integers(3))
    jitter = float(rng.uniform(-0.01, 0.01))
    if kind == 0:
        line = smooth_curve(
            [
                (-0.26, -0.43),
                (-0.19, -0.36),
                (-0.1, -0.345),
                (-0.055, -0.3),
                (-0.058, -0.15),
                (-0.06, -0.05 + jitter),
            ]
        )
        canvas.tissue[:] += np.float32(0.13 * strength) * canvas.strokes([line], [0.0065], 0.001)
        return (BodyBox(-0.2, -0.38, -0.04, -0.04 + jitter),), "right", "superior vena cava"
    if kind == 1:
        walls = [[(x, -0.55), (x + 0.003, -0.2 + jitter)] for x in (-0.009, 0.009)]
        canvas.tissue[:] += np.float32(0.13 * strength) * canvas.strokes(walls, [0.005, 0.005], 0.001)
        return (BodyBox(-0.03, -0.44, 0.03, -0.18 + jitter),), "", "trachea"
    window, can = patch(canvas, rng, _around(0.27, -0.27 + jitter, 0.042, 0.036), edge=40)
    canvas.tissue[window] += np.float32(0.22 * strength) * can
    lead = smooth_curve(
        [(0.24, -0.28), (0.15, -0.36), (0.02, -0.33), (-0.05, -0.2), (-0.05, 0.05), (0.09, 0.19)]
    )
    canvas.tissue[:] += np.float32(0.12 * strength) * canvas.strokes([lead], [0.006], 0.001)
    return (BodyBox(0.22, -0.32, 0.32, -0.22), BodyBox(-0.07, -0.1, 0.11, 0.2)), "left", "chest wall"


def _fracture(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    """A step in a rib with a dark gap."""
    side = -1 if rng.random() < 0.5 else 1
    line = rib_line(int(rng.integers(3, 8)), side)
    x, y = (float(value) for value in line[int(0.8 * len(line))])
    canvas.tissue[:] -= np.float32(0.11 * strength) * canvas.strokes(
        [[(x - 0.006 * side, y - 0.016), (x + 0.006 * side, y + 0.016)]], [0.008], 0.001
    )
    window, callus = patch(canvas, rng, _around(x + 0.012 * side, y + 0.006, 0.014, 0.012), edge=8)
    canvas.tissue[window] += np.float32(0.07 * strength) * callus
    return (_around(x, y, 0.03, 0.03),), _name_of(side), "rib"


def _heart(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    del canvas, rng, strength
    return (BodyBox(-0.13, -0.13, 0.27, 0.25),), "", "cardiac silhouette"


def _mediastinum(
    canvas: Canvas, rng: np.random.Generator, strength: float
) -> tuple[tuple[BodyBox, ...], Side, str]:
    del canvas, rng, strength
    return (BodyBox(-0.11, -0.36, 0.12, -0.12),), "", "upper mediastinum"


_DRAWERS: dict[str, _Drawer] = {
    "Atelectasis": _atelectasis,
    "Cardiomegaly": _heart,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Enlarged Cardiomediastinum": _mediastinum,
    "Fracture": _fracture,
    "Lung Lesion": _lesion,
    "Lung Opacity": _opacity,
    "Pleural Effusion": _effusion,
    "Pneumothorax": _pneumothorax,
    "Support Devices": _devices,
}
