from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.pictures import (
    COLOURS,
    agreement_tile,
    data_uri,
    gaze_tile,
    heat_tile,
    labels_tile,
    outline_tile,
    probability_tile,
    tile_size,
)
from gaze_insight.types import IGNORE, Size

from .factories import disc, looking, photo


def near(pixel: np.ndarray, colour: str) -> bool:
    """Whether a mixed pixel over black has the hue of the colour."""
    mixed, pure = pixel.astype(float), np.array(COLOURS[colour], float)
    return mixed.max() > 30 and np.abs(mixed / mixed.max() - pure / pure.max()).max() < 0.1


def test_the_aspect_ratio_is_kept_and_no_side_vanishes():
    assert tile_size(Size(300, 600), 420) == Size(210, 420)
    assert tile_size(Size(1000, 1), 100) == Size(100, 1)


def test_a_fixation_is_drawn_at_its_place_and_order_gives_the_colour():
    black = np.zeros((100, 200, 3), np.uint8)
    fixations = Fixations.from_rows([(0.25, 0.5, 400, 0), (0.75, 0.25, 400, 500), (1.4, 0.5, 400, 1000)])
    tile = gaze_tile(black, fixations, 200)
    assert near(tile[50, 50], "first")
    assert near(tile[25, 150], "last")
    assert tile[80:, :].max() == 0


def test_a_longer_look_is_a_larger_circle():
    black = np.zeros((200, 200, 3), np.uint8)
    areas = [
        int((gaze_tile(black, Fixations.from_rows([(0.5, 0.5, ms, 0)]), 200).max(axis=2) > 0).sum())
        for ms in (150, 300, 600)
    ]
    assert areas[0] < areas[1] < areas[2]


def test_pixel_and_unit_fixations_give_the_same_picture():
    image = photo()
    in_px = looking().to_frame("image_px", image_size=Size(60, 80))
    np.testing.assert_array_equal(gaze_tile(image, looking()), gaze_tile(image, in_px))


def test_gaze_wholly_off_the_image_leaves_the_picture_plain():
    image = photo()
    off = Fixations.from_rows([(-0.5, 0.5, 300, 0)])
    np.testing.assert_array_equal(gaze_tile(image, off), outline_tile(image))


def test_agreement_colours_follow_the_meaning():
    black = np.zeros((40, 40, 3), np.uint8)
    pred, truth = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    pred[:, :20] = truth[:20] = True
    tile = agreement_tile(black, pred, truth, 40)
    assert near(tile[5, 5], "both")
    assert near(tile[5, 35], "truth")
    assert near(tile[35, 5], "prediction")
    assert tile[35, 35].max() == 0


def test_labels_show_lesion_background_and_unknown():
    labels = np.full((40, 40), IGNORE, np.uint8)
    labels[:, :12], labels[:, 28:] = 1, 0
    tile = labels_tile(np.zeros((40, 40, 3), np.uint8), labels, 40)
    assert near(tile[20, 3], "lesion")
    assert near(tile[20, 37], "background")
    assert len(set(tile[20, 20].tolist())) == 1


def test_heat_and_probability_change_only_where_they_are():
    image = photo()
    mask = disc()
    for tile in (
        heat_tile(image, mask.astype(np.float32), 80),
        probability_tile(image, mask.astype(float), long_side_px=80),
    ):
        np.testing.assert_array_equal(tile[:8, :8], image[:8, :8])
        assert np.abs(tile[30, 40].astype(int) - image[30, 40]).max() > 10
    np.testing.assert_array_equal(heat_tile(image, np.zeros((4, 4), np.float32), 80), image)


def test_outlines_of_truth_and_prediction_are_both_seen():
    black = np.zeros((60, 80, 3), np.uint8)
    tile = probability_tile(black, disc(radius=10).astype(float), disc(radius=20), long_side_px=80)
    assert near(tile[30, 60], "truth")
    assert near(tile[30, 50], "prediction")


def test_a_data_address_decodes_to_the_same_picture():
    image = photo()
    data = np.frombuffer(base64.b64decode(data_uri(image, "png").split(",")[1]), np.uint8)
    np.testing.assert_array_equal(
        cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), image
    )


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_refuses_what_is_no_rgb_image(image):
    with pytest.raises(DataError, match="uint8"):
        outline_tile(image)
