"""What the headers of an HTTP answer say about a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Answer", "read_answer"]

_WHOLE = re.compile(r"bytes \*/(\d+)$")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


@dataclass(frozen=True)
class Answer:
    """What a server said it sends.

    Args:
        start: Offset of the first byte that it sends; -1 where it does not say it understandably.
        total: Size of the whole file, if stated.
        etag: Mark of the version, if stated.
        last_modified: Time of the last change, as stated.
    """

    start: int
    total: int | None
    etag: str | None
    last_modified: str | None


def read_answer(status: int, headers: Mapping[str, str]) -> Answer:
    """Read the headers of an answer (RFC 9110, sections 8.6, 14.4 and 15.5.17).

    Args:
        status: 200 (all), 206 (a part) or 416 (nothing beyond what was asked for).
        headers: By name; a mapping that ignores case.

    Returns:
        What they say.

    Example:
        >>> read_answer(206, {"content-range": "bytes 5-9/10", "etag": '"v1"'})
        Answer(start=5, total=10, etag='"v1"', last_modified=None)
        >>> read_answer(200, {"content-length": "10"}).total
        10
        >>> read_answer(416, {"content-range": "bytes */10"}).start
        10
    """
    etag, changed = headers.get("etag"), headers.get("last-modified")
    if status == 206:
        found = _RANGE.match(headers.get("content-range", "").strip())
        if found is None:
            return Answer(-1, None, etag, changed)
        total = None if found[3] == "*" else int(found[3])
        return Answer(int(found[1]), total, etag, changed)
    if status == 416:
        whole = _WHOLE.match(headers.get("content-range", "").strip())
        size = -1 if whole is None else int(whole[1])
        return Answer(size, None if whole is None else size, etag, changed)
    length = headers.get("content-length", "")
    plain = length.isdigit() and headers.get("content-encoding", "identity") == "identity"
    return Answer(0, int(length) if plain else None, etag, changed)
