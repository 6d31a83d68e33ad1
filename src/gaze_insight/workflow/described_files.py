"""The files of `describe`: the descriptions, and beside them who got none and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.language.files import write_descriptions
from gaze_insight.language.schema import Description
from gaze_insight.workflow.asking_model import AskReport

__all__ = ["write_asked", "write_described"]


def write_described(
    path: Path,
    described: Mapping[str, Description],
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write descriptions; the folder is made.

    Args:
        path: The file; its ending chooses the layout. A CSV has no place for the provenance.
        described: Case id to description.
        provenance: How they were made, by case id.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the folder for the descriptions cannot be made: {error.strerror}",
            path=path.parent,
            remedy="choose a folder that can be written to",
        ) from error
    write_descriptions(path, described, None if path.suffix.lower() == ".csv" else provenance)


def write_asked(path: Path, report: AskReport) -> Path | None:
    """Write what a model said, and in a second file which cases have no description.

    Where an error ended the asking and nothing at all is described, an earlier file stays as it is.

    Args:
        path: The file of the descriptions.
        report: What asking did.

    Returns:
        The second file: ``NAME.failed.jsonl`` beside the first, with ``id``, ``kind`` (refused, invalid,
        rejected, unavailable, kept_back), ``reason`` and ``provenance`` a line; None where each case that was
        asked about has a description: an old one is removed.

    Raises:
        DataError: A file cannot be written.
    """
    answers = report.answers
    if answers.described or report.error is None or not path.exists():
        write_described(path, answers.described, answers.provenance)
    failures = answers.failed | report.unanswered
    rows = [
        {"id": one, "kind": failure.kind, "reason": failure.reason, "provenance": answers.provenance.get(one)}
        for one, failure in failures.items()
    ]
    rows += [
        {"id": one, "kind": "kept_back", "reason": why, "provenance": None}
        for one, why in report.kept_back.items()
    ]
    failed = path.with_name(f"{path.stem}.failed.jsonl")
    if not rows:
        failed.unlink(missing_ok=True)
        return None
    write_text_atomic(failed, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return failed
