"""What a training learns from and is watched with, and the key of all that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gaze_insight.cohort.artefacts import KeyPart
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.methods.protocol import Method
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.training.batches import TrainingSet
from gaze_insight.training.words import WordRows, select_rows
from gaze_insight.types import Progress, Size
from gaze_insight.workflow.believed_words import encode_believed
from gaze_insight.workflow.chosen_cases import ChosenCases
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.label_source import LabelSource
from gaze_insight.workflow.training_set import build_training_set

__all__ = ["Material", "build_material", "fingerprint_of", "part_of_words"]

_DECISIVE = ("seed", "gaze_noise", "labels", "weak_labels", "refinement", "language", "method", "training")


@dataclass(frozen=True)
class Material:
    """What a run learns from and is watched with.

    Attributes:
        training: Images and labels that are learned from.
        words: The kind and width of the words; None for a method without.
        validation: Images and labels that the training is watched with, where there are any.
        chosen: The cases, and how they were chosen.
    """

    training: TrainingSet
    words: WordSpace | None
    validation: TrainingSet | None
    chosen: ChosenCases


def build_material(
    cohort: Cohort,
    config: RunConfig,
    method: Method,
    chosen: ChosenCases,
    labels: LabelSource | None,
    progress: Progress,
) -> Material:
    """Bring the chosen cases and their words to what a training takes.

    Args:
        cohort: The cohort.
        config: The configuration.
        method: The method, trained or not; it names the label maps.
        chosen: The cases.
        labels: Where the pseudo-masks that are learned from come from; None for the gaze vote. The cases that
            the training is watched with have those of the vote always.
        progress: Receives progress in cases.

    Returns:
        The material.

    Raises:
        DataError: There is no case to learn from, or a file cannot be read.
    """
    size = Size(config.training.input_size_px, config.training.input_size_px)
    cases, watched = chosen.cases, chosen.watched
    space, rows = None, None
    if method.uses_words:
        space, rows = _words(cohort, config, [*cases, *watched], progress)
    training = build_training_set(
        cohort,
        cases,
        method.label_maps,
        config.labels,
        size,
        weak=config.weak_labels,
        words=part_of_words(rows, slice(0, len(cases))),
        pseudo=labels,
        progress=progress,
    )
    validation = None
    if watched:
        own = part_of_words(rows, slice(len(cases), None))
        validation = build_training_set(
            cohort,
            watched,
            (config.training.validation_target,),
            config.labels,
            size,
            weak=config.weak_labels,
            words=own,
            progress=progress,
        )
    return Material(training, space, validation, chosen)


def _words(
    cohort: Cohort, config: RunConfig, cases: Sequence[Case], progress: Progress
) -> tuple[WordSpace | None, WordRows | None]:
    described = describe(cohort, config.language, config.labels, cases=cases, progress=progress)
    return encode_believed(cohort, cases, described, config.language, config.labels, progress=progress)


def part_of_words(rows: WordRows | None, part: slice) -> WordRows | None:
    """Take some rows of words.

    Args:
        rows: Words of cases, or None.
        part: Which rows.

    Returns:
        The rows; None for None.

    Example:
        >>> part_of_words(None, slice(3)) is None
        True
    """
    if rows is None:
        return None
    return select_rows(rows, torch.arange(len(rows))[part])


def fingerprint_of(cohort: Cohort, config: RunConfig, material: Material, method: Method) -> str:
    """Make the key of all that decides how a training goes and ends.

    Args:
        cohort: The cohort.
        config: The configuration.
        material: Images, labels and words.
        method: The method with its stages.

    Returns:
        A key; a saved state with another one is not gone on with.
    """
    facts = {**config.model_dump(mode="json"), "language": config.language.decisive()}
    for key in ("device", "checkpoint_minutes", "compile"):
        facts["training"].pop(key)
    facts["method"].get("network", {}).pop("weights", None)
    begun_with = {name: weights.fingerprint for name, weights in initial_weights_of(method).items()}
    watched = {key: facts["evaluation"][key] for key in ("protocol", "test_evaluations")}
    decisive = {key: facts[key] for key in _DECISIVE}
    parts: list[KeyPart] = [repr([decisive, watched, method.stages, begun_with])]
    if material.words is not None and material.words.kind == "tokens" and material.words.model is not None:
        parts.append(repr(sorted(material.words.model.sha256.items())))
    for data in (material.training, material.validation):
        if data is not None:
            parts += [repr(data.ids), data.images, *data.labels.values()]
            parts += [] if data.words is None else [part.numpy() for part in data.words.tensors()]
    return cohort.derived.key("run", 3, *parts)
