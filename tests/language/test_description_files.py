from __future__ import annotations

import errno
import os

import pytest
from language_making import make_description

from gaze_insight.errors import DataError
from gaze_insight.language.files import read_descriptions, write_descriptions
from gaze_insight.language.from_file import FileDescriber, FileSettings
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.schema import Description

HEADER = "id,location,boundary,shape,texture,brightness,confidence,area_percentage\n"
GOOD = "a,centre,clear,oval,smooth,darker,high,5\n"


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv"])
def test_what_is_written_is_read_again(tmp_path, ending):
    words = {
        "b": make_description(remarks='A "quoted", comma,\nand a line; Größe µ', area_percentage=1 / 3),
        "a": Description.nothing_seen("measured", "no fixation was recorded"),
    }
    path = tmp_path / f"words.{ending}"
    write_descriptions(path, words)
    assert read_descriptions(path) == words
    assert list(read_descriptions(path)) == ["b", "a"]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv"])
def test_no_descriptions_are_a_file_too(tmp_path, ending):
    path = tmp_path / f"words.{ending}"
    write_descriptions(path, {})
    assert read_descriptions(path) == {}
    path.write_text("")
    assert read_descriptions(path) == {}


def test_a_table_from_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text(HEADER + GOOD, encoding="utf-8-sig")
    assert read_descriptions(path)["a"] == make_description(
        location="centre", brightness="darker", area_percentage=5, source="file:words.csv"
    )


@pytest.mark.parametrize(
    ("name", "text", "row", "message"),
    [
        ("w.csv", HEADER + GOOD + GOOD, 3, "'a' is described twice"),
        ("w.csv", HEADER + GOOD.replace("oval", "ovla"), 2, "shape must be one of"),
        ("w.csv", HEADER + GOOD.replace("a,", ",", 1), 2, "needs an 'id'"),
        ("w.csv", HEADER + GOOD.strip() + ",extra\n", 2, "expected 8 columns, found more"),
        ("w.csv", HEADER.replace(",texture", "") + GOOD.replace(",smooth", ""), 2, "missing: texture"),
        ("w.csv", HEADER + "a,centre\n", 2, "missing: boundary, shape"),
        ("w.jsonl", '\n{"id": "a",}\n', 2, "not valid JSON"),
        ("w.jsonl", '{"id": "a", "location": "centre"}\n', 1, "missing"),
        ("w.jsonl", "[1]\n", 1, "needs an 'id'"),
        ("w.json", '{"a":\n oops}', 2, "not valid JSON"),
        ("w.json", '{"a": 3}', 1, "needs an 'id'|record of fields"),
        ("w.json", "[]", None, "expected an object of id to record, found a list"),
    ],
)
def test_a_bad_file_names_itself_and_the_row(tmp_path, name, text, row, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_descriptions(path)
    assert caught.value.path == path
    assert caught.value.row == row


def test_files_that_cannot_be_read_or_written_say_so(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_descriptions(tmp_path / "absent.json")
    with pytest.raises(DataError, match=r"read from \.jsonl, \.json, \.csv"):
        read_descriptions(tmp_path / "words.txt")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + "é".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_descriptions(tmp_path / "latin.csv")
    with pytest.raises(DataError, match="a file stands where a folder is needed"):
        write_descriptions(tmp_path / "latin.csv" / "words.json", {})


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "words.json"
    write_descriptions(path, {"a": make_description()})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="the disk is full"):
        write_descriptions(path, {})
    assert read_descriptions(path) == {"a": make_description()}


def test_the_file_describer_knows_only_its_file(tmp_path):
    path = tmp_path / "words.jsonl"
    write_descriptions(path, {"a": make_description()})
    describer = DESCRIBERS["file"](FileSettings(path=path))
    assert isinstance(describer, FileDescriber)
    assert describer.describe("a", None, None, None) == make_description()
    assert describer.describe("b", None, None, None) is None
