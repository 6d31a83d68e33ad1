"""What the lesion and its surroundings look like in this one image: histograms of colour and texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.special import expit

from gaze_insight.pseudomask.evidence import Evidence
from gaze_insight.types import ByteArray, FloatArray, Settings

__all__ = ["AppearanceSettings", "appearance_codes", "appearance_logit"]

_LEAST_SPAN = 12.0
_LEAST_TEXTURE_SPAN = 1.0


class AppearanceSettings(Settings):
    """Histograms over lightness, colour and texture, and how much they are believed.

    Example:
        >>> AppearanceSettings(rounds=1).lightness_bins
        12
    """

    lightness_bins: int = Field(12, ge=2, le=64)
    colour_bins: int = Field(12, ge=1, le=64, description="bins of each of the two colour axes of CIELAB")
    texture_bins: int = Field(8, ge=1, le=64, description="bins of the local standard deviation of lightness")
    texture_sigma_frac: float = Field(
        0.0125, gt=0, description="width of the texture's window, fraction of the longer side"
    )
    smoothing_bins: float = Field(0.7, gt=0, description="sigma of the histograms' smoothing, in bins")
    floor: float = Field(
        0.03, gt=0, description="probability added to each bin, in units of an even histogram"
    )
    most_logit: float = Field(3.0, gt=0, description="largest log-likelihood ratio of a pixel")
    weight: float = Field(1.0, ge=0, description="of the likelihood ratio beside the prior's logit")
    prior_clip: float = Field(5.0, gt=0, description="largest prior logit, so that looks can overrule gaze")
    smooth_frac: float = Field(
        0.0125, ge=0, description="sigma of the ratio's smoothing in space, fraction of the longer side"
    )
    near_frac: float = Field(
        0.1, ge=0, description="the background is learnt up to this distance from the hull"
    )
    near_per_radius: float = Field(1.0, ge=0, description="and further by this share of the hull's radius")
    rounds: int = Field(5, ge=1, le=50, description="times the histograms are learnt from the last result")


def appearance_codes(
    image: ByteArray, settings: AppearanceSettings
) -> tuple[NDArray[np.intp], tuple[int, int, int, int]]:
    """Give each pixel the bin of its lightness, colour and texture.

    Lightness and the two colours are those of CIELAB; texture is ``ln(1 + s)`` with ``s`` the local standard
    deviation of lightness under a Gaussian window. Each axis runs from its 1 % to its 99 % quantile in the
    image, which makes dark and low-contrast images count like others.

    Args:
        image: (h, w, 3) uint8, RGB.
        settings: Numbers of bins and the window's width.

    Returns:
        Bins, (h * w,) in [0, product of the shape), and the histogram's shape (lightness, a, b, texture).

    Example:
        >>> ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 3, axis=2)
        >>> codes, shape = appearance_codes(ramp, AppearanceSettings(colour_bins=1, texture_bins=1))
        >>> shape, int(codes.min()), int(codes.max())
        ((12, 1, 1, 1), 0, 11)
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lightness = lab[..., 0].astype(np.float32)
    sigma = settings.texture_sigma_frac * max(image.shape[:2])
    mean = cv2.GaussianBlur(lightness, (0, 0), sigma)
    variance = cv2.GaussianBlur(lightness * lightness, (0, 0), sigma) - mean * mean
    texture = np.log1p(np.sqrt(np.maximum(variance, 0)))
    shape = (settings.lightness_bins, settings.colour_bins, settings.colour_bins, settings.texture_bins)
    axes = [lightness, lab[..., 1], lab[..., 2], texture]
    spans = [_LEAST_SPAN, _LEAST_SPAN, _LEAST_SPAN, _LEAST_TEXTURE_SPAN]
    codes = np.zeros(lightness.size, dtype=np.intp)
    for values, bins, span in zip(axes, shape, spans, strict=True):
        codes = codes * bins + _binned(values.ravel(), bins, span)
    return codes, shape


def _binned(values: NDArray[np.float32] | ByteArray, bins: int, least_span: float) -> NDArray[np.intp]:
    if bins == 1:
        return np.zeros(len(values), np.intp)
    low, high = np.quantile(values[::7], [0.01, 0.99])
    place = (values - low) * (bins / max(high - low, least_span))
    binned: NDArray[np.intp] = np.clip(place, 0, bins - 1).astype(np.intp)
    return binned


def appearance_logit(evidence: Evidence, settings: AppearanceSettings | None = None) -> NDArray[np.float32]:
    r"""Correct the prior by how likely each pixel's look is inside and outside.

    With ``H_1`` and ``H_0`` the smoothed histograms of looks, weighted by the foreground's probability and,
    near the hull, by the background's:

    $l(x) = l_{prior}(x) + w\, G_\sigma * \mathrm{clip}(\ln H_1(c_x) - \ln H_0(c_x))$,

    repeated with the probability that it gives (expectation maximisation with a spatial prior).

    Args:
        evidence: Image and gaze.
        settings: The model; None for the defaults.

    Returns:
        Logit of the foreground, (h, w) float32.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> from gaze_insight.pseudomask.evidence import gather_evidence
        >>> image = np.full((48, 64, 3), 90, np.uint8)
        >>> image[14:34, 20:44] = 200
        >>> rows = [(0.5, 0.5, 200, 0), *((x, y, 200, 1) for x in (0.35, 0.5, 0.64) for y in (0.35, 0.65))]
        >>> found = gather_evidence(image, Fixations.from_rows(rows), long_side_px=64)
        >>> mask = appearance_logit(found) > 0
        >>> bool(mask[15:33, 21:43].all()), bool(mask[:8].any())
        (True, False)
    """
    settings = settings or AppearanceSettings()
    codes, shape = appearance_codes(evidence.image, settings)
    longer = max(evidence.size)
    prior = np.clip(evidence.prior_logit, -settings.prior_clip, settings.prior_clip)
    reach = settings.near_frac + settings.near_per_radius * evidence.radius_frac
    near = (evidence.distance > -reach).ravel()
    logit = prior
    for _ in range(settings.rounds):
        inside = expit(logit).ravel()
        ratio = np.log(
            _histogram(codes, inside, shape, settings)
            / _histogram(codes, (1 - inside) * near, shape, settings)
        )
        ratio = np.clip(ratio, -settings.most_logit, settings.most_logit).astype(np.float32)
        looks = ratio[codes].reshape(evidence.size)
        if settings.smooth_frac:
            looks = cv2.GaussianBlur(looks, (0, 0), settings.smooth_frac * longer)
        logit = (prior + np.float32(settings.weight) * looks).astype(np.float32)
    return logit


def _histogram(
    codes: NDArray[np.intp], weights: FloatArray, shape: tuple[int, ...], settings: AppearanceSettings
) -> NDArray[np.float64]:
    count = int(np.prod(shape))
    counted = np.bincount(codes, weights, count).reshape(shape)
    smooth = ndimage.gaussian_filter(counted, settings.smoothing_bins, truncate=3.0).ravel()
    shares: NDArray[np.float64] = smooth / max(float(smooth.sum()), 1e-9) + settings.floor / count
    return shares
