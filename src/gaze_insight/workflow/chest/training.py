"""`train` on chest radiographs: from a cohort and a configuration to a trained classifier in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.classification import roc_auc
from gaze_insight.inference.classifier_predictor import ClassifierPredictor
from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.training.devices import build_accelerator
from gaze_insight.training.loop import Trainer
from gaze_insight.training.radiographs import RadiographSet, RadiographSource
from gaze_insight.types import FloatArray, Progress, silent
from gaze_insight.workflow.chest.loading import build_classifier
from gaze_insight.workflow.chest.material import ChestMaterial, build_chest_material, chest_fingerprint
from gaze_insight.workflow.environment import peak_memory_mb
from gaze_insight.workflow.run_keeping import is_finished, refuse_to_overwrite, write_facts

__all__ = ["SCORE_NAME", "macro_auc", "train_chest"]

SCORE_NAME = "val_auc"
"""Name in the history of what a training is watched with: the macro AUC of the validation set."""


def train_chest(
    cohort: Cohort,
    config: ChestConfig | None = None,
    run: str | Path = "runs/run",
    *,
    resume: bool = False,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> RunFolder:
    """Train a classifier of chest radiographs; stop at any moment and go on with ``resume``.

    Args:
        cohort: The cohort; its training split is learned from, its validation split is watched.
        config: The configuration; None for the defaults.
        run: The run's folder, new unless ``resume``.
        resume: Go on with an interrupted run, which must have been started with the same configuration.
        on_bad: What an image that cannot be read does: stop, or be skipped and listed in ``plan.json``.
        progress: Receives progress.

    Returns:
        The run's folder, with ``checkpoints/final.safetensors`` in it.

    Raises:
        SettingsError: The folder holds a run already and ``resume`` is off.
        DataError: There is nothing to learn from, a patient stands in two splits, or a file cannot be read.
        StoppedError: A stop was asked for; all is saved.
    """
    config, folder = config or ChestConfig(), RunFolder(Path(run))
    accelerator = build_accelerator(config.training.device, config.training.mixed_precision)
    if not resume:
        refuse_to_overwrite(folder)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            folder.history_jsonl.unlink(missing_ok=True)
            folder.write_config(config)
    with accelerator.main_process_first():
        material = build_chest_material(cohort, config, on_bad, progress)
    torch.manual_seed(config.seed)
    method = build_classifier(config, len(material.findings), material.vocabulary)
    fingerprint = chest_fingerprint(cohort, config, material, method)
    if resume and is_finished(folder, fingerprint):
        return folder
    validate = _validator(material.validation, config)
    if accelerator.is_main_process:
        folder.write_json(folder.vocabulary_json, {"words": list(material.vocabulary.words)})
        plan = _plan(cohort, config, material, method, fingerprint)
        write_facts(folder, plan, accelerator.device, resume=resume)
    source = RadiographSource(
        material.training,
        method.grid,
        batch_size=config.training.batch_size,
        seed=config.seed,
        augmentation=config.training.augmentation,
        device=accelerator.device,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )
    trainer = Trainer(
        method,
        source,
        config.training,
        accelerator=accelerator,
        folder=folder.path,
        fingerprint=fingerprint,
        validate=validate,
        score_name=SCORE_NAME,
        progress=progress if accelerator.is_main_process else silent,
    )
    state = trainer.run(resume=resume)
    if accelerator.is_main_process:
        spent = {"train_seconds": state.seconds, "batch_seconds": state.batch_seconds}
        plan = {**folder.plan(), **spent, "peak_memory_mb": peak_memory_mb()}
        folder.write_json(folder.plan_json, plan)
    return folder


def macro_auc(scores: FloatArray, labels: FloatArray) -> float:
    """Average the area under the ROC curve over the findings that have both positive and negative cases.

    Args:
        scores: (N, C), any numbers; only their order counts.
        labels: (N, C) in {1, 0, nan}.

    Returns:
        In [0, 1]; nan where no finding has both.

    Example:
        >>> macro_auc(np.array([[0.1, 3.0], [0.9, 4.0]]), np.array([[0.0, 1.0], [1.0, 1.0]]))
        1.0
    """
    areas = [roc_auc(scores[:, column], labels[:, column]) for column in range(labels.shape[1])]
    known = [area for area in areas if area == area]
    return float(np.mean(known)) if known else float("nan")


def _validator(
    data: RadiographSet | None, config: ChestConfig
) -> Callable[[RadiographMethod, str], float] | None:
    """Score on the validation set where some finding has both positive and negative cases there."""
    if data is None or np.isnan(macro_auc(np.zeros_like(data.labels), data.labels)):
        if config.training.selection == "validation":
            raise DataError(
                "selection 'validation' needs validation cases with and without a finding, found none",
                remedy="use training.selection=last",
            )
        return None
    batch_size = config.prediction.batch_size

    def score(method: RadiographMethod, stage: str) -> float:
        device = str(next(method.parameters()).device)
        predictor = ClassifierPredictor(
            method, config.training.input_size_px, device=device, batch_size=batch_size
        )
        text = data.text if predictor.needs_text else None
        return macro_auc(predictor.predict_squares(data.images, text=text).logits, data.labels)

    return score


def _plan(
    cohort: Cohort, config: ChestConfig, material: ChestMaterial, method: RadiographMethod, fingerprint: str
) -> dict[str, Any]:
    watched, draw = material.validation, material.draw
    used = (*material.training.ids, *(() if watched is None else watched.ids))
    return {
        "task": config.task,
        "cohort": cohort.name,
        "cohort_folder": str(cohort.folder.resolve()),
        "method": config.method_name,
        "findings": list(material.findings),
        "training_cases": len(material.training),
        "validation_cases": 0 if watched is None else len(watched),
        "learned_from": {
            "cases": len(material.training),
            "asked": draw.asked,
            "available": draw.available,
            "patients": draw.patients,
            "note": draw.note,
        },
        "labels": _label_facts(material),
        "sets": {split: dict(counts) for split, counts in material.counts.items()},
        "vocabulary": len(material.vocabulary),
        "grid": list(method.grid),
        "warnings": list(material.warnings),
        "left_out": dict(material.left_out),
        "stages": [stage._asdict() for stage in method.stages],
        "parameters": {
            name: sum(p.numel() for p in part.parameters()) for name, part in method.named_children()
        },
        "initial_weights": {name: given._asdict() for name, given in initial_weights_of(method).items()},
        "label_seconds": material.seconds,
        "fingerprint": fingerprint,
        "seen_images": [cohort.derived.file_hash(cohort.cases[id].image_path) for id in used],
    }


def _label_facts(material: ChestMaterial) -> dict[str, Any]:
    """How the training labels came about: by finding what the policy made of what was published."""
    found = {}
    for name in material.findings:
        positive, negative, unknown = material.labels.row(name)
        states = {state: count for state, count in material.labels.states[name].items() if count}
        found[name] = {"positive": positive, "negative": negative, "unknown": unknown, "published": states}
    return {"sources": dict(material.labels.sources), "findings": found}
