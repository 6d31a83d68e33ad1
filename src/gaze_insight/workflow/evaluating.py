"""`evaluate`: the test set of a run's cohort, once; or any other cohort that has masks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_mask
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.cases import CaseScore, score_case, write_cases_csv
from gaze_insight.evaluation.statistics import summarise_heads
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.inference.predictor import Predictor
from gaze_insight.types import BoolArray, FloatArray, Progress, Size, Split, silent
from gaze_insight.workflow.describing import describe, encode_words
from gaze_insight.workflow.environment import peak_memory_mb
from gaze_insight.workflow.labelling import label, load_pseudo_mask
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.training import words_under

__all__ = ["CasePrediction", "evaluate", "predict_cases"]


@dataclass(frozen=True)
class CasePrediction:
    """A case and what each head says of it: probability (H, W) at the image's own size."""

    case: Case
    probabilities: dict[str, FloatArray]


def predict_cases(
    predictor: Predictor, cohort: Cohort, cases: Sequence[Case], config: RunConfig
) -> Iterator[CasePrediction]:
    """Predict cases with every head; heads that read words get descriptions made as in training.

    Args:
        predictor: The run's predictor.
        cohort: The cases' cohort.
        cases: The cases.
        config: The run's configuration.

    Yields:
        Each case with its probabilities, in order.
    """
    size = config.prediction.batch_size
    for start in range(0, len(cases), size):
        part = cases[start : start + size]
        words = None
        if predictor.method.uses_words and any(case.fixations is not None for case in part):
            found = describe(cohort, config.language, config.labels, cases=part)
            ordered = [found.get(case.id) for case in part]
            words = encode_words(cohort, ordered, config.language.encoder)[1]
        predicted = predictor.predict_batch([case.read_image() for case in part], words_under(words))
        for case, probabilities in zip(part, predicted, strict=True):
            yield CasePrediction(case, probabilities)


def evaluate(
    run: str | Path,
    cohort: Cohort | None = None,
    *,
    split: Split | None = "test",
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score a finished run at the masks' native size, case by case, with bootstrap intervals.

    Dice and IoU are fractions in [0, 1]; HD95 and ASD are in pixels, and in mm where the spacing is known.
    Without another cohort the run's own test split is scored and ``cases.csv``, ``predictions/`` and
    ``summary.json`` are written into the run's folder. Another cohort's scores go to
    ``evaluations/<cohort>/`` and leave the run's own untouched.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks; None for the run's own.
        split: Which split; None for all cases.
        device: Where to compute.
        progress: Receives progress in cases.

    Returns:
        The summary, as written.

    Raises:
        DataError: The run is not finished, or no case of the split has a mask.
    """
    started = time.monotonic()
    folder, other = RunFolder(Path(run)), cohort
    config, plan = folder.config(), folder.plan()
    predictor = load_predictor(run, device=device)
    if cohort is None:
        cohort = Cohort.open(plan["cohort_folder"])
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    cases = [case for case in wanted if case.mask_path is not None]
    if not cases:
        raise DataError(
            f"expected cases with masks in {'all of' if split is None else f'split {split!r} of'} cohort "
            f"{cohort.name!r}, found none of {len(wanted)}",
            path=cohort.folder,
            remedy="import the masks too, or choose another split with --split",
        )
    label(
        cohort, config.labels, cases=[case for case in cases if case.fixations is not None], progress=progress
    )
    target = folder.path if other is None else folder.path / "evaluations" / cohort.name
    scores: list[CaseScore] = []
    for done, prediction in enumerate(predict_cases(predictor, cohort, cases, config), start=1):
        scores += _score(cohort, prediction, config)
        student = prediction.probabilities[predictor.method.heads[0]] > config.prediction.threshold
        write_mask(target / "predictions" / f"{prediction.case.id}.png", student)
        progress("evaluating", done, len(cases))
    write_cases_csv(target / "cases.csv", scores)
    summary = _summary(cohort, config, plan, scores, time.monotonic() - started)
    summary["left_out"] = {"without_mask": len(wanted) - len(cases)}
    folder.write_json(target / "summary.json", summary)
    return summary


def _score(cohort: Cohort, prediction: CasePrediction, config: RunConfig) -> list[CaseScore]:
    case, truth = prediction.case, prediction.case.read_mask()
    if truth is None:
        raise DataError(f"case {case.id!r} has no mask", path=cohort.folder)
    masks: dict[str, BoolArray] = {
        head: prob > config.prediction.threshold for head, prob in prediction.probabilities.items()
    }
    pseudo = load_pseudo_mask(cohort, case, config.labels)
    if pseudo is not None:
        size = Size(*truth.shape)
        soft = cv2.resize(pseudo.soft, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        masks["pseudomask"] = np.asarray(soft >= config.labels.levels.comprehensive)
    return [
        score_case(mask, truth, case.spacing_mm, id=case.id, head=head, policy=config.evaluation.empty_masks)
        for head, mask in masks.items()
    ]


def _summary(
    cohort: Cohort, config: RunConfig, plan: dict[str, Any], scores: list[CaseScore], seconds: float
) -> dict[str, Any]:
    patients = {case.id: case.patient for case in cohort.cases.values() if case.patient is not None}
    gaze = {case.id: case.fixations for case in cohort.subset("train") if case.fixations is not None}
    time_spent = annotation_time(gaze)
    return {
        "method": plan["method"],
        "cohort": cohort.name,
        "trained_on": plan["cohort"],
        "protocol": f"honest ({config.training.selection} weights; test scored after training)",
        "seed": config.seed,
        "split": {
            "train": plan["training_cases"],
            "val": plan["validation_cases"],
            "test": len({score.id for score in scores}),
        },
        "test": summarise_heads(
            scores, groups=patients or None, resamples=config.evaluation.resamples, seed=config.seed
        ),
        "annotation_time_h": {"gaze": time_spent.hours, "source": time_spent.source},
        "empty_mask_policy": config.evaluation.empty_masks.describe(),
        "seconds": {
            "label": plan["label_seconds"],
            "train": plan["train_seconds"],
            "evaluate": seconds,
        },
        "peak_memory_mb": max(plan["peak_memory_mb"], peak_memory_mb()),
    }
