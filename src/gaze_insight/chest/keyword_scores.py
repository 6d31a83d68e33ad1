"""Does a generated report say what the reference says: precision, recall and F1 of findings, denials read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gaze_insight.chest.findings import FINDINGS, NO_FINDING
from gaze_insight.chest.keywords import KeywordSettings, MentionStatus, label_report
from gaze_insight.errors import DataError, SettingsError

__all__ = ["KEYWORD_FINDINGS", "KeywordScores", "Rates", "keyword_scores", "labels_scores"]

KEYWORD_FINDINGS: tuple[str, ...] = tuple(name for name in FINDINGS if name != NO_FINDING)
"""The findings that are scored unless others are asked for: ours without No Finding."""

_DEFAULT = KeywordSettings()
Uncertain = Literal["positive", "negative"]
Labels = Mapping[str, MentionStatus | None]


@dataclass(frozen=True)
class Rates:
    """Precision, recall and F1 with what they were counted from.

    Args:
        hits: Findings that both texts assert.
        said: Findings that the generated text asserts.
        wanted: Findings that the reference asserts.

    Example:
        >>> Rates(2, 4, 3).precision, round(Rates(2, 4, 3).f1, 3)
        (0.5, 0.571)
    """

    hits: int
    said: int
    wanted: int

    @property
    def precision(self) -> float:
        """Hits / said; NaN where nothing is said."""
        return self.hits / self.said if self.said else math.nan

    @property
    def recall(self) -> float:
        """Hits / wanted; NaN where nothing is wanted."""
        return self.hits / self.wanted if self.wanted else math.nan

    @property
    def f1(self) -> float:
        """Twice the hits / (said + wanted); NaN where neither asserts anything."""
        return 2 * self.hits / (self.said + self.wanted) if self.said + self.wanted else math.nan


@dataclass(frozen=True)
class KeywordScores:
    """How well generated reports assert what their references assert.

    Args:
        micro: Summed over all reports and findings.
        macro: Mean precision, recall and F1 over findings, each where it is defined.
        by_report: Mean precision, recall and F1 over reports, each where it is defined.
        findings: Finding to its rates over all reports.
        reports: Pairs of texts.
        reference_empty: Reports whose reference asserts nothing: no recall is defined for them.
        generated_empty: Reports whose generated text asserts nothing: no precision is defined for them.
        both_empty: Reports that both leave without a finding; they count in no mean over reports.
        contradicted: Findings that one text asserts and the other denies.
        uncertain: How doubt was counted.
    """

    micro: Rates
    macro: tuple[float, float, float]
    by_report: tuple[float, float, float]
    findings: Mapping[str, Rates]
    reports: int
    reference_empty: int
    generated_empty: int
    both_empty: int
    contradicted: int
    uncertain: Uncertain

    def as_dict(self) -> dict[str, float | int | str]:
        """Give the numbers as plain values, for a summary.

        Returns:
            precision, recall and f1 with the endings _micro, _macro and _by_report, and the counts; NaN where
            a number is not defined.

        Example:
            >>> keyword_scores(["An effusion."], ["An effusion."]).as_dict()["f1_micro"]
            1.0
        """
        names = ("precision", "recall", "f1")
        numbers: dict[str, float | int | str] = {f"{name}_micro": getattr(self.micro, name) for name in names}
        numbers |= {f"{name}_macro": value for name, value in zip(names, self.macro, strict=True)}
        numbers |= {f"{name}_by_report": value for name, value in zip(names, self.by_report, strict=True)}
        counts = ("reports", "reference_empty", "generated_empty", "both_empty", "contradicted", "uncertain")
        return numbers | {name: getattr(self, name) for name in counts}


def keyword_scores(
    references: Sequence[str],
    generated: Sequence[str],
    *,
    findings: Sequence[str] = KEYWORD_FINDINGS,
    uncertain: Uncertain = "positive",
    settings: KeywordSettings = _DEFAULT,
) -> KeywordScores:
    r"""Score generated reports by the findings that they assert.

    With :math:`K_r` and :math:`K_g` the findings asserted by reference and generated text, recall is
    :math:`|K_r \cap K_g| / |K_r|` and precision :math:`|K_r \cap K_g| / |K_g|`. "No effusion" asserts
    nothing, so a flipped denial costs, which overlap of words hardly notices.

    Args:
        references: The reference reports, (N,).
        generated: The generated reports, (N,).
        findings: The findings that count, names of `findings.all_names`.
        uncertain: Whether "may represent pneumonia" asserts pneumonia.
        settings: How reports are read.

    Returns:
        The scores; numbers are NaN where there is nothing to count.

    Raises:
        DataError: The lists differ in length.
        SettingsError: A finding is not known.

    Example:
        >>> scores = keyword_scores(["Small effusion. No edema."], ["No effusion. Edema."])
        >>> scores.micro.f1, scores.contradicted
        (0.0, 2)
    """
    if len(references) != len(generated):
        raise DataError(
            f"each reference needs its text: found {len(references)} references and {len(generated)} texts"
        )
    wanted = [label_report(text, settings) for text in references]
    said = [label_report(text, settings) for text in generated]
    return labels_scores(wanted, said, findings=findings, uncertain=uncertain)


def labels_scores(
    references: Sequence[Labels],
    generated: Sequence[Labels],
    *,
    findings: Sequence[str] = KEYWORD_FINDINGS,
    uncertain: Uncertain = "positive",
) -> KeywordScores:
    """Score labels of reports, as `keyword_scores` does their texts: for labels of another labeler.

    Args:
        references: The labels of each reference, finding to status.
        generated: The labels of each generated report.
        findings: The findings that count.
        uncertain: Whether doubt asserts.

    Returns:
        The scores.

    Raises:
        DataError: The lists differ in length.
        SettingsError: A finding is in none of the labels.

    Example:
        >>> labels_scores([{"Edema": "uncertain"}], [{"Edema": "positive"}], findings=["Edema"]).micro.recall
        1.0
    """
    if len(references) != len(generated):
        raise DataError(f"found {len(references)} references and {len(generated)} texts")
    unknown = [name for name in findings if references and name not in references[0]]
    if unknown or uncertain not in ("positive", "negative"):
        raise SettingsError(
            f"unknown findings {', '.join(unknown)}"
            if unknown
            else f"uncertain must be positive or negative, found {uncertain!r}"
        )
    pairs = [
        (_asserted(one, findings, uncertain), _asserted(two, findings, uncertain))
        for one, two in zip(references, generated, strict=True)
    ]
    by_report = [Rates(len(one & two), len(two), len(one)) for one, two in pairs]
    by_finding = {
        name: Rates(
            sum(name in one and name in two for one, two in pairs),
            sum(name in two for _, two in pairs),
            sum(name in one for one, _ in pairs),
        )
        for name in findings
    }
    opposite = {"positive", "negative"}
    return KeywordScores(
        micro=Rates(
            sum(one.hits for one in by_report),
            sum(one.said for one in by_report),
            sum(one.wanted for one in by_report),
        ),
        macro=_means(list(by_finding.values())),
        by_report=_means(by_report),
        findings=by_finding,
        reports=len(pairs),
        reference_empty=sum(not one.wanted for one in by_report),
        generated_empty=sum(not one.said for one in by_report),
        both_empty=sum(not one.wanted and not one.said for one in by_report),
        contradicted=sum(
            {one.get(name), two.get(name)} == opposite
            for one, two in zip(references, generated, strict=True)
            for name in findings
        ),
        uncertain=uncertain,
    )


def _asserted(labels: Labels, findings: Sequence[str], uncertain: Uncertain) -> set[str]:
    asserting = ("positive", "uncertain") if uncertain == "positive" else ("positive",)
    return {name for name in findings if labels.get(name) in asserting}


def _means(rates: Sequence[Rates]) -> tuple[float, float, float]:
    return (
        _mean([one.precision for one in rates]),
        _mean([one.recall for one in rates]),
        _mean([one.f1 for one in rates]),
    )


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
