"""A radiograph being drawn: its pixels as attenuation, and the frame of the body they are drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.cohort.synthetic_scene import smooth_noise
from gaze_insight.types import FloatArray, Size

__all__ = ["BodyBox", "Canvas", "Points", "fractal_noise", "smooth_curve"]

Points = Sequence[tuple[float, float]]
"""Points (x, y) of the body frame."""

_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS


class BodyBox(NamedTuple):
    """A box in the body frame: edges left, top, right, bottom; x grows to the image's right, y downwards."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, eq=False)
class Canvas:
    """Attenuation of each pixel, drawn on in place, and where the body lies.

    The body frame has its origin between the lungs; the rib cage reaches from about -0.4 to 0.4 across and
    from -0.42 to 0.3 down. Negative x is the image's left, the patient's right.

    Args:
        tissue: Attenuation of soft tissue, bone and metal, shape (H, W), float32.
        vessels: Attenuation of the vessels in the lungs, shape (H, W); kept apart since disease hides them.
        lungs: How much of each pixel is lung, in [0, 1], shape (H, W).
        across: Body x of each pixel, shape (H, W).
        down: Body y of each pixel, shape (H, W).
        matrix: Body to pixel, shape (2, 3).

    Example:
        >>> Canvas.blank(Size(80, 64)).tissue.shape
        (80, 64)
    """

    tissue: FloatArray
    vessels: FloatArray
    lungs: FloatArray
    across: FloatArray
    down: FloatArray
    matrix: FloatArray

    @classmethod
    def blank(
        cls,
        size: Size,
        *,
        stretch: tuple[float, float] = (1.0, 1.0),
        shift: tuple[float, float] = (0.0, 0.0),
        tilt: float = 0.0,
    ) -> Canvas:
        """Make an empty canvas.

        Args:
            size: Height and width in pixels.
            stretch: Width and height of the body, as multiples of the usual.
            shift: Where the body's origin lies off the image's centre, as fractions of the shorter side.
            tilt: Turn of the body in radians.

        Returns:
            A canvas without attenuation.

        Example:
            >>> Canvas.blank(Size(64, 64)).to_frac([(0.0, 0.0)]).round(3).tolist()
            [[0.5, 0.5]]
        """
        shorter = min(size)
        cosine, sine = np.cos(tilt), np.sin(tilt)
        turn = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag(stretch) * shorter
        centre = np.array([size.width / 2 + shift[0] * shorter, size.height / 2 + shift[1] * shorter])
        back = np.linalg.inv(turn).astype(np.float32)
        x = np.arange(size.width, dtype=np.float32)[None] + np.float32(0.5 - centre[0])
        y = np.arange(size.height, dtype=np.float32)[:, None] + np.float32(0.5 - centre[1])
        return cls(
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
            back[0, 0] * x + back[0, 1] * y,
            back[1, 0] * x + back[1, 1] * y,
            np.concatenate([turn, centre[:, None]], axis=1),
        )

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return Size(*self.tissue.shape)

    @property
    def unit_px(self) -> float:
        """Pixels of one unit of the body frame, the mean of both directions."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def to_px(self, points: Points | FloatArray) -> FloatArray:
        """Turn body points into pixels, the corner of the first pixel being (0, 0); shape (N, 2)."""
        values = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        return np.asarray(values @ self.matrix[:, :2].T + self.matrix[:, 2])

    def to_frac(self, points: Points | FloatArray) -> FloatArray:
        """Turn body points into fractions of the image's width and height; shape (N, 2)."""
        return np.asarray(self.to_px(points) / (self.size.width, self.size.height))

    def box_frac(self, box: BodyBox) -> tuple[float, float, float, float]:
        """Enclose a body box in image fractions (x0, y0, x1, y1), clipped to the image."""
        corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x0, box.y1), (box.x1, box.y1)]
        places = np.clip(self.to_frac(corners), 0, 1)
        (x0, y0), (x1, y1) = places.min(axis=0), places.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)

    def window(self, box: BodyBox) -> tuple[slice, slice]:
        """Select the pixels of a body box: slices of rows and columns, perhaps empty."""
        x0, y0, x1, y1 = self.box_frac(box)
        height, width = self.size
        rows = slice(int(y0 * height), int(np.ceil(y1 * height)))
        return rows, slice(int(x0 * width), int(np.ceil(x1 * width)))

    def filled(self, outline: Points | FloatArray, blur: float = 0.0) -> FloatArray:
        """Fill a closed outline.

        Args:
            outline: Points in the body frame.
            blur: Softness of the edge in body units.

        Returns:
            Cover of each pixel in [0, 1], shape (H, W), float32.
        """
        cover = np.zeros(self.size, np.uint8)
        cv2.fillPoly(cover, [self._fixed(outline)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return self.blurred(cover.astype(np.float32) / np.float32(255), blur)

    def strokes(
        self, lines: Sequence[Points | FloatArray], widths: Sequence[float], blur: float
    ) -> FloatArray:
        """Draw open lines.

        Args:
            lines: Points of each line in the body frame.
            widths: Width of each line in body units; thinner than a pixel is drawn fainter.
            blur: Softness in body units.

        Returns:
            Cover of each pixel in [0, 1], shape (H, W), float32; lines do not add up where they cross.
        """
        cover = np.zeros(self.size, np.uint8)
        for line, width in zip(lines, widths, strict=True):
            width_px = width * self.unit_px
            value = int(255 * min(1.0, width_px))
            cv2.polylines(
                cover, [self._fixed(line)], False, value, max(1, round(width_px)), cv2.LINE_AA, _SUBPIXEL_BITS
            )
        return self.blurred(cover.astype(np.float32) / np.float32(255), blur)

    def blurred(self, layer: FloatArray, blur: float) -> FloatArray:
        """Blur a layer by a Gaussian whose standard deviation is given in body units; 0 leaves it."""
        sigma_px = blur * self.unit_px
        if sigma_px < 0.3:
            return layer
        if sigma_px < 6:
            return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma_px))
        small = cv2.resize(layer, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), sigma_px / 4)
        return np.asarray(
            cv2.resize(soft, (self.size.width, self.size.height), interpolation=cv2.INTER_LINEAR)
        )

    def _fixed(self, points: Points | FloatArray) -> NDArray[np.int32]:
        return np.asarray(np.rint((self.to_px(points) - 0.5) * _SUBPIXELS).astype(np.int32)[:, None])


