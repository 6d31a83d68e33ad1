from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from gaze_insight.insight.curves import (
    Curve,
    Interval,
    Mark,
    interval_chart,
    line_chart,
    overlaid_histogram,
)

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def line(**changes) -> str:
    values = {
        "curves": [
            Curve("all images", [0, 0.1, 0.2], [0.8, 0.7, 0.6], [0.7, 0.6, 0.5], [0.9, 0.8, 0.7]),
            Curve("small & round", [0, 0.1, 0.2], [0.6, 0.5, 0.2]),
        ],
        "name": "c",
        "label": 'Dice < 1 & "more"',
        "x_label": "noise, %",
        "y_label": "mean Dice",
    } | changes
    return line_chart(values.pop("curves"), **values)


def test_axes_legend_and_marks_are_words_in_the_drawing():
    svg = line(marks=[Mark(0.1, "box 12.4 s"), Mark(0.05, "gaze 8.8 s")], level=0.75, level_title="whole")
    shown = words(svg)
    for text in ("noise, %", "mean Dice", "all images", "small & round", "box 12.4 s", "gaze 8.8 s", "whole"):
        assert text in shown
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == 'Dice < 1 & "more"'
    assert all(one.get("id", "c-").startswith("c-") for one in root.iter())


def test_a_band_is_drawn_where_there_is_one_and_percentages_where_wanted():
    both = line()
    assert len(re.findall(r"fill-opacity: 0.16|opacity: 0.16", both)) == 1
    assert "20.0" in words(line(percent_x=True))
    assert "20.0" not in words(both)


def test_a_logarithmic_axis_has_the_ticks_it_is_given():
    ticks = [(1.0, "1 s"), (10.0, "10 s")]
    shown = words(line(curves=[Curve("a", [1, 10], [0.5, 0.6])], log_x=True, ticks=ticks))
    assert {"1 s", "10 s"} <= set(shown)


def test_curves_differ_in_more_than_colour():
    svg = line(curves=[Curve(str(n), [0, 1], [n, n]) for n in range(5)])
    dashes = set(re.findall(r"stroke-dasharray: ([^;\"]+)", svg))
    assert len(dashes) >= 4


def test_histograms_share_their_edges_and_say_how_many():
    rng = np.random.default_rng(0)
    svg = overlaid_histogram(
        rng.normal(0, 1, 500), rng.normal(0.5, 1, 400),
        titles=("real (500)", "simulated (400)"), name="h", label="", x_label="ms", y_label="%",
    )  # fmt: skip
    assert {"real (500)", "simulated (400)", "ms", "%"} <= set(words(svg))


@pytest.mark.parametrize("values", [[3.0], [2, 2, 2], [0.25, 0.25], list(range(300))])
def test_odd_values_still_make_a_histogram(values):
    svg = overlaid_histogram(values, values, titles=("a", "b"), name="h", label="", x_label="", y_label="")
    ElementTree.fromstring(svg)


def test_intervals_name_their_rows_margin_and_reference():
    rows = [Interval("count", 0.1, 0.05, 0.2, 0.08), Interval("duration", 0.6, 0.5, 0.7)]
    svg = interval_chart(rows, name="i", label="", x_label="sd", margin=0.25, reference_title="by chance")
    assert {"count", "duration", "margin 0.25", "by chance", "sd"} <= set(words(svg))
    bare = interval_chart(
        rows[1:], name="i", label="", x_label="sd", margin=0.25, reference_title="by chance"
    )
    assert "by chance" not in words(bare)
