"""GrabCut: two mixtures of Gaussians over looks and the shortest boundary between them, started by gaze."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.pseudomask.evidence import Evidence, fitted
from gaze_insight.types import ByteArray, Settings, Size

__all__ = ["GrabCutSettings", "grabcut", "looks_of"]

_SEED = 0


class GrabCutSettings(Settings):
    """Where the gaze's prior starts GrabCut, in logits, and for how long it runs.

    Example:
        >>> GrabCutSettings().iterations
        2
    """

    sure_foreground: float = Field(2.0, gt=0, description="prior logit above which a pixel is foreground")
    core_share: float = Field(
        0.6,
        gt=0,
        le=1,
        description="a share of the largest prior logit does as well, so that a small lesion has a core too",
    )
    sure_background: float = Field(-3.0, lt=0, description="prior logit below which a pixel is background")
    iterations: int = Field(2, ge=1, le=20)
    long_side_px: int = Field(
        160, ge=16, description="longer side of GrabCut's own grid, where the evidence's is finer"
    )


def looks_of(image: ByteArray, *, grey: bool) -> ByteArray:
    """Turn an image into the three channels that GrabCut's mixtures see.

    Args:
        image: (h, w, 3) uint8, RGB.
        grey: Whether the image has no colour. Then two of CIELAB's channels would be constant, and the
            channels are lightness, its local mean and its local standard deviation instead. Lightness is
            stretched from its 1 % to its 99 % quantile, so that a low contrast keeps its steps.

    Returns:
        (h, w, 3) uint8.

    Example:
        >>> looks_of(np.full((4, 4, 3), 9, np.uint8), grey=True).shape
        (4, 4, 3)
    """
    lab: ByteArray = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    if not grey:
        return lab
    lightness = lab[..., 0].astype(np.float32)
    low, high = np.quantile(lightness, [0.01, 0.99])
    lightness = np.clip((lightness - low) * (255 / max(high - low, 1.0)), 0, 255).astype(np.float32)
    sigma = max(image.shape[:2]) / 80
    mean = cv2.GaussianBlur(lightness, (0, 0), sigma)
    variance = cv2.GaussianBlur(lightness * lightness, (0, 0), sigma) - mean * mean
    spread = np.clip(4 * np.sqrt(np.maximum(variance, 0)), 0, 255)
    return np.stack([lightness, mean, spread], axis=-1).astype(np.uint8)


def grabcut(evidence: Evidence, settings: GrabCutSettings | None = None) -> NDArray[np.float32]:
    """Cut the lesion out of the image, started by the gaze's prior.

    Pixels whose prior is sure stay what they are; between them, GrabCut (Rother, Kolmogorov and Blake, 2004;
    OpenCV's implementation) alternates between fitting five Gaussians a class and a minimum cut.

    Args:
        evidence: Image and gaze.
        settings: The start; None for the defaults.

    Returns:
        (h, w) float32 in [0, 1]: 1 inside the cut, 0 outside, between them at its edge where GrabCut's grid
        is coarser. The prior's own mask where the prior leaves no pixel to one of the classes.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> from gaze_insight.pseudomask.evidence import gather_evidence
        >>> image = np.full((48, 64, 3), 90, np.uint8)
        >>> image[14:34, 20:44] = 200
        >>> rows = [(0.5, 0.5, 200, 0), *((x, y, 200, 1) for x in (0.35, 0.64) for y in (0.35, 0.65))]
        >>> found = gather_evidence(image, Fixations.from_rows(rows), long_side_px=64)
        >>> cut = grabcut(found)
        >>> bool(cut[18:30, 26:38].all()), bool(cut[:8].any())
        (True, False)
    """
    settings = settings or GrabCutSettings()
    scale = min(1.0, settings.long_side_px / max(evidence.size))
    size = Size(max(1, round(evidence.size.height * scale)), max(1, round(evidence.size.width * scale)))
    logit = fitted(evidence.prior_logit, size)
    regions = np.full(size, cv2.GC_PR_BGD, dtype=np.uint8)
    regions[logit > 0] = cv2.GC_PR_FGD
    regions[logit > max(0.0, min(settings.sure_foreground, settings.core_share * float(logit.max())))] = (
        cv2.GC_FGD
    )
    regions[logit < settings.sure_background] = cv2.GC_BGD
    inside = np.isin(regions, (cv2.GC_PR_FGD, cv2.GC_FGD))
    if inside.any() and not inside.all():
        looks = looks_of(fitted(evidence.image, size), grey=evidence.grey)
        cv2.setRNGSeed(_SEED)
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(looks, regions, None, background, foreground, settings.iterations, cv2.GC_INIT_WITH_MASK)
        inside = np.isin(regions, (cv2.GC_PR_FGD, cv2.GC_FGD))
    return fitted(inside.astype(np.float32), evidence.size)
