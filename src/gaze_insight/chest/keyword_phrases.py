"""The phrases of `keywords.yaml`: a small language for wording, turned into regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from gaze_insight.errors import SettingsError

__all__ = [
    "CueWords",
    "Lexicon",
    "NormalStatement",
    "Phrases",
    "lexicon",
    "phrase_pattern",
    "phrases_pattern",
]

_FILE = "keywords.yaml"
_SPACE = r"[\s/-]+"
_ITEM = re.compile(r"\([^()]+\)|[^\s()]+")


@dataclass(frozen=True)
class Phrases:
    """Phrases that stand for one thing.

    Args:
        pattern: Finds any of them.
        stems: Lower-case beginnings of words, one of which each phrase holds: a quick look whether to search.
    """

    pattern: re.Pattern[str]
    stems: tuple[str, ...]

    def find(self, text: str, lowered: str) -> list[re.Match[str]]:
        """Find the phrases in a sentence.

        Args:
            text: The sentence.
            lowered: The same in lower case.

        Returns:
            The matches, from left to right, without overlap.

        Example:
            >>> found = lexicon().findings["Edema"].find("Mild edema", "mild edema")
            >>> [match.group() for match in found]
            ['edema']
        """
        if not any(stem in lowered for stem in self.stems):
            return []
        return list(self.pattern.finditer(text))


@dataclass(frozen=True)
class NormalStatement:
    """A normal statement and what it denies.

    Args:
        phrases: How it is worded.
        denies: The findings that it denies without naming them.
    """

    phrases: Phrases
    denies: tuple[str, ...]


@dataclass(frozen=True)
class CueWords:
    """Words that deny a finding, doubt it, or speak of it without saying that it is there.

    Args:
        pattern: All of them, the longer before the shorter, pseudo-cues among them.
        named: One pattern for each cue, with what it does: pairs of kind and direction ("before" the
            finding, "after" it or "just_after" it); empty for a pseudo-cue.
        seen: Verbs that say no more than that something is seen.
        passed: Words of doubt that a denial reaches beyond ("no opacity to suggest pneumonia").
        ends: Words at which the reach of a cue ends.
        asserting: Words by which a piece after a comma says something of its own.
        asserting_unless_or: Likewise, but not within a list closed by "or".
    """

    pattern: re.Pattern[str]
    named: tuple[tuple[re.Pattern[str], tuple[tuple[str, str], ...]], ...]
    seen: re.Pattern[str]
    passed: re.Pattern[str]
    ends: re.Pattern[str]
    asserting: re.Pattern[str]
    asserting_unless_or: re.Pattern[str]


@dataclass(frozen=True)
class Lexicon:
    """All that `keywords.yaml` says.

    Args:
        findings: Finding to the pattern of the words that assert it.
        excluded: Finding to the pattern of words that look like it and are something else.
        hints: Finding to the pattern of the words that make it no more than possible.
        other: What is abnormal beyond the findings, likewise.
        normal: Normal statements.
        cues: Denial, doubt and hypothesis.
        sides: left, right and bilateral to the pattern of their words.
        places: Words for places of the chest.
        misspelt: Words whose misspellings may be understood.
        read: Headings of sections that say what was seen.
        skipped: Headings of sections that say why it was done, or against what it was compared.
    """

    findings: Mapping[str, Phrases]
    excluded: Mapping[str, Phrases]
    hints: Mapping[str, Phrases]
    other: Mapping[str, Phrases]
    normal: tuple[NormalStatement, ...]
    cues: CueWords
    sides: Mapping[str, re.Pattern[str]]
    places: re.Pattern[str]
    misspelt: tuple[str, ...]
    read: frozenset[str]
    skipped: frozenset[str]


def phrase_pattern(phrase: str, stops: Sequence[str] = ()) -> str:
    r"""Turn a phrase into a regular expression.

    Args:
        phrase: Words; ``word*`` with any ending, ``a|b`` either, ``(word)`` may be left out, ``~`` up to four
            further words, ``~~`` up to ten with commas between them. A space also stands for a hyphen.
        stops: Words that a gap never crosses.

    Returns:
        The expression, for use with `re.IGNORECASE`.

    Raises:
        SettingsError: The phrase has no word, or begins or ends with a gap.

    Example:
        >>> bool(re.search(phrase_pattern("heart ~ enlarge*"), "the heart is mildly enlarged"))
        True
        >>> bool(re.search(phrase_pattern("not (clearly) seen|found"), "not found"))
        True
    """
    items = _ITEM.findall(phrase)
    if not items or items[0].startswith("~") or items[-1].startswith("~"):
        raise SettingsError(f"a phrase must begin and end with a word, found {phrase!r}")
    halt = "".join(f"(?!{re.escape(word)}\\b)" for word in stops)
    gaps = {
        "~": rf"(?:{_SPACE}{halt}[\w']+){{0,4}}?{_SPACE}",
        "~~": rf"(?:[\s,/-]+{halt}[\w']+){{0,10}}?[\s,/-]+",
    }
    parts: list[str] = []
    joint = ""
    for item in items:
        if item in gaps:
            joint = gaps[item]
        elif item.startswith("("):
            parts.append(
                rf"(?:{joint}{_word(item[1:-1])})?" if parts else rf"(?:{_word(item[1:-1])}{_SPACE})?"
            )
            joint = _SPACE if len(parts) > 1 else ""
        else:
            parts.append(joint + _word(item))
            joint = _SPACE
    return rf"\b{''.join(parts)}\b"


def phrases_pattern(phrases: Iterable[str], stops: Sequence[str] = ()) -> re.Pattern[str]:
    """Turn phrases into one expression that finds any of them, the longer wording first.

    Args:
        phrases: As for `phrase_pattern`.
        stops: Words that a gap never crosses.

    Returns:
        The compiled expression; one that finds nothing where there is no phrase.

    Raises:
        SettingsError: A phrase cannot be read.

    Example:
        >>> phrases_pattern(["no", "no longer"]).findall("No longer seen, no fluid")
        ['No longer', 'no']
    """
    ordered = sorted(dict.fromkeys(phrases), key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(phrase_pattern(one, stops) for one in ordered) or r"(?!)", re.IGNORECASE)


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Read the package's phrases.

    Returns:
        The lexicon.

    Example:
        >>> bool(lexicon().findings["Pneumothorax"].pattern.search("a small pneumothorax"))
        True
    """
    text = files("gaze_insight.chest").joinpath(_FILE).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    stops = data["gap_stops"]
    found: dict[str, dict[str, list[str]]] = data["findings"]
    return Lexicon(
        findings={name: _phrases(one["words"], stops) for name, one in found.items()},
        excluded={name: _phrases(one["not"], stops) for name, one in found.items() if "not" in one},
        hints={name: _phrases(one["hint"], stops) for name, one in found.items() if "hint" in one},
        other={name: _phrases(words, stops) for name, words in data["other"].items()},
        normal=tuple(
            NormalStatement(_phrases(one["words"], stops), tuple(one["denies"])) for one in data["normal"]
        ),
        cues=_cues(data),
        sides={name: phrases_pattern(words) for name, words in data["sides"].items()},
        places=phrases_pattern(data["places"]),
        misspelt=tuple(data["misspelt"]),
        read=frozenset(data["sections"]["read"]),
        skipped=frozenset(data["sections"]["skipped"]),
    )


