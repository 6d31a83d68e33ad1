"""What a model answered, read strictly: near-misses are mapped and listed, the rest is told back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gaze_insight.language.schema import Description
from gaze_insight.language.vlm.answer_fields import (
    Mended,
    read_area,
    read_remarks,
    read_word_said,
    shortened,
    writable,
)
from gaze_insight.language.vlm.answer_schema import ANSWER_FIELDS, CHARACTERISTICS, schema_in_words
from gaze_insight.language.vlm.json_in_text import objects_in
from gaze_insight.language.vlm.near_words import field_of_key
from gaze_insight.language.vocabulary import NOT_VISIBLE, VOCABULARY

__all__ = ["Answer", "Mended", "parse_answer", "repair_messages"]

_REFUSAL = re.compile(
    r"\b(i['\u2019]?m|i am) (so |very )?sorry|\bi (can['\u2019]?t|cannot|can not|won['\u2019]?t)\b"
    r"|\b(unable|not able) to\b|\bas an ai\b",
    re.IGNORECASE,
)
_LONGEST_SAID = 4_000
_REQUIRED = tuple(VOCABULARY)


@dataclass(frozen=True)
class Answer:
    """What `parse_answer` made of an answer.

    Args:
        description: The description; None where the answer has a fault.
        mended: What was taken for something else than was written.
        faults: What is wrong, each in words that a person and the model understand.
        refused: Whether the model wrote no JSON but that it will not or cannot answer.

    Example:
        >>> Answer(None, faults=("boundary is missing",)).description is None
        True
    """

    description: Description | None
    mended: tuple[Mended, ...] = ()
    faults: tuple[str, ...] = ()
    refused: bool = False


@dataclass
class _Reading:
    values: dict[str, Any] = field(default_factory=dict)
    mended: list[Mended] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def parse_answer(text: str, source: str = "vlm") -> Answer:
    """Read an answer strictly.

    Whatever `gaze_insight.language.vlm.answer_schema.answer_schema` allows gives a description. Beyond that
    the following is mended, and each mend is listed: text around the object and code fences; names of fields
    and words that mean a known one (`gaze_insight.language.vlm.near_words`); fields beside "characteristics"
    instead of in it; an object around the object; fields that nobody asked for, which are left out; an area
    as text ("about 12 %") or as a range (its middle); remarks that were cut. A number is taken as it
    stands: 0.12 is 0.12 %, never 12 %.

    The location "not visible" makes the other fields placeholders (`Description.nothing_seen`), whatever
    they hold, so they may be absent; an area above 0 is then listed as mended. Otherwise each field but the
    remarks must be there. Two answers that differ in one text are a fault, unless all but one have faults
    themselves, such as a repeated schema.

    Args:
        text: What the model wrote.
        source: Who wrote it, for `Description.source`.

    Returns:
        A description and what was mended, or the faults.

    Example:
        >>> said = '''Here you are: {"location": "Top-Left", "boundary": "well-defined", "shape": "oval",
        ... "texture": "smooth", "brightness": "bright", "area": "12%", "confidence": "high"}'''
        >>> answer = parse_answer(said, "some-model")
        >>> answer.description.to_text()[:36], answer.description.area_percentage
        ('Location: upper left. Boundary: clea', 12.0)
        >>> [(mend.field, mend.taken) for mend in answer.mended][-2:]
        [('brightness', 'brighter'), ('area_percentage', '12')]
        >>> parse_answer("I'm sorry, I cannot help with that.").refused
        True
    """
    found = objects_in(text, "remarks")
    if not found.objects:
        refused = bool(_REFUSAL.search(text[:400]))
        begins = f'; it begins with "{shortened(text.strip())}"' if text.strip() else "; it is empty"
        return Answer(None, faults=(f"the answer holds no JSON object{begins}",), refused=refused)
    form = () if found.how == "alone" else (Mended("answer", f"the object {found.how}", "the object"),)
    answers = [_read(record, source) for record in found.objects]
    whole = [answer for answer in answers if answer.description is not None]
    different = {answer.description.model_dump_json() for answer in whole if answer.description is not None}
    if len(different) > 1:
        fault = f"the answer holds {len(different)} objects that differ; give one, for the largest region"
        return Answer(None, faults=(fault,))
    chosen = whole[0] if whole else min(answers, key=lambda answer: len(answer.faults))
    return Answer(chosen.description, (*form, *chosen.mended), chosen.faults)


def repair_messages(faults: Sequence[str], said: str = "") -> list[dict[str, Any]]:
    """Write the turn that tells a model what was wrong and asks it again.

    Args:
        faults: Those of the `Answer`.
        said: The model's answer, repeated as its own turn (its first 4,000 characters); left out where empty.

    Returns:
        The messages to append to the conversation; none where there is no fault.

    Example:
        >>> turn = repair_messages(["boundary is missing"], '{"location": "centre"}')
        >>> [message["role"] for message in turn], "- boundary is missing" in turn[1]["content"]
        (['assistant', 'user'], True)
    """
    if not faults:
        return []
    told = "\n".join(f"- {fault}" for fault in faults)
    ask = f"Your answer cannot be used:\n{told}\n\nAnswer again, about the same picture.\n{schema_in_words()}"
    turns = [{"role": "assistant", "content": writable(said[:_LONGEST_SAID])}] if said.strip() else []
    return [*turns, {"role": "user", "content": ask}]


def _read(record: Mapping[str, Any], source: str) -> Answer:
    reading = _Reading()
    _collect(_unwrapped(record, reading), reading)
    location = read_word_said("location", reading.values.get("location"), reading.mended, reading.faults)
    if location == NOT_VISIBLE:
        return _nothing_seen(reading, source)
    words = {"location": location} | {
        name: read_word_said(name, reading.values.get(name), reading.mended, reading.faults)
        for name in _REQUIRED[1:]
    }
    area = read_area(reading.values.get("area_percentage"), reading.mended, reading.faults)
    remarks = read_remarks(reading.values.get("remarks"), reading.mended)
    if reading.faults:
        return Answer(None, tuple(reading.mended), tuple(reading.faults))
    seen = Description.model_validate(
        {**words, "area_percentage": area, "remarks": remarks, "source": source}
    )
    return Answer(seen, tuple(reading.mended))


def _nothing_seen(reading: _Reading, source: str) -> Answer:
    mended = reading.mended
    area = reading.values.get("area_percentage")
    if area not in (None, 0):
        mended.append(Mended("area_percentage", shortened(area), "0"))
    remarks = read_remarks(reading.values.get("remarks"), mended)
    return Answer(Description.nothing_seen(source, remarks), tuple(mended), tuple(reading.faults))


def _unwrapped(record: Mapping[str, Any], reading: _Reading) -> Mapping[str, Any]:
    """Take the inner object of an object whose one key is no field."""
    (key, value), *others = record.items() or [("", None)]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if others or not isinstance(value, dict) or field_of_key(key) is not None:
        return record
    reading.mended.append(Mended("answer", f'the object within "{shortened(key)}"', "the object"))
    return value


def _collect(record: Mapping[str, Any], reading: _Reading) -> None:
    """Sort an object's values by field into `reading`."""
    beside = []
    for key, value in record.items():
        name = field_of_key(key)
        if name == "characteristics" and isinstance(value, dict):
            _note_key(key, name, reading)
            for inner, part in value.items():
                _put(inner, part, CHARACTERISTICS, reading)
        else:
            beside += [name] if name in CHARACTERISTICS else []
            _put(key, value, (*ANSWER_FIELDS, *CHARACTERISTICS), reading)
    if beside:
        reading.mended.append(
            Mended("characteristics", f"{', '.join(beside)} beside it", "the parts of characteristics")
        )


def _put(key: str, value: Any, allowed: Sequence[str], reading: _Reading) -> None:
    name = field_of_key(key)
    if name is None or name not in allowed or name == "characteristics":
        reading.mended.append(Mended(shortened(key), shortened(value), "left out"))
        return
    _note_key(key, name, reading)
    if name in reading.values and reading.values[name] != value:
        value = [reading.values[name], value]
    reading.values[name] = value


def _note_key(key: str, name: str, reading: _Reading) -> None:
    if key != name:
        reading.mended.append(Mended(name, f"the key {json.dumps(shortened(key))}", f'the key "{name}"'))
