"""Files that are either whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaze_insight.errors import DataError

__all__ = ["replace_atomic", "write_bytes_atomic", "write_text_atomic"]

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free space or choose another folder; what was there before is unchanged",
    errno.EDQUOT: "the disk quota is used up: free space or choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "no permission to write there: choose another folder or change its permissions",
    errno.EPERM: "no permission to write there: choose another folder or change its permissions",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away or choose another folder",
    errno.EEXIST: "a file stands where a folder is needed: move it away or choose another folder",
    errno.EISDIR: "a folder stands where a file is needed: move it away or choose another name",
}


@contextmanager
def replace_atomic(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success it takes the place of ``path`` in one step.

    A reader, or a second process, sees the old file or the new one, never a part. When the block raises,
    the temporary file is removed and the old file is untouched. Missing parent folders are made.

    Args:
        path: The file to write or replace.
        durable: Force the bytes to the disk before the move; False is enough for what can be made again.

    Yields:
        The temporary path to write to.

    Raises:
        DataError: The folder cannot be made or written to, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replace_atomic(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            _flush_to_disk(temporary)
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"cannot write the file: {reason}",
            path=target,
            remedy=_REMEDIES.get(error.errno or 0, "check that the folder exists and can be written to"),
        ) from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_bytes_atomic(path: str | Path, content: bytes, *, durable: bool = True) -> None:
    """Write bytes so that the file is either the old one or the whole new one.

    Args:
        path: The file to write or replace.
        content: Its bytes; empty content makes an empty file.
        durable: See `replace_atomic`.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_bytes_atomic(Path(folder) / "new" / "a.bin", b"12")
        ...     (Path(folder) / "new" / "a.bin").read_bytes()
        b'12'
    """
    with replace_atomic(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text_atomic(path: str | Path, text: str, *, durable: bool = True) -> None:
    r"""Write UTF-8 text with ``\n`` line ends so that the file is either the old one or the whole new one.

    Args:
        path: The file to write or replace.
        text: Its text.
        durable: See `replace_atomic`.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text_atomic(Path(folder) / "a.txt", "é")
        ...     (Path(folder) / "a.txt").read_bytes()
        b'\xc3\xa9'
    """
    write_bytes_atomic(path, text.encode("utf-8"), durable=durable)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
