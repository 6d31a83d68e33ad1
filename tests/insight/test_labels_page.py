from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.insight.label_pictures import LabelledPicture, part_tiles, thumbnail_tiles
from gaze_insight.insight.labels_page import LabelsContent, LookAgainRow, ShownLabel, write_labels
from gaze_insight.insight.parts_figures import (
    Bar,
    bar_panels,
    difference_chart,
    expected_histogram,
    expected_scatter,
)
from gaze_insight.pseudomask.expected_dice import ExpectedDice, shipped_calibration
from gaze_insight.pseudomask.look_again import LookAgain
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, provenance

from .factories import disc, looking, photo

EXPECTED = ExpectedDice(0.71, 0.5, 0.9)


def picture(**changes) -> LabelledPicture:
    soft = disc().astype(np.float32)
    case = LabelledPicture(
        "a<b", photo(), looking(), soft, disc().astype(np.uint8), soft, {"grabcut": soft, "grabcut_2": soft}
    )
    return replace(case, **changes)


def content(**changes) -> LabelsContent:
    found = LabelsContent(
        name="demo",
        labels=3,
        expected=[0.71, 0.8, 0.93],
        trusted_share=0.9,
        area_frac=0.12,
        seconds=75,
        look_again=[LookAgainRow(LookAgain("a<b", "draw", EXPECTED, 0.29, 74.8), thumbnail_tiles(picture()))],
        listed=4,
        cases=[ShownLabel("a<b", "worst", EXPECTED, part_tiles(picture()))],
        parts=provenance(PseudoMaskSettings()),
        calibration=shipped_calibration(),
        notes={"Without gaze, and so without label: 1.": ["case_9"]},
    )
    return replace(found, **changes)


def page(tmp_path, **changes) -> str:
    write_labels(content(**changes), tmp_path / "labels.html")
    return (tmp_path / "labels.html").read_text(encoding="utf-8")


def test_the_page_shows_scores_cases_and_what_made_them(tmp_path):
    html = page(tmp_path)
    assert "Expected Dice 0.813 on average, told without a true mask." in html
    assert shipped_calibration().source in html
    assert "a&lt;b" in html
    assert "a<b" not in html
    assert "draw the mask" in html
    assert "+0.23" in html
    assert "And 3 more cases" in html
    assert "case_9" in html
    assert "Random walk" in html
    assert html.count('src="data:image/jpeg') == 3 + 7
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


def test_without_scores_the_page_has_no_chart_and_no_list(tmp_path):
    html = page(tmp_path, expected=[], look_again=[], listed=0, calibration=None, cases=[])
    assert "how well is not known" in html
    assert "<svg" not in html
    assert 'id="again"' not in html


def test_tiles_name_parts_and_their_dice():
    tiles = part_tiles(picture(values={"grabcut": 0.876, "vote": 0.5}, truth=disc()))
    assert [(tile.title, tile.text) for tile in tiles[2:5]] == [
        ("GrabCut", "Dice 0.88"),
        ("GrabCut 2", ""),
        ("The vote", "Dice 0.50"),
    ]
    assert tiles[0].text == "With the expert's outline"
    assert "100 % labelled" in tiles[5].text


def test_pictures_need_no_gaze():
    assert len(thumbnail_tiles(picture(fixations=None))) == 3


@pytest.mark.parametrize("values", [[0.9], [0.2, 0.2], np.linspace(0, 1, 500)])
def test_charts_bear_few_equal_and_many_values(values):
    for chart in (expected_histogram(values), expected_scatter(values, values, note="ρ")):
        assert chart.startswith("<svg")
        assert "nan" not in chart.lower()


def test_bars_without_intervals_are_drawn():
    bar = Bar("vote", 0.8, float("nan"), float("nan"))
    chart = bar_panels({"all": [bar], "small": [bar]}, name="p", label="", x_label="Dice")
    assert chart.count(">0.800<") == 2
    assert ">vote<" in difference_chart([bar], name="d", label="", x_label="Dice")
