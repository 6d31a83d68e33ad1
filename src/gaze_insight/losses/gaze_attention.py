"""How far a network's attention is from where a reader looked: four terms and their masked mean.

"Eyes on the Image" (arXiv 2508.13068) names the terms: mean squared error, Kullback-Leibler divergence,
correlation and centre of mass. Their forms here are our reconstruction; its full text is not public.

In all of them A is the attention, G the gaze, both (B, h, w) and >= 0; P = A / sum A and Q = G / sum G. Each
gives one value per image, in float32, that does not change when A or G is multiplied by a number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from gaze_insight.errors import DataError
from gaze_insight.losses.per_image import require_same_shape
from gaze_insight.types import Settings

__all__ = [
    "GazeAttentionSettings",
    "Normalisation",
    "centre_of_mass",
    "centre_of_mass_distance",
    "correlation_distance",
    "gaze_attention_loss",
    "gaze_divergence",
    "map_squared_error",
]

Normalisation = Literal["max", "sum", "none"]
"""What each of two maps is divided by before they are compared: its largest value, its sum, or nothing."""

_EPSILON = 1e-8
_VARIANCE_EPSILON = 1e-6


class GazeAttentionSettings(Settings):
    """The weights of the four terms; a term of weight 0 is not computed.

    Between a uniform map and a compact one on 14 x 14 places, the squared error is about 0.9 of maps
    divided by their largest value and 2e-4 of maps divided by their sum, the divergence 1.6, the correlation
    term 1, the squared distance of centres 0.06: with weights alike, sum-normalisation switches the squared
    error off.

    Example:
        >>> GazeAttentionSettings(kl=0).mse_normalisation
        'max'
    """

    mse: float = Field(1.0, ge=0, description="weight of the squared error")
    mse_normalisation: Normalisation = Field(
        "max", description="each map divided by its largest value, by its sum, or by nothing"
    )
    kl: float = Field(1.0, ge=0, description="weight of KL(gaze || attention)")
    correlation: float = Field(1.0, ge=0, description="weight of 1 - Pearson's correlation")
    centre_of_mass: float = Field(
        1.0, ge=0, description="weight of the squared distance of the centres of mass, image sides = 1"
    )


def map_squared_error(attention: Tensor, gaze: Tensor, normalisation: Normalisation = "max") -> Tensor:
    """Mean over the places of (A' - G')^2, each map divided by its largest value, its sum, or nothing.

    Args:
        attention: (B, h, w), >= 0.
        gaze: The same shape.
        normalisation: What a map is divided by. With "none" the scale of the maps counts.

    Returns:
        (B,), in [0, 1] with "max" and "sum". An empty map stays empty.

    Raises:
        DataError: The shapes differ or are not (B, h, w).

    Example:
        >>> one = torch.tensor([[[4.0, 0.0]]])
        >>> map_squared_error(one, one.flip(-1)).item(), map_squared_error(one, 3 * one).item()
        (1.0, 0.0)
    """
    attention, gaze = _as_pair(attention, gaze)
    if normalisation == "max":
        attention, gaze = (
            x / x.amax(dim=(1, 2), keepdim=True).clamp_min(_EPSILON) for x in (attention, gaze)
        )
    elif normalisation == "sum":
        attention, gaze = _shares(attention), _shares(gaze)
    return (attention - gaze).square().mean(dim=(1, 2))


def gaze_divergence(attention: Tensor, gaze: Tensor) -> Tensor:
    """KL(Q || P) = sum over the places of Q log((Q + e) / (P + e)), e = 1e-8; the reader is the reference.

    Args:
        attention: (B, h, w), >= 0.
        gaze: The same shape.

    Returns:
        (B,), in [0, 18.5]; attention that is somewhere the gaze was not costs only what is missing elsewhere.

    Raises:
        DataError: The shapes differ or are not (B, h, w).

    Example:
        >>> gaze = torch.tensor([[[1.0, 0.0]]])
        >>> round(gaze_divergence(torch.ones(1, 1, 2), gaze).item(), 4)
        0.6931
    """
    attention, gaze = _as_pair(attention, gaze)
    p, q = _shares(attention), _shares(gaze)
    return (q * ((q + _EPSILON).log() - (p + _EPSILON).log())).sum(dim=(1, 2))


def correlation_distance(attention: Tensor, gaze: Tensor) -> Tensor:
    """1 - rho(A, G), Pearson's correlation over the places.

    Both maps are brought to mean 1 first, and 1e-6 is added to each variance, so that a constant map has a
    finite gradient.

    Args:
        attention: (B, h, w), >= 0.
        gaze: The same shape.

    Returns:
        (B,), in [0, 2]; 1 where one of the maps is constant.

    Raises:
        DataError: The shapes differ or are not (B, h, w).

    Example:
        >>> gaze = torch.tensor([[[1.0, 2.0, 3.0]]])
        >>> round(correlation_distance(gaze.flip(-1), gaze).item(), 4)
        2.0
        >>> correlation_distance(torch.ones(1, 1, 3), gaze).item()
        1.0
    """
    attention, gaze = _as_pair(attention, gaze)
    places = attention[0].numel() if len(attention) else 1
    a, g = (x * places - (x * places).mean(dim=(1, 2), keepdim=True) for x in map(_shares, (attention, gaze)))
    product = (a * g).mean(dim=(1, 2))
    variances = [x.square().mean(dim=(1, 2)) + _VARIANCE_EPSILON for x in (a, g)]
    return 1 - product * torch.rsqrt(variances[0] * variances[1])


def centre_of_mass(maps: Tensor) -> Tensor:
    """Compute the centre of mass: the sum over the places of P times ((j + 1/2) / w, (i + 1/2) / h).

    Args:
        maps: (B, h, w), >= 0.

    Returns:
        (B, 2), x from the left and y from the top, in fractions of the sides; (0, 0) for an empty map.

    Example:
        >>> centre_of_mass(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])).tolist()
        [[0.75, 0.5]]
    """
    p = _shares(maps.float())
    height, width = p.shape[-2:]
    y = (torch.arange(height, device=p.device, dtype=p.dtype) + 0.5) / height
    x = (torch.arange(width, device=p.device, dtype=p.dtype) + 0.5) / width
    return torch.stack([(p.sum(dim=1) * x).sum(dim=1), (p.sum(dim=2) * y).sum(dim=1)], dim=1)


def centre_of_mass_distance(attention: Tensor, gaze: Tensor) -> Tensor:
    """Squared distance of the centres of mass, |mu(P) - mu(Q)|^2, in the unit square.

    It cannot tell gaze on both lungs from attention between them: both have one centre.

    Args:
        attention: (B, h, w), >= 0.
        gaze: The same shape.

    Returns:
        (B,), in [0, 2).

    Raises:
        DataError: The shapes differ or are not (B, h, w).

    Example:
        >>> left = torch.tensor([[[1.0, 0.0]]])
        >>> centre_of_mass_distance(left, left.flip(-1)).item()
        0.25
    """
    attention, gaze = _as_pair(attention, gaze)
    return (centre_of_mass(attention) - centre_of_mass(gaze)).square().sum(dim=1)


def gaze_attention_loss(
    attention: Tensor, gaze: Tensor, weight: Tensor, settings: GazeAttentionSettings
) -> dict[str, Tensor]:
    """Average the weighted terms over the images that somebody looked at.

    L = sum over those images of t (w1 L_mse + w2 L_kl + w3 L_corr + w4 L_com) / number of those images. An
    image counts where its weight t > 0 and its gaze is not empty.

    Args:
        attention: (B, h, w), >= 0.
        gaze: The same shape; zeros where nobody looked.
        weight: (B,), t in [0, 1]: the trust in the recording, 0 without one.
        settings: The terms' weights.

    Returns:
        "gaze", the loss, and each computed term's mean over the same images with the same t, before its
        own weight, as "gaze_mse", "gaze_kl", "gaze_correlation", "gaze_centre_of_mass". All are 0, with a
        gradient of zeros, where no image counts.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> gaze = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
        >>> terms = gaze_attention_loss(torch.ones(2, 1, 2), gaze, torch.tensor([0.5, 1.0]),
        ...                             GazeAttentionSettings(kl=0, correlation=0, centre_of_mass=0))
        >>> {name: value.item() for name, value in terms.items()}
        {'gaze_mse': 0.25, 'gaze': 0.25}
    """
    if weight.shape != attention.shape[:1]:
        raise DataError(
            f"expected weights of shape {tuple(attention.shape[:1])}, found {tuple(weight.shape)}"
        )
    attention, gaze = _as_pair(attention, gaze)
    keep = (weight > 0) & (gaze.sum(dim=(1, 2)) > 0)
    attention, gaze, trust = attention[keep], gaze[keep], weight[keep].float()
    found = {}
    total = 0 * attention.sum()
    for name, share, compute in _terms(settings):
        if share > 0:
            found[f"gaze_{name}"] = (trust * compute(attention, gaze)).sum() / max(len(trust), 1)
            total = total + share * found[f"gaze_{name}"]
    return {**found, "gaze": total}


def _terms(settings: GazeAttentionSettings) -> list[tuple[str, float, Callable[[Tensor, Tensor], Tensor]]]:
    squared = partial(map_squared_error, normalisation=settings.mse_normalisation)
    return [
        ("mse", settings.mse, squared),
        ("kl", settings.kl, gaze_divergence),
        ("correlation", settings.correlation, correlation_distance),
        ("centre_of_mass", settings.centre_of_mass, centre_of_mass_distance),
    ]


def _as_pair(attention: Tensor, gaze: Tensor) -> tuple[Tensor, Tensor]:
    if attention.ndim != 3:
        raise DataError(f"expected attention of shape (B, h, w), found {tuple(attention.shape)}")
    require_same_shape("gaze", attention, gaze)
    return attention.float(), gaze.float()


def _shares(maps: Tensor) -> Tensor:
    return maps / maps.sum(dim=(1, 2), keepdim=True).clamp_min(_EPSILON)
