"""Small pictures of one case: the image with gaze, heat, labels, outlines and agreement drawn on it."""

from __future__ import annotations

import base64
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BACKGROUND, FOREGROUND, BoolArray, ByteArray, FloatArray, Size

__all__ = [
    "COLOURS",
    "agreement_tile",
    "data_uri",
    "gaze_tile",
    "heat_tile",
    "labels_tile",
    "outline_tile",
    "probability_tile",
    "tile_size",
]

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "truth": (255, 214, 10),
    "prediction": (30, 200, 255),
    "both": (46, 204, 113),
    "lesion": (214, 92, 255),
    "background": (38, 84, 196),
    "first": (255, 236, 110),
    "last": (232, 46, 120),
}
"""RGB of what is drawn; the page's legend shows the same.

Truth is yellow, prediction is cyan, and where they agree the two mix to green.
"""

_HALO: Colour = (10, 12, 16)
_SHIFT = 4


def tile_size(size: Size, long_side_px: int = 420) -> Size:
    """Size of a picture of an image: the longer side as asked, the aspect ratio kept.

    Args:
        size: The image's size.
        long_side_px: Longer side of the picture.

    Returns:
        The picture's size, at least 1 px a side.

    Example:
        >>> tile_size(Size(500, 1000), 420)
        Size(height=210, width=420)
    """
    scale = long_side_px / max(size)
    return Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))


def data_uri(picture: ByteArray, kind: str = "jpeg") -> str:
    """Encode a picture so that it can stand inside an HTML page.

    Args:
        picture: RGB, (H, W, 3) uint8.
        kind: "jpeg" (photographs) or "png" (lossless).

    Returns:
        A ``data:`` address.

    Raises:
        DataError: The picture cannot be encoded.

    Example:
        >>> data_uri(np.zeros((2, 2, 3), np.uint8), "png")[:22]
        'data:image/png;base64,'
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 86] if kind == "jpeg" else []
    done, data = cv2.imencode(f".{kind}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise DataError(f"a picture of shape {picture.shape} could not be encoded as {kind}")
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def _base(image: ByteArray, long_side_px: int) -> ByteArray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"an image must be (H, W, 3) uint8, found {image.dtype} of shape {image.shape}")
    height, width = tile_size(Size(*image.shape[:2]), long_side_px)
    method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
    tile: ByteArray = cv2.resize(image, (width, height), interpolation=method)
    return tile


def _field(values: NDArray[Any], tile: ByteArray) -> NDArray[np.float32]:
    """Bring a map of any resolution to the tile's size, smoothly."""
    field: NDArray[np.float32] = cv2.resize(
        values.astype(np.float32), (tile.shape[1], tile.shape[0]), interpolation=cv2.INTER_LINEAR
    )
    return field


def _blend(tile: ByteArray, colour: Colour | ByteArray, alpha: NDArray[Any]) -> ByteArray:
    weight = np.clip(alpha, 0, 1)[..., None]
    mixed = tile * (1 - weight) + np.asarray(colour, dtype=np.float32) * weight
    blended: ByteArray = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return blended


def _outline(tile: ByteArray, region: BoolArray, colour: Colour) -> None:
    """Draw the region's outline into the tile: a coloured line on a dark halo, seen on any background."""
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tile, contours, -1, _HALO, 4, cv2.LINE_AA)
    cv2.drawContours(tile, contours, -1, colour, 2, cv2.LINE_AA)


