"""Checking the words of a cohort against pseudo-masks and gaze; how much a training may believe them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import GazeInsightError
from gaze_insight.language.checking import WordCheck, check_against, word_weight
from gaze_insight.language.measured import MeasuredDescriber
from gaze_insight.language.schema import Description
from gaze_insight.language.shuffling import words_of_others
from gaze_insight.language.word_evidence import CheckSettings, WordEvidence, gather_evidence
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.labelling import load_pseudo_mask, pseudo_mask_key
from gaze_insight.workflow.parallel import map_items

__all__ = ["CheckedWords", "WordsCheck", "check_descriptions", "word_weights"]

_KIND, _VERSION = "word-evidence", 1
_OF_EVIDENCE = ("sure", "likely", "boundary_tolerance", "measured")


@dataclass(frozen=True)
class CheckedWords:
    """One case's words and their check.

    Args:
        id: The case.
        description: Its words.
        evidence: What label, gaze and image say.
        check: How far they bear out the words.
        of_another: The score that the words of another case would have here; None where there is no other.
    """

    id: str
    description: Description
    evidence: WordEvidence
    check: WordCheck
    of_another: float | None = None


@dataclass(frozen=True)
class WordsCheck:
    """What checking the words of a cohort gave.

    Args:
        rows: The checked cases, in the cohort's order.
        settings: How they were checked.
        without_words: Ids that have no description.
        failed: Id to message of the cases whose image or label cannot be read.
    """

    rows: Sequence[CheckedWords] = ()
    settings: CheckSettings = field(default_factory=CheckSettings)
    without_words: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def worst_first(self) -> list[CheckedWords]:
        """The cases with something to hold their words against, the highest score first."""
        checked = [row for row in self.rows if row.check.checked]
        return sorted(checked, key=lambda row: (-row.check.hallucination, row.id))

    @property
    def contradicted(self) -> list[CheckedWords]:
        """Those of them whose score reaches the settings' ``contradicted_from``."""
        return [row for row in self.worst_first if row.check.hallucination >= self.settings.contradicted_from]

    @property
    def unchecked(self) -> list[str]:
        """Ids whose words nothing can bear out or contradict: no gaze on the image."""
        return [row.id for row in self.rows if not row.check.checked]

    @property
    def shuffled_auc(self) -> float | None:
        """How well the score tells a case's own words from those of another case; 0.5: not at all.

        The area under the ROC curve, by the Mann-Whitney statistic with ties counted half:
        P(score of another's words > score of its own). No true mask is needed. None for fewer than two cases.
        """
        rows = [row for row in self.worst_first if row.of_another is not None]
        if len(rows) < 2:
            return None
        own = np.array([row.check.hallucination for row in rows])
        others = np.array([row.of_another for row in rows], dtype=np.float64)
        return _auc(others, own)


