"""Asking a model about the cases of a cohort: what is left to ask, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, GazeInsightError, SettingsError, StoppedError
from gaze_insight.language.vlm.asking import Asked, Failure, Question
from gaze_insight.language.vlm.budget import Spending, expected_tokens
from gaze_insight.language.vlm.describer import VlmDescriber
from gaze_insight.language.vlm.engine import run_questions
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.model_answers import AnswerBook, Answers

__all__ = ["AskPlan", "AskReport", "Forecast", "ask_model", "foresee", "plan_asking"]


@dataclass(frozen=True)
class AskPlan:
    """What is known of the cases and what is left to ask.

    Attributes:
        book: Where answers are stored.
        known: What is stored already.
        questions: Key of the answer to the cases that share it, as those with the same picture do.
        kept_back: Case id to why it is never asked about.
        limited: Ids that can be asked about and are left for another time, because of a limit.
    """

    book: AnswerBook
    known: Answers
    questions: dict[str, list[Case]]
    kept_back: dict[str, str]
    limited: list[str]

    @property
    def to_ask(self) -> list[Case]:
        """The first case of each question."""
        return [cases[0] for cases in self.questions.values()]


@dataclass(frozen=True)
class Forecast:
    """What asking would send and take, as far as can be said before.

    Attributes:
        case_id: The case that the first request is about; None where nothing is left to ask.
        request: The body of that request as it is sent, pictures and all.
        prompt_tokens: Estimated tokens of all prompts, without repair turns and further tries.
        completion_tokens: The most that all answers may take.
        cost: The price of both at most, in the currency of the prices.
    """

    case_id: str | None = None
    request: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


@dataclass
class AskReport:
    """What asking did.

    Attributes:
        answers: Descriptions and failures for good, those stored before included.
        from_cache: Cases whose answer was stored before.
        asked: Questions that were put and came to an end, whatever it was.
        unanswered: Case id to why there is no answer; the next call asks again.
        kept_back: Case id to why nobody asks: the file cannot be read or must not be sent.
        left: Ids that nobody asked about: because of the limit, the budget, an error or an interruption.
        spending: Requests, tokens and money of this call.
        stopped: What ended the asking early; None where it came to its end, or an error ended it.
        reason: In words.
        error: The error that ended the asking early.
        seconds: Wall-clock time.
    """

    answers: Answers = field(default_factory=Answers)
    from_cache: int = 0
    asked: int = 0
    unanswered: dict[str, Failure] = field(default_factory=dict)
    kept_back: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    spending: Spending = field(default_factory=Spending)
    stopped: Literal["budget", "signal"] | None = None
    reason: str = ""
    error: GazeInsightError | None = None
    seconds: float = 0.0

    @property
    def mended(self) -> int:
        """Cases in whose answer a near word was taken for one of the vocabulary."""
        return sum(bool(self.answers.provenance[one].get("mended")) for one in self.answers.described)

    def reasons(self) -> dict[str, int]:
        """Count the cases without a description by the kind of their failure.

        Example:
            >>> AskReport(unanswered={"a": Failure("unavailable", "no answer")}).reasons()
            {'unavailable': 1}
        """
        failures = [*self.answers.failed.values(), *self.unanswered.values()]
        return dict(Counter(failure.kind for failure in failures))

    def raise_if_unfinished(self) -> None:
        """Raise what kept the asking from its end; cases left because of a limit are no fault.

        Raises:
            GazeInsightError: The error that ended it, or some cases got no answer.
            StoppedError: The budget was spent or a signal came.

        Example:
            >>> AskReport().raise_if_unfinished()
            >>> AskReport(unanswered={"a": Failure("unavailable", "no answer in 3 s")}).raise_if_unfinished()
            Traceback (most recent call last):
            ...
            gaze_insight.errors.GazeInsightError: 1 case got no answer; first 'a': no answer in 3 s
              -> run the same command again: what is done is kept, and these are asked again
        """
        if self.error is not None:
            raise self.error
        if self.stopped is not None:
            remedy = "raise it and run" if self.stopped == "budget" else "run"
            raise StoppedError(
                f"{self.reason}; {len(self.answers.described)} cases described, {len(self.left)} left",
                remedy=f"{remedy} the same command again: what is done is kept, and only the rest is asked",
            )
        for one, failure in self.unanswered.items():
            count = len(self.unanswered)
            raise GazeInsightError(
                f"{count} case{'' if count == 1 else 's'} got no answer; first {one!r}: {failure.reason}",
                remedy="run the same command again: what is done is kept, and these are asked again",
            )


def plan_asking(
    cohort: Cohort,
    settings: VlmSettings,
    *,
    cases: Iterable[Case] | None = None,
    limit: int | None = None,
    again: bool = False,
) -> AskPlan:
    """Find out what is left to ask; nothing is sent.

    Args:
        cohort: The cohort.
        settings: Who is asked what.
        cases: The cases; None for all.
        limit: The most questions to ask; None for no limit.
        again: Ask again about cases that failed for good.

    Returns:
        The plan.

    Raises:
        SettingsError: No prompt has the name, or a budget in money has no prices.
        DataError: The prompt's file cannot be read.
    """
    if settings.budget.cost is not None and not settings.price.cost(1, 1):
        raise SettingsError(
            f"a budget of {settings.budget.cost:g} {settings.price.currency} needs prices, found none",
            remedy="--set language.describer.price.input_per_million=... and output_per_million=..., "
            "as the provider states them",
        )
    book = AnswerBook(cohort, settings)
    known, questions, kept_back = Answers(), dict[str, list[Case]](), dict[str, str]()
    for case in cohort.cases.values() if cases is None else cases:
        try:
            key = book.key(case)
        except DataError as error:
            kept_back[case.id] = str(error)
            continue
        asked = book.get(key)
        if asked is not None and not (again and asked.description is None):
            known.add(case.id, asked)
        elif (why := book.why_kept_back(case)) is not None:
            kept_back[case.id] = why
        else:
            questions.setdefault(key, []).append(case)
    keys = list(questions)
    later = [] if limit is None else keys[limit:]
    limited = [case.id for key in later for case in questions.pop(key)]
    return AskPlan(book, known, questions, kept_back, limited)


def foresee(settings: VlmSettings, plan: AskPlan) -> Forecast:
    """Make the first request and estimate what all would take; nothing is sent.

    Args:
        settings: Who is asked what.
        plan: What is left to ask.

    Returns:
        The forecast; tokens are those of the first question times their number.

    Raises:
        DataError: The first image cannot be read.
    """
    if not plan.questions:
        return Forecast()
    describer, first = VlmDescriber(settings), plan.to_ask[0]
    question = describer.question(first.id, first.read_image(), first.fixations)
    count, price = len(plan.questions), settings.price
    prompts = count * expected_tokens(question.messages, price.picture_tokens)
    answers = count * settings.max_tokens
    return Forecast(first.id, describer.request(question), prompts, answers, price.cost(prompts, answers))


def ask_model(
    cohort: Cohort,
    settings: VlmSettings,
    *,
    cases: Iterable[Case] | None = None,
    limit: int | None = None,
    again: bool = False,
    progress: Progress = silent,
    watch: Callable[[AskReport], None] = lambda report: None,
) -> AskReport:
    """Ask a model about each case that has no stored answer, and store each answer the moment it is there.

    This is the only place of the package that sends requests about the cases of a cohort. Ended at any
    moment, also by force, the next call goes on: nothing that was finished is asked again. Cases with the
    same picture are asked about once. A refusal and an answer that stays invalid are stored with their
    reason; a case that got no answer is not stored.

    Args:
        cohort: The cohort.
        settings: Who is asked what, how fast, and what it may cost.
        cases: The cases; None for all.
        limit: The most questions to ask; None for no limit.
        again: Ask again about cases that failed for good.
        progress: Receives progress in questions.
        watch: Receives the report so far after each question.

    Returns:
        What was done, also where a signal, the budget or an error ended it; see
        `AskReport.raise_if_unfinished`.

    Raises:
        SettingsError: No prompt has the name, or a budget in money has no prices.
        DataError: The prompt's file cannot be read.
    """
    started = time.monotonic()
    plan = plan_asking(cohort, settings, cases=cases, limit=limit, again=again)
    asking = _Asking(settings, plan, again, progress, watch)
    if plan.questions:
        asking.go()
    report = asking.report
    report.answers.in_order_of(cohort.cases)
    report.left = [case.id for cases in asking.open.values() for case in cases] + plan.limited
    report.spending, report.seconds = asking.describer.budget.spent, time.monotonic() - started
    return report


class _Asking:
    """One pass over the questions of a plan."""

    def __init__(
        self,
        settings: VlmSettings,
        plan: AskPlan,
        again: bool,
        progress: Progress,
        watch: Callable[[AskReport], None],
    ) -> None:
        self.describer = VlmDescriber(settings)
        self.open = dict(plan.questions)
        known = plan.known
        self.report = AskReport(
            known, from_cache=len(known.described) + len(known.failed), kept_back=dict(plan.kept_back)
        )
        self._book, self._again, self._pace = plan.book, again, settings.pace
        self._key_of = {cases[0].id: key for key, cases in plan.questions.items()}
        self._progress, self._watch, self._total = progress, watch, len(plan.questions)

    def go(self) -> None:
        try:
            done = run_questions(
                self._questions(),
                self.describer,
                self._take,
                concurrency=self._pace.concurrency,
                give_up_after=self._pace.give_up_after,
            )
        except GazeInsightError as error:
            self.report.error = error
        else:
            self.report.stopped, self.report.reason = done.stopped, done.reason

    def _questions(self) -> Iterator[Question]:
        """Make the questions one by one, as their turn comes; another process may have asked meanwhile."""
        for key, (case, *others) in list(self.open.items()):
            asked = self._book.get(key)
            if asked is not None and not (self._again and asked.description is None):
                self._settle(key, asked)
                self.report.from_cache += 1 + len(others)
                continue
            try:
                yield self.describer.question(case.id, case.read_image(), case.fixations)
            except DataError as error:
                for one in self.open.pop(key):
                    self.report.kept_back[one.id] = str(error)

    def _take(self, asked: Asked) -> None:
        key = self._key_of[asked.case_id]
        stored = self._book.put(key, asked)
        self.report.asked += 1
        if stored:
            self._settle(key, asked)
        else:
            failure = asked.failure or Failure("unavailable", "no answer")
            for case in self.open.pop(key):
                self.report.unanswered[case.id] = failure
                self.report.answers.provenance[case.id] = asked.provenance
        self.report.spending = self.describer.budget.spent
        self._watch(self.report)
        self._progress("asking", self._total - len(self.open), self._total)

    def _settle(self, key: str, asked: Asked) -> None:
        for case in self.open.pop(key):
            self.report.answers.add(case.id, asked)
