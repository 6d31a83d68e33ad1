"""The recipe that turns an image and the fixations on it into a pseudo-mask: parts, and their vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, grid_size
from gaze_insight.pseudomask.dense_crf import DenseCrfSettings
from gaze_insight.pseudomask.evidence import PriorSettings, gather_evidence
from gaze_insight.pseudomask.features import label_features
from gaze_insight.pseudomask.levels import LevelSettings, PseudoMask, make_levels, trust_map
from gaze_insight.pseudomask.parts import (
    PARTS,
    AppearancePart,
    CrfPart,
    GrabCutPart,
    PartSettings,
    RandomWalkPart,
    part_names,
)
from gaze_insight.types import ByteArray, Settings, Size

__all__ = ["PseudoMaskSettings", "make_pseudo_mask", "provenance", "vote"]


def _part(value: Any) -> Any:
    """Validate a part by the settings of what its ``kind`` names, plug-ins included."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("kind")
    if not isinstance(kind, str):
        raise SettingsError(
            f"labels.parts: each part needs the name of a part as its kind, found {kind!r}",
            remedy=f"known: {', '.join(sorted(PARTS))}",
        )
    return PARTS[kind].settings_type.model_validate(value)


AnyPart = Annotated[SerializeAsAny[PartSettings], BeforeValidator(_part)]

_VOTE: tuple[PartSettings, ...] = (AppearancePart(), GrabCutPart(), RandomWalkPart())


class PseudoMaskSettings(Settings):
    """The parts, what they start from, and the levels of the labels.

    One part alone is a list of one: ``labels.parts=[{kind: grabcut}]``.

    Example:
        >>> [part.kind for part in PseudoMaskSettings.gazemedseg_prostate().parts]
        ['crf']
    """

    prior: PriorSettings = Field(
        PriorSettings(), description="Where the lesion is as far as gaze alone tells"
    )
    parts: tuple[AnyPart, ...] = Field(
        _VOTE, min_length=1, description="What is voted from: a list of {kind, weight, ...}"
    )
    levels: LevelSettings = Field(LevelSettings(), description="How the vote becomes labels")
    working_long_side_px: int = Field(192, ge=16, description="Longer side of the pseudo-mask's grid, pixels")

    @classmethod
    def gazemedseg_kvasir(cls) -> PseudoMaskSettings:
        """Return GazeMedSeg's recipe for Kvasir-SEG: sigma 70 of 768, one CRF, thresholds 0.5 and 0.3.

        GazeMedSeg runs the CRF on the original image. The same spatial width, scaled to the grid by the
        median longer side of Kvasir-SEG (622 px), gives masks of the same Dice in a twelfth of the time.
        """
        return cls._gazemedseg(HeatMapSettings.gazemedseg_kvasir(), 622, LevelSettings.papers())

    @classmethod
    def gazemedseg_prostate(cls) -> PseudoMaskSettings:
        """Return GazeMedSeg's recipe for NCI-ISBI: sigma 50 of 768, one CRF, thresholds 0.4 and 0.2.

        The spatial width is scaled by the median longer side of the slices with recordings (320 px).
        """
        return cls._gazemedseg(HeatMapSettings.gazemedseg_prostate(), 320, LevelSettings.papers(0.4, 0.2))

    @classmethod
    def _gazemedseg(
        cls, heatmap: HeatMapSettings, reference_px: float, levels: LevelSettings
    ) -> PseudoMaskSettings:
        crf = DenseCrfSettings(reference_long_side_px=reference_px)
        part = CrfPart(unary="heat", heatmap=heatmap, clip_logit=None, crf=crf)
        return cls(parts=(part,), levels=levels, working_long_side_px=256)


def vote(parts: Sequence[NDArray[np.floating[Any]]], weights: Sequence[float]) -> NDArray[np.float32]:
    r"""Average soft masks by their weights.

    $\bar p(x) = \sum_k w_k p_k(x) / \sum_k w_k$.

    Args:
        parts: One (h, w) soft mask a voter, each in [0, 1]; at least one.
        weights: Their weights, each above 0.

    Returns:
        (h, w) float32 in [0, 1].

    Example:
        >>> vote([np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])], [3, 1])
        array([[0.875, 0.125]], dtype=float32)
    """
    summed = np.zeros(parts[0].shape, np.float32)
    for weight, part in zip(weights, parts, strict=True):
        summed += np.float32(weight) * part.astype(np.float32)
    mean: NDArray[np.float32] = np.clip(summed / np.float32(sum(weights)), 0, 1)
    return mean


def make_pseudo_mask(
    image: ByteArray, fixations: Fixations, settings: PseudoMaskSettings | None = None
) -> PseudoMask:
    """Label an image by the gaze on it: each part makes a soft mask, and the parts vote.

    Args:
        image: (H, W, 3) or grey (H, W), uint8, at its own size; it is shrunk by pixel areas to the grid.
        fixations: One reading of the image, in a frame that leads to ``image_unit``.
        settings: The recipe's settings; None for the defaults.

    Returns:
        The pseudo-mask on a grid whose longer side is ``working_long_side_px``, with the soft mask of each
        part. Without a fixation on the image nothing is known: ``soft`` and trust are zero and every sparse
        pixel is unknown.

    Raises:
        DataError: The image is not uint8 (H, W, 3) or (H, W), has no pixels, or the fixations' frame cannot
            be converted.
        SettingsError: A part is not registered.

    Example:
        >>> image = np.zeros((64, 80, 3), np.uint8)
        >>> image[20:40, 30:60] = 200
        >>> rows = [(x, y, 250, 0) for x in (0.4, 0.55, 0.72) for y in (0.35, 0.6)]
        >>> small = PseudoMaskSettings(working_long_side_px=40)
        >>> mask = make_pseudo_mask(image, Fixations.from_rows(rows), small)
        >>> mask.soft.shape, int(mask.comprehensive[15, 22]), int(mask.comprehensive[2, 2])
        ((32, 40), 1, 0)
        >>> sorted(mask.parts)
        ['appearance', 'grabcut', 'random_walk']
    """
    settings = settings or PseudoMaskSettings()
    evidence = gather_evidence(image, fixations, settings.prior, settings.working_long_side_px)
    if evidence is None:
        grid = grid_size(Size(*image.shape[:2]), settings.working_long_side_px)
        return make_levels(np.zeros(grid, np.float32), settings=settings.levels)
    names = part_names(settings.parts)
    made = [PARTS[part.kind].make(evidence, part) for part in settings.parts]
    soft = vote(made, [part.weight for part in settings.parts])
    mask = make_levels(soft, trust_map([*made, evidence.prior], soft), settings.levels)
    parts = dict(zip(names, made, strict=True))
    return replace(
        mask,
        parts={name: part.astype(np.float16) for name, part in parts.items()},
        features=label_features(parts, soft, evidence),
    )


def provenance(settings: PseudoMaskSettings) -> list[dict[str, Any]]:
    """Say what each part of a pseudo-mask was made by.

    Args:
        settings: The recipe.

    Returns:
        One record a part: its name in the pseudo-mask, its version, its settings.

    Example:
        >>> [record["name"] for record in provenance(PseudoMaskSettings.gazemedseg_kvasir())]
        ['crf']
    """
    return [
        {"name": name, "version": PARTS[part.kind].version, "settings": part.model_dump(mode="json")}
        for name, part in zip(part_names(settings.parts), settings.parts, strict=True)
    ]
