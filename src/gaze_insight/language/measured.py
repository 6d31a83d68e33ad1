"""A description measured from the image and the gaze alone: no mask, no language model, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.language.vocabulary import Boundary, Brightness, Confidence, Location, Shape, Texture
from gaze_insight.types import ByteArray, FloatArray, Settings, Size

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["MeasuredDescriber", "MeasuredSettings", "describe_measured"]

_SOURCE = "measured"
_Plane = NDArray[np.float32]
_Mask = NDArray[np.uint8]


class MeasuredSettings(Settings):
    """The thresholds that turn measurements into words.

    Example:
        >>> MeasuredSettings().foreground
        0.4
    """

    kind: Literal["measured"] = "measured"
    foreground: float = Field(0.4, gt=0, lt=1, description="A pixel at least this probable is lesion")
    smallest_area_frac: float = Field(
        0.0005, ge=0, lt=1, description="A region below this fraction of the image is nothing seen"
    )
    irregular_solidity: float = Field(
        0.88, gt=0, le=1, description="Area over convex hull's area below this is an irregular shape"
    )
    round_axis_ratio: float = Field(
        0.85, gt=0, le=1, description="Minor over major axis from this on is round"
    )
    elongated_axis_ratio: float = Field(0.6, gt=0, le=1, description="Below this the shape is elongated")
    ragged_outline: float = Field(
        1.2, ge=1, description="Outline's length over its hull's from this on is an irregular boundary"
    )
    clear_edge: float = Field(1.3, gt=0, description="Gradient along the edge over that around it: clear")
    spiculated_outline: float = Field(
        1.3, ge=1, description="Outline's length over its hull's from this on is spiculated"
    )
    rough_texture: float = Field(
        1.35, gt=0, description="Fine detail inside over that around it, from this on rough"
    )
    lobulated_texture: float = Field(
        1.1, gt=0, description="Coarse relief inside over that around it, from this on lobulated"
    )
    contrast: float = Field(12.0, ge=0, description="Difference of lightness (0..255) that counts")
    high_confidence: float = Field(0.48, ge=0, le=1, description="Concentration from this on is high")
    low_confidence: float = Field(0.4, ge=0, le=1, description="Concentration below this is low")


@dataclass(frozen=True, eq=False)
class _Region:
    """The largest region of the lesion, its surroundings, and the image's lightness, all on one grid."""

    inside: _Mask
    around: _Mask
    lightness: _Plane
    outline: NDArray[np.int32]
    hull_ratio: float
    """Length of the outline over the length of its convex hull."""


def describe_measured(
    image: ByteArray,
    soft: FloatArray,
    fixations: Fixations | None = None,
    settings: MeasuredSettings | None = None,
) -> Description:
    """Describe the region that gaze points at, from the image and the gaze alone.

    Location: the centroid of the largest region of ``soft >= foreground``. Area: all such pixels. Boundary:
    raggedness of the outline, then the gradient along it against the gradient nearby. Shape: solidity, then
    the ratio of the axes of inertia. Texture: outline, fine and coarse variation inside against outside.
    Brightness: difference of lightness (CIE Lab) to a ring around. Confidence: share of the looking time on
    the region, times how decided ``soft`` is. The thresholds divide pseudo-masks of Kvasir-SEG's
    training images into groups of use; no true mask was read to set them.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        soft: ``(h, w)`` probability of the lesion in [0, 1], made from gaze; it may be smaller than
            the image.
        fixations: Where the reader looked; None if not known (then the confidence rests on ``soft``).
        settings: The thresholds.

    Returns:
        The description with source "measured". No fixation, or no region: location "not visible",
        confidence low, the reason in the remarks.

    Raises:
        DataError: The arrays have another shape or type, or ``soft`` leaves [0, 1].

    Example:
        >>> image = np.full((60, 90, 3), 90, np.uint8)
        >>> image[5:15, 5:20] = 200
        >>> seen = describe_measured(image, (image[..., 0] == 200).astype(np.float32))
        >>> seen.location, seen.brightness
        ('upper left', 'brighter')
    """
    settings = settings or MeasuredSettings()
    _validate(image, soft)
    if fixations is not None and len(fixations) == 0:
        return Description.nothing_seen(_SOURCE, "no fixation was recorded")
    lesion = (soft >= settings.foreground).astype(np.uint8)
    region = _largest(lesion, settings.smallest_area_frac)
    if region is None:
        return Description.nothing_seen(_SOURCE, "the gaze points at no region")
    seen = _measure(image, region)
    return Description(
        location=_location(region),
        boundary=_boundary(seen, settings),
        shape=_shape(seen, settings),
        texture=_texture(seen, settings),
        brightness=_brightness(seen, settings),
        area_percentage=round(100 * float(lesion.mean()), 2),
        confidence=_confidence(soft, lesion, fixations, Size(*image.shape[:2]), settings),
        source=_SOURCE,
    )


