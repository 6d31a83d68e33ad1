"""Where a radiograph lies in the square that a network sees: aspect kept, black around it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["Letterbox"]


@dataclass(frozen=True)
class Letterbox:
    """The place of an image in a square: scaled so that its longer side fits, centred, black elsewhere.

    Other than the images of segmentation, which are squeezed to the square, a radiograph keeps its shape: the
    width of the heart against that of the chest is a sign of disease.

    Args:
        image: Height and width of the image in pixels.
        side_px: Side of the square in pixels.

    Raises:
        DataError: A size is not positive.

    Example:
        >>> place = Letterbox(Size(height=100, width=50), 64)
        >>> place.height, place.width, place.top, place.left, place.frame
        (64, 32, 0, 16, (0.25, 0.0, 0.75, 1.0))
    """

    image: Size
    side_px: int

    def __post_init__(self) -> None:
        if min(*self.image, self.side_px) < 1:
            raise DataError(f"sizes must be positive, found image {self.image} and side {self.side_px}")

    @property
    def height(self) -> int:
        """Height of the image in the square, in pixels."""
        return max(1, round(self.image[0] * self.side_px / max(self.image)))

    @property
    def width(self) -> int:
        """Width of the image in the square, in pixels."""
        return max(1, round(self.image[1] * self.side_px / max(self.image)))

    @property
    def top(self) -> int:
        """Rows of black above the image."""
        return (self.side_px - self.height) // 2

    @property
    def left(self) -> int:
        """Columns of black left of the image."""
        return (self.side_px - self.width) // 2

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Edges x0, y0, x1, y1 of the image, as fractions of the square's side."""
        side = self.side_px
        right, bottom = self.left + self.width, self.top + self.height
        return self.left / side, self.top / side, right / side, bottom / side

    def fit(self, image: ByteArray) -> ByteArray:
        """Bring an image into the square, in grey.

        Args:
            image: (H, W, 3) or (H, W) uint8, of the size `image`.

        Returns:
            (side_px, side_px) uint8, 0 around the image.

        Raises:
            DataError: The image has another size.

        Example:
            >>> Letterbox(Size(20, 10), 8).fit(np.full((20, 10), 9, np.uint8))[0].tolist()
            [0, 0, 9, 9, 9, 9, 0, 0]
        """
        if image.shape[:2] != tuple(self.image):
            raise DataError(f"expected an image of {tuple(self.image)} pixels, found {image.shape[:2]}")
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        shrinks = self.height <= self.image[0] and self.width <= self.image[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        square = np.zeros((self.side_px, self.side_px), np.uint8)
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        square[rows, columns] = cv2.resize(grey, (self.width, self.height), interpolation=method)
        return square

    def place(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Say where points of the image lie in the square.

        Args:
            points: (..., 2), x and y as fractions of the image's width and height.

        Returns:
            (..., 2), fractions of the square's side.

        Example:
            >>> Letterbox(Size(20, 10), 8).place(np.array([0.0, 1.0])).tolist()
            [0.25, 1.0]
        """
        x0, y0, x1, y1 = self.frame
        return np.asarray(points, np.float64) * (x1 - x0, y1 - y0) + (x0, y0)

    def on_image(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Say where points of the square lie on the image; the inverse of `place`.

        Args:
            points: (..., 2), fractions of the square's side.

        Returns:
            (..., 2), fractions of the image's width and height; outside [0, 1] for points beside it.

        Example:
            >>> Letterbox(Size(20, 10), 8).on_image(np.array([0.25, 1.0])).tolist()
            [0.0, 1.0]
        """
        x0, y0, x1, y1 = self.frame
        return (np.asarray(points, np.float64) - (x0, y0)) / (x1 - x0, y1 - y0)

    def map_on_image(self, plane: FloatArray, size: Size) -> FloatArray:
        """Cut the image's part out of a map of the square.

        Args:
            plane: (h, w), a map of the whole square of any resolution.
            size: Height and width wanted.

        Returns:
            (size.height, size.width) float32: the map bilinearly at the pixel centres of the image.

        Example:
            >>> Letterbox(Size(20, 10), 8).map_on_image(np.eye(8), Size(2, 2)).shape
            (2, 2)
        """
        x0, y0, x1, y1 = self.frame
        rows, columns = plane.shape
        across = (x0 + (np.arange(size.width) + 0.5) / size.width * (x1 - x0)) * columns - 0.5
        down = (y0 + (np.arange(size.height) + 0.5) / size.height * (y1 - y0)) * rows - 0.5
        at_x, at_y = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
        given = np.asarray(plane, np.float32)
        found = cv2.remap(given, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32)
