"""What a run's report shows of the words that its teacher reads."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.evaluation.overlap import dice
from gaze_insight.inference.predictor import Predictor
from gaze_insight.inference.word_effects import reading_head
from gaze_insight.insight.words_section import FIELD_TITLES, ChangedWord, WordsCase, WordsSection
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.word_effects import AskedCase, ask_cases

__all__ = ["words_case", "words_section"]


def words_section(
    predictor: Predictor, cohort: Cohort, config: RunConfig, ranks: Mapping[str, str], run: Path
) -> WordsSection | None:
    """Gather what the report shows of the words, for one case of each rank.

    Args:
        predictor: The run's predictor.
        cohort: The cases' cohort.
        config: The run's configuration.
        ranks: Case id to why it is shown, such as "best".
        run: The run's folder.

    Returns:
        The section; None for a run none of whose heads reads words, or where no case has any.

    Raises:
        DataError: An image cannot be read.
    """
    if reading_head(predictor) is None:
        return None
    cases = [cohort.cases[id] for id in ranks if id in cohort.cases]
    found = describe(cohort, config.language, config.labels, cases=cases)
    seen = {id: words for id, words in found.items() if words.visible}
    first = {ranks[id]: id for id in reversed([case.id for case in cases if case.id in seen])}
    chosen = {id: seen[id] for id in ranks if id in first.values()}
    shown = [
        words_case(asked, ranks[asked.case.id], config.prediction.threshold)
        for asked in ask_cases(predictor, cohort, config, chosen)
    ]
    if not shown:
        return None
    missing = len(set(ranks.values())) - len(shown)
    return WordsSection(shown, missing, shlex.join(["gaze-insight", "study", "words", str(run)]))


def words_case(asked: AskedCase, rank: str, threshold: float) -> WordsCase:
    """Choose what is shown of a case: for each field the change that moves most.

    Args:
        asked: The case and the answers.
        rank: Why it is shown.
        threshold: A pixel is predicted where the probability is above it.

    Returns:
        The case as the report shows it.

    Raises:
        DataError: Its image or mask cannot be read.
    """
    strongest = [_strongest(asked, field, threshold) for field in FIELD_TITLES]
    return WordsCase(
        id=asked.case.id,
        rank=rank,
        image=asked.case.read_image(),
        fixations=asked.case.fixations,
        truth=asked.case.read_mask(),
        description=asked.description,
        before=asked.before,
        attention=asked.attention,
        changes=[change for change in strongest if change is not None],
        threshold=threshold,
    )


def _strongest(asked: AskedCase, field: str, threshold: float) -> ChangedWord | None:
    places = [place for place, one in enumerate(asked.changes) if one.field == field]
    if not places:
        return None
    moved = [float(np.abs(asked.after[place] - asked.before).mean()) for place in places]
    most = int(np.argmax(moved))
    after = asked.after[places[most]]
    overlap = dice(np.asarray(asked.before > threshold), np.asarray(after > threshold))
    return ChangedWord(field, asked.changes[places[most]].value, after, moved[most], overlap)
