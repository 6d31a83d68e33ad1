"""Text of the tree's tables: with or without the index column, with either end of line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["Row", "table_text", "write_bytes", "write_text"]

Row = Sequence[object]
"""The cells of one row; None is written as nothing, a float with the digits that it has."""


def table_text(header: Sequence[str], rows: Iterable[Row], *, index: bool, crlf: bool = False) -> str:
    r"""Write a table as text.

    Args:
        header: Names of the columns.
        rows: The cells of each row.
        index: Whether a first column without a name counts the rows, as pandas writes it.
        crlf: Whether lines end as on Windows.

    Returns:
        The text.

    Example:
        >>> table_text(("a", "b"), [(1, None)], index=True)
        ',a,b\n0,1,\n'
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n" if crlf else "\n")
    writer.writerow(["", *header] if index else header)
    for number, row in enumerate(rows):
        writer.writerow([number, *row] if index else row)
    return buffer.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a text file as it is, and the folders above it.

    Args:
        path: The file.
        text: Its content; ends of line are not changed.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it.

    Args:
        path: The file.
        content: Its content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
