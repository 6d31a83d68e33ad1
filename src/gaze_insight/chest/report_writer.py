"""Reports worded by a language model: the facts are fixed, its answer is checked, and templates stand in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import Field

from gaze_insight.chest.keywords import extract_mentions
from gaze_insight.chest.priors import prior_of
from gaze_insight.chest.regions import RegionSet
from gaze_insight.chest.report import ChestReport
from gaze_insight.chest.report_answers import (
    prompt_record,
    read_answer,
    repair_turn,
    response_form,
    writing_messages,
)
from gaze_insight.chest.report_check import Reader, check_wording
from gaze_insight.chest.sentences import ReportSentence
from gaze_insight.language.vlm.budget import Budget, BudgetSpentError
from gaze_insight.language.vlm.client import ChatClient, Completion
from gaze_insight.language.vlm.connection import address_of
from gaze_insight.language.vlm.faults import RefusedError, RejectedError, UnavailableError
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.types import Progress, silent

__all__ = ["ReportWriter", "WriterSettings", "WrittenReport", "facts_of", "write_reports"]


class WriterSettings(VlmSettings):
    """Which language model words a report, and how it is asked. No picture is sent.

    Example:
        >>> WriterSettings(model="qwen2.5:7b").max_tokens
        1500
    """

    max_tokens: int = Field(1500, ge=1, description="longest answer, in tokens")


@dataclass(frozen=True)
class WrittenReport:
    """A report with the record of how it was worded.

    Args:
        report: In the model's words, or in those of the templates where these stand in.
        record: asked_model, model (as the server names it), endpoint, prompt, prompt_sha256, temperature,
            seed, turns, faults (a list for each answer that could not be used), fallback (why the templates
            stand in; None where they do not), attempts, prompt_tokens, completion_tokens, seconds.

    Example:
        >>> WrittenReport(ChestReport(()), {"fallback": None}).worded
        True
    """

    report: ChestReport
    record: Mapping[str, Any]

    @property
    def worded(self) -> bool:
        """Whether the words are the model's."""
        return self.record["fallback"] is None


@dataclass
class _Account:
    turns: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    model: str = ""
    faults: list[list[str]] = field(default_factory=list)

    def add(self, completion: Completion) -> None:
        self.turns += 1
        self.attempts += completion.attempts
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.seconds += completion.seconds
        self.model = completion.model


class ReportWriter:
    """Has a language model word reports; opened by ``async with``.

    The model gets the facts as JSON and nothing else: no image, no name, no id. Its answer is one sentence a
    fact, each with the fact's number. An answer that leaves a fact out, says one twice, adds a finding, a
    side, a region, a size, a number or an earlier examination, or turns a denial round (`check_wording`) is
    told back once (`pace.repair_turns`); if that does not help, the templates stand in and the record says
    why.

    Args:
        settings: The model and how it is asked.
        reader: Finds what a text says of findings.
        budget: What may be spent; None for the settings' limits.

    Example:
        >>> from gaze_insight.chest.report import compose_report
        >>> writer = ReportWriter(WriterSettings(model="m"))
        >>> body = writer.request(compose_report({"Edema": 0.9}, {"Edema": 0.5}))
        >>> "There is pulmonary edema." in body["messages"][1]["content"]
        True
    """

    def __init__(
        self, settings: WriterSettings, reader: Reader = extract_mentions, budget: Budget | None = None
    ) -> None:
        self.settings, self._reader = settings, reader
        self._client = ChatClient(settings, budget)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    def request(self, report: ChestReport) -> dict[str, Any]:
        """Give the body of the first request about a report, exactly as it is sent.

        Args:
            report: The report.

        Returns:
            Plain values, ready for JSON.
        """
        return self._client.request(
            self._messages(report), response_form(self.settings.answer_format, report)
        )

    async def write(self, report: ChestReport) -> WrittenReport:
        """Have a report worded.

        Args:
            report: Composed by templates; without sentences nothing is asked.

        Returns:
            The report in the model's words, or unchanged with the reason.

        Raises:
            SettingsError: The endpoint cannot be used at all.
        """
        account = _Account()
        if not report.sentences:
            return self._done(report, account, "the report has no sentences")
        try:
            texts = await self._turns(report, account)
        except (UnavailableError, RejectedError, RefusedError) as error:
            account.attempts += error.attempts
            return self._done(report, account, error.message)
        except BudgetSpentError as error:
            return self._done(report, account, error.message)
        if isinstance(texts, str):
            return self._done(report, account, texts)
        return self._done(report.with_texts(texts, account.model), account, None)

    async def _turns(self, report: ChestReport, account: _Account) -> dict[int, str] | str:
        """The texts by sentence id, or why there are none."""
        messages = self._messages(report)
        form = response_form(self.settings.answer_format, report)
        while True:
            completion = await self._client.complete(messages, form)
            account.add(completion)
            if completion.refusal is not None:
                return f"the model declines: {completion.refusal}"
            told, faults = read_answer(completion.text)
            faults = faults or list(check_wording(report, told, self._reader))
            if not faults:
                return dict(told)
            account.faults.append(faults)
            if account.turns > self.settings.pace.repair_turns:
                return f"the answer says something else than the facts: {'; '.join(faults)}"
            messages = [*messages, *repair_turn(faults, completion.text)]

    def _messages(self, report: ChestReport) -> list[dict[str, Any]]:
        return writing_messages(facts_of(report), self.settings.answer_format)

    def _done(self, report: ChestReport, account: _Account, fallback: str | None) -> WrittenReport:
        settings = self.settings
        record = {
            "asked_model": settings.model,
            "model": account.model,
            "endpoint": address_of(settings.endpoint),
            **prompt_record(),
            "temperature": settings.temperature,
            "seed": settings.seed,
            "turns": account.turns,
            "faults": account.faults,
            "fallback": fallback,
            "attempts": account.attempts,
            "prompt_tokens": account.prompt_tokens,
            "completion_tokens": account.completion_tokens,
            "seconds": round(account.seconds, 3),
        }
        return WrittenReport(report, record)


