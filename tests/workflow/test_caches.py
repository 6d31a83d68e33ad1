"""What is made from pseudo-masks is made again when their recipe's version rises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError
from gaze_insight.pseudomask.levels import make_levels
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Size
from gaze_insight.workflow import labelling
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.running import run
from gaze_insight.workflow.training_set import build_training_set


@pytest.fixture
def cohort(tmp_path):
    settings = SyntheticSettings(cases=12, size_px=(48, 64))
    return import_synthetic(tmp_path / "source", tmp_path, settings=settings)


def test_a_new_version_of_the_recipe_reaches_training_labels_and_descriptions(cohort, monkeypatch):
    recipe, cases = PseudoMaskSettings(working_long_side_px=64), cohort.subset("train")

    def made() -> tuple[float, set[str]]:
        labels = build_training_set(cohort, cases, ["comprehensive"], recipe, Size(32, 32)).labels
        words = describe(cohort, labels=recipe, cases=cases)
        return float(np.mean(labels["comprehensive"])), {one.location for one in words.values()}

    first = made()
    assert first[0] > 0
    monkeypatch.setattr(labelling, "make_pseudo_mask", lambda *_: make_levels(np.zeros((48, 64), np.float32)))
    assert made() == first
    monkeypatch.setattr(labelling, "_VERSION", labelling._VERSION + 1)
    assert made() == (0.0, {"not visible"})


def test_a_run_that_could_not_be_scored_is_refused_before_it_trains(cohort, tmp_path):
    for case in cohort.subset("test"):
        cohort.cases[case.id] = replace(case, mask_path=None)
    with pytest.raises(DataError, match="no case of the test split has a mask"):
        run(cohort, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
