"""The page of `study words`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaze_insight import __version__
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.inference.word_effects import AREA, BLANK, NO_WORDS, OTHER_CASE
from gaze_insight.insight.curves import Interval
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.insight.study_page import StudyContent, StudyFigure, StudyNumber, StudyPictures, StudyTable
from gaze_insight.insight.words_figures import attention_limit, change_limit, difference_chart
from gaze_insight.insight.words_section import FIELD_TITLES, attention_tiles, change_tiles
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.noisy_gaze import with_noisy_gaze
from gaze_insight.workflow.studies.assisted_pictures import examples_of
from gaze_insight.workflow.studies.pages import (
    count_facts,
    estimate_cell,
    estimate_text,
    interval_words,
    standing_warnings,
    today,
)
from gaze_insight.workflow.studies.scoring import Estimate
from gaze_insight.workflow.studies.words import FieldEffect, WordStudy
from gaze_insight.workflow.word_effects import ask_cases
from gaze_insight.workflow.words_report import words_case

__all__ = ["words_page", "words_pictures"]

_LEAST_WAY = 0.01
_CONTROLS = (OTHER_CASE, BLANK, NO_WORDS)
_TITLES = {**FIELD_TITLES, OTHER_CASE: "Words of another case", BLANK: "Blank words", NO_WORDS: "No words"}


def words_page(study: WordStudy, command: str = "", pictures: Sequence[StudyPictures] = ()) -> StudyContent:
    """Tell where the words act.

    Args:
        study: What was found.
        command: The command that repeats it.
        pictures: Rows of pictures.

    Returns:
        The page's content.
    """
    return StudyContent(
        title=f"Where the words act: {study.cohort}, {study.split}",
        lead="What moves in the teacher's outline when one word of the description is another, and which "
        "words does each place of the image ask for?",
        verdict=_verdict(study),
        severity="ok" if _follows_the_place(study) else "warning",
        numbers=_numbers(study),
        warnings=_warnings(study),
        figures=_figures(study),
        pictures_title="Cases from the one that moves most with its location to the one that moves least",
        pictures=pictures,
        tables=[table for table in (_fields(study), _words(study), _attention(study)) if table.rows],
        method=[
            "Each field of each case's words was replaced by every other word of its vocabulary, one at a "
            "time; the described area was multiplied. Everything else stayed: image, weights, the other "
            "words. The answers are those of the teacher as it is evaluated (with flips=false without its "
            "mirror images), at the network's input size. Where a run weighs words by a check, a case "
            "keeps the weight of its own words. A case counts once: its changes of one field are averaged "
            "first.",
            "Controls: the words of another case of the study, words that say nothing, and no words. They "
            "change every field at once, and no single field should be expected to move more than them.",
            "Attention is read on the image as it is. It is given as a multiple of what the field would get "
            "if all tokens were alike, averaged over heads. It tells where a word is read, not what it does.",
        ],
        facts={
            **count_facts(study.cohort, study.cases, study.left_out, 0),
            "With a true mask": f"{study.scored:,}",
            "Run": study.run,
            "Reads the words": study.head,
            "Describer": study.describer,
            "Mean probability, own words": estimate_text(study.area),
        },
        settings=as_yaml(study.settings.model_dump(mode="json")),
        command=command,
        created=today(),
        version=__version__,
    )


def words_pictures(
    run: Path, cohort: Cohort, study: WordStudy, count: int = 2, *, device: str = "auto"
) -> list[StudyPictures]:
    """Show cases from the one that moves most with its location to the one that moves least.

    Args:
        run: The run.
        cohort: The study's cohort.
        study: What was found.
        count: Cases.
        device: Where to compute.

    Returns:
        Two rows of pictures a case: where each field is asked, and what its strongest change moves.
    """
    moved: dict[str, list[float]] = {}
    for row in study.per_case:
        if row["field"] == "location":
            moved.setdefault(row["id"], []).append(row["moved"])
    ids = list(moved)
    chosen = [ids[place] for place in examples_of([sum(moved[id]) for id in ids], count)]
    if not chosen:
        return []
    config = RunFolder(run).config()
    seen = with_noisy_gaze(cohort, config.gaze_noise, config.seed).cohort
    found = describe(seen, config.language, config.labels, cases=[seen.cases[id] for id in chosen])
    predictor = load_predictor(run, device=device, flips=None if study.settings.flips else False)
    described, factors = {id: found[id] for id in chosen}, study.settings.area_factors
    asked = ask_cases(predictor, seen, config, described, area_factors=factors)
    shown = [words_case(one, "", config.prediction.threshold) for one in asked]
    attention = attention_limit([maps.mean(axis=0) for one in shown for maps in one.attention.values()])
    change = change_limit([c.after - one.before for one in shown for c in one.changes])
    rows = []
    for one in shown:
        tiles = attention_tiles(one, attention)
        if tiles:
            full = f"full orange: {attention:g} times the average word, full blue: {attention:g} times less"
            rows.append(StudyPictures(f"{one.id}: where each word is read ({full})", tiles))
        full = (
            f"full orange: {100 * change:g} % more likely lesion, full blue: less; white before, pink after"
        )
        rows.append(StudyPictures(f"{one.id}: what another word changes ({full})", change_tiles(one, change)))
    return rows


def _verdict(study: WordStudy) -> str:
    location, none = study.effect("location"), study.effect(NO_WORDS)
    parts = []
    if location is not None:
        found = location.measures
        verb = "draws" if _follows_the_place(study) else "does not draw"
        parts.append(
            f"Naming another place {verb} the teacher's outline towards it: the probability's centre goes "
            f"{_percent(found['towards'])} of the image's side, the probability itself moves by "
            f"{_percent(found['moved'])} of the image, and the outlines keep a Dice of "
            f"{estimate_text(found['dice'])}."
        )
    if none is not None:
        kept = estimate_text(none.measures["dice"])
        parts.append(f"Without any words, the outline keeps a Dice of {kept} with the one they gave.")
    among = [one for one in study.fields if one.field not in _CONTROLS]
    most = max(among, key=lambda one: one.measures["moved"].mean)
    least = min(among, key=lambda one: one.measures["moved"].mean)
    parts.append(f"{_TITLES[most.field]} moves most, {_TITLES[least.field].lower()} least.")
    return " ".join(parts)


def _follows_the_place(study: WordStudy) -> bool:
    """Whether the centre goes at least 1 % of the image's side to a named place, and surely some way."""
    location = study.effect("location")
    if location is None or not location.measures["towards"].n:
        return False
    towards = location.measures["towards"]
    return towards.mean >= _LEAST_WAY and not towards.low <= 0


