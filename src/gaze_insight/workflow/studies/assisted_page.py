"""The page of `study assisted`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gaze_insight import __version__
from gaze_insight.insight.curves import Curve, line_chart
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.insight.study_page import StudyContent, StudyFigure, StudyNumber, StudyPictures, StudyTable
from gaze_insight.workflow.studies.assisted import AssistedLevel, AssistedStudy
from gaze_insight.workflow.studies.pages import (
    BAND,
    count_facts,
    estimate_cell,
    estimate_text,
    interval_words,
    standing_warnings,
    today,
)
from gaze_insight.workflow.studies.scoring import Estimate

__all__ = ["assisted_page"]

_TITLES = {
    "": "as recorded",
    "offset_frac": "offset",
    "jitter_sd_frac": "imprecision",
    "dropout": "fixations lost",
    "extra": "spurious fixations",
    "annotator_swap": "readings of another image",
}
_AXES = {
    "offset_frac": "shift of a whole reading, % of the image's side",
    "jitter_sd_frac": "sd of each fixation's error, % of the image's side",
    "dropout": "fixations lost, %",
    "extra": "spurious fixations, % of the true ones",
    "annotator_swap": "readings replaced by that of another image, %",
}
_WAYS = (("gain", "recording known"), ("gain_single", "each image for itself"))


def assisted_page(
    study: AssistedStudy, command: str = "", pictures: Sequence[StudyPictures] = ()
) -> StudyContent:
    """Tell what gaze at the reading adds.

    Args:
        study: What was found.
        command: The command that repeats it.
        pictures: Rows of pictures.

    Returns:
        The page's content.
    """
    recorded, worst = study.levels[0], study.worst
    safe = worst.gain.mean >= -study.settings.tolerance_dice
    return StudyContent(
        title=f"Gaze-assisted prediction: {study.cohort}, {study.split}",
        lead="What does it add to know where the reader of an image looked, and what does poor gaze cost?",
        verdict=_verdict(study, safe),
        severity="ok" if safe and recorded.gain.mean > 0 else "warning",
        numbers=[
            StudyNumber("Image and gaze", f"{recorded.assisted.mean:.3f}", interval_words(recorded.assisted)),
            StudyNumber("Image alone", f"{recorded.image.mean:.3f}", interval_words(recorded.image)),
            StudyNumber("Gaze alone", f"{recorded.gaze.mean:.3f}", interval_words(recorded.gaze)),
            StudyNumber(
                f"Worst gaze tried: {_level_name(worst)}",
                f"{worst.gain.mean:+.3f}",
                f"Dice against the image alone; {interval_words(worst.gain)}",
            ),
        ],
        warnings=_warnings(study),
        figures=[
            _figure(study, dial, place)
            for place, dial in enumerate(dict.fromkeys(one.dial for one in study.levels if one.dial))
        ],
        pictures_title="From the largest gain to the largest loss, with gaze as recorded",
        pictures=pictures,
        tables=[_table(study)],
        method=[
            "Network and gaze vote are joined by one weight an image, told from how well both fit together "
            "and how good the gaze looks; no true mask is read. Where the recording is known, the mean "
            "agreement on its other images takes part: a tracker that is off is off on all of them.",
            "All readings are made worse alike, one dial at a time. The network's prediction stays the same.",
        ],
        facts={
            **count_facts(study.cohort, study.cases, study.left_out, 0),
            "Predicted out of fold": f"{study.out_of_fold:,}",
            "Run": study.run,
            "Fusion": study.fusion.source or "no source stated",
            "Seed": str(study.settings.seed),
        },
        settings=as_yaml(
            {"study": study.settings.model_dump(mode="json"), "fusion": study.fusion.model_dump(mode="json")}
        ),
        command=command,
        created=today(),
        version=__version__,
    )


def _verdict(study: AssistedStudy, safe: bool) -> str:
    recorded, worst = study.levels[0], study.worst
    gain = f"Gaze changes the mean Dice by {estimate_text(recorded.gain)}"
    bound = study.settings.tolerance_dice
    rest = (
        f"no kind of poor gaze costs more than {bound:g} against the image alone"
        if safe
        else f"{_level_name(worst)} costs {-worst.gain.mean:.3f} against the image alone"
    )
    return f"{gain}, from {recorded.image.mean:.3f} to {recorded.assisted.mean:.3f}; {rest}."


def _warnings(study: AssistedStudy) -> list[str]:
    found = standing_warnings(study.cases, study.simulated, {})
    if study.fitted is not None:
        found.append(
            "A fusion was fitted on these very cases; the numbers here are not those of that fusion."
        )
    return found


def _level_name(one: AssistedLevel) -> str:
    return f"{_TITLES[one.dial]}, {100 * one.level:g} %" if one.dial else _TITLES[""]


def _figure(study: AssistedStudy, dial: str, place: int) -> StudyFigure:
    levels = [study.levels[0], *(one for one in study.levels if one.dial == dial)]
    curves = []
    for name, title in _WAYS:
        means: list[Estimate] = [getattr(one, name) for one in levels]
        drawn = not math.isnan(means[0].low)
        curves.append(
            Curve(
                title,
                tuple(one.level for one in levels),
                tuple(one.mean for one in means),
                tuple(one.low for one in means) if drawn else (),
                tuple(one.high for one in means) if drawn else (),
            )
        )
    name = dial.replace("_", "-")
    title = _TITLES[dial]
    return StudyFigure(
        name,
        title[0].upper() + title[1:],
        line_chart(
            curves,
            name=f"assisted-{place}-{name}",
            label=f"Mean gain of Dice by gaze over {_AXES[dial]}",
            x_label=_AXES[dial],
            y_label="gain of Dice against the image alone",
            level=0.0,
            level_title="image alone",
            percent_x=True,
        ),
        f"Mean difference of Dice, paired over {study.cases:,} images; "
        f"{BAND.format(resamples=study.settings.resamples)}.",
    )


def _table(study: AssistedStudy) -> StudyTable:
    rows = [
        (
            _level_name(one),
            *(estimate_cell(getattr(one, name)) for name in ("image", "gaze", "single", "assisted")),
            estimate_cell(one.gain_single),
            estimate_cell(one.gain),
            f"{100 * one.share:.0f} %",
        )
        for one in study.levels
    ]
    heads = (
        "Gaze",
        "Image alone",
        "Gaze alone",
        "Both, single",
        "Both",
        "Gain, single",
        "Gain",
        "Gaze share",
    )
    caption = (
        "Mean Dice with its 95 % bootstrap interval; gains are against the image alone on the same images. "
        "“Single” judges each image for itself, as where one image is predicted; the others know the "
        "recording."
    )
    return StudyTable("Dice by kind of gaze", caption, heads, rows, marked=(0,))
