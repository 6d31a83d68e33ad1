"""`describe`: words for each case, measured, from a file, or what a model said when it was asked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.errors import DataError
from gaze_insight.language.describer import Describer
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.schema import Description
from gaze_insight.language.shuffling import words_of_others
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Progress, Split, silent
from gaze_insight.workflow.labelling import label, load_pseudo_mask, pseudo_mask_key
from gaze_insight.workflow.model_answers import AnswerBook

__all__ = ["command_to_ask", "describe", "others_of"]

_KIND = "description"
_SHUFFLED = "shuffled:"


def describe(
    cohort: Cohort,
    language: LanguageSettings | None = None,
    labels: PseudoMaskSettings | None = None,
    *,
    cases: Iterable[Case] | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress = silent,
) -> dict[str, Description]:
    """Describe cases with the describer that the settings name; no request is ever sent from here.

    The measured describer sees the image and the pseudo-mask made from gaze, never a true mask. Pseudo-masks
    that are missing are made first, in parallel; the words themselves take a hundredth of a second each, and
    are cached. Words of a model are those that `gaze_insight.workflow.asking_model.ask_model` has stored.

    Where the settings say ``shuffled``, each case gets the words of another case of its split in `cohort`
    (see `others_of`); their source says so. Where that other case is not itself asked for, as when a training
    left it out, and its image cannot be read, the case has no words.

    Args:
        cohort: The cohort.
        language: Who describes; None for the defaults.
        labels: The recipe of the pseudo-masks that the measured describer reads; None for the defaults.
        cases: The cases to describe; None for all.
        workers: Processes that make missing pseudo-masks; None for one a core.
        cluster: Address of a dask scheduler that makes them instead.
        progress: Receives progress in cases.

    Returns:
        Case id to description; cases that the describer has nothing to say about are left out.

    Raises:
        DataError: An image or the file of descriptions cannot be read, a case's model was not asked yet, or
            words are to be shuffled in a cohort of one case.
        SettingsError: The cluster cannot be used.
    """
    language, labels = language or LanguageSettings(), labels or PseudoMaskSettings()
    wanted = list(cohort.cases.values() if cases is None else cases)
    if language.shuffled:
        return _shuffled(cohort, language, labels, wanted, workers, cluster, progress)
    if isinstance(language.describer, VlmSettings):
        command = command_to_ask(cohort, language.describer)
        return AnswerBook(cohort, language.describer).require(wanted, command)
    describer = _kind(language)(language.describer)
    known = {case.id: _cached(cohort, case, language, labels) for case in wanted}
    if describer.from_gaze:
        unknown = [case for case in wanted if known[case.id] is None]
        label(cohort, labels, cases=unknown, workers=workers, cluster=cluster, progress=progress)
    described: dict[str, Description] = {}
    for done, case in enumerate(wanted, start=1):
        record = known[case.id]
        if record is None:
            found = _asked(describer, cohort, case, labels)
            record = None if found is None else found.to_record()
            _remember(cohort, case, language, labels, record)
        if record is not None:
            described[case.id] = Description.from_record(record)
        progress("describing", done, len(wanted))
    return described


def others_of(cohort: Cohort, cases: Sequence[Case], seed: int = 0) -> dict[str, str]:
    """Find whose words each case gets where words are shuffled between images.

    The other case is one of the same split; cases that stand in no split are shuffled among themselves, and a
    case alone in its split gets the words of any other case. Which one depends on the cohort's ids and splits
    and the seed alone, never on which cases are asked for.

    Args:
        cohort: The cohort with its splits.
        cases: The cases that need another's words.
        seed: Another seed gives other pairs.

    Returns:
        Case id to the id of the case whose words it gets.

    Raises:
        DataError: The cohort has one case alone.

    Example:
        >>> from pathlib import Path
        >>> cases = {one: Case(id=one, image_path=Path(f"{one}.png")) for one in "abc"}
        >>> cohort = Cohort("three", Path("three"), cases, {"train": ("a", "b")})
        >>> others_of(cohort, [cases["a"], cases["b"]])
        {'a': 'b', 'b': 'a'}
        >>> others_of(cohort, [cases["c"]])["c"] in ("a", "b")
        True
    """
    placed = {one for ids in cohort.splits.values() for one in ids}
    groups: list[Iterable[str]] = [cohort.splits.get(split, ()) for split in get_args(Split)]
    groups.append(one for one in cohort.cases if one not in placed)
    others = words_of_others(cohort.cases, seed)
    others |= {one: other for ids in groups for one, other in words_of_others(ids, seed).items()}
    for case in cases:
        if case.id not in others:
            raise DataError(
                f"case {case.id!r} has no other case in its cohort to get words from",
                remedy="shuffled words need at least two cases",
            )
    return {case.id: others[case.id] for case in cases}


def command_to_ask(cohort: Cohort, settings: VlmSettings) -> str:
    r"""Write the command that has the cases of a cohort described by a model.

    Args:
        cohort: The cohort.
        settings: Who is asked what; settings at their defaults are left out.

    Returns:
        The command for a shell; it names the variable that holds a key, never the key.

    Example:
        >>> from pathlib import Path
        >>> command_to_ask(Cohort("a", Path("a"), {}), VlmSettings(model="m"))
        'gaze-insight describe a --set \'language.describer={"kind": "vlm", "model": "m"}\''
    """
    changed = settings.model_dump(mode="json", exclude_defaults=True)
    values = json.dumps({"kind": settings.kind, **changed}, ensure_ascii=False)
    words = ["gaze-insight", "describe", str(cohort.folder), "--set", f"language.describer={values}"]
    return shlex.join(words)


def _shuffled(
    cohort: Cohort,
    language: LanguageSettings,
    labels: PseudoMaskSettings,
    wanted: Sequence[Case],
    workers: int | None,
    cluster: str | None,
    progress: Progress,
) -> dict[str, Description]:
    others = others_of(cohort, wanted, language.shuffle_seed)
    asked_for = {case.id for case in wanted}
    theirs = [
        cohort.cases[one]
        for one in dict.fromkeys(others.values())
        if one in asked_for or _can_be_read(cohort.cases[one])
    ]
    plain = language.model_copy(update={"shuffled": False})
    said = describe(cohort, plain, labels, cases=theirs, workers=workers, cluster=cluster, progress=progress)
    return {
        one: said[other].model_copy(update={"source": f"{_SHUFFLED}{said[other].source}"})
        for one, other in others.items()
        if other in said
    }


def _can_be_read(case: Case) -> bool:
    try:
        case.read_image()
    except DataError:
        return False
    return True


def _kind(language: LanguageSettings) -> type[Describer]:
    return DESCRIBERS[language.describer_name]


def _asked(
    describer: Describer, cohort: Cohort, case: Case, labels: PseudoMaskSettings
) -> Description | None:
    image = case.read_image()
    if not describer.from_gaze:
        return describer.describe(case.id, image, np.zeros(image.shape[:2], np.float32), case.fixations)
    mask = load_pseudo_mask(cohort, case, labels)
    return None if mask is None else describer.describe(case.id, image, mask.soft, case.fixations)


def _description_key(
    cohort: Cohort, case: Case, language: LanguageSettings, labels: PseudoMaskSettings
) -> str:
    made_from = pseudo_mask_key(cohort.derived, case, labels)
    return cohort.derived.key(_KIND, _kind(language).version, made_from, language.describer)


def _cached(
    cohort: Cohort, case: Case, language: LanguageSettings, labels: PseudoMaskSettings
) -> dict[str, str] | None:
    if not _kind(language).from_gaze:
        return None
    record: dict[str, str] | None = cohort.derived.get_json(
        _KIND, _description_key(cohort, case, language, labels)
    )
    return record


def _remember(
    cohort: Cohort,
    case: Case,
    language: LanguageSettings,
    labels: PseudoMaskSettings,
    record: dict[str, str] | None,
) -> None:
    if _kind(language).from_gaze and record is not None:
        cohort.derived.put_json(_KIND, _description_key(cohort, case, language, labels), record)
