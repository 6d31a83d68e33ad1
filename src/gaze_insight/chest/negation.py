"""What a sentence says of a finding that it names: that it is there, is not there, may be, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gaze_insight.chest.keyword_phrases import lexicon

__all__ = ["Cue", "Said", "find_cues", "what_is_said"]

Said = Literal["positive", "negative", "uncertain", "hypothetical"]

_OR = re.compile(r"\b(?:or|nor)\b", re.IGNORECASE)
_LIST_CLOSED = re.compile(r"\b(?:or|nor)\b|,\s*and\b", re.IGNORECASE)
_LIST_GOES_ON = re.compile(r"^\s*(?:and/or|or|nor|and no)\b", re.IGNORECASE)
_VERB_THEN_JOINT = re.compile(r"^.*\b(?:is|are|was|were|has|have|shows?)\b.*?(?:\band\b|,)", re.IGNORECASE)
_NEAR = re.compile(r"(?:[\w'/-]+\s+){0,2}$")
_CueHit = tuple[int, int, tuple[tuple[str, str], ...]]
_STRENGTH: tuple[Said, ...] = ("hypothetical", "negative", "uncertain")


@dataclass(frozen=True)
class Cue:
    """A cue in a sentence and how far it reaches.

    Args:
        kind: negative, uncertain or hypothetical.
        words: The cue as it stands there.
        start: Its first character in the sentence.
        end: Behind its last character.
        reach_start: A finding that ends behind this place...
        reach_end: ...and whose last word begins before this one is meant.
    """

    kind: Said
    words: str
    start: int
    end: int
    reach_start: int
    reach_end: int


@lru_cache(maxsize=65536)
def find_cues(sentence: str) -> tuple[Cue, ...]:
    """Find the cues of denial, doubt and hypothesis in a sentence.

    A cue before the findings reaches on to the next word that ends it ("but", "there is", "with stable"), to
    the next cue of another kind, or to a comma behind which something of its own is said ("no pneumothorax,
    small effusion" against "no pneumothorax, effusion, or consolidation"). A cue behind them reaches back
    likewise.

    Args:
        sentence: One sentence.

    Returns:
        The cues from left to right; a pseudo-cue ("no change in") is none.

    Example:
        >>> [(cue.kind, cue.words) for cue in find_cues("No effusion, but nodule cannot be excluded")]
        [('negative', 'No'), ('uncertain', 'cannot be excluded')]
    """
    words = lexicon().cues
    hits: list[_CueHit] = []
    for match in words.pattern.finditer(sentence):
        does = next((does for pattern, does in words.named if pattern.fullmatch(match.group())), ())
        hits.append((match.start(), match.end(), does))
    found: list[Cue] = []
    for place, (start, end, does) in enumerate(hits):
        for kind, direction in does:
            if direction == "before":
                reach = (end, _reach_on(sentence, end, _next_cue(sentence, kind, hits[place + 1 :])))
            elif direction == "after":
                reach = (_reach_back(sentence, start), start)
            else:
                near = _NEAR.search(sentence, 0, start)
                reach = (0 if near is None else near.start(), start)
            found.append(Cue(_said(kind), sentence[start:end], start, end, *reach))
    return tuple(found)


def what_is_said(sentence: str, start: int, head: int, end: int) -> tuple[Said, str]:
    """Say what a sentence says of a finding named in it.

    Of several cues that reach it, hypothesis outweighs denial, and denial doubt.

    Args:
        sentence: The sentence.
        start: First character of the finding's words.
        head: First character of the last of them.
        end: Behind their last character.

    Returns:
        What is said, and the cue's words; without a cue ("positive", "").

    Example:
        >>> text = "no evidence of effusion or pneumothorax"
        >>> what_is_said(text, 27, 27, 39)
        ('negative', 'no')
    """
    reached: dict[Said, str] = {}
    for cue in find_cues(sentence):
        before = cue.reach_end > head and cue.end <= end and cue.reach_start == cue.end
        behind = cue.reach_end == cue.start and cue.reach_start < end <= cue.start
        within = start <= cue.start and cue.end <= end
        if before or behind or within:
            reached.setdefault(cue.kind, cue.words)
    for kind in _STRENGTH:
        if kind in reached:
            return kind, reached[kind]
    return "positive", ""


def _said(kind: str) -> Said:
    return next(one for one in _STRENGTH if one == kind)


def _next_cue(sentence: str, kind: str, following: list[_CueHit]) -> int:
    """Where the next cue of another kind begins; a denial goes on beyond words such as "to suggest"."""
    for start, end, does in following:
        passed = kind == "negative" and lexicon().cues.passed.fullmatch(sentence, start, end)
        if not passed and any(direction == "before" and other != kind for other, direction in does):
            return start
    return len(sentence)


def _reach_on(sentence: str, start: int, limit: int) -> int:
    words = lexicon().cues
    stop = words.ends.search(sentence, start, limit)
    limit = limit if stop is None else stop.start()
    comma = sentence.find(",", start, limit)
    while comma != -1:
        following = sentence.find(",", comma + 1, limit)
        piece = words.seen.sub("", sentence[comma + 1 : limit if following == -1 else following])
        if not _LIST_GOES_ON.match(piece):
            closed = _OR.search(sentence, comma, limit) is not None
            if words.asserting.search(piece) or (not closed and words.asserting_unless_or.search(piece)):
                return comma
        comma = following
    return limit


def _reach_back(sentence: str, end: int) -> int:
    start = 0
    for stop in lexicon().cues.ends.finditer(sentence, 0, end):
        start = stop.end()
    joint = _VERB_THEN_JOINT.match(sentence[start:end])
    if joint is not None:
        start += joint.end()
    comma = sentence.rfind(",", start, end)
    if comma != -1 and not _LIST_CLOSED.search(sentence, start, end):
        start = comma + 1
    return start
