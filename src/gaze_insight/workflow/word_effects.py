"""A trained teacher asked about cases with their own words, and with words that were changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import SettingsError
from gaze_insight.inference.predictor import Predictor
from gaze_insight.inference.word_effects import Counterfactual, WordProbe, counterfactuals
from gaze_insight.language.encoders.settings import EncoderSettings
from gaze_insight.language.encoders.token_fields import fields_of_tokens
from gaze_insight.language.schema import Description
from gaze_insight.training.words import WordRows, select_rows, weigh_rows
from gaze_insight.types import FloatArray
from gaze_insight.workflow.checking_words import word_weights
from gaze_insight.workflow.encoding_words import encode_words

__all__ = ["AskedCase", "ask_cases"]

_CASES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class AskedCase:
    """What the teacher said of one case with its own words and with others.

    Args:
        case: The case.
        description: Its words.
        changes: N changes of them.
        before: (h, w) probability with its own words, at the network's input size.
        after: (N, h, w) probabilities with each change.
        attention: Field to (S, h, w), a map a fusion stage; see `relative_attention`. Empty for a teacher
            without text-vision fusion.
        head: The head that reads words.
    """

    case: Case
    description: Description
    changes: Sequence[Counterfactual]
    before: FloatArray
    after: FloatArray
    attention: Mapping[str, FloatArray]
    head: str


def ask_cases(
    predictor: Predictor,
    cohort: Cohort,
    config: RunConfig,
    described: Mapping[str, Description],
    *,
    others: Mapping[str, Description] | None = None,
    area_factors: Sequence[float] = (0.5, 2.0),
) -> Iterator[AskedCase]:
    """Ask the head that reads words about cases, with their own words and with each change.

    Where the run weighs words by a check (``language.trust``), a case's own weight holds for its changed
    words too: only the words differ.

    Args:
        predictor: The run's predictor.
        cohort: The cases' cohort.
        config: The run's configuration.
        described: Case id to its words; something must be visible in each.
        others: Case id to the words of another case, for that control; cases may be missing.
        area_factors: What the described area is multiplied by.

    Yields:
        The cases, in the order of `described`.

    Raises:
        SettingsError: The run's method reads no words.
        DataError: An image cannot be read.
    """
    probe, ids = WordProbe(predictor, config.prediction.batch_size), list(described)
    trusted = word_weights(
        cohort, [cohort.cases[id] for id in ids], described, config.language.trust, config.labels
    )
    for start in range(0, len(ids), _CASES_AT_ONCE):
        part = ids[start : start + _CASES_AT_ONCE]
        changes = [
            counterfactuals(described[id], area_factors=area_factors, other=(others or {}).get(id))
            for id in part
        ]
        said = [
            words
            for id, some in zip(part, changes, strict=True)
            for words in (described[id], *(one.description for one in some))
        ]
        fields = fields_of_tokens([described[id] for id in part], config.language.encoder)
        rows, place = _encoded(cohort, said, config.language.encoder), 0
        for number, (id, some, of_tokens) in enumerate(zip(part, changes, fields, strict=True), start):
            own = select_rows(rows, torch.arange(place, place + 1 + len(some)))
            if trusted is not None:
                own = weigh_rows(own, torch.full((len(own),), float(trusted[number])))
            place += 1 + len(some)
            yield _asked(probe, cohort.cases[id], described[id], some, own, of_tokens)


def _asked(
    probe: WordProbe,
    case: Case,
    description: Description,
    changes: Sequence[Counterfactual],
    rows: WordRows,
    fields: Sequence[str | None],
) -> AskedCase:
    image = case.read_image()
    answers = probe.probabilities(image, rows)
    attention = probe.attention(image, rows, fields)
    return AskedCase(case, description, changes, answers[0], answers[1:], attention, probe.head)


def _encoded(cohort: Cohort, said: Sequence[Description | None], encoder: EncoderSettings) -> WordRows:
    """Encode words that nobody will ask for again: what a text model says of them is not kept."""
    with TemporaryDirectory() as folder:
        rows = encode_words(replace(cohort, folder=Path(folder)), said, encoder)[1]
    if rows is None:
        raise SettingsError("the run was trained without words", remedy="choose a run with words")
    return rows
