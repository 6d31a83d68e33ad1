"""Pictures of where words act, and the part of the report that shows them."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from gaze_insight.insight.curves import Interval
from gaze_insight.insight.report import ReportContent, write_report
from gaze_insight.insight.words_figures import (
    LESS,
    MORE,
    attention_limit,
    attention_tile,
    change_limit,
    change_tile,
    colour_scale,
    difference_chart,
)
from gaze_insight.insight.words_section import (
    ChangedWord,
    WordsCase,
    WordsSection,
    attention_tiles,
    change_tiles,
    words_values,
)

from .factories import disc, looking, photo, words

GREY = np.full((60, 80, 3), 90, np.uint8)


def case(id: str = "case-7", stages: int = 2) -> WordsCase:
    before = disc(column=40).astype(np.float32)
    left = np.linspace(2, 0.5, 80, dtype=np.float32)[None].repeat(60, axis=0)
    maps = np.stack([left] * stages)
    changes = (
        ChangedWord("location", "middle left", disc(column=30).astype(np.float32), 0.1, 0.6),
        ChangedWord("area_percentage", "x 2", before, 0.0, 1.0),
    )
    attention = {"area_percentage": maps, "location": 1 / maps}
    return WordsCase(id, "best", photo(), looking(), disc(), words(), before, attention, changes)


def decoded(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)


def tinted(colour: tuple[int, int, int], share: float) -> list[int]:
    return np.rint(90 * (1 - 0.8 * share) + 0.8 * share * np.array(colour)).astype(int).tolist()


def test_colours_are_full_at_the_limit_and_half_way_at_its_root():
    for ratio, colour, share in ((4, MORE, 1), (2, MORE, 0.5), (0.25, LESS, 1), (1, MORE, 0), (90, MORE, 1)):
        picture = attention_tile(GREY, np.full((3, 4), ratio, np.float32), 4.0)
        assert picture[100, 100].tolist() == pytest.approx(tinted(colour, share), abs=1)


def test_change_is_orange_where_probability_rises_and_blue_where_it_falls():
    before, after = np.zeros((60, 80), np.float32), np.zeros((60, 80), np.float32)
    before[:, :20], after[:, 60:] = 0.2, 0.1
    picture = change_tile(GREY, before, after, 0.2, threshold=0.9)
    assert picture[100, 20].tolist() == pytest.approx(tinted(LESS, 1), abs=1)
    assert picture[100, 280].tolist() == pytest.approx(tinted(MORE, 0.5), abs=1)
    assert picture[100, 150].tolist() == [90, 90, 90]


def test_outlines_stand_where_each_prediction_ends():
    before, after = disc(column=25, radius=10).astype(float), disc(column=55, radius=10).astype(float)
    picture = change_tile(GREY, before, after, 1e9).astype(int)
    scale = 300 / 80
    row, white, pink = round(30 * scale), round(15.5 * scale), round(64.5 * scale)
    assert picture[row, white - 3 : white + 4].min(axis=1).max() > 240
    found = picture[row, pink - 3 : pink + 4]
    assert np.abs(found - [255, 92, 190]).sum(axis=1).min() < 12


def test_limits_fit_what_is_shown():
    assert attention_limit([]) == 1.25
    assert attention_limit([np.full(9, 1.0)]) == 1.25
    assert attention_limit([np.full(9, 0.35), np.full(9, 1.2)]) == 3
    assert attention_limit([np.full(9, 50.0)]) == 10
    assert change_limit([]) == 0.01
    assert change_limit([np.full((2, 3), -0.15)]) == 0.2
    many = np.zeros(1000)
    many[0] = 1
    assert change_limit([many]) == 0.01, "a single pixel does not set the scale"


def test_fields_keep_their_order_and_tell_their_word_and_their_share():
    tiles = attention_tiles(case(), 2.0)
    assert [tile.title for tile in tiles] == ["Where the clinician looked", "Location: centre", "Area: 14 %"]
    inside = case().attention["location"][0][disc()].mean()
    assert tiles[1].text.startswith(f"{inside:.2f} times inside the outline")
    shown = decoded(tiles[1].uri)
    assert shown[:, :40, 2].mean() > shown[:, -40:, 2].mean(), "asked less on the left: blue"
    assert len(attention_tiles(case(), 2.0, stage=1)) == 2


def test_changes_tell_the_new_word_the_old_one_and_how_far_they_move():
    tiles = change_tiles(case(), 0.5)
    assert [tile.title for tile in tiles] == ["With its own words", "Location: middle left", "Area: 28 %"]
    assert "instead of centre" in tiles[1].text
    assert "10 % of the image; outlines agree to Dice 0.60" in tiles[1].text
    assert all(tile.alt.startswith("case-7: ") for tile in tiles)


def test_a_teacher_without_attention_still_shows_what_words_change():
    values = words_values(WordsSection([replace(case(), attention={})]))
    assert values is not None
    assert values["cases"][0]["attention"] == values["cases"][0]["stages"] == []
    assert len(values["cases"][0]["changes"]) == 3


def test_the_report_shows_the_section_and_leaves_it_out_without(tmp_path):
    content = ReportContent("A run", {"method": "fgi", "cohort": "demo"})
    write_report(content, tmp_path / "plain.html")
    assert 'id="words"' not in (tmp_path / "plain.html").read_text(encoding="utf-8")
    section = WordsSection([case("a<b"), case("c")], 1, "gaze-insight study words runs/x")
    write_report(replace(content, words=section), tmp_path / "words.html")
    page = (tmp_path / "words.html").read_text(encoding="utf-8")
    assert 'href="#words"' in page
    assert "a&lt;b" in page
    assert "1 case cannot be shown" in page
    assert "gaze-insight study words runs/x" in page
    assert page.count("Stage 2</h4>") == 2
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", page)


def test_the_scale_names_its_ends_and_charts_tell_controls_from_fields():
    assert all(name in colour_scale("less", "alike", "more", name="s") for name in ("less", "alike", "more"))
    rows = [Interval("Location", 1, 0.5, 2), Interval("No words", -1, -2, 0)]
    svg = difference_chart(rows, name="d", label="both", x_label="Dice", controls=1)
    assert "Location" in svg
    assert "#e8a013" in svg
    assert "#e8a013" not in difference_chart(rows, name="d", label="both", x_label="Dice")
