"""What is drawn over the lungs: ribs, clavicles, shoulder blades, and the vessels within them."""

from __future__ import annotations

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.canvas import BodyBox, Canvas, smooth_curve
from gaze_insight.types import FloatArray

__all__ = ["draw_bones", "draw_vessels", "lung_reach", "rib_line"]

_RIBS = 9


def lung_reach(y: float) -> tuple[float, float]:
    """Say how far from the midline a lung begins and ends at one height, in body units."""
    heights = (-0.4, -0.36, -0.3, -0.2, -0.05, 0.1, 0.25)
    outer = np.interp(y, heights, (0.14, 0.22, 0.28, 0.335, 0.37, 0.385, 0.39))
    return float(np.interp(y, heights, (0.1, 0.08, 0.07, 0.08, 0.1, 0.12, 0.2))), float(outer)


def rib_line(number: int, side: int) -> FloatArray:
    """Give the course of a posterior rib from the spine outwards.

    Args:
        number: 0 for the first rib, up to 8.
        side: -1 for the image's left (the patient's right), 1 for the other.

    Returns:
        Points in the body frame, shape (N, 2).
    """
    top = -0.4 + 0.072 * number
    reach = lung_reach(top + 0.08)[1]
    drop = 0.05 + 0.016 * number
    course = [
        (0.035, top + 0.012),
        (0.35 * reach, top - 0.014),
        (0.72 * reach, top + 0.12 * drop),
        (0.95 * reach, top + 0.6 * drop),
        (1.02 * reach, top + 1.5 * drop),
    ]
    return np.asarray(smooth_curve(course) * (side, 1))


def draw_bones(canvas: Canvas, fat: float) -> None:
    """Draw the ribs, behind and in front, the clavicles and the edges of the shoulder blades.

    Args:
        canvas: Drawn on in place; its lungs must be there.
        fat: How much soft tissue covers the ribs, in [0, 1].
    """
    lungs = canvas.lungs
    posterior = [rib_line(number, side) for number in range(_RIBS) for side in (-1, 1)]
    widths = [0.021 + 0.0006 * (index // 2) for index in range(len(posterior))]
    body = canvas.strokes(posterior, widths, 0.0028)
    edges = body - canvas.blurred(body, 0.006)
    weight = (0.05 - 0.015 * fat) * (0.45 + 0.55 * lungs)
    canvas.tissue[:] += weight * body + np.float32(0.09) * np.clip(edges, 0, None) * (0.4 + 0.6 * lungs)
    canvas.tissue[:] += 0.028 * canvas.strokes(
        [_front(n, s) for n in range(6) for s in (-1, 1)], [0.024] * 12, 0.004
    )
    collar = [
        smooth_curve([(s * 0.035, -0.345), (s * 0.12, -0.375), (s * 0.21, -0.385), (s * 0.3, -0.43)])
        for s in (-1, 1)
    ]
    bone = canvas.strokes(collar, (0.03, 0.03), 0.004)
    canvas.tissue[:] += np.float32(0.085) * bone + np.float32(0.1) * np.clip(
        bone - canvas.blurred(bone, 0.009), 0, None
    )
    for side in (-1, 1):
        blade = [
            (side * x, y)
            for x, y in ((0.33, -0.38), (0.46, -0.36), (0.41, -0.12), (0.37, -0.02), (0.345, -0.15))
        ]
        canvas.tissue[:] += np.float32(0.04) * canvas.filled(smooth_curve(blade, closed=True), 0.005)


def _front(number: int, side: int) -> FloatArray:
    """Give the course of an anterior rib: from the side downwards to the middle, fainter than behind."""
    top = -0.26 + 0.075 * number
    reach = lung_reach(top)[1]
    course = [
        (1.0 * reach, top),
        (0.82 * reach, top + 0.055),
        (0.6 * reach, top + 0.09),
        (0.42 * reach, top + 0.1),
    ]
    return np.asarray(smooth_curve(course) * (side, 1))


def draw_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw branches that leave the hila and thin out towards the pleura.

    Args:
        canvas: Its vessels are drawn in place; its lungs must be there.
        rng: Source of all randomness.
    """
    lines: list[FloatArray] = []
    widths: list[float] = []
    for side in (-1, 1):
        root = np.array([side * 0.085, -0.03 + 0.012 * (side < 0)])
        for turn in np.linspace(-1.35, 1.3, 11) + rng.normal(0, 0.1, 11):
            _branch(rng, root, turn, side, 0.0085, 0, lines, widths)
    order = np.argsort(widths)
    sharp = canvas.strokes([lines[i] for i in order], [widths[i] for i in order], 0.0022)
    canvas.vessels[:] = np.float32(0.075) * sharp * canvas.lungs
    hila = np.zeros(canvas.size, np.float32)
    for side in (-1, 1):
        rows, columns = canvas.window(BodyBox(side * 0.095 - 0.1, -0.2, side * 0.095 + 0.1, 0.18))
        far_x = (canvas.across[rows, columns] - side * 0.095) / 0.035
        far_y = (canvas.down[rows, columns] + 0.015) / 0.07
        hila[rows, columns] += np.exp(-(far_x**2) - far_y**2)
    canvas.vessels[:] += np.float32(0.06) * hila


def _branch(
    rng: np.random.Generator,
    start: FloatArray,
    turn: float,
    side: int,
    width: float,
    level: int,
    lines: list[FloatArray],
    widths: list[float],
) -> None:
    """Draw one branch and what leaves it; a turn of 0 points sideways, positive ones downwards."""
    points, here = [start], start
    for _ in range(4):
        turn = turn + rng.normal(0, 0.13)
        here = here + rng.uniform(0.028, 0.05) * (0.8**level) * np.array([side * np.cos(turn), np.sin(turn)])
        points.append(here)
    line = smooth_curve(np.stack(points), rounds=2)
    lines.append(line)
    widths.append(width)
    if level < 2:
        for fork in (-1, 1):
            _branch(
                rng,
                line[-1],
                turn + fork * rng.uniform(0.15, 0.5),
                side,
                width * 0.62,
                level + 1,
                lines,
                widths,
            )
