"""The words of cases as arrays, each as far as it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.language.schema import Description
from gaze_insight.methods.words import WordSpace
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.words import WordRows, weigh_rows
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.checking_words import word_weights
from gaze_insight.workflow.encoding_words import encode_words

__all__ = ["encode_believed"]


def encode_believed(
    cohort: Cohort,
    cases: Sequence[Case],
    described: Mapping[str, Description],
    language: LanguageSettings,
    labels: PseudoMaskSettings | None = None,
    *,
    progress: Progress = silent,
) -> tuple[WordSpace | None, WordRows | None]:
    """Turn the words of cases into what a method receives, weighted where the settings ask for a check.

    With ``language.trust`` each case's words count by `gaze_insight.language.checking.word_weight`, from its
    pseudo-mask and gaze; a case without gaze, whose words cannot be checked, keeps the weight 1. Without,
    there are no weights at all.

    Args:
        cohort: The cohort; a text model's features and what words are checked against are cached in it.
        cases: The cases, in order.
        described: Case id to words; a case may have none.
        language: The encoder, and whether words are checked.
        labels: The recipe of the pseudo-masks that words are held against.
        progress: Receives progress in cases.

    Returns:
        The kind and width of the words, and the words of all cases; both None for an encoder of kind "none".

    Raises:
        DataError: An image cannot be read.
        SettingsError: The text model is not on this machine.
        MissingExtraError: transformers is not installed.

    Example:
        >>> from pathlib import Path
        >>> encode_believed(Cohort("a", Path("a"), {}), [], {}, LanguageSettings())[0].kind
        'attributes'
    """
    ordered = [described.get(case.id) for case in cases]
    space, rows = encode_words(cohort, ordered, language.encoder)
    if rows is None:
        return space, None
    weights = word_weights(cohort, cases, described, language.trust, labels, progress=progress)
    return space, rows if weights is None else weigh_rows(rows, torch.from_numpy(weights))
