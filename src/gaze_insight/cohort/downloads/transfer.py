"""One file over HTTP, whole or not at all: resumed where it was cut, retried, hashed on the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn
from urllib.parse import urlsplit

from pydantic import Field

from gaze_insight.cohort.downloads.answer import Answer, read_answer
from gaze_insight.cohort.downloads.part_file import PartFile
from gaze_insight.errors import DataError
from gaze_insight.retry_after import retry_after_s
from gaze_insight.types import Progress, Settings, silent

if TYPE_CHECKING:
    import httpx

__all__ = ["ChecksumError", "Transfer", "TransferSettings", "Transferred", "hash_file", "say_nothing"]

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MEGABYTE = 1_000_000


class TransferSettings(Settings):
    """How patient a transfer is."""

    connect_timeout_s: float = Field(20.0, gt=0)
    read_timeout_s: float = Field(60.0, gt=0, description="longest silence of the server")
    retries: int = Field(6, ge=0, description="attempts in a row that bring nothing new before giving up")
    first_wait_s: float = Field(1.0, ge=0, description="wait before the first retry; it doubles")
    longest_wait_s: float = Field(60.0, ge=0)
    longest_asked_wait_s: float = Field(
        600.0, ge=0, description="longest wait that a server may ask for (Retry-After)"
    )


@dataclass(frozen=True)
class Transferred:
    """What arrived.

    Args:
        path: The whole file.
        bytes: Its size.
        sha256: Its checksum, in hexadecimal.
        resumed_from: Bytes that were there already and were not fetched again.
        retries: Attempts beyond the first.
        etag: The server's mark of this version, if it gave one.
        last_modified: When the server says that the file changed, if it does.
    """

    path: Path
    bytes: int
    sha256: str
    resumed_from: int
    retries: int
    etag: str | None
    last_modified: str | None


class ChecksumError(DataError):
    """A file that arrived whole and is not the expected one."""


class _RetryError(Exception):
    """The attempt failed in a way that another may not."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def say_nothing(text: str) -> None:
    """Ignore a message: the default where nobody listens.

    Args:
        text: The message.

    Example:
        >>> say_nothing("the connection was cut")
    """


