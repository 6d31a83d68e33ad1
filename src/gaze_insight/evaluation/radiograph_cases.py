"""The table of scored radiographs: one row a case with probabilities, labels and agreement of attention."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.evaluation.saliency import SALIENCY_METRICS, SaliencyScores
from gaze_insight.types import FloatArray

__all__ = ["RadiographTable", "read_radiograph_table", "write_radiograph_table"]

_PROBABILITY, _LABEL = "p:", "y:"


@dataclass(frozen=True)
class RadiographTable:
    """N scored radiographs.

    Attributes:
        ids: The cases' ids.
        patients: The patient of each; empty text where unknown.
        findings: C names.
        probabilities: (N, C) in [0, 1], calibrated.
        labels: (N, C) in {1, 0, nan}.
        saliency: Agreement of attention with gaze and boxes, one a case.
    """

    ids: tuple[str, ...]
    patients: tuple[str, ...]
    findings: tuple[str, ...]
    probabilities: FloatArray
    labels: FloatArray
    saliency: tuple[SaliencyScores, ...]


def write_radiograph_table(path: Path, table: RadiographTable) -> None:
    """Write the table as CSV: ``id``, ``patient``, ``p:<finding>``, ``y:<finding>``, then the measures.

    Args:
        path: The file.
        table: The rows; what is not known stays blank.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([
        "id", "patient",
        *(f"{_PROBABILITY}{name}" for name in table.findings),
        *(f"{_LABEL}{name}" for name in table.findings),
        *SALIENCY_METRICS,
    ])  # fmt: skip
    for row, (one, patient, scores) in enumerate(zip(table.ids, table.patients, table.saliency, strict=True)):
        writer.writerow([
            one, patient,
            *(f"{value:.6g}" for value in table.probabilities[row]),
            *("" if np.isnan(value) else f"{value:.0f}" for value in table.labels[row]),
            *(_number(getattr(scores, name)) for name in SALIENCY_METRICS),
        ])  # fmt: skip
    write_text_atomic(path, buffer.getvalue())


def read_radiograph_table(path: Path) -> RadiographTable:
    """Read what `write_radiograph_table` wrote.

    Args:
        path: The file.

    Returns:
        The table; reasons of measures that are not defined are not in the file.

    Raises:
        DataError: The file is missing, or a column or a number in it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"the table cannot be read: {error.strerror}", path=path) from error
    findings = tuple(
        name.removeprefix(_PROBABILITY) for name in (rows[0] if rows else ()) if name.startswith(_PROBABILITY)
    )
    try:
        shape = (len(rows), len(findings))
        prob = np.array([[float(row[_PROBABILITY + name]) for name in findings] for row in rows])
        truth = np.array([[float(row[_LABEL + name] or "nan") for name in findings] for row in rows])
        saliency = tuple(_scores(row) for row in rows)
        ids, patients = ([row[name] for row in rows] for name in ("id", "patient"))
    except (KeyError, ValueError) as error:
        raise DataError(
            f"expected the table of a run's test cases, found a problem: {error}", path=path
        ) from error
    return RadiographTable(
        tuple(ids), tuple(patients), findings, prob.reshape(shape), truth.reshape(shape), saliency
    )


def _scores(row: dict[str, str]) -> SaliencyScores:
    values: dict[str, Any] = {name: float(row[name] or "nan") for name in SALIENCY_METRICS}
    return SaliencyScores(**values)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
