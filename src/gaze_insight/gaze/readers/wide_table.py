"""Long and wide exports: only the columns that are needed are kept while the file is read."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Table

__all__ = ["read_columns", "read_header"]

_DELIMITERS = ("\t", ";", ",")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_header(path: str | Path, *, what: str = "the table") -> Table:
    r"""Read the column names of a table: tab, semicolon or comma between; UTF-8, or UTF-16 with its mark.

    Args:
        path: The file.
        what: What it is, for messages.

    Returns:
        A table without rows.

    Raises:
        DataError: The file is missing, empty, or not text.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.tsv")
        >>> _ = file.write_text("t\tx\ty\n0\t0.5\t0.25\n")
        >>> read_header(file).columns
        ('t', 'x', 'y')
    """
    for _, cells in _rows(Path(path), what):
        return Table(Path(path), tuple(cell.strip() for cell in cells), [], [])
    raise DataError(f"{what} is empty", path=path, remedy="the first line must name the columns")


def read_columns(
    path: str | Path, needed: Callable[[str], bool], *, what: str = "the table", strict: bool = False
) -> Table:
    r"""Read some columns of a table; memory grows with these alone.

    Args:
        path: The file, as for `read_header`.
        needed: Says of a column name whether the column is kept.
        what: What it is, for messages.
        strict: Whether quotes must be balanced, as in `read_table`.

    Returns:
        The table of these columns, in the order of the file; a row that is cut short keeps the cells it has.

    Raises:
        DataError: The file is missing, empty, or not text, or has broken quotes (with `strict`).

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.tsv")
        >>> _ = file.write_text("t\tx\ty\n0\t0.5\t0.25\n\n4\t0.5\n")
        >>> table = read_columns(file, {"t", "y"}.__contains__)
        >>> table.columns, table.cells, table.lines
        (('t', 'y'), [['0', '0.25'], ['4']], [2, 4])
    """
    columns = read_header(path, what=what).columns
    places = [place for place, name in enumerate(columns) if needed(name)]
    cells: list[list[str]] = []
    lines: list[int] = []
    widths: dict[int, int] = {}
    rows = _rows(Path(path), what, strict=strict)
    next(rows)
    for line, row in rows:
        width = len(row)
        if width < len(columns):
            widths[line] = width
        cells.append([sys.intern(row[place]) for place in places if place < width])
        lines.append(line)
    return Table(Path(path), tuple(columns[place] for place in places), cells, lines, widths=widths)


def _rows(path: Path, what: str, *, strict: bool = False) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield (line number, cells) of each line that is not blank; the first is the header."""
    row = 1
    try:
        with path.open("rb") as file:
            encoding = "utf-16" if file.read(2) in _UTF16_MARKS else "utf-8-sig"
        with path.open(encoding=encoding, newline="") as text:
            head = next((line for line in text if line.strip()), "")
            text.seek(0)
            reader = csv.reader(text, delimiter=max(_DELIMITERS, key=head.count), strict=strict)
            for cells in reader:
                row = reader.line_num
                if any(cells) and any(cell.strip() for cell in cells):
                    yield row, cells
    except FileNotFoundError as error:
        raise DataError(f"{what} does not exist", path=path) from error
    except UnicodeError as error:
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        place = row if name == "UTF-16" else _first_undecodable(path)
        raise DataError(
            f"{what} is not {name} text{f', after row {row}' if name == 'UTF-16' else ''}",
            path=path,
            row=place,
            remedy="save it in UTF-8",
        ) from error
    except csv.Error as error:
        raise DataError(f"{what} is broken: {error}", path=path, row=row) from error
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror}", path=path) from error


def _first_undecodable(path: Path) -> int | None:
    """Return the first line that is not UTF-8: text is decoded in blocks, ahead of the rows."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None