def _cues(data: Mapping[str, Any]) -> CueWords:
    does: dict[str, list[tuple[str, str]]] = {phrase: [] for phrase in data["pseudo"]}
    for direction in ("before", "after", "just_after"):
        for kind, phrases in data[direction].items():
            for phrase in phrases:
                does.setdefault(phrase, []).append((kind, direction))
    ordered = sorted(does, key=lambda phrase: (-len(phrase), phrase))
    return CueWords(
        pattern=phrases_pattern(ordered),
        named=tuple((phrases_pattern([one]), tuple(does[one])) for one in ordered),
        seen=phrases_pattern(data["seen"]),
        passed=phrases_pattern(data["passed_by_denial"]),
        ends=phrases_pattern(data["ends"]),
        asserting=phrases_pattern(data["asserting"]),
        asserting_unless_or=phrases_pattern(data["asserting_unless_or"]),
    )


def _phrases(phrases: Sequence[str], stops: Sequence[str]) -> Phrases:
    stems: dict[str, None] = {}
    for phrase in phrases:
        words = [item for item in _ITEM.findall(phrase) if item[0] not in "(~"]
        rarest = max(words, key=lambda item: min(len(one.rstrip("*")) for one in item.split("|")))
        stems.update(dict.fromkeys(one.rstrip("*").lower() for one in rarest.split("|")))
    return Phrases(phrases_pattern(phrases, stops), tuple(stems))


def _word(item: str) -> str:
    alternatives = [
        re.escape(one.rstrip("*")) + (r"\w*" if one.endswith("*") else "") for one in item.split("|")
    ]
    return alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
