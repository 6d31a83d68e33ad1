"""What happens to an image between the lens and the model: eleven corruptions, five severities each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.other_scope import other_scope
from gaze_insight.evaluation.tone import from_linear, luma, to_linear, to_unit
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corruption", "corrupt"]

SEVERITIES = (1, 2, 3, 4, 5)
"""The severities of every corruption; 0 is the image as it is."""

_VALUES_LIGHT = to_linear(np.arange(256, dtype=np.uint8))
_GRAINS = 320
_SPOTS = 12
_READ_SHARE = 0.2

_Apply = Callable[[ByteArray, float, np.random.Generator], FloatArray]


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Args:
        name: Its plain name.
        title: A few words for figures.
        parameter: What its values are, with unit. Lengths are fractions of the image's longer side.
        values: One value a severity, from 1 to 5.
        apply: From image (H, W, 3) uint8, value and source of randomness to display values (H, W, 3).
        version: Raised whenever the result changes.

    Example:
        >>> CORRUPTIONS["defocus_blur"].value(1)
        0.004
    """

    name: str
    title: str
    parameter: str
    values: tuple[float, ...]
    apply: _Apply
    version: int = 1

    def value(self, severity: int) -> float:
        """Return the parameter at a severity.

        Args:
            severity: 1 to 5.

        Returns:
            The value, in the unit that `parameter` names.

        Raises:
            SettingsError: There is no such severity.
        """
        if severity not in SEVERITIES:
            raise SettingsError(f"a severity is a whole number from 1 to 5, found {severity!r}")
        return self.values[severity - 1]


def corrupt(image: ByteArray, name: str, severity: int, *, seed: int = 0, case: str = "") -> ByteArray:
    """Corrupt an image; nothing in it moves, so its true mask stays.

    What is drawn (a direction, the places of highlights, noise) depends on seed, case and name, and not on
    the severity: a higher severity is more of the same.

    Args:
        image: (H, W, 3) uint8, RGB.
        name: A name in `CORRUPTIONS`.
        severity: 0 (the image itself) to 5.
        seed: Seed of what is drawn.
        case: The case's id, so that each image draws its own.

    Returns:
        A new array, (H, W, 3) uint8.

    Raises:
        SettingsError: An unknown name or severity.
        DataError: The image is not (H, W, 3) uint8, or has no pixel.

    Example:
        >>> image = np.full((40, 60, 3), 100, np.uint8)
        >>> int(corrupt(image, "brighter", 3).min()), int(corrupt(image, "brighter", 0).max())
        (140, 100)
    """
    if name not in CORRUPTIONS:
        raise SettingsError(f"unknown corruption {name!r}; known: {', '.join(CORRUPTIONS)}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise DataError(f"an image must be (H, W, 3) uint8, found {image.dtype} of shape {image.shape}")
    if severity == 0:
        return image.copy()
    kind = CORRUPTIONS[name]
    rng = np.random.default_rng([seed, len(name), *name.encode(), *case.encode()])
    shown = kind.apply(image, kind.value(severity), rng)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


def _filtered(image: ByteArray, kernel: FloatArray) -> FloatArray:
    """Blur light, not display values: a bright spot outshines what lies around it."""
    light = cv2.filter2D(to_linear(image), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    return from_linear(np.asarray(light))


def _defocus_blur(image: ByteArray, radius_frac: float, rng: np.random.Generator) -> FloatArray:
    """Spread each point over a disc, its circle of confusion; edge pixels count by their share in it."""
    radius_px = radius_frac * max(image.shape[:2])
    reach = int(np.ceil(radius_px))
    down, across = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius_px + 0.5 - np.hypot(down, across), 0, 1)
    return _filtered(image, kernel.astype(np.float32))


def _motion_blur(image: ByteArray, length_frac: float, rng: np.random.Generator) -> FloatArray:
    """Spread each point evenly over a straight segment in a random direction."""
    length_px = length_frac * max(image.shape[:2])
    angle = rng.uniform(0, np.pi)
    reach = int(np.ceil(length_px / 2)) + 1
    steps = (np.arange(8 * reach) + 0.5) / (8 * reach) - 0.5
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    x, y = (reach + steps * length_px * part for part in (np.cos(angle), np.sin(angle)))
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    for down in (0, 1):
        for across in (0, 1):
            weight = np.abs(1 - across - (x - left)) * np.abs(1 - down - (y - top))
            np.add.at(kernel, (top + down, left + across), weight.astype(np.float32))
    return _filtered(image, kernel)


def _exposure(image: ByteArray, stops: float, rng: np.random.Generator) -> FloatArray:
    """Multiply the light by 2^stops; what no longer fits is clipped."""
    return from_linear(_VALUES_LIGHT * np.float32(2.0**stops))[image]


def _low_contrast(image: ByteArray, kept: float, rng: np.random.Generator) -> FloatArray:
    shown = to_unit(image)
    middle = luma(shown).mean()
    return np.asarray(middle + kept * (shown - middle), np.float32)


def _jpeg(image: ByteArray, quality: float, rng: np.random.Generator) -> FloatArray:
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise DataError(f"an image of shape {image.shape} could not be encoded as JPEG")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return to_unit(np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8))


