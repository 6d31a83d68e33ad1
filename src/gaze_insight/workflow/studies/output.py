"""Files of a study beside its page: tables and a summary."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gaze_insight.atomic import write_text_atomic

__all__ = ["as_plain", "write_rows"]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, with the keys of the first row as its head.

    Args:
        path: The file; replaced in one step.
        rows: Plain values, of equal keys. What is not a number (NaN) or None is left empty.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "t.csv"
        >>> write_rows(path, [{"level": 0.1, "dice": math.nan}])
        >>> path.read_text(encoding="utf-8").splitlines()
        ['level,dice', '0.1,']
    """
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if _missing(value) else value for key, value in row.items()})
    write_text_atomic(path, buffer.getvalue())


def as_plain(value: Any, leave_out: Sequence[str] = ()) -> Any:
    """Turn a study into values that JSON knows; NaN becomes None, settings become mappings.

    Args:
        value: Nested dataclasses, settings, mappings, sequences, numbers.
        leave_out: Names of fields of the outermost dataclass that are left out.

    Returns:
        Plain values.

    Example:
        >>> from gaze_insight.workflow.studies.scoring import Estimate
        >>> as_plain(Estimate(0.5, math.nan, math.nan, 2))
        {'mean': 0.5, 'low': None, 'high': None, 'n': 2}
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.name not in leave_out]
        return {name: as_plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): as_plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(one) for one in value]
    return None if _missing(value) else value


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