class MeasuredDescriber:
    """`describe_measured` as a describer.

    Args:
        settings: The thresholds; None for the defaults.

    Example:
        >>> image, soft = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9))
        >>> MeasuredDescriber().describe("a", image, soft, None).confidence
        'low'
    """

    settings_type: ClassVar[type[Settings]] = MeasuredSettings
    version: ClassVar[int] = 1
    from_gaze: ClassVar[bool] = True

    def __init__(self, settings: MeasuredSettings | None = None) -> None:
        self.settings = settings or MeasuredSettings()

    def describe(
        self, case_id: str, image: ByteArray, soft: FloatArray, fixations: Fixations | None
    ) -> Description:
        """Describe one case.

        Args:
            case_id: The case's id, for messages.
            image: ``(H, W, 3)`` uint8 RGB.
            soft: ``(h, w)`` probability of the lesion in [0, 1].
            fixations: Where the reader looked, if known.

        Returns:
            The description.

        Raises:
            DataError: The arrays have another shape or type; the case is named.

        Example:
            >>> MeasuredDescriber().describe("a", np.zeros((9, 9)), np.zeros((9, 9)), None)
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: case 'a': the image must be (H, W, 3) uint8, found (9, 9) float64
        """
        try:
            return describe_measured(image, soft, fixations, self.settings)
        except DataError as error:
            raise DataError(f"case {case_id!r}: {error.message}", remedy=error.remedy) from error


def _validate(image: ByteArray, soft: FloatArray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise DataError(f"the image must be (H, W, 3) uint8, found {image.shape} {image.dtype}")
    if soft.ndim != 2 or not soft.size:
        raise DataError(f"the soft mask must be (h, w), found {soft.shape}")
    if not (np.min(soft) >= 0 and np.max(soft) <= 1):
        raise DataError(f"the soft mask must lie in [0, 1], found {np.min(soft):g} to {np.max(soft):g}")


def _largest(lesion: _Mask, smallest_area_frac: float) -> _Mask | None:
    count, labels, facts, _ = cv2.connectedComponentsWithStats(lesion, connectivity=8)
    if count < 2:
        return None
    areas = facts[1:, cv2.CC_STAT_AREA]
    if areas.max() < max(smallest_area_frac * lesion.size, 1):
        return None
    return np.asarray(labels == 1 + int(np.argmax(areas)), np.uint8)


def _disc(radius_px: int) -> _Mask:
    side = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _measure(image: ByteArray, region: _Mask) -> _Region:
    height, width = region.shape
    small = (
        image
        if image.shape[:2] == region.shape
        else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    )
    lightness = cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull_length = cv2.arcLength(cv2.convexHull(outline), closed=True)
    smooth = cv2.approxPolyDP(outline, 1.0, closed=True)
    ratio = cv2.arcLength(smooth, closed=True) / hull_length if hull_length > 0 else 1.0
    reach = max(round(0.25 * float(np.sqrt(region.sum()))), 2)
    away = cv2.distanceTransform(1 - region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    around = np.asarray((away > max(reach / 4, 1.0)) & (away <= reach), np.uint8)
    return _Region(region, around, lightness, outline, max(float(ratio), 1.0))


def _mean(values: _Plane, where: _Mask) -> float:
    chosen = values[where > 0]
    return float(chosen.mean()) if chosen.size else 0.0


def _location(region: _Mask) -> Location:
    rows, columns = np.nonzero(region)
    row, column = (
        (places.mean() + 0.5) / side for places, side in zip((rows, columns), region.shape, strict=True)
    )
    return LOCATIONS[3 * min(int(3 * row), 2) + min(int(3 * column), 2)]


def _gradient(lightness: _Plane) -> _Plane:
    smooth = cv2.GaussianBlur(lightness, (0, 0), 1.5)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=0.125) for dx in (1, 0))
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _edge_strength(seen: _Region) -> float:
    """Give the gradient in a band along the outline over the gradient of the inside and the surroundings."""
    thin = _disc(2)
    band = cv2.dilate(seen.inside, thin) - cv2.erode(seen.inside, thin)
    elsewhere = np.asarray((seen.inside | seen.around) & (1 - band), np.uint8)
    gradient = _gradient(seen.lightness)
    return (_mean(gradient, band) + 1e-3) / (_mean(gradient, elsewhere) + 1e-3)


