"""The page of `calibrate`, with a few cases drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gaze_insight import __version__
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.inference.certainty import judge
from gaze_insight.insight.study_page import write_study
from gaze_insight.insight.uncertainty_page import SafeExample, uncertainty_content
from gaze_insight.types import Split
from gaze_insight.workflow.calibrating import CHECK_FILE
from gaze_insight.workflow.evaluating import predict_cases
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.uncertainty_file import read_uncertainty

__all__ = ["choose_examples", "uncertainty_page"]


def choose_examples(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Choose cases that show the safe masks at their best and at their worst.

    Args:
        rows: As in ``uncertainty_check.json``.

    Returns:
        Pairs of case and why, no case twice: the typical price, the highest price, the largest share outside,
        the lowest confidence.

    Example:
        >>> row = {"id": "a", "area": 0.1, "area_contains": 0.2, "outside_contains": 0.0, "confidence": 0.9}
        >>> choose_examples([row])
        [('a', 'typical price')]
    """
    if not rows:
        return []
    by_price = sorted(rows, key=lambda row: row["area_contains"] / max(row["area"], 1e-4))
    wanted = (
        (by_price[len(by_price) // 2], "typical price"),
        (by_price[-1], "highest price"),
        (max(rows, key=lambda row: row["outside_contains"]), "largest share outside the safe mask"),
        (min(rows, key=lambda row: row["confidence"]), "lowest confidence"),
    )
    chosen: dict[str, str] = {}
    for row, why in wanted:
        chosen.setdefault(row["id"], why)
    return list(chosen.items())


def uncertainty_page(
    run: str | Path, cohort: Cohort | None = None, *, split: Split | None = "test", device: str = "auto"
) -> Path:
    """Write ``uncertainty.html`` beside the check of a split.

    Args:
        run: The run's folder.
        cohort: Another cohort; None for the run's own.
        split: The split that was checked; None for all cases.
        device: Where to compute.

    Returns:
        The page.

    Raises:
        DataError: Nothing was checked yet.
    """
    folder = RunFolder(Path(run))
    config, plan = folder.config(), folder.plan()
    other = cohort if cohort is not None and str(cohort.folder.resolve()) != plan["cohort_folder"] else None
    shown = other or Cohort.open(plan["cohort_folder"])
    target = folder.evaluation(None if other is None else other.name, split)
    facts = folder.read_json(target / CHECK_FILE)
    fitted, predictor = read_uncertainty(run), load_predictor(run, device=device)
    head = predictor.method.heads[0]
    examples: list[SafeExample] = []
    if fitted is not None:
        rows = {row["id"]: row for row in facts["heads"][head]["cases"]}
        chosen = dict(choose_examples(list(rows.values())))
        for prediction in predict_cases(predictor, shown, [shown.cases[id] for id in chosen], config):
            case, prob = prediction.case, prediction.probabilities[head]
            truth = case.read_mask()
            if truth is not None:
                examples.append(
                    SafeExample(
                        id=case.id,
                        why=chosen[case.id],
                        image=case.read_image(),
                        prob=prob,
                        threshold=config.prediction.threshold,
                        truth=truth,
                        certainty=judge(prob, fitted.heads[head]),
                        dice=rows[case.id]["dice"],
                    )
                )
    content = uncertainty_content(
        facts,
        head,
        examples,
        command=f"gaze-insight calibrate {folder.path} --check {split or 'all'}",
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        version=__version__,
    )
    page = target / "uncertainty.html"
    write_study(content, page)
    return page
