"""Derived things kept under the content they came from: a changed input never finds a stale file."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from gaze_insight.atomic import replace_atomic, write_text_atomic
from gaze_insight.errors import DataError, SettingsError

__all__ = ["ArtefactStore", "KeyPart"]

KeyPart = bytes | str | int | float | None | BaseModel | NDArray[Any] | Path
"""What an artefact can depend on; a path stands for the content of its file."""

_SETTLED_NS = 1_000_000_000
_MEMO_NAME = "file_hashes.jsonl"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class ArtefactStore:
    """A folder of derived arrays and records, each under a key made of all that it was derived from.

    Several processes may read and write one store: files appear whole or not at all, and equal keys hold
    equal content. A damaged file counts as absent and is written again.

    Args:
        folder: Where the store lives; it is made on the first write.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = ArtefactStore(folder)
        ...     key = store.key("heatmap", 1, "case-1", np.zeros(3))
        ...     first = store.get_arrays("heatmap", key)
        ...     store.put_arrays("heatmap", key, values=np.arange(3))
        ...     second = store.get_arrays("heatmap", key)
        >>> first is None, second["values"].tolist()
        (True, [0, 1, 2])
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._memo: dict[str, str] | None = None
        self._lock = threading.Lock()

    def key(self, kind: str, version: int, *parts: KeyPart) -> str:
        """Make the key of an artefact from its kind, the version of its recipe and its inputs.

        Args:
            kind: What it is, such as ``"pseudomask"``.
            version: Raised by the programmer whenever the recipe's result changes.
            *parts: Everything the result depends on. Order matters. A path contributes the content of its
                file, not its name; settings contribute every field.

        Returns:
            64 hexadecimal digits (SHA-256).

        Raises:
            DataError: A file named by a path cannot be read.

        Example:
            >>> store = ArtefactStore("unused")
            >>> store.key("a", 1, "xy") == store.key("a", 1, "x", "y")
            False
        """
        digest = hashlib.sha256()
        for part in (kind, version, *parts):
            tag, content = self._encoded(part)
            digest.update(f"{tag}:{len(content)}:".encode())
            digest.update(content)
        return digest.hexdigest()

    def path(self, kind: str, key: str, suffix: str) -> Path:
        """Say where an artefact lies, whether or not it is there.

        Args:
            kind: A plain lower-case name; it becomes a folder.
            key: A key from `key`.
            suffix: The file's ending, with its dot.

        Returns:
            The path.

        Raises:
            SettingsError: The kind cannot be a folder's name.

        Example:
            >>> ArtefactStore("derived").path("heatmap", "ab12", ".npz").as_posix()
            'derived/heatmap/ab12.npz'
        """
        if not _NAME.fullmatch(kind):
            raise SettingsError(f"the kind of an artefact must be a plain lower-case name, found {kind!r}")
        return self.folder / kind / f"{key}{suffix}"

    def get_arrays(self, kind: str, key: str) -> dict[str, NDArray[Any]] | None:
        """Read stored arrays.

        Args:
            kind: As given to `put_arrays`.
            key: As given to `put_arrays`.

        Returns:
            The arrays by name; None where nothing, or nothing whole, is stored.

        Example:
            >>> ArtefactStore("nowhere").get_arrays("heatmap", "ab12") is None
            True
        """
        try:
            path = self.path(kind, key, ".npz")
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
            return None

    def put_arrays(self, kind: str, key: str, **arrays: NDArray[Any]) -> None:
        """Store arrays losslessly, in one step.

        Args:
            kind: A plain lower-case name.
            key: A key from `key`.
            **arrays: Arrays of numbers or booleans by name.

        Raises:
            DataError: The file cannot be written, or an array holds Python objects.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     ArtefactStore(folder).put_arrays("heatmap", "ab12", a=np.ones(2, bool))
            ...     ArtefactStore(folder).get_arrays("heatmap", "ab12")["a"].dtype
            dtype('bool')
        """
        target = self.path(kind, key, ".npz")
        for name, array in arrays.items():
            if np.asarray(array).dtype.hasobject:
                raise DataError(f"array {name!r} holds Python objects and cannot be stored", path=target)
        with (
            replace_atomic(target, durable=False) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)

    def get_json(self, kind: str, key: str) -> Any | None:
        """Read a stored record.

        Args:
            kind: As given to `put_json`.
            key: As given to `put_json`.

        Returns:
            The record; None where nothing, or nothing whole, is stored.

        Example:
            >>> ArtefactStore("nowhere").get_json("words", "ab12") is None
            True
        """
        try:
            return json.loads(self.path(kind, key, ".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put_json(self, kind: str, key: str, record: Any) -> None:
        """Store a record of plain JSON values in one step.

        Args:
            kind: A plain lower-case name.
            key: A key from `key`.
            record: Dictionaries, lists, text, numbers, booleans and None.

        Raises:
            DataError: The file cannot be written.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     ArtefactStore(folder).put_json("words", "ab12", {"size": 3})
            ...     ArtefactStore(folder).get_json("words", "ab12")
            {'size': 3}
        """
        text = json.dumps(record, ensure_ascii=False, sort_keys=True)
        write_text_atomic(self.path(kind, key, ".json"), text + "\n", durable=False)

    def file_hash(self, path: str | Path) -> str:
        """Hash a file's content; a file that has not changed since (size, time, inode) is not read again.

        A file written less than a second ago is not remembered: its time may not yet tell two versions apart.

        Args:
            path: The file.

        Returns:
            SHA-256 of its bytes as hexadecimal digits.

        Raises:
            DataError: The file cannot be read.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     len(ArtefactStore(folder).file_hash(__file__))
            64
        """
        file = Path(path)
        try:
            facts = file.stat()
            identity = f"{facts.st_dev}:{facts.st_ino}:{facts.st_size}:{facts.st_mtime_ns}"
            known = self._remembered().get(identity)
            if known is not None:
                return known
            with file.open("rb") as stream:
                value = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(
                f"cannot read the file: {error.strerror}", path=file, remedy="check the path"
            ) from error
        if abs(time.time_ns() - facts.st_mtime_ns) > _SETTLED_NS:
            self._remember(identity, value)
        return value

    def _encoded(self, part: KeyPart) -> tuple[str, bytes]:
        if isinstance(part, bytes):
            return "bytes", part
        if isinstance(part, Path):
            return "file", self.file_hash(part).encode()
        if isinstance(part, BaseModel):
            return "settings", json.dumps(part.model_dump(mode="json"), sort_keys=True).encode()
        if isinstance(part, np.ndarray):
            header = f"{part.dtype.str}{part.shape}".encode()
            return "array", header + np.ascontiguousarray(part).tobytes()
        return type(part).__name__, str(part).encode()

    def _remembered(self) -> dict[str, str]:
        with self._lock:
            if self._memo is None:
                self._memo = _read_memo(self.folder / _MEMO_NAME)
            return self._memo

    def _remember(self, identity: str, value: str) -> None:
        """Append one short line: whole on every local file system, whoever else is writing."""
        with self._lock, suppress(OSError):
            if self._memo is not None:
                self._memo[identity] = value
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / _MEMO_NAME).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps([identity, value]) + "\n")


def _read_memo(path: Path) -> dict[str, str]:
    memo: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return memo
    for line in lines:
        with suppress(ValueError, TypeError):
            identity, value = json.loads(line)
            memo[identity] = value
    return memo
