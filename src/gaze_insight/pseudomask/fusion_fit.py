"""Learning when to believe gaze: the gates of a fusion, fitted on images whose true mask is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.evidence import fitted
from gaze_insight.pseudomask.fusion import LEAST_OTHERS, FusionCalibration, Gate, JointRule, joint_logit
from gaze_insight.pseudomask.fusion_features import RECORDING_AGREEMENT, fusion_features
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.types import BoolArray, FloatArray, Settings, Size

__all__ = ["LEAST_FUSION_CASES", "SHARES", "FusionFitSettings", "FusionRow", "fit_fusion", "fusion_row"]

LEAST_FUSION_CASES = 50
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Shares at which the Dice of each image is tabled."""

_STARTS = ((0.0, 0.0), (-1.0, 2.0))
_RISING = {
    "agreement",
    "vote_in_network",
    "network_in_vote",
    "trust",
    "label_agreement",
    "label_prior_agreement",
    "label_certainty",
    "label_looked_inside",
    RECORDING_AGREEMENT,
}
_FALLING = {"area_mismatch", "label_outlier_share"}
_LEAST_SD = 1e-6


class FusionFitSettings(Settings):
    """How the gates are fitted.

    Example:
        >>> FusionFitSettings().loss_aversion
        1.0
    """

    recorded_weight: float = Field(
        0.75, gt=0, lt=1, description="weight of all readings as recorded; the degraded ones weigh the rest"
    )
    loss_aversion: float = Field(
        1.0,
        ge=0,
        description="Dice lost against the image alone counts 1 + this times as much as Dice gained",
    )
    ridge: float = Field(1e-4, ge=0, description="penalty of squared weights, in units of Dice")
    folds: int = Field(5, ge=2, description="parts of the cross-fit that the measured Dice comes from")
    seed: int = Field(0, ge=0, description="seed of folds and of the recordings drawn")


@dataclass(frozen=True, eq=False)
class FusionRow:
    """One reading of one image, as the fit needs it.

    Args:
        case: The image; its readings stay in one fold.
        recording: Readings of one recording share its agreement.
        as_recorded: Whether the reading is as it was recorded, or was made worse.
        features: From `fusion_features`.
        dice: Dice of the fused mask at each of `SHARES`.
    """

    case: str
    recording: str
    as_recorded: bool
    features: dict[str, float]
    dice: tuple[float, ...]


def fusion_row(
    network: FloatArray,
    gaze: PseudoMask,
    truth: BoolArray,
    *,
    case: str,
    recording: str = "",
    as_recorded: bool = True,
    joint: JointRule | None = None,
) -> FusionRow:
    """Table what an image would gain from each share of gaze, on the pseudo-mask's grid.

    Args:
        network: (H, W) foreground probability of the image alone, by a network that was not trained on it.
        gaze: The pseudo-mask of a reading of it.
        truth: (H, W) true mask.
        case: The image's id.
        recording: The recording's name.
        as_recorded: False for a reading that was made worse.
        joint: The joint rule; None for the defaults.

    Returns:
        The row.

    Raises:
        DataError: The true mask is of another shape than the network's map.

    Example:
        >>> from gaze_insight.pseudomask.levels import make_levels
        >>> truth = np.array([[True, True, False]])
        >>> vote = make_levels(np.array([[0.95, 0.95, 0.02]]))
        >>> row = fusion_row(np.array([[0.9, 0.3, 0.1]]), vote, truth, case="a")
        >>> round(row.dice[0], 3), row.dice[-1]
        (0.667, 1.0)
    """
    if truth.shape != network.shape:
        raise DataError(f"case {case!r}: true mask {truth.shape} and network {network.shape} differ in shape")
    grid, rule = Size(*gaze.soft.shape), joint or JointRule()
    small = fitted(network.astype(np.float32), grid)
    wanted = fitted(truth.astype(np.float32), grid) >= 0.5
    limit = rule.largest_network_logit
    own = np.clip(logit(small.astype(np.float64)), -limit, limit)
    joined = joint_logit(small, gaze.soft, rule)
    dice = tuple(_dice((1 - share) * own + share * joined > 0, wanted) for share in SHARES)
    return FusionRow(case, recording, as_recorded, fusion_features(network, gaze), dice)


