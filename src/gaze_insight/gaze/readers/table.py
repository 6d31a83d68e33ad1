"""Delimited text as readers need it: cells by column name, each with the line it stands in."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from gaze_insight.errors import DataError

__all__ = ["Row", "Table", "read_table"]

_DELIMITERS = (",", "\t", ";", "|")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a text table, blank lines left out.

    Args:
        path: The file.
        columns: Names of the columns; ``"1"``, ``"2"``, ... where the file has no header.
        cells: The cells of each row, as text.
        lines: The 1-based line of each row in the file.
        decimal: The decimal mark of its numbers.
        widths: Line to the cells that stand there in the file, of rows that are cut short, where `cells`
            holds some columns only.

    Example:
        >>> table = Table(Path("a.csv"), ("t", "x"), [["0", "0.5"]], [2])
        >>> [row.number("x") for row in table.rows()]
        [0.5]
    """

    path: Path
    columns: tuple[str, ...]
    cells: list[list[str]]
    lines: list[int]
    decimal: Literal[".", ","] = "."
    widths: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cells)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of the file."""
        place = {name: index for index, name in reversed(list(enumerate(self.columns)))}
        for cells, line in zip(self.cells, self.lines, strict=True):
            yield Row(self, place, cells, line)

    def need(self, names: Sequence[str], *, remedy: str | None = None) -> None:
        """Refuse a table that lacks a column or has it twice.

        Args:
            names: The columns that will be read.
            remedy: What to do; after a hint about names that look alike.

        Raises:
            DataError: A column is missing or ambiguous; the message lists what was found.

        Example:
            >>> Table(Path("a.csv"), ("t", "X"), [], []).need(["t", "x"])
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: a.csv, row 1: the table lacks the column 'x'; found: t, X
              -> 'x' could be 'X'
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            lowered = {name.lower(): name for name in self.columns if name}
            near = {name: get_close_matches(name.lower(), lowered, n=1, cutoff=0.6) for name in missing}
            hints = [f"{name!r} could be {lowered[found[0]]!r}" for name, found in near.items() if found]
            raise DataError(
                f"the table lacks the column {', '.join(map(repr, missing))}; "
                f"found: {', '.join(name for name in self.columns if name) or 'none'}",
                path=self.path,
                row=1,
                remedy="; ".join([*hints, *([remedy] if remedy else [])]) or None,
            )
        counts = Counter(self.columns)
        twice = [name for name in names if counts[name] > 1]
        if twice:
            raise DataError(f"the table has the column {twice[0]!r} more than once", path=self.path, row=1)


class Row:
    """One row of a table; what it holds is asked for by column name.

    Args:
        table: Its table.
        place: Column name to index.
        cells: Its cells.
        line: Its 1-based line in the file.

    Example:
        >>> row = Row(Table(Path("a.csv"), ("t",), [], []), {"t": 0}, [" 7 "], 2)
        >>> row.text("t"), row.number("t")
        ('7', 7.0)
    """

    __slots__ = ("_place", "cells", "line", "table")

    def __init__(self, table: Table, place: dict[str, int], cells: list[str], line: int) -> None:
        self.table, self._place, self.cells, self.line = table, place, cells, line

    def text(self, name: str) -> str:
        """Return a cell without the blanks around it.

        Args:
            name: The column.

        Returns:
            The text; may be empty.

        Raises:
            DataError: The row ends before this column (a truncated row).
        """
        index = self._place[name]
        if index >= len(self.cells):
            width = self.table.widths.get(self.line, len(self.cells))
            raise self.error(f"the row has {width} cells and none for {name!r}")
        return self.cells[index].strip()

    def number(self, name: str, *, missing: Sequence[str] | None = None) -> float:
        """Return a cell as a number.

        Args:
            name: The column.
            missing: Texts that stand for no value; None where a value must be there.

        Returns:
            The finite number, or NaN for a missing one.

        Raises:
            DataError: Not a number, not finite, or missing where it must not be.
        """
        text = self.text(name)
        if missing is not None and text in missing:
            return math.nan
        try:
            value = float(text.replace(",", ".") if self.table.decimal == "," else text)
        except ValueError as error:
            raise self.error(f"{name} must be a number, found {text!r}") from error
        if not math.isfinite(value):
            raise self.error(f"{name} must be finite, found {text!r}")
        return value

    def flag(self, name: str) -> bool:
        """Return a cell as a truth value: ``true``/``false`` in any case, or ``1``/``0``.

        Args:
            name: The column.

        Returns:
            The value.

        Raises:
            DataError: Something else stands there.
        """
        text = self.text(name).lower()
        if text in ("true", "1", "1.0"):
            return True
        if text in ("false", "0", "0.0"):
            return False
        raise self.error(f"{name} must be True or False, found {text!r}")

    def error(self, message: str, *, remedy: str | None = None) -> DataError:
        """Make an error that names the file and this row.

        Args:
            message: What was expected and what was found.
            remedy: What to do.

        Returns:
            The error, ready to raise.
        """
        return DataError(message, path=self.table.path, row=self.line, remedy=remedy)


def read_table(
    path: str | Path,
    *,
    what: str = "the table",
    header: bool = True,
    comment: str | None = None,
    decimal: Literal[".", ","] = ".",
) -> Table:
    r"""Read delimited text: UTF-8 (or UTF-16 with a byte order mark), comma, tab, semicolon or | between.

    Args:
        path: The file.
        what: What it is, for messages.
        header: Whether the first row names the columns.
        comment: Lines that begin with this are left out.
        decimal: The decimal mark; with ``,`` the comma is not taken to separate cells.

    Returns:
        The table; without rows where only a header is there.

    Raises:
        DataError: The file is missing, empty, not text, or has broken quotes.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.csv")
        >>> _ = file.write_text("## made by hand\nt;x\n0;0,5\n")
        >>> table = read_table(file, comment="##", decimal=",")
        >>> table.columns, table.lines, next(table.rows()).number("x")
        (('t', 'x'), [3], 0.5)
    """
    path = Path(path)
    listed = list(_lines(_text(path, what), path, what, comment, decimal))
    if not listed:
        remedy = "the first line must name the columns" if header else None
        raise DataError(f"{what} is empty", path=path, remedy=remedy)
    if header:
        columns = tuple(name.strip() for name in listed.pop(0)[1])
    else:
        columns = tuple(str(index + 1) for index in range(len(listed[0][1])))
    return Table(path, columns, [cells for _, cells in listed], [line for line, _ in listed], decimal)


def _text(path: Path, what: str) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{what} does not exist", path=path) from error
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror}", path=path) from error
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{what} is not {encoding.removesuffix('-sig').upper()} text (byte {error.start})",
            path=path,
            row=row,
            remedy="this is a binary file (a recording, a video, a workbook): export it as text"
            if b"\0" in data
            else "save it in UTF-8",
        ) from error


def _lines(
    text: str, path: Path, what: str, comment: str | None, decimal: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is neither blank nor a comment."""
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{what} is not text (it holds a zero byte)", path=path, row=row)
    starts = (line for line in io.StringIO(text) if line.strip() and not _is_comment(line, comment))
    head = next(starts, "")
    known = [mark for mark in _DELIMITERS if mark != decimal]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(known, key=head.count), strict=True)
    try:
        for cells in reader:
            blank = not cells or (not cells[0].strip() and not "".join(cells).strip())
            if not blank and not _is_comment(cells[0], comment):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{what} is broken: {error}", path=path, row=reader.line_num) from error


def _is_comment(start: str, comment: str | None) -> bool:
    return comment is not None and start.startswith(comment)
