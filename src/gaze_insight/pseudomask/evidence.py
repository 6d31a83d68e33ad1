"""What the parts of a pseudo-mask start from: the image on its grid, the fixations and their prior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from gaze_insight.errors import DataError
from gaze_insight.gaze.clusters import linked_groups
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, grid_size, render_heatmap
from gaze_insight.gaze.outliers import accompanied, inliers
from gaze_insight.gaze.selection import GazeSelection, SelectedGaze, select_gaze
from gaze_insight.pseudomask.hull import hull_distance
from gaze_insight.types import ByteArray, Settings, Size

__all__ = ["Evidence", "PriorSettings", "fitted", "gather_evidence"]

Grid = NDArray[np.float32]
_Pixel = TypeVar("_Pixel", np.uint8, np.float32)


class PriorSettings(Settings):
    """Where the lesion is, as far as gaze alone tells. Lengths are fractions of the image's longer side.

    With ``d(x)`` the distance to the hull of the fixations (positive inside), ``r`` the radius of the disc of
    the hull's area and ``h(x)`` the heat map, the prior is ``sigmoid(l)`` with

    ``l = (d + margin_frac + margin_per_radius * r + margin_of_one / N) / softness_frac + heat_weight * (h -
    heat_level)``; N fixations leave so much the more of a lesion outside their hull, the fewer they are.

    Example:
        >>> PriorSettings(heat_weight=0).margin_frac
        0.02
    """

    gaze: GazeSelection = Field(GazeSelection(), description="which fixations count")
    cluster_gap_frac: float | None = Field(
        0.25, gt=0, le=1, description="fixations further apart are hulls of their own; null makes one hull"
    )
    least_cluster_share: float = Field(
        0.1, ge=0, lt=1, description="a cluster with a smaller share of the looking time gets no hull"
    )
    least_cluster_count: int = Field(
        3, ge=1, description="nor one with fewer fixations; where no cluster has as many, one hull holds all"
    )
    margin_frac: float = Field(
        0.02, ge=-0.2, le=0.5, description="the lesion reaches this far beyond the hull"
    )
    margin_per_radius: float = Field(0.05, ge=0, le=1, description="and further by this share of its radius")
    margin_of_one: float = Field(0.15, ge=0, le=1, description="and by this over the number of fixations")
    softness_frac: float = Field(0.03, gt=0, le=1, description="length over which the prior falls to 0.27")
    heat_weight: float = Field(2.0, ge=0, description="logits between no heat and most heat")
    heat_level: float = Field(0.4, ge=0, le=1, description="heat that speaks neither for nor against")
    heatmap: HeatMapSettings = HeatMapSettings()


@dataclass(frozen=True, eq=False)
class Evidence:
    """An image on its working grid (h, w) and the gaze on it.

    Attributes:
        image: (h, w, 3) uint8, RGB; a grey image has three equal channels.
        gaze: The fixations that count, and what was left out.
        groups: Cluster of each fixation that counts, shape (N,), from 0.
        settings: How the prior is made.
    """

    image: ByteArray
    gaze: SelectedGaze
    groups: NDArray[np.intp]
    settings: PriorSettings

    @property
    def size(self) -> Size:
        """Height and width of the grid."""
        return Size(self.image.shape[0], self.image.shape[1])

    @cached_property
    def grey(self) -> bool:
        """Whether the image has no colour to speak of: its channels differ by less than 8 of 255 at 99 %."""
        spread = self.image.max(axis=2).astype(np.int16) - self.image.min(axis=2)
        return bool(np.quantile(spread, 0.99) < 8)

    @cached_property
    def distance(self) -> Grid:
        """Distance to the nearest hull, (h, w) float32, fractions of the longer side, positive inside."""
        points = self.gaze.points * max(self.size)
        hulls = [
            hull_distance(points[self.groups == group], self.size)
            for group in range(self.groups.max(initial=-1) + 1)
        ]
        nearest: Grid = np.max(hulls, axis=0) / np.float32(max(self.size))
        return nearest

    @cached_property
    def radius_frac(self) -> float:
        """Radius of the disc of the hulls' area, a fraction of the longer side; half a pixel at least."""
        longer = max(self.size)
        return float(np.sqrt(max(float((self.distance > 0).sum()), 1.0) / np.pi)) / longer

    def heat(self, settings: HeatMapSettings | None = None) -> Grid:
        """Render the heat map of all fixations on the image.

        Args:
            settings: The recipe; None for the prior's. The recipe ``square`` is rendered at its own size.

        Returns:
            Heat on the grid, (h, w) float32 in [0, 1].
        """
        settings = settings or self.settings.heatmap
        if settings.recipe == "aspect":
            settings = settings.model_copy(update={"long_side_px": max(8, *self.size)})
        heat = render_heatmap(self.gaze.everywhere, self.gaze.image_size, settings)
        return fitted(heat, self.size)

    @cached_property
    def prior_logit(self) -> Grid:
        """Logit of the prior (see `PriorSettings`), (h, w) float32."""
        chosen = self.settings
        margin = chosen.margin_frac + chosen.margin_per_radius * self.radius_frac
        margin += chosen.margin_of_one / len(self.gaze.fixations)
        logit = (self.distance + np.float32(margin)) / np.float32(chosen.softness_frac)
        if chosen.heat_weight:
            logit = logit + np.float32(chosen.heat_weight) * (self.heat() - np.float32(chosen.heat_level))
        return logit

    @cached_property
    def prior(self) -> Grid:
        """Probability of foreground by gaze alone, (h, w) float32 in [0, 1]."""
        probability: Grid = expit(self.prior_logit)
        return probability


