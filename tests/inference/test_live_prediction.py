from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.inference.live import AssistedPredictor
from gaze_insight.inference.overlay import overlay
from gaze_insight.pseudomask.fusion import LEAST_OTHERS, fuse, fusion_features
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask

LABELS = PseudoMaskSettings(working_long_side_px=40)


class Counted:
    heads = ("student", "teacher")

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.calls += 1
        return {"student": np.clip(image[..., 0] / 255, 0.05, 0.95).astype(np.float32)}


def picture() -> np.ndarray:
    image = np.full((60, 80, 3), 40, np.uint8)
    image[20:40, 30:60] = 210
    return image


def reading(count: int) -> Fixations:
    rng = np.random.default_rng(0)
    rows = [(x, y, 200, 250 * i) for i, (x, y) in enumerate(rng.uniform((0.4, 0.36), (0.72, 0.64), (12, 2)))]
    return Fixations.from_rows(rows[:count])


def test_the_network_sees_an_image_once_and_each_update_is_the_fusion_of_all_fixations():
    network = Counted()
    live = AssistedPredictor(network, LABELS)
    alone = live.open(picture())
    assert np.array_equal(live.update(Fixations.empty()).probability, alone)
    for count in (3, 6, 12):
        expected = fuse(alone, make_pseudo_mask(picture(), reading(count), LABELS))
        found = live.update(reading(count))
        assert np.array_equal(found.probability, expected.probability)
        assert found.gaze_share == expected.gaze_share
    assert network.calls == 1


def test_the_recording_is_known_from_the_sixth_image_on():
    live = AssistedPredictor(Counted(), LABELS)
    for number in range(LEAST_OTHERS):
        assert live.recording_agreement("p1") is None, number
        live.open(picture(), "p1")
        live.update(reading(12))
    live.open(picture(), "p1")
    own = fusion_features(live.open(picture(), "p1"), make_pseudo_mask(picture(), reading(12), LABELS))
    assert live.recording_agreement("p1") == pytest.approx(own["agreement"])
    assert live.recording_agreement("p2") is None
    assert live.update(reading(12)).features["recording_agreement"] == pytest.approx(own["agreement"])


def test_images_that_nobody_looked_at_say_nothing_of_the_recording():
    live = AssistedPredictor(Counted(), LABELS)
    for _ in range(LEAST_OTHERS + 2):
        live.open(picture())
        live.update(Fixations.empty())
    assert live.recording_agreement() is None


def test_an_update_needs_an_open_image():
    with pytest.raises(SettingsError, match="open"):
        AssistedPredictor(Counted()).update(Fixations.empty())


def test_the_overlay_draws_both_outlines_and_the_fixations():
    image, mask, alone = (
        np.zeros((100, 100, 3), np.uint8),
        np.zeros((100, 100), bool),
        np.zeros((100, 100), bool),
    )
    mask[20:60, 20:60] = True
    alone[30:80, 30:80] = True
    gaze = Fixations.from_rows([(0.9, 0.1, 400, 0), (1.4, 0.5, 400, 500)])
    plain, full = overlay(image, mask), overlay(image, mask, alone=alone, fixations=gaze)
    assert plain[20, 40].tolist() == full[20, 40].tolist() == [255, 210, 0]
    assert full[79, 50].tolist() == [120, 200, 255]
    assert not plain[79, 50].any()
    assert full[:20, 80:].any()
    assert not plain[:20, 80:].any()
    assert np.array_equal(image, np.zeros_like(image))
