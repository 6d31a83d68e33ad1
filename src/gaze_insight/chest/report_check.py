"""Whether a report in other words says the same: every fact once, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from gaze_insight.chest.findings import NO_FINDING
from gaze_insight.chest.keywords import Mention, extract_mentions, label_mentions
from gaze_insight.chest.regions import all_regions
from gaze_insight.chest.report import ChestReport

__all__ = ["Reader", "check_wording", "regions_named"]

Reader = Callable[[str], Iterable[Mention]]
"""Finds what a text says of findings."""

_LONGEST = 300
_SIDES = {"left": re.compile(r"\bleft\b"), "right": re.compile(r"\bright\b(?! atri)")}
_BOTH = re.compile(r"\b(bilateral(ly)?|both)\b")
_BEYOND: dict[str, re.Pattern[str]] = {
    "an earlier examination": re.compile(
        r"\b(prior|previous(ly)?|earlier|unchanged|interval|compar\w*|stable|new|increas\w*|decreas\w*"
        r"|worsen\w*|improv\w*|resol\w+|progress\w*|again|persist\w*)\b"
    ),
    "a size or grade": re.compile(
        r"\b(small|large|tiny|trace|minimal(ly)?|mild(ly)?|moderate(ly)?|severe(ly)?|massive|extensive"
        r"|marked(ly)?|slight(ly)?|subtle|significant(ly)?)\b"
    ),
    "advice": re.compile(
        r"\b(recommend\w*|advis\w*|follow[- ]?up|correlat\w*|suggested|ct|mri|ultrasound)\b"
    ),
    "a number": re.compile(r"\d"),
}


def check_wording(
    report: ChestReport, told: Sequence[tuple[int, str]], reader: Reader = extract_mentions
) -> tuple[str, ...]:
    """Hold another wording against the report's own sentences.

    Each sentence of the report must be there once. Read by `reader`, the new words must give every finding
    the label that the old ones give it, and no further kind of abnormality; name the same sides; name no
    region that the old ones do not; and bring in no number, size, grade, advice or earlier examination.

    Args:
        report: The report.
        told: Sentence id and new words, in any order.
        reader: Finds mentions of findings with their status.

    Returns:
        What is wrong, each in words that a person and the model understand; empty if nothing is.

    Example:
        >>> from gaze_insight.chest.report import compose_report
        >>> report = compose_report({"Pneumothorax": 0.05}, {"Pneumothorax": 0.4})
        >>> closing = (2, report.sentences[1].text)
        >>> check_wording(report, [(1, "No pneumothorax is seen."), closing])
        ()
        >>> check_wording(report, [(1, "There is a pneumothorax."), closing])
        ('fact 1: Pneumothorax must be said to be absent, found present',)
    """
    known = {one.id: one.text for one in report.sentences}
    counts = Counter(number for number, _ in told)
    faults = [f"there is no fact {number}" for number in counts if number not in known]
    faults += [f"fact {number} is missing" for number in known if not counts[number]]
    faults += [f"fact {number} is said {n} times" for number, n in counts.items() if n > 1]
    for number, text in told:
        if number in known:
            faults += [f"fact {number}: {fault}" for fault in _faults(known[number], text, reader)]
    return tuple(faults)


def _faults(old: str, new: str, reader: Reader) -> list[str]:
    if not new.strip():
        return ["the sentence is empty"]
    if len(new) > _LONGEST:
        return [f"the sentence has {len(new)} characters, at most {_LONGEST} are allowed"]
    faults = _findings(old, new, reader)
    before, after = old.lower(), new.lower()
    if _sides(before) != _sides(after):
        faults.append(f"the side must be {_in_words(_sides(before))}, found {_in_words(_sides(after))}")
    further = sorted(regions_named(after) - regions_named(before))
    if further:
        faults.append(f"it names a region that the fact does not: {', '.join(further)}")
    for what, pattern in _BEYOND.items():
        said = pattern.search(after)
        if said is not None and not pattern.search(before):
            faults.append(f'it brings in {what}: "{said.group()}"')
    return faults


_IN_WORDS = {"positive": "present", "negative": "absent", "uncertain": "in doubt", None: "nothing"}


def _findings(old: str, new: str, reader: Reader) -> list[str]:
    before, after = list(reader(old)), list(reader(new))
    wanted, found = label_mentions(before), label_mentions(after)
    faults = []
    for name in wanted:
        if name == NO_FINDING or wanted[name] == found[name]:
            continue
        if wanted[name] is None:
            faults.append(f"it speaks of {name}, which is not part of the fact")
        else:
            faults.append(
                f"{name} must be said to be {_IN_WORDS[wanted[name]]}, found {_IN_WORDS[found[name]]}"
            )
    own = {one.finding for one in before if one.beyond}
    beyond = sorted({one.phrase for one in after if one.beyond and one.finding not in own})
    if beyond:
        faults.append(f"it speaks of {', '.join(beyond)}, which is not part of the fact")
    return faults


def _sides(text: str) -> frozenset[str]:
    if _BOTH.search(text):
        return frozenset(_SIDES)
    return frozenset(side for side, pattern in _SIDES.items() if pattern.search(text))


def _in_words(sides: frozenset[str]) -> str:
    return " and ".join(sorted(sides)) or "left out"


def regions_named(text: str) -> frozenset[str]:
    """List the regions, without side, that a text names by name or alias; the whole lung does not count.

    Args:
        text: Any text.

    Returns:
        Names without side.

    Example:
        >>> sorted(regions_named("Opacity in the left lower lobe, at the costophrenic angles"))
        ['costophrenic angle', 'lower lung zone']
    """
    words = f" {' '.join(re.findall(r'[a-z]+', text.lower()))} "
    found = set()
    for region in all_regions():
        names = (region.base, region.spoken, region.plural, *_unsided(region.aliases))
        if region.base != "lung" and any(f" {one} " in words or f" {one}s " in words for one in names):
            found.add(region.base)
    return frozenset(found)


def _unsided(aliases: Sequence[str]) -> list[str]:
    """Aliases without the side; abbreviations stand as they are."""
    return [alias.removeprefix("left ").removeprefix("right ") for alias in aliases]
