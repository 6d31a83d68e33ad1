"""The page of `study shift`, and the same as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gaze_insight import __version__
from gaze_insight.evaluation.corruptions import CORRUPTIONS
from gaze_insight.insight.curves import Curve
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.insight.small_multiples import Panel, panel_chart
from gaze_insight.insight.study_page import (
    StudyContent,
    StudyFigure,
    StudyNumber,
    StudyPictures,
    StudyTable,
)
from gaze_insight.workflow.studies.pages import (
    count_facts,
    estimate_cell,
    estimate_text,
    interval_words,
    standing_warnings,
    today,
)
from gaze_insight.workflow.studies.scoring import Estimate
from gaze_insight.workflow.studies.shift import ShiftStudy
from gaze_insight.workflow.studies.shift_estimates import MEAN, ShiftDifference, ShiftMean
from gaze_insight.workflow.studies.shift_scoring import CLEAN

__all__ = ["shift_markdown", "shift_page"]

_LEAST_HIDDEN = 0.0005


def shift_page(study: ShiftStudy, command: str = "", pictures: Sequence[StudyPictures] = ()) -> StudyContent:
    """Tell a study of corrupted images.

    Args:
        study: What was found.
        command: The command that repeats it.
        pictures: Rows of example pictures, from `shift_pictures`.

    Returns:
        The page's content.
    """
    settings = study.settings
    return StudyContent(
        title=f"Corrupted images: {study.cohort}",
        lead="How much do trained runs lose when the image is worse than those they were trained on?",
        verdict=_verdict(study),
        numbers=[
            StudyNumber(f"Loss of {one.line}", f"{one.loss.mean:.3f}", f"Dice; {interval_words(one.loss)}")
            for one in study.means
            if one.corruption == MEAN
        ],
        warnings=_warnings(study),
        figures=[_figure(study)],
        pictures_title="What the corruptions look like",
        pictures=pictures,
        tables=[_dice_table(study), _loss_table(study), *_difference_tables(study), _parameters(study)],
        method=_method(study),
        facts={
            **count_facts(study.cohort, study.cases, study.left_out, len(study.failed)),
            "Split": study.split,
            **{f"Runs of {line}": ", ".join(folders) for line, folders in study.lines.items()},
            "Corruptions": str(len(settings.corruptions)),
            "Severities": ", ".join(map(str, settings.severities)),
            "Seed": str(settings.seed),
        },
        settings=as_yaml({"study": settings.model_dump(mode="json", exclude={"area_edges_frac"})}),
        command=command,
        created=today(),
        version=__version__,
    )


def shift_markdown(content: StudyContent) -> str:
    """Write the words and tables of a page as Markdown.

    Args:
        content: The page's content.

    Returns:
        The text.

    Example:
        >>> table = StudyTable("Dice", "", ("line", "clean"), (("a", "0.8"),))
        >>> print(shift_markdown(StudyContent("T", "l", "It holds.", tables=[table])))
        # T
        <BLANKLINE>
        It holds.
        <BLANKLINE>
        ## Dice
        <BLANKLINE>
        | line | clean |
        |---|---|
        | a | 0.8 |
        <BLANKLINE>
    """
    parts = [f"# {content.title}", content.verdict, *(f"Please note: {one}" for one in content.warnings)]
    for table in content.tables:
        lines = [_line(table.columns), "|" + "---|" * len(table.columns), *map(_line, table.rows)]
        parts += [f"## {table.title}", *([table.caption] if table.caption else []), "\n".join(lines)]
    if content.facts:
        parts.append("\n".join(f"- {name}: {value}" for name, value in content.facts.items()))
    if content.command:
        parts.append(f"```\n{content.command}\n```")
    return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    plain = (cell.replace("\n", " ").replace("|", "/") for cell in cells)
    return f"| {' | '.join(plain)} |"


def _title(name: str) -> str:
    known = {CLEAN: "as they are", MEAN: "mean of all"}
    return known.get(name) or CORRUPTIONS[name].title


def _names(study: ShiftStudy) -> tuple[str, ...]:
    return (CLEAN, *study.settings.corruptions, MEAN)


def _mean(study: ShiftStudy, line: str, name: str) -> ShiftMean:
    return next(one for one in study.means if (one.line, one.corruption) == (line, name))


def _verdict(study: ShiftStudy) -> str:
    parts = []
    for line in study.lines:
        clean, here = _mean(study, line, CLEAN), _mean(study, line, MEAN)
        loss = estimate_text(here.loss)
        parts.append(f"{line} falls from Dice {clean.dice.mean:.3f} to {here.dice.mean:.3f} (loss {loss})")
    sentences = [f"Over the corruptions, {'; '.join(parts)}."]
    for one in study.differences:
        if one.corruption == MEAN:
            sentences.append(
                f"Loss of {one.line} minus that of {one.reference} on the same images: "
                f"{estimate_text(one.loss)}{_told(one.loss)}."
            )
    return " ".join(sentences)


def _told(difference: Estimate) -> str:
    if math.isnan(difference.low):
        return ""
    return ", within noise" if difference.low <= 0 <= difference.high else ""


def _warnings(study: ShiftStudy) -> list[str]:
    warnings = standing_warnings(study.cases, 0, study.failed)
    for path, count in study.seen.items():
        if count:
            warnings.append(
                f"The run {path} learned from, or was watched with, {count} of these {study.cases} images; "
                "its Dice is too good."
            )
    if any(len(folders) < 2 for folders in study.lines.values()):
        warnings.append(
            "Where a line is one run with one seed, its intervals hold the sampling of images alone; another "
            "seed could differ by more."
        )
    hidden = max(study.hidden_frac.values(), default=0.0)
    if hidden >= _LEAST_HIDDEN:
        warnings.append(
            "The black corners of another scope hide part of the lesions that the true masks still count: "
            f"{100 * hidden:.1f} % of a lesion on average at the highest severity."
        )
    return warnings


def _figure(study: ShiftStudy) -> StudyFigure:
    panels = [
        Panel(_title(name), [_curve(study, line, name) for line in study.lines])
        for name in (*study.settings.corruptions, MEAN)
    ]
    seeds = any(len(folders) > 1 for folders in study.lines.values())
    return StudyFigure(
        "dice-over-severity",
        "Dice over severity",
        panel_chart(
            panels,
            name="shift",
            label="Mean Dice over severity, one panel a corruption and one line a run",
            x_label="severity",
            y_label="mean Dice",
            y_range=(0, 1),
        ),
        f"Mean Dice of {study.cases:,} images over the severity of each corruption; 0 is the images as they "
        f"are. The band is a pointwise 95 % bootstrap interval over images{' and seeds' if seeds else ''} "
        f"({study.settings.resamples:,} resamples).",
        wide=True,
    )


def _curve(study: ShiftStudy, line: str, name: str) -> Curve:
    found = [one for one in study.levels if one.line == line and one.corruption in (CLEAN, name)]
    found.sort(key=lambda one: one.severity)
    drawn = not any(math.isnan(one.dice.low) for one in found)
    return Curve(
        line,
        [float(one.severity) for one in found],
        [one.dice.mean for one in found],
        [one.dice.low for one in found] if drawn else (),
        [one.dice.high for one in found] if drawn else (),
    )


def _dice_table(study: ShiftStudy) -> StudyTable:
    rows = [
        (_title(name), *(estimate_cell(_mean(study, line, name).dice) for line in study.lines))
        for name in _names(study)
    ]
    return StudyTable(
        "Dice by corruption",
        "Mean over the severities, with its 95 % bootstrap interval.",
        ("Images", *study.lines),
        rows,
        marked=(len(rows) - 1,),
    )


def _loss_table(study: ShiftStudy) -> StudyTable:
    severities = study.settings.severities
    rows = []
    for name in (*study.settings.corruptions, MEAN):
        for line in study.lines:
            found = {
                one.severity: one.loss for one in study.levels if (one.line, one.corruption) == (line, name)
            }
            mean = _mean(study, line, name).loss
            rows.append(
                (_title(name), line, *(estimate_cell(found[one]) for one in severities), estimate_cell(mean))
            )
    heads = ("Images", "Run", *(f"Severity {one}" for one in severities), "Mean")
    places = range(len(rows) - len(study.lines), len(rows))
    caption = "Dice on the images as they are, minus Dice on the corrupted ones; the same images in both."
    return StudyTable("Loss of Dice by severity", caption, heads, rows, marked=tuple(places))


def _difference_tables(study: ShiftStudy) -> list[StudyTable]:
    tables = []
    for line in dict.fromkeys(one.line for one in study.differences):
        found = [one for one in study.differences if one.line == line]
        rows = [_difference_row(one) for one in found]
        tables.append(
            StudyTable(
                f"{line} minus {study.reference}",
                "Paired by image, mean over the severities, 95 % bootstrap intervals. Difference of Dice: "
                f"above 0 where {line} is better. Difference of losses: below 0 where {line} loses less.",
                ("Images", "Difference of Dice", "Difference of losses"),
                rows,
                marked=(len(rows) - 1,),
            )
        )
    return tables


def _difference_row(one: ShiftDifference) -> tuple[str, str, str]:
    loss = "–" if one.corruption == CLEAN else estimate_cell(one.loss)
    return _title(one.corruption), estimate_cell(one.dice), loss


def _parameters(study: ShiftStudy) -> StudyTable:
    severities = study.settings.severities
    rows = []
    for name in study.settings.corruptions:
        kind = CORRUPTIONS[name]
        rows.append((kind.title, kind.parameter, *(f"{kind.value(one):g}" for one in severities)))
    heads = ("Corruption", "Parameter", *(f"Severity {one}" for one in severities))
    return StudyTable("What the severities are", "", heads, rows)


def _method(study: ShiftStudy) -> list[str]:
    return [
        "Each image is corrupted once for all runs; nothing in it moves, so its true mask stays. What is "
        "drawn at random (a direction, the places of highlights, noise) is equal at all severities of an "
        "image. The runs see the corrupted image alone and were not trained for it; Dice is taken at the "
        "true mask's own size, at each run's own threshold.",
        "A corruption counts as the mean over its severities, and the mean of all as the mean over "
        "corruptions. Images are resampled whole, with all that was made of them; runs of one name are seeds "
        "of one line, and where both lines have two or more, seeds are resampled too.",
        "Two models with another Dice on clean images can lose alike: the difference of losses asks who "
        "suffers more, the difference of Dice who is better then.",
    ]
