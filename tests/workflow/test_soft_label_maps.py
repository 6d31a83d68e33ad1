"""Soft labels and their trust, from pseudo-masks to the planes a network learns from, and a run on them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import yaml

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.pseudomask.expected_dice import expected_dice
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Size
from gaze_insight.workflow import training_set
from gaze_insight.workflow.labelling import load_pseudo_mask
from gaze_insight.workflow.training_set import build_training_set, usable_cases

SIZE = Size(32, 40)
LABELS = PseudoMaskSettings(working_long_side_px=48)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("soft-maps")
    return import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))


def planes(cohort: Cohort, *names: str, labels: PseudoMaskSettings = LABELS):
    return build_training_set(cohort, cohort.subset("train"), names, labels, SIZE).labels


def test_planes_are_the_pseudo_masks_to_half_a_step(cohort):
    found = planes(cohort, "soft", "trust", "weighted_trust")
    for index, case in enumerate(cohort.subset("train")):
        mask = load_pseudo_mask(cohort, case, LABELS)
        quality = expected_dice(mask.features).mean
        shares = {"soft": mask.soft, "trust": mask.trust, "weighted_trust": mask.trust * quality}
        for name, share in shares.items():
            fitted = cv2.resize(share, (SIZE.width, SIZE.height), interpolation=cv2.INTER_LINEAR)
            plane = found[name][index]
            assert plane.dtype == np.uint8
            assert plane.max() <= 254
            assert np.abs(plane / 254 - fitted).max() <= 0.5 / 254 + 1e-6
        assert 0 < quality < 1


def test_one_part_has_no_expected_dice_and_all_its_cases_count_alike(cohort):
    alone = PseudoMaskSettings.model_validate({"working_long_side_px": 48, "parts": [{"kind": "grabcut"}]})
    found = planes(cohort, "trust", "weighted_trust", labels=alone)
    assert np.array_equal(found["trust"], found["weighted_trust"])


def test_another_calibration_makes_another_weighted_plane_alone(cohort, monkeypatch):
    before = planes(cohort, "trust", "weighted_trust")
    fixed = training_set.shipped_calibration().model_copy(update={"source": "another"})
    monkeypatch.setattr(training_set, "shipped_calibration", lambda: fixed)
    monkeypatch.setattr(training_set, "expected_dice", lambda features: None)
    after = planes(cohort, "trust", "weighted_trust")
    assert np.array_equal(after["trust"], before["trust"])
    assert np.array_equal(after["weighted_trust"], before["trust"])
    assert not np.array_equal(after["weighted_trust"], before["weighted_trust"])


def test_cases_without_gaze_are_left_out(cohort):
    case = cohort.subset("train")[0]
    nobody = type(case)(id="nobody", image_path=case.image_path)
    usable, left_out = usable_cases([case, nobody], ["soft", "trust"])
    assert usable == [case]
    assert left_out == {"nobody": "no fixations"}


@pytest.mark.parametrize(
    "settings",
    [
        (),
        pytest.param(
            ("method.teacher=ema", "method.weight=weighted_trust", "prediction.scales=[1, 2]"),
            marks=pytest.mark.slow,
        ),
        ("method.teacher=words", "method.described_area_weight=0.1", "method.teacher_epochs=1"),
        pytest.param(("method.labels=mask", "method.student_view=strong"), marks=pytest.mark.slow),
    ],
)
def test_a_run_trains_and_is_scored(cohort, tmp_path, settings):
    flags = [word for one in settings for word in ("--set", one)]
    command = ["run", str(cohort.folder), "--preset", "tiny", "--preset", "soft_vote", "--quiet"]
    assert main([*command, "--name", str(tmp_path / "run"), *flags]) == 0
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["training_cases"] == len(cohort.splits["train"])
    assert (plan["words"] is None) == ("method.teacher=words" not in settings)
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["method"]["kind"] == "soft_vote"
    assert config["method"]["fgi"]["cwc_weight"] == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert ("teacher" in summary["test"]) == any("teacher=" in one for one in settings)
