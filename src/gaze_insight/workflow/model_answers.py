"""What a model said of the cases of a cohort: stored the moment it is said, found again by content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.language.schema import Description
from gaze_insight.language.vlm.answer_schema import ANSWER_SCHEMA_VERSION, answer_schema
from gaze_insight.language.vlm.asking import Asked, Failure
from gaze_insight.language.vlm.privacy import check_sendable
from gaze_insight.language.vlm.prompts import load_prompt
from gaze_insight.language.vlm.settings import VlmSettings

__all__ = ["AnswerBook", "Answers"]

_KIND, _VERSION = "vlm-description", 1


@dataclass
class Answers:
    """What is known of some cases.

    Attributes:
        described: Case id to description.
        provenance: Case id to how its description, or its failure, came about; plain values.
        failed: Case id to why the model has no description for it; asked again, it would fail again.
        unknown: The cases that nobody asked about yet, or that got no answer at all.

    Example:
        >>> Answers().described
        {}
    """

    described: dict[str, Description] = field(default_factory=dict)
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    unknown: list[Case] = field(default_factory=list)

    def add(self, case_id: str, asked: Asked) -> None:
        """Take in what became of a question.

        Args:
            case_id: The case; a case with the same picture as the one that was asked about may have another
                id.
            asked: A description, or a failure for good.

        Example:
            >>> found = Answers()
            >>> found.add("b", Asked("a", None, {}, Failure("refused", "no")))
            >>> found.failed["b"].reason
            'no'
        """
        self.provenance[case_id] = asked.provenance
        if asked.description is not None:
            self.described[case_id] = asked.description
        elif asked.failure is not None:
            self.failed[case_id] = asked.failure

    def in_order_of(self, ids: Iterable[str]) -> None:
        """Put descriptions and failures into an order, whichever came first.

        Args:
            ids: Case ids in that order; it must hold all that are known.

        Example:
            >>> found = Answers(failed={"b": Failure("refused", "no"), "a": Failure("refused", "no")})
            >>> found.in_order_of("ab")
            >>> list(found.failed)
            ['a', 'b']
        """
        order = list(ids)
        self.described = {one: self.described[one] for one in order if one in self.described}
        self.failed = {one: self.failed[one] for one in order if one in self.failed}


class AnswerBook:
    """The stored answers of one model to one prompt.

    An answer is keyed by the image's content, the fixations where the prompt shows them, the part of the
    settings that shapes the words, the prompt's content and the form of the answer. Pace, budget, prices and
    the key play no part. Several processes may read and write one book.

    Args:
        cohort: The cohort, whose store holds the answers.
        settings: Who is asked what.

    Raises:
        SettingsError: The prompt cannot be read.
    """

    def __init__(self, cohort: Cohort, settings: VlmSettings) -> None:
        self._store, self._settings = cohort.derived, settings
        prompt = load_prompt(settings.prompt)
        self._shows_gaze = prompt.shows_gaze
        shaping = {name: value for name, value in settings.shaping().items() if name != "prompt"}
        form = [ANSWER_SCHEMA_VERSION, answer_schema()]
        self._recipe = json.dumps([shaping, prompt.sha256, form], sort_keys=True)

    def key(self, case: Case) -> str:
        """Make the key of a case's answer; cases with the same picture have the same one.

        Args:
            case: The case.

        Returns:
            The key.

        Raises:
            DataError: The image cannot be read.
        """
        gaze = case.fixations if self._shows_gaze else None
        rows = np.array([] if gaze is None else gaze.to_rows())
        frame = "" if gaze is None else gaze.frame
        return self._store.key(_KIND, _VERSION, case.image_path, rows, frame, self._recipe)

    def get(self, key: str) -> Asked | None:
        """Read an answer.

        Args:
            key: From `key`.

        Returns:
            The description or the failure, with the id "" for no particular case; None where there is none.
        """
        record = self._store.get_json(_KIND, key)
        if not isinstance(record, Mapping):
            return None
        try:
            said, failure = record["description"], record["failure"]
            description = None if said is None else Description.from_record(said)
            why = None if failure is None else Failure(failure["kind"], failure["reason"])
            return Asked("", description, record["provenance"], why)
        except (DataError, KeyError, TypeError):
            return None

    def put(self, key: str, asked: Asked) -> bool:
        """Store an answer at once, if it is one.

        Args:
            key: From `key`.
            asked: What became of the question.

        Returns:
            Whether it was stored: a description, or a failure for good. Anything else is asked again.

        Raises:
            DataError: The file cannot be written.
        """
        failure = asked.failure
        if asked.description is None and (failure is None or not failure.for_good):
            return False
        record = {
            "description": None if asked.description is None else asked.description.to_record(),
            "failure": None if failure is None else {"kind": failure.kind, "reason": failure.reason},
            "provenance": asked.provenance,
        }
        self._store.put_json(_KIND, key, record)
        return True

    def look_up(self, cases: Iterable[Case]) -> Answers:
        """Read what is stored of some cases.

        Args:
            cases: The cases.

        Returns:
            What is known; nothing is asked.

        Raises:
            DataError: An image cannot be read.
        """
        answers = Answers()
        for case in cases:
            asked = self.get(self.key(case))
            if asked is None:
                answers.unknown.append(case)
            else:
                answers.add(case.id, asked)
        return answers

    def why_kept_back(self, case: Case) -> str | None:
        """Say why a case is never asked about: its DICOM file must not be sent, or a gaze to show is missing.

        Args:
            case: The case.

        Returns:
            The reason; None for a case that can be asked about.
        """
        if self._shows_gaze and (case.fixations is None or len(case.fixations) == 0):
            return "the prompt shows where the reader looked, and nobody looked at this image"
        try:
            check_sendable(case.image_path, self._settings.dicom)
        except DataError as error:
            return str(error)
        return None

    def require(self, cases: Iterable[Case], command: str) -> dict[str, Description]:
        """Give the descriptions of cases that were asked about, and never ask.

        A case that the model failed for good has none; neither has one that is never asked about
        (see `why_kept_back`), or whose image is damaged.

        Args:
            cases: The cases.
            command: What the user runs to have cases described.

        Returns:
            Case id to description.

        Raises:
            DataError: A case was not asked about yet, none of the cases has a description, or an image cannot
                be read.
        """
        answers = self.look_up(cases)
        kept_back = {case.id: why for case in answers.unknown if (why := self.why_kept_back(case))}
        total = len(answers.described) + len(answers.failed) + len(answers.unknown)
        missing = [case for case in answers.unknown if case.id not in kept_back]
        while missing and (why := _why_unreadable(missing[0])):
            kept_back[missing.pop(0).id] = why
        if missing:
            raise DataError(
                f"{len(missing)} of {total} cases are not described yet by {self._settings.model!r} with the "
                f"prompt {self._settings.prompt!r}, the first is {missing[0].id!r}",
                remedy=f"a training never asks a model; describe them first: {command}",
            )
        if total and not answers.described:
            reasons = [failure.reason for failure in answers.failed.values()] + list(kept_back.values())
            raise DataError(
                f"none of {total} cases has a description by {self._settings.model!r}; the first reason: "
                f"{reasons[0]}",
                remedy=f"choose another prompt or model, or ask again: {command} --again",
            )
        return answers.described


def _why_unreadable(case: Case) -> str | None:
    try:
        case.read_image()
    except DataError as error:
        return str(error)
    return None
