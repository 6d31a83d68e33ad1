"""Harmless things that resemble findings: readers know them, and look past them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.canvas import BodyBox, Canvas, smooth_curve
from gaze_insight.cohort.fake_mimic_eye.findings import patch, place_in_lung
from gaze_insight.cohort.fake_mimic_eye.overlay import lung_reach

__all__ = ["LOOKALIKES", "draw_lookalike", "draw_wires"]

_Drawer = Callable[[Canvas, np.random.Generator], tuple[BodyBox, ...]]


def draw_lookalike(name: str, canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """Draw one harmless thing on a canvas that holds a chest.

    Args:
        name: One of `LOOKALIKES`.
        canvas: Drawn on in place.
        rng: Source of all randomness.

    Returns:
        Its boxes in the body frame.

    Raises:
        KeyError: It is none of the look-alikes.

    Example:
        >>> from gaze_insight.types import Size
        >>> len(draw_lookalike("nipples", Canvas.blank(Size(96, 80)), np.random.default_rng(0)))
        2
    """
    return _DRAWERS[name](canvas, rng)


def draw_wires(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """Draw the electrodes and wires of a heart monitor; they are no support devices in CheXpert's sense.

    Args:
        canvas: Drawn on in place.
        rng: Source of all randomness.

    Returns:
        The boxes of the electrodes in the body frame.

    Example:
        >>> from gaze_insight.types import Size
        >>> len(draw_wires(Canvas.blank(Size(96, 80)), np.random.default_rng(0)))
        3
    """
    boxes = []
    for x, y in ((-0.29, -0.3), (0.3, -0.29), (0.27, 0.16)):
        x, y = x + float(rng.normal(0, 0.025)), y + float(rng.normal(0, 0.03))
        box = BodyBox(x - 0.017, y - 0.017, x + 0.017, y + 0.017)
        window, disc = patch(canvas, rng, box, edge=30)
        canvas.tissue[window] += np.float32(0.05) * disc
        window, snap = patch(canvas, rng, BodyBox(x - 0.006, y - 0.006, x + 0.006, y + 0.006), edge=20)
        canvas.tissue[window] += np.float32(0.13) * snap
        bend = float(rng.uniform(-0.08, 0.08))
        wire = smooth_curve([(x, y), (x + bend, y + 0.12), (0.5 * x + bend, 0.3), (0.1 + bend, 0.7)])
        canvas.tissue[:] += np.float32(0.07) * canvas.strokes([wire], [0.005], 0.001)
        boxes.append(box)
    return tuple(boxes)


def _nipples(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """Two smooth round shadows at equal height, sharp towards the side."""
    x, y, radius = (
        float(rng.uniform(0.2, 0.27)),
        float(rng.uniform(0.06, 0.14)),
        float(rng.uniform(0.018, 0.025)),
    )
    boxes = []
    for side in (-1, 1):
        box = BodyBox(side * x - radius, y - radius, side * x + radius, y + radius)
        window, cover = patch(canvas, rng, box, edge=9)
        canvas.tissue[window] += np.float32(0.075) * cover
        boxes.append(box)
    return tuple(boxes)


def _granuloma(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """A small, smooth, crisp and very bright dot: a healed, calcified lump."""
    x, y, _, _ = place_in_lung(rng)
    radius = float(rng.uniform(0.01, 0.017))
    box = BodyBox(x - radius, y - radius, x + radius, y + radius)
    window, cover = patch(canvas, rng, box, edge=16)
    canvas.tissue[window] += np.float32(rng.uniform(0.13, 0.18)) * cover
    return (box,)


def _end_on_vessel(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """A vessel seen along its course, beside its bronchus: a bright dot next to a dark one."""
    side = -1 if rng.random() < 0.5 else 1
    x, y = side * float(rng.uniform(0.12, 0.19)), float(rng.uniform(-0.1, 0.07))
    radius = float(rng.uniform(0.013, 0.018))
    box = BodyBox(x - radius, y - radius, x + radius, y + radius)
    window, cover = patch(canvas, rng, box, edge=8)
    canvas.tissue[window] += np.float32(0.11) * cover
    window, lumen = patch(
        canvas, rng, BodyBox(box.x0 + 2 * radius, box.y0, box.x1 + 2 * radius, box.y1), edge=8
    )
    canvas.tissue[window] -= np.float32(0.07) * lumen
    return (box,)


def _rib_end(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """Chalk where the first rib meets its cartilage: a bright smear under the collar bone."""
    side = -1 if rng.random() < 0.5 else 1
    x, y = side * float(rng.uniform(0.09, 0.13)), float(rng.uniform(-0.33, -0.29))
    box = BodyBox(x - 0.03, y - 0.017, x + 0.03, y + 0.017)
    window, cover = patch(canvas, rng, box, edge=8)
    canvas.tissue[window] += np.float32(0.095) * cover
    return (box,)


def _skin_fold(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """A fold of skin: a long edge that runs out of the chest, shaded on one side, vessels crossing it."""
    side = -1 if rng.random() < 0.5 else 1
    x = float(rng.uniform(0.19, 0.28))
    edge = smooth_curve(
        np.array([(x + 0.02, -0.41), (x, -0.25), (x + 0.03, 0.0), (x + 0.06, 0.15)]) * (side, 1)
    )
    inner = np.concatenate([edge, (edge - (side * 0.05, 0))[::-1]])
    shade = canvas.filled(inner, 0.002)
    ramp = np.clip((side * canvas.across - x + 0.06) / 0.08, 0, 1)
    canvas.tissue[:] += np.float32(0.075) * shade * ramp
    low, high = edge.min(axis=0), edge.max(axis=0)
    return (BodyBox(float(low[0]), -0.4, float(high[0]), float(high[1])),)


def _fissure(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """The minor fissure: a hair line across the middle of the patient's right lung."""
    y = float(rng.uniform(-0.04, 0.02))
    line = smooth_curve([(-0.13, y), (-0.24, y - 0.008), (-0.36, y + 0.012)])
    canvas.tissue[:] += np.float32(0.075) * canvas.strokes([line], [0.004], 0.001) * canvas.lungs
    return (BodyBox(-0.36, y - 0.015, -0.13, y + 0.015),)


