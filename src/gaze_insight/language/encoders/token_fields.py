"""Which field of a description each of its tokens belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.encoders.attribute_tokens import FIELDS, tokenise
from gaze_insight.language.encoders.settings import (
    AttributeEncoderSettings,
    EncoderSettings,
    TransformerEncoderSettings,
)
from gaze_insight.language.encoders.tokeniser import Tokeniser
from gaze_insight.language.schema import Description

__all__ = ["TOKEN_FIELDS", "field_spans", "fields_of_tokens"]

TOKEN_FIELDS: tuple[str, ...] = (*FIELDS, "area_percentage")
"""The fields in the order of the attribute tokens; the area is the last."""

_SENTENCES = re.compile(
    r"(?P<location>Location: [^.]+\.)"
    r"(?: (?P<boundary>Boundary: [^.]+\.)"
    r" Characteristics: (?P<shape>[^,]+,) (?P<texture>[^,]+,) (?P<brightness>[^.]+\.)"
    r" (?P<area_percentage>Area percentage: [^.]+\.))?"
    r" (?P<confidence>Confidence: [^.]+\.)"
)


def field_spans(text: str) -> dict[str, tuple[int, int]]:
    """Say where the fields stand in a text that `Description.to_text` wrote.

    Args:
        text: The text; an empty one has no fields.

    Returns:
        Field to its first character and the one after its last. A field with a sentence of its own has all of
        it, its label too; the word "Characteristics:" belongs to three fields, so to none.

    Raises:
        DataError: The text is not in the fixed format.

    Example:
        >>> field_spans("Location: not visible. Confidence: low.")
        {'location': (0, 22), 'confidence': (23, 39)}
    """
    if not text:
        return {}
    found = _SENTENCES.match(text)
    if found is None:
        raise DataError(f"expected a description in its fixed format, found {text!r:.60}")
    return {name: found.span(name) for name in found.groupdict() if found.group(name) is not None}


def fields_of_tokens(
    descriptions: Sequence[Description | None],
    settings: EncoderSettings,
    *,
    symmetry: int = 0,
    length: int | None = None,
) -> list[list[str | None]]:
    """Say which field each token of the words stands for, in the order in which the fusion reads them.

    Args:
        descriptions: B descriptions; None where a case has none.
        settings: The encoder, of kind "attributes" or "transformer" (frozen or trained along).
        symmetry: What was done to the images, a code in 0..7: the name of a moved place may have other
            tokens.
        length: Tokens a description at least, as in padded features ``(B, L, C)``; None for the longest.

    Returns:
        For each description, L fields of `TOKEN_FIELDS`; None for a token that is no field's: masked,
        padding, the model's special tokens, "Characteristics:". No descriptions give an empty list.

    Raises:
        SettingsError: There are no words, or the text model is not on this machine or does not say where its
            tokens lie.
        MissingExtraError: transformers, or a packaged model, is not installed.

    Example:
        >>> fields_of_tokens([Description.nothing_seen("measured")], AttributeEncoderSettings())
        [['location', None, None, None, None, 'confidence', None]]
    """
    if isinstance(settings, AttributeEncoderSettings):
        fields = [_attribute_fields(description) for description in descriptions]
    elif isinstance(settings, TransformerEncoderSettings):
        tokeniser = Tokeniser(settings.name, settings.max_tokens, download=settings.download)
        fields = [_text_fields(description, tokeniser, symmetry) for description in descriptions]
    else:
        raise SettingsError(f"an encoder of kind {settings.kind!r} makes no tokens")
    longest = max([*map(len, fields), length or 0], default=0)
    return [[*one, *[None] * (longest - len(one))] for one in fields]


def _attribute_fields(description: Description | None) -> list[str | None]:
    ids = tokenise(description).fields
    known = [bool(number) for number in ids]
    measured = known[TOKEN_FIELDS.index("boundary")]
    return [name if told else None for name, told in zip(TOKEN_FIELDS, [*known, measured], strict=True)]


def _text_fields(description: Description | None, tokeniser: Tokeniser, symmetry: int) -> list[str | None]:
    text = "" if description is None else description.under(symmetry).to_text()
    fields = field_spans(text)
    return [_field_at(first, end, fields) for first, end in tokeniser.spans(text)]


def _field_at(first: int, end: int, fields: dict[str, tuple[int, int]]) -> str | None:
    """The field that most of a token's characters stand in; a token may begin with the space before it."""
    shared = {name: min(end, stop) - max(first, start) for name, (start, stop) in fields.items()}
    best = max(shared, key=shared.__getitem__, default=None)
    return best if best is not None and shared[best] > 0 else None
