from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.annotation_time import PAPER_ANNOTATION_HOURS, annotation_time
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.quality import summarise

READINGS = {
    "a": Fixations.from_rows([(0.5, 0.5, 100, 50), (0.9, 0.9, 300, 200)], annotator="ch"),
    "b": Fixations.from_rows(
        [(0.9, 0.1, 500, 0), (1.4, 0.5, 200, 600), (0.2, 0.2, 400, 900)], annotator="zy"
    ),
    "c": Fixations.empty(),
}


def test_time_by_both_definitions():
    looking, trial = annotation_time(READINGS, "fixation"), annotation_time(READINGS, "trial")
    assert looking.per_case_s == {"a": 0.4, "b": pytest.approx(1.1), "c": 0.0}
    assert trial.per_case_s == {"a": 0.45, "b": pytest.approx(1.3), "c": 0.0}
    assert trial.hours == pytest.approx(1.75 / 3600)
    assert looking.source != trial.source
    assert annotation_time({}).hours == 0.0


def test_another_kind_of_time_is_refused():
    with pytest.raises(SettingsError, match="'wall'"):
        annotation_time(READINGS, "wall")


def test_published_hours_cannot_be_changed():
    assert PAPER_ANNOTATION_HOURS["mask"] / PAPER_ANNOTATION_HOURS["gaze"] == pytest.approx(8.5)
    with pytest.raises(TypeError):
        PAPER_ANNOTATION_HOURS["gaze"] = 1.0


def test_summary():
    summary = summarise(READINGS)
    assert (summary.images, summary.empty, summary.fixations) == (3, 1, 5)
    assert summary.per_image_mean == pytest.approx(5 / 3)
    assert summary.per_image_sd == pytest.approx(np.std([2, 3, 0]))
    assert (summary.per_image_min, summary.per_image_max) == (0, 3)
    assert summary.duration_ms[0.5] == 300
    assert summary.off_image_share == pytest.approx(0.2)
    assert summary.centre_first_share == 0.5
    assert summary.hours == pytest.approx(1.75 / 3600)
    assert summary.annotators == {"ch": 1, "zy": 1}
    assert summary.dropped == {}


def test_summary_of_nothing_and_of_the_unplaceable():
    nothing = summarise({})
    assert (nothing.images, nothing.per_image_mean, nothing.duration_ms, nothing.hours) == (0, None, {}, 0.0)
    screen = summarise({"a": Fixations.from_rows([(900, 500, 100, 0)], frame="screen_px")})
    assert (screen.fixations, screen.off_image_share, screen.centre_first_share) == (1, None, None)
