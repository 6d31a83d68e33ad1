"""The JSON schema of an answer, and the four ways in which servers are asked for it."""

from __future__ import annotations

import json
from typing import Any, Literal

from gaze_insight.language.vocabulary import VOCABULARY

__all__ = [
    "ANSWER_FIELDS",
    "ANSWER_SCHEMA_VERSION",
    "CHARACTERISTICS",
    "ENFORCING",
    "AnswerFormat",
    "answer_schema",
    "response_format",
    "schema_in_words",
]

ANSWER_SCHEMA_VERSION = 1
"""Raised whenever the schema or how an answer is read changes, so that cached answers are asked for anew."""

AnswerFormat = Literal["json_schema", "json_object_schema", "json_object", "text"]
"""How a server is asked: to enforce the schema (two spellings), to give any JSON, or in words alone."""

ENFORCING: frozenset[AnswerFormat] = frozenset({"json_schema", "json_object_schema"})
"""Ways in which the server gets the schema itself, so that the words need not say it."""

ANSWER_FIELDS = ("location", "boundary", "characteristics", "area_percentage", "confidence", "remarks")
"""The six fields of an answer, in the order in which a model writes them; FGI's prompt names the same."""

CHARACTERISTICS = ("shape", "texture", "brightness")
"""The parts of the field "characteristics"."""

_NAME = "lesion_description"


def answer_schema(*, limits: bool = True) -> dict[str, Any]:
    """Build the schema that an answer must satisfy.

    Closed objects, every field required, plain types and enumerations. Words are those of
    `gaze_insight.language.vocabulary.VOCABULARY`, "not visible" among the locations.

    Args:
        limits: Hold the area to 0..100 by ``minimum`` and ``maximum``; False says it in a description alone.

    Returns:
        A JSON schema; each call gives a new dictionary.

    Example:
        >>> schema = answer_schema()
        >>> list(schema["properties"]) == list(ANSWER_FIELDS), schema["additionalProperties"]
        (True, False)
    """
    parts = {name: _words(name) for name in CHARACTERISTICS}
    area: dict[str, Any] = {"type": "number", "description": "percent of the whole picture, from 0 to 100"}
    return _closed(
        {
            "location": _words("location"),
            "boundary": _words("boundary"),
            "characteristics": _closed(parts),
            "area_percentage": area | ({"minimum": 0, "maximum": 100} if limits else {}),
            "confidence": _words("confidence"),
            "remarks": {"type": "string"},
        }
    )


def response_format(answer_format: AnswerFormat = "json_schema") -> dict[str, Any] | None:
    """Build the field ``response_format`` of a chat-completions request.

    The schema is sent without the limits of the area: some hosted models turn a schema with ``minimum`` down
    as a whole, and llama.cpp's grammar does not hold a number to it. The reader of the answers
    checks them (`gaze_insight.language.vlm.answers.parse_answer`).

    Args:
        answer_format: How the server is asked: ``json_schema`` as OpenAI spells it, ``json_object_schema`` as
            llama-cpp-python's server and llama.cpp do (``{"type": "json_object", "schema": ..}``).

    Returns:
        The field's value; None where the field is to be left out.

    Example:
        >>> response_format("json_schema")["json_schema"]["strict"], response_format("json_object")
        (True, {'type': 'json_object'})
        >>> sorted(response_format("json_object_schema"))
        ['schema', 'type']
        >>> response_format("text") is None
        True
    """
    if answer_format == "json_schema":
        return {
            "type": "json_schema",
            "json_schema": {"name": _NAME, "strict": True, "schema": answer_schema(limits=False)},
        }
    if answer_format == "json_object_schema":
        return {"type": "json_object", "schema": answer_schema(limits=False)}
    return {"type": "json_object"} if answer_format == "json_object" else None


def schema_in_words() -> str:
    """Say what an answer must look like, for servers that do not enforce the schema.

    Returns:
        A few lines: the fields with the words they may hold, and the shape of the object.

    Example:
        >>> schema_in_words().splitlines()[0]
        'Answer with one JSON object and nothing else, of this form:'
    """
    shape: dict[str, Any] = {name: _choices(name) for name in VOCABULARY}
    parts = {name: shape.pop(name) for name in CHARACTERISTICS}
    shape |= {
        "characteristics": parts,
        "area_percentage": "<number from 0 to 100, no % sign>",
        "remarks": "<text, may be empty>",
    }
    form = json.dumps({name: shape[name] for name in ANSWER_FIELDS}, indent=1)
    return (
        f"Answer with one JSON object and nothing else, of this form:\n{form}\n"
        "Where words are separated by |, write exactly one of them."
    )


def _choices(name: str) -> str:
    return " | ".join(VOCABULARY[name])


def _words(name: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(VOCABULARY[name])}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
