"""The page of `study time`."""

from __future__ import annotations

from gaze_insight import __version__
from gaze_insight.gaze.annotation_time import PAPER_ANNOTATION_SOURCE
from gaze_insight.insight.curves import Curve, Mark, line_chart
from gaze_insight.insight.rendering import as_yaml, duration_words, share
from gaze_insight.insight.study_page import StudyContent, StudyFigure, StudyNumber, StudyTable
from gaze_insight.workflow.studies.pages import (
    BAND,
    count_facts,
    estimate_cell,
    interval_words,
    plain_settings,
    standing_warnings,
    strata_curves,
    today,
)
from gaze_insight.workflow.studies.time import TimeLevel, TimeStudy

__all__ = ["time_page"]

_KINDS = {"mask": "mask", "box": "box", "point": "points", "scribble": "scribble", "gaze": "gaze"}


def time_page(study: TimeStudy, command: str = "") -> StudyContent:
    """Tell a study of quality against seconds.

    Args:
        study: What was found.
        command: The command that repeats it.

    Returns:
        The page's content.
    """
    whole = study.levels[-1]
    return StudyContent(
        title=f"Quality against seconds: {study.cohort}",
        lead="How long must one look at an image for a good pseudo-mask?",
        verdict=_verdict(study),
        numbers=_numbers(study, whole),
        warnings=standing_warnings(study.cases, study.simulated, study.failed),
        figures=_figures(study),
        tables=[_table(study), _costs(study)],
        method=[
            "Each recorded scan path is cut t seconds after its first fixation began; the fixation under way "
            "is shortened. The pseudo-mask is made from what is left, by the same recipe at every t, and "
            "compared with the true mask at the mask's own size. A reading that ended before t is used whole "
            "and costs only what it took.",
            "Seconds are those of the recording, from the first fixation's start to the last one's end. "
            "Calibration, breaks and the time before the first fixation are not in them.",
            "Nobody was hurried when these readings were recorded; somebody with a limit might look in "
            "another order.",
        ],
        facts=count_facts(study.cohort, study.cases, study.left_out, len(study.failed)),
        settings=as_yaml(plain_settings(study.settings, study.labels)),
        command=command,
        created=today(),
        version=__version__,
    )


def _verdict(study: TimeStudy) -> str:
    whole, tolerance = study.levels[-1], study.settings.tolerance_dice
    start = f"Whole readings take {whole.mean_s:.1f} s an image and give Dice {whole.dice['all'].mean:.3f}."
    if study.enough_s is None:
        return (
            f"{start} No limit that was tried stays within {tolerance:g} Dice of that at the upper end of "
            "the 95 % interval of the paired loss."
        )
    level = next(level for level in study.levels if level.limit_s == study.enough_s)
    return (
        f"{start} Cut after {study.enough_s:g} s they give {level.dice['all'].mean:.3f} for "
        f"{100 * level.mean_s / whole.mean_s:.0f} % of the time, within {tolerance:g} Dice of whole readings "
        "at the upper end of the 95 % interval of the paired loss."
    )


def _numbers(study: TimeStudy, whole: TimeLevel) -> list[StudyNumber]:
    all_images = whole.dice["all"]
    numbers = [
        StudyNumber("Dice of whole readings", f"{all_images.mean:.3f}", interval_words(all_images)),
        StudyNumber("Looking time an image", f"{whole.mean_s:.1f} s", "mean of whole readings"),
        StudyNumber(
            "Looking time in all",
            duration_words(3600 * whole.hours),
            f"{study.cases:,} images, as recorded",
        ),
    ]
    if study.enough_s is not None:
        numbers.append(
            StudyNumber("Enough", f"{study.enough_s:g} s", f"loss below {study.settings.tolerance_dice:g}")
        )
    return numbers


