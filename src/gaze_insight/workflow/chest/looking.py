"""Where a radiograph was looked at: a map of all its readings, a sequence, and the trust in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestReading
from gaze_insight.config.chest_config import ChestGazeSettings
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, render_heatmap
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.types import BoolArray, FloatArray, Size

__all__ = ["FixationRow", "fixation_row", "gaze_map", "looks_used", "points_seen", "trust_of"]


@dataclass(frozen=True)
class FixationRow:
    """A sequence of fixations as arrays of one length.

    Attributes:
        values: (T, 4) float32: x and y as fractions of the square, start and duration in seconds.
        valid: (T,) bool, true for a fixation.
        cut: Fixations that were beyond the length.
    """

    values: FloatArray
    valid: BoolArray
    cut: int


def looks_used(case: Case, settings: ChestGazeSettings) -> tuple[ChestReading, ...]:
    """List the readings whose gaze is used.

    Args:
        case: The case.
        settings: Whether gaze is used, and of which readers.

    Returns:
        Readings with fixations; empty where nobody looked or gaze is off.

    Example:
        >>> from pathlib import Path
        >>> looks_used(Case("a", Path("a.png")), ChestGazeSettings())
        ()
    """
    if not settings.use or case.chest is None:
        return ()
    looks = case.chest.looks()
    return looks if settings.readers == "all" else looks[:1]


def trust_of(looks: tuple[ChestReading, ...]) -> float:
    """Average the trust in readings.

    Args:
        looks: The readings.

    Returns:
        The mean of their trust, in [0, 1]; 0 for none.

    Example:
        >>> trust_of((ChestReading("a", "egd", trust=0.5), ChestReading("b", "egd")))
        0.75
    """
    return sum(look.trust for look in looks) / len(looks) if looks else 0.0


def gaze_map(
    looks: tuple[ChestReading, ...], image: Size, place: Letterbox, settings: ChestGazeSettings
) -> FloatArray:
    """Draw the map of readings in the square: the mean over readers of each reader's normalised heat map.

    A fixation is a Gaussian weighted by its duration. Its spread is `sigma_deg` degrees where the reading
    knows what a degree is on the image, else `sigma_frac` of the longer side. Beside the image there is 0.

    Args:
        looks: The readings, in ``image_unit``.
        image: Height and width of the image that was looked at.
        place: Where the image lies in the square.
        settings: Spread and resolution.

    Returns:
        (map_px, map_px) float32, the sum 1; all 0 where nothing was looked at.

    Example:
        >>> look = ChestReading("a", "egd", fixations=Fixations.from_rows([(0.5, 0.5, 200, 0)]))
        >>> drawn = gaze_map((look,), Size(10, 20), Letterbox(Size(10, 20), 64), ChestGazeSettings())
        >>> drawn.shape, round(float(drawn.sum()), 4), float(drawn[:16].sum())
        ((64, 64), 1.0, 0.0)
    """
    side = settings.map_px
    total = np.zeros((side, side), np.float64)
    on_image = _on_image(place, side)
    for look in looks:
        heat = render_heatmap(_placed(look, place), Size(side, side), _recipe(look, image, settings))
        mass = heat.astype(np.float64) * on_image
        if mass.sum() > 0:
            total += mass / mass.sum()
    scaled = total / total.sum() if total.sum() > 0 else total
    return scaled.astype(np.float32)


def fixation_row(looks: tuple[ChestReading, ...], place: Letterbox, length: int) -> FixationRow:
    """Write the sequence of the first reading.

    Args:
        looks: The readings.
        place: Where the image lies in the square.
        length: Length of the row, T; later fixations are cut off and counted.

    Returns:
        The row; without a valid fixation where nobody looked.

    Example:
        >>> seen = Fixations.from_rows([(0.5, 0.5, 200, 7), (1, 1, 100, 307)])
        >>> look = ChestReading("a", "egd", fixations=seen)
        >>> row = fixation_row((look,), Letterbox(Size(10, 10), 64), 3)
        >>> row.valid.tolist(), [round(float(one), 3) for one in row.values[1]]
        ([True, True, False], [1.0, 1.0, 0.3, 0.1])
    """
    values, valid = np.zeros((length, 4), np.float32), np.zeros(length, bool)
    if not looks:
        return FixationRow(values, valid, 0)
    reading = _placed(looks[0], place)
    kept = min(len(reading), length)
    seconds = (reading.start_ms - reading.start_ms[:1]) / 1000
    table = np.stack([reading.x, reading.y, seconds, reading.duration_ms / 1000], axis=1)
    values[:kept], valid[:kept] = table[:kept], True
    return FixationRow(values, valid, len(reading) - kept)


def points_seen(looks: tuple[ChestReading, ...], place: Letterbox) -> FloatArray:
    """List all points that readings fixated.

    Args:
        looks: The readings.
        place: Where the image lies in the square.

    Returns:
        (n, 2) x and y as fractions of the square; n is 0 where nobody looked.

    Example:
        >>> points_seen((), Letterbox(Size(10, 10), 64)).shape
        (0, 2)
    """
    seen = [_placed(look, place) for look in looks]
    return np.concatenate([np.zeros((0, 2)), *(np.stack([one.x, one.y], axis=1) for one in seen)])


def _placed(look: ChestReading, place: Letterbox) -> Fixations:
    seen = look.fixations or Fixations.empty()
    x, y = place.place(np.stack([seen.x, seen.y], axis=1)).T
    return Fixations(x, y, seen.duration_ms, seen.start_ms, "image_unit", annotator=seen.annotator)


def _recipe(look: ChestReading, image: Size, settings: ChestGazeSettings) -> HeatMapSettings:
    sigma = settings.sigma_frac
    if look.degree_frac is not None:
        across, down = look.degree_frac
        degree_px = (across * image.width + down * image.height) / 2
        sigma = min(0.5, settings.sigma_deg * degree_px / max(image))
    return HeatMapSettings(sigma_frac=sigma, long_side_px=settings.map_px)


def _on_image(place: Letterbox, side: int) -> FloatArray:
    """Share of each cell of the map that the image covers."""
    x0, y0, x1, y1 = (edge * side for edge in place.frame)
    cells = np.arange(side)
    across = np.clip(np.minimum(cells + 1, x1) - np.maximum(cells, x0), 0, 1)
    down = np.clip(np.minimum(cells + 1, y1) - np.maximum(cells, y0), 0, 1)
    return np.outer(down, across)
