"""Pictures of one radiograph: where its readers looked, where the model attended, and what was marked."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import COLOURS, data_uri, gaze_tile, heat_tile, outline_tile
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["attention_picture", "boxes_picture", "radiograph_tiles", "readings_picture"]

_HALO = (10, 12, 16)
_BOX = COLOURS["truth"]
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.6


def readings_picture(image: ByteArray, looks: Sequence[Fixations], long_side_px: int = 420) -> ByteArray:
    """Draw all readings of an image on one picture, each as a path of circles.

    Args:
        image: RGB, (H, W, 3) uint8.
        looks: The fixations of each reading, in the frame ``image_unit``.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8; the plain image for no reading.

    Example:
        >>> readings_picture(np.zeros((40, 80, 3), np.uint8), [], 100).shape
        (50, 100, 3)
    """
    drawn = outline_tile(image, None, long_side_px)
    for look in looks:
        drawn = gaze_tile(drawn, look, long_side_px)
    return drawn


def attention_picture(
    image: ByteArray, attention: FloatArray, boxes: Sequence[ChestBox] = (), long_side_px: int = 420
) -> ByteArray:
    """Lay attention over the image, with boxes around it.

    Args:
        image: RGB, (H, W, 3) uint8.
        attention: In [0, 1], (h, w), over the image.
        boxes: Boxes to draw on it.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> attention_picture(np.zeros((4, 4, 3), np.uint8), np.ones((2, 2)), (), 8).shape
        (8, 8, 3)
    """
    return boxes_picture(heat_tile(image, attention, long_side_px), boxes, long_side_px, named=False)


def boxes_picture(
    image: ByteArray, boxes: Sequence[ChestBox], long_side_px: int = 420, *, named: bool = True
) -> ByteArray:
    """Draw boxes and ellipses on the image.

    Args:
        image: RGB, (H, W, 3) uint8.
        boxes: What to draw, in fractions of the image's sides.
        long_side_px: Longer side of the picture.
        named: Write what each box is.

    Returns:
        RGB picture, uint8.

    Example:
        >>> box = ChestBox("Edema", "finding", 0.2, 0.2, 0.8, 0.8)
        >>> int(boxes_picture(np.zeros((50, 50, 3), np.uint8), [box], 100).max())
        255
    """
    picture = outline_tile(image, None, long_side_px)
    height, width = picture.shape[:2]
    for colour, thickness in ((_HALO, 4), (_BOX, 2)):
        for box in boxes:
            corners = np.rint(np.array([box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height]))
            x0, y0, x1, y1 = (int(value) for value in corners)
            if box.shape == "ellipse":
                centre, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
                cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, thickness, cv2.LINE_AA)
            else:
                cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA)
    if named:
        _write_names(picture, boxes)
    return picture


def _write_names(picture: ByteArray, boxes: Sequence[ChestBox]) -> None:
    """Write each name at its box, below names that stand there already."""
    height, width = picture.shape[:2]
    taken: list[tuple[int, int, int]] = []
    for box in boxes:
        (wide, tall), _ = cv2.getTextSize(box.name, _FONT, _FONT_SCALE, 1)
        x = max(2, min(int(box.x0 * width) + 3, width - wide - 2))
        y = min(height - 3, int(box.y0 * height) + tall + 4)
        while any(abs(y - other) < tall + 4 and x < end and start < x + wide for start, end, other in taken):
            y += tall + 5
        taken.append((x, x + wide, y))
        for colour, thickness in ((_HALO, 3), (_BOX, 1)):
            cv2.putText(picture, box.name, (x, y), _FONT, _FONT_SCALE, colour, thickness, cv2.LINE_AA)


def radiograph_tiles(
    case: str,
    image: ByteArray,
    *,
    looks: Sequence[Fixations] = (),
    attention: FloatArray | None = None,
    finding_attention: FloatArray | None = None,
    finding: str = "",
    finding_boxes: Sequence[ChestBox] = (),
    boxes: Sequence[ChestBox] = (),
) -> list[Tile]:
    """Show the image, the readers' gaze, the attention, that of one finding, and the boxes, as far as known.

    Args:
        case: Name of the case.
        image: RGB, (H, W, 3) uint8.
        looks: The fixations of each reading.
        attention: Attention of the model on the image, (h, w) in [0, 1], or None.
        finding_attention: The same for one finding, or None.
        finding: That finding, with its probability.
        finding_boxes: Boxes of that finding.
        boxes: Boxes of findings.

    Returns:
        One to five tiles.

    Example:
        >>> [tile.title for tile in radiograph_tiles("a", np.zeros((4, 4, 3), np.uint8))]
        ['Image']
    """
    tiles = [
        Tile("Image", "What the model sees", f"{case}: radiograph", data_uri(outline_tile(image))),
    ]
    if looks:
        readers = f"{len(looks)} reading{'' if len(looks) == 1 else 's'}"
        count = sum(len(look) for look in looks)
        seconds = sum(look.total_duration_ms for look in looks) / 1000
        text = f"{readers}, {count} fixations, {seconds:.0f} s"
        alt = f"{case}: {text} drawn as circles"
        tiles.append(Tile("Where readers looked", text, alt, data_uri(readings_picture(image, looks))))
    if attention is not None:
        alt = f"{case}: attention of the model over the image"
        uri = data_uri(attention_picture(image, attention))
        tiles.append(Tile("Attention of the model", "Brighter: weighs more", alt, uri))
    if finding_attention is not None:
        alt = f"{case}: attention of the model for {finding}"
        uri = data_uri(attention_picture(image, finding_attention, finding_boxes))
        tiles.append(Tile("Attention for one finding", finding, alt, uri))
    if boxes:
        named = ", ".join(sorted({box.name for box in boxes}))
        alt = f"{case}: boxes around {named}"
        tiles.append(Tile("Marked by readers", named, alt, data_uri(boxes_picture(image, boxes))))
    return tiles
