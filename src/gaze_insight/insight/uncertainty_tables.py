"""Tables of uncertainty: probabilities of pixels, promises kept, and when to ask a human."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaze_insight.insight.rendering import fixed, share
from gaze_insight.insight.study_page import StudyTable

__all__ = ["pixel_table", "promise_table", "selective_table"]


def _range(ends: Sequence[float | None], digits: int = 2) -> str:
    return f"{fixed(ends[0], digits)} to {fixed(ends[1], digits)}"


def pixel_table(heads: Mapping[str, Any]) -> StudyTable:
    """Table how well the probabilities of pixels mean what they say, before and after the temperature.

    Args:
        heads: Output to what `check_head` returned.

    Returns:
        The table.

    Example:
        >>> pixel_table({}).rows
        []
    """
    rows = []
    for head, one in heads.items():
        for region in ("image", "outline"):
            place = one["pixels"][region]
            for when in ("before", "after"):
                if when in place:
                    row = place[when]
                    rows.append(
                        (
                            head,
                            region,
                            "as predicted" if when == "before" else f"T = {one['pixels']['temperature']:.3f}",
                            f"{fixed(row['ece'], 4)}\n{_range(row['ece_ci95'], 4)}",
                            fixed(row["ece_equal_mass"], 4),
                            fixed(row["ece_per_case"], 4),
                            fixed(row["mce"], 3),
                            fixed(row["nll"], 4),
                            f"{fixed(row['brier']['score'], 4)}\n{_brier_parts(row['brier'])}",
                        )
                    )
    return StudyTable(
        "Probabilities of pixels",
        "Lower is better. ECE, maximum calibration error (MCE), mean cross-entropy (NLL) and Brier score "
        "with its "
        "parts: reliability - resolution + uncertainty.",
        (
            "output",
            "pixels",
            "probabilities",
            "ECE",
            "ECE, equal mass",
            "ECE, mean of cases",
            "MCE",
            "NLL",
            "Brier",
        ),
        rows,
    )


def _brier_parts(parts: Mapping[str, Any]) -> str:
    return " ".join(
        (
            fixed(parts["reliability"], 4),
            "-",
            fixed(parts["resolution"], 4),
            "+",
            fixed(parts["uncertainty"], 4),
        )
    )


def promise_table(heads: Mapping[str, Any]) -> StudyTable:
    """Table what was promised, what was measured, and its price.

    Args:
        heads: Output to what `check_head` returned.

    Returns:
        The table.

    Example:
        >>> promise_table({}).rows
        []
    """
    rows = []
    for head, one in heads.items():
        dice = one["expected_dice"]
        if dice is not None:
            found = dice["coverage"]
            rows.append(
                (
                    head,
                    "true Dice inside its interval",
                    f"{share(dice['coverage_asked'], 0)}",
                    f"{share(found['share'])}\n{_range(found['ci95'])}",
                    "–",
                    f"width {fixed(dice['width'])}; off by {fixed(dice['mae'], 3)}; rank correlation "
                    f"{fixed(dice['spearman'])}",
                )
            )
        for name, what in (("missed", "share of a lesion missed"), ("contains", "lesions not contained")):
            rule = one[name]
            rows.append(
                (
                    head,
                    what,
                    f"{share(rule['risk_asked'], 0)} at most",
                    f"{share(rule['risk'])}\n{_range(rule['ci95'])}",
                    share(rule["risk_of_prediction"]),
                    f"{fixed(rule['area_ratio_median'])} times the area (median), "
                    f"{share(rule['area_frac'])} of "
                    "the image",
                )
            )
    columns = ("output", "promise", "asked", "measured", "the prediction alone", "price")
    return StudyTable(
        "Promises", "What was asked for, and what was measured on cases not fitted on.", columns, rows
    )


def selective_table(heads: Mapping[str, Any]) -> StudyTable:
    """Table what asking a human gains.

    Args:
        heads: Output to what `check_head` returned.

    Returns:
        The table.

    Example:
        >>> selective_table({}).rows
        []
    """
    rows = []
    for head, one in heads.items():
        found, asked = one["selective"], one["asked_human"]
        rows.append(
            (
                head,
                f"{fixed(found['aurc'], 4)}\n{_range(found['aurc_ci95'], 4)}",
                f"{fixed(found['oracle'], 4)}, {fixed(found['random'], 4)}",
                share(found["share_of_gain"], 0),
                f"{fixed(found['dice_kept'], 3)}\n{_range(found['dice_kept_ci95'], 3)}",
                f"{asked['cases']} ({share(asked['share'], 0)})",
                f"{fixed(asked['dice_used'], 3)}, {fixed(asked['dice_asked'], 3)}",
            )
        )
    columns = (
        "output",
        "AURC",
        "AURC of oracle, chance",
        "of the possible gain",
        "Dice of those kept",
        "sent to a human",
        "Dice used, sent",
    )
    return StudyTable(
        "When to ask a human",
        "AURC: area under risk (1 - Dice) against the share kept; lower is better.",
        columns,
        rows,
    )
