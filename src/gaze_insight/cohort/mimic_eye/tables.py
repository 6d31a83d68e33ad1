"""Tables as MIMIC-Eye, REFLACX and EGD publish them: with and without an index column, with any line end."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gaze_insight.errors import DataError

__all__ = ["Table", "TableRow", "read_table"]

_BLANK = frozenset({"", "nan", "na", "none", "null", "<na>"})
_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table; cells stay text until they are asked for as something else.

    Args:
        path: The table's file.
        line: The row's line in the file, the header being line 1.
        places: Column name to its place in `cells`.
        cells: The text of each cell, those of unnamed columns included.

    Example:
        >>> row = TableRow(Path("a.csv"), 2, {"word": 0, "t": 1}, ["NA", "0.5"])
        >>> row.text("word"), row.number("t"), row.number("word")
        ('NA', 0.5, None)
    """

    path: Path
    line: int
    places: Mapping[str, int]
    cells: list[str]

    def text(self, column: str) -> str:
        """Give a cell's text without the spaces around it; words such as ``NA`` are words.

        Args:
            column: The column; it must be in the table.

        Returns:
            The text; empty for a blank cell.
        """
        return self.cells[self.places[column]].strip()

    def number(self, column: str) -> float | None:
        """Give a cell as a number.

        Args:
            column: The column; it must be in the table.

        Returns:
            The number; None for a blank cell, and for ``nan`` and ``NA``.

        Raises:
            DataError: The cell holds something else, or infinity.
        """
        text = self.text(column)
        if text.lower() in _BLANK:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"expected a number in the column {column!r}, found {text!r}")
        return value

    def needed(self, column: str) -> float:
        """Give a cell as a number that may not be blank.

        Args:
            column: The column; it must be in the table.

        Returns:
            The number.

        Raises:
            DataError: The cell is blank or holds something else.
        """
        value = self.number(column)
        if value is None:
            raise self.error(f"expected a number in the column {column!r}, found a blank cell")
        return value

    def name(self, column: str) -> str:
        """Give a cell that holds a number used as a name, such as a patient's: ``7.0`` is ``7``.

        Args:
            column: The column; it must be in the table.

        Returns:
            The name; empty for a blank cell.
        """
        text = self.text(column)
        head, point, tail = text.partition(".")
        return head if point and head.isdigit() and not tail.strip("0") else text

    def flag(self, column: str) -> bool | None:
        """Give a cell as true or false.

        Args:
            column: The column; it must be in the table.

        Returns:
            The value; None for a blank cell.

        Raises:
            DataError: The cell holds something else.
        """
        text = self.text(column).lower()
        if text in _BLANK:
            return None
        if text not in _FLAGS:
            raise self.error(f"expected True or False in the column {column!r}, found {self.text(column)!r}")
        return _FLAGS[text]

    def error(self, message: str, remedy: str | None = None) -> DataError:
        """Make an error that names this file and row.

        Args:
            message: What was expected and what was found.
            remedy: What the user can do.

        Returns:
            The error, to be raised.
        """
        return DataError(message, path=self.path, row=self.line, remedy=remedy)


@dataclass(frozen=True)
class Table:
    """A table with its named columns.

    Args:
        path: The file.
        columns: Names in the file's order, unnamed index columns left out.
        rows: The rows; none where the file has a header only.
        broken: An error for each row that has another number of cells than the header.

    Example:
        >>> Table(Path("a.csv"), ("id",)).has("id", "x")
        False
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...] = ()
    broken: tuple[DataError, ...] = field(default=())

    def has(self, *columns: str) -> bool:
        """Say whether all these columns are there.

        Args:
            columns: Names.

        Returns:
            True where none is missing.
        """
        return set(columns) <= set(self.columns)


def read_table(
    path: str | Path,
    needs: Collection[str],
    *,
    where: Callable[[TableRow], bool] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Table:
    r"""Read a CSV table, plain or packed (``.gz``), with any line end and with or without an index column.

    Columns without a name, and those called ``Unnamed: 0`` and so on, are index columns that pandas wrote;
    they are left out. Nothing is turned into "not available" by itself: the word ``NA`` stays a word.

    Args:
        path: The file.
        needs: Columns that must be there.
        where: Keeps only these rows; by default all.
        rename: Other names of columns, such as those of older releases, to the names used here.

    Returns:
        The table; rows without any cell are passed over.

    Raises:
        DataError: The file cannot be read, is empty, lacks a column, or has one twice.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.csv")
        >>> _ = file.write_bytes(b",id,x\r\n0,a,1.5\r\n")
        >>> table = read_table(file, {"id"})
        >>> table.columns, table.rows[0].number("x")
        (('id', 'x'), 1.5)
    """
    file = Path(path)
    with _opened(file) as stream:
        reader = csv.reader(stream)
        header = next(reader, None)
        if not header:
            raise DataError(
                f"expected a table with the columns {_listed(needs)}, found an empty file", path=file
            )
        places = _places(header, rename or {}, file)
        if not set(needs) <= places.keys():
            raise DataError(
                f"expected the columns {_listed(needs)}; lacking {_listed(set(needs) - places.keys())}, "
                f"found {_listed(places)}",
                path=file,
                row=1,
                remedy="copy the file again from the release; its header must be as published",
            )
        rows, broken = [], []
        for cells in reader:
            if not cells:
                continue
            row = TableRow(file, reader.line_num, places, cells)
            if len(cells) != len(header):
                broken.append(row.error(f"expected {len(header)} cells, found {len(cells)}"))
            elif where is None or where(row):
                rows.append(row)
    return Table(file, tuple(places), tuple(rows), tuple(broken))


@contextmanager
def _opened(file: Path) -> Iterator[io.TextIOBase]:
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as packed:
                yield packed
        else:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                yield stream
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the table cannot be read: {error}", path=file, remedy="copy the file again from the release"
        ) from error


def _places(header: list[str], rename: Mapping[str, str], file: Path) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, written in enumerate(header):
        name = rename.get(written.strip(), written.strip())
        if not name or name.startswith("Unnamed"):
            continue
        if name in places:
            raise DataError(f"the column {name!r} is there twice", path=file, row=1)
        places[name] = place
    return places


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) if isinstance(names, (set, frozenset)) else ", ".join(names) or "none"
