"""Chest facts as plain values for ``cases.jsonl``, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gaze_insight.cohort.chest_facts import ChestBox, ChestFacts, ChestReading, SpokenWord
from gaze_insight.gaze.fixations import Fixations

__all__ = ["chest_facts_of", "chest_record"]


def chest_record(facts: ChestFacts) -> dict[str, Any]:
    """Turn chest facts into values that JSON can hold; what is missing or default is left out.

    Args:
        facts: The facts.

    Returns:
        The record; fixations lie with their readings, in the frame ``image_unit``.

    Example:
        >>> chest_record(ChestFacts(view="PA"))
        {'view': 'PA'}
    """
    record = {
        "labels": {source: dict(values) for source, values in facts.labels.items()},
        "boxes": [_without_defaults(asdict(box)) for box in facts.boxes],
        "readings": [_reading_record(reading) for reading in facts.readings],
        "report": facts.report,
        "study": facts.study,
        "view": facts.view,
    }
    return {name: value for name, value in record.items() if value not in (None, [], {})}


def chest_facts_of(record: Mapping[str, Any]) -> ChestFacts:
    """Turn a record of `chest_record` back into chest facts.

    Args:
        record: The record.

    Returns:
        The facts.

    Raises:
        DataError: A value is out of its range.
        TypeError: A key is unknown or missing.

    Example:
        >>> chest_facts_of({"view": "PA"}).view
        'PA'
    """
    parts = dict(record)
    boxes = tuple(ChestBox(**box) for box in parts.pop("boxes", []))
    readings = tuple(_reading(one) for one in parts.pop("readings", []))
    return ChestFacts(boxes=boxes, readings=readings, **parts)


def _without_defaults(box: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in box.items() if value is not None and value != "box"}


def _reading_record(reading: ChestReading) -> dict[str, Any]:
    looked = reading.fixations
    record: dict[str, Any] = {
        "id": reading.id,
        "source": reading.source,
        "reader": reading.reader,
        "fixations": None if looked is None else looked.to_rows(),
        "certainties": dict(reading.certainties),
        "transcript": reading.transcript,
        "words": [[word.text, word.start_ms, word.end_ms] for word in reading.words],
        "degree_frac": None if reading.degree_frac is None else list(reading.degree_frac),
        "dropped": dict(reading.dropped),
    }
    kept = {name: value for name, value in record.items() if value not in (None, {})}
    if not reading.words:
        del kept["words"]
    return {**kept, "trust": reading.trust}


def _reading(record: Mapping[str, Any]) -> ChestReading:
    parts = dict(record)
    rows, degree = parts.pop("fixations", None), parts.pop("degree_frac", None)
    words = tuple(SpokenWord(*word) for word in parts.pop("words", []))
    return ChestReading(
        fixations=None
        if rows is None
        else Fixations.from_rows(rows, frame="image_unit", annotator=parts.get("reader")),
        words=words,
        degree_frac=None if degree is None else (float(degree[0]), float(degree[1])),
        **parts,
    )
