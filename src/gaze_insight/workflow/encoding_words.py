"""Descriptions turned into the arrays a method receives; what a text model makes of them is cached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.language.encoders.attribute_tokens import encode_ids
from gaze_insight.language.encoders.model_files import find_model, known_sha256
from gaze_insight.language.encoders.packaged_models import PACKAGED_MODELS
from gaze_insight.language.encoders.settings import (
    AttributeEncoderSettings,
    EncoderSettings,
    TransformerEncoderSettings,
)
from gaze_insight.language.encoders.text_model import TextModelFacts
from gaze_insight.language.encoders.text_table import TextTable, distinct_texts, symmetry_rows
from gaze_insight.language.encoders.tokeniser import Tokeniser
from gaze_insight.language.encoders.transformer_text import TransformerTextEncoder
from gaze_insight.language.schema import Description
from gaze_insight.methods.words import WordSpace
from gaze_insight.training.words import AttributeRows, EncodedRows, TokenRows, WordRows

__all__ = ["encode_words"]

_FEATURES, _FEATURES_VERSION = "text-features", 2
_TOKENS, _TOKENS_VERSION = "text-tokens", 1
_MODEL, _VERSION = "text-model", 1


def encode_words(
    cohort: Cohort, descriptions: Sequence[Description | None], settings: EncoderSettings, device: str = "cpu"
) -> tuple[WordSpace | None, WordRows | None]:
    """Turn descriptions into what a method receives.

    A frozen text model's features, and the token ids for one that is trained along, are kept in the cohort
    under the texts and the SHA-256 of the model's files. Where the model has left this machine since, those
    of the files it was last read from here are taken.

    Args:
        cohort: The cohort.
        descriptions: One a case; None where a case has none.
        settings: The encoder.
        device: Where a text model runs.

    Returns:
        The kind and width of the words, and the words of all cases; both None for an encoder of kind "none".

    Raises:
        SettingsError: The text model is not on this machine, or reads fewer tokens than asked for.
        MissingExtraError: transformers, or the packages of the text model, are not installed.

    Example:
        >>> from pathlib import Path
        >>> space, rows = encode_words(Cohort("a", Path("a"), {}), [None], AttributeEncoderSettings(dim=8))
        >>> space.to_record(), tuple(rows.ids.shape)
        ({'kind': 'attributes', 'channels': 8}, (1, 6))
    """
    if isinstance(settings, AttributeEncoderSettings):
        return WordSpace("attributes", settings.dim), AttributeRows(*encode_ids(descriptions))
    if not isinstance(settings, TransformerEncoderSettings):
        return None, None
    if settings.fine_tune:
        return _tokens(cohort.derived, descriptions, settings)
    return _features(cohort.derived, descriptions, settings, device)


def _features(
    store: ArtefactStore,
    descriptions: Sequence[Description | None],
    settings: TransformerEncoderSettings,
    device: str,
) -> tuple[WordSpace, EncodedRows]:
    texts, sha256 = distinct_texts(descriptions), _sha256(store, settings)
    stored = _stored(store, _FEATURES, _FEATURES_VERSION, texts, settings, sha256)
    if stored is None:
        encoder = TransformerTextEncoder(
            settings.name, device, settings.max_tokens, download=settings.download
        )
        table = TextTable.build(descriptions, encoder)
        stored = table.to_arrays() | {"truncated": np.array(encoder.count_truncated(texts))}
        sha256 = _keep(store, _FEATURES, _FEATURES_VERSION, texts, settings, stored)
    table = TextTable.from_arrays(stored)
    rows = torch.from_numpy(table.symmetry_index(descriptions))
    features, mask = torch.from_numpy(table.features), torch.from_numpy(table.mask)
    facts = _facts(settings, sha256, stored)
    return WordSpace("transformer", table.dim, facts), EncodedRows(rows, features, mask)


def _tokens(
    store: ArtefactStore, descriptions: Sequence[Description | None], settings: TransformerEncoderSettings
) -> tuple[WordSpace, TokenRows]:
    texts, sha256 = distinct_texts(descriptions), _sha256(store, settings)
    stored = _stored(store, _TOKENS, _TOKENS_VERSION, texts, settings, sha256)
    if stored is None:
        tokeniser = Tokeniser(settings.name, settings.max_tokens, download=settings.download)
        ids, mask = tokeniser.encode(texts)
        stored = {
            "ids": ids.numpy(),
            "mask": mask.numpy(),
            "config": np.array(json.dumps(tokeniser.config)),
            "truncated": np.array(tokeniser.count_truncated(texts)),
        }
        sha256 = _keep(store, _TOKENS, _TOKENS_VERSION, texts, settings, stored)
    config = json.loads(str(stored["config"]))
    rows = symmetry_rows(descriptions, {text: row for row, text in enumerate(texts)})
    facts = _facts(settings, sha256, stored)._replace(config=config, rate_share=settings.rate_share)
    space = WordSpace("tokens", int(config["hidden_size"]), facts, pretrained=True)
    ids, mask = torch.from_numpy(stored["ids"]), torch.from_numpy(stored["mask"])
    return space, TokenRows(torch.from_numpy(rows), ids, mask)


def _sha256(store: ArtefactStore, settings: TransformerEncoderSettings) -> dict[str, str] | None:
    """What the model's files are now, or were when they were last read for this cohort; None for unknown."""
    known, key = known_sha256(settings.name, store.file_hash), store.key(_MODEL, _VERSION, settings.name)
    remembered: dict[str, str] | None = store.get_json(_MODEL, key)
    if known is None:
        return remembered
    if known != remembered and settings.name not in PACKAGED_MODELS:
        store.put_json(_MODEL, key, known)
    return known


def _stored(
    store: ArtefactStore,
    kind: str,
    version: int,
    texts: Sequence[str],
    settings: TransformerEncoderSettings,
    sha256: dict[str, str] | None,
) -> dict[str, Any] | None:
    if sha256 is None:
        return None
    return store.get_arrays(kind, _key(store, kind, version, texts, settings, sha256))


def _keep(
    store: ArtefactStore,
    kind: str,
    version: int,
    texts: Sequence[str],
    settings: TransformerEncoderSettings,
    arrays: dict[str, Any],
) -> dict[str, str]:
    """Store what was made, under the files it was made with: a download may just have brought them."""
    sha256 = _sha256(store, settings) or {}
    store.put_arrays(kind, _key(store, kind, version, texts, settings, sha256), **arrays)
    return sha256


def _key(
    store: ArtefactStore,
    kind: str,
    version: int,
    texts: Sequence[str],
    settings: TransformerEncoderSettings,
    sha256: dict[str, str],
) -> str:
    return store.key(kind, version, settings.max_tokens, repr(list(texts)), repr(sorted(sha256.items())))


def _facts(
    settings: TransformerEncoderSettings, sha256: dict[str, str] | None, stored: dict[str, Any]
) -> TextModelFacts:
    packaged = settings.name in PACKAGED_MODELS
    found = None if packaged else find_model(settings.name)
    source = "package" if packaged else None if found is None else found.source
    return TextModelFacts(settings.name, source, sha256 or {}, int(stored["truncated"]))
