"""What a call may spend: asked for before each request, settled after it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gaze_insight.errors import GazeInsightError
from gaze_insight.language.vlm.settings import BudgetSettings, PriceSettings

__all__ = ["Budget", "BudgetSpentError", "Reservation", "Spending", "estimate_text", "expected_tokens"]

_CHARACTERS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4


class BudgetSpentError(GazeInsightError):
    """Another request would exceed the budget; nothing was sent."""


@dataclass(frozen=True)
class Spending:
    """What has been spent so far.

    Args:
        requests: HTTP requests, failed ones included.
        prompt_tokens: Tokens of the prompts.
        completion_tokens: Tokens of the answers.
        cost: Money, in the currency of the prices.
        estimated: Requests whose tokens are an estimate, because the server reported none.

    Example:
        >>> Spending().tokens
        0
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    estimated: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers together.

        Example:
            >>> Spending(prompt_tokens=2, completion_tokens=3).tokens
            5
        """
        return self.prompt_tokens + self.completion_tokens


@dataclass(eq=False)
class Reservation:
    """What one request is expected to take at most.

    Args:
        prompt_tokens: Tokens of its prompt.
        completion_tokens: Longest answer, in tokens.
        estimate: The estimate of the prompt before it was corrected by what the server reported so far.

    Example:
        >>> Reservation(900, 400, 900).tokens
        1300
    """

    prompt_tokens: int
    completion_tokens: int
    estimate: int

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer together.

        Example:
            >>> Reservation(1, 2, 1).tokens
            3
        """
        return self.prompt_tokens + self.completion_tokens


def estimate_text(text: str) -> int:
    """Estimate the tokens of a text: one for four characters, the usual rule for English.

    Args:
        text: Any text.

    Returns:
        Tokens, rounded up.

    Example:
        >>> estimate_text("twelve chars"), estimate_text("")
        (3, 0)
    """
    return math.ceil(len(text) / _CHARACTERS_A_TOKEN)


def expected_tokens(messages: Iterable[Mapping[str, Any]], picture_tokens: int) -> int:
    """Estimate the tokens of a prompt: its texts, four for each message, and a fixed number for a picture.

    Args:
        messages: The messages of the chat.
        picture_tokens: Tokens of one picture.

    Returns:
        Tokens.

    Example:
        >>> parts = [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": "x"}}]
        >>> expected_tokens([{"role": "user", "content": parts}], 765)
        772
    """
    total = 0
    for message in messages:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        total += _TOKENS_A_MESSAGE
        for part in parts:
            total += estimate_text(part.get("text", "")) if part.get("type") == "text" else picture_tokens
    return total


class Budget:
    """Keeps the account of requests, tokens and money for all workers of one event loop.

    A request is let through while what is spent, what is reserved for requests under way, and what it may
    take itself stay within every limit. Where only the reserved part is in the way it waits: most requests
    take less than they might. What a server reports is what counts; its ratio to the estimates corrects the
    estimates to come. A server that reports nothing is charged by the estimates.

    Args:
        limits: None for no limits.
        price: None for a model that costs nothing.

    Example:
        >>> async def ask() -> int:
        ...     budget = Budget(BudgetSettings(tokens=1000))
        ...     budget.settle(await budget.reserve(300, 400), 310, 90)
        ...     return budget.spent.tokens
        >>> asyncio.run(ask())
        400
    """

    def __init__(self, limits: BudgetSettings | None = None, price: PriceSettings | None = None) -> None:
        self.limits, self.price = limits or BudgetSettings(), price or PriceSettings()
        self._requests = self._prompt = self._completion = self._estimated = 0
        self._under_way: set[Reservation] = set()
        self._reported = self._foretold = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def spent(self) -> Spending:
        """What has been spent; requests under way count, their tokens do not yet.

        Example:
            >>> Budget().spent.cost
            0.0
        """
        cost = self.price.cost(self._prompt, self._completion)
        return Spending(self._requests, self._prompt, self._completion, cost, self._estimated)

    async def reserve(self, prompt_tokens: int, completion_tokens: int) -> Reservation:
        """Ask to send one request; it may wait for others to end.

        Args:
            prompt_tokens: Estimated tokens of its prompt.
            completion_tokens: Longest answer, in tokens.

        Returns:
            The reservation, to be settled whatever comes of the request.

        Raises:
            BudgetSpentError: It does not fit, even if all that is under way took nothing more.
        """
        while True:
            ratio = self._reported / self._foretold if self._foretold else 1.0
            wanted = Reservation(math.ceil(prompt_tokens * ratio), completion_tokens, prompt_tokens)
            if self._exceeded(wanted, self._under_way) is None:
                self._requests += 1
                self._under_way.add(wanted)
                return wanted
            hopeless = self._exceeded(wanted, ())
            if hopeless is not None:
                raise BudgetSpentError(f"the budget is spent: {hopeless}", remedy="raise it and run again")
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled

    def settle(
        self,
        reservation: Reservation,
        prompt_tokens: int | None,
        answer_tokens: int | None,
        *,
        estimated: bool = False,
    ) -> None:
        """Enter what a request took.

        Args:
            reservation: What `reserve` gave.
            prompt_tokens: Tokens of its prompt as the server reports them; None where it does not: the
                estimate counts.
            answer_tokens: Tokens of its answer, likewise.
            estimated: Whether a number given here is an estimate all the same.

        Example:
            >>> async def cut_off() -> Spending:
            ...     budget = Budget()
            ...     budget.settle(await budget.reserve(10, 20), None, None)
            ...     return budget.spent
            >>> asyncio.run(cut_off())
            Spending(requests=1, prompt_tokens=10, completion_tokens=20, cost=0.0, estimated=1)
        """
        self._under_way.discard(reservation)
        self._estimated += estimated or prompt_tokens is None or answer_tokens is None
        if prompt_tokens:
            self._reported, self._foretold = (
                self._reported + prompt_tokens,
                self._foretold + reservation.estimate,
            )
        self._prompt += reservation.prompt_tokens if prompt_tokens is None else prompt_tokens
        self._completion += reservation.completion_tokens if answer_tokens is None else answer_tokens
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _exceeded(self, wanted: Reservation, others: Iterable[Reservation]) -> str | None:
        """Name the limit that the request would exceed beside the others, with what is spent of it."""
        limits, spent = self.limits, self.spent
        prompt = wanted.prompt_tokens + sum(one.prompt_tokens for one in others)
        answer = wanted.completion_tokens + sum(one.completion_tokens for one in others)
        if limits.requests is not None and self._requests + 1 > limits.requests:
            return f"{self._requests} of {limits.requests} requests sent"
        if limits.tokens is not None and spent.tokens + prompt + answer > limits.tokens:
            return f"{spent.tokens} of {limits.tokens} tokens used, another request may take {wanted.tokens}"
        further = self.price.cost(prompt, answer)
        if limits.cost is not None and spent.cost + further > limits.cost:
            own = self.price.cost(wanted.prompt_tokens, wanted.completion_tokens)
            unit = self.price.currency
            return (
                f"{spent.cost:.4g} of {limits.cost:g} {unit} spent, another request may take {own:.2g} {unit}"
            )
        return None
