"""Whether an exported model says what the trained network says: measured before it is let out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gaze_insight.cohort.synthetic import SyntheticSettings, draw_case
from gaze_insight.errors import DataError
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["ExportCheck", "check_images", "compare"]

MOST_DIFFERING_FRAC = 1e-3
"""Share of mask pixels that may differ: 0.1 %."""

_MOST_PROBABILITY = {"fp32": 1e-3, "fp16": 2e-2}
_DRAWN = 6
_BATCH = 3

Logits = Callable[[ByteArray], FloatArray]


@dataclass(frozen=True)
class ExportCheck:
    """How far an exported model is from the network it was made of.

    Attributes:
        images: Number of images compared.
        probability: Largest difference of a pixel's probability.
        differing_frac: Share of the mask pixels that differ, over all images, in [0, 1].
        worst_frac: The same, in the worst image.
        foreground_frac: Share of the pixels that the network calls lesion.
        most_probability: The largest difference of a probability that is let through.
        most_differing_frac: The largest share of differing pixels, in any image, that is let through.
    """

    images: int
    probability: float
    differing_frac: float
    worst_frac: float
    foreground_frac: float
    most_probability: float
    most_differing_frac: float

    @property
    def passed(self) -> bool:
        """Whether both differences are within what is let through."""
        return self.probability <= self.most_probability and self.worst_frac <= self.most_differing_frac


def check_images(size: Size) -> ByteArray:
    """Make images on which a model is compared: drawn scenes, noise, a ramp and a square.

    Args:
        size: Height and width in pixels, at least 32 each.

    Returns:
        (9, 3, H, W) uint8; the same in every call.

    Example:
        >>> check_images(Size(32, 48)).shape
        (9, 3, 32, 48)
    """
    settings = SyntheticSettings(size_px=(size.height, size.width))
    images = [draw_case(settings, index)[0] for index in range(_DRAWN)]
    images.append(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    ramp = np.linspace(0, 255, size.width).astype(np.uint8)
    images.append(np.broadcast_to(ramp[None, :, None], (*size, 3)))
    square = np.full((*size, 3), 60, np.uint8)
    square[size.height // 4 : size.height // 2, size.width // 4 : size.width // 2] = 200
    images.append(square)
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


def compare(
    trained: Logits, exported: Logits, size: Size, *, threshold: float, precision: str = "fp32"
) -> ExportCheck:
    """Compare an exported model with the trained network, one image at a time and in batches.

    Args:
        trained: (B, 3, H, W) uint8 to logits (B, 1, H, W), by the trained network.
        exported: The same, by the exported model.
        size: Height and width in pixels.
        threshold: Probability from which a pixel is lesion.
        precision: "fp32" lets through a difference of 0.001 in a probability, "fp16" of 0.02; both 0.1 %
            of an image's mask pixels.

    Returns:
        The differences.

    Raises:
        DataError: The model gives other shapes, or values that are no numbers.

    Example:
        >>> red = lambda batch: batch[:, :1] / 32.0 - 4
        >>> found = compare(red, lambda batch: red(batch) + 1e-4, Size(32, 32), threshold=0.51)
        >>> found.passed, found.images
        (True, 9)
    """
    images = check_images(size)
    wanted = _probability(trained(images))
    single = _probability(exported(images[:1]))
    rest = [_probability(exported(images[start : start + _BATCH])) for start in range(1, len(images), _BATCH)]
    found = np.concatenate([single, *rest])
    if found.shape != wanted.shape or not np.isfinite(found).all():
        raise DataError(
            f"expected probabilities of shape {wanted.shape} from the exported model, found {found.shape}"
            f"{'' if np.isfinite(found).all() else ' with values that are no numbers'}"
        )
    differs = ((found > threshold) != (wanted > threshold)).mean(axis=(1, 2, 3))
    return ExportCheck(
        images=len(images),
        probability=float(np.abs(found - wanted).max()),
        differing_frac=float(differs.mean()),
        worst_frac=float(differs.max()),
        foreground_frac=float((wanted > threshold).mean()),
        most_probability=_MOST_PROBABILITY[precision],
        most_differing_frac=MOST_DIFFERING_FRAC,
    )


def _probability(logits: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64))))
