"""Noise on readings that exist: what a worse tracker, or a mix-up of files, would have recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Settings

__all__ = ["NoiseSettings", "with_noise"]


class NoiseSettings(Settings):
    """How much worse a reading is made; the defaults change nothing.

    Lengths ending in ``_frac`` are fractions of the image's width (x) and height (y).

    Example:
        >>> NoiseSettings(offset_frac=0.02).dropout
        0.0
    """

    annotator_swap: float = Field(
        0.0, ge=0, le=1, description="chance that a reading is replaced by that of another image"
    )
    jitter_sd_frac: float = Field(
        0.0, ge=0, description="standard deviation of a normal error of each fixation, on each axis"
    )
    extra: float = Field(
        0.0, ge=0, description="spurious fixations anywhere on the image, as a fraction of the true ones"
    )
    offset_frac: float = Field(
        0.0, ge=0, description="length of one shift of the whole reading, in a random direction"
    )
    dropout: float = Field(0.0, ge=0, le=1, description="share of fixations lost")


def with_noise(
    fixations: Fixations,
    settings: NoiseSettings,
    rng: np.random.Generator,
    others: Sequence[Fixations] = (),
) -> Fixations:
    """Make a reading worse, in this order: swap, jitter, spurious fixations, offset, dropout.

    - Swap: with the chance ``annotator_swap`` the reading is replaced by one of `others`, as where recordings
      are joined to the wrong images.
    - Jitter: ``p + N(0, jitter_sd_frac^2)`` on each axis, independent for each fixation: a tracker's
      imprecision.
    - Spurious: ``round(extra * N)`` fixations, uniform on the image, each after a randomly drawn fixation and
      as long as a randomly drawn one; what follows starts that much later.
    - Offset: ``p + offset_frac * (cos a, sin a)``, one angle a for the reading: a tracker's inaccuracy.
    - Dropout: each fixation is lost with the chance ``dropout``, independently.

    Equal generators give nested noise: with more of one dial, the same fixations move further in the same
    direction, and those that were lost stay lost.

    Args:
        fixations: A reading, in a frame that converts to ``image_unit``.
        settings: How much noise.
        rng: Source of all randomness.
        others: Readings of other images to draw a swapped one from.

    Returns:
        The noisy reading in ``image_unit``, in time order; positions may lie off the image. An empty reading
        stays empty, unless it is swapped.

    Raises:
        DataError: A swap is wanted and there are no `others`, or the frame cannot be converted.

    Example:
        >>> reading = Fixations.from_rows([(0.5, 0.5, 200, 0), (0.6, 0.5, 300, 220)])
        >>> noisy = with_noise(reading, NoiseSettings(offset_frac=0.1), np.random.default_rng(0))
        >>> float(np.hypot(noisy.x - reading.x, noisy.y - reading.y).round(6).max())
        0.1
    """
    swap, jitter, spurious, shift, loss = rng.spawn(5)
    if settings.annotator_swap > 0:
        if not others:
            raise DataError(
                "annotator_swap needs readings of other images, found none", remedy="pass others=[...]"
            )
        if swap.random() < settings.annotator_swap:
            fixations = others[int(swap.integers(len(others)))]
    noisy = fixations.to_frame("image_unit")
    if settings.jitter_sd_frac > 0:
        error = jitter.normal(size=(2, len(noisy))) * settings.jitter_sd_frac
        noisy = replace(noisy, x=noisy.x + error[0], y=noisy.y + error[1])
    if settings.extra > 0 and len(noisy):
        noisy = _with_spurious(noisy, round(settings.extra * len(noisy)), spurious)
    if settings.offset_frac > 0:
        angle = shift.uniform(0, 2 * np.pi)
        across, down = settings.offset_frac * np.cos(angle), settings.offset_frac * np.sin(angle)
        noisy = replace(noisy, x=noisy.x + across, y=noisy.y + down)
    if settings.dropout > 0:
        noisy = noisy.select(loss.random(len(noisy)) >= settings.dropout)
    return noisy


def _with_spurious(reading: Fixations, count: int, rng: np.random.Generator) -> Fixations:
    """Insert `count` uniform fixations (one row of draws each) and delay what follows them."""
    drawn = rng.random((count, 4))
    place = 1 + np.floor(drawn[:, 2] * len(reading)).astype(np.intp)
    lasting = reading.duration_ms[np.floor(drawn[:, 3] * len(reading)).astype(np.intp)]
    duration_ms = np.insert(reading.duration_ms, place, lasting)
    end_ms = reading.start_ms[-1:] + reading.duration_ms[-1:]
    step_ms = np.insert(np.diff(reading.start_ms, append=end_ms), place, lasting)
    start_ms = reading.start_ms[0] + np.concatenate([[0.0], np.cumsum(step_ms)[:-1]])
    return replace(
        reading,
        x=np.insert(reading.x, place, drawn[:, 0]),
        y=np.insert(reading.y, place, drawn[:, 1]),
        duration_ms=duration_ms,
        start_ms=start_ms,
    )