def smooth_curve(points: Points | FloatArray, *, closed: bool = False, rounds: int = 3) -> FloatArray:
    """Round a line's corners by cutting them (Chaikin, 1974); doubled points stay sharper.

    Args:
        points: At least two points.
        closed: Whether the last point joins the first.
        rounds: How often the corners are cut.

    Returns:
        Shape (N, 2).

    Example:
        >>> len(smooth_curve([(0, 0), (1, 0), (1, 1)], rounds=1))
        6
    """
    line = np.asarray(points, dtype=np.float64)
    for _ in range(rounds):
        following = np.roll(line, -1, axis=0) if closed else line[1:]
        here = line if closed else line[:-1]
        cut = np.stack([0.75 * here + 0.25 * following, 0.25 * here + 0.75 * following], axis=1).reshape(
            -1, 2
        )
        line = cut if closed else np.concatenate([line[:1], cut, line[-1:]])
    return line


def fractal_noise(rng: np.random.Generator, size: Size, cell_px: float, octaves: int = 2) -> FloatArray:
    """Add up smooth noise of ever finer cells, each half as strong; about unit variance; float32."""
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        total += np.float32(0.5**octave) * smooth_noise(rng, size, max(cell_px / 2**octave, 1.5))
    return np.asarray(total / np.float32(np.sqrt(sum(0.25**octave for octave in range(octaves)))))
