"""The part of a file that has arrived so far, with what makes it safe to go on from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.downloads.answer import Answer
from gaze_insight.errors import DataError

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["PART_SUFFIX", "PartFile"]

PART_SUFFIX = ".part"

_BLOCK = 1 << 20


class PartFile:
    """``NAME.part`` beside its target, and ``NAME.part.json`` about the version that it is of.

    A part without a mark of its version (a strong ETag or Last-Modified) is never gone on from: nobody
    could tell whether the rest belongs to it.

    Args:
        target: The file that it shall become.
        url: Where it comes from; a part from elsewhere is dropped.

    Attributes:
        size: Bytes that are there.
        inherited: Those of them that an earlier process left.
        joined: Whether they came in more than one piece.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.target, self.url = target, url
        self.path = target.with_name(target.name + PART_SUFFIX)
        self._facts_path = target.with_name(target.name + PART_SUFFIX + ".json")
        self._facts = self._read_facts()
        self.size = self.path.stat().st_size if self.path.exists() else 0
        self.inherited, self.joined = self.size, self.size > 0
        if self.size and (self._facts.get("url") != url or self._validator() is None):
            self.restart()

    def request_headers(self) -> dict[str, str]:
        """Give the headers of the next request: the bytes as stored, and only what is missing.

        Returns:
            Headers by name.
        """
        headers = {"Accept-Encoding": "identity", "User-Agent": "gaze-insight"}
        validator = self._validator()
        if self.size and validator is not None:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": validator}
        return headers

    def fits(self, answer: Answer) -> bool:
        """Say whether an answer goes on with the version that is here.

        Args:
            answer: The server's answer.

        Returns:
            True for a beginning, too.
        """
        if answer.start == 0:
            return True
        same_mark = answer.etag in (None, self._facts.get("etag"))
        same_size = answer.total in (None, self._facts.get("total") or answer.total)
        return same_mark and same_size

    def remember(self, etag: str | None, last_modified: str | None, total: int | None) -> None:
        """Note the version that the server sends, before its bytes are stored.

        Args:
            etag: Its mark.
            last_modified: Time of its last change.
            total: Size of the whole file.
        """
        facts = {"url": self.url, "etag": etag, "last_modified": last_modified, "total": total}
        if facts != self._facts:
            self._facts = facts
            write_text_atomic(self._facts_path, json.dumps(facts, indent=2) + "\n")

    def digest(self) -> _Hash:
        """Start a sha256 with the bytes that are here.

        Returns:
            The running checksum.
        """
        digest = hashlib.sha256()
        if self.size:
            with self.path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        return digest

    @contextmanager
    def appending(self) -> Iterator[BinaryIO]:
        """Open the part behind its last byte, unbuffered: a killed process loses nothing that it counted.

        Yields:
            The stream.
        """
        self.joined = self.joined or self.size > 0
        with self.path.open("ab", buffering=0) as stream:
            yield stream

    def restart(self) -> None:
        """Drop the bytes that are here."""
        self.path.unlink(missing_ok=True)
        self.size, self.inherited, self.joined = 0, 0, False

    def discard(self) -> None:
        """Drop the bytes and what is known of them."""
        self.restart()
        self._facts_path.unlink(missing_ok=True)
        self._facts = {}

    def finish(self) -> None:
        """Force the bytes to the disk and move them to the target, in one step.

        Raises:
            DataError: The disk refuses.
        """
        try:
            self.path.touch()
            with self.path.open("rb+") as stream:
                os.fsync(stream.fileno())
            self.path.replace(self.target)
        except OSError as error:
            raise DataError(f"cannot write: {error.strerror or error}", path=self.target) from error
        self._facts_path.unlink(missing_ok=True)

    def _validator(self) -> str | None:
        etag: str | None = self._facts.get("etag")
        if etag and not etag.startswith("W/"):
            return etag
        changed: str | None = self._facts.get("last_modified")
        return changed or None

    def _read_facts(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._facts_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
