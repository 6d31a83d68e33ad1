"""What can go wrong between a request and its answer, and which of it is worth another try."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from gaze_insight.errors import DataError, SettingsError, StoppedError
from gaze_insight.language.vlm.answer_fields import writable
from gaze_insight.language.vlm.settings import PaceSettings
from gaze_insight.retry_after import retry_after_s

__all__ = [
    "AskingStoppedError",
    "AttemptError",
    "Denial",
    "EndpointError",
    "RefusedError",
    "RejectedError",
    "UnavailableError",
    "backoff_s",
    "check_status",
    "what_it_said",
]

_RETRIED = frozenset({408, 409, 425, 429})
_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_FILTERED = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_LONGEST_QUOTE = 300
_REMEDIES = {
    401: "check the key: api_key_env names the environment variable that holds it",
    402: "the account has no credit left",
    403: "the key may not use this model, or the server allows no access from here",
    404: "check the endpoint (it usually ends in /v1) and the model's name",
    405: "check the endpoint: it usually ends in /v1",
    407: "the proxy wants credentials: put them into HTTPS_PROXY, or name the server in NO_PROXY",
}


class AttemptError(Exception):
    """One try failed in a way that another may not.

    Args:
        reason: In words.
        wait_s: How long the server asks to wait; None where it does not say.
        sent: Whether the server may have worked on the request.
        reached: Whether there was a connection at all.
    """

    def __init__(
        self, reason: str, wait_s: float | None = None, *, sent: bool = False, reached: bool = True
    ) -> None:
        super().__init__(reason)
        self.wait_s, self.sent, self.reached = wait_s, sent, reached


class _OneRequestError(DataError):
    """One request failed; others may succeed."""

    attempts = 1


class UnavailableError(_OneRequestError):
    """The tries of one request are used up; `attempts` counts them."""


class RejectedError(_OneRequestError):
    """The server finds a request itself wrong; it is not sent again."""


class RefusedError(_OneRequestError):
    """A filter of the server declines a request for what it contains."""


class EndpointError(SettingsError):
    """No request can succeed: a wrong key, address or model, or no credit."""


class AskingStoppedError(StoppedError):
    """Somebody asked to stop while a request waited for its next try."""


@dataclass(frozen=True)
class Denial:
    """What a server says about a request that it does not serve.

    Args:
        text: In its words, shortened; "" where it says nothing.
        code: Its own name of the fault, if any.

    Example:
        >>> Denial("no such model", "model_not_found").code
        'model_not_found'
    """

    text: str
    code: str


def what_it_said(body: str, secret: str | None = None) -> Denial:
    """Find a server's words in the body of an error.

    Args:
        body: JSON as ``{"error": {"message": .., "code": ..}}`` (OpenAI, vLLM, llama.cpp),
            ``{"error": ".."}``, ``{"detail": ..}`` (FastAPI), or any text.
        secret: The key, blotted out wherever the server repeats it.

    Returns:
        Its words on one line, at most 300 characters.

    Example:
        >>> what_it_said('{"error": {"message": "no such model", "code": 404}}')
        Denial(text='no such model', code='404')
        >>> what_it_said("<html>bad gateway</html>").text
        '<html>bad gateway</html>'
        >>> what_it_said('{"error": "wrong key abc"}', secret="abc").text
        'wrong key ***'
    """
    code, text = "", body
    try:
        record = json.loads(body)
    except ValueError:
        record = None
    if isinstance(record, dict):
        found: Any = record.get("error") or record
        if isinstance(found, dict):
            code = str(found.get("code") or found.get("type") or "")
            found = found.get("message") or found.get("detail") or found
        text = found if isinstance(found, str) else json.dumps(found)
    if secret:
        text, code = text.replace(secret, "***"), code.replace(secret, "***")
    line = " ".join(writable(text).split())
    return Denial(line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}...", code)


def check_status(status: int, headers: Mapping[str, str], body: str, secret: str | None = None) -> None:
    """Accept status 200, and sort every other one.

    Args:
        status: The status of the answer.
        headers: Its headers; a mapping that ignores case.
        body: Its body.
        secret: The key, which no message repeats.

    Raises:
        AttemptError: 408, 409, 425, 429 and 5xx: another try may succeed.
        EndpointError: 401, 402, 403, 404, 405, 407, a redirect, or an account without credit: none will.
        RefusedError: A filter declines the content.
        RejectedError: Any other 4xx: this request is wrong.

    Example:
        >>> check_status(200, {}, "")
        >>> check_status(404, {}, '{"error": "no model llava"}')
        Traceback (most recent call last):
        ...
        gaze_insight.language.vlm.faults.EndpointError: the server answered 404: no model llava
          -> check the endpoint (it usually ends in /v1) and the model's name
    """
    if status == 200:
        return
    denial = what_it_said(body, secret)
    message = f"the server answered {status}" + (f": {denial.text}" if denial.text else "")
    if denial.code in _OUT_OF_CREDIT:
        raise EndpointError(message, remedy=_REMEDIES[402])
    if denial.code in _FILTERED:
        raise RefusedError(message)
    if status in _RETRIED or status >= 500:
        raise AttemptError(message, retry_after_s(headers))
    if status in _REMEDIES:
        raise EndpointError(message, remedy=_REMEDIES[status])
    if status < 400:
        target = what_it_said(headers.get("location", "it does not say"), secret).text
        raise EndpointError(
            f"the server answered {status} and sends elsewhere: {target}",
            remedy="if you trust that address name it as the endpoint; redirects are not followed",
        )
    raise RejectedError(
        message,
        remedy="if it cannot constrain answers try answer_format json_object_schema, json_object or text; "
        "see docs/language.md",
    )


def backoff_s(attempt: int, pace: PaceSettings, random: Random) -> float:
    """Draw a wait: uniform from 0 to ``min(backoff_max_s, backoff_s x 2^(attempt - 1))`` ("full jitter").

    Many clients that failed together then do not come back together. Source: M. Brooker, "Exponential backoff
    and jitter", AWS Architecture Blog, 2015.

    Args:
        attempt: The number of the try that failed, from 1.
        pace: Its settings.
        random: What draws.

    Returns:
        Seconds.

    Example:
        >>> waits = [backoff_s(3, PaceSettings(), Random(seed)) for seed in range(100)]
        >>> 0 <= min(waits) < 0.5 and 3.5 < max(waits) <= 4
        True
    """
    return random.uniform(0.0, min(pace.backoff_max_s, pace.backoff_s * 2.0 ** min(attempt - 1, 60)))
