"""The keyword study: what the labeler reads in real reports against the tags of indexers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.chest.findings import NO_FINDING, finding_map, mesh_findings
from gaze_insight.chest.keywords import KeywordSettings, extract_mentions, is_normal, label_mentions
from gaze_insight.cohort.openi import OpenIReport, read_openi_reports
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, Settings, silent
from gaze_insight.workflow.studies.chest_keywords_scoring import TagRates, tag_rates
from gaze_insight.workflow.studies.chest_keywords_texts import TextRow, compare_texts

__all__ = [
    "ALL_FINDINGS",
    "NORMAL",
    "READINGS",
    "KeywordRow",
    "KeywordStudy",
    "KeywordStudySettings",
    "study_keywords",
]

NORMAL = "Normal"
"""The row for reports tagged ``normal`` alone: nothing abnormal at all, scars and devices included."""
ALL_FINDINGS = "all findings"
"""The row for the sum over findings, without `NORMAL`."""

READINGS: Mapping[str, Mapping[str, bool]] = {
    "full": {},
    "denials not read": {"negation": False, "uncertainty": False},
    "normal statements not read": {"normal_statements": False},
    "misspellings understood": {"misspellings": True},
}
"""Ways to read a report, as changes of `KeywordSettings`; in the second, the control, each mention counts."""

Half = Literal["development", "held-out", "all"]
_HALVES: tuple[Half, ...] = ("held-out", "development", "all")


class KeywordStudySettings(Settings):
    """What the study does.

    Example:
        >>> KeywordStudySettings().resamples
        1000
    """

    keywords: KeywordSettings = Field(KeywordSettings(), description="How a report is read.")
    resamples: int = Field(1000, ge=1, description="Bootstrap resamples of F1.")
    text_metrics: bool = Field(
        True, description="Also compute ROUGE, BLEU and keyword F1 of changed reports."
    )
    seed: int = Field(0, ge=0, description="Seed of resamples and of the shuffled reports.")


@dataclass(frozen=True)
class KeywordRow:
    """One row of the study.

    Args:
        half: "development" (odd uids, on which the phrases were tuned), "held-out" (even uids) or "all".
        reading: One of `READINGS`.
        uncertain: Whether doubt was counted as found.
        rates: The rates of one finding.
    """

    half: Half
    reading: str
    uncertain: Literal["positive", "negative"]
    rates: TagRates


@dataclass(frozen=True)
class KeywordStudy:
    """What was found.

    Args:
        reports: Reports read.
        without_text: Of these, left out since findings and impression are blank.
        not_indexed: Of these, left out since nobody tagged them.
        used: Reports by half.
        removed: Reports used in which the publisher removed words.
        rows: All rows.
        texts: Rows of the text metrics; empty where they were not asked for.
        misread: Words taken for misspellings, with the finding meant, and how often.
        ms_per_report: Time to read a report, for the first time.
        settings: The settings.
        per_case: One row a report: uid, half, tags, and the label of each finding.
    """

    reports: int
    without_text: int
    not_indexed: int
    used: Mapping[str, int]
    removed: int
    rows: tuple[KeywordRow, ...]
    texts: tuple[TextRow, ...]
    misread: Mapping[str, int]
    ms_per_report: float
    settings: KeywordStudySettings
    per_case: tuple[Mapping[str, Any], ...]

    def row(
        self,
        finding: str,
        half: Half = "held-out",
        reading: str = "full",
        uncertain: Literal["positive", "negative"] = "negative",
    ) -> TagRates:
        """Give the rates of a finding.

        Args:
            finding: The finding, `ALL_FINDINGS` or `NORMAL`.
            half: Which reports.
            reading: One of `READINGS`.
            uncertain: Whether doubt was counted as found.

        Returns:
            The rates.

        Raises:
            KeyError: The study has no such row.
        """
        for one in self.rows:
            if (one.rates.finding, one.half, one.reading, one.uncertain) == (
                finding,
                half,
                reading,
                uncertain,
            ):
                return one.rates
        raise KeyError((finding, half, reading, uncertain))

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings that tags know, in our order."""
        return tuple(one.rates.finding for one in self.rows if _plain_row(one) and _is_finding(one))

    def table(self) -> list[dict[str, Any]]:
        """Give all rows as plain values, for a CSV file.

        Returns:
            One mapping a row.
        """
        return [
            {
                "half": one.half,
                "reading": one.reading,
                "uncertain": one.uncertain,
                "finding": one.rates.finding,
                "tagged": one.rates.tagged,
                "found": one.rates.found,
                "hits": one.rates.hits,
                **{
                    key: value
                    for name in ("precision", "recall", "f1")
                    for key, value in _with_ends(name, one.rates).items()
                },
            }
            for one in self.rows
        ]


