"""The figures and pictures of `study parts`."""

from __future__ import annotations

import numpy as np

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.insight.curves import Curve, line_chart
from gaze_insight.insight.label_pictures import LabelledPicture, part_tiles, part_title
from gaze_insight.insight.parts_figures import Bar, bar_panels, difference_chart, expected_scatter
from gaze_insight.insight.study_page import StudyFigure, StudyPictures
from gaze_insight.pseudomask.recipe import make_pseudo_mask
from gaze_insight.workflow.studies.pages import stratum_title
from gaze_insight.workflow.studies.parts import PartsStudy
from gaze_insight.workflow.studies.parts_quality import GainCurves, QualityValue
from gaze_insight.workflow.studies.parts_scoring import grey_of
from gaze_insight.workflow.studies.scoring import image_and_truth

__all__ = ["part_pictures", "parts_figures", "way_title"]

_COLOURS = {"vote": 0, "voter": 3, "alone": 2, "reference": 1}
_ORDERS = {
    "listed": "look-again list",
    "lowest": "lowest expected Dice first",
    "worst": "truly worst first",
    "random": "at random",
}
_S_PER_H = 3600.0


def way_title(name: str) -> str:
    """Name a way to label in plain words.

    Args:
        name: Of a `PartScores`.

    Returns:
        Words.

    Example:
        >>> way_title("gazemedseg_0.3"), way_title("crf"), way_title("vote")
        ('GazeMedSeg ≥ 0.3', 'Dense CRF', 'The vote')
    """
    reference, _, level = name.partition("gazemedseg_")
    return f"GazeMedSeg ≥ {level}" if not reference and level else part_title(name)


def parts_figures(study: PartsStudy) -> list[StudyFigure]:
    """Draw the figures of a study of parts.

    Args:
        study: What was found.

    Returns:
        The figures with their captions.
    """
    figures = [_dice(study), _differences(study), _trust(study)]
    if study.quality is not None and study.gain is not None:
        figures += [_scatter(study, study.quality), _kept(study.quality), _gain(study, study.gain)]
    return figures


def part_pictures(cohort: Cohort, study: PartsStudy, count: int = 3) -> list[StudyPictures]:
    """Draw each part beside the vote for a few images, from the lowest to the highest Dice of the vote.

    Args:
        cohort: The study's cohort.
        study: What was found.
        count: Images shown at most.

    Returns:
        One row an image.

    Raises:
        DataError: An image or a mask cannot be read.
    """
    ordered = sorted(study.per_case, key=lambda row: (row["dice_vote"], row["id"]))
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    rows = []
    for row in (ordered[place] for place in sorted(set(places.tolist()))):
        case = cohort.cases[row["id"]]
        image, truth = image_and_truth(case)
        image = grey_of(image) if study.settings.grey else image
        if case.fixations is None:
            continue
        mask = make_pseudo_mask(image, case.fixations, study.labels)
        picture = LabelledPicture(
            id=case.id,
            image=image,
            fixations=case.fixations,
            soft=mask.soft,
            sparse=mask.sparse,
            trust=mask.trust,
            parts=mask.parts,
            truth=truth,
            level=study.labels.levels.comprehensive,
            values={name: row[f"dice_{name}"] for name in (*mask.parts, "vote")},
        )
        rows.append(StudyPictures(f"{case.id}: Dice {row['dice_vote']:.2f}", part_tiles(picture)))
    return rows


def _dice(study: PartsStudy) -> StudyFigure:
    panels = {
        stratum_title(name, one.n).replace(" of the image", ""): [
            Bar(way_title(part.name), found.mean, found.low, found.high, _COLOURS[part.role])
            for part in study.parts
            for found in (part.dice[name],)
        ]
        for name, one in study.vote.dice.items()
    }
    return StudyFigure(
        "dice-by-part",
        "Dice of each part, the vote and the published recipe",
        bar_panels(
            panels,
            name="dice-by-part",
            label="Mean Dice of each part, the vote and GazeMedSeg's recipe, by size of the lesion",
            x_label="mean Dice",
        ),
        f"Mean Dice against the true mask for all {study.cases:,} images and by the share of the image that "
        "the lesion covers. Green: parts that vote; violet: other parts alone; blue: the vote; yellow: "
        f"GazeMedSeg's recipe at its two levels. Lines: 95 % percentile bootstrap intervals over images "
        f"({study.settings.resamples:,} resamples).",
        wide=True,
    )


