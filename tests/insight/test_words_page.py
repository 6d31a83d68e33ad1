from __future__ import annotations

import re

import numpy as np
import pytest

from gaze_insight.insight.pictures import COLOURS
from gaze_insight.insight.word_check_pictures import CheckedPicture, check_tiles, said_tile, score_chart
from gaze_insight.insight.words_page import FieldCount, ShownWords, WordsContent, write_words
from gaze_insight.language.checking import WordCheck
from gaze_insight.language.schema import LOCATIONS, Description

from .factories import disc, looking, photo, words

WRONG = WordCheck(0.1, 1.0, None, 0.05, 0.81, ("location: the words say centre",), ("location",))


def picture(said: Description) -> CheckedPicture:
    return CheckedPicture("a<b", photo(), said, disc().astype(np.float32), looking(), disc())


def page(tmp_path, **changes) -> str:
    values = {
        "name": "demo",
        "scores": [0.0, 0.1, 0.81],
        "of_another": [0.5, 0.6, 0.9],
        "auc": 0.83,
        "contradicted": 1,
        "fields": [FieldCount("location", 3, 1, 0.7, 0.9), FieldCount("boundary", 0, 0, None, 0.15)],
        "cases": [ShownWords("a<b", words("<i>a remark</i>"), WRONG, check_tiles(picture(words())))],
        "listed": [ShownWords("case7", words(), WRONG)],
        "source": "a model",
        "notes": {"Without words: 1.": ["case9"]},
    }
    write_words(WordsContent(**(values | changes)), tmp_path / "words.html")
    return (tmp_path / "words.html").read_text(encoding="utf-8")


def test_the_page_marks_the_wrong_field_and_escapes_what_was_written(tmp_path):
    html = page(tmp_path)
    assert "The words of 1 of 3 cases contradict the picture." in html
    assert "a&lt;b" in html
    assert "a<b" not in html
    assert "<i>a remark" not in html
    chips = re.findall(r">(?:(✗|✓) )?(\w+): ([^<]+)</span>", html)
    marks = {field: mark for mark, field, _ in chips}
    assert marks == {
        "Location": "✗", "Area": "✓", "Boundary": "", "Shape": "", "Texture": "", "Brightness": "",
        "Confidence": "",
    }  # fmt: skip
    assert "5 % of the looking there" in html
    assert html.count('src="data:image/jpeg') == 3
    assert "words of another case (control)" in html
    assert "case7" in html
    assert "case9" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


def test_words_that_see_nothing_have_no_other_field(tmp_path):
    said = Description.nothing_seen("x")
    check = WordCheck(0.1, None, None, None, 0.9, ("location: the words see nothing",), ("location",))
    html = page(tmp_path, cases=[ShownWords("a", said, check, check_tiles(picture(said)))], listed=[])
    assert "Location: not visible" in html
    assert "Boundary: ambiguous" not in html
    assert "The next ones" not in html


def test_without_a_check_the_page_says_so_and_has_no_chart(tmp_path):
    html = page(tmp_path, scores=[], of_another=[], auc=None, cases=[], listed=[], fields=[], contradicted=0)
    assert "Nothing could be checked" in html
    assert "<svg" not in html


@pytest.mark.parametrize(
    ("contradicted", "severity"), [(0, "note ok"), (1, "note warning"), (3, "note error")]
)
def test_the_verdict_grows_with_the_share(tmp_path, contradicted, severity):
    assert f'class="{severity}" role="status"' in page(tmp_path, contradicted=contradicted)


@pytest.mark.parametrize("cell", range(9))
def test_the_named_cell_and_a_disc_of_the_named_area_are_drawn(cell):
    said = words().model_copy(update={"location": LOCATIONS[cell], "area_percentage": 4.0})
    drawn = said_tile(np.zeros((300, 450, 3), np.uint8), said)
    rows, columns = np.nonzero((drawn == COLOURS["lesion"]).all(axis=2))
    row, column = divmod(cell, 3)
    assert rows.min() == pytest.approx(100 * row, abs=5)
    assert rows.max() == pytest.approx(100 * (row + 1), abs=5)
    assert columns.min() == pytest.approx(150 * column, abs=5)
    assert columns.max() == pytest.approx(150 * (column + 1), abs=5)
    middle, centre = round(100 * (row + 0.5)), round(150 * (column + 0.5))
    across = columns[(rows == middle) & (abs(columns - centre) < 70)]
    radius = np.sqrt(0.04 * 300 * 450 / np.pi)
    assert across.max() - centre == pytest.approx(radius, abs=2)
    assert centre - across.min() == pytest.approx(radius, abs=2)


def test_a_picture_is_not_changed_by_drawing_on_a_copy():
    tile = photo()
    before = tile.copy()
    said_tile(tile, words())
    said_tile(tile, Description.nothing_seen("x"))
    assert np.array_equal(tile, before)


def test_the_chart_has_one_series_without_a_control():
    assert "control" not in score_chart([0.1, 0.2])
    assert "control" in score_chart([0.1, 0.2], [0.9, 1.0])
