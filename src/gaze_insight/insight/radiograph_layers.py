"""Layers over a radiograph: where attention lies for a finding, and the regions that a sentence names."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.chest.region_scores import RegionScore
from gaze_insight.errors import DataError
from gaze_insight.insight.pictures import data_uri, heat_tile, outline_tile, tile_size
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["Outline", "attention_layer", "outlines_of", "overlay_picture", "plain_picture"]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HALO = (10, 12, 16)
_SEEN = (110, 231, 255)
_MARK = (255, 255, 255)
_LAYER_PX = 256


@dataclass(frozen=True)
class Outline:
    """A region drawn over the picture, in percent of its width and height.

    Args:
        name: What it is.
        left: Distance of its left edge.
        top: Distance of its upper edge.
        width: Its width.
        height: Its height.

    Example:
        >>> Outline("trachea", 46.0, 2.0, 10.0, 29.0).width
        10.0
    """

    name: str
    left: float
    top: float
    width: float
    height: float


def outlines_of(regions: Sequence[RegionScore]) -> tuple[Outline, ...]:
    """Make the outlines of regions.

    Args:
        regions: The regions, with the boxes that they were taken to lie in.

    Returns:
        One for each; parts outside the image are cut off.

    Example:
        >>> region = RegionScore("trachea", 1.0, 1.0, 0.1, 1.0, None, (0.4, -0.1, 0.5, 0.3), True)
        >>> outlines_of([region])[0].top
        0.0
    """
    found = []
    for one in regions:
        x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in one.box)
        edges = (round(100 * edge, 2) for edge in (x0, y0, x1 - x0, y1 - y0))
        found.append(Outline(one.name, *edges))
    return tuple(found)


def plain_picture(image: ByteArray, long_side_px: int = 900) -> str:
    """Give the radiograph as a ``data:`` address; a smaller image is not blown up.

    Args:
        image: RGB, (H, W, 3) uint8.
        long_side_px: Longest side of the picture.

    Returns:
        The address.

    Example:
        >>> plain_picture(np.zeros((4, 4, 3), np.uint8))[:23]
        'data:image/jpeg;base64,'
    """
    return data_uri(outline_tile(image, None, min(long_side_px, max(image.shape[:2]))))


def attention_layer(attention: FloatArray, size: Size) -> str:
    """Draw attention as a transparent layer: clear where there is none, warm where there is much.

    Args:
        attention: (h, w), >= 0, over the image, of any sum.
        size: Height and width of the image; gives the layer its shape.

    Returns:
        A ``data:`` address of a PNG; empty where there is no attention.

    Example:
        >>> attention_layer(np.zeros((2, 2)), Size(4, 4)), attention_layer(np.eye(2), Size(4, 4))[:22]
        ('', 'data:image/png;base64,')
    """
    strongest = float(attention.max(initial=0.0))
    if strongest <= 0:
        return ""
    height, width = tile_size(size, _LAYER_PX)
    field = _smooth(attention / strongest, Size(height, width))
    palette = cv2.applyColorMap(np.rint(field * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = np.rint(255 * 0.65 * np.clip((field - 0.15) / 0.6, 0, 1)).astype(np.uint8)
    done, data = cv2.imencode(".png", np.dstack([palette, alpha]))
    if not done:
        raise DataError(f"a layer of {height} x {width} pixels could not be encoded")
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def _smooth(plane: NDArray[Any], size: Size) -> NDArray[np.float32]:
    values = plane.astype(np.float32)
    field = cv2.resize(values, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(field, 0, 1), np.float32)


def overlay_picture(
    image: ByteArray,
    attention: FloatArray | None,
    outlines: Sequence[Outline] = (),
    long_side_px: int = 1024,
) -> ByteArray:
    """Draw attention, named regions and the marks R and L onto a radiograph.

    Args:
        image: RGB, (H, W, 3) uint8.
        attention: (h, w), >= 0, over the image; None draws none.
        outlines: Regions to outline, with their names.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> overlay_picture(np.zeros((40, 20, 3), np.uint8), None, (), 100).shape
        (100, 50, 3)
    """
    strongest = 0.0 if attention is None else float(attention.max(initial=0.0))
    if attention is None or strongest <= 0:
        picture = outline_tile(image, None, long_side_px)
    else:
        picture = heat_tile(image, np.asarray(attention / strongest * 0.8), long_side_px)
    height, width = picture.shape[:2]
    for one in outlines:
        x0, y0 = round(one.left * width / 100), round(one.top * height / 100)
        x1, y1 = round((one.left + one.width) * width / 100), round((one.top + one.height) * height / 100)
        for colour, thickness in ((_HALO, 5), (_SEEN, 2)):
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA)
        _write(picture, one.name, (x0 + 4, max(16, y0 - 6)), long_side_px / 1800, _SEEN)
    size = long_side_px / 900
    _write(picture, "R", (round(0.02 * width), round(0.02 * height + 24 * size)), size, _MARK)
    _write(picture, "L", (round(0.98 * width - 20 * size), round(0.02 * height + 24 * size)), size, _MARK)
    return picture


def _write(
    picture: ByteArray, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    """Write on a dark ground, so that it can be read on any picture."""
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    x = max(0, min(at[0], picture.shape[1] - width - 4))
    y = max(height + 4, min(at[1], picture.shape[0] - below))
    cv2.rectangle(picture, (x - 3, y - height - 4), (x + width + 3, y + below), _HALO, -1)
    cv2.putText(picture, text, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)