def facts_of(report: ChestReport) -> list[dict[str, Any]]:
    """List the facts of a report as a model is told them; nothing in them names a case.

    Args:
        report: The report.

    Returns:
        One object a sentence: fact, section, finding_in_words, certainty, side, regions, template.

    Example:
        >>> from gaze_insight.chest.report import compose_report
        >>> fact = facts_of(compose_report({"Edema": 0.9}, {"Edema": 0.5}))[0]
        >>> fact["fact"], fact["finding_in_words"], fact["certainty"]
        (1, 'pulmonary edema', 'definite')
    """
    return [_fact(one) for one in report.sentences]


def _fact(sentence: ReportSentence) -> dict[str, Any]:
    regions: list[str] = []
    where = sentence.grounding
    if where is not None and where.provenance in ("attention", "box") and sentence.section == "findings":
        known = RegionSet("imagenome29")
        spoken = {known[one.name].spoken: None for one in where.regions}
        regions = [one for one in spoken if one in sentence.text]
    named = sentence.finding is not None and sentence.certainty is not None
    fact: dict[str, Any] = {"fact": sentence.id, "section": sentence.section}
    if named:
        fact["finding_in_words"] = prior_of(sentence.finding or "").noun
        fact["certainty"] = sentence.certainty
        fact["side"] = None if where is None else where.side
        fact["regions"] = regions
    return fact | {"template": sentence.text}


def write_reports(
    reports: Sequence[ChestReport],
    settings: WriterSettings,
    *,
    reader: Reader = extract_mentions,
    progress: Progress = silent,
) -> list[WrittenReport]:
    """Have reports worded, several at a time; works in a notebook, too.

    Args:
        reports: Composed by templates.
        settings: The model and how it is asked.
        reader: Finds what a text says of findings.
        progress: Receives progress in reports.

    Returns:
        One for each, in the same order.

    Raises:
        SettingsError: The endpoint cannot be used at all.

    Example:
        >>> write_reports([], WriterSettings(model="m"))
        []
    """
    if not reports:
        return []
    work = _write_all(reports, settings, reader, progress)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "writing") as thread:
        return thread.submit(asyncio.run, work).result()


async def _write_all(
    reports: Sequence[ChestReport], settings: WriterSettings, reader: Reader, progress: Progress
) -> list[WrittenReport]:
    gate = asyncio.Semaphore(settings.pace.concurrency)
    done = 0

    async def one(report: ChestReport) -> WrittenReport:
        nonlocal done
        async with gate:
            written = await writer.write(report)
        done += 1
        progress("wording reports", done, len(reports))
        return written

    async with ReportWriter(settings, reader) as writer:
        tasks = [asyncio.ensure_future(one(report)) for report in reports]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
