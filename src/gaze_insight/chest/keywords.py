"""What a chest report says of each finding: mentions with their status, and one label a finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from pydantic import Field

from gaze_insight.chest.findings import NO_FINDING, all_names, beside_no_finding
from gaze_insight.chest.keyword_phrases import lexicon
from gaze_insight.chest.misspellings import finding_meant
from gaze_insight.chest.negation import what_is_said
from gaze_insight.chest.report_text import Sentence, read_sentences
from gaze_insight.types import Settings

__all__ = [
    "KeywordSettings",
    "Laterality",
    "Mention",
    "MentionStatus",
    "extract_mentions",
    "is_normal",
    "label_mentions",
    "label_report",
]

MentionStatus = Literal["positive", "negative", "uncertain"]
Laterality = Literal["left", "right", "bilateral"]

_SIDES: tuple[Laterality, ...] = ("left", "right", "bilateral")
_PIECE = re.compile(r",|\band\b|\bwith\b|\bbut\b|\bor\b", re.IGNORECASE)
_EITHER = re.compile(r"\s*(?:and/or|or)(?:\s+(?:an?|early|developing|small|mild))*\s*", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{6,}")
_LAST_WORD = re.compile(r"[\w'/]+$")


class KeywordSettings(Settings):
    """How a report is read."""

    negation: bool = Field(True, description="Read denials; without, every mention is taken as present.")
    uncertainty: bool = Field(True, description="Read doubt; without, what is doubted is taken as present.")
    normal_statements: bool = Field(
        True, description="'Heart size is normal' denies cardiomegaly, although it does not name it."
    )
    misspellings: bool = Field(False, description="Understand words that are nearly a finding's.")
    likeness: float = Field(
        0.88, gt=0.5, le=1, description="Least likeness (difflib ratio) of a misspelling to the word meant."
    )


_DEFAULT = KeywordSettings()


@dataclass(frozen=True)
class Mention:
    """One place in a report where something is said of a finding.

    Args:
        finding: The finding, a name of `findings.all_names`; or a kind of other abnormality, see `beyond`.
        phrase: The words that name it, as they stand in the report.
        sentence: The sentence.
        status: positive, negative or uncertain.
        laterality: The patient's side that is named with it; None where none is.
        places: Words for places of the chest named with it, lower case, in order.
        start: First character of the phrase in the text.
        end: Behind its last character.
        section: The heading that it stands under, lower case; empty where there is none.
        cue: The words that deny or doubt it; empty where it is asserted.
        implied: It is denied by a normal statement ("lungs are clear") that does not name it.
        beyond: It is abnormal, but none of the findings: a scar, a worn spine.

    Example:
        >>> mention, = extract_mentions("Small right pleural effusion at the base.")
        >>> mention.finding, mention.status, mention.laterality, mention.places
        ('Pleural Effusion', 'positive', 'right', ('base',))
    """

    finding: str
    phrase: str
    sentence: str
    status: MentionStatus
    laterality: Laterality | None = None
    places: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    section: str = ""
    cue: str = ""
    implied: bool = False
    beyond: bool = False


def extract_mentions(text: str, settings: KeywordSettings = _DEFAULT) -> tuple[Mention, ...]:
    """Find all that a report says of findings.

    A mention under a heading such as INDICATION, or behind words such as "rule out", "history of" and
    "evaluate for", says nothing of what was seen and is left out. Two findings joined by "or" that nothing
    denies are both uncertain.

    Args:
        text: The report, with or without headings.
        settings: How it is read.

    Returns:
        The mentions in the order of the text; empty for text without any.

    Example:
        >>> report = "No pneumothorax, but a small left effusion. Heart size is normal."
        >>> for one in extract_mentions(report):
        ...     print(one.finding, one.status, one.laterality)
        Pneumothorax negative None
        Pleural Effusion positive left
        Cardiomegaly negative None
    """
    found: list[Mention] = []
    for sentence in read_sentences(text):
        found += [_placed(one, sentence) for one in _in_sentence(sentence.text, settings)]
    return tuple(found)


def label_mentions(mentions: Iterable[Mention]) -> dict[str, MentionStatus | None]:
    """Give one label a finding from all its mentions.

    Positive outweighs uncertain, uncertain outweighs negative, and a denial in words is worth as much as a
    normal statement: "No effusion" under FINDINGS and "small effusion" under IMPRESSION are an effusion.
    ``No Finding`` is positive where no finding is positive or uncertain, devices apart, and else negative.

    Args:
        mentions: Of one report.

    Returns:
        Every name of `findings.all_names` to its label, None where nothing is said of it; ``No Finding`` is
        None where there are no mentions at all.

    Example:
        >>> labels = label_mentions(extract_mentions("Effusion may be present. No effusion on the left."))
        >>> labels["Pleural Effusion"], labels["No Finding"], labels["Edema"]
        ('uncertain', 'negative', None)
    """
    labels: dict[str, MentionStatus | None] = dict.fromkeys(all_names())
    rank = {None: 0, "negative": 1, "uncertain": 2, "positive": 3}
    any_mention = False
    for one in mentions:
        any_mention = True
        if not one.beyond and rank[one.status] > rank[labels[one.finding]]:
            labels[one.finding] = one.status
    aside = beside_no_finding()
    abnormal = any(said in ("positive", "uncertain") for name, said in labels.items() if name not in aside)
    if any_mention:
        labels[NO_FINDING] = "negative" if abnormal else "positive"
    return labels


def label_report(text: str, settings: KeywordSettings = _DEFAULT) -> dict[str, MentionStatus | None]:
    """Label a report: what it says of each finding.

    Args:
        text: The report, with or without headings.
        settings: How it is read.

    Returns:
        See `label_mentions`.

    Example:
        >>> labels = label_report("Lungs are clear without focal consolidation. Cardiomegaly is unchanged.")
        >>> labels["Cardiomegaly"], labels["Consolidation"], labels["Edema"], labels["Hernia"]
        ('positive', 'negative', 'negative', None)
    """
    return label_mentions(extract_mentions(text, settings))


def is_normal(mentions: Iterable[Mention]) -> bool:
    """Say whether nothing abnormal is asserted or thought possible: no finding, no device, no old scar.

    Args:
        mentions: Of one report.

    Returns:
        Whether; True where there are none.

    Example:
        >>> is_normal(extract_mentions("Normal chest.")), is_normal(extract_mentions("Scoliosis."))
        (True, False)
    """
    return all(one.status == "negative" for one in mentions)


@dataclass(frozen=True)
class _Hit:
    finding: str
    start: int
    end: int
    beyond: bool = False
    hint: bool = False


@lru_cache(maxsize=65536)
def _in_sentence(text: str, settings: KeywordSettings) -> tuple[Mention, ...]:
    found: list[Mention] = []
    for hit in _hits(text, settings):
        said = _read(text, hit, settings)
        if said is None:
            continue
        status, cue = said
        where = (*_where(text, hit), hit.start, hit.end)
        words = text[hit.start : hit.end]
        found.append(Mention(hit.finding, words, text, status, *where, cue=cue, beyond=hit.beyond))
    if settings.negation and settings.uncertainty:
        found = _doubt_either(text, found)
    if settings.negation and settings.normal_statements:
        found += _normal(text, {one.finding for one in found})
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.finding)))


def _hits(text: str, settings: KeywordSettings) -> list[_Hit]:
    known, lowered = lexicon(), text.lower()
    hits: list[_Hit] = []
    for name, words in known.findings.items():
        own = [_Hit(name, *match.span()) for match in words.find(text, lowered)]
        if own and name in known.excluded:
            spans = [match.span() for match in known.excluded[name].find(text, lowered)]
            own = [hit for hit in own if not any(start < hit.end <= end for start, end in spans)]
        if name in known.hints:
            spans = [match.span() for match in known.hints[name].find(text, lowered)]
            free = [one for one in spans if not any(hit.start < one[1] and one[0] < hit.end for hit in own)]
            own += [_Hit(name, *span, hint=True) for span in free]
        hits += own
    if settings.misspellings:
        hits += _misspelt(text, hits, settings.likeness)
    for name, words in known.other.items():
        hits += [_Hit(name, *match.span(), beyond=True) for match in words.find(text, lowered)]
    return hits


def _read(text: str, hit: _Hit, settings: KeywordSettings) -> tuple[MentionStatus, str] | None:
    """Status and cue of a mention; None where it is none."""
    last = _LAST_WORD.search(text[hit.start : hit.end])
    head = hit.end if last is None else hit.start + last.start()
    said, cue = what_is_said(text, hit.start, head, hit.end)
    if said == "hypothetical":
        return None if settings.negation else ("positive", "")
    if said == "negative" and settings.negation:
        return "negative", cue
    if (said == "uncertain" or hit.hint) and said != "negative" and settings.uncertainty:
        return "uncertain", cue
    return "positive", ""


def _doubt_either(text: str, found: list[Mention]) -> list[Mention]:
    ordered = sorted((one for one in found if not one.beyond), key=lambda one: one.start)
    doubted: set[int] = set()
    for first in ordered:
        for second in ordered:
            asserted = first.status == second.status == "positive" and first.finding != second.finding
            if asserted and _EITHER.fullmatch(text[first.end : second.start]):
                doubted |= {id(first), id(second)}
    return [replace(one, status="uncertain", cue="or") if id(one) in doubted else one for one in found]


def _normal(text: str, named: set[str]) -> Iterator[Mention]:
    """Denials of what the sentence itself does not name."""
    given: set[str] = set()
    lowered = text.lower()
    for statement in lexicon().normal:
        for match in statement.phrases.find(text, lowered):
            if re.match(r"\s+of\b", text[match.end() :]) or _denied(text, match):
                continue
            for finding in statement.denies:
                if finding not in named and finding not in given:
                    given.add(finding)
                    start, end = match.span()
                    yield Mention(
                        finding,
                        match.group(),
                        text,
                        "negative",
                        None,
                        (),
                        start,
                        end,
                        "",
                        match.group(),
                        True,
                    )


def _denied(text: str, match: re.Match[str]) -> bool:
    return (
        re.search(r"\bnot\s+(?:\w+\s+)?(?:normal|clear|within|unremarkable)", match.group(), re.IGNORECASE)
        is not None
    )


def _where(text: str, hit: _Hit) -> tuple[Laterality | None, tuple[str, ...]]:
    """Side and places: from the piece of the sentence that the finding stands in, else from its clause."""
    side: Laterality | None = None
    places: tuple[str, ...] = ()
    for cut in (_PIECE, lexicon().cues.ends):
        cuts = [0, *(match.end() for match in cut.finditer(text)), len(text)]
        start = max(one for one in cuts if one <= hit.start)
        end = min(one for one in cuts if one >= hit.end)
        piece = text[start:end]
        side = side or _side(piece, hit.start - start)
        places = places or tuple(dict.fromkeys(one.lower() for one in lexicon().places.findall(piece)))
    return side, places


def _side(piece: str, place: int) -> Laterality | None:
    """The side named nearest before a place, else the one nearest behind it."""
    known = lexicon().sides
    if known["bilateral"].search(piece):
        return "bilateral"
    named = [(match.start(), side) for side in _SIDES for match in known[side].finditer(piece)]
    before = [one for one in named if one[0] <= place]
    if before:
        return max(before)[1]
    return min(named)[1] if named else None


def _misspelt(text: str, hits: list[_Hit], likeness: float) -> list[_Hit]:
    found = []
    for match in _WORD.finditer(text):
        if any(hit.start <= match.start() < hit.end for hit in hits):
            continue
        finding = finding_meant(match.group().lower(), likeness)
        if finding is not None:
            found.append(_Hit(finding, *match.span()))
    return found


def _placed(mention: Mention, sentence: Sentence) -> Mention:
    return replace(
        mention,
        start=mention.start + sentence.start,
        end=mention.end + sentence.start,
        section=sentence.section,
    )
