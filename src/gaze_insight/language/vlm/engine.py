"""Thousands of questions, a bounded number at a time; what is finished is handed over at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.vlm.asking import Asked, Asker, Question
from gaze_insight.language.vlm.budget import BudgetSpentError
from gaze_insight.language.vlm.faults import AskingStoppedError

__all__ = ["AskingRun", "OnDone", "Round", "ask_all", "run_questions"]

OnDone = Callable[[Asked], None]
"""Receives each case as soon as it is finished, one after the other."""

_SERVER_FAULTS = ("rejected", "unavailable")


@dataclass(frozen=True)
class Round:
    """What became of the questions.

    Args:
        described: Cases with a description.
        failed: Cases without one, handed over with the reason.
        unfinished: Cases that were begun and not finished; nothing was handed over for them.
        stopped: Why not all were asked: the budget, or a signal; None where all were.
        reason: In words.

    Example:
        >>> Round(described=3).stopped is None
        True
    """

    described: int = 0
    failed: int = 0
    unfinished: int = 0
    stopped: Literal["budget", "signal"] | None = None
    reason: str = ""


class AskingRun:
    """One pass over the questions; made by `ask_all` and `run_questions`.

    Args:
        questions: Read lazily, in a thread of their own, at most `concurrency` ahead.
        ask: Puts one question.
        on_done: Receives each finished case, in the event loop's thread.
        concurrency: Questions under way at once, at least 1.
        give_up_after: Server faults in a row after which all is stopped.
        on_stop: Called once when nothing new shall begin.

    Raises:
        SettingsError: Concurrency or patience is less than 1.
    """

    def __init__(
        self,
        questions: Iterable[Question],
        ask: Callable[[Question], Awaitable[Asked]],
        on_done: OnDone,
        *,
        concurrency: int,
        give_up_after: int = 20,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        if concurrency < 1 or give_up_after < 1:
            raise SettingsError(
                f"concurrency and give_up_after must be at least 1, found {concurrency} and {give_up_after}"
            )
        self._questions, self._ask, self._on_done, self._on_stop = questions, ask, on_done, on_stop
        self._concurrency, self._give_up_after = concurrency, give_up_after
        self._described = self._failed = self._unfinished = self._faults_in_a_row = 0
        self._stopped: Literal["budget", "signal"] | None = None
        self._reason = ""
        self._error: BaseException | None = None
        self._ending = False
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def go(self) -> Round:
        """Ask all, until they are through or something ends it.

        Returns:
            What became of them.

        Raises:
            DataError: Making a question failed, or the server failed too many cases in a row.
            SettingsError: The endpoint cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[Question | None] = asyncio.Queue(self._concurrency)
        producer = asyncio.create_task(self._guarded(self._produce()))
        workers = [asyncio.create_task(self._guarded(self._work())) for _ in range(self._concurrency)]
        self._tasks = [producer, *workers]
        if self._signals:
            self._heed_signal()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._error is not None:
            raise self._error
        return Round(self._described, self._failed, self._unfinished, self._stopped, self._reason)

    def signalled(self) -> None:
        """Take note of a signal, from any thread.

        The first ends the beginning of new questions, the second cuts off those under way.
        """
        self._signals += 1
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heed_signal)

    def _heed_signal(self) -> None:
        if self._stopped is None:
            self._stopped, self._reason = "signal", "stopped on request"
        self._end()
        if self._signals > 1:
            for task in self._tasks[1:]:
                task.cancel()

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Remember the first error of any task and let the others end."""
        try:
            await work
        except Exception as error:
            self._error = self._error or error
            self._end()
            raise

    async def _produce(self) -> None:
        questions = iter(self._questions)
        while (question := await asyncio.to_thread(next, questions, None)) is not None:
            await self._waiting.put(question)
        for _ in range(self._concurrency):
            await self._waiting.put(None)

    async def _work(self) -> None:
        while (question := await self._waiting.get()) is not None:
            try:
                asked = await self._ask(question)
            except BudgetSpentError as spent:
                self._unfinished += 1
                self._stopped, self._reason = self._stopped or "budget", self._reason or spent.message
                self._end()
            except AskingStoppedError:
                self._unfinished += 1
            except BaseException:
                self._unfinished += 1
                raise
            else:
                self._hand_over(asked)

    def _hand_over(self, asked: Asked) -> None:
        self._on_done(asked)
        failure = asked.failure
        self._described += failure is None
        self._failed += failure is not None
        if failure is None or failure.kind not in _SERVER_FAULTS:
            self._faults_in_a_row = 0
            return
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= self._give_up_after and not self._ending:
            raise DataError(
                f"the server failed {self._faults_in_a_row} cases in a row; the last: {failure.reason}",
                remedy="see to the server and run the command again: what is done is kept",
            )

    def _end(self) -> None:
        """Begin nothing new: forget what was read ahead and send the idle workers home."""
        if self._ending:
            return
        self._ending = True
        self._tasks[0].cancel()
        while not self._waiting.empty():
            self._waiting.get_nowait()
        for _ in range(self._concurrency):
            self._waiting.put_nowait(None)
        self._on_stop()


async def ask_all(
    questions: Iterable[Question],
    ask: Callable[[Question], Awaitable[Asked]],
    on_done: OnDone,
    *,
    concurrency: int,
    give_up_after: int = 20,
) -> Round:
    """Put questions, a bounded number at a time.

    One bad answer stops nothing. A budget that is spent ends the beginning of new questions; those under way
    end. So does an error, which is raised when they have ended.

    Args:
        questions: Read lazily, in a thread of their own, at most `concurrency` ahead.
        ask: Puts one question.
        on_done: Receives each finished case, in the event loop's thread, one after the other.
        concurrency: Questions under way at once, at least 1.
        give_up_after: Cases in a row that the server fails or turns down before all is stopped.

    Returns:
        What became of them; all zero for no questions.

    Raises:
        DataError: Making a question failed, or the server failed too many cases in a row.
        SettingsError: The endpoint cannot be used.

    Example:
        >>> async def ask(question: Question) -> Asked:
        ...     return Asked(question.case_id, None)
        >>> seen = []
        >>> asyncio.run(ask_all([Question("a", ()), Question("b", ())], ask, seen.append, concurrency=2))
        Round(described=2, failed=0, unfinished=0, stopped=None, reason='')
    """
    run = AskingRun(questions, ask, on_done, concurrency=concurrency, give_up_after=give_up_after)
    return await run.go()


def run_questions(
    questions: Iterable[Question],
    asker: Asker,
    on_done: OnDone,
    *,
    concurrency: int,
    give_up_after: int = 20,
) -> Round:
    """Put questions from ordinary code; SIGINT and SIGTERM end it cleanly.

    The first signal ends the beginning of new questions and the waiting for new tries; requests under way end
    and are handed over. A second one cuts them off. Signals are caught where this is called in the main
    thread. Works in a notebook, too.

    Args:
        questions: As for `ask_all`.
        asker: Opened and closed here.
        on_done: As for `ask_all`; where an event loop runs already it is called in another thread.
        concurrency: As for `ask_all`.
        give_up_after: As for `ask_all`.

    Returns:
        What became of them.

    Raises:
        DataError: Making a question failed, or the server failed too many cases in a row.
        SettingsError: The endpoint cannot be used.

    Example:
        >>> from gaze_insight.language.vlm.describer import VlmDescriber
        >>> from gaze_insight.language.vlm.settings import VlmSettings
        >>> run_questions([], VlmDescriber(VlmSettings(model="m")), print, concurrency=4).described
        0
    """
    run = AskingRun(
        questions,
        asker.ask,
        on_done,
        concurrency=concurrency,
        give_up_after=give_up_after,
        on_stop=asker.stop,
    )

    async def open_and_go() -> Round:
        async with asker:
            return await run.go()

    with _signals_to(run):
        if not _in_a_loop():
            return asyncio.run(open_and_go())
        with ThreadPoolExecutor(1, "asking") as thread:
            return thread.submit(asyncio.run, open_and_go()).result()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _signals_to(run: AskingRun) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        run.signalled()

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
