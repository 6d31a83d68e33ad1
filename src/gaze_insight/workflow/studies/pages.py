"""What the pages of all studies say alike: intervals as text, warnings, counts, and the curves of strata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gaze_insight.insight.curves import Curve
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.studies.scoring import Estimate, StudySettings

__all__ = [
    "BAND",
    "count_facts",
    "estimate_cell",
    "estimate_text",
    "interval_words",
    "plain_settings",
    "standing_warnings",
    "strata_curves",
    "stratum_title",
    "today",
]

BAND = (
    "the band is its pointwise 95 % percentile bootstrap interval over images, or over patients where they "
    "are known ({resamples:,} resamples)"
)
"""How every band is captioned."""

_FEWEST_DRAWN = 5


def estimate_text(one: Estimate, digits: int = 3) -> str:
    """Write a mean with its interval.

    Args:
        one: The estimate.
        digits: Digits behind the point.

    Returns:
        The text; without interval where there is none, a dash for no case.

    Example:
        >>> estimate_text(Estimate(0.785, 0.7169, 0.846, 20)), estimate_text(Estimate(0.9, 0.0, 1.0, 9), 1)
        ('0.785 [0.717, 0.846]', '0.9 [0.0, 1.0]')
    """
    if one.n == 0:
        return "–"
    if math.isnan(one.low):
        return f"{one.mean:.{digits}f}"
    return f"{one.mean:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"


def estimate_cell(one: Estimate, digits: int = 3) -> str:
    """Write a mean with its interval on a line of its own, for a table.

    Args:
        one: The estimate.
        digits: Digits behind the point.

    Returns:
        The text.

    Example:
        >>> estimate_cell(Estimate(0.785, 0.7169, 0.846, 20)).splitlines()
        ['0.785', '[0.717, 0.846]']
    """
    return estimate_text(one, digits).replace(" [", "\n[")


def interval_words(one: Estimate, digits: int = 3) -> str:
    """Write an interval in words.

    Args:
        one: The estimate.
        digits: Digits behind the point.

    Returns:
        The words.

    Example:
        >>> interval_words(Estimate(0.785, 0.7169, 0.846, 20))
        '95 % interval 0.717 to 0.846, 20 images'
        >>> interval_words(Estimate(0.785, math.nan, math.nan, 2))
        '2 images'
    """
    images = f"{one.n:,} images"
    return (
        images
        if math.isnan(one.low)
        else (f"95 % interval {one.low:.{digits}f} to {one.high:.{digits}f}, {images}")
    )


def stratum_title(name: str, n: int) -> str:
    """Name a size stratum in a legend.

    Args:
        name: From `strata_of`.
        n: Its cases.

    Returns:
        The words.

    Example:
        >>> stratum_title("all", 60), stratum_title("< 6 %", 12)
        ('all images (n = 60)', 'lesion < 6 % of the image (n = 12)')
    """
    words = "all images" if name == "all" else f"lesion {name} of the image"
    return f"{words} (n = {n})"


def strata_curves(places: Sequence[float], levels: Sequence[Mapping[str, Estimate]]) -> list[Curve]:
    """Make one curve a size stratum; the band is drawn for all images and strata of at least five.

    Args:
        places: Where each level stands.
        levels: Stratum to estimate, one mapping a level.

    Returns:
        The curves, "all" first; strata of fewer than five cases are left out.

    Example:
        >>> strata_curves([0.0], [{"all": Estimate(0.8, 0.7, 0.9, 60), "< 6 %": Estimate(0.7, 0.6, 0.8, 3)}])
        [Curve(title='all images (n = 60)', x=(0.0,), mean=(0.8,), low=(0.7,), high=(0.9,))]
    """
    curves = []
    for name in levels[0] if levels else ():
        found = [level[name] for level in levels]
        if name != "all" and found[0].n < _FEWEST_DRAWN:
            continue
        drawn = not math.isnan(found[0].low)
        curves.append(
            Curve(
                stratum_title(name, found[0].n),
                tuple(places),
                tuple(one.mean for one in found),
                tuple(one.low for one in found) if drawn else (),
                tuple(one.high for one in found) if drawn else (),
            )
        )
    return curves


def standing_warnings(cases: int, simulated: int, failed: Mapping[str, str]) -> list[str]:
    """Say what lowers the worth of any study.

    Args:
        cases: Cases studied.
        simulated: How many of them have simulated gaze.
        failed: Id to message of the cases that were skipped.

    Returns:
        Sentences, perhaps none.

    Example:
        >>> standing_warnings(100, 0, {})
        []
    """
    warnings = []
    if simulated:
        warnings.append(
            f"The gaze of {simulated} of {cases} images is itself simulated from their masks; what is found "
            "on them says nothing about real eye tracking."
        )
    if cases < 30:
        warnings.append(f"Only {cases} images were studied; intervals of so few are too narrow.")
    if failed:
        first, message = next(iter(failed.items()))
        warnings.append(f"{len(failed)} images could not be used, the first is {first}: {message}")
    return warnings


def count_facts(cohort: str, cases: int, left_out: Mapping[str, int], failed: int) -> dict[str, str]:
    """List which cases were studied.

    Args:
        cohort: Its name.
        cases: Cases studied.
        left_out: Reason to count.
        failed: Cases that could not be used.

    Returns:
        Name to value.

    Example:
        >>> count_facts("kvasir", 60, {"not drawn": 820}, 0)
        {'Cohort': 'kvasir', 'Images studied': '60', 'Left out': '820 not drawn'}
    """
    facts = {"Cohort": cohort, "Images studied": f"{cases:,}"}
    if left_out:
        facts["Left out"] = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
    if failed:
        facts["Could not be used"] = f"{failed:,}"
    return facts


def plain_settings(settings: StudySettings, labels: PseudoMaskSettings) -> dict[str, object]:
    """Return a study's settings and its recipe as plain values.

    Args:
        settings: The study's.
        labels: The recipe of the pseudo-masks.

    Returns:
        ``{"study": ..., "labels": ...}``.

    Example:
        >>> plain_settings(StudySettings(), PseudoMaskSettings())["study"]["resamples"]
        2000
    """
    return {"study": settings.model_dump(mode="json"), "labels": labels.model_dump(mode="json")}


def today() -> str:
    """Return today's date (UTC) as a page shows it."""
    return datetime.now(UTC).strftime("%Y-%m-%d")