def _relief(seen: _Region) -> tuple[float, float]:
    """Give fine and coarse variation of the lightness inside, each over that of the surroundings."""
    fine = np.abs(seen.lightness - cv2.GaussianBlur(seen.lightness, (0, 0), 1.5))
    scale = max(0.1 * float(np.sqrt(seen.inside.sum())), 2.0)
    coarse = np.abs(
        cv2.GaussianBlur(seen.lightness, (0, 0), 1.5) - cv2.GaussianBlur(seen.lightness, (0, 0), scale)
    )
    core = cv2.erode(seen.inside, _disc(2), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    core = core if core.any() else seen.inside
    ratios = [(_mean(plane, core) + 0.25) / (_mean(plane, seen.around) + 0.25) for plane in (fine, coarse)]
    return ratios[0], ratios[1]


def _solidity(seen: _Region) -> float:
    hull = np.zeros_like(seen.inside)
    cv2.fillConvexPoly(hull, cv2.convexHull(seen.outline), 1)
    return float(seen.inside.sum()) / max(float(hull.sum()), 1.0)


def _axis_ratio(seen: _Region) -> float:
    """Give the minor over the major axis of the ellipse with the region's second moments."""
    moments = cv2.moments(seen.inside, binaryImage=True)
    across, down, mixed = (moments[name] / moments["m00"] for name in ("mu20", "mu02", "mu11"))
    middle = (across + down) / 2
    spread = float(np.hypot((across - down) / 2, mixed))
    return float(np.sqrt(max(middle - spread, 0.0) / (middle + spread))) if middle > 0 else 1.0


def _boundary(seen: _Region, settings: MeasuredSettings) -> Boundary:
    if seen.hull_ratio >= settings.ragged_outline:
        return "irregular"
    return "clear" if _edge_strength(seen) >= settings.clear_edge else "ambiguous"


def _shape(seen: _Region, settings: MeasuredSettings) -> Shape:
    if _solidity(seen) < settings.irregular_solidity:
        return "irregular"
    ratio = _axis_ratio(seen)
    if ratio >= settings.round_axis_ratio:
        return "round"
    return "oval" if ratio >= settings.elongated_axis_ratio else "elongated"


def _texture(seen: _Region, settings: MeasuredSettings) -> Texture:
    if seen.hull_ratio >= settings.spiculated_outline:
        return "spiculated"
    fine, coarse = _relief(seen)
    if fine >= settings.rough_texture:
        return "rough"
    return "lobulated" if coarse >= settings.lobulated_texture else "smooth"


def _brightness(seen: _Region, settings: MeasuredSettings) -> Brightness:
    if not seen.around.any():
        return "similar"
    difference = _mean(seen.lightness, seen.inside) - _mean(seen.lightness, seen.around)
    if abs(difference) < settings.contrast:
        return "similar"
    return "brighter" if difference > 0 else "darker"


def _share_on_lesion(lesion: _Mask, fixations: Fixations, image_size: Size) -> float:
    height, width = lesion.shape
    placed = fixations.to_frame("image_unit", image_size=image_size)
    on_image = (placed.x >= 0) & (placed.x <= 1) & (placed.y >= 0) & (placed.y <= 1)
    columns = np.clip((placed.x * width).astype(np.int64), 0, width - 1)
    rows = np.clip((placed.y * height).astype(np.int64), 0, height - 1)
    hits = on_image & (lesion[rows, columns] > 0)
    return float(placed.duration_ms[hits].sum() / placed.duration_ms.sum())


def _concentration(soft: FloatArray, lesion: _Mask, fixations: Fixations | None, image_size: Size) -> float:
    """Give how decided the soft mask is where not empty, times the share of looking time on the lesion."""
    decided = np.abs(2 * soft[soft > 0.1].astype(np.float64) - 1)
    certainty = float(decided.mean()) if decided.size else 0.0
    return certainty if fixations is None else certainty * _share_on_lesion(lesion, fixations, image_size)


def _confidence(
    soft: FloatArray, lesion: _Mask, fixations: Fixations | None, image_size: Size, settings: MeasuredSettings
) -> Confidence:
    concentration = _concentration(soft, lesion, fixations, image_size)
    if concentration >= settings.high_confidence:
        return "high"
    return "low" if concentration < settings.low_confidence else "moderate"