def _low_resolution(image: ByteArray, pixels: float, rng: np.random.Generator) -> FloatArray:
    """Average down to so many pixels on the longer side, and up again; smaller images stay as they are."""
    height, width = image.shape[:2]
    scale = min(1.0, pixels / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = cv2.resize(to_unit(image), small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _sensor_noise(image: ByteArray, deviation: float, rng: np.random.Generator) -> FloatArray:
    """Add noise of variance d^2 (0.2 + 0.8 v): read noise, and shot noise that grows with the value v.

    The model of Foi et al. (IEEE Transactions on Image Processing 17, 2008). Its grain is 1/320 of the longer
    side (a pixel on smaller images), so that shrinking an image does not take it away from large ones alone.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _GRAINS / max(height, width))
    grid = (max(1, round(height * scale)), max(1, round(width * scale)), 3)
    drawn = rng.standard_normal(grid, dtype=np.float32)
    if scale < 1:
        drawn = np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_LINEAR))
        drawn /= drawn.std()
    shown = to_unit(image)
    growing = np.sqrt(_READ_SHARE + (1 - _READ_SHARE) * shown)
    return np.asarray(shown + np.float32(deviation) * growing * drawn)


def _specular_glare(image: ByteArray, area_frac: float, rng: np.random.Generator) -> FloatArray:
    """Lay twelve white ellipses with soft edges over the image, which together cover `area_frac` of it."""
    height, width = image.shape[:2]
    centre = rng.uniform(0.05, 0.95, (_SPOTS, 2)) * (width, height)
    radius, narrow = rng.uniform(0.5, 1.5, _SPOTS), rng.uniform(0.4, 1.0, _SPOTS)
    angle = rng.uniform(0, np.pi, _SPOTS)
    unit_px = np.sqrt(area_frac * height * width / (np.pi * (radius**2 * narrow).sum()))
    alpha = np.zeros((height, width), np.float32)
    for (x, y), long, share, turn in zip(centre, radius * unit_px, narrow, angle, strict=True):
        rows, columns = (
            slice(max(0, int(middle - 1.25 * long)), int(middle + 1.25 * long) + 1) for middle in (y, x)
        )
        down = (np.arange(height, dtype=np.float32) + 0.5 - y)[rows, None]
        across = (np.arange(width, dtype=np.float32) + 0.5 - x)[None, columns]
        along = across * np.cos(turn) + down * np.sin(turn)
        beside = down * np.cos(turn) - across * np.sin(turn)
        distance = np.hypot(along / long, beside / (long * share))
        spot = np.clip((1.25 - distance) / 0.5, 0, 1).astype(np.float32)
        alpha[rows, columns] = np.maximum(alpha[rows, columns], spot)
    shown = to_unit(image)
    return shown + alpha[..., None] * (1 - shown)


def _colour_cast(image: ByteArray, stops: float, rng: np.random.Generator) -> FloatArray:
    """Multiply the light of each channel by 2^g; g has mean 0, length `stops` and a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    warm, green = np.array([1, 0, -1]) / np.sqrt(2), np.array([-1, 2, -1]) / np.sqrt(6)
    gains = 2.0 ** (stops * (np.cos(angle) * warm + np.sin(angle) * green))
    curves = from_linear(_VALUES_LIGHT[:, None] * gains)
    return np.stack([curves[image[..., channel], channel] for channel in range(3)], axis=-1)


def _other_scope(image: ByteArray, strength: float, rng: np.random.Generator) -> FloatArray:
    return other_scope(image, strength)


_ALL = (
    Corruption(
        "defocus_blur",
        "defocus",
        "radius of the disc of confusion, fraction of the longer side",
        (0.004, 0.008, 0.014, 0.022, 0.032),
        _defocus_blur,
    ),
    Corruption(
        "motion_blur",
        "motion blur",
        "length of the movement, fraction of the longer side",
        (0.012, 0.024, 0.04, 0.06, 0.09),
        _motion_blur,
    ),
    Corruption(
        "brighter", "too bright", "exposure, stops (factors of 2)", (0.35, 0.7, 1.05, 1.4, 1.8), _exposure
    ),
    Corruption(
        "darker", "too dark", "exposure, stops (factors of 2)", (-0.6, -1.2, -1.8, -2.4, -3.2), _exposure
    ),
    Corruption(
        "low_contrast",
        "low contrast",
        "share of the contrast that is left",
        (0.75, 0.55, 0.4, 0.28, 0.18),
        _low_contrast,
    ),
    Corruption("jpeg", "JPEG", "quality from 1 to 100", (40, 22, 12, 7, 4), _jpeg),
    Corruption(
        "low_resolution",
        "low resolution",
        "pixels that are left on the longer side",
        (200, 128, 88, 60, 40),
        _low_resolution,
    ),
    Corruption(
        "sensor_noise",
        "sensor noise",
        "standard deviation at white, share of the range",
        (0.04, 0.08, 0.13, 0.2, 0.3),
        _sensor_noise,
    ),
    Corruption(
        "specular_glare",
        "specular glare",
        "share of the image under highlights",
        (0.01, 0.02, 0.04, 0.07, 0.11),
        _specular_glare,
    ),
    Corruption(
        "colour_cast",
        "colour cast",
        "length of the gains of red, green and blue, stops",
        (0.25, 0.5, 0.8, 1.15, 1.6),
        _colour_cast,
    ),
    Corruption(
        "other_scope",
        "another scope",
        "strength of all its parts, 1 = as in the table of other_scope",
        (0.2, 0.4, 0.6, 0.8, 1.0),
        _other_scope,
    ),
)

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Name to corruption."""
