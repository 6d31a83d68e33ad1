"""How a model's attention agrees with where people looked, and with boxes around what they found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError
from gaze_insight.evaluation.classification import roc_auc

__all__ = ["KL_EPS", "SALIENCY_METRICS", "SaliencyScores", "saliency_scores"]

SALIENCY_METRICS = (
    "cc",
    "kl",
    "jsd",
    "nss",
    "sim",
    "auc_judd",
    "com_distance",
    "box_energy",
    "box_ratio",
    "pointing",
)
"""Names of the measures, in the order of the table of cases."""

KL_EPS = 1e-7
"""Added to each cell of both maps before they are compared by KL, so that no logarithm is of 0."""

Floats = NDArray[np.float64]
_HALF_COVERED = 0.5


@dataclass(frozen=True)
class SaliencyScores:
    """Agreement of one attention map with one person's, or several persons', looking.

    Args:
        cc: Pearson correlation of the two maps, [-1, 1]; 1 is best.
        kl: Kullback-Leibler divergence of the attention from the gaze, in nats, >= 0; 0 is best.
        jsd: Jensen-Shannon divergence to base 2, [0, 1]; 0 is best.
        nss: Mean of the standardised attention at the fixations; 0 is chance.
        sim: Shared mass of the two maps, [0, 1]; 1 is best.
        auc_judd: How well attention tells fixated cells from others, [0, 1]; 0.5 is chance.
        com_distance: Distance of the two centres of mass as a fraction of the diagonal of the unit square
            (each side of the image counts as 1), [0, 1]; 0 is best.
        box_energy: Share of the attention inside the boxes, [0, 1].
        box_ratio: The same divided by the boxes' share of the image; 1 is chance.
        pointing: Whether the attention's largest cell lies in a box (the share of them, where several are
            equally large), [0, 1].
        reasons: Measure to the reason why it is NaN.
        off_image: Fixations outside the image, which count nowhere.

    Example:
        >>> SaliencyScores().cc
        nan
    """

    cc: float = math.nan
    kl: float = math.nan
    jsd: float = math.nan
    nss: float = math.nan
    sim: float = math.nan
    auc_judd: float = math.nan
    com_distance: float = math.nan
    box_energy: float = math.nan
    box_ratio: float = math.nan
    pointing: float = math.nan
    reasons: Mapping[str, str] = field(default_factory=dict)
    off_image: int = 0


def saliency_scores(
    attention: ArrayLike,
    gaze: ArrayLike | None = None,
    fixations: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
) -> SaliencyScores:
    r"""Compare an attention map with gaze (as a map and as points) and with boxes.

    With P the attention and Q the gaze, each divided by its sum (so scale does not matter), over cells i:

    - CC: Pearson correlation; NSS: mean of (P - mean) / sd at the fixations; SIM: $\sum_i \min(P_i, Q_i)$;
    - KL: $\sum_i Q_i \ln (Q_i / P_i)$, the gaze as reference, both maps with :data:`KL_EPS` added to each
      cell and divided by their sums again;
    - JSD: mean of KL(P, M) and KL(Q, M) to base 2 with M = (P + Q) / 2;
    - AUC-Judd: area under the ROC curve of P, fixated cells against all others (equal values count one half);
    - centre of mass: $\lVert \sum_i P_i x_i - \sum_i Q_i x_i \rVert / \sqrt 2$, x in fractions of the sides;
    - box energy: $\sum_i P_i b_i$ with b the covered share of a cell; pointing: b at the largest cell >= 0.5.

    Bylinskii et al., What do different evaluation metrics tell us about saliency models? (PAMI 41, 2019);
    pointing game: Zhang et al. (ECCV 2016); box energy: Wang et al., Score-CAM (CVPR workshops 2020).

    Args:
        attention: At least 0, (h, w).
        gaze: Map of the looking, at least 0, (h, w); all zeros or None where nobody looked.
        fixations: x and y in the frame ``image_unit``, (n, 2); empty or None where nobody looked.
        boxes: Share of each cell inside boxes, [0, 1] or bool, (h, w); all zeros or None where there is none.

    Returns:
        The measures; NaN with a reason where one is not defined.

    Raises:
        DataError: Maps of different shapes, negative or not finite, or fixations that are not pairs.

    Example:
        >>> look = np.array([[0.0, 1.0], [0.0, 3.0]])
        >>> same = saliency_scores(2 * look, look)
        >>> same.cc, same.kl, same.jsd, same.sim, same.reasons["nss"]
        (1.0, 0.0, 0.0, 1.0, 'no fixation')
    """
    model = _map(attention, "attention")
    human = None if gaze is None else _map(gaze, "gaze", model.shape)
    mask = None if boxes is None else _map(boxes, "boxes", model.shape)
    if mask is not None and (mask > 1).any():
        raise DataError(f"boxes must be covered shares of cells in [0, 1], found {mask.max()}")
    cells, off_image = _cells(fixations, model.shape)
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    if model.sum() == 0:
        reasons = dict.fromkeys(SALIENCY_METRICS, "the attention is zero everywhere")
        return SaliencyScores(reasons=reasons, off_image=off_image)
    for part, why in (
        _against_gaze(model, human),
        _at_fixations(model, cells),
        _in_boxes(model, mask),
    ):
        values |= part
        reasons |= why
    return SaliencyScores(**values, reasons=reasons, off_image=off_image)


_Part = tuple[dict[str, float], dict[str, str]]


def _map(values: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0 or (shape is not None and array.shape != shape):
        wanted = "(h, w)" if shape is None else f"that of the attention, {shape}"
        raise DataError(
            f"the shape of {name} must be {wanted}, found {array.shape}",
            remedy="bring all maps to the attention's grid first",
        )
    if not np.isfinite(array).all() or (array < 0).any():
        raise DataError(f"{name} must be finite and at least 0 in every cell")
    return array


def _cells(fixations: ArrayLike | None, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], int]:
    """Flat index of the cell of each fixation on the image, and how many lie off it."""
    points = np.empty((0, 2)) if fixations is None else np.asarray(fixations, dtype=np.float64)
    if points.size == 0:
        return np.empty(0, dtype=np.intp), 0
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"expected fixations as pairs of x and y, (n, 2), found {points.shape}")
    inside = ((points >= 0) & (points <= 1)).all(axis=1)
    height, width = shape
    columns = np.minimum((points[inside, 0] * width).astype(np.intp), width - 1)
    rows = np.minimum((points[inside, 1] * height).astype(np.intp), height - 1)
    return rows * width + columns, int((~inside).sum())


def _constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= 1e-12 * values.max())


def _against_gaze(model: Floats, human: Floats | None) -> _Part:
    names = ("cc", "kl", "jsd", "sim", "com_distance")
    if human is None or human.sum() == 0:
        return {}, dict.fromkeys(names, "no gaze")
    p, q = model / model.sum(), human / human.sum()
    values = {
        "kl": _divergence(_smoothed(q), _smoothed(p)),
        "jsd": _jensen_shannon(p, q),
        "sim": min(1.0, float(np.minimum(p, q).sum())),
        "com_distance": float(np.hypot(*(_centre(p) - _centre(q))) / math.sqrt(2)),
    }
    constant = [name for name, field in (("attention", p), ("gaze", q)) if _constant(field)]
    if constant:
        return values, {"cc": f"the {' and the '.join(constant)} is the same everywhere"}
    a, b = p - p.mean(), q - q.mean()
    correlation = float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))
    return values | {"cc": min(1.0, max(-1.0, correlation))}, {}


def _smoothed(p: Floats) -> Floats:
    return (p + KL_EPS) / (1 + KL_EPS * p.size)


def _divergence(q: Floats, p: Floats) -> float:
    return max(0.0, float((q * np.log(q / p)).sum()))


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    total = 0.0
    for one in (p, q):
        held = one > 0
        total += 0.5 * float((one[held] * np.log2(one[held] / middle[held])).sum())
    return min(1.0, max(0.0, total))


def _centre(p: Floats) -> Floats:
    height, width = p.shape
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    return np.array([p.sum(axis=0) @ x, p.sum(axis=1) @ y])


def _at_fixations(model: Floats, cells: NDArray[np.intp]) -> _Part:
    if len(cells) == 0:
        return {}, dict.fromkeys(("nss", "auc_judd"), "no fixation")
    flat = model.ravel()
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    if _constant(flat):
        reasons["nss"] = "the attention is the same everywhere"
    else:
        values["nss"] = float(((flat[cells] - flat.mean()) / flat.std()).mean())
    looked = np.zeros(flat.size)
    looked[cells] = 1
    if looked.all():
        reasons["auc_judd"] = "every cell was looked at"
    else:
        values["auc_judd"] = roc_auc(flat, looked)
    return values, reasons


def _in_boxes(model: Floats, mask: Floats | None) -> _Part:
    if mask is None or mask.sum() == 0:
        return {}, dict.fromkeys(("box_energy", "box_ratio", "pointing"), "no box")
    energy = min(1.0, float((model * mask).sum() / model.sum()))
    values = {"box_energy": energy, "box_ratio": energy / float(mask.mean())}
    if _constant(model):
        return values, {"pointing": "the attention is the same everywhere"}
    largest = model == model.max()
    return values | {"pointing": float((mask[largest] >= _HALF_COVERED).mean())}, {}
