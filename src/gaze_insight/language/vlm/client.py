"""A client of the OpenAI chat-completions protocol that survives what servers and networks do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self

from gaze_insight.errors import GazeInsightError
from gaze_insight.language.vlm.budget import Budget, estimate_text, expected_tokens
from gaze_insight.language.vlm.connection import connect, read_key, sort_transport_error
from gaze_insight.language.vlm.faults import (
    AskingStoppedError,
    AttemptError,
    EndpointError,
    RefusedError,
    RejectedError,
    UnavailableError,
    backoff_s,
    check_status,
)
from gaze_insight.language.vlm.replies import Reply, read_reply
from gaze_insight.language.vlm.settings import VlmSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["ChatClient", "Completion"]


@dataclass(frozen=True)
class Completion:
    """What a model answered.

    Args:
        text: What it wrote.
        refusal: Why it declines; None where it does not.
        finish_reason: Why it ended, as the server names it: "stop", "length", ...
        model: Its name as the server gives it; the asked one where the server gives none.
        prompt_tokens: Tokens of the prompt, as reported or estimated.
        completion_tokens: Tokens of the answer, likewise.
        seconds: From sending the request that was answered to its answer.
        attempts: Requests that it took.
        estimated: Whether the tokens are an estimate.

    Example:
        >>> Completion("{}", None, "stop", "m", 900, 60, 1.5, 1).estimated
        False
    """

    text: str
    refusal: str | None
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    attempts: int
    estimated: bool = False


class ChatClient:
    """Asks one server, from any number of tasks of one event loop.

    A request is tried again, after exponential backoff with full jitter, on 408, 409, 425, 429 and 5xx, when
    time runs out, when the connection fails or is cut, and when the answer is not the protocol's JSON. Where
    the server says how long to wait (Retry-After), all tasks of the client wait that long. A server that was
    never reached is given up after `reach_s`: then nobody is there, or the address is wrong.

    Args:
        settings: The endpoint, the model, and how patient.
        budget: What may be spent; None for the settings' limits.
        random: Draws the waits.

    Example:
        >>> client = ChatClient(VlmSettings(model="m", seed=3))
        >>> client.request([{"role": "user", "content": "hello"}])["seed"]
        3
    """

    def __init__(
        self, settings: VlmSettings, budget: Budget | None = None, *, random: Random | None = None
    ) -> None:
        self.settings = settings
        self.budget = budget or Budget(settings.budget, settings.price)
        self._random = random or Random()
        self._url = f"{settings.endpoint}/chat/completions"
        self._http: httpx.AsyncClient | None = None
        self._stopping = asyncio.Event()
        self._closed_until = 0.0
        self._first_try: float | None = None
        self._reached = False
        self._key: str | None = None

    async def __aenter__(self) -> Self:
        self._key = read_key(self.settings.api_key_env)
        self._stopping, self._closed_until = asyncio.Event(), 0.0
        self._first_try, self._reached = None, False
        self._http = connect(self.settings, self._key)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._http, self._key = None, None

    def stop(self) -> None:
        """End all waiting between tries; requests under way go on.

        Example:
            >>> ChatClient(VlmSettings(model="m")).stop()
        """
        self._stopping.set()

    def request(
        self, messages: Sequence[dict[str, Any]], response_format: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make the body of a request, exactly as it is sent.

        Args:
            messages: The messages of the chat.
            response_format: How the answer's form is asked for; None for words alone.

        Returns:
            Plain values, ready for JSON.
        """
        settings = self.settings
        body: dict[str, Any] = {"model": settings.model, "messages": list(messages)}
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.seed is not None:
            body["seed"] = settings.seed
        body[settings.max_tokens_field] = settings.max_tokens
        if response_format is not None:
            body["response_format"] = response_format
        return body | settings.extra

    async def complete(
        self, messages: Sequence[dict[str, Any]], response_format: dict[str, Any] | None = None
    ) -> Completion:
        """Ask, and try again where that may help.

        Args:
            messages: The messages of the chat.
            response_format: How the answer's form is asked for; None for words alone.

        Returns:
            The answer.

        Raises:
            UnavailableError: The tries are used up.
            RejectedError: The server finds the request wrong.
            RefusedError: A filter of the server declines it.
            EndpointError: No request can succeed: wrong key, address or model.
            BudgetSpentError: Another request would exceed the budget.
            AskingStoppedError: `stop` was called while the request waited.
        """
        body = json.dumps(self.request(messages, response_format)).encode()
        expected = expected_tokens(messages, self.settings.price.picture_tokens)
        attempt = 1
        if self._first_try is None:
            self._first_try = time.monotonic()
        while True:
            await self._wait_for_the_server()
            try:
                return await self._attempt(body, expected, attempt)
            except AttemptError as error:
                self._note_failure(error, attempt)
            except (RefusedError, RejectedError) as error:
                error.attempts = attempt
                raise
            wait = backoff_s(attempt, self.settings.pace, self._random)
            await self._wait(wait if self._reached else min(wait, self._patience_left()))
            attempt += 1

    def _patience_left(self) -> float:
        """Seconds in which a server that was never reached is still tried."""
        begun = time.monotonic() if self._first_try is None else self._first_try
        return max(0.0, begun + self.settings.pace.reach_s - time.monotonic())

    def _note_failure(self, error: AttemptError, attempt: int) -> None:
        pace = self.settings.pace
        used_up = attempt >= pace.attempts
        self._reached |= error.reached
        if not self._reached and (used_up or not self._patience_left()):
            raise EndpointError(
                str(error),
                remedy="start the server, or check the endpoint and the proxies that the environment names",
            ) from error
        if used_up:
            spent = UnavailableError(
                f"{error} ({attempt} tries)", remedy="run the command again: what is done is kept"
            )
            spent.attempts = attempt
            raise spent from error
        if error.wait_s is not None:
            until = time.monotonic() + min(error.wait_s, pace.retry_after_max_s)
            self._closed_until = max(self._closed_until, until)

    async def _attempt(self, body: bytes, expected: int, attempt: int) -> Completion:
        reservation = await self.budget.reserve(expected, self.settings.max_tokens)
        taken: tuple[int | None, int | None] = (None, None)
        estimated = False
        try:
            started = time.monotonic()
            reply = await self._send(body)
            seconds = time.monotonic() - started
            answered, estimated = reply.completion_tokens, reply.completion_tokens is None
            if answered is None:
                answered = estimate_text(reply.text or reply.refusal or "")
            taken = (reply.prompt_tokens, answered)
        except AttemptError as error:
            taken = (None, None) if error.sent else (0, 0)
            raise
        except GazeInsightError:
            taken = (0, 0)
            raise
        finally:
            self.budget.settle(reservation, *taken, estimated=estimated)
        return Completion(
            reply.text,
            reply.refusal,
            reply.finish_reason,
            reply.model or self.settings.model,
            reservation.prompt_tokens if reply.prompt_tokens is None else reply.prompt_tokens,
            answered,
            seconds,
            attempt,
            estimated or reply.prompt_tokens is None,
        )

    async def _send(self, body: bytes) -> Reply:
        import httpx

        if self._http is None:
            raise RuntimeError("a ChatClient is used inside 'async with'")
        limit = self.settings.pace.timeout_s
        try:
            async with asyncio.timeout(limit):
                response = await self._http.post(self._url, content=body)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise sort_transport_error(error, self._url, limit) from error
        self._reached = True
        if response.status_code != 200:
            check_status(response.status_code, response.headers, response.text, self._key)
        return read_reply(response.content, self._key)

    async def _wait_for_the_server(self) -> None:
        """Wait while the server asked all to; those who waited come back spread over one backoff."""
        while (left := self._closed_until - time.monotonic()) > 0:
            await self._wait(left + self._random.uniform(0.0, self.settings.pace.backoff_s))

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise AskingStoppedError("stopped while a request waited for its next try")
