"""Pictures as they are sent: made from pixels alone, small enough, and as data URLs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import cv2
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.language.vlm.gaze_overlay import GazeCropSettings, crop_to_gaze, draw_gaze
from gaze_insight.types import ByteArray, Settings, Size

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = [
    "EncodedPicture",
    "PictureKind",
    "PictureSettings",
    "encode_picture",
    "encode_pictures",
    "fit_within",
]

PictureKind = Literal["image", "gaze_overlay", "gaze_crop"]
"""The image; the image with the gaze drawn on it; the part of the image that was looked at."""


class PictureSettings(Settings):
    """Size and coding of the pictures that a model is shown.

    Example:
        >>> PictureSettings().long_side_px
        768
    """

    long_side_px: int = Field(768, ge=16, le=8192, description="longer side; smaller images stay as they are")
    format: Literal["jpeg", "png"] = Field("jpeg", description="jpeg is smaller, png is exact")
    quality: int = Field(90, ge=1, le=100, description="quality of jpeg; without effect on png")
    crop: GazeCropSettings = Field(GazeCropSettings(), description="the part that gaze_crop shows")


@dataclass(frozen=True)
class EncodedPicture:
    """A picture ready for a request.

    Args:
        data_url: ``data:image/jpeg;base64,...``.
        sha256: Of the encoded bytes, in hexadecimal.
        size: Height and width as sent, in pixels.
        bytes: Length of the encoded bytes.

    Example:
        >>> EncodedPicture("data:image/png;base64,", "", Size(2, 3), 0).size.width
        3
    """

    data_url: str
    sha256: str
    size: Size
    bytes: int


def fit_within(rgb: ByteArray, long_side_px: int) -> ByteArray:
    """Shrink a picture by area until its longer side fits; a smaller one comes back as it is.

    Args:
        rgb: ``(H, W, 3)`` uint8.
        long_side_px: Longest side wanted, at least 1.

    Returns:
        ``(h, w, 3)`` uint8, each side at least 1 px, the aspect ratio kept to the nearest pixel.

    Raises:
        DataError: The picture is empty or has another shape or type.

    Example:
        >>> import numpy as np
        >>> fit_within(np.zeros((50, 200, 3), np.uint8), 100).shape
        (25, 100, 3)
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != "uint8" or not rgb.size:
        raise DataError(
            f"a picture to send must be (H, W, 3) uint8 and not empty, found {rgb.dtype} {rgb.shape}"
        )
    height, width = rgb.shape[:2]
    scale = long_side_px / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: ByteArray = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return shrunk


def encode_picture(rgb: ByteArray, settings: PictureSettings | None = None) -> EncodedPicture:
    """Encode pixels for a request.

    The bytes are made from the pixels and from nothing else: no EXIF, no comment, no file name can be in
    them. The same pixels and settings give the same bytes.

    Args:
        rgb: ``(H, W, 3)`` uint8.
        settings: Size and coding.

    Returns:
        The encoded picture.

    Raises:
        DataError: The picture is empty or has another shape or type.

    Example:
        >>> import numpy as np
        >>> sent = encode_picture(np.zeros((40, 80, 3), np.uint8), PictureSettings(long_side_px=20))
        >>> sent.size, sent.data_url[:23]
        (Size(height=10, width=20), 'data:image/jpeg;base64,')
    """
    settings = settings or PictureSettings()
    shown = fit_within(rgb, settings.long_side_px)
    options = [cv2.IMWRITE_JPEG_QUALITY, settings.quality] if settings.format == "jpeg" else []
    done, data = cv2.imencode(f".{settings.format}", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise DataError(f"a picture of shape {shown.shape} could not be encoded as {settings.format}")
    content = data.tobytes()
    url = f"data:image/{settings.format};base64,{base64.b64encode(content).decode('ascii')}"
    return EncodedPicture(url, sha256(content).hexdigest(), Size(*shown.shape[:2]), len(content))


def encode_pictures(
    kinds: Sequence[PictureKind],
    rgb: ByteArray,
    fixations: Fixations | None = None,
    settings: PictureSettings | None = None,
) -> tuple[EncodedPicture, ...]:
    """Make and encode the pictures that a prompt shows, in its order.

    Args:
        kinds: What to show (`gaze_insight.language.vlm.prompts.Prompt.pictures`).
        rgb: The image, ``(H, W, 3)`` uint8.
        fixations: Where the reader looked; needed by the kinds that show gaze.
        settings: Size and coding of each.

    Returns:
        One picture a kind; none for no kinds.

    Raises:
        DataError: The image is unfit, or gaze is to be shown and none lies on the image.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((40, 80, 3), np.uint8)
        >>> [picture.size.width for picture in encode_pictures(["image"], image)]
        [80]
    """
    settings = settings or PictureSettings()
    return tuple(encode_picture(_show(kind, rgb, fixations, settings), settings) for kind in kinds)


def _show(
    kind: PictureKind, rgb: ByteArray, fixations: Fixations | None, settings: PictureSettings
) -> ByteArray:
    if kind == "image":
        return rgb
    if fixations is None:
        raise DataError(
            "the prompt shows where the reader looked, and no gaze is known for this case",
            remedy="import the recordings, or choose a prompt that shows the image alone, such as paper",
        )
    if kind == "gaze_crop":
        return crop_to_gaze(rgb, fixations, settings.crop)
    return draw_gaze(fit_within(rgb, settings.long_side_px), fixations, image_size=Size(*rgb.shape[:2]))
