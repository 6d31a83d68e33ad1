"""Drawn radiographs: findings are where they are said to be, and what resembles them is harmless."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from gaze_insight.cohort.fake_mimic_eye.anatomy import REGION_BOXES, Build, draw_anatomy
from gaze_insight.cohort.fake_mimic_eye.canvas import BodyBox, Canvas
from gaze_insight.cohort.fake_mimic_eye.findings import draw_finding
from gaze_insight.cohort.fake_mimic_eye.gaze_path import look_and_speak
from gaze_insight.cohort.fake_mimic_eye.lookalikes import LOOKALIKES, draw_lookalike
from gaze_insight.cohort.fake_mimic_eye.radiograph import SeenFinding, choose_findings, draw_radiograph
from gaze_insight.cohort.fake_mimic_eye.settings import DRAWN_FINDINGS, FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.speech import Statement, findings_of, report_text, state
from gaze_insight.types import Size

SIZE = Size(160, 144)
LOCAL = [name for name in DRAWN_FINDINGS if name not in ("Cardiomegaly", "Enlarged Cardiomediastinum")]


def chest(seed: int = 0) -> Canvas:
    return draw_anatomy(np.random.default_rng(seed), SIZE, Build())


@pytest.mark.parametrize("name", LOCAL)
def test_a_finding_changes_the_picture_inside_its_boxes(name: str) -> None:
    for seed in range(6):
        canvas, before = chest(seed), chest(seed)
        drawn = draw_finding(name, canvas, np.random.default_rng(seed + 100), 1.0)
        change = np.abs(canvas.tissue + canvas.vessels - before.tissue - before.vessels)
        inside = np.zeros(SIZE, bool)
        for box in drawn.boxes:
            inside[canvas.window(box)] = True
        assert change[inside].mean() > 5 * change[~inside].mean(), seed
        assert change.max() > 0.03


def test_findings_lie_on_the_side_that_is_said() -> None:
    for name in LOCAL:
        for seed in range(5):
            drawn = draw_finding(name, chest(), np.random.default_rng(seed), 1.0)
            middle = np.mean([(box.x0 + box.x1) / 2 for box in drawn.boxes])
            if drawn.side == "left":
                assert middle > 0
            if drawn.side == "right":
                assert middle < 0


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_lookalike_changes_the_picture_too(name: str) -> None:
    canvas, before = chest(), chest()
    boxes = draw_lookalike(name, canvas, np.random.default_rng(3))
    window = canvas.window(boxes[0])
    assert np.abs(canvas.tissue - before.tissue)[window].max() > 0.03


def test_an_enlarged_heart_is_wider() -> None:
    row = np.abs(chest().down - 0.12).argmin(axis=0)[0]

    def width(heart: float) -> int:
        canvas = draw_anatomy(np.random.default_rng(0), SIZE, Build(heart=heart))
        return int((canvas.lungs[row] < 0.4).sum())

    assert width(1.5) > 1.1 * width(1.0)


def test_regions_are_those_of_eye_gaze_and_the_patients_right_is_the_images_left() -> None:
    assert len(REGION_BOXES) == 17
    assert REGION_BOXES["right lung"].x1 < 0 < REGION_BOXES["left lung"].x0
    assert REGION_BOXES["cardiac silhouette"].x1 > -REGION_BOXES["cardiac silhouette"].x0


def test_boxes_are_clipped_to_the_image() -> None:
    box = Canvas.blank(SIZE).box_frac(BodyBox(-3, -3, 3, 0))
    assert box[0] == box[1] == 0
    assert box[2] == 1
    assert box[3] == pytest.approx(0.5)


def test_lungs_are_darker_than_heart_and_abdomen() -> None:
    for seed in range(4):
        settings = FakeTreeSettings(lookalikes=0)
        one = draw_radiograph(np.random.default_rng(seed), SIZE, Build(), (), settings)
        height, width = one.image.shape

        def mean(name: str, one=one, height=height, width=width) -> float:
            x0, y0, x1, y1 = one.regions[name]
            return float(
                one.image[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)].mean()
            )

        assert mean("cardiac silhouette") > 1.3 * mean("left upper lung zone")
        assert mean("cardiac silhouette") > 1.3 * mean("right mid lung zone")


def test_shares_of_findings_are_those_asked_for() -> None:
    settings = FakeTreeSettings(normal_share=0.5, prevalence={"Edema": 0.5, "Fracture": 0.0})
    rng = np.random.default_rng(0)
    chosen = [choose_findings(rng, settings) for _ in range(400)]
    assert {one for names in chosen for one in names} == {"Edema"}
    assert np.mean([not names for names in chosen]) == pytest.approx(0.5, abs=0.08)


def test_confounding_ties_bedside_views_to_the_sick() -> None:
    def share(confounding: float, names: tuple[str, ...]) -> float:
        settings = FakeTreeSettings(lookalikes=0)
        size = Size(64, 64)
        drawn = [
            draw_radiograph(np.random.default_rng(seed), size, Build(), names, settings, confounding)
            for seed in range(60)
        ]
        return float(np.mean([one.bedside for one in drawn]))

    assert abs(share(0.0, ("Edema",)) - share(0.0, ())) < 0.15
    assert share(1.0, ("Edema",)) - share(1.0, ()) > 0.6


def test_settings_refuse_what_cannot_be_drawn() -> None:
    for bad in (
        {"image_size_px": ((32, 300),)},
        {"prevalence": {"Cough": 0.1}},
        {"prevalence": {"Edema": 2}},
    ):
        with pytest.raises(ValidationError):
            FakeTreeSettings(**bad)
    with pytest.raises(ValidationError, match="add up to 1"):
        FakeTreeSettings(split_shares=(0.5, 0.2, 0.2))


def test_sentences_say_what_is_seen_and_doubt_what_is_doubtful() -> None:
    one = draw_radiograph(
        np.random.default_rng(0),
        SIZE,
        Build(),
        ("Edema", "Consolidation"),
        FakeTreeSettings(uncertain_share=0),
    )
    said = state(np.random.default_rng(0), one, one.findings, -1, 3)
    labels = findings_of(said)
    assert labels["Edema"] == labels["Consolidation"] == 1
    assert labels["Pneumonia"] == -1
    assert "No Finding" not in labels
    doubtful = tuple(
        SeenFinding(finding.name, finding.boxes, finding.side, finding.place, 3) for finding in one.findings
    )
    assert findings_of(state(np.random.default_rng(0), one, doubtful, None, 0)) == {
        "Edema": -1,
        "Consolidation": -1,
    }
    assert "IMPRESSION" in report_text(np.random.default_rng(0), said, True)


def test_the_gaze_stays_where_the_sentence_is_about() -> None:
    one = draw_radiograph(np.random.default_rng(0), SIZE, Build(), (), FakeTreeSettings())
    box = (0.2, 0.2, 0.3, 0.3)
    said = (Statement("There is a nodule in the right upper lung zone.", "Lung Lesion", 1, (box,)),)
    near = []
    for seed in range(10):
        path = look_and_speak(np.random.default_rng(seed), one, said, FakeTreeSettings(aim_sd_frac=0.005))
        start, end = path.words[0].start_s, path.words[-1].end_s
        during = [f for f in path.fixations if start <= f.start_s <= end]
        near += [0.18 < f.x < 0.32 and 0.18 < f.y < 0.32 for f in during]
        onsets = [f.start_s for f in path.fixations]
        assert onsets == sorted(onsets)
    assert np.mean(near) > 0.75
