"""Probabilities of findings that mean what they say: Platt scaling or temperature, finding by finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.calibration import Bin, reliability
from gaze_insight.evaluation.pixel_counts import Tally
from gaze_insight.evaluation.weighted_scores import Floats, require_scored

__all__ = [
    "CalibrationWay",
    "FindingCalibration",
    "ProbabilityCalibration",
    "cross_entropy",
    "fit_platt",
    "fit_probability_calibration",
    "reliability_bins",
]

CalibrationWay = Literal["platt", "temperature", "none"]
"""platt: slope and shift of the log odds; temperature: slope alone; none: as they come."""

_EDGE = 1e-7
_SLOPES = (0.05, 20.0)
_SHIFTS = (-20.0, 20.0)


@dataclass(frozen=True)
class FindingCalibration:
    """How the log odds of one finding are changed: z becomes slope z + shift.

    Args:
        slope: More than 0, so that the order of cases stays.
        shift: Added to the log odds.
        cases: Labelled cases it was fitted on.
        positives: Those of them with the finding.
        nll_before: Mean cross-entropy on them as the probabilities came, in nats.
        nll_after: The same after the change; never more.
        note: Why nothing was fitted; empty where something was.

    Example:
        >>> FindingCalibration().slope
        1.0
    """

    slope: float = 1.0
    shift: float = 0.0
    cases: int = 0
    positives: int = 0
    nll_before: float | None = None
    nll_after: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ProbabilityCalibration:
    """The calibration of each finding of a classifier.

    Args:
        findings: Finding to its calibration, in the order of the classifier's outputs.
        way: What was fitted.

    Example:
        >>> ProbabilityCalibration({"Edema": FindingCalibration(slope=0.5)}, "platt").apply([[0.9]]).round(2)
        array([[0.75]])
    """

    findings: Mapping[str, FindingCalibration]
    way: CalibrationWay = "platt"

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Calibrate probabilities.

        Args:
            probabilities: In [0, 1], (N, C), columns in the order of `findings`.

        Returns:
            In (0, 1) where something was fitted, else unchanged, (N, C).

        Raises:
            DataError: Another number of columns.

        Example:
            >>> ProbabilityCalibration({"Edema": FindingCalibration()}).apply([[0.25]])
            array([[0.25]])
        """
        prob = np.array(probabilities, dtype=np.float64)
        if prob.ndim != 2 or prob.shape[1] != len(self.findings):
            raise DataError(f"expected {len(self.findings)} findings a case, found shape {prob.shape}")
        for column, one in enumerate(self.findings.values()):
            if (one.slope, one.shift) != (1.0, 0.0):
                prob[:, column] = _sigmoid(one.slope * _log_odds(prob[:, column]) + one.shift)
        return prob

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for a JSON file; :meth:`from_dict` reads them back.

        Example:
            >>> ProbabilityCalibration({"Edema": FindingCalibration()}).to_dict()["way"]
            'platt'
        """
        return {"way": self.way, "findings": {name: asdict(one) for name, one in self.findings.items()}}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ProbabilityCalibration:
        """Read what :meth:`to_dict` gave.

        Args:
            content: The plain values.

        Returns:
            The calibration.

        Raises:
            DataError: A part is missing or unknown.

        Example:
            >>> ProbabilityCalibration.from_dict({"way": "platt", "findings": {}}).findings
            {}
        """
        try:
            findings = {name: FindingCalibration(**one) for name, one in content["findings"].items()}
            return cls(findings, content["way"])
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"expected a calibration by finding, found something else ({error})") from error


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))


def _log_odds(prob: Floats) -> Floats:
    clipped = np.clip(prob, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _nll(z: Floats, answers: Floats) -> float:
    return float((np.logaddexp(0.0, z) - answers * z).mean())


def cross_entropy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean cross-entropy over the known entries, in nats; probabilities of 0 and 1 count as 1e-7 from them.

    Args:
        probabilities: In [0, 1], any shape.
        labels: 1, 0 or NaN (unknown), the same shape.

    Returns:
        At least 0; NaN where nothing is known.

    Example:
        >>> round(cross_entropy([0.5, 0.9], [1, float("nan")]), 4)
        0.6931
    """
    prob, truth = (np.asarray(one, dtype=np.float64).ravel() for one in (probabilities, labels))
    known = ~np.isnan(truth)
    return _nll(_log_odds(prob[known]), truth[known]) if known.any() else float("nan")


