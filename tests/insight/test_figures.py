from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from gaze_insight.insight.figures import (
    dice_distribution,
    dice_scatter,
    histogram,
    learning_curves,
    size_strata_chart,
)

from .factories import history, scored

BY_HEAD = {head: [s for s in scored() if s.head == head] for head in ("student", "pseudomask")}
TITLES = {"student": "Student <1> & more"}

CHARTS = {
    "histogram": lambda: histogram(
        np.arange(300), name="h", label='a "label" & <more>', x_label="ms", y_label="fixations"
    ),
    "counts": lambda: histogram([3, 3, 4, 9], name="h", label="l", x_label="n", y_label="images"),
    "distribution": lambda: dice_distribution(BY_HEAD, TITLES),
    "strata": lambda: size_strata_chart(BY_HEAD, TITLES),
    "scatter": lambda: dice_scatter(BY_HEAD["pseudomask"], BY_HEAD["student"], "labels", "student"),
    "learning": lambda: learning_curves(history()),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_wellformed_picture_with_a_text_for_the_blind(name):
    svg = CHARTS[name]()
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]
    assert "currentColor" in svg
    assert "#010203" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg):
        assert (target[0] or target[1]) in ids


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_numbers_give_the_same_bytes(name):
    assert CHARTS[name]() == CHARTS[name]()


def test_charts_do_not_share_ids():
    ids = [
        set(re.findall(r'\bid="([^"]+)"', CHARTS[name]())) for name in ("histogram", "distribution", "strata")
    ]
    assert not (ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2])


def test_the_scatter_counts_shared_cases_above_the_diagonal():
    across, upwards = BY_HEAD["pseudomask"][:4], BY_HEAD["student"]
    better = sum(up.dice > at.dice for at, up in zip(across, upwards, strict=False))
    assert f"{better} of 4 images above the line" in dice_scatter(across, upwards, "a", "b")


def test_the_learning_curves_name_stages_and_break_between_them():
    svg = learning_curves(history())
    assert " teacher" in svg
    assert " student" in svg
    assert "val dice" in svg
    assert learning_curves([{"epoch": 1, "lr": 0.1}]) == ""
    assert "loss" in learning_curves([{"loss": 1.0}, {"loss": 0.5}])
