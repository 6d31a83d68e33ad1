from __future__ import annotations

import math

import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import read_table


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_encodings_and_line_ends(tmp_path, mark, encoding, end):
    text = end.join([mark.join(row) for row in (["t", "größe"], ["0", " 1.5 "], [], ["4", "2"])])
    table = read_table(written(tmp_path, text, encoding))
    assert table.columns == ("t", "größe")
    assert [row.number("größe") for row in table.rows()] == [1.5, 2.0]
    assert table.lines == [2, 4]


def test_without_header_columns_are_numbered(tmp_path):
    table = read_table(written(tmp_path, "1,2\n3,4\n"), header=False)
    assert table.columns == ("1", "2")
    assert [row.number("2") for row in table.rows()] == [2.0, 4.0]


def test_cells(tmp_path):
    (row,) = read_table(written(tmp_path, 'a,b,c,d\n"x, y",.,TRUE\n')).rows()
    assert (row.text("a"), row.flag("c"), row.line) == ("x, y", True, 2)
    assert math.isnan(row.number("b", missing=(".",)))
    for ask, says in [
        (lambda: row.number("b"), "b must be a number, found '.'"),
        (lambda: row.flag("a"), "a must be True or False"),
        (lambda: row.text("d"), "the row has 3 cells and none for 'd'"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            ask()
        assert (caught.value.path.name, caught.value.row) == ("a.csv", 2)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_number_must_be_finite(tmp_path, text):
    (row,) = read_table(written(tmp_path, f"a,b\n{text},1\n")).rows()
    with pytest.raises(DataError, match="finite"):
        row.number("a")


@pytest.mark.parametrize(
    ("content", "says", "row"),
    [
        (b"", "the table is empty", None),
        (b"\n \n", "the table is empty", None),
        (b"a,b\n1,2\nM\xfcller,3\n", "not UTF-8 text", 3),
        (b"\xff\xfea\x00\x00\xd8", "not UTF-16 text", None),
        (b"a,b\n1,\x00\n", "zero byte", 2),
        (b'a,b\n1,2\n"3,4\n', "broken", 3),
    ],
)
def test_refuses_what_is_no_table(tmp_path, content, says, row):
    with pytest.raises(DataError, match=says) as caught:
        read_table(written(tmp_path, content))
    assert caught.value.path.name == "a.csv"
    assert row is None or caught.value.row == row


def test_refuses_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(DataError, match="the export does not exist"):
        read_table(tmp_path / "none.csv", what="the export")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)


def test_columns_that_are_missing_or_twice(tmp_path):
    table = read_table(written(tmp_path, "time,Gaze X,a,a\n"))
    with pytest.raises(DataError, match="lacks the column 'gaze x'; found: time, Gaze X") as caught:
        table.need(["time", "gaze x"], remedy="name it")
    assert caught.value.remedy == "'gaze x' could be 'Gaze X'; name it"
    with pytest.raises(DataError, match="'a' more than once"):
        table.need(["a"])
