"""The page of `study simulator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gaze_insight import __version__
from gaze_insight.gaze.reading_statistics import STATISTICS
from gaze_insight.gaze.two_sample import Comparison, Verdict
from gaze_insight.insight.rendering import as_yaml, fixed
from gaze_insight.insight.study_page import StudyContent, StudyNumber, StudyPictures, StudyTable
from gaze_insight.workflow.studies.pages import (
    count_facts,
    estimate_cell,
    estimate_text,
    interval_words,
    plain_settings,
    standing_warnings,
    today,
)
from gaze_insight.workflow.studies.simulator import SimulatorStudy
from gaze_insight.workflow.studies.simulator_figures import level_words, simulator_figures

__all__ = ["simulator_page"]

_Severity = Literal["ok", "warning", "error"]
_WORDS: dict[Verdict, str] = {
    "equivalent": "alike",
    "different": "different",
    "undecided": "undecided",
}
_SEVERITY: dict[Verdict, _Severity] = {"equivalent": "ok", "different": "warning", "undecided": "warning"}


def simulator_page(
    study: SimulatorStudy, command: str = "", pictures: Sequence[StudyPictures] = ()
) -> StudyContent:
    """Tell a comparison of simulated with real readings.

    Args:
        study: What was found.
        command: The command that repeats it.
        pictures: From `scan_path_pictures`.

    Returns:
        The page's content.
    """
    compared, both = study.comparison, study.dice["all"]
    alike = sum(one.verdict == "equivalent" for one in compared.comparisons)
    separation = compared.separation
    return StudyContent(
        title=f"Simulated against real gaze: {study.cohort}",
        lead="Do simulated readings look like the real ones of the same images?",
        verdict=_verdict(study, alike),
        severity=_SEVERITY[compared.verdict],
        numbers=[
            StudyNumber(
                "Statistics alike",
                f"{alike} of {len(compared.comparisons)}",
                f"within {compared.settings.margin_sd:g} sd of the real values",
            ),
            StudyNumber(
                "Told apart by a classifier",
                f"AUC {separation.auc:.2f}",
                f"{level_words(study)} % interval {separation.low:.2f} to {separation.high:.2f}; "
                "0.5 is chance",
            ),
            StudyNumber("Dice from real gaze", f"{both.real.mean:.3f}", interval_words(both.real)),
            StudyNumber(
                "Dice from simulated gaze",
                f"{both.simulated.mean:.3f}",
                f"difference {estimate_text(both.difference)}",
            ),
        ],
        warnings=[
            *standing_warnings(study.cases, study.marked_simulated, study.failed),
            *_left_out(compared.left_out),
        ],
        figures=simulator_figures(study),
        pictures_title="Real and simulated scan paths",
        pictures=pictures,
        tables=[_statistics(study), _dice(study), _giveaways(study)],
        method=_method(study),
        facts=count_facts(study.cohort, study.cases, study.left_out, len(study.failed)),
        settings=as_yaml(plain_settings(study.settings, study.labels)),
        command=command,
        created=today(),
        version=__version__,
    )


def _left_out(names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    titles = ", ".join(STATISTICS[name].title.lower() for name in names)
    return [f"Too few readings have these statistics to compare them: {titles}."]


def _verdict(study: SimulatorStudy, alike: int) -> str:
    compared = study.comparison
    differing = [one for one in compared.comparisons if one.verdict == "different"]
    words = f"{alike} of {len(compared.comparisons)} statistics are alike within the margin"
    if differing:
        names = "; ".join(STATISTICS[one.name].title.lower() for one in differing)
        words += f", {len(differing)} {'is' if len(differing) == 1 else 'are'} different ({names})"
    apart: dict[Verdict, str] = {
        "equivalent": "a classifier can hardly tell single readings apart",
        "undecided": "whether a classifier can tell single readings apart is undecided",
        "different": "a classifier tells single readings apart",
    }
    change, margin = study.dice["all"].difference, study.settings.margin_dice
    dice = f"The pseudo-masks from simulated gaze have {change.mean:+.3f} Dice against those from real gaze"
    if np.isnan(change.low):
        return f"{words}; {apart[compared.separation_verdict]}. {dice}."
    if max(abs(change.low), abs(change.high)) <= margin:
        end = f"alike within {margin:g}"
    elif change.low > margin or change.high < -margin:
        end = f"a difference beyond {margin:g}"
    else:
        end = f"undecided at a margin of {margin:g}"
    return f"{words}; {apart[compared.separation_verdict]}. {dice}: {end}."


def _number(one: Comparison, mean: float, sd: float) -> str:
    unit = STATISTICS[one.name].unit
    digits = {"ms": 0, "fixations": 1}.get(unit, 3)
    return f"{mean:.{digits}f}\n± {sd:.{digits}f}"


def _statistics(study: SimulatorStudy) -> StudyTable:
    compared = study.comparison
    rows = [
        (
            f"{STATISTICS[one.name].title}\n{STATISTICS[one.name].unit}",
            _number(one, one.real_mean, one.real_sd),
            _number(one, one.simulated_mean, one.simulated_sd),
            f"{one.shift_sd:+.2f}",
            f"{one.cliffs_delta:+.2f}",
            f"{one.wasserstein_sd:.2f}\n[{one.low_sd:.2f}, {one.high_sd:.2f}]",
            f"{one.chance_sd:.2f}",
            f"{one.energy:.2f}",
            f"{one.ks:.2f}",
            fixed(one.p_holm, 3),
            _WORDS[one.verdict],
        )
        for one in compared.comparisons
    ]
    return StudyTable(
        "Statistic by statistic",
        "Mean ± standard deviation of all values; shift of the mean in real sd; Cliff's delta; Wasserstein-1 "
        f"distance in real sd with its {level_words(study)} % interval, and by chance alone; energy "
        "distance; Kolmogorov-Smirnov statistic with its permutation p after Holm's correction. The verdict "
        "rests on the margin, not on p: with hundreds of readings every difference is significant.",
        (
            "Statistic",
            "Real",
            "Simulated",
            "Shift",
            "Cliff's δ",
            "Wasserstein",
            "Chance",
            "Energy",
            "KS",
            "p (Holm)",
            "Verdict",
        ),
        rows,
        [place for place, one in enumerate(compared.comparisons) if one.verdict == "different"],
    )


def _dice(study: SimulatorStudy) -> StudyTable:
    rows = [
        (
            "all images" if name == "all" else f"lesion {name} of the image",
            f"{found.real.n:,}",
            estimate_cell(found.real),
            estimate_cell(found.simulated),
            estimate_cell(found.difference),
        )
        for name, found in study.dice.items()
    ]
    return StudyTable(
        "Pseudo-masks from both kinds of gaze",
        "Mean Dice against the true mask with its 95 % bootstrap interval; the difference is paired by "
        "image. The simulator saw the true mask, so its Dice says what simulated labels are worth, not how "
        "good gaze is.",
        ("Images", "n", "Real gaze", "Simulated gaze", "Simulated - real"),
        rows,
    )


def _giveaways(study: SimulatorStudy) -> StudyTable:
    separation = study.comparison.separation
    best = sorted(separation.alone.items(), key=lambda pair: pair[1], reverse=True)
    rows = [(name.replace("_", " "), f"{auc:.2f}") for name, auc in best]
    return StudyTable(
        "What gives simulated readings away",
        f"Area under the ROC curve ({separation.folds}-fold cross-validation) of a classifier that sees one "
        f"feature of a reading alone (mean, sd: within the reading); with all of them it is "
        f"{separation.auc:.2f}. 0.5 is chance.",
        ("Feature of a reading", "AUC"),
        rows,
    )


def _method(study: SimulatorStudy) -> list[str]:
    settings = study.comparison.settings
    return [
        "One reading was simulated on the true mask of each image and compared with the recorded one. "
        "Values of a statistic are pooled over readings; the image is the unit of permutation and bootstrap, "
        "since the fixations of one reading are not independent.",
        f"A statistic is called alike where the upper end of the {level_words(study)} % interval of the "
        f"distance is within {settings.margin_sd:g} standard deviations of the real values, different where "
        "the lower end is beyond it and the permutation test agrees (Holm-corrected p of at most "
        f"{settings.alpha:g}), else undecided. The shift of the mean is never larger than the distance.",
        "The classifier is a logistic regression on the features of a reading and their squares, always "
        "tested on images it has not seen; it is called alike up to an area under the ROC curve of "
        f"{settings.margin_auc:g}. It sees all features together, and so finds what single statistics hide; "
        "a stronger classifier may find more.",
        "Where the simulator's constants were fitted to these very recordings, likeness in their means is no "
        "surprise.",
    ]
