"""The parts that a pseudo-mask is voted from, each usable alone and named in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.heatmap import HeatMapSettings
from gaze_insight.pseudomask.appearance import AppearanceSettings, appearance_logit
from gaze_insight.pseudomask.dense_crf import DenseCrfSettings, dense_crf
from gaze_insight.pseudomask.evidence import Evidence
from gaze_insight.pseudomask.grabcut import GrabCutSettings, grabcut
from gaze_insight.pseudomask.random_walk import RandomWalkSettings, random_walk
from gaze_insight.registry import Registry
from gaze_insight.types import Settings

__all__ = [
    "PARTS",
    "AppearancePart",
    "CrfPart",
    "GrabCutPart",
    "HeatPart",
    "Part",
    "PartSettings",
    "PriorPart",
    "RandomWalkPart",
    "part_names",
]


class PartSettings(Settings):
    """What every part has: the name it is registered under and its weight in the vote."""

    kind: str
    weight: float = Field(1.0, gt=0, description="weight in the vote, relative to the other parts'")


@dataclass(frozen=True)
class Part:
    """A part: its settings' class, the function that makes a soft mask, and the version of its result.

    Attributes:
        settings_type: A class derived from `PartSettings`.
        make: Takes the evidence and the settings; gives (h, w) float32 in [0, 1].
        version: Raised whenever equal inputs give another result.
    """

    settings_type: type[PartSettings]
    make: Callable[[Evidence, Any], NDArray[np.float32]]
    version: int = 1


_HERE = "gaze_insight.pseudomask.parts"
PARTS: Registry[Part] = Registry(
    "part of a pseudo-mask",
    {
        "heat": f"{_HERE}:HEAT",
        "prior": f"{_HERE}:PRIOR",
        "crf": f"{_HERE}:CRF",
        "appearance": f"{_HERE}:APPEARANCE",
        "grabcut": f"{_HERE}:GRABCUT",
        "random_walk": f"{_HERE}:RANDOM_WALK",
    },
)
"""Parts by name."""


class HeatPart(PartSettings):
    """The heat map alone."""

    kind: Literal["heat"] = "heat"
    heatmap: HeatMapSettings = HeatMapSettings()


class PriorPart(PartSettings):
    """The prior of hull and heat alone; its settings are ``labels.prior``."""

    kind: Literal["prior"] = "prior"


class CrfPart(PartSettings):
    """A dense CRF over the prior or over a heat map.

    Example:
        >>> CrfPart(unary="heat").crf.compat
        6.0
    """

    kind: Literal["crf"] = "crf"
    unary: Literal["prior", "heat"] = Field("prior", description="what the CRF is given")
    heatmap: HeatMapSettings = Field(HeatMapSettings(), description="the heat map of unary=heat")
    clip_logit: float | None = Field(
        3.0, gt=0, description="largest logit of the unary, so that looks can overrule gaze; null: as it is"
    )
    crf: DenseCrfSettings = DenseCrfSettings(
        bilateral_sxy_px=20, bilateral_srgb=7, compat=6, reference_long_side_px=256
    )


class AppearancePart(PartSettings):
    """Histograms of colour and texture, learnt in the image from the prior."""

    kind: Literal["appearance"] = "appearance"
    model: AppearanceSettings = AppearanceSettings()


class GrabCutPart(PartSettings):
    """GrabCut, started by the prior."""

    kind: Literal["grabcut"] = "grabcut"
    cut: GrabCutSettings = GrabCutSettings()


class RandomWalkPart(PartSettings):
    """Random walks, pulled towards the prior."""

    kind: Literal["random_walk"] = "random_walk"
    walk: RandomWalkSettings = RandomWalkSettings()


def _heat(evidence: Evidence, settings: HeatPart) -> NDArray[np.float32]:
    return evidence.heat(settings.heatmap)


def _prior(evidence: Evidence, settings: PriorPart) -> NDArray[np.float32]:
    return evidence.prior


def _crf(evidence: Evidence, settings: CrfPart) -> NDArray[np.float32]:
    unary = evidence.prior if settings.unary == "prior" else evidence.heat(settings.heatmap)
    if settings.clip_logit is not None:
        least = expit(-settings.clip_logit)
        unary = np.clip(unary, least, 1 - least)
    return dense_crf(evidence.image, unary, settings.crf)


def _appearance(evidence: Evidence, settings: AppearancePart) -> NDArray[np.float32]:
    probability: NDArray[np.float32] = expit(appearance_logit(evidence, settings.model))
    return probability


def _grabcut(evidence: Evidence, settings: GrabCutPart) -> NDArray[np.float32]:
    return grabcut(evidence, settings.cut)


def _random_walk(evidence: Evidence, settings: RandomWalkPart) -> NDArray[np.float32]:
    return random_walk(evidence, settings.walk)


HEAT = Part(HeatPart, _heat)
PRIOR = Part(PriorPart, _prior)
CRF = Part(CrfPart, _crf)
APPEARANCE = Part(AppearancePart, _appearance)
GRABCUT = Part(GrabCutPart, _grabcut)
RANDOM_WALK = Part(RandomWalkPart, _random_walk)


def part_names(parts: Sequence[Settings]) -> list[str]:
    """Name the parts of a vote: by kind, with a number from the second of a kind on.

    Args:
        parts: Their settings.

    Returns:
        Names, each once.

    Raises:
        SettingsError: Settings without a kind.

    Example:
        >>> part_names([GrabCutPart(), PriorPart(), GrabCutPart(weight=2)])
        ['grabcut', 'prior', 'grabcut_2']
    """
    names: list[str] = []
    kinds: list[str] = []
    for part in parts:
        kind = getattr(part, "kind", None)
        if not isinstance(kind, str):
            raise SettingsError(f"{type(part).__name__} must have a field 'kind', found none")
        kinds.append(kind)
        names.append(kind if kinds.count(kind) == 1 else f"{kind}_{kinds.count(kind)}")
    return names
