"""The decimal mark of an exported table, where the program wrote numbers by the computer's language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Table

__all__ = ["DecimalMark", "with_decimal_mark"]

DecimalMark = Literal["auto", ".", ","]

_COMMA = re.compile(r"-?\d*,\d+$")
_POINT = re.compile(r"-?\d*\.\d+$")


def with_decimal_mark(table: Table, names: Sequence[str], mark: DecimalMark = "auto") -> Table:
    """Return the table with its decimal mark.

    With ``auto`` the mark is the one that the numbers have; where none has a fraction it does not matter.

    Args:
        table: The table.
        names: The columns that hold numbers.
        mark: The mark, or ``auto``.

    Returns:
        The table with `decimal` set.

    Raises:
        DataError: Some numbers have a comma, others a point.

    Example:
        >>> from pathlib import Path
        >>> table = Table(Path("a.tsv"), ("x",), [["960"], ["0,5"]], [2, 3])
        >>> [row.number("x") for row in with_decimal_mark(table, ["x"]).rows()]
        [960.0, 0.5]
    """
    if mark != "auto":
        return replace(table, decimal=mark)
    places = [index for index, name in enumerate(table.columns) if name in names]
    found: dict[Literal[".", ","], int] = {}
    for line, cells in zip(table.lines, table.cells, strict=True):
        for cell in (cells[at] for at in places if at < len(cells)):
            if "." in cell and "." not in found and _POINT.match(cell.strip()):
                found["."] = line
            elif "," in cell and "," not in found and _COMMA.match(cell.strip()):
                found[","] = line
    if len(found) == 2:
        raise DataError(
            f"numbers have a decimal comma in row {found[',']} and a decimal point in row {found['.']}",
            path=table.path,
            row=max(found.values()),
            remedy="export with one decimal mark, or state it (decimal: '.' or ',')",
        )
    return replace(table, decimal="," if "," in found else ".")
