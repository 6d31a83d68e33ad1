"""What a run says of the cases of a cohort, beside what is known of them."""

from __future__ import annotations

from collections.abc import Sequence

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.inference.classifier_predictor import ClassifierPredictions
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.training.radiographs import RadiographSet
from gaze_insight.types import Progress
from gaze_insight.workflow.chest.loading import ChestRun
from gaze_insight.workflow.chest.radiograph_set import SetSources, build_radiograph_set, size_of

__all__ = ["predict_cases"]


def predict_cases(
    run: ChestRun, cohort: Cohort, cases: Sequence[Case], progress: Progress
) -> tuple[RadiographSet, ClassifierPredictions, dict[str, int]]:
    """Predict cases from the image alone, and collect what is known of them for the scores.

    Gaze is that of the case itself here, also where a run learned from none or from that of other images: it
    is what attention is compared with, and is not shown to the network. Only a control reads the text.

    Args:
        run: The run.
        cohort: The cases' cohort.
        cases: The cases, at least one.
        progress: Receives progress in cases.

    Returns:
        The radiographs, the predictions, and counts of what is in the set.

    Raises:
        DataError: An image cannot be read.
    """
    gaze = run.config.gaze.model_copy(update={"use": True, "shuffled": False})
    config = run.config.model_copy(update={"gaze": gaze})
    sources = SetSources(run.findings, run.vocabulary)
    data, counts = build_radiograph_set(cohort, cases, sources, config, progress=progress)
    places = [Letterbox(size_of(case), run.predictor.input_size_px) for case in cases]
    text = data.text if run.predictor.needs_text else None
    return data, run.predictor.predict_squares(data.images, places, text), counts
