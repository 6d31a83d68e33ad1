"""What a run's report shows of its refined labels."""

from __future__ import annotations

from typing import Any

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.insight.refinement_section import RefinedPicture, RefinementSection
from gaze_insight.pseudomask.refinement import NETWORK_PART
from gaze_insight.pseudomask.stored import from_arrays
from gaze_insight.workflow.label_source import REFINED_KIND, VotedLabels
from gaze_insight.workflow.noisy_gaze import with_noisy_gaze
from gaze_insight.workflow.refining import read_refined_labels

__all__ = ["refinement_section"]


def refinement_section(
    cohort: Cohort, config: RunConfig, run: RunFolder, each: int = 2
) -> RefinementSection | None:
    """Gather what the report shows of the rounds: a row each, and the labels that changed most and least.

    Args:
        cohort: The run's cohort.
        config: The run's configuration.
        run: The run's folder.
        each: How many cases that changed most, typically and least.

    Returns:
        The section; None for a run without rounds.

    Raises:
        DataError: The record of the rounds is missing or damaged, or an image cannot be read.
    """
    cohort = with_noisy_gaze(cohort, config.gaze_noise, config.seed).cohort
    facts = run.plan().get("refinement")
    rows = read_refined_labels(cohort, config, run)
    if facts is None or not rows:
        return None
    shown = [_picture(cohort, config, id, rank, rows[id]) for rank, id in _chosen(rows, each)]
    found = [picture for picture in shown if picture is not None]
    return RefinementSection(facts["rounds"], len(facts["folds"]), found, len(shown) - len(found))


def _chosen(rows: dict[str, dict[str, Any]], each: int) -> list[tuple[str, str]]:
    ordered = sorted(rows, key=lambda id: (rows[id]["dice"], id))
    middle = max(0, (len(ordered) - each) // 2)
    picked: dict[str, str] = {}
    for rank, ids in (
        ("changed most", ordered[:each]),
        ("typical", ordered[middle : middle + each]),
        ("changed least", ordered[::-1][:each]),
    ):
        for id in ids:
            picked.setdefault(id, rank)
    return [(rank, id) for id, rank in picked.items()]


def _picture(
    cohort: Cohort, config: RunConfig, id: str, rank: str, row: dict[str, Any]
) -> RefinedPicture | None:
    stored = cohort.derived.get_arrays(REFINED_KIND, row["key"])
    case = cohort.cases.get(id)
    vote = None if case is None else VotedLabels(cohort, config.labels).load(case)
    if stored is None or case is None or vote is None:
        return None
    refined = from_arrays(stored)
    return RefinedPicture(
        id=id,
        rank=rank,
        image=case.read_image(),
        fixations=case.fixations,
        before=vote.soft,
        network=refined.parts[NETWORK_PART],
        after=refined.soft,
        level=config.labels.levels.comprehensive,
        dice=row["dice"],
        trust=(row["trust_before"], row["trust_after"]),
    )
