"""Descriptions by a vision-language model: the question about a case, its answer, and how it came about."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gaze_insight.errors import DataError, StoppedError
from gaze_insight.language.schema import Description
from gaze_insight.language.vlm.answer_schema import response_format
from gaze_insight.language.vlm.answers import Answer, parse_answer, repair_messages
from gaze_insight.language.vlm.asking import Asked, Failure, FailureKind, Question
from gaze_insight.language.vlm.budget import Budget
from gaze_insight.language.vlm.client import ChatClient, Completion
from gaze_insight.language.vlm.connection import address_of
from gaze_insight.language.vlm.engine import run_questions
from gaze_insight.language.vlm.faults import RefusedError, RejectedError, UnavailableError
from gaze_insight.language.vlm.pictures import encode_pictures
from gaze_insight.language.vlm.prompts import load_prompt, prompt_messages
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.types import ByteArray, FloatArray, Settings

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["VlmDescriber"]

_LONGEST_QUOTE = 200
_KINDS: dict[type[DataError], FailureKind] = {
    UnavailableError: "unavailable",
    RejectedError: "rejected",
    RefusedError: "refused",
}


@dataclass
class _Account:
    """What the turns of one question took together."""

    turns: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = False
    model: str = ""
    finish_reason: str = ""
    mended: list[dict[str, str]] = field(default_factory=list)

    def add(self, completion: Completion) -> None:
        self.turns += 1
        self.attempts += completion.attempts
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.seconds += completion.seconds
        self.estimated |= completion.estimated
        self.model, self.finish_reason = completion.model, completion.finish_reason


class VlmDescriber:
    """Ask a vision-language model to describe each case.

    The model is shown the pictures that the prompt names and nothing else: no id, no file name, no metadata.
    For many cases make a `Question` of each and give them to `run_questions` with this describer.

    Args:
        settings: The model and how it is asked.
        budget: What may be spent; None for the settings' limits.

    Raises:
        SettingsError: No prompt has the name.
        DataError: The prompt's file cannot be read or is wrong.

    Example:
        >>> import numpy as np
        >>> describer = VlmDescriber(VlmSettings(model="m"))
        >>> question = describer.question("case-1", np.zeros((40, 80, 3), np.uint8), None)
        >>> question.image_px, "case-1" in str(describer.request(question))
        ((80, 40), False)
    """

    settings_type: ClassVar[type[Settings]] = VlmSettings
    version: ClassVar[int] = 1
    from_gaze: ClassVar[bool] = False

    def __init__(self, settings: VlmSettings, budget: Budget | None = None) -> None:
        self.settings = settings
        self.budget = budget or Budget(settings.budget, settings.price)
        self.prompt = load_prompt(settings.prompt)
        self._prompt_sha256 = self.prompt.sha256
        self._client = ChatClient(settings, self.budget)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    def stop(self) -> None:
        """End all waiting between tries; requests under way go on.

        Example:
            >>> VlmDescriber(VlmSettings(model="m")).stop()
        """
        self._client.stop()

    def question(self, case_id: str, image: ByteArray, fixations: Fixations | None = None) -> Question:
        """Make what is sent about one case.

        Args:
            case_id: The case's id; it is not sent.
            image: ``(H, W, 3)`` uint8.
            fixations: Where the reader looked; needed by prompts that show it.

        Returns:
            The question.

        Raises:
            DataError: The image is unfit, or the prompt shows gaze and none lies on the image.
        """
        settings = self.settings
        pictures = encode_pictures(self.prompt.pictures, image, fixations, settings.picture)
        first = pictures[0] if pictures else None
        return Question(
            case_id,
            tuple(prompt_messages(self.prompt, pictures, settings.answer_format)),
            response_format(settings.answer_format),
            "" if first is None else first.sha256,
            (0, 0) if first is None else (first.size.width, first.size.height),
        )

    def request(self, question: Question) -> dict[str, Any]:
        """Give the body of the first request about a question, exactly as it is sent.

        Args:
            question: The question.

        Returns:
            Plain values, ready for JSON.
        """
        return self._client.request(question.messages, question.response_format)

    async def ask(self, question: Question) -> Asked:
        """Ask about one case: a request, its answer's check, and at most `repair_turns` turns to mend it.

        Args:
            question: The question.

        Returns:
            The description or the failure, with its provenance: model (as the server names it), asked_model,
            endpoint (without credentials), prompt ("paper@1"), prompt_sha256, temperature, seed,
            answer_format, mended (a list of field, found, taken), repairs, attempts, finish_reason,
            prompt_tokens, completion_tokens, tokens_estimated, seconds, asked_at (UTC), image_px (width,
            height) and image_sha256 of the first picture as sent.

        Raises:
            BudgetSpentError: Another request would exceed the budget.
            AskingStoppedError: `stop` was called while a request waited.
            SettingsError: The endpoint cannot be used at all.
        """
        asked_at = datetime.now(UTC).isoformat(timespec="seconds")
        account, description = _Account(), None
        failure: Failure | None = None
        try:
            description, failure = await self._turns(question, account)
        except (UnavailableError, RejectedError, RefusedError) as error:
            account.attempts += error.attempts
            failure = Failure(_KINDS[type(error)], error.message)
        return Asked(question.case_id, description, self._provenance(question, account, asked_at), failure)

    async def _turns(
        self, question: Question, account: _Account
    ) -> tuple[Description | None, Failure | None]:
        messages = list(question.messages)
        while True:
            completion = await self._client.complete(messages, question.response_format)
            account.add(completion)
            if completion.refusal is not None:
                return None, Failure("refused", completion.refusal)
            answer = parse_answer(completion.text, self.settings.model)
            if answer.description is not None:
                account.mended = [asdict(one) for one in answer.mended]
                return answer.description, None
            if answer.refused:
                return None, Failure("refused", f"the model wrote: {_shortened(completion.text)}")
            if account.turns > self.settings.pace.repair_turns:
                return None, Failure("invalid", self._why_invalid(completion, answer))
            messages += repair_messages(answer.faults, completion.text)

    def _why_invalid(self, completion: Completion, answer: Answer) -> str:
        cut = (
            f"cut off at {self.settings.max_tokens} tokens; " if completion.finish_reason == "length" else ""
        )
        return f"{cut}{'; '.join(answer.faults)}; the model wrote: {_shortened(completion.text)}"

    def _provenance(self, question: Question, account: _Account, asked_at: str) -> dict[str, Any]:
        settings = self.settings
        return {
            "model": account.model,
            "asked_model": settings.model,
            "endpoint": address_of(settings.endpoint),
            "prompt": self.prompt.label,
            "prompt_sha256": self._prompt_sha256,
            "temperature": settings.temperature,
            "seed": settings.seed,
            "answer_format": settings.answer_format,
            "mended": account.mended,
            "repairs": max(0, account.turns - 1),
            "attempts": account.attempts,
            "finish_reason": account.finish_reason,
            "prompt_tokens": account.prompt_tokens,
            "completion_tokens": account.completion_tokens,
            "tokens_estimated": account.estimated,
            "seconds": round(account.seconds, 3),
            "asked_at": asked_at,
            "image_px": list(question.image_px),
            "image_sha256": question.image_sha256,
        }

    def describe(
        self, case_id: str, image: ByteArray, soft: FloatArray, fixations: Fixations | None
    ) -> Description | None:
        """Ask about one case and wait for the answer.

        Args:
            case_id: The case's id; it is not sent.
            image: ``(H, W, 3)`` uint8.
            soft: ``(h, w)`` probability of the lesion; not read.
            fixations: Where the reader looked, if known.

        Returns:
            The description; None where the model declines or gives no valid answer.

        Raises:
            DataError: The server fails or turns the request down, the budget is spent, or the image is unfit.
            SettingsError: The endpoint cannot be used.
            StoppedError: A signal ended it.
        """
        asked: list[Asked] = []
        done = run_questions(
            [self.question(case_id, image, fixations)], self, asked.append, concurrency=1, give_up_after=2
        )
        if done.stopped == "signal":
            raise StoppedError(done.reason)
        if not asked:
            raise DataError(done.reason, remedy="raise the budget")
        failure = asked[0].failure
        if failure is not None and not failure.for_good:
            raise DataError(failure.reason)
        return asked[0].description


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}...")