def fit_fusion(
    rows: Sequence[FusionRow],
    settings: FusionFitSettings | None = None,
    *,
    joint: JointRule | None = None,
    source: str = "",
) -> FusionCalibration:
    r"""Fit both gates: with and without knowledge of the whole recording.

    A gate maximises $\sum_i w_i \ell(D_i(g_i) - D_i(0))$ minus a ridge, where $D_i(g)$ is the hard Dice of
    image $i$ at share $g$ (linear between the tabled shares), $\ell(d) = d$ for a gain and
    $(1 + \kappa) d$ for a loss. The agreement of a recording is that of 5 to 60 of its other readings, drawn
    once for each row, so that small recordings are met too. Gaze never counts more for fitting the network or
    itself less: the weights of agreement, overlap, trust and the like are 0 or more, those of misfit 0 or
    less.

    Args:
        rows: From `fusion_row`: readings as recorded, and readings made worse by every dial of noise, of
            the wrong image too. Recordings with fewer than 6 readings count in the gate without recording
            only.
        settings: The fit; None for the defaults.
        joint: The joint rule of the rows; None for the defaults.
        source: What the rows are.

    Returns:
        The calibration; ``measured`` holds mean Dice of rows as recorded and made worse, each for the image
        alone, the joint rule and both gates, by gates that have not seen the image.

    Raises:
        DataError: Fewer than 50 images, or no row as recorded, or none made worse.

    Example:
        >>> fit_fusion([])
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: a fusion needs readings of 50 images or more, found 0
    """
    settings = settings or FusionFitSettings()
    cases = {row.case for row in rows}
    if len(cases) < LEAST_FUSION_CASES:
        raise DataError(f"a fusion needs readings of {LEAST_FUSION_CASES} images or more, found {len(cases)}")
    recorded = np.array([row.as_recorded for row in rows])
    if recorded.all() or not recorded.any():
        raise DataError(
            "a fusion needs readings as recorded and readings made worse, found only one of them",
            remedy="study noise with several dials and levels",
        )
    table = np.array([row.dice for row in rows])
    names = tuple(rows[0].features)
    known = _agreements(rows, settings.seed)
    features = np.array([[row.features[name] for name in names] for row in rows])
    with_recording = np.column_stack([features, known])
    among = np.isfinite(known)
    alone, alone_dice = _fitted(features, names, table, rows, settings)
    measured = _measured(recorded, {"image": table[:, 0], "joint": table[:, -1], "alone": alone_dice})
    gate = None
    if len({row.case for row, ok in zip(rows, among, strict=True) if ok}) >= LEAST_FUSION_CASES:
        kept = [row for row, ok in zip(rows, among, strict=True) if ok]
        gate, dice = _fitted(
            with_recording[among], (*names, RECORDING_AGREEMENT), table[among], kept, settings
        )
        measured |= _measured(recorded[among], {"recording": dice})
    return FusionCalibration(
        joint=joint or JointRule(),
        alone=alone,
        recording=gate,
        cases=len(cases),
        measured=measured,
        source=source,
    )


