"""The log of a run: one JSON object a line, one line an epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic

__all__ = ["append_history", "read_history", "trim_history"]


def append_history(path: Path, row: dict[str, Any]) -> None:
    """Add a row.

    Args:
        path: The file; it and its folder are made where missing.
        row: What to log; numbers, strings and None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read all rows; a last line that a crash cut off is left out.

    Args:
        path: The file.

    Returns:
        The rows in order; empty where there is no file.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def trim_history(path: Path, stage: int, step: int) -> None:
    """Take back the rows of epochs that a resumed run will pass through again.

    Args:
        path: The file.
        stage: Index of the stage the run goes on in.
        step: Steps done in that stage.
    """
    rows = [row for row in read_history(path) if (row["stage_index"], row["step"]) <= (stage, step)]
    if path.exists():
        write_text_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))
