"""A question to a model about one case, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from gaze_insight.language.schema import Description

__all__ = ["Asked", "Asker", "Failure", "FailureKind", "Question"]

FailureKind = Literal["refused", "invalid", "rejected", "unavailable"]


@dataclass(frozen=True)
class Question:
    """What is sent about one case; nothing in `messages` names the case.

    Args:
        case_id: The case's id; it stays on this machine.
        messages: The messages of the chat, pictures as data URLs.
        response_format: How the answer's form is asked for; None for words alone.
        image_sha256: Checksum of the picture as it is sent; "" for a prompt without pictures.
        image_px: Width and height of that picture; (0, 0) without.

    Example:
        >>> Question("a", ({"role": "user", "content": "?"},)).response_format is None
        True
    """

    case_id: str
    messages: tuple[dict[str, Any], ...]
    response_format: dict[str, Any] | None = None
    image_sha256: str = ""
    image_px: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Failure:
    """Why a case got no description.

    Args:
        kind: "refused": the model or the server's filter declined; "invalid": no valid answer, not even after
            the repair turns; "rejected": the server found the request wrong; "unavailable": the tries are
            used up.
        reason: In words.

    Example:
        >>> Failure("refused", "I cannot help with that").for_good
        True
    """

    kind: FailureKind
    reason: str

    @property
    def for_good(self) -> bool:
        """Whether the same question would fail again: then the failure is worth storing.

        Example:
            >>> Failure("unavailable", "no answer in 300 s").for_good
            False
        """
        return self.kind in ("refused", "invalid")


@dataclass(frozen=True)
class Asked:
    """What became of a question.

    Args:
        case_id: The case's id.
        description: The description, or None with a `failure`.
        provenance: How it came about, ready for JSON (see `VlmDescriber.ask`).
        failure: Why there is none.

    Example:
        >>> Asked("a", None, {}, Failure("unavailable", "no answer")).failure.kind
        'unavailable'
    """

    case_id: str
    description: Description | None
    provenance: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


class Asker(Protocol):
    """Who puts questions to a model; opened and closed by ``async with`` in the loop that uses it."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def ask(self, question: Question) -> Asked:
        """Put one question; a case that fails is a result, an error stops everything.

        Args:
            question: The question.

        Returns:
            What became of it.

        Raises:
            BudgetSpent: Another request would exceed the budget.
            SettingsError: The endpoint cannot be used at all.
        """
        ...

    def stop(self) -> None:
        """End all waiting between tries (`AskingStoppedError`); requests under way go on."""
        ...