def _measured(recorded: BoolArray, dices: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    kinds = {"recorded": recorded, "worse": ~recorded}
    return {
        f"{kind}_{name}": round(float(dice[which].mean()), 4)
        for kind, which in kinds.items()
        for name, dice in dices.items()
        if which.any()
    }


def _agreements(rows: Sequence[FusionRow], seed: int) -> NDArray[np.float64]:
    """Mean agreement of some other readings of each row's recording; NaN where there are too few."""
    rng = np.random.default_rng(seed)
    by_recording: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        by_recording.setdefault(row.recording, []).append(index)
    found = np.full(len(rows), np.nan)
    values = np.array([row.features["agreement"] for row in rows])
    for members in by_recording.values():
        for index in members:
            others = np.array([one for one in members if one != index])
            if len(others) >= LEAST_OTHERS:
                count = min(int(rng.integers(LEAST_OTHERS, 61)), len(others))
                found[index] = values[rng.choice(others, size=count, replace=False)].mean()
    return found


def _fitted(
    features: NDArray[np.float64],
    names: tuple[str, ...],
    table: NDArray[np.float64],
    rows: Sequence[FusionRow],
    settings: FusionFitSettings,
) -> tuple[Gate, NDArray[np.float64]]:
    """Fit a gate on all rows, and tell each row's Dice by a gate that has not seen its image."""
    centre = np.nan_to_num(np.nanmean(np.where(np.isfinite(features), features, np.nan), axis=0))
    filled = np.where(np.isfinite(features), features, centre)
    spread = np.where(filled.std(axis=0) > _LEAST_SD, filled.std(axis=0), 1.0)
    standard = np.clip((filled - centre) / spread, -3, 3)
    design = np.column_stack([np.ones(len(standard)), standard])
    weight = _weights(rows, settings.recorded_weight)
    bounds = [(None, None), *map(_bounds, names)]
    order = sorted({row.case for row in rows})
    drawn = np.random.default_rng(settings.seed).permutation(len(order)) % settings.folds
    fold_of = dict(zip(order, drawn, strict=True))
    fold = np.array([fold_of[row.case] for row in rows])
    unseen = np.empty(len(rows))
    for one in range(settings.folds):
        held = fold == one
        chosen = _maximise(design[~held], table[~held], weight[~held], bounds, settings)
        unseen[held] = _along(table[held], expit(design[held] @ chosen))[0]
    best = _maximise(design, table, weight, bounds, settings)
    gate = Gate(
        features=names,
        mean=_rounded(centre),
        sd=_rounded(spread),
        weight=_rounded(best[1:]),
        intercept=round(float(best[0]), 5),
    )
    return gate, unseen


def _bounds(name: str) -> tuple[float | None, float | None]:
    return (0.0 if name in _RISING else None), (0.0 if name in _FALLING else None)


def _weights(rows: Sequence[FusionRow], recorded_weight: float) -> NDArray[np.float64]:
    recorded = np.array([row.as_recorded for row in rows])
    parts = np.where(recorded, recorded_weight, 1 - recorded_weight)
    counts = np.where(recorded, max(int(recorded.sum()), 1), max(int((~recorded).sum()), 1))
    return np.asarray(parts / counts)


def _maximise(
    design: NDArray[np.float64],
    table: NDArray[np.float64],
    weight: NDArray[np.float64],
    bounds: Sequence[tuple[float | None, float | None]],
    settings: FusionFitSettings,
) -> NDArray[np.float64]:
    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        share = expit(design @ beta)
        dice, slope = _along(table, share)
        gain = dice - table[:, 0]
        factor = weight * np.where(gain < 0, 1 + settings.loss_aversion, 1.0)
        penalty = np.concatenate([[0.0], beta[1:]])
        value = -float((factor * gain).sum()) + settings.ridge * float(penalty @ penalty)
        gradient = -(design.T @ (factor * slope * share * (1 - share))) + 2 * settings.ridge * penalty
        return value, gradient

    starts = [np.array([first, second, *np.zeros(design.shape[1] - 2)]) for first, second in _STARTS]
    found = [
        minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        for start in starts
    ]
    best: NDArray[np.float64] = min(found, key=lambda one: float(one.fun)).x
    return best


def _along(
    table: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interpolate each row's Dice at its share, with the slope there."""
    places = np.array(SHARES)
    piece = np.clip(np.searchsorted(places, share, side="right") - 1, 0, len(places) - 2)
    row = np.arange(len(share))
    slope = (table[row, piece + 1] - table[row, piece]) / (places[piece + 1] - places[piece])
    return table[row, piece] + slope * (share - places[piece]), slope


def _dice(one: BoolArray, other: BoolArray) -> float:
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
