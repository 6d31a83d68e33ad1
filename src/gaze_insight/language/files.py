"""Descriptions in files: JSON lines, one JSON object, or a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.language.schema import FIELD_NAMES, Description

__all__ = ["read_descriptions", "read_provenance", "write_descriptions"]

_PROVENANCE = "provenance"
_Made = Mapping[str, Mapping[str, Any]]


def read_descriptions(path: str | Path) -> dict[str, Description]:
    """Read descriptions from a file.

    The layouts are `.jsonl` (one record with an ``id`` a line), `.json` (id to record) and `.csv`. A record
    in JSON may have a ``provenance``, which says how it was made; it is read by `read_provenance`.

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
    return {
        name: Description.from_record(fields, source=f"file:{path.name}", path=path, row=row)
        for name, row, fields, _ in _records(path)
    }


def read_provenance(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read how the descriptions of a file were made, as far as it says so.

    Args:
        path: The file, as for `read_descriptions`.

    Returns:
        Case id to plain values, such as the model and the prompt's hash; cases without are left out, and a
        CSV has none.

    Raises:
        DataError: The file cannot be read, or an id stands in it twice; file and row are named.

    Example:
        >>> import tempfile
        >>> seen = Description.nothing_seen("a model")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_descriptions(f"{folder}/words.jsonl", {"a": seen}, {"a": {"prompt": "paper@1"}})
        ...     read_provenance(f"{folder}/words.jsonl")
        {'a': {'prompt': 'paper@1'}}
    """
    return {name: made for name, _, _, made in _records(Path(path)) if made}


def _records(path: Path) -> Iterable[tuple[str, int, dict[str, Any], dict[str, Any]]]:
    """Give id, row, fields and provenance of each record, in the file's order."""
    seen: set[str] = set()
    for row, record in _rows(path):
        fields = dict(record) if isinstance(record, Mapping) else {}
        name = str(fields.pop("id", "") or "")
        if not name:
            raise DataError("each description needs an 'id', found none", path=path, row=row)
        if name in seen:
            raise DataError(
                f"the id {name!r} is described twice", path=path, row=row, remedy="keep one of them"
            )
        seen.add(name)
        made = {} if path.suffix.lower() == ".csv" else fields.pop(_PROVENANCE, None) or {}
        if not isinstance(made, dict):
            raise DataError(
                f"{_PROVENANCE} must be an object, found {made!r:.60}", path=path, row=row,
                remedy="leave it out, or write what made the record as names and values",
            )  # fmt: skip
        yield name, row, fields, made


def _rows(path: Path) -> Iterable[tuple[int, Any]]:
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
    return reader(text, path)


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


def write_descriptions(
    path: str | Path,
    descriptions: Mapping[str, Description],
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write descriptions so that `read_descriptions` gives the same back.

    The file appears whole or not at all.

    Args:
        path: The file to write; its ending (`.jsonl`, `.json`, `.csv`) chooses the layout.
        descriptions: Case id to description; an empty mapping writes a file that reads as empty.
        provenance: How they were made, by case id; plain values. Ids without a description are not written.

    Raises:
        DataError: The ending is unknown, the file cannot be written, or it is a CSV, which has no place for
            the provenance.

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
    if provenance and writer is _to_csv:
        raise DataError(
            "a CSV has no place for how descriptions were made",
            path=path,
            remedy="write them as .jsonl or .json",
        )
    made = {name: {_PROVENANCE: dict(one)} for name, one in (provenance or {}).items() if one}
    write_text_atomic(path, writer(descriptions, made))


def _to_jsonl(descriptions: Mapping[str, Description], made: _Made) -> str:
    rows = ({"id": name, **one.to_record(), **made.get(name, {})} for name, one in descriptions.items())
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _to_json(descriptions: Mapping[str, Description], made: _Made) -> str:
    records = {name: {**one.to_record(), **made.get(name, {})} for name, one in descriptions.items()}
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _to_csv(descriptions: Mapping[str, Description], made: _Made) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, ["id", *FIELD_NAMES], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"id": name} | description.model_dump() for name, description in descriptions.items())
    return text.getvalue()