def study_keywords(
    folder: Path, settings: KeywordStudySettings | None = None, *, progress: Progress = silent
) -> KeywordStudy:
    """Read every report of the Indiana collection and compare what is found with the MeSH tags.

    Odd uids are the development half, on which the phrases were tuned; even uids the held-out half. Tags say
    what is there, not what is denied, so that only what is found counts.

    Args:
        folder: The folder of ``indiana_reports.csv``.
        settings: What is done.
        progress: Told of each way of reading.

    Returns:
        What was found.

    Raises:
        DataError: The table cannot be read, or no report in it has both text and tags.
        MissingExtraError: The text metrics are asked for and their packages are not installed.
    """
    settings = settings or KeywordStudySettings()
    everything = read_openi_reports(folder)
    with_text = [one for one in everything if one.text.strip()]
    used = [one for one in with_text if mesh_findings(one.mesh) is not None]
    if not used:
        raise DataError("no report has both text and tags", path=folder)
    names = _findings_of_tags()
    tags = _tags(used, names)
    halves = {half: np.array([half in ("all", _half(one)) for one in used]) for half in _HALVES}
    rows: list[KeywordRow] = []
    labels: dict[str, NDArray[np.int8]] = {}
    seconds = 0.0
    for done, (reading, changes) in enumerate(READINGS.items()):
        progress("reading reports", done, len(READINGS))
        begun = time.perf_counter()
        labels[reading] = _labels(used, names, settings.keywords.model_copy(update=dict(changes)))
        seconds = seconds or time.perf_counter() - begun
        rows += _rows(reading, names, tags, labels[reading], halves, settings)
    progress("reading reports", len(READINGS), len(READINGS))
    return KeywordStudy(
        reports=len(everything),
        without_text=len(everything) - len(with_text),
        not_indexed=len(with_text) - len(used),
        used={half: int(chosen.sum()) for half, chosen in halves.items()},
        removed=sum(one.removed > 0 for one in used),
        rows=tuple(rows),
        texts=compare_texts([one.text for one in used], settings.keywords, settings.seed, progress)
        if settings.text_metrics
        else (),
        misread=_misread(used, settings.keywords),
        ms_per_report=1000 * seconds / len(used),
        settings=settings,
        per_case=tuple(_case(one, names, row) for one, row in zip(used, labels["full"], strict=True)),
    )


_STATUS = {None: 0, "negative": 1, "uncertain": 2, "positive": 3}
_WORDS = {number: status or "" for status, number in _STATUS.items()}


def _report_text(report: OpenIReport) -> str:
    return f"FINDINGS: {report.findings}\nIMPRESSION: {report.impression}"


def _half(report: OpenIReport) -> Half:
    return "development" if int(report.uid) % 2 else "held-out"


def _findings_of_tags() -> tuple[str, ...]:
    return (*(name for name in finding_map("mesh").findings if name != NO_FINDING), NORMAL)


def _tags(reports: Sequence[OpenIReport], names: Sequence[str]) -> NDArray[np.bool_]:
    found = [mesh_findings(one.mesh) or frozenset() for one in reports]
    return np.array([[(NO_FINDING if name == NORMAL else name) in one for name in names] for one in found])


def _labels(
    reports: Sequence[OpenIReport], names: Sequence[str], settings: KeywordSettings
) -> NDArray[np.int8]:
    """Shape (reports, names): 0 not mentioned, 1 denied, 2 uncertain, 3 asserted."""
    table = np.zeros((len(reports), len(names)), np.int8)
    for place, report in enumerate(reports):
        mentions = extract_mentions(_report_text(report), settings)
        said = label_mentions(mentions)
        table[place] = [
            (3 if is_normal(mentions) else 1) if name == NORMAL else _STATUS[said[name]] for name in names
        ]
    return table


def _rows(
    reading: str,
    names: Sequence[str],
    tags: NDArray[np.bool_],
    labels: NDArray[np.int8],
    halves: Mapping[Half, NDArray[np.bool_]],
    settings: KeywordStudySettings,
) -> list[KeywordRow]:
    rows = []
    counts: tuple[tuple[Literal["positive", "negative"], int], ...] = (("positive", 2), ("negative", 3))
    for half, chosen in halves.items():
        for uncertain, least in counts:
            found = labels[chosen] >= least
            columns = [(name, tags[chosen][:, place], found[:, place]) for place, name in enumerate(names)]
            columns.append((ALL_FINDINGS, tags[chosen][:, :-1], found[:, :-1]))
            for name, wanted, said in columns:
                rates = tag_rates(name, wanted, said, resamples=settings.resamples, seed=settings.seed)
                rows.append(KeywordRow(half, reading, uncertain, rates))
    return rows


def _misread(reports: Sequence[OpenIReport], settings: KeywordSettings) -> dict[str, int]:
    """Words that only the reading with misspellings takes for a finding."""
    counts: Counter[str] = Counter()
    both = [settings.model_copy(update={"misspellings": value}) for value in (False, True)]
    for report in reports:
        plain, more = (extract_mentions(_report_text(report), one) for one in both)
        known = {(one.finding, one.start) for one in plain}
        for one in more:
            if (one.finding, one.start) not in known:
                counts[f"{one.phrase.lower()} -> {one.finding}"] += 1
    return dict(counts.most_common())


def _case(report: OpenIReport, names: Sequence[str], labels: NDArray[np.int8]) -> dict[str, Any]:
    row: dict[str, Any] = {"uid": report.uid, "half": _half(report), "mesh": ";".join(report.mesh)}
    return row | {name: _WORDS[int(value)] for name, value in zip(names, labels, strict=True)}


def _plain_row(row: KeywordRow) -> bool:
    return (row.half, row.reading, row.uncertain) == ("held-out", "full", "positive")


def _is_finding(row: KeywordRow) -> bool:
    return row.rates.finding not in (NORMAL, ALL_FINDINGS)


def _with_ends(name: str, rates: TagRates) -> dict[str, float]:
    low, high = getattr(rates, f"{name}_ci95")
    return {name: getattr(rates, name), f"{name}_low": low, f"{name}_high": high}
