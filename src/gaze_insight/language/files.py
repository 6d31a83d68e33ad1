"""Descriptions in files: JSON lines, one JSON object, or a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from gaze_insight.errors import DataError
from gaze_insight.language.schema import FIELD_NAMES, Description

__all__ = ["read_descriptions", "write_descriptions"]


def read_descriptions(path: str | Path) -> dict[str, Description]:
    """Read descriptions from a file.

    The layouts are `.jsonl` (one record with an ``id`` a line), `.json` (id to record) and `.csv`.

    Args:
        path: The file, UTF-8. A CSV has the columns ``id`` and the flat field names.

    Returns:
        Case id to description, in the file's order; empty for an empty file. A record without a source gets
        ``file:NAME``.

    Raises:
        DataError: The file cannot be read, or a record is wrong or given twice; file and row are named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_descriptions(f"{folder}/words.csv", {"a": Description.nothing_seen("measured")})
        ...     read_descriptions(f"{folder}/words.csv")["a"].location
        'not visible'
    """
    path = Path(path)
    readers = {".jsonl": _jsonl_rows, ".json": _json_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"descriptions are read from {', '.join(readers)}, found {path.suffix!r}", path=path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(
            f"the descriptions cannot be read: {error.strerror}",
            path=path,
            remedy="check the path and its permissions",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"the descriptions are not UTF-8 text: {error.reason} at byte {error.start}",
            path=path,
            remedy="save the file as UTF-8",
        ) from error
    found: dict[str, Description] = {}
    for row, record in reader(text, path):
        fields = dict(record) if isinstance(record, Mapping) else {}
        name = str(fields.pop("id", "") or "")
        if not name:
            raise DataError("each description needs an 'id', found none", path=path, row=row)
        if name in found:
            raise DataError(
                f"the id {name!r} is described twice", path=path, row=row, remedy="keep one of them"
            )
        found[name] = Description.from_record(fields, source=f"file:{path.name}", path=path, row=row)
    return found


def _parse(text: str, path: Path, row: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = row + error.lineno - 1
        raise DataError(
            f"not valid JSON at column {error.colno}: {error.msg}", path=path, row=where
        ) from error


def _jsonl_rows(text: str, path: Path) -> Iterable[tuple[int, Any]]:
    for row, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield row, _parse(line, path, row)


def _json_rows(text: str, path: Path) -> Iterable[tuple[int, Any]]:
    content = _parse(text, path, 1) if text.strip() else {}
    if not isinstance(content, dict):
        raise DataError(f"expected an object of id to record, found a {type(content).__name__}", path=path)
    for row, (name, record) in enumerate(content.items(), start=1):
        yield row, {"id": name, **record} if isinstance(record, dict) else {}


def _csv_rows(text: str, path: Path) -> Iterable[tuple[int, Any]]:
    reader = csv.DictReader(StringIO(text))
    for record in reader:
        if None in record:
            columns = len(reader.fieldnames or ())
            raise DataError(f"expected {columns} columns, found more", path=path, row=reader.line_num)
        yield reader.line_num, record


def write_descriptions(path: str | Path, descriptions: Mapping[str, Description]) -> None:
    """Write descriptions so that `read_descriptions` gives the same back.

    The file appears whole or not at all.

    Args:
        path: The file to write; its ending (`.jsonl`, `.json`, `.csv`) chooses the layout.
        descriptions: Case id to description; an empty mapping writes a file that reads as empty.

    Raises:
        DataError: The ending is unknown or the file cannot be written.

    Example:
        >>> write_descriptions("a.txt", {})
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: a.txt: descriptions are written as .jsonl, .json, .csv, found '.txt'
    """
    path = Path(path)
    writers = {".jsonl": _to_jsonl, ".json": _to_json, ".csv": _to_csv}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise DataError(f"descriptions are written as {', '.join(writers)}, found {path.suffix!r}", path=path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(writer(descriptions), encoding="utf-8", newline="")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise DataError(
            f"the descriptions cannot be written: {error.strerror}",
            path=path,
            remedy="choose a folder that exists, can be written to, and has room",
        ) from error


def _to_jsonl(descriptions: Mapping[str, Description]) -> str:
    rows = ({"id": name} | description.to_record() for name, description in descriptions.items())
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _to_json(descriptions: Mapping[str, Description]) -> str:
    records = {name: description.to_record() for name, description in descriptions.items()}
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _to_csv(descriptions: Mapping[str, Description]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, ["id", *FIELD_NAMES], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"id": name} | description.model_dump() for name, description in descriptions.items())
    return text.getvalue()
