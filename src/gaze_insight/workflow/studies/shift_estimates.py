"""Means, losses and paired differences of `study shift`, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gaze_insight.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from gaze_insight.evaluation.statistics import crossed_bootstrap_interval
from gaze_insight.workflow.studies.scoring import Estimate, StudySettings, estimate
from gaze_insight.workflow.studies.shift_scoring import CLEAN, Cell, CellScores

__all__ = ["MEAN", "ShiftDifference", "ShiftEstimates", "ShiftLevel", "ShiftMean", "ShiftSettings"]

MEAN = "mean"
"""The name of the mean over corruptions, each of which is a mean over its severities."""

_FEWEST = 5


class ShiftSettings(StudySettings):
    """Which corruptions, how severe.

    Example:
        >>> ShiftSettings(corruptions=("jpeg",), severities=(1, 5)).corruptions
        ('jpeg',)
    """

    corruptions: tuple[str, ...] = Field(tuple(CORRUPTIONS), min_length=1, description="names of corruptions")
    severities: tuple[int, ...] = Field(SEVERITIES, min_length=1, description="severities from 1 to 5")

    @field_validator("corruptions")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in CORRUPTIONS]
        if unknown:
            raise ValueError(f"unknown corruption {unknown[0]!r}; known: {', '.join(CORRUPTIONS)}")
        return tuple(dict.fromkeys(names))

    @field_validator("severities")
    @classmethod
    def _in_range(cls, severities: tuple[int, ...]) -> tuple[int, ...]:
        if any(one not in SEVERITIES for one in severities):
            raise ValueError(f"severities are whole numbers from 1 to 5, found {severities}")
        return tuple(sorted(set(severities)))


@dataclass(frozen=True)
class ShiftLevel:
    """One line under one corruption at one severity.

    Args:
        line: The line: one run, or the seeds of one.
        corruption: Its name; "clean" for the images as they are, "mean" for the mean over corruptions.
        severity: 0 for the clean images.
        dice: Mean Dice.
        loss: Dice on the clean images minus Dice here, paired by image.
    """

    line: str
    corruption: str
    severity: int
    dice: Estimate
    loss: Estimate


@dataclass(frozen=True)
class ShiftMean:
    """One line under one corruption, mean over its severities; or over all corruptions.

    Args:
        line: The line.
        corruption: A corruption, "clean", or "mean".
        dice: Mean Dice.
        loss: Dice on the clean images minus Dice here.
    """

    line: str
    corruption: str
    dice: Estimate
    loss: Estimate


@dataclass(frozen=True)
class ShiftDifference:
    """A line minus the reference, paired by image.

    Args:
        line: The line.
        reference: The line that it is compared with.
        corruption: A corruption (mean over its severities), "clean", or "mean".
        dice: Difference of Dice; above 0 where the line is better.
        loss: Difference of losses; below 0 where the line loses less.
    """

    line: str
    reference: str
    corruption: str
    dice: Estimate
    loss: Estimate


@dataclass(frozen=True, eq=False)
class ShiftEstimates:
    """Estimates from the table of scores.

    Args:
        lines: Line to the places of its runs in the scores.
        scores: Dice of every run in every cell on every case.
        settings: Corruptions, severities, resamples, seed.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.cohort.case import Case
        >>> from gaze_insight.workflow.studies.shift_scoring import Cell
        >>> cases = tuple(Case(id=name, image_path=Path(name)) for name in "ab")
        >>> table = np.array([[[0.9, 0.7], [0.6, 0.6]]])
        >>> scores = CellScores((Cell("clean", 0), Cell("jpeg", 5)), cases, table)
        >>> settings = ShiftSettings(corruptions=("jpeg",), severities=(5,))
        >>> round(ShiftEstimates({"gaze": [0]}, scores, settings).levels()[1].loss.mean, 3)
        0.2
    """

    lines: dict[str, list[int]]
    scores: CellScores
    settings: ShiftSettings

    def table(self, line: str, corruption: str, severity: int | None = None) -> NDArray[np.float64]:
        """Return Dice of a line in a cell, over a corruption's severities, or over all corruptions.

        Args:
            line: The line.
            corruption: A corruption, "clean" or "mean".
            severity: None for the mean over severities.

        Returns:
            (cases, seeds).
        """
        members = self.scores.dice[self.lines[line]]
        if corruption == MEAN:
            tables = [self.table(line, name, severity) for name in self.settings.corruptions]
            return np.asarray(np.mean(tables, axis=0))
        chosen = [
            number
            for number, cell in enumerate(self.scores.cells)
            if cell.corruption == corruption and severity in (None, cell.severity)
        ]
        return np.asarray(members[:, chosen].mean(axis=1).T)

    def _estimated(self, first: NDArray[np.float64], second: NDArray[np.float64] | None = None) -> Estimate:
        """Mean of a table (cases, seeds), or of the difference of two."""
        values = first.mean(axis=1) - (0 if second is None else second.mean(axis=1))
        plain = estimate(values, self.scores.cases, self.settings)
        tables = [one for one in (first, second) if one is not None]
        if plain.n < _FEWEST or min(one.shape[1] for one in tables) < 2:
            return plain
        patients = [case.patient or ("case", case.id) for case in self.scores.cases]
        ends = crossed_bootstrap_interval(
            first, second, groups=patients, resamples=self.settings.resamples, seed=self.settings.seed
        )
        return plain if ends is None else Estimate(plain.mean, *ends, plain.n)

    def levels(self) -> tuple[ShiftLevel, ...]:
        """Return an entry for each line, corruption and severity, and for the mean over corruptions."""
        means = (Cell(MEAN, severity) for severity in self.settings.severities)
        cells = (*self.scores.cells, *means)
        return tuple(
            ShiftLevel(
                line,
                cell.corruption,
                cell.severity,
                self._estimated(here := self.table(line, cell.corruption, cell.severity)),
                self._estimated(self.table(line, CLEAN) - here),
            )
            for line in self.lines
            for cell in cells
        )

    def means(self) -> tuple[ShiftMean, ...]:
        """Return an entry for each line and corruption, and for their mean."""
        return tuple(
            ShiftMean(
                line,
                name,
                self._estimated(here := self.table(line, name)),
                self._estimated(self.table(line, CLEAN) - here),
            )
            for line in self.lines
            for name in (CLEAN, *self.settings.corruptions, MEAN)
        )

    def differences(self, reference: str) -> tuple[ShiftDifference, ...]:
        """Return the same for each line minus the reference.

        Args:
            reference: A line.
        """
        found = []
        for line in self.lines:
            if line == reference:
                continue
            for name in (CLEAN, *self.settings.corruptions, MEAN):
                own, other = self.table(line, name), self.table(reference, name)
                lost, others = self.table(line, CLEAN) - own, self.table(reference, CLEAN) - other
                pair = self._estimated(own, other), self._estimated(lost, others)
                found.append(ShiftDifference(line, reference, name, *pair))
        return tuple(found)

    def per_case(self) -> tuple[dict[str, Any], ...]:
        """Return a row for each line and case: its Dice by corruption."""
        names = (CLEAN, *self.settings.corruptions, MEAN)
        tables = {(line, name): self.table(line, name).mean(axis=1) for line in self.lines for name in names}
        return tuple(
            {
                "id": case.id,
                "line": line,
                **{f"dice_{name}": float(tables[line, name][number]) for name in names},
            }
            for line in self.lines
            for number, case in enumerate(self.scores.cases)
        )
