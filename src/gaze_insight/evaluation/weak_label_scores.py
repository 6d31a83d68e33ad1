"""Points, boxes and scribbles compared with the true mask."""

from __future__ import annotations

import numpy as np

from gaze_insight.gaze.clusters import Points
from gaze_insight.gaze.weak_labels import BoxLabel, PointLabel, WeakLabel
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, BoolArray, Size

__all__ = ["score_weak_label"]


def score_weak_label(label: WeakLabel, mask: BoolArray) -> dict[str, float]:
    """Compare a weak label with the true mask.

    Args:
        label: The label.
        mask: The true mask, shape (H, W), bool.

    Returns:
        Shares in [0, 1], where defined: ``foreground_on_lesion`` and ``background_off_lesion`` (of points, or
        of the pixels of boxes and strokes), ``labelled`` (of all pixels), and for boxes ``lesion_inside`` and
        ``box_iou``, the overlap (intersection over union) of the box around all boxes with the box around
        the lesion.

    Example:
        >>> mask = np.zeros((4, 4), bool)
        >>> mask[1:3, 1:3] = True
        >>> score_weak_label(BoxLabel(np.array([[0.25, 0.25, 0.75, 1.0]])), mask)["box_iou"].__round__(3)
        0.667
    """
    drawn = label.rasterise(Size(*mask.shape))
    scores = {"labelled": float(np.mean(drawn != IGNORE))}
    if isinstance(label, PointLabel):
        on, off = (_under(points, mask) for points in (label.foreground, label.background))
    else:
        on, off = mask[drawn == FOREGROUND], mask[drawn == BACKGROUND]
    if on.size:
        scores["foreground_on_lesion"] = float(on.mean())
    if off.size:
        scores["background_off_lesion"] = float(1 - off.mean())
    if isinstance(label, BoxLabel) and len(label.boxes) and mask.any():
        inside = BoxLabel(label.boxes).rasterise(Size(*mask.shape)) == FOREGROUND
        scores["lesion_inside"] = float(inside[mask].mean())
        scores["box_iou"] = _box_iou(label, mask)
    return scores


def _under(points: Points, mask: BoolArray) -> BoolArray:
    extent = np.array(mask.shape[::-1])
    column, row = np.minimum((points * extent).astype(int), extent - 1).T
    return np.asarray(mask[row, column])


def _box_iou(label: BoxLabel, mask: BoolArray) -> float:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([columns[0] / width, rows[0] / height])
    high = np.array([(columns[-1] + 1) / width, (rows[-1] + 1) / height])
    own_low, own_high = label.boxes[:, :2].min(axis=0), label.boxes[:, 2:].max(axis=0)
    shared = np.prod(np.clip(np.minimum(high, own_high) - np.maximum(low, own_low), 0, None))
    return float(shared / (np.prod(high - low) + np.prod(own_high - own_low) - shared))
