"""Heat maps: where, and for how long, somebody looked."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Settings, Size

__all__ = ["HeatMapSettings", "grid_size", "render_heatmap"]

_WIDE_FRAC = 0.15
_ZERO = np.zeros(())


class HeatMapSettings(Settings):
    """How fixations become a heat map.

    Example:
        >>> round(HeatMapSettings.gazemedseg_prostate().sigma_frac * 768)
        50
    """

    sigma_frac: float = Field(
        0.09,
        gt=0,
        le=0.5,
        description="spread of a fixation: fraction of the longer side (aspect), of each side (square)",
    )
    long_side_px: int = Field(256, ge=8, le=4096, description="longer side of the grid, in pixels")
    weight: Literal["duration", "count"] = Field(
        "duration", description="a fixation counts by its duration, or each counts once"
    )
    recipe: Literal["aspect", "square"] = Field(
        "aspect",
        description="aspect: round spots on the image; square: round spots on the image squeezed to a square",
    )

    @classmethod
    def gazemedseg_kvasir(cls) -> HeatMapSettings:
        """Return GazeMedSeg's recipe for Kvasir-SEG: sigma 70 on a square grid of 768 pixels.

        Returns:
            The preset.

        Example:
            >>> HeatMapSettings.gazemedseg_kvasir().recipe
            'square'
        """
        return cls(sigma_frac=70 / 768, long_side_px=768, recipe="square")

    @classmethod
    def gazemedseg_prostate(cls) -> HeatMapSettings:
        """Return GazeMedSeg's recipe for NCI-ISBI: sigma 50 on a square grid of 768 pixels.

        Returns:
            The preset.

        Example:
            >>> HeatMapSettings.gazemedseg_prostate().long_side_px
            768
        """
        return cls(sigma_frac=50 / 768, long_side_px=768, recipe="square")


def grid_size(image_size: Size, long_side_px: int) -> Size:
    """Return the grid whose longer side is `long_side_px` and whose aspect ratio is the image's.

    Args:
        image_size: Height and width of the image, both above 0.
        long_side_px: Longer side of the grid, at least 1.

    Returns:
        Height and width of the grid, each at least 1.

    Raises:
        DataError: A side is not positive.

    Example:
        >>> grid_size(Size(height=300, width=600), 256)
        Size(height=128, width=256)
    """
    height, width = image_size
    if min(height, width, long_side_px) < 1:
        raise DataError(f"sizes must be positive, found image {height} x {width} and grid {long_side_px}")
    scale = long_side_px / max(height, width)
    return Size(max(1, round(height * scale)), max(1, round(width * scale)))


def render_heatmap(
    fixations: Fixations, image_size: Size, settings: HeatMapSettings | None = None
) -> NDArray[np.float32]:
    """Render the heat map of a reading.

    ``h(p) = sum_i w_i g_sigma(p - p_i)``, divided by its maximum over the grid, with the Gaussians evaluated
    exactly at pixel centres. Recipe ``square`` is GazeMedSeg's: sigma scales with each side apart, as on a
    square grid resized to the image; Gaussians are reflected at the image's edges; the minimum is subtracted
    first, since each map is scaled to its range. Recipe ``aspect`` does not reflect: reflection doubles the
    heat of fixations at an edge, and its masks fit worse there (see `PseudoMaskSettings`).

    Args:
        fixations: The reading; fixations off the image are left out.
        image_size: Size of the image in pixels.
        settings: The recipe.

    Returns:
        Heat in [0, 1] on `grid_size`, float32, shape (h, w); its maximum is 1. All zeros where no fixation is
        on the image.

    Raises:
        DataError: The fixations cannot be placed on the image.

    Example:
        >>> heat = render_heatmap(Fixations.from_rows([(0.5, 0.5, 300, 0)]), Size(101, 101))
        >>> heat.shape, float(heat.max()), bool(heat[0, 0] < 1e-4)
        ((256, 256), 1.0, True)
    """
    settings = settings or HeatMapSettings()
    grid = grid_size(image_size, settings.long_side_px)
    unit = fixations.to_frame("image_unit", image_size=image_size)
    unit = unit.select(unit.inside)
    if len(unit) == 0:
        return np.zeros(grid, dtype=np.float32)
    sigma_y = sigma_x = settings.sigma_frac
    if settings.recipe == "aspect":
        longer = max(image_size)
        sigma_y, sigma_x = sigma_y * longer / image_size[0], sigma_x * longer / image_size[1]
    weight = unit.duration_ms if settings.weight == "duration" else np.ones(len(unit))
    weight = weight / weight.max()
    # einsum and not matmul: so small a product loses more to the threads of a BLAS than it gains
    spread = _reflected_spread if settings.recipe == "square" else _spread
    rows, columns = spread(unit.y, sigma_y, grid.height), spread(unit.x, sigma_x, grid.width)
    heat = np.einsum("yn,xn->yx", rows * weight, columns)
    if settings.recipe == "square" and np.ptp(heat) > 0:
        heat = heat - heat.min()
    scaled: NDArray[np.float32] = (heat / heat.max()).astype(np.float32)
    return scaled


def _spread(centres: NDArray[np.float64], sigma: float, count: int) -> NDArray[np.float64]:
    """Return each centre's Gaussian at the `count` pixel centres: shape (count, N)."""
    at = (np.arange(count) + 0.5) / count
    scale = -0.5 / max(sigma, 0.3 / count) ** 2
    spread: NDArray[np.float64] = np.exp(scale * (at[:, None] - centres) ** 2)
    return spread


def _reflected_spread(centres: NDArray[np.float64], sigma: float, count: int) -> NDArray[np.float64]:
    """Return each centre's Gaussian, reflected at 0 and 1, at the `count` pixel centres: shape (count, N)."""
    images = [centres, -centres, 2 - centres]
    if sigma > _WIDE_FRAC:
        images += [centres - 2, centres + 2, -2 - centres, 4 - centres]
    return sum((_spread(image, sigma, count) for image in images), _ZERO)
