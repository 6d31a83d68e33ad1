"""One case of `study parts`: each part alone, the vote and the reference recipe against the true mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.evaluation.overlap import dice
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.evidence import gather_evidence
from gaze_insight.pseudomask.parts import PARTS, PartSettings, part_names
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import IGNORE, BoolArray, ByteArray, FloatArray, Size
from gaze_insight.workflow.studies.scoring import StudyItem, image_and_truth

__all__ = ["TRUST_STEPS", "grey_of", "overlap_scores", "reference_levels", "score_parts"]

TRUST_STEPS = 20
"""Equal steps of trust, from 0 to 1, in which pixels are counted."""


def grey_of(image: ByteArray) -> ByteArray:
    """Take the colour out of an image: three channels of its luma (ITU-R BT.601).

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (H, W, 3) uint8 with equal channels.

    Example:
        >>> grey_of(np.array([[[255, 0, 0]]], np.uint8)).tolist()
        [[[76, 76, 76]]]
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(np.repeat(luma[..., None], 3, axis=2))


def overlap_scores(soft: FloatArray, truth: BoolArray, level: float) -> dict[str, float]:
    """Dice, precision and recall of a soft mask at the true mask's own size, cut as `evaluate` does.

    Args:
        soft: (h, w) in [0, 1], of any resolution.
        truth: (H, W) bool.
        level: Foreground from here up.

    Returns:
        ``dice`` 2|P and T|/(|P|+|T|), ``precision`` |P and T|/|P|, ``recall`` |P and T|/|T|. With both masks
        empty all are 1; with one empty all are 0.

    Example:
        >>> truth = np.array([[True, True, False, False]])
        >>> overlap_scores(np.array([[0.9, 0.1, 0.2, 0.0]], np.float32), truth, 0.5)["precision"]
        1.0
    """
    size = Size(*truth.shape)
    own = cv2.resize(soft.astype(np.float32), (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    mask = np.asarray(own >= level)
    shared, predicted, true = int((mask & truth).sum()), int(mask.sum()), int(truth.sum())
    if not (predicted and true):
        both = float(predicted == true)
        return {"dice": both, "precision": both, "recall": both}
    return {"dice": dice(mask, truth), "precision": shared / predicted, "recall": shared / true}


def reference_levels(recipe: PseudoMaskSettings) -> tuple[float, ...]:
    """Return the levels at which a reference recipe is cut: its comprehensive and its sparse foreground.

    Args:
        recipe: The recipe.

    Returns:
        One or two levels, the lower first.

    Example:
        >>> reference_levels(PseudoMaskSettings.gazemedseg_kvasir())
        (0.3, 0.5)
    """
    return tuple(sorted({recipe.levels.comprehensive, recipe.levels.sparse_foreground}))


def score_parts(
    item: StudyItem,
    *,
    labels: PseudoMaskSettings,
    alone: Mapping[str, PartSettings],
    references: Mapping[str, PseudoMaskSettings],
    grey: bool,
) -> dict[str, Any]:
    """Score one case.

    Args:
        item: The case.
        labels: The recipe of the vote.
        alone: Name to settings of parts that are not in the vote; each is made from the vote's prior.
        references: Name to other recipes; each is scored at both of its levels, as ``NAME_LEVEL``.
        grey: Take the colour out of the image first.

    Returns:
        Plain values: ``area_frac``, ``span_s``, ``scores`` (name to those of `overlap_scores`, "vote" among
        them), ``features``, ``trust`` (counts as shares of the image, see `_trust`).
    """
    image, truth = image_and_truth(item.case)
    image = grey_of(image) if grey else image
    gaze = item.case.fixations or Fixations.empty()
    mask = make_pseudo_mask(image, gaze, labels)
    level = labels.levels.comprehensive
    evidence = gather_evidence(image, gaze, labels.prior, labels.working_long_side_px)
    maps: dict[str, NDArray[Any]] = dict(mask.parts) | {"vote": mask.soft}
    if evidence is None:
        maps |= dict.fromkeys([*part_names(labels.parts), *alone], np.zeros_like(mask.soft))
    else:
        maps |= {name: PARTS[part.kind].make(evidence, part) for name, part in alone.items()}
    scores = {name: overlap_scores(one, truth, level) for name, one in maps.items()}
    for name, recipe in references.items():
        soft = make_pseudo_mask(image, gaze, recipe).soft
        for cut in reference_levels(recipe):
            scores[f"{name}_{cut:g}"] = overlap_scores(soft, truth, cut)
    return {
        "area_frac": float(truth.mean()),
        "span_s": gaze.span_ms / 1000,
        "scores": scores,
        "features": dict(mask.features),
        "trust": _trust(mask.soft, mask.trust, mask.sparse, truth),
    }


def _trust(
    soft: NDArray[np.float32], trust: NDArray[np.float32], sparse: ByteArray, truth: BoolArray
) -> dict[str, Any]:
    """Count pixels of the true mask's grid by trust, those that the sparse mask labels, and the wrong ones.

    ``pixels`` and ``wrong`` hold a share of the image for each of `TRUST_STEPS`; ``labelled`` and
    ``labelled_wrong`` are of the sparse mask, ``foreground`` and ``foreground_wrong`` of its foreground.
    """
    size = (truth.shape[1], truth.shape[0])
    trusted, label, sure = (
        cv2.resize(one, size, interpolation=cv2.INTER_NEAREST)
        for one in (trust, (soft >= 0.5).astype(np.uint8), sparse)
    )
    step = np.minimum((trusted * TRUST_STEPS + 1e-6).astype(int), TRUST_STEPS - 1).ravel()
    wrong = (label.astype(bool) != truth).ravel()
    known, foreground = sure != IGNORE, sure == 1
    return {
        "pixels": (np.bincount(step, minlength=TRUST_STEPS) / truth.size).tolist(),
        "wrong": (np.bincount(step[wrong], minlength=TRUST_STEPS) / truth.size).tolist(),
        "labelled": float(known.mean()),
        "labelled_wrong": float((known & (foreground != truth)).mean()),
        "foreground": float(foreground.mean()),
        "foreground_wrong": float((foreground & ~truth).mean()),
    }
