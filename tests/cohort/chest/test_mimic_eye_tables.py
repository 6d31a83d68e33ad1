"""Tables as published: index columns, line ends, blanks, and what a bad one says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.tables import read_table
from gaze_insight.errors import DataError, SettingsError


def written(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "id,x\na,1.5\nb,\n",
        ",id,x\n0,a,1.5\n1,b,\n",
        "Unnamed: 0,id,Unnamed: 0.1,x\n0,a,0,1.5\n1,b,1,nan\n",
        "\ufeff,id, x \r\n0,a,1.5\r\n1,b,NA\r\n",
        "id,x\r\na,1.5\r\n\r\nb,\r\n",
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_index_columns_line_ends_and_blanks_make_no_difference(tmp_path, text, name) -> None:
    table = read_table(written(tmp_path, text, name), {"id", "x"})
    assert table.columns == ("id", "x")
    assert [(row.text("id"), row.number("x")) for row in table.rows] == [("a", 1.5), ("b", None)]


def test_words_that_mean_missing_elsewhere_are_words(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "word,t\nNA,1\nnull,2\nnan,3\nnone,4\n"), {"word"})
    assert [row.text("word") for row in table.rows] == ["NA", "null", "nan", "none"]


def test_names_that_pandas_turned_into_numbers_are_names_again(tmp_path: Path) -> None:
    (row,) = read_table(written(tmp_path, "a,b,c,d\n90000001.0,s5.0,7.5,\n"), {"a"}).rows
    assert [row.name(column) for column in "abcd"] == ["90000001", "s5.0", "7.5", ""]


def test_flags(tmp_path: Path) -> None:
    rows = read_table(written(tmp_path, "f\nTrue\nfalse\n1\n0.0\nnan\n"), {"f"}).rows
    assert [row.flag("f") for row in rows] == [True, False, True, False, None]


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ("", None, "expected a table with the columns id, found an empty file"),
        ("name,x\n", 1, "lacking id, found name, x"),
        ("id,x,id\n", 1, "the column 'id' is there twice"),
    ],
)
def test_a_table_that_cannot_be_used_says_what_it_lacks(tmp_path, text, row, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_table(written(tmp_path, text), ["id"])
    assert (caught.value.path, caught.value.row) == (tmp_path / "a.csv", row)


def test_a_missing_a_damaged_and_a_wrongly_encoded_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"id\n1\n" * 2000)[:-20])
    (tmp_path / "c.csv").write_bytes(b"id\n\xff\xfe\n")
    for name in ("a.csv", "b.csv.gz", "c.csv"):
        with pytest.raises(DataError, match=f"{name}: the table cannot be read"):
            read_table(tmp_path / name, ["id"])


@pytest.mark.parametrize(
    ("cell", "method"), [("x", "number"), ("inf", "number"), ("", "needed"), ("2", "flag")]
)
def test_a_cell_of_another_kind_names_column_and_row(tmp_path, cell, method) -> None:
    (_, row) = read_table(written(tmp_path, f"id,x\na,0\nb,{cell}\n"), ["x"]).rows
    with pytest.raises(DataError, match="in the column 'x', found") as caught:
        getattr(row, method)("x")
    assert caught.value.row == 3


def test_rows_of_another_length_are_refused_or_counted(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "id,x\na\nb,2\nc,3,4\n"), ["id"])
    assert [row.text("id") for row in table.rows] == ["b"]
    with pytest.raises(DataError, match="row 2: expected 2 cells, found 1"):
        Account().rows(table)
    account = Account("skip")
    assert list(account.rows(table, "bad_row")) == list(table.rows)
    assert account.dropped == {"bad_row": 2}
    assert len(account.problems) == 2


def test_an_account_knows_two_ways() -> None:
    with pytest.raises(SettingsError, match="'raise' or 'skip', found 'stop'"):
        Account("stop")  # type: ignore[arg-type]
    strict = Account()
    with pytest.raises(DataError, match="no"), strict.allowing("bad_row"):
        raise DataError("no")
    assert not strict.problems