def _scaled(one: Estimate, factor: float, digits: int) -> Estimate:
    """Multiply and round; adding 0 takes the sign off a zero."""
    mean, low, high = (round(factor * value, digits) + 0.0 for value in (one.mean, one.low, one.high))
    return Estimate(mean, low, high, one.n)


def _percent(one: Estimate) -> str:
    return f"{estimate_text(_scaled(one, 100, 2), 2)} %"


def _numbers(study: WordStudy) -> list[StudyNumber]:
    wanted = (
        ("location", "", "moved", "Probability moved by another location", 100.0),
        ("location", "", "towards", "Centre towards the named place", 100.0),
        (AREA, "x 2", "area_change", "Mean probability at twice the area", 100.0),
        (NO_WORDS, "", "dice", "Dice left without words", 1.0),
    )
    numbers = []
    for field, value, name, what, factor in wanted:
        effect = study.effect(field, value)
        one = None if effect is None else effect.measures[name]
        if one is not None and one.n:
            scaled = _scaled(one, factor, 3 if name == "dice" else 2)
            text = f"{scaled.mean:+.2f} %" if name != "dice" else f"{scaled.mean:.3f}"
            numbers.append(
                StudyNumber(
                    what, text.replace("+", "") if name == "moved" else text, interval_words(scaled, 2)
                )
            )
    return numbers


