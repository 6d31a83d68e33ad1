"""How each finding stands in a case before any policy: positive, uncertain, not mentioned, not offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from gaze_insight.chest.findings import NO_FINDING, FindingMap, beside_no_finding, finding_map, mesh_findings
from gaze_insight.cohort.chest_facts import ChestFacts, ChestReading

__all__ = [
    "LABEL_SOURCES",
    "READER_SOURCE",
    "LabelState",
    "ReaderRule",
    "has_source",
    "reader_states",
    "table_states",
]

LabelState = Literal[
    "positive",
    "negative",
    "uncertain",
    "not mentioned",
    "negative by No Finding",
    "not told apart",
    "not offered",
]
"""How a finding stands in a case; ``not told apart``: a name that merges findings is present."""

ReaderRule = Literal["any", "majority", "mean"]

READER_SOURCE = "reflacx"
LABEL_SOURCES = ("chexpert", READER_SOURCE, "egd", "negbio", "nih", "mesh")
"""Sources in the order in which ``auto`` takes the first that a case has."""

_POSITIVE, _NEGATIVE, _UNCERTAIN = 1, 0, -1


def has_source(facts: ChestFacts, source: str) -> bool:
    """Say whether a case has labels of a source.

    Args:
        facts: The case's facts.
        source: One of `LABEL_SOURCES`.

    Returns:
        Whether it has.

    Example:
        >>> has_source(ChestFacts(labels={"nih": {"Mass": 1}}), "nih")
        True
    """
    if source == READER_SOURCE:
        return any(reading.certainties for reading in facts.readings)
    return bool(facts.labels.get(source))


def table_states(values: Mapping[str, int | None], source: str) -> dict[str, LabelState]:
    """Say how each finding stands in one row of a table of labels.

    Of several names for a finding one positive makes it positive, else one uncertain uncertain, else one
    that is not mentioned leaves it not mentioned. Where No Finding is positive, what is not mentioned is
    negative (devices excepted); where a finding is positive and No Finding not mentioned, that is negative.

    Args:
        values: The source's name to 1, 0, -1 (uncertain) or None (not mentioned).
        source: The source, one of `LABEL_SOURCES` but for the readers.

    Returns:
        Finding to state, for every finding that the source can say something of, and names of its own.

    Example:
        >>> table_states({"No Finding": 1, "Edema": None}, "chexpert")["Edema"]
        'negative by No Finding'
        >>> states = table_states({"Effusion": 1, "Mass": 0, "Nodule": 1, "Hernia": 0}, "nih")
        >>> states["Pleural Effusion"], states["Lung Lesion"], states["Hernia"]
        ('positive', 'positive', 'negative')
    """
    chart = finding_map(source)
    if source == "mesh":
        return _mesh_states(values)
    shown, merged = _grouped(values, chart)
    return _with_no_finding(
        {
            finding: _table_state(shown.get(finding, []), merged.get(finding, []))
            for finding in dict.fromkeys((*shown, *merged))
        }
    )


def _mesh_states(values: Mapping[str, int | None]) -> dict[str, LabelState]:
    """A finding without a tag is not mentioned; without indexing nothing is known."""
    found = mesh_findings(tag for tag, value in values.items() if value == _POSITIVE)
    if found is None:
        return {}
    return _with_no_finding(
        {
            finding: "positive" if finding in found else "not mentioned"
            for finding in finding_map("mesh").findings
        }
    )


def reader_states(
    readings: Sequence[ChestReading], threshold: int, rule: ReaderRule
) -> dict[str, LabelState]:
    """Say how each finding stands by the certainties of one or several readers.

    A reader's certainty of a finding is the largest among the names that show it and were offered. ``any``:
    one reader at the threshold suffices; ``majority``: more than half of those who were offered it;
    ``mean``: the mean certainty reaches the threshold. No Finding is positive where nothing else is.

    Args:
        readings: Readings of one image; those without certainties do not vote.
        threshold: Certainty from which on a finding is present, 1 to 5.
        rule: How readers are put together.

    Returns:
        Finding to state; empty without certainties.

    Example:
        >>> sure, unsure = (ChestReading(str(n), "reflacx", certainties={"Mass": n}) for n in (5, 2))
        >>> [reader_states([sure, unsure], 3, rule)["Lung Lesion"] for rule in ("any", "majority", "mean")]
        ['positive', 'negative', 'positive']
    """
    chart = finding_map(READER_SOURCE)
    votes: dict[str, list[int | None]] = {}
    for reading in readings:
        offered = {name: value for name, value in reading.certainties.items() if value is not None}
        shown, merged = _grouped(offered, chart)
        for finding in dict.fromkeys((*shown, *merged)):
            vote = _reader_vote(shown.get(finding, []), merged.get(finding, []), threshold)
            votes.setdefault(finding, []).append(vote)
    states: dict[str, LabelState] = {
        finding: _vote_state([one for one in given if one is not None], threshold, rule)
        for finding, given in votes.items()
    }
    told = [state for name, state in states.items() if name not in beside_no_finding()]
    if "positive" in told:
        states[NO_FINDING] = "negative"
    elif "negative" in told:
        states[NO_FINDING] = "positive"
    return states


_Values = TypeVar("_Values", int, "int | None")


def _grouped(
    values: Mapping[str, _Values], chart: FindingMap
) -> tuple[dict[str, list[_Values]], dict[str, list[_Values]]]:
    """Values by finding: of the names that show it, and of those that merge it with another."""
    shown: dict[str, list[_Values]] = {}
    merged: dict[str, list[_Values]] = {}
    for name, value in values.items():
        together = chart.merged_in(name)
        for finding in (name,) if together else chart.shown_by(name):
            shown.setdefault(finding, []).append(value)
        for finding in together:
            merged.setdefault(finding, []).append(value)
    return shown, merged


def _table_state(shown: Sequence[int | None], merged: Sequence[int | None]) -> LabelState:
    if _POSITIVE in shown:
        return "positive"
    if _UNCERTAIN in shown:
        return "uncertain"
    if shown:
        return "not mentioned" if None in shown else "negative"
    if set(merged) & {_POSITIVE, _UNCERTAIN}:
        return "not told apart"
    return "not mentioned" if None in merged else "negative"


def _with_no_finding(states: dict[str, LabelState]) -> dict[str, LabelState]:
    others = {name: state for name, state in states.items() if name not in {NO_FINDING, *beside_no_finding()}}
    if states.get(NO_FINDING) == "positive":
        blank = [name for name, state in others.items() if state == "not mentioned"]
        return states | dict.fromkeys(blank, "negative by No Finding")
    if states.get(NO_FINDING, "not mentioned") == "not mentioned" and "positive" in others.values():
        return states | {NO_FINDING: "negative"}
    return states


def _reader_vote(shown: Sequence[int], merged: Sequence[int], threshold: int) -> int | None:
    """A reader's certainty of a finding; None where only a name that merges it is present."""
    if shown:
        return max(shown)
    return max(merged) if max(merged) < threshold else None


def _vote_state(votes: Sequence[int], threshold: int, rule: ReaderRule) -> LabelState:
    if not votes:
        return "not told apart"
    present = sum(vote >= threshold for vote in votes)
    if rule == "any":
        positive = present > 0
    elif rule == "majority":
        positive = 2 * present > len(votes)
    else:
        positive = sum(votes) / len(votes) >= threshold
    return "positive" if positive else "negative"
