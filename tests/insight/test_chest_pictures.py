from __future__ import annotations

import numpy as np
import pytest
from tests.insight.chest_making import history, look, radiograph, spot_map

from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.insight.chest_figures import RocPanel, calibration_chart, roc_panels, training_curves
from gaze_insight.insight.pictures import COLOURS
from gaze_insight.insight.radiograph_tiles import (
    attention_picture,
    boxes_picture,
    radiograph_tiles,
    readings_picture,
)

DARK = np.zeros((200, 100, 3), np.uint8)


def yellow(picture: np.ndarray) -> np.ndarray:
    return (np.abs(picture.astype(int) - COLOURS["truth"]).sum(axis=2) < 30).nonzero()


def test_a_box_is_drawn_at_its_place():
    box = ChestBox("Edema", "finding", 0.25, 0.5, 0.75, 0.9)
    rows, columns = yellow(boxes_picture(DARK, [box], 400, named=False))
    assert (rows.min(), rows.max()) == (pytest.approx(200, abs=2), pytest.approx(360, abs=2))
    assert (columns.min(), columns.max()) == (pytest.approx(50, abs=2), pytest.approx(150, abs=2))


def test_an_ellipse_lies_in_its_box_and_leaves_its_corners():
    box = ChestBox("Edema", "finding", 0.2, 0.2, 0.8, 0.8, shape="ellipse")
    rows, columns = yellow(boxes_picture(DARK, [box], 400, named=False))
    assert rows.min() == pytest.approx(80, abs=2)
    corner = (np.abs(rows - 80) < 8) & (np.abs(columns - 40) < 8)
    assert not corner.any()


def test_names_of_boxes_at_one_place_stand_below_each_other():
    boxes = [ChestBox(name, "finding", 0.1, 0.1, 0.9, 0.9) for name in ("Edema", "Fracture")]
    written = []
    for shown in (boxes[:1], boxes):
        changed = boxes_picture(DARK, shown, 400) != boxes_picture(DARK, shown, 400, named=False)
        rows = np.nonzero(changed.any(axis=2))[0]
        written.append(int(np.ptp(rows)))
    assert written[1] > 1.8 * written[0]


def test_attention_is_bright_where_it_is():
    bright = attention_picture(DARK, spot_map(0.8, 0.2), (), 200).sum(axis=2)
    row, column = np.unravel_index(bright.argmax(), bright.shape)
    assert (column / 100, row / 200) == (pytest.approx(0.8, abs=0.08), pytest.approx(0.2, abs=0.08))


def test_every_reading_is_drawn():
    first, second = look(1, 0.2, 0.2), look(2, 0.8, 0.8)
    one = readings_picture(DARK, [first], 200)
    both = readings_picture(DARK, [first, second], 200)
    changed = np.nonzero((one != both).any(axis=2))[0]
    assert changed.mean() > 120


def test_tiles_are_as_many_as_is_known():
    image = radiograph()
    assert [tile.title for tile in radiograph_tiles("a", image)] == ["Image"]
    tiles = radiograph_tiles(
        "a",
        image,
        looks=[look(1)],
        attention=spot_map(0.5, 0.5),
        finding_attention=spot_map(0.5, 0.5),
        finding="Edema, probability 0.80",
        boxes=[ChestBox("Edema", "finding", 0.1, 0.1, 0.5, 0.5)],
    )
    assert len(tiles) == 5
    assert tiles[1].text == "1 reading, 14 fixations, 4 s"
    assert all("a: " in tile.alt for tile in tiles)


def test_charts_of_nothing_are_empty():
    assert roc_panels([], name="r", label="") == ""
    assert calibration_chart({}, name="c", label="") == ""
    assert training_curves([]) == ""


def test_charts_hold_what_they_are_given():
    panels = [RocPanel(name, "0.80", [0, 0.2, 1], [0, 0.9, 1], (0.2, 0.9)) for name in ("Edema", "Fracture")]
    svg = roc_panels(panels, name="r", label="curves")
    assert 'id="r-' in svg
    assert {"Edema", "Fracture"} <= set(svg.replace(">", "<").split("<"))
    bins = [(0.1, 0.15, 0.6), (0.8, 0.7, 0.4)]
    assert "as it should be" in calibration_chart({"all": bins}, name="c", label="x")
    course = training_curves(history())
    assert "parts of gaze" in course
    assert "validation score" in course
    assert "learning rate" not in course
