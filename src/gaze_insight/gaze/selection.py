"""Which fixations of a reading a label is made from, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.outliers import accompanied, inliers
from gaze_insight.types import Settings, Size

__all__ = ["GazeSelection", "SelectedGaze", "select_gaze", "side_lengths"]


class GazeSelection(Settings):
    """Which fixations count.

    Example:
        >>> GazeSelection().mad_factor
        3.0
    """

    skip_first: int = Field(
        1,
        ge=0,
        le=20,
        description="leading fixations left out: a reading begins where the fixation cross stood",
    )
    least_left: int = Field(
        3, ge=1, description="leading fixations stay where fewer than so many would be left"
    )
    least_heat: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="a fixation is an outlier where the heat of the others is below this share of the "
        "largest, from 10 fixations on; 0.25 rescues readings with many spurious fixations and costs large "
        "lesions their rim; null: no such outliers",
    )
    mad_factor: float | None = Field(
        3.0, gt=0, description="robust distance from which a fixation is an outlier; null keeps all"
    )


@dataclass(frozen=True, eq=False)
class SelectedGaze:
    """The fixations that count, and how many were left out for which reason.

    Attributes:
        fixations: Those that count, in ``image_unit`` with the image's size.
        everywhere: All that lie on the image, whether they count or not, in ``image_unit``.
        left_out: Reason to number of fixations: ``off_image``, ``first``, ``outlier``.
    """

    fixations: Fixations
    everywhere: Fixations
    left_out: dict[str, int]

    @property
    def points(self) -> NDArray[np.float64]:
        """Positions that count in fractions of the image's longer side: float64, shape (N, 2), as (x, y)."""
        return np.stack([self.fixations.x, self.fixations.y], axis=1) * side_lengths(self.image_size)

    @property
    def image_size(self) -> Size:
        """Height and width of the image in pixels."""
        return self.fixations.image_size or Size(1, 1)


def side_lengths(image_size: Size) -> NDArray[np.float64]:
    """Return width and height as fractions of the longer side.

    Fractions of the image's own sides, multiplied by it, become lengths that count equally in all directions.

    Args:
        image_size: Height and width in pixels, both above 0.

    Returns:
        ``(width, height) / max(width, height)``, float64, shape (2,), in (0, 1].

    Example:
        >>> side_lengths(Size(height=100, width=200)).tolist()
        [1.0, 0.5]
    """
    return np.array([image_size.width, image_size.height], np.float64) / max(image_size)


def select_gaze(
    fixations: Fixations, image_size: Size, selection: GazeSelection | None = None
) -> SelectedGaze:
    """Choose the fixations that a label is made from.

    Those off the image go first, then the leading ones, then the outliers by
    :func:`gaze_insight.gaze.outliers.accompanied` and :func:`gaze_insight.gaze.outliers.inliers`.

    Args:
        fixations: The reading, in a frame that leads to ``image_unit``.
        image_size: Height and width of the image.
        selection: Which count; None for the defaults.

    Returns:
        The fixations that count, in time order; empty for an empty reading.

    Raises:
        DataError: The frame does not say where on the image they are.

    Example:
        >>> rows = [(0.5, 0.5, 200, 0), (1.4, 0.2, 200, 300), *((0.2, y, 200, 600) for y in (0.2, 0.3, 0.4))]
        >>> chosen = select_gaze(Fixations.from_rows(rows), Size(100, 100))
        >>> chosen.fixations.y.tolist(), chosen.left_out
        ([0.2, 0.3, 0.4], {'off_image': 1, 'first': 1, 'outlier': 0})
    """
    selection = selection or GazeSelection()
    unit = fixations.to_frame("image_unit", image_size=image_size)
    on = unit.select(unit.inside)
    skipped = selection.skip_first if len(on) >= selection.skip_first + selection.least_left else 0
    later = on.select(np.arange(skipped, len(on)))
    near = later
    if selection.least_heat is not None:
        near = near.select(accompanied(near, least_heat=selection.least_heat))
    if selection.mad_factor is not None:
        near = near.select(inliers(near, mad_factor=selection.mad_factor))
    left_out = {"off_image": len(unit) - len(on), "first": skipped, "outlier": len(later) - len(near)}
    return SelectedGaze(near, on, left_out)
