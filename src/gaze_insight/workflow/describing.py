"""`describe`: words for each case, measured or from a file, and the arrays a method receives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.language.describer import Describer
from gaze_insight.language.encoders.attribute_tokens import encode_ids
from gaze_insight.language.encoders.settings import (
    AttributeEncoderSettings,
    EncoderSettings,
    TransformerEncoderSettings,
)
from gaze_insight.language.encoders.text_table import TextTable
from gaze_insight.language.encoders.transformer_text import TransformerTextEncoder
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.schema import Description
from gaze_insight.methods.words import WordSpace
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.words import AttributeRows, EncodedRows, WordRows
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.labelling import label, load_pseudo_mask, pseudo_mask_key

__all__ = ["describe", "encode_words"]

_KIND = "description"
_FEATURES, _FEATURES_VERSION = "text-features", 1


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
    """Describe cases with the describer that the settings name; the measured ones are cached.

    The measured describer sees the image and the pseudo-mask made from gaze, never a true mask. Pseudo-masks
    that are missing are made first, in parallel; the words themselves take a hundredth of a second each.

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
        DataError: An image or the file of descriptions cannot be read.
        SettingsError: The cluster cannot be used.
    """
    language, labels = language or LanguageSettings(), labels or PseudoMaskSettings()
    describer = _kind(language)(language.describer)
    wanted = list(cohort.cases.values() if cases is None else cases)
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


def encode_words(
    cohort: Cohort, descriptions: Sequence[Description | None], settings: EncoderSettings, device: str = "cpu"
) -> tuple[WordSpace | None, WordRows | None]:
    """Turn descriptions into what a method receives.

    Args:
        cohort: The cohort; a text model's features are cached in it.
        descriptions: One a case; None where a case has none.
        settings: The encoder.
        device: Where a text model runs.

    Returns:
        The kind and width of the words, and the words of all cases; both None for an encoder of kind "none".

    Raises:
        SettingsError: The text model is not on this machine.
        MissingExtraError: transformers is not installed.

    Example:
        >>> from pathlib import Path
        >>> space, rows = encode_words(Cohort("a", Path("a"), {}), [None], AttributeEncoderSettings(dim=8))
        >>> space, tuple(rows.ids.shape)
        (WordSpace(kind='attributes', channels=8), (1, 6))
    """
    if isinstance(settings, AttributeEncoderSettings):
        return WordSpace("attributes", settings.dim), AttributeRows(*encode_ids(descriptions))
    if isinstance(settings, TransformerEncoderSettings):
        table = _text_table(cohort, descriptions, settings, device)
        rows = torch.from_numpy(table.symmetry_index(descriptions))
        features, mask = torch.from_numpy(table.features), torch.from_numpy(table.mask)
        return WordSpace("transformer", table.dim), EncodedRows(rows, features, mask)
    return None, None


def _text_table(
    cohort: Cohort,
    descriptions: Sequence[Description | None],
    settings: TransformerEncoderSettings,
    device: str,
) -> TextTable:
    store, folder = cohort.derived, Path(settings.name)
    texts = [None if one is None else one.to_text() for one in descriptions]
    model = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    key = store.key(_FEATURES, _FEATURES_VERSION, settings, repr(texts), *model)
    stored = store.get_arrays(_FEATURES, key)
    if stored is not None:
        return TextTable.from_arrays(stored)
    encoder = TransformerTextEncoder(settings.name, device, settings.max_tokens, download=settings.download)
    table = TextTable.build(descriptions, encoder)
    store.put_arrays(_FEATURES, key, **table.to_arrays())
    return table


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