def check_descriptions(
    cohort: Cohort,
    described: Mapping[str, Description],
    labels: PseudoMaskSettings | None = None,
    settings: CheckSettings | None = None,
    *,
    cases: Iterable[Case] | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> WordsCheck:
    """Hold each case's words against its pseudo-mask and gaze.

    What label, gaze and image say is cached by their content; checking other words of the same cases then
    takes no time. Missing pseudo-masks are made.

    Args:
        cohort: The cohort.
        described: Case id to words.
        labels: The recipe of the pseudo-masks; None for the defaults.
        settings: Tolerances and weights; None for the defaults.
        cases: The cases to check; None for all.
        workers: Processes; None for one a core, 1 to stay in this one.
        cluster: Address of a dask scheduler whose workers do it instead.
        on_bad: What a case that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        The checks; cases without words are listed.

    Raises:
        DataError: An image cannot be read and ``on_bad`` is "raise".
        SettingsError: The cluster cannot be used, or `workers` and `cluster` are both given.
    """
    labels, settings = labels or PseudoMaskSettings(), settings or CheckSettings()
    chosen = list(cohort.cases.values() if cases is None else cases)
    worded = [case for case in chosen if case.id in described]
    found, failed = _gathered(cohort, worded, labels, settings, workers, cluster, progress)
    if failed and on_bad == "raise":
        raise next(iter(failed.values()))
    partners = words_of_others(name for name, evidence in found.items() if evidence.checkable)
    rows = []
    for case in worded:
        if case.id not in found:
            continue
        evidence, other = found[case.id], partners.get(case.id)
        rows.append(
            CheckedWords(
                case.id,
                described[case.id],
                evidence,
                check_against(described[case.id], evidence, settings),
                None if other is None else check_against(described[other], evidence, settings).hallucination,
            )
        )
    without = [case.id for case in chosen if case.id not in described]
    return WordsCheck(rows, settings, without, {name: str(error) for name, error in failed.items()})


def word_weights(
    cohort: Cohort,
    cases: Sequence[Case],
    described: Mapping[str, Description],
    trust: CheckSettings | None,
    labels: PseudoMaskSettings | None = None,
    *,
    progress: Progress = silent,
) -> NDArray[np.float32] | None:
    """Give each case's words the weight that they deserve (see `word_weight`).

    Args:
        cohort: The cohort.
        cases: The cases, in order.
        described: Case id to words; a case without has the weight 1, for it has nothing to weigh.
        trust: How words are checked; None for not at all.
        labels: The recipe of the pseudo-masks that they are held against.
        progress: Receives progress in cases.

    Returns:
        Weights in [0, 1], (N,) float32; None where words are not checked.

    Raises:
        DataError: An image cannot be read.

    Example:
        >>> word_weights(Cohort("a", Path("a"), {}), [], {}, None) is None
        True
    """
    if trust is None:
        return None
    checked = check_descriptions(cohort, described, labels, trust, cases=cases, progress=progress)
    known = {row.id: word_weight(row.check, trust) for row in checked.rows}
    return np.array([known.get(case.id, 1.0) for case in cases], dtype=np.float32)


def _auc(higher: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    ranks = rankdata(np.concatenate([higher, lower]))[: len(higher)]
    wins = ranks.sum() - len(higher) * (len(higher) + 1) / 2
    return float(wins / (len(higher) * len(lower)))


def _gathered(
    cohort: Cohort,
    cases: Sequence[Case],
    labels: PseudoMaskSettings,
    settings: CheckSettings,
    workers: int | None,
    cluster: str | None,
    progress: Progress,
) -> tuple[dict[str, WordEvidence], dict[str, GazeInsightError]]:
    folder = cohort.derived.folder.absolute()
    items = [replace(case, image_path=case.image_path.absolute()) for case in cases]
    found: dict[str, WordEvidence] = {}
    failed: dict[str, GazeInsightError] = {}
    missing: list[Case] = []
    for case in items:
        stored = _stored(cohort.derived, case, labels, settings)
        if stored is None:
            missing.append(case)
        else:
            found[case.id] = stored
    work = partial(_gather_one, folder, labels, settings)
    outcomes = map_items(
        work,
        missing,
        workers=workers,
        cluster=cluster,
        shared=folder,
        what="checking words",
        progress=progress,
    )
    with closing(outcomes):
        for case, outcome in outcomes:
            if isinstance(outcome, WordEvidence):
                found[case.id] = outcome
            else:
                failed[case.id] = outcome
    return found, failed


def _key(store: ArtefactStore, case: Case, labels: PseudoMaskSettings, settings: CheckSettings) -> str:
    facts = settings.model_dump(mode="json", include=set(_OF_EVIDENCE)) | {
        "measured_by": MeasuredDescriber.version
    }
    return store.key(_KIND, _VERSION, pseudo_mask_key(store, case, labels), json.dumps(facts, sort_keys=True))


def _stored(
    store: ArtefactStore, case: Case, labels: PseudoMaskSettings, settings: CheckSettings
) -> WordEvidence | None:
    if not case.image_path.exists():
        return None
    record = store.get_json(_KIND, _key(store, case, labels, settings))
    return None if record is None else WordEvidence.model_validate(record)


def _gather_one(
    store_folder: Path, labels: PseudoMaskSettings, settings: CheckSettings, case: Case
) -> WordEvidence:
    cohort = _cohort_of(store_folder)
    mask = load_pseudo_mask(cohort, case, labels)
    if mask is None:
        return WordEvidence()
    evidence = gather_evidence(mask.soft, case.fixations, case.read_image(), settings)
    key = _key(cohort.derived, case, labels, settings)
    cohort.derived.put_json(_KIND, key, evidence.model_dump(mode="json"))
    return evidence


@lru_cache(maxsize=2)
def _cohort_of(store_folder: Path) -> Cohort:
    """One store a process: it reads its list of known file hashes once, not once a case."""
    return Cohort("checked", store_folder.parent, {})