def fit_platt(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    way: CalibrationWay = "platt",
    least_of_each: int = 10,
) -> FindingCalibration:
    """Fit slope and shift of the log odds of one finding by maximum likelihood (Platt, 1999).

    The labels are taken as they are, without Platt's smoothing. The slope stays in [0.05, 20] and the shift
    in [-20, 20], so that separable cases have an answer and the order of cases is kept. If nothing beats the
    probabilities as they come, they stay.

    Args:
        probabilities: In [0, 1], (N,), of validation cases.
        labels: 1, 0 or NaN (unknown), (N,).
        way: platt, temperature (the shift stays 0) or none.
        least_of_each: Fit only with as many positives and as many negatives; else leave them as they come.

    Returns:
        The calibration of this finding.

    Raises:
        DataError: The lists do not belong together.
        SettingsError: An unknown way.

    Example:
        >>> fit = fit_platt([0.9, 0.9, 0.9, 0.1], [1, 0, 0, 0], least_of_each=1)
        >>> fit.nll_after < fit.nll_before, fit_platt([0.9], [1]).note
        (True, 'too few to fit: 1 with and 0 without the finding, 10 of each needed')
    """
    if way not in get_args(CalibrationWay):
        raise SettingsError(f"unknown way to calibrate {way!r}; known: {', '.join(get_args(CalibrationWay))}")
    prob, truth = (np.asarray(one, dtype=np.float64) for one in (probabilities, labels))
    require_scored(prob.reshape(-1, 1), truth.reshape(-1, 1))
    known = ~np.isnan(truth)
    z, answers = _log_odds(prob[known]), truth[known]
    positives = int(answers.sum())
    negatives = len(answers) - positives
    before = _nll(z, answers) if len(answers) else None
    note = ""
    if way == "none":
        note = "not asked for"
    elif min(positives, negatives) < least_of_each:
        note = (
            f"too few to fit: {positives} with and {negatives} without the finding, "
            f"{least_of_each} of each needed"
        )
    if note or before is None:
        return FindingCalibration(1.0, 0.0, len(answers), positives, before, before, note)
    slope, shift = _most_likely(z, answers, way)
    after = _nll(slope * z + shift, answers)
    if not after < before:
        return FindingCalibration(1.0, 0.0, len(answers), positives, before, before, "already as good")
    return FindingCalibration(slope, shift, len(answers), positives, before, after)


def _most_likely(z: Floats, answers: Floats, way: CalibrationWay) -> tuple[float, float]:
    """Minimise the cross-entropy, which is convex in slope and shift."""

    def loss(parameters: Floats) -> tuple[float, Floats]:
        fitted = parameters[0] * z + parameters[1]
        error = _sigmoid(fitted) - answers
        return _nll(fitted, answers), np.array([(error * z).mean(), error.mean()])

    shifts = _SHIFTS if way == "platt" else (0.0, 0.0)
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, shifts])
    return float(found.x[0]), float(found.x[1])


def fit_probability_calibration(
    probabilities: ArrayLike,
    labels: ArrayLike,
    findings: Sequence[str],
    *,
    way: CalibrationWay = "platt",
    least_of_each: int = 10,
) -> ProbabilityCalibration:
    """Fit the calibration of each finding for itself; see :func:`fit_platt`.

    Args:
        probabilities: In [0, 1], (N, C), of validation cases.
        labels: 1, 0 or NaN (unknown), (N, C).
        findings: C names.
        way: What is fitted.
        least_of_each: Positives and negatives that a finding needs.

    Returns:
        The calibration of all findings.

    Raises:
        DataError: Shapes do not fit.
        SettingsError: An unknown way.

    Example:
        >>> fitted = fit_probability_calibration([[0.9], [0.2]], [[1], [0]], ["Edema"])
        >>> fitted.findings["Edema"].note[:10]
        'too few to'
    """
    prob, truth = (np.asarray(one, dtype=np.float64) for one in (probabilities, labels))
    require_scored(prob, truth)
    if len(findings) != prob.shape[1]:
        raise DataError(f"expected {prob.shape[1]} names of findings, found {len(findings)}")
    fitted = {
        name: fit_platt(prob[:, column], truth[:, column], way=way, least_of_each=least_of_each)
        for column, name in enumerate(findings)
    }
    return ProbabilityCalibration(fitted, way)


def reliability_bins(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> list[Bin]:
    """Compare probability with the share of positives, bin by bin, over the known entries.

    Args:
        probabilities: In [0, 1], any shape.
        labels: 1, 0 or NaN (unknown), the same shape.
        bins: Bins of one width in [0, 1]; empty ones are left out.

    Returns:
        The bins, by rising probability; empty where nothing is known.

    Example:
        >>> [(one.prob, one.lesion) for one in reliability_bins([0.2, 0.2, 0.9], [0, 1, 1], 2)]
        [(0.2, 0.5), (0.9, 1.0)]
    """
    prob, truth = (np.asarray(one, dtype=np.float64).ravel() for one in (probabilities, labels))
    known = ~np.isnan(truth)
    if not known.any():
        return []
    return reliability(Tally(prob[known], np.ones(int(known.sum())), truth[known]), bins)
