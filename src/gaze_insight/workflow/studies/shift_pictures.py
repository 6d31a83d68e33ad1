"""Example pictures of `study shift`: one image under every corruption, with what a run says of it."""

from __future__ import annotations

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.evaluation.corruptions import CORRUPTIONS, corrupt
from gaze_insight.evaluation.overlap import dice
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import data_uri, probability_tile
from gaze_insight.insight.study_page import StudyPictures
from gaze_insight.workflow.studies.scoring import image_and_truth
from gaze_insight.workflow.studies.shift import ShiftStudy
from gaze_insight.workflow.studies.shift_scoring import CLEAN, ShiftRun

__all__ = ["shift_pictures"]

_SIDE_PX = 300


def shift_pictures(cohort: Cohort, study: ShiftStudy, run: ShiftRun, count: int = 1) -> list[StudyPictures]:
    """Show images of middling Dice under each corruption, at the lowest, a middle and the highest severity.

    Args:
        cohort: The study's cohort.
        study: What was found.
        run: Whose prediction is drawn, of one of the study's lines.
        count: Images.

    Returns:
        One row of pictures an image and severity; none where `count` is 0.
    """
    own = [row for row in study.per_case if row["line"] == run.name]
    ordered = sorted(own, key=lambda row: (row[f"dice_{CLEAN}"], row["id"]))
    first = max(0, (len(ordered) - count) // 2)
    severities = study.settings.severities
    shown = sorted({severities[0], severities[len(severities) // 2], severities[-1]})
    return [
        _row(cohort.cases[row["id"]], study, run, severity)
        for row in ordered[first : first + count]
        for severity in (0, *shown)
    ]


def _row(case: Case, study: ShiftStudy, run: ShiftRun, severity: int) -> StudyPictures:
    image, truth = image_and_truth(case)
    names = study.settings.corruptions if severity else (CLEAN,)
    images = [
        corrupt(image, name, severity, seed=study.settings.seed, case=case.id) if severity else image
        for name in names
    ]
    tiles = []
    for name, made, prob in zip(names, images, run.predict(images), strict=True):
        found = dice(np.asarray(prob > run.config.prediction.threshold), truth)
        title = CORRUPTIONS[name].title if severity else "as it is"
        picture = probability_tile(
            made, prob, truth, threshold=run.config.prediction.threshold, long_side_px=_SIDE_PX
        )
        alt = f"{case.id}: {title}, severity {severity}, with true outline and prediction"
        tiles.append(Tile(f"{title[0].upper()}{title[1:]}", f"Dice {found:.2f}", alt, data_uri(picture)))
    what = f"severity {severity}" if severity else "as it is"
    return StudyPictures(
        f"{case.id}, {what}: true outline in yellow, prediction of {run.name} in cyan", tiles
    )
