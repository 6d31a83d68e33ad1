"""What the labels of the very cases that a run learns from cost a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.annotation_time import annotation_time, drawing_seconds

__all__ = ["annotation_cost", "annotation_hours"]

_S_PER_H = 3600.0
_NO_GAZE = "no gaze was learned from"


def annotation_cost(
    cases: Sequence[Case], *, gaze: bool, masks: bool, mask_s: float | None = None
) -> dict[str, Any]:
    """Add up the looking, and the drawing of true masks, of the cases that a run learns from.

    Looking is measured: from the first fixation's start to the last one's end, image by image. Drawing is
    not: it is the number of masks times published seconds, or your own.

    Args:
        cases: The cases.
        gaze: Whether the run learns from their gaze, or from what is made of it.
        masks: Whether the run learns from their true masks.
        mask_s: Your own seconds to draw a mask; None for the published ones.

    Returns:
        ``gaze_s`` with ``gaze_source`` (simulated gaze is called so), ``drawing_s`` with ``drawing_source``.
        What was not learned from costs 0.

    Raises:
        SettingsError: ``mask_s`` is not above 0.

    Example:
        >>> from pathlib import Path
        >>> case = Case("a", Path("a.png"), Path("b.png"))
        >>> annotation_cost([case], gaze=False, masks=True, mask_s=60)["drawing_s"]
        60.0
    """
    found: dict[str, Any] = {"gaze_s": 0.0, "gaze_source": _NO_GAZE, "drawing_s": 0.0, "drawing_source": ""}
    if gaze:
        looked = [case for case in cases if case.fixations is not None]
        spent = annotation_time({case.id: case.fixations for case in looked if case.fixations is not None})
        simulated = any(case.meta.get("gaze") == "simulated" for case in looked)
        found["gaze_s"] = spent.hours * _S_PER_H
        found["gaze_source"] = f"simulated gaze: {spent.source}" if simulated else spent.source
    if masks:
        each = drawing_seconds(mask_s)
        drawn = sum(case.mask_path is not None for case in cases)
        found["drawing_s"] = drawn * each.seconds
        found["drawing_source"] = f"{drawn} masks at {each.seconds:.3g} s: {each.source}"
    return found


def annotation_hours(cohort: Cohort, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run's annotation time in hours, for its summary.

    Args:
        cohort: The run's cohort.
        plan: The run's ``plan.json``. One without ``learned_from``, of an older version, is taken to have
            learned from the gaze of the whole training split.

    Returns:
        ``gaze`` and its ``source``; ``drawing`` and ``drawing_source`` where true masks were learned from.

    Example:
        >>> cost = {"gaze_s": 7200.0, "gaze_source": "x", "drawing_s": 0.0, "drawing_source": ""}
        >>> from pathlib import Path
        >>> annotation_hours(Cohort("c", Path("c"), {}), {"learned_from": cost})
        {'gaze': 2.0, 'source': 'x'}
    """
    cost = plan.get("learned_from") or annotation_cost(cohort.subset("train"), gaze=True, masks=False)
    hours: dict[str, Any] = {"gaze": cost["gaze_s"] / _S_PER_H, "source": cost["gaze_source"]}
    if cost["drawing_s"]:
        hours |= {"drawing": cost["drawing_s"] / _S_PER_H, "drawing_source": cost["drawing_source"]}
    return hours
