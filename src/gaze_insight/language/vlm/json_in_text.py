"""The JSON objects that stand in a text: alone, in prose, in a code fence, after thoughts, or cut short."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["FoundObjects", "objects_in"]

_LONGEST = 50_000
_LONGEST_LITERAL = 5_000
_THOUGHTS_END = "</think>"
_CUT_ESCAPE = 6
_DEEPEST = 30
_MOST = 50


@dataclass(frozen=True)
class FoundObjects:
    """What `objects_in` found.

    Args:
        objects: The outermost objects, in order. A key that is given twice with different values holds
            the list of them.
        how: How they were got at: "alone", "in other text", "not quite JSON", "cut short", or "none".

    Example:
        >>> FoundObjects((), "none").objects
        ()
    """

    objects: tuple[dict[str, Any], ...]
    how: str


def objects_in(text: str, last_key: str = "") -> FoundObjects:
    """Find the JSON objects in what a model wrote.

    First the objects that are valid JSON (line breaks within strings forgiven). If the first brace opens
    none: the stretch between the first and the last brace as a Python literal (single quotes, a comma too
    many); then, if the text ends within the string of `last_key`, that string and the object closed. So a
    number or a word that was cut is never taken for a whole one.

    Args:
        text: The answer; what stands before ``</think>`` is left out. What exceeds 50,000 characters or 50
            objects is not looked at, nor a text with brackets more than 30 deep.
        last_key: The key whose text may be cut.

    Returns:
        The objects and how they were found; none is no error.

    Example:
        >>> objects_in('Sure! {"a": 1} Anything else?')
        FoundObjects(objects=({'a': 1},), how='in other text')
        >>> objects_in('{"a": 1, "note": "a long sto', "note")
        FoundObjects(objects=({'a': 1, 'note': 'a long sto'},), how='cut short')
        >>> objects_in('{"a": 1', "note").objects
        ()
    """
    said = text.rpartition(_THOUGHTS_END)[2].strip().lstrip("\ufeff")[:_LONGEST]
    first = said.find("{")
    if first < 0 or _depth(said) > _DEEPEST:
        return FoundObjects((), "none")
    found, first_is_one = _decoded(said, first)
    if first_is_one:
        alone = len(found) == 1 and first == 0 and said.endswith("}") and _is_json(said)
        return FoundObjects(found, "alone" if alone else "in other text")
    literal = _literal(said[first : said.rfind("}") + 1])
    if literal is not None:
        return FoundObjects((literal,), "not quite JSON")
    closed = _closed(said[first:], last_key) if last_key else None
    if closed is not None:
        return FoundObjects((closed,), "cut short")
    return FoundObjects(found, "in other text" if found else "none")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary in which a key that was given twice holds both values, unless they are equal."""
    record: dict[str, Any] = {}
    several: set[str] = set()
    for key, value in pairs:
        if key not in record:
            record[key] = value
        elif key in several:
            record[key].append(value)
        elif record[key] != value:
            record[key] = [record[key], value]
            several.add(key)
    return record


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_pairs)


def _decoded(said: str, first: int) -> tuple[tuple[dict[str, Any], ...], bool]:
    """Give the valid objects from `first` on, and whether the first brace opened one."""
    found: list[dict[str, Any]] = []
    at, first_is_one = first, False
    while at >= 0 and len(found) < _MOST:
        try:
            record, end = _DECODER.raw_decode(said, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(record)
            first_is_one = first_is_one or at == first
        at = said.find("{", end)
    return tuple(found), first_is_one


def _depth(said: str) -> int:
    depth = deepest = 0
    for sign in said:
        if sign in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}]":
            depth = max(depth - 1, 0)
    return deepest


def _is_json(said: str) -> bool:
    try:
        _DECODER.decode(said)
    except (ValueError, RecursionError):
        return False
    return True


def _literal(said: str) -> dict[str, Any] | None:
    if not 0 < len(said) <= _LONGEST_LITERAL:
        return None
    try:
        value = ast.literal_eval(said)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    is_record = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    return value if is_record else None


def _closed(said: str, last_key: str) -> dict[str, Any] | None:
    for dropped in range(min(_CUT_ESCAPE, len(said)) + 1):
        try:
            record = _DECODER.decode(said[: len(said) - dropped] + '"}')
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and list(record)[-1:] == [last_key]:
            return record
    return None
