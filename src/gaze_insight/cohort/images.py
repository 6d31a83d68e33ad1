"""Reading and writing pictures: stored pixels in, arrays out, and one clear message for a bad file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gaze_insight.atomic import write_bytes_atomic
from gaze_insight.cohort.dicom import DICOM_SUFFIXES, RASTER_SUFFIXES, dicom_size, is_dicom, read_dicom_image
from gaze_insight.cohort.grey_levels import scale_to_bytes
from gaze_insight.errors import DataError
from gaze_insight.types import BoolArray, ByteArray, Size

__all__ = ["IMAGE_SUFFIXES", "image_size", "read_image", "read_mask", "write_mask", "write_png"]

IMAGE_SUFFIXES = (*RASTER_SUFFIXES, *DICOM_SUFFIXES)
"""File name endings that are taken for images when a folder is listed (compared in lower case)."""

_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")
_ONE_FRAME_FORMATS = ("TIFF", "GIF", "PNG", "WEBP")


def read_image(path: str | Path) -> ByteArray:
    """Read an image as 8-bit RGB, exactly as its pixels are stored.

    Grey images get three equal channels; palettes are resolved; an alpha channel is dropped. Images with
    more than 8 bits a channel are scaled from their own smallest..largest value to 0..255. An EXIF
    orientation is *not* applied: masks and gaze refer to the stored pixels. A DICOM slice (``.dcm``, or
    any other name with DICOM's magic) is read as `read_dicom_image` says.

    Args:
        path: The file; any raster format that Pillow reads, or a DICOM slice.

    Returns:
        Array of shape (H, W, 3), uint8.

    Raises:
        DataError: The file is missing, empty, truncated, no image, has several pages, or holds NaN.
        MissingExtraError: A DICOM slice needs the extra ``medical``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder) / "a.png", np.full((2, 3), 7, np.uint8))
        ...     read_image(Path(folder) / "a.png").shape
        (2, 3, 3)
    """
    if is_dicom(path):
        return read_dicom_image(path)
    with _opened(path) as image:
        if image.mode in _DEEP_MODES:
            grey = scale_to_bytes(np.asarray(image), Path(path))
            return np.repeat(grey[:, :, None], 3, axis=2)
        if image.mode in ("P", "PA", "LA"):
            image = image.convert("RGBA")
        return np.array(image.convert("RGB"), dtype=np.uint8)


def read_mask(path: str | Path, threshold: int = 127) -> BoolArray:
    """Read a mask: True where the brightest channel of the stored pixel is above the threshold.

    A mask whose largest value is 1 is taken as labels 0 and 1. In a 16-bit mask with values above 255 the
    threshold is scaled by 257. Lossy files (JPEG) are compared by their luminance.

    Args:
        path: The file; any raster format that Pillow reads.
        threshold: Grey level in 0..255; a pixel above it is foreground.

    Returns:
        Array of shape (H, W), bool. A mask without foreground is all False.

    Raises:
        DataError: The file cannot be read or is DICOM, or its largest value lies in 2..threshold, so that
            every pixel would silently become background.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_mask(Path(folder) / "a.png", np.array([[True, False]]))
        ...     read_mask(Path(folder) / "a.png").tolist()
        [[True, False]]
    """
    if is_dicom(path):
        raise DataError("expected a mask, found a DICOM file", path=path, remedy="save masks as PNG")
    with _opened(path) as image:
        lossy = image.format in _LOSSY_FORMATS
        levels = _grey_levels(image, lossy=lossy)
    highest = levels.max(initial=0)
    limit = float(threshold)
    if highest > 255:
        limit *= 257
    elif highest == 1:
        limit = 0.5
    if 1 < highest <= limit and not lossy:
        raise DataError(
            f"expected a mask with values 0 and 255 (or 0 and 1), found the largest value {highest:g}",
            path=path,
            remedy=f"a pixel is foreground above {threshold}: multiply the labels, or pass a lower threshold",
        )
    return np.asarray(levels > limit)


def image_size(path: str | Path) -> Size:
    """Read an image's height and width from its header, without decoding the pixels.

    Args:
        path: The file.

    Returns:
        Height and width of the stored pixels.

    Raises:
        DataError: The file is missing, empty or no image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder) / "a.png", np.zeros((2, 3), np.uint8))
        ...     image_size(Path(folder) / "a.png")
        Size(height=2, width=3)
    """
    if is_dicom(path):
        return dicom_size(path)
    with _opened(path) as image:
        return Size(image.height, image.width)


def write_png(path: str | Path, pixels: ByteArray | NDArray[np.uint16], *, durable: bool = True) -> None:
    """Write grey or RGB pixels as PNG, losslessly and in one step.

    Args:
        path: The file to write or replace.
        pixels: Shape (H, W), uint8 or uint16, or (H, W, 3), uint8; not empty.
        durable: Force the bytes to the disk; False is enough for what can be made again.

    Raises:
        DataError: The array has another shape or type, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder) / "a.png", np.zeros((1, 1, 3), np.uint8))
        ...     read_image(Path(folder) / "a.png").tolist()
        [[[0, 0, 0]]]
    """
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    depths = (np.uint8,) if colour else (np.uint8, np.uint16)
    if pixels.dtype not in depths or not (pixels.ndim == 2 or colour) or pixels.size == 0:
        raise DataError(
            "expected uint8 or uint16 pixels of shape (H, W), or uint8 of shape (H, W, 3), "
            f"found {pixels.dtype} {pixels.shape}",
            path=path,
        )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", compress_level=4)
    write_bytes_atomic(path, buffer.getvalue(), durable=durable)


def write_mask(path: str | Path, mask: BoolArray, *, durable: bool = True) -> None:
    """Write a mask as an 8-bit PNG with 255 for True and 0 for False.

    Args:
        path: The file to write or replace.
        mask: Shape (H, W), bool.
        durable: As for `write_png`.

    Raises:
        DataError: The array is empty or not two-dimensional, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_mask(Path(folder) / "a.png", np.ones((1, 1), bool))
        ...     read_image(Path(folder) / "a.png").max().item()
        255
    """
    write_png(path, np.where(mask, 255, 0).astype(np.uint8), durable=durable)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Open an image and turn whatever Pillow raises into one message about this file."""
    file = Path(path)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "nothing"
        raise DataError(f"expected an image file, found {found}", path=file, remedy="check the path")
    if file.stat().st_size == 0:
        raise DataError("the image file is empty (0 bytes)", path=file, remedy="copy the file again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                _reject_pages(image, file)
                yield image
    except UnidentifiedImageError as error:
        raise DataError(
            "the file is not an image that can be read",
            path=file,
            remedy="convert it to PNG or JPEG; check that its ending matches its content",
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"the image cannot be decoded: {error}", path=file, remedy="the file is damaged: copy it again"
        ) from error


def _reject_pages(image: Image.Image, path: Path) -> None:
    pages = getattr(image, "n_frames", 1) if image.format in _ONE_FRAME_FORMATS else 1
    if pages > 1:
        raise DataError(
            f"expected a single image, found {pages} pages or frames",
            path=path,
            remedy="save each page as a file of its own",
        )


def _grey_levels(image: Image.Image, *, lossy: bool) -> NDArray[np.float64]:
    if image.mode in _DEEP_MODES:
        return np.asarray(image, dtype=np.float64)
    if image.mode in ("1", "L") or lossy:
        return np.asarray(image.convert("L"), dtype=np.float64)
    if image.mode in ("P", "PA", "LA"):
        image = image.convert("RGBA")
    return np.asarray(np.asarray(image.convert("RGB")).max(axis=2), dtype=np.float64)
