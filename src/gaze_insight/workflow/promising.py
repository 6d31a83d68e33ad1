"""What `predict` adds for a calibrated run: expected Dice, the safe mask, and when to ask a human."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaze_insight.cohort.images import write_mask
from gaze_insight.inference.certainty import Certainty, Uncertainty, judge
from gaze_insight.types import FloatArray
from gaze_insight.workflow.uncertainty_file import read_uncertainty

__all__ = ["Promises", "certainty_words"]


class Promises:
    """The promises of a run, made for one prediction after the other.

    Args:
        fitted: What `calibrate` fitted; None for a run that was not calibrated, which promises nothing.
    """

    def __init__(self, fitted: Uncertainty | None) -> None:
        self.fitted = fitted

    @classmethod
    def of(cls, run: Path) -> Promises:
        """Read the promises of a run.

        Args:
            run: The run's folder, or an exported model, which promises nothing.

        Returns:
            The promises.

        Raises:
            DataError: What was fitted is damaged or belongs to other weights.

        Example:
            >>> Promises.of(Path("nowhere")).fitted is None
            True
        """
        return cls(None if run.is_file() else read_uncertainty(run))

    def make(self, target: Path, stem: str, head: str, prob: FloatArray) -> dict[str, Any] | None:
        """Judge a prediction and write its safe mask, ``STEM_safe_mask.png``.

        Args:
            target: Folder for the mask.
            stem: The image's name without ending.
            head: Which output made the prediction.
            prob: Its probability, (H, W).

        Returns:
            ``expected_dice`` and ``interval`` (None without), ``confidence``, ``ask_human``, ``reason``,
            ``safe_promise``, ``safe_area_frac`` and ``safe_is_whole_image``; None where nothing was fitted
            for this output.

        Raises:
            DataError: The mask cannot be written.
        """
        if self.fitted is None or head not in self.fitted.heads:
            return None
        fitted = self.fitted.heads[head]
        found = judge(prob, fitted)
        write_mask(target / f"{stem}_safe_mask.png", found.contains)
        inside, cases = 1 - fitted.contains.beta, 1 - fitted.contains.alpha
        return {
            **_plain(found),
            "safe_promise": f"{100 * inside:g} % of the lesion inside in {100 * cases:g} % of cases or more",
            "safe_area_frac": float(found.contains.mean()),
            "safe_is_whole_image": bool(found.contains.all()),
        }


def _plain(found: Certainty) -> dict[str, Any]:
    expected = found.expected
    return {
        "expected_dice": None if expected is None else expected.mean,
        "interval": None if expected is None else [expected.low, expected.high],
        "confidence": found.confidence,
        "ask_human": found.ask_human,
        "reason": found.reason,
    }


def certainty_words(facts: dict[str, Any]) -> str:
    """Say a prediction's promises in a line.

    Args:
        facts: From :meth:`Promises.make`.

    Returns:
        The words.

    Example:
        >>> certainty_words({"expected_dice": 0.9, "interval": [0.8, 0.95], "ask_human": True,
        ...                  "reason": "x", "safe_area_frac": 0.2, "safe_is_whole_image": False})
        'expected Dice 0.90 (0.80 to 0.95); safe mask 20.0 % of the image; ask a human: x'
    """
    parts = []
    if facts["expected_dice"] is not None:
        low, high = facts["interval"]
        parts.append(f"expected Dice {facts['expected_dice']:.2f} ({low:.2f} to {high:.2f})")
    whole = "safe mask the whole image"
    size = f"safe mask {100 * facts['safe_area_frac']:.1f} % of the image"
    parts.append(whole if facts["safe_is_whole_image"] else size)
    if facts["ask_human"]:
        parts.append(f"ask a human: {facts['reason']}")
    return "; ".join(parts)
