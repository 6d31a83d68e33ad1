"""Refined labels: the gaze vote on an image, joined with what a network says that never learned from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.fusion import fuse
from gaze_insight.pseudomask.levels import LevelSettings, PseudoMask, make_levels, trust_map
from gaze_insight.types import FloatArray, Settings

__all__ = ["NETWORK_PART", "RefinementSettings", "refined_mask"]

NETWORK_PART = "network"
"""Name under which a refined mask keeps what the network said, beside the parts of the vote."""

_OF_MEAN_LOGIT = ("network_weight", "temperature", "largest_logit")
_LEAST = 1e-7


class RefinementSettings(Settings):
    """How often, and how, labels are refined by networks that never saw them.

    Example:
        >>> RefinementSettings(fusion="calibrated", network_weight=0.3)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for RefinementSettings
          Value error, network_weight has no effect with fusion 'calibrated', found 0.3 ...
    """

    rounds: int = Field(0, ge=0, description="how often the labels are refined; 0: not at all")
    folds: int = Field(
        2,
        ge=2,
        description="parts of the training cases; each is predicted by a network of the others",
    )
    epochs_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="epochs of a fold's training, of the run's own; at least one epoch a stage is left",
    )
    fusion: Literal["mean_logit", "calibrated"] = Field(
        "mean_logit",
        description="the weighted mean of both logits, or the fusion of gaze-assisted prediction",
    )
    network_weight: float = Field(
        0.4,
        ge=0,
        le=1,
        description="with fusion=mean_logit: share of the network's logit; the rest is the vote's",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        description="with fusion=mean_logit: the network's logit is divided by it before it is joined",
    )
    largest_logit: float = Field(
        4.0, gt=0, description="with fusion=mean_logit: no side is surer than this, in either direction"
    )

    trust: Literal["agreement", "fused"] = Field(
        "agreement",
        description="trust of a refined pixel: that of the least sure of network, vote and parts, or that of "
        "the refined mask alone",
    )

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> RefinementSettings:
        for name in _OF_MEAN_LOGIT if self.fusion == "calibrated" else ():
            found = getattr(self, name)
            if found != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no effect with fusion 'calibrated', found {found}")
        return self


def refined_mask(
    mask: PseudoMask,
    network: FloatArray,
    settings: RefinementSettings | None = None,
    levels: LevelSettings | None = None,
) -> PseudoMask:
    r"""Join a pseudo-mask with the prediction of a network that did not learn from it.

    With ``mean_logit``, $\ell = w\,c(\operatorname{logit}(n)/T) + (1 - w)\,c(\operatorname{logit}(v))$ of the
    network's probability $n$ and the vote $v$, where $c$ cuts at $\pm$ ``largest_logit``; the refined soft
    mask is $\sigma(\ell)$. With ``calibrated`` it is that of :func:`~gaze_insight.pseudomask.fusion.fuse`.

    With ``trust=agreement`` the refined trust is that of `trust_map` among the network, the vote and its
    parts: a pixel is trusted as far as the least sure of them, and not at all where one of them contradicts
    the refined label. With ``trust=fused`` it is that of the refined mask alone.

    Args:
        mask: The pseudo-mask from gaze, (h, w).
        network: Foreground probability of the same image in [0, 1], on a grid of any size.
        settings: How they are joined; None for the defaults.
        levels: How the refined mask becomes labels; None for the defaults.

    Returns:
        The refined pseudo-mask on the grid of `mask`. It keeps the parts and features of the vote, and the
        network's prediction as one more part. Where the vote knows nothing (it is zero everywhere: nobody
        looked at the image) the network speaks alone, and nothing is trusted.

    Raises:
        DataError: `network` is not a (H, W) array of values in [0, 1], or has no pixels.

    Example:
        >>> vote = make_levels(np.array([[0.9, 0.6, 0.1]]))
        >>> refined = refined_mask(vote, np.array([[0.9, 0.1, 0.1]]))
        >>> refined.soft.round(2), refined.trust.round(2)
        (array([[0.9 , 0.35, 0.1 ]], dtype=float32), array([[0.8, 0. , 0.8]], dtype=float32))
    """
    settings = settings or RefinementSettings()
    seen = _on_grid(network, mask.soft.shape)
    said, joined = _joined(seen, mask, settings)
    voters = [said, mask.soft, *(part.astype(np.float32) for part in mask.parts.values())]
    trust = trust_map(voters if settings.trust == "agreement" else [], joined)
    if not np.any(mask.soft > 0):
        joined, trust = seen, np.zeros_like(trust)
    parts = {**mask.parts, NETWORK_PART: seen.astype(np.float16)}
    return replace(make_levels(joined, trust, levels), parts=parts, features=mask.features)


def _joined(
    seen: NDArray[np.float32], mask: PseudoMask, settings: RefinementSettings
) -> tuple[FloatArray, NDArray[np.float32]]:
    """The network as the fusion takes it, and the fused probability."""
    if settings.fusion == "calibrated":
        return seen, np.clip(fuse(seen, mask).probability, 0, 1).astype(np.float32)
    tempered = _logits(seen, settings.temperature, settings.largest_logit)
    vote = _logits(mask.soft, 1.0, settings.largest_logit)
    joined = expit(settings.network_weight * tempered + (1 - settings.network_weight) * vote)
    return expit(tempered), joined.astype(np.float32)


def _logits(probability: FloatArray, temperature: float, largest: float) -> NDArray[np.float64]:
    inside = np.clip(probability.astype(np.float64), _LEAST, 1 - _LEAST)
    logits: NDArray[np.float64] = np.clip(logit(inside) / temperature, -largest, largest)
    return logits


def _on_grid(network: FloatArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bring a prediction to the grid of the pseudo-mask, by areas where it shrinks."""
    if network.ndim != 2 or not network.size or not (np.min(network) >= 0 and np.max(network) <= 1):
        raise DataError(
            f"a prediction must be (H, W) in [0, 1], found shape {network.shape} or values outside"
        )
    if network.shape == shape:
        return network.astype(np.float32)
    shrinks = network.shape[0] >= shape[0] and network.shape[1] >= shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(network.astype(np.float32), (shape[1], shape[0]), interpolation=method)
    fitted: NDArray[np.float32] = np.clip(resized, 0, 1).astype(np.float32)
    return fitted
