"""What a training on chest radiographs learns from and is watched with, and the key of all that."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gaze_insight.chest.labels import LabelMatrix, choose_findings, label_matrix
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.drawing import CaseDraw, draw_cases
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.errors import DataError, GazeInsightError
from gaze_insight.language.shuffling import words_of_others
from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.training.radiographs import RadiographSet
from gaze_insight.types import Progress, Split
from gaze_insight.workflow.chest.looking import looks_used
from gaze_insight.workflow.chest.radiograph_set import SetSources, build_radiograph_set, text_of
from gaze_insight.workflow.chest.vocabulary import Vocabulary

__all__ = ["ChestMaterial", "build_chest_material", "chest_fingerprint", "require_split_patients"]

_DECISIVE = ("seed", "labels", "least_cases", "gaze", "text", "method", "training")


@dataclass(frozen=True)
class ChestMaterial:
    """What a run learns from and is watched with.

    Attributes:
        training: The radiographs that are learned from.
        validation: Those that the training is watched with; None where there are none.
        findings: The findings, in order.
        vocabulary: The words of the training texts.
        labels: The labels of the training cases, with the account of the policy.
        draw: How the training cases were drawn.
        left_out: Case id to the reason why it is not used.
        counts: What is in each set.
        warnings: What a reader of the results should know.
        seconds: What preparing took.
    """

    training: RadiographSet
    validation: RadiographSet | None
    findings: tuple[str, ...]
    vocabulary: Vocabulary
    labels: LabelMatrix
    draw: CaseDraw
    left_out: Mapping[str, str]
    counts: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]
    seconds: float


def build_chest_material(
    cohort: Cohort, config: ChestConfig, on_bad: Literal["raise", "skip"], progress: Progress
) -> ChestMaterial:
    """Choose the cases and findings of a training, and bring them into the network's square.

    Args:
        cohort: The cohort.
        config: The configuration.
        on_bad: What an image that cannot be read does: stop, or be left out.
        progress: Receives progress in cases.

    Returns:
        The material.

    Raises:
        DataError: A patient stands in two splits, nothing can be learned, or an image cannot be read.
    """
    started = time.monotonic()
    require_split_patients(cohort)
    left_out: dict[str, str] = {}
    usable = _usable(cohort.subset("train"), config, on_bad, left_out)
    watched = _usable(cohort.subset("val"), config, on_bad, left_out)
    draw = draw_cases(usable, config.training.cases, config.seed)
    cases = list(draw.cases)
    if not cases:
        raise DataError(
            f"expected labelled radiographs in the training split of cohort {cohort.name!r}, found none",
            path=cohort.folder,
            remedy="see what is there with: gaze-insight inspect; labels.source chooses the labels",
        )
    findings = choose_findings(cases, config.labels, least=config.least_cases)
    texts = [text_of(case, config.text, config.gaze.readers) for case in cases]
    vocabulary = Vocabulary.of_texts(
        [text for text in texts if text],
        least_count=config.text.least_count,
        most_words=config.text.most_words,
    )
    sources = _sources(cases, findings, vocabulary, config)
    training, counts = build_radiograph_set(cohort, cases, sources, config, progress=progress)
    tables = {"train": counts}
    validation = None
    if watched:
        plain = SetSources(findings, vocabulary)
        validation, tables["val"] = build_radiograph_set(cohort, watched, plain, config, progress=progress)
    return ChestMaterial(
        training=training,
        validation=validation,
        findings=findings,
        vocabulary=vocabulary,
        labels=label_matrix(cases, config.labels, findings),
        draw=draw,
        left_out=left_out,
        counts=tables,
        warnings=tuple(_warnings(config, counts, watched)),
        seconds=time.monotonic() - started,
    )


def require_split_patients(cohort: Cohort) -> None:
    """Make sure that no patient stands in two splits.

    Args:
        cohort: The cohort.

    Raises:
        DataError: One does; the message names the first.

    Example:
        >>> from pathlib import Path
        >>> cases = {one: Case(one, Path(f"{one}.png"), patient="9") for one in "ab"}
        >>> require_split_patients(Cohort("two", Path("two"), cases, {"train": ("a",), "test": ("b",)}))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: two: 1 patient stands in two splits, the first is '9' (train, test)
          -> import again: splits are made by patient
    """
    where: dict[str, Split] = {}
    twice: list[tuple[str, Split, Split]] = []
    for split in get_args(Split):
        for patient in {case.patient for case in cohort.subset(split) if case.patient is not None}:
            if patient in where:
                twice.append((patient, where[patient], split))
            where.setdefault(patient, split)
    if twice:
        patient, first, second = min(twice)
        count = "1 patient stands" if len(twice) == 1 else f"{len(twice)} patients stand"
        raise DataError(
            f"{count} in two splits, the first is {patient!r} ({first}, {second})",
            path=cohort.folder,
            remedy="import again: splits are made by patient",
        )


def chest_fingerprint(
    cohort: Cohort, config: ChestConfig, material: ChestMaterial, method: RadiographMethod
) -> str:
    """Make the key of all that decides how a training goes and ends.

    Args:
        cohort: The cohort.
        config: The configuration.
        material: The radiographs.
        method: The method with its stages.

    Returns:
        A key; a saved state with another one is not gone on with.
    """
    facts = config.model_dump(mode="json")
    for key in ("device", "checkpoint_minutes", "compile"):
        facts["training"].pop(key)
    facts["method"].get("network", {}).pop("weights", None)
    begun_with = {name: weights.fingerprint for name, weights in initial_weights_of(method).items()}
    decisive = {key: facts[key] for key in _DECISIVE}
    parts: list[Any] = [repr([decisive, method.stages, begun_with, material.findings])]
    parts.append(repr(material.vocabulary.words))
    for data in (material.training, material.validation):
        if data is not None:
            parts += [repr(data.ids), *data.arrays()]
    return cohort.derived.key("chest-run", 1, *parts)


def _usable(
    cases: Sequence[Case], config: ChestConfig, on_bad: Literal["raise", "skip"], left_out: dict[str, str]
) -> list[Case]:
    """Cases with a label that is known; where asked for, without those whose image cannot be read."""
    labels = label_matrix(cases, config.labels)
    known = (labels.values == labels.values).any(axis=1)
    usable = []
    for case, labelled in zip(cases, known, strict=True):
        if case.chest is None:
            left_out[case.id] = "no chest radiograph"
        elif not labelled:
            left_out[case.id] = "no known label"
        elif on_bad == "skip" and (problem := _unreadable(case)):
            left_out[case.id] = problem
        else:
            usable.append(case)
    return usable


def _unreadable(case: Case) -> str:
    try:
        case.read_image()
    except GazeInsightError as error:
        return str(error)
    return ""


def _sources(
    cases: Sequence[Case], findings: tuple[str, ...], vocabulary: Vocabulary, config: ChestConfig
) -> SetSources:
    """Whose gaze and text each training case gets; only cases that have some exchange theirs."""
    by_id = {case.id: case for case in cases}
    gaze: dict[str, Case] = {}
    text: dict[str, Case] = {}
    if config.gaze.shuffled:
        looked = [case.id for case in cases if looks_used(case, config.gaze)]
        others = words_of_others(looked, config.gaze.shuffle_seed)
        gaze = {one: by_id[other] for one, other in others.items()}
    if config.text.shuffled:
        told = [case.id for case in cases if text_of(case, config.text)]
        others = words_of_others(told, config.text.shuffle_seed)
        text = {one: by_id[other] for one, other in others.items()}
    return SetSources(findings, vocabulary, gaze, text)


def _warnings(config: ChestConfig, counts: Mapping[str, int], watched: Sequence[Case]) -> list[str]:
    found = []
    if not watched:
        found.append("No validation case: nothing is calibrated, and all thresholds are 0.5.")
    if config.training.augmentation.mirror:
        found.append("Images are mirrored in training: hearts change their side, words of side are wrong.")
    if config.gaze.shuffled:
        found.append("A control: each training image has the gaze of another one.")
    if config.text.shuffled:
        found.append("A control: each training image has the text of another one.")
    if config.gaze.use and not counts["with_gaze"]:
        found.append("No training image was looked at; the settings of gaze have no effect.")
    if config.text.source != "none" and not counts["with_text"]:
        found.append(f"No training image has a {config.text.source}; the settings of text have no effect.")
    return found