def hash_file(path: Path) -> str:
    """Compute a file's sha256.

    Args:
        path: The file.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a"
        >>> _ = file.write_bytes(b"")
        >>> hash_file(file)[:8]
        'e3b0c442'
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Transfer:
    """Fetches files, each into its place in one step.

    What has arrived of a file lies in ``NAME.part`` with ``NAME.part.json`` beside it (address, ETag,
    Last-Modified, size). An interrupted transfer goes on there with a range request that holds only for the
    same version of the file (RFC 9110, If-Range); a changed file, or a server without ranges, begins anew.
    Proxies of the environment (HTTPS_PROXY, ...) are used, but never for this machine's own addresses.

    Args:
        settings: How patient; None for the defaults.
        progress: Receives progress in megabytes.
        tell: Receives a line whenever something is tried again.
        sleep: What waits.
    """

    def __init__(
        self,
        settings: TransferSettings | None = None,
        *,
        progress: Progress = silent,
        tell: Callable[[str], None] = say_nothing,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings or TransferSettings()
        self._progress, self._tell, self._sleep = progress, tell, sleep

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        expected_bytes: int | None = None,
        expected_sha256: str | None = None,
        make_room: Callable[[int], None] = lambda size: None,
    ) -> Transferred:
        """Fetch one file.

        Args:
            url: Its address.
            target: Where it shall lie; the folder must exist.
            expected_bytes: Its exact size, where known.
            expected_sha256: Its checksum, where known.
            make_room: Called with the bytes still to come, as soon as they are known; raises where the disk
                is too full.

        Returns:
            What arrived; the file lies at `target`.

        Raises:
            DataError: The server refuses, stays silent or sends something else than expected, or the disk is
                full. What has arrived is kept where it may still be of use.
        """
        part = PartFile(target, url)
        attempt, fruitless, furthest = 0, 0, part.size
        while True:
            try:
                answer, digest = self._attempt(url, part, make_room)
                self._check_size(url, part, expected_bytes)
                if expected_sha256 not in (None, digest):
                    self._wrong_content(url, part, digest, str(expected_sha256))
                break
            except _RetryError as error:
                fruitless = 0 if part.size > furthest else fruitless + 1
                furthest, attempt = max(furthest, part.size), attempt + 1
                self._wait(url, part, fruitless, error)
        part.finish()
        return Transferred(
            target, part.size, digest, part.inherited, attempt, answer.etag, answer.last_modified
        )

    def _attempt(self, url: str, part: PartFile, make_room: Callable[[int], None]) -> tuple[Answer, str]:
        with self._connection(url, part) as response:
            answer = self._accept(url, part, response)
            if answer.start < part.size:
                part.restart()
            part.remember(answer.etag, answer.last_modified, answer.total)
            if answer.total is not None:
                make_room(answer.total - part.size)
            digest = part.digest()
            with part.appending() as stream:
                for chunk in self._body(response, answer, part):
                    digest.update(chunk)
                    _write(stream, chunk, part)
                    self._show(part.target.name, part.size, answer.total)
        if answer.total is not None and part.size < answer.total:
            raise _RetryError(f"the connection ended at {part.size:,} of {answer.total:,} bytes")
        self._show(part.target.name, part.size, part.size, last=True)
        return answer, digest.hexdigest()

    @contextmanager
    def _connection(self, url: str, part: PartFile) -> Iterator[httpx.Response]:
        import httpx

        limits = httpx.Timeout(self.settings.read_timeout_s, connect=self.settings.connect_timeout_s)
        environment = urlsplit(url).hostname not in _LOOPBACK
        try:
            with (
                httpx.Client(timeout=limits, follow_redirects=True, trust_env=environment) as client,
                client.stream("GET", url, headers=part.request_headers()) as response,
            ):
                yield response
        except httpx.TransportError as error:
            raise _RetryError(f"{str(error) or type(error).__name__}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DataError(f"{url} cannot be fetched: {error}", path=part.target) from error

    def _accept(self, url: str, part: PartFile, response: httpx.Response) -> Answer:
        code = response.status_code
        if code in _RETRIED:
            raise _RetryError(f"the server answered {code}", retry_after_s(response.headers))
        if code not in (200, 206, 416):
            raise DataError(
                f"the server answered {code} {response.reason_phrase} for {url}",
                path=part.target,
                remedy="it may have moved: see the set's home page, or name another server (--url-base)",
            )
        if urlsplit(url).scheme == "https" and response.url.scheme != "https":
            raise DataError(f"{url} leads to an address that is not secured: {response.url}")
        answer = read_answer(code, response.headers)
        out_of_step = answer.start not in (0, part.size) or (code == 416 and not part.size)
        if out_of_step or not part.fits(answer):
            part.restart()
            raise _RetryError("the file has changed on the server", 0.0)
        return answer

    def _body(self, response: httpx.Response, answer: Answer, part: PartFile) -> Iterator[bytes]:
        """Yield the body as it comes in, for a cut must lose nothing; more than announced is an error.

        416 means that all is here: the process ended between the last byte and the move into place.
        """
        if response.status_code == 416:
            return
        coding = response.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise DataError(
                f"expected the file as it is, found a server that sends it in the coding {coding!r}",
                path=part.target,
                remedy="use another server, with --url-base",
            )
        for chunk in response.iter_raw():
            if answer.total is not None and part.size + len(chunk) > answer.total:
                part.restart()
                raise DataError(f"the server sent more than the {answer.total:,} bytes that it announced")
            yield chunk

    def _show(self, name: str, done: int, total: int | None, *, last: bool = False) -> None:
        done_mb, whole = done // _MEGABYTE, max(1, -(-(total or done + _MEGABYTE) // _MEGABYTE))
        self._progress(f"{name}, MB", whole if last else min(done_mb, whole - 1), whole)

    def _wait(self, url: str, part: PartFile, fruitless: int, error: _RetryError) -> None:
        if fruitless > self.settings.retries:
            raise DataError(
                f"{url} could not be fetched: {error} ({fruitless} attempts in a row brought nothing new)",
                path=part.target,
                remedy=f"run the command again: it goes on behind the {part.size:,} bytes that are here",
            ) from error
        wait = error.wait_s
        if wait is None:
            wait = min(self.settings.longest_wait_s, self.settings.first_wait_s * 2 ** max(0, fruitless - 1))
        if wait > self.settings.longest_asked_wait_s:
            raise DataError(
                f"the server of {url} asks to wait for {wait:.0f} s",
                path=part.target,
                remedy="run the command again later: it goes on where it was",
            ) from error
        self._tell(f"{part.target.name}: {error}; trying again in {wait:.0f} s")
        self._sleep(wait)

    def _check_size(self, url: str, part: PartFile, expected: int | None) -> None:
        if expected is not None and part.size != expected:
            found = part.size
            part.discard()
            raise DataError(
                f"{url}: expected {expected:,} bytes, found {found:,}",
                path=part.target,
                remedy="the file on the server is another one: see the set's home page",
            )

    def _wrong_content(self, url: str, part: PartFile, digest: str, expected: str) -> NoReturn:
        """A file joined from parts may have been joined wrongly: it gets one more chance, in one piece."""
        joined = part.joined
        part.discard()
        if joined:
            raise _RetryError("the joined parts do not have the expected checksum; fetching all of it", 0.0)
        raise ChecksumError(
            f"{url}: expected sha256 {expected}, found {digest}; nothing was kept",
            path=part.target,
            remedy="the file was damaged on the way or has changed on the server: see the set's home page",
        )


def _write(stream: BinaryIO, chunk: bytes, part: PartFile) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            written = stream.write(rest)
            part.size += written
            rest = rest[written:]
    except OSError as error:
        raise DataError(
            f"cannot write: {error.strerror or error}",
            path=part.path,
            remedy="free space and run the command again: it goes on where it was",
        ) from error
