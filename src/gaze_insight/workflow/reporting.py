"""`report`: one HTML page about a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight import __version__
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.evaluation.cases import CaseScore, read_cases_csv
from gaze_insight.gaze.heatmap import render_heatmap
from gaze_insight.insight.report import ReportCase, ReportContent, write_report
from gaze_insight.training.history import read_history
from gaze_insight.types import Size
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.evaluating import CasePrediction, predict_cases
from gaze_insight.workflow.labelling import load_pseudo_mask
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.noisy_gaze import NoisyGaze, with_noisy_gaze
from gaze_insight.workflow.refinement_report import refinement_section
from gaze_insight.workflow.words_report import words_section

__all__ = ["choose_cases", "report"]


def choose_cases(scores: Sequence[CaseScore], each: int = 2) -> list[tuple[str, str]]:
    """Choose the best, the median and the worst cases by Dice.

    Args:
        scores: The scores of one head.
        each: How many of each kind.

    Returns:
        Pairs of rank ("worst", "median", "best") and case id, no case twice; empty for no scores.

    Example:
        >>> rows = [CaseScore(str(i), "student", i / 9, 0, 0, 0, None, None, 0.1, 0.1) for i in range(9)]
        >>> choose_cases(rows, each=1)
        [('best', '8'), ('median', '4'), ('worst', '0')]
    """
    ordered = [score.id for score in sorted(scores, key=lambda score: score.dice, reverse=True)]
    middle = max(0, (len(ordered) - each) // 2)
    picked: dict[str, str] = {}
    for rank, ids in (
        ("best", ordered[:each]),
        ("worst", ordered[::-1][:each]),
        ("median", ordered[middle : middle + each]),
    ):
        for id in ids:
            picked.setdefault(id, rank)
    order = {"best": 0, "median": 1, "worst": 2}
    return sorted(((rank, id) for id, rank in picked.items()), key=lambda pair: order[pair[0]])


def report(run: str | Path, path: str | Path | None = None, *, each: int = 2, device: str = "auto") -> Path:
    """Write the report of an evaluated run: what was used, the numbers, the curves, and cases to look at.

    Args:
        run: The run's folder.
        path: The HTML file; None for ``report.html`` in the run's folder.
        each: How many best, median and worst cases are shown.
        device: Where to compute the predictions that are shown.

    Returns:
        The file.

    Raises:
        DataError: The run is not evaluated, or its cohort is gone.
    """
    folder = RunFolder(Path(run))
    config, summary, plan = folder.config(), folder.read_json(folder.summary_json), folder.plan()
    scores = read_cases_csv(folder.cases_csv)
    gaze = with_noisy_gaze(Cohort.open(plan["cohort_folder"]), config.gaze_noise, config.seed)
    cohort = gaze.cohort
    predictor = load_predictor(run, device=device)
    main = predictor.method.heads[0]
    chosen = choose_cases([score for score in scores if score.head == main], each)
    cases = [cohort.cases[id] for _, id in chosen if id in cohort.cases]
    ranks = {id: rank for rank, id in chosen}
    shown = [
        _report_case(cohort, prediction, config, ranks[prediction.case.id], scores, main)
        for prediction in predict_cases(predictor, cohort, cases, config)
    ]
    target = folder.report_html if path is None else Path(path)
    content = ReportContent(
        title=f"{plan['method']} on {cohort.name}",
        summary=summary,
        main_head=main,
        scores=scores,
        history=read_history(folder.history_jsonl),
        cases=shown,
        cohort_facts=_facts(gaze.recorded, plan) | _noise_facts(gaze),
        config=config.model_dump(mode="json"),
        environment=folder.read_json(folder.environment_json),
        protocol_text=_protocol(config),
        empty_policy=summary["empty_mask_policy"],
        warnings=_warnings(cohort, config, plan, summary),
        refinement=refinement_section(cohort, config, folder, each),
        words=words_section(predictor, cohort, config, ranks, folder.path),
        command=folder.read_json(folder.environment_json)["command"],
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    write_report(content, target)
    return target


def _report_case(
    cohort: Cohort,
    prediction: CasePrediction,
    config: RunConfig,
    rank: str,
    scores: Sequence[CaseScore],
    main: str,
) -> ReportCase:
    case, image = prediction.case, prediction.case.read_image()
    pseudo = load_pseudo_mask(cohort, case, config.labels)
    heat = None
    if case.fixations is not None:
        heat = render_heatmap(case.fixations, Size(*image.shape[:2]), config.labels.prior.heatmap)
    described = describe(cohort, config.language, config.labels, cases=[case])
    return ReportCase(
        id=case.id,
        image=image,
        rank=rank,
        fixations=case.fixations,
        heat=heat,
        sparse=None if pseudo is None else pseudo.sparse,
        comprehensive=None if pseudo is None else pseudo.comprehensive,
        teacher_prob=prediction.probabilities.get("teacher"),
        student_prob=prediction.probabilities[main],
        truth=case.read_mask(),
        description=described.get(case.id),
        scores={score.head: score for score in scores if score.id == case.id},
        threshold=config.prediction.threshold,
    )


def _facts(cohort: Cohort, plan: dict[str, Any]) -> dict[str, Any]:
    simulated = sum(case.meta.get("gaze") == "simulated" for case in cohort.cases.values())
    counts = [len(case.fixations) for case in cohort.cases.values() if case.fixations is not None]
    return {
        "Cohort": cohort.name,
        "Cases": len(cohort),
        "Training cases used": plan["training_cases"],
        "Training cases left out": len(plan["left_out"]),
        "Gaze": f"simulated from masks for {simulated} cases" if simulated else "recorded",
        "Fixations an image": f"{np.mean(counts):.1f}" if counts else "none",
    }


def _noise_facts(gaze: NoisyGaze) -> dict[str, str]:
    return {} if gaze.account is None else {"Gaze of the training split": gaze.account.words()}


def _protocol(config: RunConfig) -> str:
    flips = "averaged over the image and its mirror images" if config.prediction.flips else "of the image"
    if config.training.selection == "validation":
        target = "true masks" if config.training.validation_target == "mask" else "gaze pseudo-masks"
        chosen = f"The weights with the best Dice on the validation set ({target}) were kept."
    else:
        chosen = "The last weights were kept; nothing was chosen by looking at results."
    return (
        f"{chosen} The test set took no part in training or in any choice, and was scored after training. "
        f"Predictions are {flips}, at a threshold of {config.prediction.threshold:g}."
    )


def _warnings(cohort: Cohort, config: RunConfig, plan: dict[str, Any], summary: dict[str, Any]) -> list[str]:
    warnings = ["This is one run with one seed; the intervals hold the sampling of test cases alone."]
    if any(case.meta.get("gaze") == "simulated" for case in cohort.cases.values()):
        warnings.append("The gaze is simulated from the true masks; real gaze may serve worse.")
    if plan.get("gaze_noise"):
        warnings.append(
            "The recorded gaze of the training images was made worse on purpose before it became labels."
        )
    if plan["left_out"]:
        warnings.append(f"{len(plan['left_out'])} training cases were left out; plan.json lists the reasons.")
    if "teacher" in summary["test"] and plan["words"] is not None:
        source = (
            "measured from the reader's gaze"
            if config.language.describer_name == "measured"
            else f"from the describer {config.language.describer_name!r}"
        )
        warnings.append(
            f"On test images the teacher reads a description {source}; the student sees the image alone."
        )
    return warnings
