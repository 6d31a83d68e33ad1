"""A data set into a folder: terms accepted, files fetched, checked and unpacked, and all of it on record."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.downloads.catalogue import DownloadSet, RemoteFile
from gaze_insight.cohort.downloads.part_file import PART_SUFFIX
from gaze_insight.cohort.downloads.transfer import (
    ChecksumError,
    Transfer,
    Transferred,
    TransferSettings,
    hash_file,
    say_nothing,
)
from gaze_insight.cohort.downloads.unpacking import DamagedArchiveError, Unpacked, count_files, unpack
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Progress, silent

__all__ = ["RECORD", "DownloadReport", "download_set", "licence_accepted", "mirrored"]

RECORD = "download.json"
_LOCK = ".download.lock"
_SPARE_BYTES = 50_000_000


@dataclass
class DownloadReport:
    """What a download did.

    Attributes:
        folder: Where the set lies.
        fetched: Names of the files that were fetched now.
        kept: Names of the files that were here and whole.
        bytes: Bytes that came over the net now.
        resumed_bytes: Bytes of earlier attempts that were used.
        retries: Attempts beyond the first of each file.
        sha256: File name to checksum.
    """

    folder: Path
    fetched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    bytes: int = 0
    resumed_bytes: int = 0
    retries: int = 0
    sha256: dict[str, str] = field(default_factory=dict)


def licence_accepted(wanted: DownloadSet, folder: str | Path) -> bool:
    """Say whether the terms of a set were accepted already, in these words, for this folder.

    Args:
        wanted: The set.
        folder: Its folder.

    Returns:
        Whether the record there says so.

    Example:
        >>> from gaze_insight.cohort.downloads.catalogue import load_catalogue
        >>> licence_accepted(load_catalogue()["kvasir"], "nowhere")
        False
    """
    told = _read_record(Path(folder), wanted).get("licence", {})
    return bool(told.get("name") == wanted.licence.name and told.get("terms") == wanted.licence.terms)


def mirrored(url: str, base: str | None) -> str:
    """Move an address to another server, keeping its path.

    Args:
        url: The publisher's address.
        base: The other server, with a folder if need be; None for the publisher's.

    Returns:
        The address to fetch.

    Raises:
        SettingsError: The base is no http or https address.

    Example:
        >>> mirrored("https://example.org/a/b.zip", "http://mirror.lab/sets/")
        'http://mirror.lab/sets/a/b.zip'
    """
    if base is None:
        return url
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"expected an http or https address of a server, found {base!r}")
    return base.rstrip("/") + urlsplit(url).path


def download_set(
    wanted: DownloadSet,
    folder: str | Path,
    *,
    accepted: bool = False,
    url_base: str | None = None,
    keep_archives: bool = False,
    settings: TransferSettings | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = say_nothing,
) -> DownloadReport:
    """Fetch a set's files, unpack its archives and write ``download.json``; do nothing where all is here.

    A file that the list gives no checksum for is compared with the one it had at the first download. The
    record holds, for each file, its address, size, sha256 and time, and what it was unpacked to; and which
    terms were accepted when.

    Args:
        wanted: The set.
        folder: Where it shall lie; made where missing.
        accepted: Whether the user accepts its terms now; not needed where the record says so already.
        url_base: Another server with the same paths.
        keep_archives: Keep an archive after it was unpacked.
        settings: How patient; None for the defaults.
        progress: Receives progress in megabytes and files.
        tell: Receives a line whenever something is tried again.

    Returns:
        What was done.

    Raises:
        SettingsError: The set has no files to fetch, or its terms were not accepted.
        DataError: A file cannot be fetched, is not the expected one, or does not fit on the disk; or another
            process is fetching into the folder.
    """
    place = Path(folder)
    if not wanted.files:
        raise SettingsError(
            f"{wanted.name!r} has no files that a program may fetch", remedy=f"see {wanted.homepage}"
        )
    if not accepted and not licence_accepted(wanted, place):
        raise SettingsError(
            f"the terms of {wanted.name!r} ({wanted.licence.name}) were not accepted",
            remedy="read them, then add --accept-licence",
        )
    job = _Job(wanted, place, url_base, keep_archives, progress)
    transfer = Transfer(settings, progress=progress, tell=tell)
    with _alone_in(place):
        job.note_licence()
        for file in wanted.files:
            job.bring(file, transfer)
    return job.report


class _Job:
    """A download under way, with its record."""

    def __init__(
        self, wanted: DownloadSet, folder: Path, url_base: str | None, keep: bool, progress: Progress
    ) -> None:
        self.wanted, self.folder, self.url_base, self.keep = wanted, folder, url_base, keep
        self.progress, self.report = progress, DownloadReport(folder)
        self.record = _read_record(folder, wanted)

    def note_licence(self) -> None:
        licence = self.wanted.licence
        if licence_accepted(self.wanted, self.folder):
            return
        self.record |= {"schema_version": 1, "set": self.wanted.name, "homepage": self.wanted.homepage}
        self.record |= {"citation": self.wanted.citation}
        self.record["licence"] = {**licence.model_dump(), "accepted": _now()}
        self.record.setdefault("files", {})
        self._save()

    def bring(self, file: RemoteFile, transfer: Transfer) -> None:
        """Fetch and unpack a file, unless it is here."""
        known: dict[str, Any] = self.record["files"].get(file.name, {})
        if known and self._is_here(file, known):
            self.report.kept.append(file.name)
            self.report.sha256[file.name] = known["sha256"]
            return
        target = self.folder / file.name
        if not known and (self.folder / file.folder).exists() and file.is_archive:
            raise DataError(
                "this folder is here already, and not from an earlier download",
                path=self.folder / file.folder,
                remedy="move it away, or choose another folder with --to",
            )
        if not (known and target.is_file() and hash_file(target) == known["sha256"]):
            known = self._fetch(file, target, known, transfer)
        if file.is_archive:
            known |= {"unpacked": self._unpack(file, target)}
        self.record["files"][file.name] = known
        self._save()

    def _is_here(self, file: RemoteFile, known: dict[str, Any]) -> bool:
        if file.sha256 not in (None, known["sha256"]):
            return False
        if not file.is_archive:
            target = self.folder / file.name
            return target.is_file() and hash_file(target) == known["sha256"]
        there = known.get("unpacked")
        found = count_files(self.folder / file.folder)
        return there == {"folder": file.folder, "files": found.files, "bytes": found.bytes}

    def _fetch(
        self, file: RemoteFile, target: Path, known: dict[str, Any], transfer: Transfer
    ) -> dict[str, Any]:
        url = mirrored(file.url, self.url_base)
        here = target.with_name(target.name + PART_SUFFIX)
        self._make_room((file.bytes or file.about_bytes or 0) - (here.stat().st_size if here.exists() else 0))
        earlier = known.get("sha256")
        try:
            got = transfer.fetch(
                url,
                target,
                expected_bytes=file.bytes,
                expected_sha256=file.sha256 or earlier,
                make_room=lambda size: self._make_room(size * (2 if file.is_archive else 1)),
            )
        except ChecksumError as error:
            if file.sha256 is None:
                remedy = f"the file differs from that of {known['downloaded']}; to take the new one, delete "
                remedy += f"its entry in {self.folder / RECORD}"
                raise DataError(error.message, path=error.path, remedy=remedy) from error
            raise
        self._count(file, got)
        entry = {"url": url, "bytes": got.bytes, "sha256": got.sha256, "downloaded": _now()}
        entry |= {"etag": got.etag, "last_modified": got.last_modified}
        if url != file.url:
            entry["published_at"] = file.url
        self.record["files"][file.name] = entry
        self._save()
        return entry

    def _count(self, file: RemoteFile, got: Transferred) -> None:
        self.report.fetched.append(file.name)
        self.report.bytes += got.bytes - got.resumed_from
        self.report.resumed_bytes += got.resumed_from
        self.report.retries += got.retries
        self.report.sha256[file.name] = got.sha256

    def _unpack(self, file: RemoteFile, archive: Path) -> dict[str, Any]:
        place = self.folder / file.folder
        try:
            found: Unpacked = unpack(archive, place, make_room=self._make_room, progress=self.progress)
        except DamagedArchiveError as error:
            archive.unlink(missing_ok=True)
            self.record["files"].pop(file.name, None)
            self._save()
            remedy = "it was removed: run the command again to fetch it anew"
            raise DataError(error.message, path=archive, remedy=remedy) from error
        if not self.keep:
            archive.unlink(missing_ok=True)
        return {"folder": file.folder, "files": found.files, "bytes": found.bytes}

    def _make_room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > 0 and size + _SPARE_BYTES > free:
            raise DataError(
                f"{_megabytes(size + _SPARE_BYTES)} are needed on this disk, {_megabytes(free)} are free",
                path=self.folder,
                remedy="free space, or choose a folder on another disk with --to; what has arrived is kept",
            )

    def _save(self) -> None:
        text = json.dumps(self.record, indent=2, ensure_ascii=False)
        write_text_atomic(self.folder / RECORD, text + "\n")


def _read_record(folder: Path, wanted: DownloadSet) -> dict[str, Any]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name, whole = record["set"], isinstance(record["files"], dict)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the record of the download cannot be read ({error!r})", path=path) from error
    if name != wanted.name or not whole:
        raise DataError(
            f"the folder holds the data set {name!r}, not {wanted.name!r}",
            path=path,
            remedy="choose another folder with --to",
        )
    return record


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep a second process out of the folder for as long as this one lives."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("wb")
    except OSError as error:
        raise DataError(f"the folder cannot be used: {error.strerror or error}", path=folder) from error
    with stream:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DataError("another process is downloading into this folder", path=folder) from error
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
