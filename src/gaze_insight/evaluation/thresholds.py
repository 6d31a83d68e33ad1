"""From probabilities to yes and no: one threshold a finding, chosen on validation cases alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.weighted_scores import Floats, require_scored

__all__ = ["DEFAULT_THRESHOLD", "ThresholdRule", "Thresholds", "choose_thresholds", "find_thresholds"]

ThresholdRule = Literal["f1", "youden"]
"""What the threshold makes best on the cases it is chosen on."""

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Chosen thresholds, with what could not be chosen.

    Args:
        values: Finding to threshold; a probability at or above it is called positive.
        rule: What they make best.
        reached: Finding to the value of the rule (F1, or Youden's J) on the cases they were chosen on.
        fell_back: Finding to the reason why it has the default of 0.5.

    Example:
        >>> Thresholds({"Edema": 0.5}, "f1", {}, {"Edema": "no positive"}).values["Edema"]
        0.5
    """

    values: Mapping[str, float]
    rule: ThresholdRule
    reached: Mapping[str, float]
    fell_back: Mapping[str, str]


def choose_thresholds(probabilities: ArrayLike, labels: ArrayLike, by: ThresholdRule = "f1") -> Floats:
    """Choose the threshold of each class that is best on the cases given; see :func:`find_thresholds`.

    Args:
        probabilities: In [0, 1], (N, C), of validation cases.
        labels: 1, 0 or NaN (unknown), (N, C).
        by: What to make best.

    Returns:
        Thresholds, (C,); 0.5 for a class of which one value alone is known.

    Raises:
        DataError: The two do not belong together.
        SettingsError: An unknown rule.

    Example:
        >>> choose_thresholds([[0.1], [0.3], [0.7]], [[0], [1], [1]])
        array([0.2])
    """
    prob = np.asarray(probabilities, dtype=np.float64)
    names = [str(column) for column in range(prob.shape[-1] if prob.ndim == 2 else 0)]
    found = find_thresholds(prob, labels, names, by)
    return np.array([found.values[name] for name in names])


def find_thresholds(
    probabilities: ArrayLike, labels: ArrayLike, findings: Sequence[str], by: ThresholdRule = "f1"
) -> Thresholds:
    """Choose the threshold of each finding that is best on the cases given, and say where none can be chosen.

    Tried are the middles between neighbouring probabilities, and half the lowest (all positive). Of equally
    good ones the nearest to 0.5 is taken, the lower one of two as near. A threshold chosen on the cases that
    are scored flatters the score: choose on validation cases.

    Args:
        probabilities: In [0, 1], (N, C), of validation cases.
        labels: 1, 0 or NaN (unknown), (N, C).
        findings: C names.
        by: f1: the largest 2 TP / (2 TP + FP + FN); youden: the largest recall + specificity - 1.

    Returns:
        The thresholds.

    Raises:
        DataError: Shapes do not fit, or a value is out of range.
        SettingsError: An unknown rule.

    Example:
        >>> found = find_thresholds([[0.1, 0.5], [0.3, 0.9]], [[0, 1], [1, 1]], ["Edema", "Fracture"])
        >>> dict(found.values), dict(found.fell_back)
        ({'Edema': 0.2, 'Fracture': 0.5}, {'Fracture': 'no negative among 2 cases to choose on'})
    """
    prob, truth = (np.asarray(one, dtype=np.float64) for one in (probabilities, labels))
    require_scored(prob, truth)
    if by not in get_args(ThresholdRule):
        raise SettingsError(
            f"unknown rule for thresholds {by!r}; known: {', '.join(get_args(ThresholdRule))}"
        )
    if len(findings) != prob.shape[1]:
        raise DataError(f"expected {prob.shape[1]} names of findings, found {len(findings)}")
    values: dict[str, float] = {}
    reached: dict[str, float] = {}
    fell_back: dict[str, str] = {}
    for column, name in enumerate(findings):
        known = ~np.isnan(truth[:, column])
        answers = truth[known, column]
        missing = [word for word, value in (("positive", 1), ("negative", 0)) if not (answers == value).any()]
        if missing:
            values[name] = DEFAULT_THRESHOLD
            fell_back[name] = f"no {missing[0]} among {len(answers)} cases to choose on"
            continue
        values[name], reached[name] = _best(prob[known, column], answers, by)
    return Thresholds(values, by, reached, fell_back)


def _best(prob: Floats, answers: Floats, by: ThresholdRule) -> tuple[float, float]:
    levels, place = np.unique(prob, return_inverse=True)
    at = np.bincount(place, weights=answers, minlength=len(levels))
    held = np.bincount(place, minlength=len(levels)).astype(np.float64)
    true = np.cumsum(at[::-1])[::-1]
    called = np.cumsum(held[::-1])[::-1]
    positives, negatives = answers.sum(), len(answers) - answers.sum()
    gain = 2 * true / (called + positives) if by == "f1" else true / positives - (called - true) / negatives
    middles = (levels[1:] + levels[:-1]) / 2
    cuts = np.concatenate([[levels[0] / 2], np.where(middles > levels[:-1], middles, levels[1:])])
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - DEFAULT_THRESHOLD))]
    return float(cuts[chosen]), float(gain[chosen])