def _figures(study: TimeStudy) -> list[StudyFigure]:
    cut = [level for level in study.levels if level.limit_s is not None]
    band = BAND.format(resamples=study.settings.resamples)
    whole = study.levels[-1].dice["all"]
    limits = [float(level.limit_s or 0.0) for level in cut]
    seconds = [level.mean_s for level in study.levels]
    cost = Curve(
        "pseudo-mask from gaze, measured here",
        seconds,
        [level.dice["all"].mean for level in study.levels],
        [level.dice["all"].low for level in study.levels],
        [level.dice["all"].high for level in study.levels],
    )
    marks = [Mark(value, f"{_KINDS[kind]} {value:.1f} s") for kind, value in study.reported_s.items()]
    return [
        StudyFigure(
            "dice-over-seconds",
            "Dice over seconds of looking",
            line_chart(
                strata_curves(limits, [level.dice for level in cut]),
                name="dice-over-seconds",
                label="Mean Dice of the pseudo-mask over the seconds after which readings are cut",
                x_label="reading cut after, s",
                y_label="mean Dice of the pseudo-mask",
                level=whole.mean,
                level_title="all images, whole readings",
                y_range=(0, 1),
            ),
            f"Mean Dice of the pseudo-mask against the true mask, made from the first t seconds of each "
            f"recorded scan path, for all {study.cases:,} images and by the share of the image that the "
            f"lesion covers; {band}. The dashed line is the mean over all images for whole readings.",
        ),
        StudyFigure(
            "dice-over-cost",
            "What a second buys",
            line_chart(
                [cost],
                name="dice-over-cost",
                label="Mean Dice of the pseudo-mask over mean seconds spent an image, with reported costs",
                x_label="mean time spent an image, s (logarithmic)",
                y_label="mean Dice of the pseudo-mask",
                marks=marks,
                log_x=True,
                y_range=(0, 1),
                ticks=[(place, f"{place:g}") for place in (0.5, 1, 2, 5, 10, 20, 50, 100)],
            ),
            f"The same mean Dice over the seconds actually spent an image (a reading that ended early costs "
            f"less than the limit); {band}. Vertical lines: reported annotation times of gaze, scribbles, "
            f"boxes, points and masks ({PAPER_ANNOTATION_SOURCE}).",
        ),
    ]


def _table(study: TimeStudy) -> StudyTable:
    strata = list(study.levels[-1].dice)
    columns = ("Cut after", "Time an image", "Time in all", "Still looking", "Fixations", *_heads(strata))
    rows = [
        (
            "not cut" if level.limit_s is None else f"{level.limit_s:g} s",
            f"{level.mean_s:.2f} s",
            f"{level.hours:.2f} h",
            share(level.still_looking, 0),
            f"{level.fixations:.1f}",
            *(estimate_cell(level.dice[name]) for name in strata),
            "–" if level.limit_s is None else estimate_cell(level.loss),
        )
        for level in study.levels
    ]
    marked = [place for place, level in enumerate(study.levels) if level.limit_s == study.enough_s]
    return StudyTable(
        "The numbers",
        "Mean Dice with its 95 % bootstrap interval, by size of the lesion; the loss is that of whole "
        "readings minus that of cut ones on the same images.",
        (*columns, "Loss"),
        rows,
        marked if study.enough_s is not None else (),
    )


def _heads(strata: list[str]) -> list[str]:
    return ["Dice, all" if name == "all" else f"Dice, lesion {name}" for name in strata]


def _costs(study: TimeStudy) -> StudyTable:
    """Reported seconds of other kinds of annotation, beside what gaze took here."""
    whole = study.levels[-1]
    rows = [("gaze, measured here", f"{whole.mean_s:.1f} s", duration_words(3600 * whole.hours), "recorded")]
    rows += [
        (
            f"{_KINDS[kind]}, reported",
            f"{seconds:.1f} s",
            duration_words(seconds * study.cases),
            f"{seconds / whole.mean_s:.1f} ×",
        )
        for kind, seconds in sorted(study.reported_s.items(), key=lambda pair: pair[1])
    ]
    return StudyTable(
        "Beside other kinds of annotation",
        f"Reported: {PAPER_ANNOTATION_SOURCE}. Those seconds were taken by other people in another setting.",
        ("Annotation", "Time an image", f"For {study.cases:,} images", "Against gaze here"),
        rows,
        (0,),
    )
