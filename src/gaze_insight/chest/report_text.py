"""A report's text: its sections, and its sentences with their places."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gaze_insight.chest.keyword_phrases import lexicon

__all__ = ["Sentence", "read_sentences", "split_sentences"]

_HEADING = re.compile(r"(?:^|(?<=\n)|(?<=[.;]\s))[ \t]*([A-Za-z][A-Za-z /&]{2,40}?)[ \t]*:", re.MULTILINE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|st|vs|approx|cf|e\.g|i\.e|fig|resp|incl)|\b[A-Za-z])\.$", re.IGNORECASE
)
_BREAK = re.compile(
    r"[.!?]+(?=\s|$)|[.;](?=\s*[A-Z])|;|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)|(?<=\s)(?=\d+[.)]\s+[A-Z])"
)
_NUMBERING = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a report.

    Args:
        text: The sentence, without the mark that ends it and without its number in a list.
        start: Where it begins in the report, in characters.
        section: The heading that it stands under, lower case; empty where there is none.
    """

    text: str
    start: int
    section: str = ""


def split_sentences(text: str) -> tuple[tuple[int, str], ...]:
    """Split text into sentences.

    A sentence ends at ``.``, ``!``, ``?`` or ``;``, at an empty line, and before a numbered or bulleted line;
    not at the point of a decimal number or of an abbreviation (Dr., vs., e.g., single letters), and not at
    the ``XXXX`` that stands for a removed name.

    Args:
        text: Any text.

    Returns:
        Where each begins, and its words; empty for text without words.

    Example:
        >>> text = "1. No effusion vs. scar. 2. A 1.5 cm nodule;Heart normal."
        >>> [words for _, words in split_sentences(text)]
        ['No effusion vs. scar', 'A 1.5 cm nodule', 'Heart normal']
    """
    found: list[tuple[int, str]] = []
    start = 0
    for match in _BREAK.finditer(text):
        before = text[start : match.end()]
        if match.group() == "." and (_ABBREVIATION.search(before) or _is_number(text, match.start(), start)):
            continue
        found += _trimmed(text[start : match.start()], start)
        start = match.end()
    found += _trimmed(text[start:], start)
    return tuple(found)


def read_sentences(text: str) -> tuple[Sentence, ...]:
    """Give the sentences of a report that say what was seen.

    Sections such as INDICATION, HISTORY, COMPARISON and TECHNIQUE are left out: "rule out pneumonia" there is
    a question. Text before the first heading, and under headings that are not known, is read.

    Args:
        text: The report, with or without headings.

    Returns:
        The sentences in order; empty for empty text.

    Example:
        >>> report = "INDICATION: rule out pneumonia. FINDINGS: Lungs are clear. Heart is normal."
        >>> [(one.section, one.text) for one in read_sentences(report)]
        [('findings', 'Lungs are clear'), ('findings', 'Heart is normal')]
    """
    known = lexicon()
    parts: list[tuple[str, int, int]] = []
    section, start = "", 0
    for match in _HEADING.finditer(text):
        name = " ".join(match.group(1).lower().split())
        if name in known.read or name in known.skipped:
            parts.append((section, start, match.start()))
            section, start = name, match.end()
    parts.append((section, start, len(text)))
    return tuple(
        Sentence(words, begin + offset, name)
        for name, begin, end in parts
        if name not in known.skipped
        for offset, words in split_sentences(text[begin:end])
    )


def _is_number(text: str, point: int, start: int) -> bool:
    """Whether the point at this place belongs to a list's number at the very beginning of a sentence."""
    return text[start:point].strip().isdigit()


def _trimmed(words: str, start: int) -> list[tuple[int, str]]:
    numbering = _NUMBERING.match(words)
    if numbering is not None:
        words, start = words[numbering.end() :], start + numbering.end()
    lead = len(words) - len(words.lstrip())
    words = words.strip()
    return [(start + lead, words)] if any(letter.isalnum() for letter in words) else []
