"""The page of `study noise`."""

from __future__ import annotations

from dataclasses import dataclass

from gaze_insight import __version__
from gaze_insight.insight.curves import line_chart
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.insight.study_page import StudyContent, StudyFigure, StudyNumber, StudyTable
from gaze_insight.workflow.studies.noise import NoiseStudy
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

__all__ = ["noise_page"]


@dataclass(frozen=True)
class _Dial:
    title: str
    axis: str
    meaning: str


_DIALS = {
    "offset_frac": _Dial(
        "Constant offset",
        "shift of a whole reading, % of the image's side",
        "every reading is shifted by this length, each in one random direction",
    ),
    "jitter_sd_frac": _Dial(
        "Imprecision",
        "sd of each fixation's error, % of the image's side",
        "every fixation is moved by an independent normal error on both axes",
    ),
    "dropout": _Dial("Lost fixations", "fixations lost, %", "each fixation is lost with this chance"),
    "extra": _Dial(
        "Spurious fixations",
        "spurious fixations, % of the true ones",
        "fixations anywhere on the image are added, as long as true ones",
    ),
    "annotator_swap": _Dial(
        "Wrong image",
        "readings replaced by that of another image, %",
        "each reading is replaced, with this chance, by the reading of another image",
    ),
}


def noise_page(study: NoiseStudy, command: str = "") -> StudyContent:
    """Tell a study of robustness to noise.

    Args:
        study: What was found.
        command: The command that repeats it.

    Returns:
        The page's content.
    """
    clean = next(iter(study.dials.values()))[0].dice["all"]
    repeats = study.settings.repeats
    return StudyContent(
        title=f"Robustness to noise: {study.cohort}",
        lead="How much worse may a recording be before its pseudo-masks suffer?",
        verdict=_verdict(study),
        numbers=[
            StudyNumber("Dice as recorded", f"{clean.mean:.3f}", interval_words(clean)),
            *(
                StudyNumber(
                    f"{_DIALS[dial].title}: borne",
                    f"> {100 * study.dials[dial][-1].level:g} %" if level is None else f"{100 * level:.1f} %",
                    f"until Dice has fallen by {study.settings.tolerance_dice:g}",
                )
                for dial, level in study.borne.items()
            ),
        ],
        warnings=standing_warnings(study.cases, study.simulated, study.failed),
        figures=[_figure(study, dial) for dial in study.dials],
        tables=[_table(study, dial) for dial in study.dials],
        method=[
            "One dial is turned at a time on the readings as they were recorded; the recipe of the "
            "pseudo-masks stays. The recordings hold noise of their own already, so 0 means no more noise "
            "than there was.",
            f"Noise was drawn {repeats} {'time' if repeats == 1 else 'times'} for each image, whose Dice is "
            "the mean over these. An image draws equal random numbers at all levels of a dial, so that "
            "differences between levels are not those of another draw. The spread between repeats is that of "
            "the mean over all images.",
            "Fixations that noise moves off the image stay in the reading, as a tracker would have recorded "
            "them.",
        ],
        facts={
            **count_facts(study.cohort, study.cases, study.left_out, len(study.failed)),
            "Repeats": str(repeats),
            "Seed": str(study.settings.seed),
        },
        settings=as_yaml(plain_settings(study.settings, study.labels)),
        command=command,
        created=today(),
        version=__version__,
    )


def _verdict(study: NoiseStudy) -> str:
    parts = []
    for dial, level in study.borne.items():
        tried = study.dials[dial][-1].level
        words = f"over {100 * tried:g} %" if level is None else f"{100 * level:.1f} %"
        parts.append(f"{_DIALS[dial].title.lower()} {words}")
    return f"The pseudo-masks lose {study.settings.tolerance_dice:g} Dice at: {'; '.join(parts)}."


def _figure(study: NoiseStudy, dial: str) -> StudyFigure:
    words, levels = _DIALS[dial], study.dials[dial]
    band = BAND.format(resamples=study.settings.resamples)
    repeats = study.settings.repeats
    name = dial.replace("_", "-")
    return StudyFigure(
        name,
        words.title,
        line_chart(
            strata_curves([level.level for level in levels], [level.dice for level in levels]),
            name=name,
            label=f"Mean Dice of the pseudo-mask over {words.axis}",
            x_label=words.axis,
            y_label="mean Dice of the pseudo-mask",
            percent_x=True,
            y_range=(0, 1),
        ),
        f"Mean Dice of the pseudo-mask against the true mask where {words.meaning}, for all "
        f"{study.cases:,} images and by the share of the image that the lesion covers, mean of {repeats} "
        f"{'draw' if repeats == 1 else 'draws'} of the noise; {band}.",
    )


def _table(study: NoiseStudy, dial: str) -> StudyTable:
    levels = study.dials[dial]
    strata = list(levels[0].dice)
    heads = ["Dice, all" if name == "all" else f"Dice, lesion {name}" for name in strata]
    rows = [
        (
            f"{100 * level.level:g} %",
            *(estimate_cell(level.dice[name]) for name in strata),
            estimate_cell(level.loss) if level.level else "–",
            f"{level.repeat_sd:.4f}" if level.level and study.settings.repeats > 1 else "–",
        )
        for level in levels
    ]
    return StudyTable(
        _DIALS[dial].title,
        f"Level: {_DIALS[dial].axis}. Mean Dice with its 95 % bootstrap interval; loss against no noise on "
        "the same images; standard deviation of the mean between repeats.",
        ("Level", *heads, "Loss", "Between repeats"),
        rows,
    )