def _muscle(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """A smooth shade of muscle or fat with an even edge, through which vessels stay visible."""
    x, y, side, _ = place_in_lung(rng, margin=0.05)
    box = BodyBox(x - 0.065, y - 0.05, x + 0.065, y + 0.05)
    window, cover = patch(canvas, rng, box, edge=6)
    slope = np.clip(0.75 + 6 * side * (canvas.across[window] - x), 0.3, 1.3)
    canvas.tissue[window] += np.float32(0.06) * cover * slope
    return (box,)


def _fold_of_cloth(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """A crease of a gown: a straight even band that crosses the edge of the lung."""
    side = -1 if rng.random() < 0.5 else 1
    y = float(rng.uniform(0.0, 0.16))
    slope = float(rng.uniform(-0.3, 0.3))
    outer = lung_reach(y)[1]
    line = [(side * (outer + 0.07), y), (side * (outer - 0.12), y + 0.19 * slope)]
    canvas.tissue[:] += np.float32(0.06) * canvas.strokes([line], [0.01], 0.001)
    top, bottom = sorted((line[0][1], line[1][1]))
    left, right = sorted((line[0][0], line[1][0]))
    return (BodyBox(left, top - 0.01, right, bottom + 0.01),)


def _fat_pad(canvas: Canvas, rng: np.random.Generator) -> tuple[BodyBox, ...]:
    """Fat in the angle between heart and diaphragm."""
    side = -1 if rng.random() < 0.4 else 1
    x = -0.11 if side < 0 else 0.22
    box = BodyBox(x - 0.045, 0.13, x + 0.045, 0.22)
    window, cover = patch(canvas, rng, box, edge=6)
    canvas.tissue[window] += np.float32(0.1) * cover * canvas.lungs[window]
    return (box,)


_DRAWERS: dict[str, _Drawer] = {
    "nipples": _nipples,
    "granuloma": _granuloma,
    "end-on vessel": _end_on_vessel,
    "rib end": _rib_end,
    "skin fold": _skin_fold,
    "fissure": _fissure,
    "muscle": _muscle,
    "fold of cloth": _fold_of_cloth,
    "fat pad": _fat_pad,
}

LOOKALIKES = tuple(_DRAWERS)
"""Names of the harmless things that can be drawn."""
