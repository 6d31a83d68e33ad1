"""Splitting cases in three so that no patient and no near-duplicate stands on two sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.cohort.case import Case
from gaze_insight.errors import DataError
from gaze_insight.types import ByteArray, FloatArray, Settings, Split

__all__ = [
    "FileSplits",
    "SplitSettings",
    "make_splits",
    "near_duplicate_groups",
    "split_from_files",
    "thumbnail",
]

THUMBNAIL_PX = 32
_BLOCK_ROWS = 1024


class SplitSettings(Settings):
    """How cases are split when no split files are given.

    Example:
        >>> SplitSettings().fractions
        (0.7, 0.1, 0.2)
    """

    fractions: tuple[float, float, float] = Field(
        (0.7, 0.1, 0.2), description="Share of cases for train, val and test; they sum to one"
    )
    seed: int = Field(0, ge=0, description="Seed of the shuffle")
    near_duplicate_ncc: float | None = Field(
        0.95,
        gt=0,
        lt=1,
        description="Images whose thumbnails correlate more stay together; None: do not look",
    )

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitSettings:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1.0) > 1e-6:
            raise ValueError(f"fractions must be >= 0 and sum to 1, found {self.fractions}")
        return self


@dataclass(frozen=True)
class FileSplits:
    """Splits as their files state them, with what did not fit.

    Args:
        splits: Known ids of each split, in the files' order.
        unknown_ids: Ids in the files that the cohort does not hold.
        unsplit: Ids of the cohort that no file names.

    Example:
        >>> FileSplits({"train": ("a",)}, (), ()).splits["train"]
        ('a',)
    """

    splits: dict[Split, tuple[str, ...]]
    unknown_ids: tuple[str, ...]
    unsplit: tuple[str, ...]


def split_from_files(folder: str | Path, ids: Collection[str]) -> FileSplits:
    """Read ``train.txt``, ``val.txt`` and ``test.txt``: one id, or image file name, a line.

    Args:
        folder: The folder of the files; a file that is absent makes an empty split.
        ids: The cohort's ids.

    Returns:
        The splits, the ids that are unknown, and the ids that stand in no file.

    Raises:
        DataError: No file is there, one cannot be read, or an id stands twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "train.txt").write_text("a.png" + chr(10) + "c" + chr(10))
        ...     split_from_files(folder, ["a", "b"])
        FileSplits(splits={'train': ('a',), 'val': (), 'test': ()}, unknown_ids=('c',), unsplit=('b',))
    """
    known = set(ids)
    where: dict[str, str] = {}
    unknown: list[str] = []
    splits: dict[Split, tuple[str, ...]] = {}
    files = {split: Path(folder) / f"{split}.txt" for split in get_args(Split)}
    if not any(file.is_file() for file in files.values()):
        raise DataError(
            "expected train.txt, val.txt and test.txt, found none of them",
            path=folder,
            remedy="write one image id a line, or leave the split files away to have splits made",
        )
    for split, file in files.items():
        chosen: list[str] = []
        for row, text in enumerate(_lines(file), start=1):
            one = text if text in known else Path(text).stem
            if not text:
                continue
            if one in where:
                raise DataError(f"id {one!r} stands in {where[one]} already", path=file, row=row)
            where[one] = f"{file.name}, row {row}"
            (chosen if one in known else unknown).append(one)
        splits[cast(Split, split)] = tuple(chosen)
    return FileSplits(splits, tuple(unknown), tuple(one for one in ids if one not in where))


def make_splits(
    cases: Mapping[str, Case],
    settings: SplitSettings | None = None,
    *,
    thumbnails: Mapping[str, FloatArray] | None = None,
) -> dict[Split, tuple[str, ...]]:
    """Split cases by group: the cases of a patient, and images that look alike, stay together.

    Groups are shuffled, the larger ones placed first, each into the split that lacks most. The result
    depends on the cases, the settings and nothing else.

    Args:
        cases: Case by id.
        settings: Fractions, seed and the likeness from which on two images count as duplicates.
        thumbnails: `thumbnail` of each image by id, where they are at hand; else the images are read.

    Returns:
        Ids of each split, sorted; empty splits for no cases.

    Raises:
        DataError: An image cannot be read, or a group is so large that a split stays empty.

    Example:
        >>> cases = {str(i): Case(str(i), Path("x.png"), patient=str(i // 2)) for i in range(10)}
        >>> splits = make_splits(cases, SplitSettings(fractions=(0.6, 0.2, 0.2), near_duplicate_ncc=None))
        >>> {name: len(ids) for name, ids in splits.items()}
        {'train': 6, 'val': 2, 'test': 2}
    """
    settings = settings or SplitSettings()
    ids = sorted(cases)
    union = _Union(len(ids))
    first_of: dict[str, int] = {}
    for index, one in enumerate(ids):
        patient = cases[one].patient
        if patient is not None:
            union.join(index, first_of.setdefault(patient, index))
    if settings.near_duplicate_ncc is not None and len(ids) > 1:
        known = thumbnails or {}
        with ThreadPoolExecutor() as pool:
            small = list(pool.map(lambda one: _thumbnail_of(cases[one], known), ids))
        labels = near_duplicate_groups(np.stack(small), settings.near_duplicate_ncc)
        for index, label in enumerate(labels):
            union.join(index, int(label))
    return _distribute(ids, union.labels(), settings)


def near_duplicate_groups(thumbnails: FloatArray, threshold: float = 0.95) -> NDArray[np.intp]:
    r"""Group images whose thumbnails correlate, directly or through others.

    $\mathrm{NCC}(a, b) = \frac{\langle a - \bar a, b - \bar b\rangle}{\|a - \bar a\|\,\|b - \bar b\|} >$
    threshold, for all pairs, by blocks of a matrix product. An image of one colour is like no other.

    Args:
        thumbnails: Shape (N, 32, 32), or (N, P).
        threshold: In (0, 1).

    Returns:
        Shape (N,): for each image the smallest index in its group.

    Example:
        >>> a = np.array([0.0, 1.0, 2.0, 5.0])
        >>> near_duplicate_groups(np.stack([a, -a, 3 * a + 1])).tolist()
        [0, 1, 0]
    """
    count = len(thumbnails)
    union = _Union(count)
    if count == 0:
        return union.labels()
    flat = np.asarray(thumbnails, dtype=np.float32).reshape(count, -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 0)
    for start in range(0, count, _BLOCK_ROWS):
        likeness = flat[start : start + _BLOCK_ROWS] @ flat[start:].T
        for row, column in np.argwhere(likeness > threshold):
            if row < column:
                union.join(start + int(row), start + int(column))
    return union.labels()


def thumbnail(image: ByteArray) -> FloatArray:
    """Reduce an image to 32 x 32 grey values by averaging areas.

    Args:
        image: Shape (H, W, 3), uint8.

    Returns:
        Shape (32, 32), float32, in 0..255.

    Example:
        >>> thumbnail(np.full((64, 96, 3), 9, np.uint8)).shape
        (32, 32)
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small: FloatArray = cv2.resize(
        grey.astype(np.float32), (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA
    )
    return small


class _Union:
    """Union of indices, each group named by its smallest member."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def _find(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self._find(one), self._find(other)))
        self._parent[high] = low

    def labels(self) -> NDArray[np.intp]:
        return np.array([self._find(index) for index in range(len(self._parent))], dtype=np.intp)


def _thumbnail_of(case: Case, known: Mapping[str, FloatArray]) -> FloatArray:
    found = known.get(case.id)
    return thumbnail(case.read_image()) if found is None else found


def _distribute(
    ids: Sequence[str], labels: NDArray[np.intp], settings: SplitSettings
) -> dict[Split, tuple[str, ...]]:
    groups: dict[int, list[str]] = {}
    for one, label in zip(ids, labels.tolist(), strict=True):
        groups.setdefault(label, []).append(one)
    order = np.random.default_rng(settings.seed).permutation(len(groups))
    shuffled = [list(groups.values())[index] for index in order]
    shuffled.sort(key=len, reverse=True)
    names: tuple[Split, ...] = ("train", "val", "test")
    wanted = np.array(settings.fractions) * len(ids)
    chosen: dict[Split, list[str]] = {name: [] for name in names}
    for group in shuffled:
        lacking = [want - len(chosen[name]) for name, want in zip(names, wanted, strict=True)]
        chosen[names[int(np.argmax(lacking))]].extend(group)
    for name, want in zip(names, wanted, strict=True):
        if want >= 1 and not chosen[name]:
            raise DataError(
                f"split {name!r} stays empty: the {len(ids)} cases form {len(groups)} groups of one patient "
                f"or of near-duplicates, the largest with {len(shuffled[0])} cases",
                remedy="give split files, other fractions, or another near_duplicate_ncc",
            )
    return {name: tuple(sorted(chosen[name])) for name in names}


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the split file cannot be read: {error}", path=file) from error
    return [line.strip() for line in text.splitlines()]
