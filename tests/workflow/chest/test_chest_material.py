"""What a training on radiographs learns from: labels, gaze, text, boxes, and controls that mix them up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chest_drawing import chest_cohort
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestFacts, ChestReading
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.tasks import compose_chest
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.types import Size, silent
from gaze_insight.workflow.chest.looking import fixation_row, gaze_map, looks_used, points_seen
from gaze_insight.workflow.chest.material import build_chest_material, require_split_patients
from gaze_insight.workflow.chest.radiograph_set import text_of
from gaze_insight.workflow.chest.vocabulary import UNKNOWN, Vocabulary


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return chest_cohort(tmp_path_factory.mktemp("chests"))


def material(cohort, *settings):
    config = compose_chest(["chest_tiny"], overrides=settings)
    return build_chest_material(cohort, config, "raise", silent)


def test_every_part_of_the_training_set_is_of_its_case(cohort):
    found = material(cohort)
    data, cases = found.training, cohort.subset("train")
    assert data.ids == tuple(case.id for case in cases)
    assert found.findings == ("Edema", "Pneumothorax")
    for row, case in enumerate(cases):
        labels = case.chest.labels["chexpert"]
        assert data.labels[row].tolist() == [labels["Edema"], labels["Pneumothorax"]]
        looked = bool(case.chest.looks())
        assert bool(data.gaze[row].any()) == looked == bool(data.sequence_mask[row].any())
        assert data.trust[row] == pytest.approx(0.9 if looked else 0)
        boxes = data.boxes.corners[data.boxes.case == row]
        assert len(boxes) == len(case.chest.boxes)
    x0, y0, x1, y1 = data.frames[0]
    assert (y0, y1) == (0, 1)
    assert x1 - x0 == pytest.approx(51 / 64)
    counts = found.counts["train"]
    assert counts["cases"] == 20
    assert counts["with_gaze"] == sum(bool(case.chest.looks()) for case in cases)
    assert counts["with_boxes"] == len({*data.boxes.case.tolist()})


def test_a_box_lies_on_the_spot_that_is_seen_in_the_square(cohort):
    data = material(cohort).training
    for row in range(len(data)):
        for edges in data.boxes.corners[data.boxes.case == row]:
            x, y = (edges[0] + edges[2]) / 2 * 64, (edges[1] + edges[3]) / 2 * 64
            near = data.images[row, int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].mean()
            assert near > np.median(data.images[row]) + 40


def test_gaze_can_be_left_out_and_the_rest_stays(cohort):
    plain, without = material(cohort), material(cohort, "gaze.use=false")
    assert not without.training.gaze.any()
    assert not without.training.trust.any()
    assert not without.training.sequence_mask.any()
    assert np.array_equal(without.training.images, plain.training.images)
    assert np.array_equal(without.training.text, plain.training.text)


def test_shuffled_gaze_is_that_of_another_image_and_only_in_training(cohort):
    plain, mixed = material(cohort), material(cohort, "gaze.shuffled=true")
    assert np.array_equal(plain.validation.gaze, mixed.validation.gaze)
    assert np.array_equal(plain.training.labels, mixed.training.labels)
    assert np.array_equal(plain.training.text, mixed.training.text)
    own = {data.tobytes() for data in plain.training.gaze}
    assert {data.tobytes() for data in mixed.training.gaze} == own
    looked = plain.training.gaze.any(axis=(1, 2))
    assert np.array_equal(looked, mixed.training.gaze.any(axis=(1, 2)))
    changed = (plain.training.gaze != mixed.training.gaze).any(axis=(1, 2))
    assert changed[looked].mean() > 0.5
    assert any("gaze of another" in one for one in mixed.warnings)


def test_shuffled_text_is_that_of_another_image(cohort):
    plain, mixed = material(cohort).training, material(cohort, "text.shuffled=true").training
    assert np.array_equal(plain.gaze, mixed.gaze)
    assert sorted(map(tuple, plain.text)) == sorted(map(tuple, mixed.text))
    assert not np.array_equal(plain.text, mixed.text)


def test_words_of_validation_and_test_are_unknown(cohort):
    cases = dict(cohort.cases)
    for one in (*cohort.splits["val"], *cohort.splits["test"]):
        reading = (
            replace(cases[one].chest.readings[0], transcript="zebra") if cases[one].chest.readings else None
        )
        facts = cases[one].chest.with_readings((reading,) if reading else ())
        cases[one] = replace(cases[one], chest=facts)
    found = material(replace(cohort, cases=cases))
    assert "zebra" not in found.vocabulary.words
    assert "edema" in found.vocabulary.words
    told = found.validation.text[:, 0]
    assert set(told.tolist()) <= {0, UNKNOWN}
    assert UNKNOWN in told


def test_a_patient_in_two_splits_is_refused(cohort):
    ids = list(cohort.cases)
    torn = cohort.with_splits({"train": tuple(ids[:1]), "test": tuple(ids[1:])})
    with pytest.raises(DataError, match="1 patient stands in two splits"):
        require_split_patients(torn)
    with pytest.raises(DataError, match="two splits"):
        material(torn)


def test_cases_without_label_or_image_are_listed(cohort, tmp_path):
    first, second = cohort.splits["train"][:2]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    cases = dict(cohort.cases)
    cases[first] = replace(cases[first], chest=ChestFacts())
    cases[second] = replace(cases[second], image_path=tmp_path / "broken.png")
    config = compose_chest(["chest_tiny"])
    damaged = replace(cohort, cases=cases)
    found = build_chest_material(damaged, config, "skip", silent)
    assert found.left_out[first] == "no known label"
    assert "broken.png" in found.left_out[second]
    assert len(found.training) == 18
    with pytest.raises(DataError, match=r"broken\.png"):
        build_chest_material(damaged, config, "raise", silent)


def test_the_map_is_the_mean_over_readers_of_normalised_maps():
    settings = compose_chest().gaze.model_copy(update={"map_px": 32})
    many = Fixations.from_rows([(0.2, 0.2, 1000, 1000 * place) for place in range(20)])
    single = Fixations.from_rows([(0.8, 0.8, 100, 0)])
    looks = (ChestReading("a", "egd", fixations=many), ChestReading("b", "egd", fixations=single))
    place = Letterbox(Size(32, 32), 32)
    both = gaze_map(looks, Size(32, 32), place, settings)
    apart = [gaze_map((look,), Size(32, 32), place, settings) for look in looks]
    np.testing.assert_allclose(both, (apart[0] + apart[1]) / 2, atol=1e-7)
    assert both[:16, :16].sum() == pytest.approx(0.5, abs=1e-3)


def test_a_fixation_spreads_by_degrees_where_they_are_known():
    settings = compose_chest().gaze.model_copy(update={"map_px": 128, "sigma_frac": 0.3})
    seen = Fixations.from_rows([(0.5, 0.5, 200, 0)])
    size, place = Size(100, 200), Letterbox(Size(100, 200), 128)
    drawn = gaze_map(
        (ChestReading("a", "reflacx", fixations=seen, degree_frac=(0.03, 0.06)),), size, place, settings
    )
    at = (np.arange(128) + 0.5) / 128 - 0.5
    spread = [np.sqrt((drawn.sum(axis=axis) * at**2).sum()) for axis in (0, 1)]
    assert spread == pytest.approx([0.03, 0.03], rel=0.05)
    assert drawn.sum() == pytest.approx(1, abs=1e-5)


def test_sequences_are_in_seconds_of_their_own_clock_and_cut_is_counted():
    seen = Fixations.from_rows([(0.1, 0.5, 200, 5000), (0.9, 0.5, 300, 5400), (0.5, 0.5, 100, 6000)])
    place = Letterbox(Size(20, 10), 64)
    row = fixation_row((ChestReading("a", "egd", fixations=seen),), place, 2)
    assert row.cut == 1
    assert row.valid.tolist() == [True, True]
    np.testing.assert_allclose(row.values[:, 2:], [[0, 0.2], [0.4, 0.3]], atol=1e-6)
    np.testing.assert_allclose(row.values[:, 0], [0.25 + 0.05, 0.75 - 0.05], atol=1e-6)
    looks = (ChestReading("a", "egd", fixations=seen), ChestReading("b", "egd", fixations=seen))
    assert points_seen(looks, place).shape == (6, 2)


def test_texts_are_of_the_asked_source_and_readers(cohort):
    case: Case = cohort.subset("train")[3]
    settings = compose_chest().text
    both = case.chest.with_readings(
        (ChestReading("a", "egd", transcript="one"), ChestReading("b", "egd", transcript="two"))
    )
    told = replace(case, chest=both)
    assert text_of(told, settings) == "one two"
    assert text_of(told, settings, "first") == "one"
    assert text_of(told, settings.model_copy(update={"source": "report"})) == case.chest.report
    assert text_of(told, settings.model_copy(update={"source": "none"})) is None


def test_only_readings_that_are_asked_for_are_used(cohort):
    case = cohort.subset("train")[3]
    gaze = compose_chest().gaze
    assert len(looks_used(case, gaze)) == 2
    assert len(looks_used(case, gaze.model_copy(update={"readers": "first"}))) == 1


def test_a_vocabulary_has_no_more_words_than_asked_for():
    texts = ["left effusion", "left lung", "left effusion edema"]
    assert Vocabulary.of_texts(texts, least_count=2).words == ("left", "effusion")
    assert Vocabulary.of_texts(texts, least_count=1, most_words=1).words == ("left",)
    with pytest.raises(DataError, match="twice"):
        Vocabulary(("left", "left"))
