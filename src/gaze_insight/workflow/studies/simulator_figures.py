"""The figures and pictures of `study simulator`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.reading_statistics import STATISTICS
from gaze_insight.insight.curves import Curve, Interval, interval_chart, line_chart, overlaid_histogram
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import data_uri, gaze_tile, outline_tile
from gaze_insight.insight.study_page import StudyFigure, StudyPictures
from gaze_insight.workflow.studies.scoring import image_and_truth
from gaze_insight.workflow.studies.simulator import SimulatorStudy, simulated_reading

__all__ = ["level_words", "scan_path_pictures", "simulator_figures"]

_HISTOGRAMS = {
    "count": 0.99,
    "duration_ms": 0.99,
    "gap_ms": 0.94,
    "saccade_frac": 0.99,
    "dispersion_frac": 0.99,
}
_TITLES = ("real", "simulated")


def level_words(study: SimulatorStudy) -> str:
    """Write the level of the distances' intervals, in percent.

    Args:
        study: The study.

    Returns:
        Such as "90".
    """
    return f"{100 * (1 - 2 * study.comparison.settings.alpha):g}"


def simulator_figures(study: SimulatorStudy) -> list[StudyFigure]:
    """Draw the figures of a comparison: distances, the first fixations, on-target shares, distributions.

    Args:
        study: What was found.

    Returns:
        The figures with their captions.
    """
    return [_distances(study), *_orders(study), *(_histogram(study, name) for name in _HISTOGRAMS)]


def scan_path_pictures(cohort: Cohort, study: SimulatorStudy, count: int = 3) -> list[StudyPictures]:
    """Draw real and simulated scan paths of a few images, drawn at random.

    Args:
        cohort: The study's cohort.
        study: What was found.
        count: Images shown at most.

    Returns:
        One row an image: its outline, the real reading, the simulated one.

    Raises:
        DataError: An image or a mask cannot be read.
    """
    ids = [str(row["id"]) for row in study.per_case]
    drawn = np.random.default_rng(study.settings.seed).permutation(len(ids))[:count]
    rows = []
    for index in np.sort(drawn):
        case = cohort.cases[ids[index]]
        image, truth = image_and_truth(case)
        real = case.fixations or Fixations.empty()
        simulated = simulated_reading(case.id, truth, study.settings)
        outlined = data_uri(outline_tile(image, truth))
        tiles = [Tile("Image", "With the true mask's outline", f"{case.id}: image", outlined)]
        for title, reading in zip(_TITLES, (real, simulated), strict=True):
            words = f"{len(reading)} fixations, {reading.span_ms / 1000:.1f} s"
            picture = data_uri(gaze_tile(image, reading))
            tiles.append(Tile(title.capitalize(), words, f"{case.id}: {title} scan path, {words}", picture))
        rows.append(StudyPictures(case.id, tiles))
    return rows


def _distances(study: SimulatorStudy) -> StudyFigure:
    compared = study.comparison
    margin = compared.settings.margin_sd
    rows = [
        Interval(STATISTICS[one.name].title, one.wasserstein_sd, one.low_sd, one.high_sd, one.chance_sd)
        for one in compared.comparisons
    ]
    return StudyFigure(
        "distances",
        "How far simulated readings are from real ones",
        interval_chart(
            rows,
            name="distances",
            label="Wasserstein distance of simulated from real readings for each statistic, with intervals",
            x_label="Wasserstein-1 distance / sd of the real values",
            margin=margin,
            reference_title="by chance alone (relabelled readings)",
        ),
        f"Wasserstein-1 distance between the distributions of {compared.simulated:,} simulated and "
        f"{compared.real:,} real readings of the same images, over the standard deviation of the real values "
        f"(point), with its {level_words(study)} % bias-corrected bootstrap interval over images (bar). The "
        "tick is the mean distance where real and simulated are swapped at random within images: what no "
        f"difference looks like. The zone is the margin of {margin:g}; a bar wholly within it is alike.",
        wide=True,
    )


def _mean_curve(
    title: str, places: list[float], columns: list[NDArray[np.float64]], resamples: int, seed: int
) -> Curve:
    ends = [bootstrap_interval(values, resamples=resamples, seed=seed) for values in columns]
    return Curve(
        title,
        places,
        [float(values.mean()) for values in columns],
        [low for low, _ in ends],
        [high for _, high in ends],
    )


def _curves(study: SimulatorStudy, names: list[str]) -> list[Curve]:
    """Mean over readings of statistics that follow each other, one curve a kind of gaze."""
    curves = []
    for title, readings in zip(_TITLES, (study.real, study.simulated), strict=True):
        columns = [np.concatenate([one[name] for one in readings]) for name in names]
        if all(len(values) for values in columns):
            places = [float(place) for place in range(1, len(names) + 1)]
            curves.append(_mean_curve(title, places, columns, study.settings.resamples, study.settings.seed))
    return curves if len(curves) == len(_TITLES) else []


def _orders(study: SimulatorStudy) -> list[StudyFigure]:
    distances = [name for name in STATISTICS if name.startswith("distance_")]
    thirds = [name for name in STATISTICS if name.startswith("on_target_third")]
    band = f"; bands are 95 % bootstrap intervals over images ({study.settings.resamples:,} resamples)"
    return [
        StudyFigure(
            "distance-by-order",
            "From the cross to the lesion",
            line_chart(
                _curves(study, distances),
                name="distance-by-order",
                label="Mean distance of the first fixations to the lesion's centroid, real and simulated",
                x_label="fixation, in order",
                y_label="distance to centroid, fraction of the side",
                ticks=[(place, str(place)) for place in range(1, len(distances) + 1)],
            ),
            f"Mean distance of the first four fixations to the centroid of the true mask{band}. The first "
            "fixation is where the reader looked when the image appeared.",
        ),
        StudyFigure(
            "on-target-by-third",
            "On the lesion, over the reading",
            line_chart(
                _curves(study, thirds),
                name="on-target-by-third",
                label="Mean share of fixations on the lesion by third of the reading, real and simulated",
                x_label="third of the reading's fixations",
                y_label="share of fixations on the true mask",
                ticks=[(1, "first"), (2, "middle"), (3, "last")],
                y_range=(0, 1),
            ),
            f"Mean share of fixations that lie on the true mask, by third of the reading's fixations{band}.",
        ),
    ]


def _histogram(study: SimulatorStudy, name: str) -> StudyFigure:
    statistic = STATISTICS[name]
    real, simulated = (
        np.concatenate([one[name] for one in readings]) for readings in (study.real, study.simulated)
    )
    what = "values" if statistic.pooled else "readings"
    plain, middle = name.replace("_", "-"), _HISTOGRAMS[name]
    axis = statistic.title.lower()
    return StudyFigure(
        plain,
        statistic.title,
        overlaid_histogram(
            real,
            simulated,
            titles=(f"real ({len(real):,})", f"simulated ({len(simulated):,})"),
            name=plain,
            label=f"Distribution of {statistic.title.lower()}, real and simulated",
            x_label=axis if statistic.unit in axis else f"{axis}, {statistic.unit}",
            y_label=f"share of {what}, %",
            middle=middle,
        ),
        f"{statistic.title}: real (filled, {len(real):,} {what}) and simulated (outline, "
        f"{len(simulated):,}); vertical lines are means. The outermost bars hold what lies beyond the middle "
        f"{100 * middle:g} % of all values.",
    )
