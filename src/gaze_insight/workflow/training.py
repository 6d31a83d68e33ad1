"""`train`: from a cohort and a configuration to trained weights in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.inference.predictor import Predictor
from gaze_insight.methods.protocol import Method, Words
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.training.batches import BatchSource, TrainingSet
from gaze_insight.training.checkpoints import TrainingState
from gaze_insight.training.devices import build_accelerator
from gaze_insight.training.loop import Trainer
from gaze_insight.training.words import WordRows, look_up
from gaze_insight.types import Progress, Size, silent
from gaze_insight.workflow.annotation_cost import annotation_cost
from gaze_insight.workflow.checkpoint_choice import choice_facts, watch_test_set
from gaze_insight.workflow.chosen_cases import ChosenCases, OnBad, choose_training_cases
from gaze_insight.workflow.environment import peak_memory_mb
from gaze_insight.workflow.label_source import LabelSource
from gaze_insight.workflow.loading import build_method
from gaze_insight.workflow.material import Material, build_material, fingerprint_of, part_of_words
from gaze_insight.workflow.noisy_gaze import NoisyGaze, with_noisy_gaze
from gaze_insight.workflow.refining import Refinement, check_refinement, refine, shortened
from gaze_insight.workflow.run_keeping import is_finished, refuse_to_overwrite, write_facts

__all__ = ["train", "words_under"]


@dataclass(frozen=True)
class _Job:
    """How a training is done, besides its configuration; a fold of a round is one with labels of its own."""

    resume: bool
    on_bad: OnBad
    progress: Progress
    labels: LabelSource | None = None
    epochs_share: float = 1.0
    gaze: NoisyGaze | None = None


def train(
    cohort: Cohort,
    config: RunConfig | None = None,
    run: str | Path = "runs/run",
    *,
    resume: bool = False,
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> RunFolder:
    """Label, describe and train; stop at any moment and go on with ``resume``.

    Args:
        cohort: The cohort; its training split is learned from, its validation split is watched.
        config: The configuration; None for the defaults.
        run: The run's folder, new unless ``resume``.
        resume: Go on with an interrupted run, which must have been started with the same configuration.
        on_bad: What a case that cannot be read does: stop, or be skipped and listed in ``plan.json``.
        progress: Receives progress.

    Returns:
        The run's folder, with ``checkpoints/final.safetensors`` in it.

    Raises:
        SettingsError: The folder holds a run already and ``resume`` is off, or labels are to be refined that
            the method does not learn from.
        DataError: There is nothing to learn from, or a file cannot be read or written.
        StoppedError: A stop was asked for; all is saved.
    """
    config = config or RunConfig()
    gaze = with_noisy_gaze(cohort, config.gaze_noise, config.seed)
    return _train(gaze.cohort, config, RunFolder(Path(run)), _Job(resume, on_bad, progress, gaze=gaze))


def _train(cohort: Cohort, config: RunConfig, folder: RunFolder, job: _Job) -> RunFolder:
    accelerator = build_accelerator(config.training.device, config.training.mixed_precision)
    method = build_method(config, WordSpace("attributes", 4))
    check_refinement(config, method.label_maps)
    if not job.resume:
        refuse_to_overwrite(folder)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            folder.history_jsonl.unlink(missing_ok=True)
            folder.write_config(config)
    with accelerator.main_process_first():
        chosen = choose_training_cases(cohort, config, method, job.on_bad, job.progress)
    refined = _refined(cohort, config, folder, chosen, accelerator, job)
    with accelerator.main_process_first():
        labels = job.labels if refined is None else refined.labels
        material = build_material(cohort, config, method, chosen, labels, job.progress)
    torch.manual_seed(config.seed)
    method = build_method(config, material.words)
    method.stages = shortened(method.stages, job.epochs_share)
    fingerprint = fingerprint_of(cohort, config, material, method)
    if job.resume and is_finished(folder, fingerprint):
        return folder
    if accelerator.is_main_process:
        more = {
            "gaze_noise": None if job.gaze is None else job.gaze.facts(),
            "refinement": None if refined is None else refined.facts,
            "fingerprint": fingerprint,
        }
        recorded = cohort if job.gaze is None else job.gaze.recorded
        plan = _plan(recorded, config, material, method, more)
        write_facts(folder, plan, accelerator.device, resume=job.resume)
    source = BatchSource(
        material.training,
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
        validate=_validator(material.validation, config),
        watch=watch_test_set(cohort, config),
        progress=job.progress if accelerator.is_main_process else silent,
    )
    state = trainer.run(resume=job.resume)
    if accelerator.is_main_process:
        if state.watched:
            folder.write_json(folder.selection_json, choice_facts(state, method.stages[-1].name))
        spent = _spent(state, refined)
        plan = {**folder.plan(), **spent, "peak_memory_mb": peak_memory_mb()}
        folder.write_json(folder.plan_json, plan)
    return folder


def words_under(words: WordRows | None) -> Callable[[int], Words] | None:
    """Give the words of a fixed set of images as a function of the symmetry the images are shown under.

    Args:
        words: The images' descriptions, or None.

    Returns:
        A function from a symmetry code in 0..7 to words; None without words.

    Example:
        >>> words_under(None) is None
        True
    """
    if words is None:
        return None
    return lambda symmetry: look_up(words, torch.full((len(words),), symmetry))


def _spent(state: TrainingState, refined: Refinement | None) -> dict[str, float]:
    """Time of the training, with that of the rounds before it."""
    if refined is None:
        return {"train_seconds": state.seconds, "batch_seconds": state.batch_seconds}
    return {
        "train_seconds": state.seconds + refined.seconds,
        "batch_seconds": state.batch_seconds + refined.batch_seconds,
        "refine_seconds": refined.seconds,
    }


def _refined(
    cohort: Cohort,
    config: RunConfig,
    folder: RunFolder,
    chosen: ChosenCases,
    accelerator: Accelerator,
    job: _Job,
) -> Refinement | None:
    """Refine the labels where that is asked for; the plan is written first, so that the run can go on."""
    if not config.refinement.rounds or not chosen.cases:
        return None
    if accelerator.is_main_process:
        begun = {
            "cohort": cohort.name,
            "cohort_folder": str(cohort.folder.resolve()),
            "method": config.method_name,
            "label_seconds": chosen.label_seconds,
        }
        if not (job.resume and folder.plan_json.exists()):
            write_facts(folder, begun, accelerator.device, resume=False)

    def train_fold(
        view: Cohort, own: RunConfig, place: RunFolder, resume: bool, labels: LabelSource, tell: Progress
    ) -> RunFolder:
        share = config.refinement.epochs_share
        return _train(view, own, place, _Job(resume, "raise", tell, labels, share, job.gaze))

    return refine(
        cohort,
        config,
        folder,
        chosen.cases,
        train_fold=train_fold,
        accelerator=accelerator,
        watched=chosen.watched,
        progress=job.progress,
    )


def _validator(data: TrainingSet | None, config: RunConfig) -> Callable[[Method, str], float] | None:
    if data is None:
        if config.training.selection == "validation":
            raise DataError(
                f"selection 'validation' needs validation cases with {config.training.validation_target}, "
                "found none",
                remedy="use training.selection=last, or training.validation_target=comprehensive",
            )
        return None
    target = torch.from_numpy(np.array(data.labels[config.training.validation_target]))

    def score(method: Method, stage: str) -> float:
        size = Size(*data.images.shape[1:3])
        predictor = Predictor(method, size, device=str(next(method.parameters()).device), flips=False)
        scores: list[Tensor] = []
        for start in range(0, len(data), config.prediction.batch_size):
            part = slice(start, start + config.prediction.batch_size)
            images = torch.from_numpy(np.array(data.images[part])).permute(0, 3, 1, 2).float().div_(255)
            logits = predictor.logits(
                images.to(predictor.device), words_under(part_of_words(data.words, part))
            )
            predicted = (logits.get(stage, logits[method.heads[0]]) > 0).flatten(1).cpu()
            true = (target[part] == 1).flatten(1)
            both = (predicted & true).sum(1)
            sizes = predicted.sum(1) + true.sum(1)
            scores.append(torch.where(sizes == 0, 1.0, 2 * both / sizes.clamp(min=1)))
        return float(torch.cat(scores).mean())

    return score


def _plan(
    cohort: Cohort, config: RunConfig, material: Material, method: Method, more: dict[str, Any]
) -> dict[str, Any]:
    words, watched = material.words, material.validation
    used = (*material.training.ids, *(() if watched is None else watched.ids))
    return {
        "cohort": cohort.name,
        "cohort_folder": str(cohort.folder.resolve()),
        "method": config.method_name,
        "words": None if words is None else words.to_record(),
        "training_cases": len(material.training),
        "learned_from": _learned_from(cohort, config, material, method),
        "validation_cases": 0 if watched is None else len(watched),
        "left_out": material.chosen.left_out,
        "stages": [stage._asdict() for stage in method.stages],
        "parameters": {
            name: sum(p.numel() for p in part.parameters()) for name, part in method.named_children()
        },
        "initial_weights": {name: given._asdict() for name, given in initial_weights_of(method).items()},
        "label_seconds": material.chosen.label_seconds,
        **more,
        "seen_images": [cohort.derived.file_hash(cohort.cases[id].image_path) for id in used],
    }


def _learned_from(cohort: Cohort, config: RunConfig, material: Material, method: Method) -> dict[str, Any]:
    """How the training cases were drawn, and what the labels of exactly these took to make, as recorded."""
    draw, known = material.chosen.draw, set(material.training.ids)
    maps = method.label_maps
    cost = annotation_cost(
        [cohort.cases[case.id] for case in draw.cases if case.id in known],
        gaze=method.uses_words or any(name != "mask" for name in maps),
        masks="mask" in maps,
        mask_s=config.evaluation.drawing_s,
    )
    drawn = {"cases": len(known), "asked": draw.asked, "available": draw.available, "seed": draw.seed}
    return {**drawn, "patients": draw.patients, "note": draw.note, **cost}