def gaze_tile(image: ByteArray, fixations: Fixations, long_side_px: int = 420) -> ByteArray:
    """Draw where the clinician looked: a circle a fixation, joined in order.

    A circle's area grows with the fixation's duration; its colour runs from yellow (first) to pink (last).
    Fixations off the image are not drawn.

    Args:
        image: RGB, (H, W, 3) uint8.
        fixations: In a frame that converts to ``image_px``; without any the plain image comes back.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> gaze_tile(np.zeros((40, 80, 3), np.uint8), Fixations.empty(), 100).shape
        (50, 100, 3)
    """
    tile = _base(image, long_side_px)
    if len(fixations) == 0:
        return tile
    size = Size(*image.shape[:2])
    shown = fixations.to_frame("image_px", image_size=size)
    scale = tile.shape[1] / size.width
    inside = (shown.x >= 0) & (shown.x <= size.width) & (shown.y >= 0) & (shown.y <= size.height)
    centres = np.stack([shown.x[inside], shown.y[inside]], axis=1) * scale - 0.5
    durations = shown.duration_ms[inside]
    points = np.rint(centres * (1 << _SHIFT)).astype(np.int32)
    if len(points) == 0:
        return tile
    path = tile.copy()
    cv2.polylines(path, [points[:, None]], False, _HALO, 3, cv2.LINE_AA, _SHIFT)
    cv2.polylines(path, [points[:, None]], False, (240, 240, 240), 1, cv2.LINE_AA, _SHIFT)
    tile = _blend(tile, path, np.full(tile.shape[:2], 0.6))
    unit = long_side_px / 420
    filled = tile.copy()
    circles = [
        (tuple(int(v) for v in point), _radius(duration, unit), _mix(order / max(1, len(points) - 1)))
        for order, (point, duration) in enumerate(zip(points, durations, strict=True))
    ]
    for centre, radius, colour in circles:
        cv2.circle(filled, centre, radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    tile = _blend(tile, filled, np.full(tile.shape[:2], 0.6))
    for centre, radius, colour in circles:
        cv2.circle(tile, centre, radius + (1 << _SHIFT), _HALO, 1, cv2.LINE_AA, _SHIFT)
        cv2.circle(tile, centre, radius, colour, 2, cv2.LINE_AA, _SHIFT)
    return tile


def _radius(duration_ms: float, unit: float) -> int:
    """Radius in 1/16 px: area proportional to duration, 11 px for 300 ms, between 4 and 30 px."""
    radius_px = min(30.0, max(4.0, 11.0 * math.sqrt(duration_ms / 300)))
    return round(radius_px * unit * (1 << _SHIFT))


def _mix(progress: float) -> Colour:
    first, last = np.array(COLOURS["first"]), np.array(COLOURS["last"])
    red, green, blue = (int(v) for v in np.rint(first + (last - first) * progress))
    return red, green, blue


def heat_tile(image: ByteArray, heat: FloatArray, long_side_px: int = 420) -> ByteArray:
    """Lay the heat map of the looking over the image: dark purple is little, bright yellow is much.

    Args:
        image: RGB, (H, W, 3) uint8.
        heat: (h, w) in [0, 1] of any resolution; all zeros gives the plain image.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> heat_tile(np.zeros((4, 4, 3), np.uint8), np.ones((2, 2), np.float32), 4)[0, 0].max() > 100
        np.True_
    """
    tile = _base(image, long_side_px)
    field = np.clip(_field(heat, tile), 0, 1)
    palette = cv2.applyColorMap(np.rint(field * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return _blend(tile, cv2.cvtColor(palette, cv2.COLOR_BGR2RGB), 0.8 * np.minimum(1, field * 1.6))


def labels_tile(image: ByteArray, labels: ByteArray, long_side_px: int = 420) -> ByteArray:
    """Show a pseudo-mask: lesion in violet, background in blue, unknown pixels in plain grey.

    Args:
        image: RGB, (H, W, 3) uint8.
        labels: (h, w) uint8 in {0, 1, 255} of any resolution.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> unknown = labels_tile(np.full((4, 4, 3), 80, np.uint8), np.full((4, 4), 255, np.uint8), 4)
        >>> int(unknown.std())
        0
    """
    tile = _base(image, long_side_px)
    grey = cv2.cvtColor(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    lesion = _field(labels == FOREGROUND, tile) > 0.5
    background = _field(labels == BACKGROUND, tile) > 0.5
    shown = np.where((lesion | background)[..., None], tile, (grey * 0.75 + 50).astype(np.uint8))
    shown = _blend(shown, COLOURS["lesion"], 0.55 * lesion)
    shown = _blend(shown, COLOURS["background"], 0.45 * background)
    _outline(shown, lesion, COLOURS["lesion"])
    return shown


def probability_tile(
    image: ByteArray,
    prob: FloatArray,
    truth: BoolArray | None = None,
    *,
    threshold: float = 0.5,
    long_side_px: int = 420,
) -> ByteArray:
    """Show a prediction: cyan, the stronger the surer, with its outline and the true outline in yellow.

    Args:
        image: RGB, (H, W, 3) uint8.
        prob: Probability of lesion, (h, w) in [0, 1] of any resolution.
        truth: True mask of any resolution, or None.
        threshold: The outline stands where the probability crosses it.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> nothing = probability_tile(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8)), long_side_px=8)
        >>> int(nothing.max())
        0
    """
    tile = _base(image, long_side_px)
    field = _field(prob, tile)
    shown = _blend(tile, COLOURS["prediction"], 0.5 * field)
    if truth is not None:
        _outline(shown, _field(truth, tile) > 0.5, COLOURS["truth"])
    _outline(shown, field > threshold, COLOURS["prediction"])
    return shown


def outline_tile(image: ByteArray, truth: BoolArray | None = None, long_side_px: int = 420) -> ByteArray:
    """Show the image with the true outline in yellow, or the plain image where none is known.

    Args:
        image: RGB, (H, W, 3) uint8.
        truth: True mask of any resolution, or None.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> outline_tile(np.zeros((6, 8, 3), np.uint8), long_side_px=4).shape
        (3, 4, 3)
    """
    tile = _base(image, long_side_px)
    if truth is not None:
        _outline(tile, _field(truth, tile) > 0.5, COLOURS["truth"])
    return tile


def agreement_tile(image: ByteArray, pred: BoolArray, truth: BoolArray, long_side_px: int = 420) -> ByteArray:
    """Show where prediction and truth agree (green), what was missed (yellow) and what is too much (cyan).

    Args:
        image: RGB, (H, W, 3) uint8; shown in grey.
        pred: Predicted mask of any resolution.
        truth: True mask of any resolution.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> blank = np.zeros((4, 4, 3), np.uint8)
        >>> missed = agreement_tile(blank, np.zeros((4, 4), bool), np.ones((4, 4), bool), 4)
        >>> bool(missed[..., 0].mean() > missed[..., 2].mean())
        True
    """
    tile = _base(image, long_side_px)
    shown: ByteArray = cv2.cvtColor(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    predicted, true = _field(pred, tile) > 0.5, _field(truth, tile) > 0.5
    for region, colour in (
        (predicted & true, "both"),
        (true & ~predicted, "truth"),
        (predicted & ~true, "prediction"),
    ):
        shown = _blend(shown, COLOURS[colour], 0.6 * region)
    return shown
