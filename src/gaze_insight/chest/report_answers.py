"""What a model that words reports is told, the form of its answer, and how the answer is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, cast

import yaml

from gaze_insight.chest.report import ChestReport
from gaze_insight.errors import DataError
from gaze_insight.language.vlm.answer_schema import ENFORCING, AnswerFormat
from gaze_insight.language.vlm.json_in_text import objects_in

__all__ = ["prompt_record", "read_answer", "repair_turn", "response_form", "writing_messages"]

_LONGEST_SAID = 4_000
_NAME = "worded_report"


def writing_messages(facts: Sequence[dict[str, Any]], answer_format: AnswerFormat) -> list[dict[str, Any]]:
    """Build the messages that ask for a report.

    Args:
        facts: What is to be said.
        answer_format: How the server is asked for the form; where it does not enforce it, words say it.

    Returns:
        A system and a user message.

    Example:
        >>> [one["role"] for one in writing_messages([], "json_schema")]
        ['system', 'user']
    """
    prompt = _prompt()
    user = prompt["user"].replace("{facts}", json.dumps(list(facts), indent=1))
    if answer_format not in ENFORCING:
        user += f"\n\n{prompt['form']}"
    return [{"role": "system", "content": prompt["system"]}, {"role": "user", "content": user}]


def prompt_record() -> dict[str, str]:
    """Name the prompt and its checksum, for the record of a report.

    Example:
        >>> prompt_record()["prompt"]
        'report@1'
    """
    prompt = _prompt()
    sha256 = hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()
    return {"prompt": f"{prompt['name']}@{prompt['version']}", "prompt_sha256": sha256}


def response_form(answer_format: AnswerFormat, report: ChestReport) -> dict[str, Any] | None:
    """Build the field ``response_format``: sentences with the numbers of the report's own.

    Args:
        answer_format: How the server is asked.
        report: The report.

    Returns:
        The field's value; None where the field is to be left out.

    Example:
        >>> response_form("text", ChestReport(())) is None
        True
    """
    sentence = {
        "type": "object",
        "properties": {
            "fact": {"type": "integer", "enum": [one.id for one in report.sentences]},
            "text": {"type": "string"},
        },
        "required": ["fact", "text"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"sentences": {"type": "array", "items": sentence}},
        "required": ["sentences"],
        "additionalProperties": False,
    }
    if answer_format == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": _NAME, "strict": True, "schema": schema}}
    if answer_format == "json_object_schema":
        return {"type": "json_object", "schema": schema}
    return {"type": "json_object"} if answer_format == "json_object" else None


def read_answer(text: str) -> tuple[list[tuple[int, str]], list[str]]:
    """Read the sentences of an answer.

    Args:
        text: What the model wrote.

    Returns:
        Number and words of each sentence, and what is wrong with the form; one of the two is empty.

    Example:
        >>> read_answer('{"sentences": [{"fact": 1, "text": "No edema."}]}')
        ([(1, 'No edema.')], [])
    """
    objects = objects_in(text).objects
    if not objects:
        return [], ["the answer holds no JSON object"]
    found = next((one["sentences"] for one in objects if isinstance(one.get("sentences"), list)), None)
    if found is None:
        return [], ['the object has no list "sentences"']
    told: list[tuple[int, str]] = []
    for at, one in enumerate(found, start=1):
        number, words = (one.get("fact"), one.get("text")) if isinstance(one, dict) else (None, None)
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(words, str):
            return [], [f'sentence {at} of the answer needs "fact", a number, and "text", a text']
        told.append((number, " ".join(words.split())))
    return told, []


def repair_turn(faults: Sequence[str], said: str) -> list[dict[str, Any]]:
    """Write the turn that tells a model what was wrong.

    Args:
        faults: What was wrong.
        said: Its answer, of which the first 4,000 characters are repeated.

    Returns:
        The messages to append.

    Example:
        >>> [one["role"] for one in repair_turn(["fact 2 is missing"], "{}")]
        ['assistant', 'user']
    """
    told = "\n".join(f"- {fault}" for fault in faults)
    ask = _prompt()["repair"].replace("{faults}", told)
    turns = [{"role": "assistant", "content": said[:_LONGEST_SAID]}] if said.strip() else []
    return [*turns, {"role": "user", "content": ask}]


@cache
def _prompt() -> dict[str, Any]:
    text = resources.files("gaze_insight.chest").joinpath("report_prompt.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise DataError("the package's chest/report_prompt.yaml is damaged", remedy="install it again")
    return cast("dict[str, Any]", content)
