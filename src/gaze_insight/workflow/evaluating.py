"""`evaluate`: the test set of a run's cohort, once; or any other cohort that has masks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_mask
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.cases import CaseScore, score_case, write_cases_csv
from gaze_insight.inference.predictor import Predictor
from gaze_insight.pseudomask.fusion import FusionCalibration
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.training.words import select_rows
from gaze_insight.types import BoolArray, FloatArray, Progress, Size, Split, silent
from gaze_insight.workflow.annotation_cost import annotation_hours
from gaze_insight.workflow.assisting import ASSISTED, Looks, fusion_of, keep_looks, recording_of
from gaze_insight.workflow.believed_words import encode_believed
from gaze_insight.workflow.checkpoint_choice import best_minus_last
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.evaluation_summary import patients_of, protocol_of, summarise
from gaze_insight.workflow.labelling import label, load_pseudo_mask
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.run_keeping import require_trained, seen_in_training
from gaze_insight.workflow.training import words_under

__all__ = ["ASSISTED", "CasePrediction", "evaluate", "predict_cases"]


@dataclass(frozen=True)
class CasePrediction:
    """A case and what each head says of it: probability (H, W) at the image's own size."""

    case: Case
    probabilities: dict[str, FloatArray]


def predict_cases(
    predictor: Predictor, cohort: Cohort, cases: Sequence[Case], config: RunConfig
) -> Iterator[CasePrediction]:
    """Predict cases with every head; heads that read words get descriptions made as in training.

    A case without a description is shown none; where no case has one, the heads that need words are left out.

    Args:
        predictor: The run's predictor.
        cohort: The cases' cohort.
        cases: The cases.
        config: The run's configuration.

    Yields:
        Each case with its probabilities, in order.
    """
    size, rows = config.prediction.batch_size, None
    if predictor.method.uses_words:
        found = describe(cohort, config.language, config.labels, cases=cases)
        if found:
            rows = encode_believed(cohort, cases, found, config.language, config.labels)[1]
    for start in range(0, len(cases), size):
        part = cases[start : start + size]
        words = None if rows is None else select_rows(rows, torch.arange(start, start + len(part)))
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
    The scores of the run's own test split go to ``cases.csv``, ``predictions/`` and ``summary.json`` in the
    run's folder. Those of another split or another cohort go to ``evaluations/<cohort>-<split>/`` and leave
    the run's own untouched.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks; None for the run's own.
        split: Which split; None for all cases.
        device: Where to compute.
        progress: Receives progress in cases.

    Returns:
        The summary, as written.

    Raises:
        DataError: The run is not finished, no case of the split has a mask, or a test image took part in
            training because the splits have changed since.
    """
    started = time.monotonic()
    folder, other = RunFolder(Path(run)), cohort
    config, predictor = folder.config(), load_predictor(run, device=device)
    plan = require_trained(folder)
    if cohort is None or cohort.folder.resolve() == Path(plan["cohort_folder"]):
        cohort, other = Cohort.open(plan["cohort_folder"]), None
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    cases = [case for case in wanted if case.mask_path is not None]
    if not cases:
        raise DataError(
            f"expected cases with masks in {'all' if split is None else f'split {split!r}'} of cohort "
            f"{cohort.name!r}, found none among {len(wanted)} cases",
            path=cohort.folder,
            remedy="import the masks too, or choose another split with --split",
        )
    label(
        cohort, config.labels, cases=[case for case in cases if case.fixations is not None], progress=progress
    )
    seen = seen_in_training(cohort, cases, plan)
    if seen and other is None and split == "test":
        raise DataError(
            f"{len(seen)} test images took part in the training of this run, the first is {seen[0]!r}",
            path=folder.path,
            remedy="the cohort's splits have changed since; train again",
        )
    target = folder.evaluation(None if other is None else other.name, split)
    scores, assisted = _score_all(predictor, cohort, cases, folder, target, progress)
    write_cases_csv(target / "cases.csv", scores)
    summary = summarise(cohort, config, plan, scores, time.monotonic() - started)
    if assisted:
        summary[ASSISTED] = assisted
    summary["protocol"] = protocol_of(config, split, len(seen), own=other is None)
    summary["left_out"] = {"without_mask": len(wanted) - len(cases)}
    summary["seen_in_training"] = len(seen)
    if other is None:
        summary["annotation_time_h"] = annotation_hours(cohort, plan)
    if other is None and split == "test" and folder.last_weights.exists():
        summary["selection_bias"] = _selection_bias(folder, cohort, cases, config, scores, device)
    folder.write_json(target / "summary.json", summary)
    return summary


def _score_all(
    predictor: Predictor,
    cohort: Cohort,
    cases: Sequence[Case],
    folder: RunFolder,
    target: Path,
    progress: Progress,
) -> tuple[list[CaseScore], dict[str, Any]]:
    """Score each head, the labels from gaze, and for cases with gaze image and gaze together."""
    config, head = folder.config(), predictor.heads[0]
    scores: list[CaseScore] = []
    with keep_looks() as looks:
        for done, prediction in enumerate(predict_cases(predictor, cohort, cases, config), start=1):
            case, own = prediction.case, prediction.probabilities[head]
            pseudo = load_pseudo_mask(cohort, case, config.labels)
            scores += _score(prediction, config, pseudo)
            if pseudo is not None:
                looks.add(case.id, own, pseudo, recording_of(case))
            write_mask(target / "predictions" / f"{case.id}.png", own > config.prediction.threshold)
            progress("evaluating", done, len(cases))
        if not len(looks):
            return scores, {}
        together, facts = _assisted(looks, cohort, config, fusion_of(folder.path), target)
        return scores + together, facts


def _selection_bias(
    folder: RunFolder,
    cohort: Cohort,
    cases: Sequence[Case],
    config: RunConfig,
    scores: Sequence[CaseScore],
    device: str,
) -> dict[str, Any]:
    """Score the last weights too, where the final ones were chosen on this very test set."""
    predictor = load_predictor(folder.path, device=device, last=True)
    head = predictor.method.heads[0]
    last: list[CaseScore] = []
    for prediction in predict_cases(predictor, cohort, cases, config):
        last += [score for score in _score(prediction, config, None) if score.head == head]
    write_cases_csv(folder.cases_last_csv, last)
    best = [score for score in scores if score.head == head]
    evaluations = len(folder.read_json(folder.selection_json)["evaluations"])
    return best_minus_last(
        best,
        last,
        evaluations,
        patients=patients_of(cohort),
        resamples=config.evaluation.resamples,
        seed=config.seed,
    )


def _score(prediction: CasePrediction, config: RunConfig, pseudo: PseudoMask | None) -> list[CaseScore]:
    truth = _truth(prediction.case)
    masks: dict[str, BoolArray] = {
        head: prob > config.prediction.threshold for head, prob in prediction.probabilities.items()
    }
    if pseudo is not None:
        size = Size(*truth.shape)
        soft = cv2.resize(pseudo.soft, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        masks["pseudomask"] = np.asarray(soft >= config.labels.levels.comprehensive)
    return [_scored(prediction.case, mask, truth, head, config) for head, mask in masks.items()]


def _scored(case: Case, mask: BoolArray, truth: BoolArray, head: str, config: RunConfig) -> CaseScore:
    policy = config.evaluation.empty_masks
    return score_case(mask, truth, case.spacing_mm, id=case.id, head=head, policy=policy)


def _truth(case: Case) -> BoolArray:
    truth = case.read_mask()
    if truth is None:
        raise DataError(f"case {case.id!r} has no mask", path=case.image_path)
    return truth


def _assisted(
    looks: Looks, cohort: Cohort, config: RunConfig, fusion: FusionCalibration, target: Path
) -> tuple[list[CaseScore], dict[str, Any]]:
    """Score image and gaze together, and say how far gaze was believed."""
    scores: list[CaseScore] = []
    shares: list[float] = []
    reasons: Counter[str] = Counter()
    for one, _, fused in looks.fused(fusion):
        case, mask = cohort.cases[one], fused.probability > config.prediction.threshold
        write_mask(target / ASSISTED / f"{one}.png", mask)
        scores.append(_scored(case, mask, _truth(case), ASSISTED, config))
        shares.append(fused.gaze_share)
        reasons[fused.reason] += 1
    mean_share = sum(shares) / max(len(shares), 1)
    return scores, {"mean_gaze_share": mean_share, "reasons": dict(reasons), "fusion": fusion.source}
