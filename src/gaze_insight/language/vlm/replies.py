"""The chat-completions protocol: what is read out of a server's answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gaze_insight.language.vlm.answer_fields import shortened
from gaze_insight.language.vlm.faults import AttemptError, what_it_said

__all__ = ["Reply", "read_reply"]

_LONGEST_NAME = 200
_LONGEST_REFUSAL = 500


@dataclass(frozen=True)
class Reply:
    """A server's answer to one request.

    Args:
        text: What the model wrote; "" where it wrote nothing.
        refusal: Why it declines, where it says so in the field of that name or a filter cut it off.
        finish_reason: "stop", "length", ..., as the server names it; "" where it does not say.
        model: The model's name, as the server gives it; "" where it does not.
        prompt_tokens: Tokens of the prompt; None where the server does not say.
        completion_tokens: Tokens of the answer; likewise.

    Example:
        >>> Reply("{}").finish_reason
        ''
    """

    text: str
    refusal: str | None = None
    finish_reason: str = ""
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def read_reply(body: bytes, secret: str | None = None) -> Reply:
    """Read the body of an answer with status 200.

    Args:
        body: JSON: ``{"choices": [{"message": {"content": ..}, "finish_reason": ..}], "model": ..,
            "usage": {..}}``; the content is text or a list of parts of which the texts are joined.
        secret: The key, blotted out where a message about a wrong body repeats it.

    Returns:
        What it says.

    Raises:
        AttemptError: It is not JSON, or not this protocol.

    Example:
        >>> read_reply(b'{"choices": [{"message": {"content": "hello"}}], "usage": {"prompt_tokens": 3}}')
        Reply(text='hello', refusal=None, finish_reason='', model='', prompt_tokens=3, completion_tokens=None)
        >>> read_reply(b'{"error": {"message": "overloaded"}}')
        Traceback (most recent call last):
        ...
        gaze_insight.language.vlm.faults.AttemptError: the server answered 200 with an error: overloaded
    """
    try:
        record = json.loads(body)
    except ValueError as error:
        raise AttemptError(f"the answer is not JSON: {_begin_of(body, secret)}", sent=True) from error
    if isinstance(record, dict) and record.get("error"):
        said = what_it_said(json.dumps(record), secret).text
        raise AttemptError(f"the server answered 200 with an error: {said}", sent=True)
    try:
        choice = record["choices"][0]
        message = choice["message"]
        text = _text(message.get("content"))
        refusal, finish = message.get("refusal"), str(choice.get("finish_reason") or "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        begin = _begin_of(body, secret)
        raise AttemptError(f"the answer holds no choices[0].message: {begin}", sent=True) from error
    if not refusal and finish == "content_filter":
        refusal = "the server's filter cut the answer off"
    usage = record.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        text,
        shortened(refusal, _LONGEST_REFUSAL) if refusal else None,
        shortened(finish, _LONGEST_NAME),
        shortened(str(record.get("model") or ""), _LONGEST_NAME),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _begin_of(body: bytes, secret: str | None) -> str:
    return repr((body.replace(secret.encode(), b"***") if secret else body)[:80])


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _count(value: Any) -> int | None:
    """Zero prompt tokens are what servers without a count report."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