def gather_evidence(
    image: ByteArray, fixations: Fixations, settings: PriorSettings | None = None, long_side_px: int = 256
) -> Evidence | None:
    """Bring image and gaze to a common grid.

    Args:
        image: (H, W, 3) or grey (H, W), uint8, at its own size; it is shrunk by pixel areas.
        fixations: One reading of the image, in a frame that leads to ``image_unit``.
        settings: How the prior is made; None for the defaults.
        long_side_px: Longer side of the grid.

    Returns:
        The evidence; None where no fixation is on the image.

    Raises:
        DataError: The image is not uint8 (H, W, 3) or (H, W), has no pixels, or the fixations' frame cannot
            be converted.

    Example:
        >>> gaze = Fixations.from_rows([(0.4, 0.5, 200, 0), (0.6, 0.5, 200, 300), (0.5, 0.6, 200, 600)])
        >>> found = gather_evidence(np.zeros((30, 60), np.uint8), gaze, long_side_px=20)
        >>> found.size, found.grey, found.prior.shape
        (Size(height=10, width=20), True, (10, 20))
    """
    settings = settings or PriorSettings()
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)) or image.ndim < 2 or image.size == 0:
        raise DataError(
            f"image must be uint8 (H, W, 3) or (H, W) with pixels, found {image.dtype} {image.shape}"
        )
    size = Size(*image.shape[:2])
    chosen, groups = _select(fixations, size, settings)
    if groups.max(initial=-1) < 0:
        return None
    small = fitted(image, grid_size(size, long_side_px))
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    return Evidence(np.ascontiguousarray(small), chosen, groups, settings)


def _select(
    fixations: Fixations, size: Size, settings: PriorSettings
) -> tuple[SelectedGaze, NDArray[np.intp]]:
    """Choose the fixations that count and say which cluster each is in; outliers are sought in each alone."""
    if settings.cluster_gap_frac is None:
        chosen = select_gaze(fixations, size, settings.gaze)
        return chosen, np.zeros(len(chosen.fixations), np.intp)
    choice = settings.gaze
    whole = select_gaze(fixations, size, choice.model_copy(update={"mad_factor": None, "least_heat": None}))
    groups = linked_groups(whole.points, settings.cluster_gap_frac)
    duration = whole.fixations.duration_ms
    kept = np.zeros(len(groups), dtype=bool)
    numbered = np.full(len(groups), -1, np.intp)
    count = 0
    for group in range(groups.max(initial=-1) + 1):
        of_group = np.flatnonzero(groups == group)
        long_enough = duration[of_group].sum() >= settings.least_cluster_share * duration.sum()
        if not long_enough or len(of_group) < settings.least_cluster_count:
            continue
        if choice.least_heat is not None:
            near = accompanied(whole.fixations.select(of_group), least_heat=choice.least_heat)
            of_group = of_group[near]
        if choice.mad_factor is not None:
            near = inliers(whole.fixations.select(of_group), mad_factor=choice.mad_factor)
            of_group = of_group[near]
        kept[of_group], numbered[of_group] = True, count
        count += 1
    if count == 0:
        chosen = select_gaze(fixations, size, settings.gaze)
        return chosen, np.zeros(len(chosen.fixations), np.intp)
    left_out = whole.left_out | {"outlier": int((~kept).sum())}
    return SelectedGaze(whole.fixations.select(kept), whole.everywhere, left_out), numbered[kept]


def fitted(array: NDArray[_Pixel], size: Size) -> NDArray[_Pixel]:
    """Resize by pixel areas where the array shrinks on both sides, bilinearly where it grows.

    Args:
        array: (H, W) or (H, W, 3), uint8 or float32.
        size: Height and width wanted.

    Returns:
        The array itself where it has that size already.

    Example:
        >>> fitted(np.array([[0, 2], [4, 6]], np.float32), Size(1, 1)).tolist()
        [[3.0]]
    """
    if array.shape[:2] == tuple(size):
        return array
    shrinks = array.shape[0] >= size.height and array.shape[1] >= size.width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: NDArray[_Pixel] = cv2.resize(array, (size.width, size.height), interpolation=method)
    return resized
