"""One process a run: a lock file with a heartbeat, which also tells others how far the run is."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError, GazeInsightError

__all__ = ["LOCK_FILE", "Holder", "RunLock", "TakenError", "read_holder"]

LOCK_FILE = "under_way.json"
_BEAT_SECONDS, _DEAD_SECONDS = 5.0, 120.0


class TakenError(GazeInsightError):
    """Another process is at work on the run (exit code 75)."""

    exit_code = 75


@dataclass(frozen=True)
class Holder:
    """Who is at work on a run, and how far.

    Attributes:
        host: Name of the machine.
        process: Id of the process there.
        what: The activity under way; empty before the first news.
        done: Items finished of it.
        total: Items in all.
        seconds: Since the work began.
    """

    host: str
    process: int
    what: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0


def read_holder(folder: Path) -> Holder | None:
    """Say who is at work on a run at the moment.

    Args:
        folder: The run's folder.

    Returns:
        The holder; None where nobody is, or where who was is dead.

    Example:
        >>> read_holder(Path("nowhere")) is None
        True
    """
    path = folder / LOCK_FILE
    record = _read(path)
    if record is None or not _alive(path, record):
        return None
    return Holder(
        str(record.get("host", "another machine")),
        int(record.get("process", 0)),
        str(record.get("what", "")),
        int(record.get("done", 0)),
        int(record.get("total", 0)),
        float(record.get("seconds", 0.0)),
    )


class RunLock:
    """Hold a run while a ``with`` block runs, so that no two processes train one and the same.

    The file says who holds it and is written anew every five seconds. It may be taken over where its process
    has ended (same machine), or where it has not been written for two minutes (another machine); the time is
    that of the file system, so clocks need not agree. Of several who find a dead one, one gets it.

    Args:
        folder: The run's folder, which is made where it is missing.
        wait_s: How long to wait for another process to let go.
        lost: Called from a thread when another process has taken the lock over, as it may after a pause of
            minutes (a laptop that slept); what is under way must end.

    Raises:
        TakenError: Another process is at work on the run.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with RunLock(folder) as lock:
        ...     lock.tell("training", 3, 10)
        ...     lock.write()
        ...     read_holder(folder).done
        3
        >>> read_holder(folder) is None
        True
    """

    def __init__(self, folder: Path, *, wait_s: float = 0.0, lost: Callable[[], None] | None = None) -> None:
        self.path = folder / LOCK_FILE
        self._wait_s, self._lost = wait_s, lost
        self._began = time.monotonic()
        self._record: dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "host": socket.gethostname(),
            **_identity(),
        }
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="run-lock")

    def __enter__(self) -> RunLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + self._wait_s
        while not self._take():
            if time.monotonic() >= until:
                holder = read_holder(self.path.parent)
                who = "another process" if holder is None else f"process {holder.process} on {holder.host}"
                raise TakenError(f"{who} is at work on this run", path=self.path.parent)
            time.sleep(0.2)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._is_own():
            self.path.unlink(missing_ok=True)

    def tell(self, what: str, done: int, total: int) -> None:
        """Note how far the work is; it stands in the file at the next beat.

        Args:
            what: The activity.
            done: Items finished.
            total: Items in all.
        """
        self._record.update(what=what, done=done, total=total)

    def write(self) -> None:
        """Write the file now."""
        self._record["seconds"] = time.monotonic() - self._began
        write_text_atomic(self.path, json.dumps(self._record), durable=False)

    def _take(self) -> bool:
        with suppress(FileExistsError):
            with self.path.open("x", encoding="utf-8") as stream:
                stream.write(json.dumps(self._record))
            return True
        record = _read(self.path)
        if record is None or _alive(self.path, record):
            return False
        with _claim(self.path, str(record.get("token", ""))) as claimed:
            if not claimed or (_read(self.path) or {}).get("token") != record.get("token"):
                return False
            self.write()
            return True

    def _is_own(self) -> bool:
        return bool((_read(self.path) or {}).get("token") == self._record["token"])

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            record = _read(self.path)
            if record is not None and record.get("token") != self._record["token"]:
                if self._lost is not None:
                    self._lost()
                return
            with suppress(DataError):
                self.write()


def _read(path: Path) -> dict[str, Any] | None:
    """Read a lock; None where there is none, an empty record where it is not whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError:
        return {}
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _alive(path: Path, record: dict[str, Any]) -> bool:
    own = _identity()
    if record and record.get("machine") == own["machine"]:
        process = int(record.get("process", 0))
        begun = _begun(process)
        return begun is not None and begun == record.get("begun")
    return _age(path) < _DEAD_SECONDS


def _age(path: Path) -> float:
    """Seconds since the file was written, by the clock of its file system."""
    probe = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.now")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def _claim(path: Path, token: str) -> Iterator[bool]:
    """Be the one who takes a dead lock over; the others wait for the next round."""
    claim = path.with_name(f".{path.name}.{token or 'broken'}.claim")
    try:
        claim.open("x").close()
    except FileExistsError:
        if _age(claim) > _DEAD_SECONDS:
            claim.unlink(missing_ok=True)
        yield False
        return
    try:
        yield True
    finally:
        claim.unlink(missing_ok=True)


def _identity() -> dict[str, Any]:
    """This process, told from one of the same number on another machine, in another container or earlier."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    process = os.getpid()
    return {"machine": " ".join(parts), "process": process, "begun": _begun(process)}


def _begun(process: int) -> str | None:
    """When a process of this machine began; None where it is not there, or is dead and not yet collected."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _answers(process)
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _answers(process: int) -> str | None:
    try:
        os.kill(process, 0)
    except PermissionError:
        return "unknown"
    except (OSError, OverflowError):
        return None
    return "unknown"
