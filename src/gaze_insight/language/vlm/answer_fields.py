"""One field of an answer: a word, an area, the remarks; with what was mended and what is wrong."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from gaze_insight.language.vlm.near_words import nearest_word
from gaze_insight.language.vocabulary import VOCABULARY

__all__ = ["Mended", "read_area", "read_remarks", "read_word_said", "shortened", "writable"]

_LONGEST_REMARKS = 500
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_NUMBER = r"(\d+(?:\.\d+|,\d{1,2})?)"
_PERCENT = r"\s*(?:%|percent|per cent|pct)?"
_AREA = re.compile(
    rf"(?:about|approximately|approx\.?|around|roughly|circa|ca\.?|~|≈)?\s*{_NUMBER}{_PERCENT}"
    rf"(?:\s*(?:-|–|—|to)\s*{_NUMBER}{_PERCENT})?"
    r"(?:\s*of the (?:whole |entire )?(?:image|picture|frame|area))?\.?"
)


@dataclass(frozen=True)
class Mended:
    """A value that was taken for another than was written.

    Args:
        field: The field, or "answer" for the whole.
        found: What was written, shortened.
        taken: What it was taken for, or "left out".

    Example:
        >>> Mended("boundary", "well-defined", "clear").taken
        'clear'
    """

    field: str
    found: str
    taken: str


def writable(text: str) -> str:
    r"""Replace what no file or request in UTF-8 can hold, or no page should.

    Args:
        text: Any text; JSON's escapes can bring half a character (a lone surrogate) into it.

    Returns:
        The text with U+FFFD for such halves and a space for each control character but the line feed.

    Example:
        >>> writable("a\ud800b\x07c\nd")
        'a�b c\nd'
    """
    return _HALF_A_CHARACTER.sub("\ufffd", _CONTROL.sub(" ", text))


def shortened(value: Any, limit: int = 80) -> str:
    r"""Show a value on one short line, for messages and records.

    Args:
        value: Text, or any value that JSON can hold.
        limit: Most characters.

    Returns:
        The text itself or the value as JSON, `writable`, white space collapsed.

    Example:
        >>> shortened("a  long\nstory", 8), shortened(["oval", 1])
        ('a long …', '["oval", 1]')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(writable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def read_word_said(name: str, value: Any, mended: list[Mended], faults: list[str]) -> str | None:
    """Read a field of a closed vocabulary.

    Args:
        name: The field.
        value: What was written; a list of words is fine where all mean the same.
        mended: Receives what was taken for something else.
        faults: Receives what is wrong.

    Returns:
        The word; None where there is a fault.

    Example:
        >>> faults = []
        >>> read_word_said("shape", "square", [], faults), faults
        (None, ['shape: found "square"; write exactly one of "round", "oval", "elongated", "irregular"'])
    """
    allowed = ", ".join(f'"{word}"' for word in VOCABULARY[name])
    if value is None or value in ("", [], {}):
        faults.append(f"{name} is missing; write one of {allowed}")
        return None
    said = value if isinstance(value, list) else [value]
    meant = {nearest_word(name, one) if isinstance(one, str) else None for one in said}
    word = meant.pop() if len(meant) == 1 else None
    if word is None:
        found = f'"{shortened(value)}"' if isinstance(value, str) else shortened(value)
        faults.append(f"{name}: found {found}; write exactly one of {allowed}")
    elif value != word:
        mended.append(Mended(name, shortened(value), word))
    return word


def read_area(value: Any, mended: list[Mended], faults: list[str]) -> float | None:
    """Read the share of the picture that the region covers.

    Args:
        value: A number, or text such as "12 %", "about 12.5 percent", "10-15 %" (its middle). A number below
            1 is a share below 1 %, since nobody can tell whether a fraction was meant.
        mended: Receives what was taken for something else.
        faults: Receives what is wrong.

    Returns:
        Percent, 0 to 100; None where there is a fault.

    Example:
        >>> read_area("10-15 %", [], []), read_area(0.12, [], []), read_area("large", [], [])
        (12.5, 0.12, None)
    """
    asked = "write a number from 0 to 100, the percentage of the whole picture"
    if value is None or value == "":
        faults.append(f"area_percentage is missing; {asked}")
        return None
    area = _area_of(value)
    if area is None or not 0 <= area <= 100:
        faults.append(f"area_percentage: found {shortened(value)}; {asked}")
        return None
    if isinstance(value, str):
        mended.append(Mended("area_percentage", shortened(value), f"{area:g}"))
    return area


def read_remarks(value: Any, mended: list[Mended]) -> str:
    r"""Read the remarks.

    Args:
        value: Text; None is no remark; anything else is written as JSON.
        mended: Receives what was changed: another type, or a text of more than 500 characters.

    Returns:
        One line of at most 500 characters.

    Example:
        >>> read_remarks(" On a\nfold. ", [])
        'On a fold.'
    """
    if value is None:
        return ""
    text = shortened(value, _LONGEST_REMARKS)
    if not isinstance(value, str) or len(" ".join(writable(value).split())) > _LONGEST_REMARKS:
        mended.append(Mended("remarks", shortened(value), "one line of text"))
    return text


def _area_of(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        match = _AREA.fullmatch(value.strip().lower())
        if match is None:
            return None
        low, high = (float(one.replace(",", ".")) if one else None for one in match.groups())
        return low if low is None or high is None else _middle(low, high)
    try:
        area = float(value)
    except OverflowError:
        return None
    return area if math.isfinite(area) else None


def _middle(low: float, high: float) -> float | None:
    return (low + high) / 2 if low <= high <= 100 else None
