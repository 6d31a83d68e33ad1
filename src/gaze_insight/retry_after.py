"""How long a server asks its client to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_s"]


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read how long a server asks to wait, in seconds or until a date (RFC 9110, section 10.2.3).

    Args:
        headers: By name; a mapping that ignores case. OpenAI's ``retry-after-ms`` is read as well.
        now: The present; None for the clock's.

    Returns:
        Seconds, at least 0; None where it does not say understandably.

    Example:
        >>> retry_after_s({"retry-after": "1.5"}), retry_after_s({}), retry_after_s({"retry-after": "soon"})
        (1.5, None, None)
        >>> noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        >>> retry_after_s({"retry-after": "Tue, 01 Jan 2030 12:00:30 GMT"}, noon)
        30.0
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        when = parsedate_to_datetime(headers.get("retry-after", "").strip())
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