def _differences(study: PartsStudy) -> StudyFigure:
    bars = [
        Bar(way_title(part.name), one.mean, one.low, one.high, _COLOURS[part.role])
        for part in study.parts
        if part.role != "vote"
        for one in (part.difference["all"],)
    ]
    return StudyFigure(
        "vote-minus-part",
        "What the vote adds",
        difference_chart(
            bars,
            name="vote-minus-part",
            label="Difference of Dice between the vote and each part on the same images, with intervals",
            x_label="Dice of the vote minus Dice of this, paired by image",
        ),
        f"Mean over {study.cases:,} images of the difference of Dice on the same image, with its 95 % "
        "percentile bootstrap interval. Right of the line the vote is better.",
    )


def _trust(study: PartsStudy) -> StudyFigure:
    levels = [level for level in study.trust.levels if level.share > 0]
    curve = Curve(
        "pixels of at least some trust",
        [100 * level.share for level in levels],
        [100 * level.error for level in levels],
    )
    used = Curve(
        f"labelled in the sparse mask ({100 * study.trust.share.mean:.0f} %)",
        [100 * study.trust.share.mean],
        [100 * study.trust.error.mean],
    )
    return StudyFigure(
        "trust",
        "Wrong pixels over trust",
        line_chart(
            [curve, used],
            name="trust",
            label="Share of wrong pixels over the share of pixels that are trusted",
            x_label="pixels trusted, % of an image",
            y_label="wrong among them, %",
        ),
        f"Share of wrong labels among the pixels of at least some trust, over their share of the image, for "
        f"trust from 0 (right) to {levels[-1].least_trust:g} (left); means over {study.cases:,} images.",
    )


def _scatter(study: PartsStudy, quality: QualityValue) -> StudyFigure:
    known = [row for row in study.per_case if row["expected_dice"] is not None]
    return StudyFigure(
        "expected-against-true",
        "Expected against true Dice",
        expected_scatter(
            [row["expected_dice"] for row in known],
            [row["dice_vote"] for row in known],
            quality.bins,
            name="expected-against-true",
            note=f"ρ = {quality.rho['all'].mean:.2f}",
        ),
        f"Each of {len(known):,} images by the Dice that was expected without its true mask and the one that "
        "it has; yellow: means of ten equally filled bins. Cases below the frame are drawn on its edge.",
    )


def _kept(quality: QualityValue) -> StudyFigure:
    shares, by_expected, by_truth = (list(column) for column in zip(*quality.kept_curve, strict=True))
    places = [100 * one for one in shares]
    return StudyFigure(
        "kept",
        "Leaving out what is expected to be poor",
        line_chart(
            [
                Curve("lowest expected Dice left out", places, by_expected),
                Curve("truly worst left out", places, by_truth),
            ],
            name="kept",
            label="Mean Dice of the labels kept over the share left out",
            x_label="labels left out, %",
            y_label="mean true Dice of the rest",
            level=by_expected[0],
            level_title="at random",
        ),
        "Mean true Dice of the labels that stay when those of the lowest expected Dice are left out, beside "
        "the best order there is, which needs the truth.",
    )


def _gain(study: PartsStudy, gain: GainCurves) -> StudyFigure:
    hours = [seconds / _S_PER_H for seconds in gain.seconds]
    return StudyFigure(
        "gain",
        "What an expert's hours bring",
        line_chart(
            [Curve(title, hours, gain.orders[name]) for name, title in _ORDERS.items()],
            name="gain",
            label="Mean Dice over hours of drawing masks, in several orders",
            x_label=f"time of drawing masks ({gain.drawing_s:.1f} s each), h",
            y_label="mean Dice of all labels",
        ),
        f"Mean Dice of all {study.cases:,} labels when those first in an order are replaced by drawn masks; "
        f"{gain.drawing_s:.1f} s a mask is a published mean, not measured here.",
    )
