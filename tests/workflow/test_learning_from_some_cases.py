"""Runs that learn from some of the training cases, and what their labels took to make."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.drawing import draw_cases
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.loading import compose
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.annotation_time import (
    MASK_SECONDS,
    PAPER_ANNOTATION_HOURS,
    annotation_time,
    drawing_seconds,
)
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.workflow.annotation_cost import annotation_cost, annotation_hours
from gaze_insight.workflow.evaluating import evaluate
from gaze_insight.workflow.training import train

SMALL = ["labels.working_long_side_px=48", "training.device=cpu"]


def looked_at(number: int, *, mask: bool = True, **meta: str) -> Case:
    """A reading of one fixation of (number + 1) seconds."""
    reading = Fixations.from_rows([(0.5, 0.5, 1000.0 * (number + 1), 0)])
    path = Path(f"{number}.png")
    return Case(str(number), path, path if mask else None, fixations=reading, meta=meta)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("some")
    return import_synthetic(
        folder / "source", folder / "cohort", settings=SyntheticSettings(cases=14, size_px=(40, 48))
    )


def test_looking_is_measured_and_drawing_is_counted():
    cases = [looked_at(0), looked_at(1), looked_at(2, mask=False)]
    cost = annotation_cost(cases, gaze=True, masks=True)
    assert cost["gaze_s"] == pytest.approx(1 + 2 + 3)
    assert cost["drawing_s"] == pytest.approx(2 * 18.7 * 3600 / 900)
    assert "2 masks at 74.8 s" in cost["drawing_source"]
    assert "not measured here" in cost["drawing_source"]
    own = annotation_cost(cases, gaze=False, masks=True, mask_s=20)
    assert (own["gaze_s"], own["drawing_s"]) == (0, 40)
    assert own["gaze_source"] == "no gaze was learned from"
    assert annotation_cost([looked_at(0, gaze="simulated")], gaze=True, masks=False)[
        "gaze_source"
    ].startswith("simulated gaze: ")
    assert annotation_cost([], gaze=True, masks=True)["gaze_s"] == 0


def test_published_times_carry_their_source():
    assert MASK_SECONDS["paper"].seconds == pytest.approx(PAPER_ANNOTATION_HOURS["mask"] * 3600 / 900)
    assert MASK_SECONDS["coco"].seconds == pytest.approx(22 * 3600 / 1000)
    assert all("not measured here" in one.source for one in MASK_SECONDS.values())
    assert drawing_seconds() == MASK_SECONDS["paper"]
    with pytest.raises(SettingsError, match="above 0"):
        drawing_seconds(0)


def test_a_plan_of_an_older_version_is_charged_the_whole_split():
    cases = {case.id: case for case in (looked_at(0), looked_at(1))}
    cohort = Cohort("c", Path("c"), cases, {"train": ("0", "1")})
    assert annotation_hours(cohort, {})["gaze"] == pytest.approx(3 / 3600)


@pytest.mark.parametrize("preset", ["unet_gaze", "unet_masks"])
def test_a_run_learns_from_the_drawn_cases_and_is_charged_for_them(cohort, tmp_path, preset):
    config = compose(["tiny", preset], overrides=[*SMALL, "training.cases=4", "evaluation.drawing_s=30"])
    run = train(cohort, config, tmp_path / "run")
    drawn = draw_cases(cohort.subset("train"), 4, config.seed)
    plan, total = run.plan(), len(cohort.subset("train"))
    facts = plan["learned_from"]
    assert plan["training_cases"] == facts["cases"] == 4
    assert plan["validation_cases"] == len(cohort.subset("val"))
    assert (facts["asked"], facts["available"], facts["seed"], facts["note"]) == (4, total, 0, "")
    hashes = [cohort.derived.file_hash(case.image_path) for case in drawn.cases]
    assert plan["seen_images"][:4] == hashes
    looking = annotation_time({case.id: case.fixations for case in drawn.cases}).hours
    hours = evaluate(run.path, device="cpu")["annotation_time_h"]
    if preset == "unet_gaze":
        assert hours["gaze"] == pytest.approx(looking)
        assert set(hours) == {"gaze", "source"}
    else:
        assert hours["gaze"] == 0
        assert hours["drawing"] == pytest.approx(4 * 30 / 3600)
        assert hours["drawing_source"] == "4 masks at 30 s: as given: 30 s an image"


def test_more_cases_than_there_are_is_told(cohort, tmp_path):
    config = compose(["tiny", "unet_masks"], overrides=[*SMALL, "training.cases=99"])
    facts = RunFolder(train(cohort, config, tmp_path / "run").path).plan()["learned_from"]
    total = len(cohort.subset("train"))
    assert facts["note"] == f"99 cases were asked for and there are {total}: all are used"
    assert facts["cases"] == total
