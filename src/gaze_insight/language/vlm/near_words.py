"""From what a model wrote to the word of the vocabulary that it means, by a table and by spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from typing import Any

import yaml

from gaze_insight.errors import SettingsError
from gaze_insight.language.vocabulary import VOCABULARY

__all__ = ["field_of_key", "nearest_word"]

_CUTOFF = 0.84
_SHORTEST = 5
_JOINTS = re.compile(r"[,;/|&+]|\band\b|\bor\b")
_APOSTROPHES = re.compile("['\u2019`]")
_NOT_A_WORD = re.compile(r"[^a-z0-9%.]+")


def nearest_word(field: str, said: str) -> str | None:
    """Find the word of a field's vocabulary that somebody means.

    In this order: the word itself (case, hyphens and punctuation apart); the package's table of other words
    (``near_words.yaml``); for a location one row and one column in any order; the same without words that say
    nothing ("slightly", "shape"); a misspelling, if it begins with the same letter, its likeness
    (`difflib.SequenceMatcher`) is at least 0.84, and nothing that means another word is as like; several
    words ("clear and sharp") where all mean the same. So "inclear" and "not brighter" mean nothing.

    Args:
        field: A key of `VOCABULARY`.
        said: What was written.

    Returns:
        The word; None where none is meant for certain. "not sure" and its like is "low" as a confidence,
        "ambiguous" as a boundary, and None in every other field.

    Raises:
        SettingsError: There is no such field.

    Example:
        >>> nearest_word("location", "Top-Left corner"), nearest_word("boundary", "well-defined margins")
        ('upper left', 'clear')
        >>> nearest_word("brightness", "hyperechoic"), nearest_word("texture", "lobualted")
        ('brighter', 'lobulated')
        >>> nearest_word("boundary", "clear, irregular") is None, nearest_word("shape", "not sure") is None
        (True, True)
    """
    if field not in VOCABULARY:
        raise SettingsError(f"no field is called {field!r}; known: {', '.join(VOCABULARY)}")
    words = _plain(said)
    found = _one(field, words)
    if found is not None:
        return found
    parts = [_plain(part) for part in _JOINTS.split(said.lower())]
    meant = {_one(field, part) for part in parts if part}
    return meant.pop() if len(meant) == 1 else None


def field_of_key(key: str) -> str | None:
    """Find the field that a key of a JSON object names.

    Args:
        key: As written; case, spaces and signs are forgiven.

    Returns:
        A field of an answer, "characteristics" included; None for any other key.

    Example:
        >>> field_of_key("Area Percentage (%)"), field_of_key("margins"), field_of_key("diagnosis")
        ('area_percentage', 'boundary', None)
    """
    return _keys().get(_key(key))


def _plain(said: str) -> str:
    folded = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", said).lower())
    return " ".join(part.strip(".") for part in _NOT_A_WORD.sub(" ", folded).split() if part.strip("."))


def _key(key: str) -> str:
    return _plain(key).replace("%", "").strip().replace(" ", "_")


def _one(field: str, words: str) -> str | None:
    table = _words_of(field)
    short = _without_fillers(field, words)
    for one in (words, short):
        if one in table:
            return table[one]
        if field == "location" and one:
            cell = _cell(one)
            if cell is not None:
                return cell
    return _misspelt(field, words) or _misspelt(field, short)


def _without_fillers(field: str, words: str) -> str:
    known = _table()
    fillers = {*known["fillers"], *known["field_fillers"].get(field, ())}
    return " ".join(word for word in words.split() if word not in fillers)


def _cell(words: str) -> str | None:
    known = _table()
    rows = {name for word in words.split() for name, same in known["rows"].items() if word in same}
    columns = {name for word in words.split() for name, same in known["columns"].items() if word in same}
    middles = [word for word in words.split() if word in known["middle"]]
    understood = {word for same in (*known["rows"].values(), *known["columns"].values()) for word in same}
    if any(word not in understood and word not in middles for word in words.split()):
        return None
    named = (*rows, *columns)
    if len(rows) > 1 or len(columns) > 1 or len(named) + min(len(middles), 1) != 2:
        return "centre" if not named and middles else None
    if len(named) == 2:
        return f"{named[0]} {named[1]}"
    return f"{named[0]} centre" if rows else f"middle {named[0]}"


def _misspelt(field: str, words: str) -> str | None:
    if len(words) < _SHORTEST:
        return None
    likeness = {one: ratio for one in _words_of(field) if (ratio := _likeness(one, words)) >= _CUTOFF}
    near = {one: ratio for one, ratio in likeness.items() if one[0] == words[0]}
    meant = {_words_of(field)[one] for one in near}
    best = max(near.values(), default=1.0)
    rivals = {_words_of(field)[one] for one, ratio in likeness.items() if ratio >= best}
    return meant.pop() if len(meant) == 1 and rivals <= meant else None


def _likeness(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    could_be = matcher.real_quick_ratio() >= _CUTOFF and matcher.quick_ratio() >= _CUTOFF
    return matcher.ratio() if could_be else 0.0


@cache
def _table() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("near_words.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


@cache
def _words_of(field: str) -> dict[str, str]:
    known = _table()
    words = {one: word for word, others in known["words"][field].items() for one in others}
    if field in known["unsure_means"]:
        words = dict.fromkeys(known["unsure"], known["unsure_means"][field]) | words
    return words | {word: word for word in VOCABULARY[field]}


@cache
def _keys() -> dict[str, str]:
    known = _table()["keys"]
    return {one: name for name, others in known.items() for one in (*others, name)}
