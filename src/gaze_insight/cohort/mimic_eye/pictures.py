"""A look at each picture before it is needed: it is there, it can be decoded, and how large it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from gaze_insight.cohort.images import image_size
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, Size, silent

__all__ = ["check_picture", "check_pictures"]

_SCALE = 8


def check_picture(path: Path) -> Size:
    """Decode a picture; a JPEG at an eighth of its size, which still reads the whole file.

    Args:
        path: The file.

    Returns:
        Height and width of the stored pixels.

    Raises:
        DataError: The file is missing, empty, damaged or no image.

    Example:
        >>> check_picture(Path("nowhere.jpg"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.jpg: expected an image file, found nothing
          -> check the path
    """
    size = image_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                picture.draft(None, (max(size.width // _SCALE, 1), max(size.height // _SCALE, 1)))
                picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"the image cannot be decoded: {error}", path=path, remedy="the file is damaged: copy it again"
        ) from error
    return size


def check_pictures(pictures: Mapping[str, Path], progress: Progress = silent) -> dict[str, Size | DataError]:
    """Look at many pictures at once.

    Args:
        pictures: File by id.
        progress: Told how many were looked at.

    Returns:
        Size, or what is wrong, by id; empty for no pictures.

    Example:
        >>> check_pictures({})
        {}
    """
    found: dict[str, Size | DataError] = {}
    with ThreadPoolExecutor() as pool:
        for one, result in zip(pictures, pool.map(_look, pictures.values()), strict=True):
            found[one] = result
            progress("reading images", len(found), len(pictures))
    return found


def _look(path: Path) -> Size | DataError:
    try:
        return check_picture(path)
    except DataError as error:
        return error
