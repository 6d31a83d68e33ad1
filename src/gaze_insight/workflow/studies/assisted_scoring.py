"""What `study assisted` does with each case: readings made worse, and the Dice of image, gaze and both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import dice
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.noise import NoiseSettings, with_noise
from gaze_insight.pseudomask.fusion import FusionCalibration, fuse
from gaze_insight.pseudomask.fusion_features import RECORDING_AGREEMENT
from gaze_insight.pseudomask.fusion_fit import FusionRow, fusion_row
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.types import BoolArray, FloatArray, Size
from gaze_insight.workflow.assisting import keep_looks, recording_of

__all__ = ["Reading", "fit_rows", "made_worse", "score_readings", "truth_of"]


@dataclass(frozen=True)
class Reading:
    """A way in which gaze reaches the system.

    Args:
        dial: Dial of `NoiseSettings`; empty for gaze as it was recorded.
        level: Its level.
    """

    dial: str = ""
    level: float = 0.0

    @property
    def name(self) -> str:
        """A short name, such as ``offset_frac 0.05``.

        Example:
            >>> Reading("dropout", 0.5).name, Reading().name
            ('dropout 0.5', 'recorded')
        """
        return f"{self.dial} {self.level:g}" if self.dial else "recorded"


def truth_of(case: Case) -> BoolArray:
    """Read a case's true mask.

    Args:
        case: The case.

    Returns:
        (H, W) bool.

    Raises:
        DataError: There is none.
    """
    truth = case.read_mask()
    if truth is None:
        raise DataError(f"case {case.id!r} has no true mask", path=case.image_path)
    return truth


def made_worse(cases: Sequence[Case], reading: Reading, seed: int) -> list[Case]:
    """Make every reading worse; equal seeds draw equal numbers at all levels of a dial.

    Args:
        cases: The cases, with gaze.
        reading: What is done to it.
        seed: Seed of the noise.

    Returns:
        The cases with worse readings, in order.

    Raises:
        DataError: Readings are to be swapped and there is only one.
    """
    if not reading.dial:
        return list(cases)
    if reading.dial == "annotator_swap" and len(cases) < 2:
        raise DataError(
            "annotator_swap needs at least two cases, found one", remedy="leave that dial out of levels"
        )
    noise = NoiseSettings.model_validate({reading.dial: reading.level})
    worse = []
    for place, case in enumerate(cases):
        rng = np.random.default_rng([seed, *case.id.encode()])
        step = int(rng.integers(1, max(len(cases), 2)))
        other = cases[(place + step) % len(cases)].fixations or Fixations.empty()
        own = (case.fixations or Fixations.empty()).to_frame("image_unit")
        worse.append(replace(case, fixations=with_noise(own, noise, rng, [other])))
    return worse


def score_readings(
    cases: Sequence[Case],
    reading: Reading,
    network: Mapping[str, FloatArray],
    truth: Mapping[str, BoolArray],
    votes: Mapping[str, PseudoMask | None],
    fusion: FusionCalibration,
    config: RunConfig,
) -> Iterator[dict[str, Any]]:
    """Score each case as the network sees it, as gaze says, and both.

    Args:
        cases: The cases, with the readings to score.
        reading: What was done to the readings.
        network: Case to probability of the image alone, (H, W).
        truth: Case to true mask, (H, W).
        votes: Case to pseudo-mask of its reading; None without a fixation.
        fusion: When to believe which.
        config: The run's configuration.

    Yields:
        One row a case, in the cases' order.
    """
    threshold = config.prediction.threshold
    with keep_looks() as looks:
        for case in cases:
            looks.add(case.id, network[case.id], votes[case.id], recording_of(case))
        for one, own, fused in looks.fused(fusion):
            vote, wanted = votes[one], truth[one]
            single = fuse(own, vote, fusion)
            yield {
                "id": one,
                "reading": reading.name,
                "image": dice(own > threshold, wanted),
                "gaze": _vote_dice(vote, wanted, config.labels.levels.comprehensive),
                "single": dice(single.probability > threshold, wanted),
                "assisted": dice(fused.probability > threshold, wanted),
                "share_single": single.gaze_share,
                "share": fused.gaze_share,
                "recording_agreement": fused.features.get(RECORDING_AGREEMENT),
                "reason": fused.reason,
            }


def _vote_dice(vote: PseudoMask | None, truth: BoolArray, threshold: float) -> float:
    if vote is None:
        return dice(np.zeros_like(truth), truth)
    size = Size(*truth.shape)
    soft = cv2.resize(vote.soft, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    return dice(np.asarray(soft >= threshold), truth)


def fit_rows(
    cases: Sequence[Case],
    reading: Reading,
    network: Mapping[str, FloatArray],
    truth: Mapping[str, BoolArray],
    votes: Mapping[str, PseudoMask | None],
) -> list[FusionRow]:
    """Make the rows that a fusion is fitted on; cases without a fixation on the image give none.

    Args:
        cases: The cases, with the readings.
        reading: What was done to the readings; each kind is a recording of its own.
        network: Case to probability of the image alone, (H, W).
        truth: Case to true mask, (H, W).
        votes: Case to pseudo-mask of its reading.

    Returns:
        The rows.
    """
    rows = []
    for case in cases:
        vote = votes[case.id]
        if vote is None or not np.any(vote.soft > 0):
            continue
        rows.append(
            fusion_row(
                network[case.id],
                vote,
                truth[case.id],
                case=case.id,
                recording=f"{recording_of(case)} {reading.name}",
                as_recorded=not reading.dial,
            )
        )
    return rows
