"""From published labels and readers' certainties to a table of 1, 0 and unknown, by a stated policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.chest.findings import all_names, finding_order
from gaze_insight.chest.label_states import (
    LABEL_SOURCES,
    READER_SOURCE,
    LabelState,
    ReaderRule,
    has_source,
    reader_states,
    table_states,
)
from gaze_insight.cohort.case import Case
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Settings

__all__ = ["LabelMatrix", "LabelSettings", "choose_findings", "label_matrix"]

NO_LABELS = "none"
"""Key of `LabelMatrix.sources` for cases without any label of the asked source."""


class LabelSettings(Settings):
    """What counts as positive, negative and unknown.

    The policies for uncertain labels are those of CheXpert (Irvin et al., AAAI 2019): U-Ones, U-Zeros,
    U-Ignore.

    Example:
        >>> LabelSettings(uncertain="ones").certainty_threshold
        3
    """

    source: Literal["auto", "chexpert", "reflacx", "egd", "negbio", "nih", "mesh"] = Field(
        "auto",
        description="Whose labels; auto: of each case the first it has of chexpert, reflacx (readers' "
        "certainties), egd, negbio, nih, mesh",
    )
    uncertain: Literal["ones", "zeros", "ignore"] = Field(
        "ignore", description="Labels of -1: positive (U-Ones), negative (U-Zeros) or unknown (U-Ignore)"
    )
    not_mentioned: Literal["negative", "ignore"] = Field(
        "negative", description="Findings that a report does not mention: negative, or unknown"
    )
    certainty_threshold: int = Field(
        3, ge=1, le=5, description="A reader's certainty from which on a finding is present (3: possibly)"
    )
    readers: ReaderRule = Field(
        "majority",
        description="Several readers: any suffices, more than half, or the mean certainty at the threshold",
    )
    findings: tuple[str, ...] | None = Field(
        None, min_length=1, description="The findings to use; None: those with enough cases of both kinds"
    )


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """Labels of cases, with the account of how they came about.

    Args:
        ids: The cases, N.
        findings: The findings, C.
        values: Shape (N, C), float32: 1, 0 or NaN (unknown: no loss and no score counts it).
        states: Finding to how its labels stood before the policy (`label_states.LabelState`), to the number
            of cases; each sums to N.
        sources: Source to the number of cases labelled by it; ``none`` for cases without labels.

    Example:
        >>> matrix = LabelMatrix(("a",), ("Edema",), np.ones((1, 1), np.float32), {}, {})
        >>> matrix.row("Edema")
        (1, 0, 0)
    """

    ids: tuple[str, ...]
    findings: tuple[str, ...]
    values: NDArray[np.float32]
    states: Mapping[str, Mapping[LabelState, int]]
    sources: Mapping[str, int]

    def row(self, finding: str) -> tuple[int, int, int]:
        """Count a finding's positive, negative and unknown cases.

        Args:
            finding: One of `findings`.

        Returns:
            The three counts; they sum to N.

        Example:
            >>> nothing = np.full((2, 1), np.nan, np.float32)
            >>> LabelMatrix(("a", "b"), ("Edema",), nothing, {}, {}).row("Edema")
            (0, 0, 2)
        """
        column = self.values[:, self.findings.index(finding)]
        positive, negative = int((column == 1).sum()), int((column == 0).sum())
        return positive, negative, len(column) - positive - negative


def label_matrix(
    cases: Sequence[Case], settings: LabelSettings | None = None, findings: Sequence[str] | None = None
) -> LabelMatrix:
    """Label cases by the policy.

    Args:
        cases: The cases; those without chest facts or labels of the source are unknown throughout.
        settings: The policy.
        findings: The columns; by default those of the settings, else every finding that some case has.

    Returns:
        The table; of shape (0, C) for no cases.

    Raises:
        SettingsError: A finding is neither one of ours nor one that a case has.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.cohort.chest_facts import ChestFacts
        >>> facts = ChestFacts(labels={"chexpert": {"Edema": -1, "Fracture": None, "Pneumonia": 1}})
        >>> matrix = label_matrix([Case("a", Path("a.png"), chest=facts)], LabelSettings(uncertain="ones"))
        >>> dict(zip(matrix.findings, matrix.values[0].tolist(), strict=True))
        {'Edema': 1.0, 'Fracture': 0.0, 'No Finding': 0.0, 'Pneumonia': 1.0}
    """
    settings = settings or LabelSettings()
    told = [_case_states(case, settings) for case in cases]
    found = {name for _, states in told for name in states}
    columns = _columns(findings or settings.findings, found)
    states: dict[str, Mapping[LabelState, int]] = {
        name: Counter(one.get(name, "not offered") for _, one in told) for name in columns
    }
    values = np.array(
        [[_value(one.get(name, "not offered"), settings) for name in columns] for _, one in told],
        dtype=np.float32,
    ).reshape(len(told), len(columns))
    return LabelMatrix(
        ids=tuple(case.id for case in cases),
        findings=columns,
        values=values,
        states=states,
        sources=Counter(source for source, _ in told),
    )


def choose_findings(
    cases: Sequence[Case], settings: LabelSettings | None = None, *, least: int = 10
) -> tuple[str, ...]:
    """Choose the findings that can be learned: enough positive and enough negative cases.

    Args:
        cases: The cases, those of training alone, so that the choice does not see the others.
        settings: The policy; findings named there are taken as they are.
        least: Least number of positive, and of negative, cases.

    Returns:
        The findings, ours first and in their order.

    Raises:
        SettingsError: A finding of the settings is unknown.
        DataError: No finding has that many.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.cohort.chest_facts import ChestFacts
        >>> cases = [
        ...     Case(str(n), Path("a.png"), chest=ChestFacts(labels={"nih": {"Mass": n % 2, "Hernia": 0}}))
        ...     for n in range(4)
        ... ]
        >>> choose_findings(cases, least=2)
        ('Lung Lesion',)
    """
    settings = settings or LabelSettings()
    matrix = label_matrix(cases, settings)
    if settings.findings is not None:
        return matrix.findings
    rows = {name: matrix.row(name) for name in matrix.findings}
    chosen = tuple(name for name, (positive, negative, _) in rows.items() if min(positive, negative) >= least)
    if not chosen:
        told = "; ".join(f"{name} {one[0]} and {one[1]}" for name, one in rows.items()) or "no label at all"
        raise DataError(
            f"no finding has {least} positive and {least} negative of {len(cases)} cases; found: {told}",
            remedy="name the findings (labels.findings), or choose another label source or policy",
        )
    return chosen


def _case_states(case: Case, settings: LabelSettings) -> tuple[str, dict[str, LabelState]]:
    facts = case.chest
    if facts is None:
        return NO_LABELS, {}
    asked = LABEL_SOURCES if settings.source == "auto" else (settings.source,)
    source = next((one for one in asked if has_source(facts, one)), None)
    if source is None:
        return NO_LABELS, {}
    if source == READER_SOURCE:
        return source, reader_states(facts.readings, settings.certainty_threshold, settings.readers)
    return source, table_states(facts.labels[source], source)


def _columns(asked: Sequence[str] | None, found: set[str]) -> tuple[str, ...]:
    if asked is None:
        return tuple(sorted(found, key=finding_order))
    known = {*all_names(), *found}
    for name in asked:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise SettingsError(
                f"unknown finding {name!r}; known: {', '.join(sorted(known, key=finding_order))}",
                remedy=f"did you mean {near[0]!r}?" if near else None,
            )
    if len(set(asked)) < len(asked):
        raise SettingsError(f"a finding is named twice: {', '.join(asked)}")
    return tuple(asked)


def _value(state: LabelState, settings: LabelSettings) -> float:
    if state == "uncertain":
        return {"ones": 1.0, "zeros": 0.0, "ignore": np.nan}[settings.uncertain]
    if state == "not mentioned":
        return 0.0 if settings.not_mentioned == "negative" else np.nan
    return {"positive": 1.0, "negative": 0.0, "negative by No Finding": 0.0}.get(state, np.nan)
