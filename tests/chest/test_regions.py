"""Regions of a radiograph: names, sides, and what share of a grid they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.chest.regions import (
    RegionSet,
    all_regions,
    box_mask,
    find_region,
    given_region_boxes,
)
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Size

EGD = {
    "cardiac silhouette", "left clavicle", "right clavicle", "left costophrenic angle",
    "right costophrenic angle", "left hilar structures", "right hilar structures", "left lower lung zone",
    "right lower lung zone", "left mid lung zone", "right mid lung zone", "left upper lung zone",
    "right upper lung zone", "left lung", "right lung", "trachea", "upper mediastinum",
}  # fmt: skip
IMAGENOME_MORE = {
    "left apical zone", "right apical zone", "left hemidiaphragm", "right hemidiaphragm", "spine",
    "aortic arch", "mediastinum", "svc", "cavoatrial junction", "right atrium", "carina", "abdomen",
}  # fmt: skip
edge = st.floats(-0.2, 1.2)


def test_the_sets_are_those_that_were_published():
    assert set(RegionSet("egd17").names) == EGD
    assert set(RegionSet("imagenome29").names) == EGD | IMAGENOME_MORE
    with pytest.raises(SettingsError, match="egd17, imagenome29"):
        RegionSet("vindr")
    with pytest.raises(SettingsError, match="no region 'carina'"):
        RegionSet("egd17")["carina"]


def test_the_patients_left_lies_in_the_right_half():
    for region in all_regions():
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        if region.side != "midline":
            assert ((x0 + x1) / 2 > 0.5) == (region.side == "left")
    names = {one.name for one in all_regions()}
    assert all(set(region.parts) <= names for region in all_regions())


def test_every_name_and_alias_leads_to_its_own_region():
    for region in all_regions():
        for name in (region.name, *region.aliases):
            assert find_region(name.upper()).name == region.name, name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("LT lower lobe", "left lower lung zone"),
        ("base of the right lung", None),
        ("Right lung base", "right lower lung zone"),
        ("right costophrenic sulcus", "right costophrenic angle"),
        ("aortic knob", "aortic arch"),
        ("cardiac silhoutte", "cardiac silhouette"),
        ("heart", "cardiac silhouette"),
        ("left right lung", None),
        ("lower lobe", None),
        ("liver", None),
        ("", None),
    ],
)
def test_what_is_meant_is_found_and_no_side_is_guessed(said, name):
    found = find_region(said)
    assert (None if found is None else found.name) == name


@given(edge, edge, edge, edge, st.integers(1, 7), st.integers(1, 7))
def test_a_box_covers_what_counting_points_covers(x0, y0, x1, y1, height, width):
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    mask = box_mask(box, Size(height, width))
    fine = 40
    down, across = np.mgrid[0 : height * fine, 0 : width * fine]
    x, y = (across + 0.5) / (width * fine), (down + 0.5) / (height * fine)
    inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    counted = inside.reshape(height, fine, width, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(mask, counted, atol=0.06)
    clipped = np.clip(box, 0, 1)
    area = (clipped[2] - clipped[0]) * (clipped[3] - clipped[1])
    assert mask.mean() == pytest.approx(area, abs=1e-5)


def test_an_ellipse_covers_its_share_of_the_box():
    mask = box_mask((0.1, 0.2, 0.9, 0.8), Size(16, 16), "ellipse")
    assert mask.mean() == pytest.approx(np.pi / 4 * 0.8 * 0.6, rel=0.02)
    assert box_mask((0.5, 0.5, 0.5, 0.9), Size(4, 4), "ellipse").sum() == 0
    with pytest.raises(DataError, match="at least 1 x 1"):
        box_mask((0, 0, 1, 1), Size(0, 4))


def test_given_boxes_replace_the_usual_ones_and_unknown_names_are_told():
    boxes = [
        ChestBox("Left Lung", "region", 0.6, 0.1, 0.8, 0.7),
        ChestBox("left lung", "region", 0.0, 0.0, 0.1, 0.1),
        ChestBox("liver", "region", 0.1, 0.8, 0.3, 0.9),
        ChestBox("Edema", "finding", 0.1, 0.1, 0.2, 0.2),
    ]
    given_boxes, unknown = given_region_boxes(boxes)
    assert given_boxes == {"left lung": (0.6, 0.1, 0.8, 0.7)}
    assert unknown == ("liver",)
    regions = RegionSet("egd17")
    moved = regions.masks(Size(10, 10), given_boxes)[regions.names.index("left lung")]
    np.testing.assert_allclose(moved, box_mask((0.6, 0.1, 0.8, 0.7), Size(10, 10)))
