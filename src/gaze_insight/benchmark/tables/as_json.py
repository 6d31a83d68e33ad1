"""The tables as JSON: every number in full, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, is_dataclass
from typing import Any

from gaze_insight.benchmark.curve_results import Reached
from gaze_insight.benchmark.results import Comparison, Estimate, RowResult
from gaze_insight.benchmark.tables.captions import how_it_was_made, main_caption, verdict

__all__ = ["SCHEMA_VERSION", "as_json"]

SCHEMA_VERSION = 1
"""Version of the form of ``table.json``."""


def as_json(comparison: Comparison) -> str:
    """Write a comparison as JSON.

    The keys of the object:

    - ``schema_version``: 1. - ``suite``, ``title``, ``paper``, ``scale``, ``protocol``, ``cohort``,
    ``seeds``, ``reference`` (a row's key,
      or null where it has no finished run), ``resamples``.
    - ``verdict``, ``caption``, ``warnings``, ``notes``; ``facts``: name to text.
    - ``cases``: ``{"count", "ids", "left_out", "patients"}``; ``patients`` is null where none is known.
    - ``strata``: ``[{"name", "low_frac", "high_frac", "ids"}]``.
    - ``rows``: by key, in the suite's order, each with ``label``, ``supervision``, ``output``, ``runs_of``,
      ``seeds``, ``planned_seeds``, ``external``, ``note``, ``gaze_hours``, ``gaze_source``,
      ``train_seconds``, ``parameters``, ``reported``, ``reported_inside`` and

      - ``metrics``: ``dice``, ``iou`` (fractions), ``hd95_px``, ``asd_px``, each ``{"mean", "seed_means",
        "sd_seeds", "cases_ci95", "cases_seeds_ci95", "cases", "excluded", "variance"}``, where ``variance``
        holds the fields of `gaze_insight.evaluation.variance_components.VarianceComponents`, ``case_share``
        and ``seed_share``;
      - ``differences``: by metric ``{"mean", "cases_ci95", "cases_seeds_ci95", "p", "p_holm", "cases",
      "seeds",
        "reference_seeds"}``, row minus reference;
      - ``strata``: ``[{"name", "cases", "mean", "cases_ci95", "difference", "difference_ci95"}]``, Dice;
      - ``case_dice``: case id to Dice, the mean over seeds;
      - ``selection``: null, or ``{"seeds", "evaluations", "best", "last", "mean", "cases_ci95",
        "cases_seeds_ci95", "cases", "noise_sd", "expected"}``, best of k minus last.
    - ``absent``: ``[{"row", "seed", "state", "reason"}]``.
    - ``curves``: null, or the fields of `gaze_insight.benchmark.curve_results.CurveStudy`; where a Dice is
      reached has ``state`` too, and is null where that is ``below`` or ``not reached``.

    What is unknown is null; no value is NaN.

    Args:
        comparison: The comparison.

    Returns:
        The text, indented.
    """
    benchmark, cases = comparison.benchmark, comparison.cases
    suite, facts = benchmark.suite, benchmark.facts
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": suite.name,
        "title": suite.title,
        "paper": suite.paper,
        "scale": facts.scale,
        "protocol": suite.protocol,
        "cohort": facts.cohort,
        "seeds": sorted(facts.seeds),
        "reference": comparison.reference,
        "resamples": comparison.resamples,
        "verdict": verdict(comparison),
        "caption": main_caption(comparison),
        "warnings": comparison.warnings,
        "notes": suite.notes,
        "facts": dict(how_it_was_made(comparison)),
        "cases": {
            "count": len(cases.ids),
            "ids": cases.ids,
            "left_out": cases.left_out,
            "patients": cases.patients,
        },
        "strata": comparison.strata,
        "rows": {row.key: _row(row) for row in comparison.rows},
        "absent": comparison.absent,
        "curves": comparison.curves,
    }
    return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: RowResult) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in RowResult.__dataclass_fields__ if name != "key"}
    metrics = {metric: _estimate(one) for metric, one in values.pop("estimates").items()}
    case_dice = values.pop("case_means")
    return {**values, "metrics": metrics, "case_dice": case_dice}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    values = asdict(estimate)
    found = estimate.components
    shares = {"case_share": found.case_share, "seed_share": found.seed_share}
    variance = {**values.pop("components"), **shares}
    return {**values, "variance": variance}


def _plain(value: Any) -> Any:
    """Turn dataclasses into mappings, tuples into lists, and what is no number into null."""
    if is_dataclass(value) and not isinstance(value, type):
        state = {"state": value.state} if isinstance(value, Reached) else {}
        return _plain({name: getattr(value, name) for name in value.__dataclass_fields__} | state)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
