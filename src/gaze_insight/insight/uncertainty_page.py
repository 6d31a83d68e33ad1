"""The page of `calibrate`: whether what is promised of predictions holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gaze_insight.inference.certainty import Certainty
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import data_uri, probability_tile
from gaze_insight.insight.rendering import fixed, share
from gaze_insight.insight.study_page import (
    StudyContent,
    StudyFigure,
    StudyNumber,
    StudyPictures,
)
from gaze_insight.insight.uncertainty_figures import (
    expected_intervals,
    reliability_diagram,
    risk_coverage_chart,
)
from gaze_insight.insight.uncertainty_tables import pixel_table, promise_table, selective_table
from gaze_insight.types import BoolArray, ByteArray, FloatArray

__all__ = ["SafeExample", "uncertainty_content"]

Facts = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SafeExample:
    """A case to show with its safe masks.

    Args:
        id: The case.
        why: Why it is shown, in a few words.
        image: RGB picture, (H, W, 3) uint8.
        prob: Probability, (H, W).
        threshold: A pixel is predicted where it is above.
        truth: True mask, (H, W) bool.
        certainty: What is promised of it.
        dice: Its true Dice.
    """

    id: str
    why: str
    image: ByteArray
    prob: FloatArray
    threshold: float
    truth: BoolArray
    certainty: Certainty
    dice: float


def uncertainty_content(
    facts: Facts,
    head: str,
    examples: Sequence[SafeExample] = (),
    *,
    command: str = "",
    created: str = "",
    version: str = "",
) -> StudyContent:
    """Put what was measured into the words of a page.

    Args:
        facts: As `check_uncertainty` wrote them.
        head: The output that the page leads with.
        examples: Cases to show.
        command: The command line that repeats it.
        created: Date as text.
        version: Version of gaze-insight.

    Returns:
        The page's content.
    """
    main: Facts = facts["heads"][head]
    broken = _broken(main)
    severity: Literal["ok", "warning"] = "warning" if broken else "ok"
    verdict = (
        "Not every promise was kept: " + "; ".join(broken) + "."
        if broken
        else f"On {facts['n']} cases no promise was broken beyond what chance explains."
    )
    return StudyContent(
        title=f"What the predictions of {facts['method']} promise",
        lead=f"Fitted on {facts['fitted_on']}; measured on {facts['n']} other cases: {facts['split']} of "
        f"{facts['cohort']}. Output: {head}.",
        verdict=verdict,
        severity=severity,
        numbers=_numbers(main),
        warnings=tuple(facts["notes"]),
        figures=_figures(main, facts["n"]),
        pictures_title="Safe masks",
        pictures=[_pictures(one) for one in examples],
        tables=[table(facts["heads"]) for table in (pixel_table, promise_table, selective_table)],
        method=_METHOD,
        command=command,
        created=created,
        version=version,
    )


_METHOD = (
    "Temperature: one number for each output divides the log odds, chosen for least cross-entropy on the "
    "cases "
    "of the fit. ECE compares probability and share of lesion in bins of equal width over all pixels; "
    "most are "
    "plain background, so the pixels near the predicted outline are judged apart.",
    "Expected Dice: from the prediction alone (how sure it is inside the mask and at its outline, how "
    "large and "
    "how whole the mask is), with an interval from residuals of cases that a fit has not seen. The coverage "
    "holds on average over cases of the same kind, not for each kind of case.",
    "Safe masks: the predicted mask grows until conformal risk control allows it to stop. The promise is an "
    "average over new cases and over the draw of the cases of the fit; with another set of cases the "
    "measured "
    "risk moves around it.",
    "Dice is averaged over the cases kept, the surest first. Intervals are 95 %, over cases or patients.",
)


def _broken(main: Facts) -> list[str]:
    """Promises missed by more than chance explains, that of the draw of the fit included."""
    found = []
    dice = main["expected_dice"]
    if dice is not None and not dice["kept"]:
        found.append(
            f"the interval of the Dice holds in {share(dice['coverage']['share'], 0)} of cases instead of "
            f"{share(dice['coverage_asked'], 0)}"
        )
    for name, what in (("missed", "of a lesion is missed"), ("contains", "of lesions are not contained")):
        rule = main[name]
        if not rule["kept"]:
            found.append(f"{share(rule['risk'])} {what} instead of {share(rule['risk_asked'])} at most")
    return found


def _numbers(main: Facts) -> list[StudyNumber]:
    image, dice, kept = main["pixels"]["image"], main["expected_dice"], main["selective"]
    numbers = [
        StudyNumber(
            "Calibration error of pixels",
            fixed(image["after"]["ece"], 3),
            f"{fixed(image['before']['ece'], 3)} before the temperature {main['pixels']['temperature']:.2f}",
        )
    ]
    if dice is not None:
        numbers.append(
            StudyNumber(
                "Dice inside its interval",
                share(dice["coverage"]["share"], 0),
                f"asked {share(dice['coverage_asked'], 0)}; mean width {fixed(dice['width'])}",
            )
        )
    for name, what in (("missed", "Lesion missed by the safe mask"), ("contains", "Lesions not contained")):
        rule = main[name]
        numbers.append(
            StudyNumber(
                what,
                share(rule["risk"]),
                f"asked {share(rule['risk_asked'], 0)} at most; {fixed(rule['area_ratio_median'], 1)} "
                "times the "
                "predicted area",
            )
        )
    numbers.append(
        StudyNumber(
            f"Dice of the surest {share(kept['keep_frac'], 0)}",
            fixed(kept["dice_kept"], 3),
            f"all {fixed(kept['dice_all'], 3)}; best order {fixed(kept['dice_kept_oracle'], 3)}",
        )
    )
    return numbers


def _figures(main: Facts, number: int) -> list[StudyFigure]:
    figures = []
    for region, title in (
        ("image", "Probabilities, whole image"),
        ("outline", "Probabilities, near the outline"),
    ):
        place = main["pixels"][region]
        if "before" in place:
            curves = {"as predicted": place["before"]["bins"], "with temperature": place["after"]["bins"]}
            caption = (
                f"Share of lesion among pixels of each probability, {place['cases']} cases; bars: root "
                "of the "
                "share of pixels."
            )
            svg = reliability_diagram(curves, name=f"reliability-{region}", label=title)
            figures.append(StudyFigure(f"reliability-{region}", title, svg, caption))
    figures.append(
        StudyFigure(
            "expected-dice",
            "Expected and true Dice",
            expected_intervals(
                main["cases"], name="expected-dice", label="Expected and true Dice of each case"
            ),
            f"One dot each of {number} cases; bars: the interval that was given without seeing the true "
            "mask.",
        )
    )
    figures.append(
        StudyFigure(
            "risk-coverage",
            "What asking a human gains",
            risk_coverage_chart(main["curves"], name="risk-coverage", label="Mean Dice of the cases kept"),
            "Mean Dice of the cases kept when the least sure go to a human.",
        )
    )
    return figures


def _pictures(one: SafeExample) -> StudyPictures:
    expected = one.certainty.expected
    words = f"Dice {one.dice:.2f}"
    if expected is not None:
        words += f", expected {expected.mean:.2f} ({expected.low:.2f} to {expected.high:.2f})"
    if one.certainty.ask_human:
        words += "; ask a human"
    masks = (
        ("Prediction", one.prob > one.threshold, words),
        ("Misses little on average", one.certainty.missed, ""),
        ("Contains the lesion", one.certainty.contains, ""),
    )
    tiles = []
    for title, mask, text in masks:
        outside = float((one.truth & ~mask).sum() / max(int(one.truth.sum()), 1))
        line = f"{share(outside)} of the lesion outside; covers {share(float(mask.mean()))} of the image"
        picture = probability_tile(one.image, mask.astype(np.float32) * 0.6, one.truth, threshold=0.3)
        tiles.append(
            Tile(title, f"{text}. {line}" if text else line, f"{one.id}: {title.lower()}", data_uri(picture))
        )
    return StudyPictures(f"{one.id}: {one.why}", tiles)