def _warnings(study: WordStudy) -> list[str]:
    found = standing_warnings(study.cases, study.simulated, {})
    if not study.attention:
        found.append("This teacher fuses words in another way; its attention cannot be shown.")
    found.append(
        "This is one run with one seed; another training may lean on other words. The model to use, the "
        "student, reads no words."
    )
    return found


def _figures(study: WordStudy) -> list[StudyFigure]:
    drawn = (
        (
            "moved",
            "How far the probability moves",
            "mean absolute change of probability, % of the image",
            100.0,
        ),
        ("loss", "How much of the outline changes", "1 - Dice of the outlines before and after", 1.0),
        ("truth_change", "Against the true mask", "change of Dice with the true mask", 1.0),
    )
    figures = []
    for name, title, axis, factor in drawn:
        rows, controls = [], 0
        for one in study.fields:
            estimate = one.measures["dice" if name == "loss" else name]
            if estimate.n:
                mean, low, high = estimate.mean, estimate.low, estimate.high
                if name == "loss":
                    mean, low, high = 1 - mean, 1 - high, 1 - low
                rows.append(Interval(_TITLES[one.field], factor * mean, factor * low, factor * high))
                controls += one.field in _CONTROLS
        caption = (
            f"Means over {study.cases:,} images with their 95 % bootstrap intervals "
            f"({study.settings.resamples:,} resamples of images, or of patients where they are known). "
            "Squares are controls, which change all words at once."
        )
        svg = difference_chart(
            rows, name=f"words-{name}", label=f"{title}, by field", x_label=axis, controls=controls
        )
        figures.append(StudyFigure(name.replace("_", "-"), title, svg, caption))
    return figures


def _row(one: FieldEffect) -> tuple[str, ...]:
    percent = ("moved", "area_change", "towards", "place_change")
    cells = []
    for name in ("moved", "area_change", "dice", "truth_change", "towards", "place_change"):
        estimate = one.measures[name]
        factor = 100.0 if name in percent else 1.0
        digits = 2 if name in percent else 3
        cells.append(estimate_cell(_scaled(estimate, factor, digits), digits))
    return tuple(cells)


_HEADS = (
    "Probability moved, %",
    "Mean probability, %",
    "Dice with own words",
    "Dice with truth, change",
    "Centre to the named place, %",
    "Probability there, %",
)


def _fields(study: WordStudy) -> StudyTable:
    rows = [(_TITLES[one.field], *_row(one)) for one in study.fields]
    marked = [place for place, one in enumerate(study.fields) if one.field in _CONTROLS]
    caption = (
        "Means with 95 % bootstrap intervals; a case counts once. “Probability moved” is the mean absolute "
        "change over the image, “mean probability” the signed one; both in percentage points. The centre is "
        "the probability's centre of mass, its way in % of the image's sides; places are those that the new "
        "location names. Controls are marked."
    )
    return StudyTable("What moves, by field", caption, ("Changed", *_HEADS), rows, marked)


def _words(study: WordStudy) -> StudyTable:
    rows = [
        (f"{_TITLES[one.field]}: {one.value}\n{one.measures['moved'].n:,} images", *_row(one))
        for one in study.words
    ]
    caption = "Only images whose own word is another one take part in a row, so rows differ in their images."
    return StudyTable("What moves, by new word", caption, ("New word", *_HEADS), rows)


def _attention(study: WordStudy) -> StudyTable:
    rows = [
        (
            FIELD_TITLES.get(one.field, one.field) + ("" if one.stage == 0 else f"\nstage {one.stage}"),
            estimate_cell(one.lesion, 2),
            estimate_cell(one.elsewhere, 2),
        )
        for one in study.attention
    ]
    caption = (
        "Attention as a multiple of what the field would get if all tokens were alike; 1 is indifference. "
        "Inside and outside of the teacher's own outline; first the mean over all fusion stages, then each, "
        "1 being the finest map."
    )
    return StudyTable("Where each field is read", caption, ("Field", "Inside the outline", "Outside"), rows)
