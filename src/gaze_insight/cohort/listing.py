"""Finding the image files of a folder, and which mask belongs to which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gaze_insight.cohort.images import IMAGE_SUFFIXES
from gaze_insight.errors import DataError

__all__ = ["Listing", "list_images", "match_masks"]

_MASK_ENDINGS = ("_mask", "_masks", "_segmentation", "_seg", "_lesion", "_gt", "_label")


@dataclass(frozen=True)
class Listing:
    """The image files of a folder.

    Args:
        files: Path by id (the file name without its ending), sorted by id.
        ignored: Files that do not have an image's name; hidden files are not listed.

    Example:
        >>> Listing({}, ()).files
        {}
    """

    files: dict[str, Path]
    ignored: tuple[str, ...]


def list_images(folder: str | Path) -> Listing:
    """List the image files directly in a folder.

    Args:
        folder: The folder.

    Returns:
        The files by id; empty where the folder holds no image.

    Raises:
        DataError: There is no such folder, or two files would have one id.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png"):
        ...         (Path(folder) / name).touch()
        ...     listing = list_images(folder)
        >>> list(listing.files), [Path(path).name for path in listing.ignored]
        (['a', 'b'], ['notes.txt'])
    """
    place = Path(folder)
    if not place.is_dir():
        inside = ", ".join(sorted(path.name for path in place.parent.glob("*"))[:8]) or "nothing"
        raise DataError(
            "expected a folder of images, found none",
            path=place,
            remedy=f"check the path; {place.parent} holds: {inside}",
        )
    files: dict[str, Path] = {}
    ignored: list[str] = []
    for path in sorted(place.iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            ignored.append(str(path))
        elif path.stem in files:
            raise DataError(
                f"two images would have the id {path.stem!r}: {files[path.stem].name} and {path.name}",
                path=place,
                remedy="rename or remove one of them",
            )
        else:
            files[path.stem] = path
    return Listing(dict(sorted(files.items())), tuple(ignored))


def match_masks(images: Iterable[str], masks: Mapping[str, Path]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Join masks to images: by the same name, or by the image's name and a usual ending such as ``_mask``.

    Args:
        images: Ids of the images.
        masks: Mask file by the file name without its ending.

    Returns:
        Mask file by image id, and the names of masks that belong to no image.

    Raises:
        DataError: Two masks belong to one image.

    Example:
        >>> joined, alone = match_masks(["a", "b"], {"a_mask": Path("a_mask.png"), "c": Path("c.png")})
        >>> joined["a"].name, alone
        ('a_mask.png', ('c',))
    """
    known = set(images)
    joined: dict[str, Path] = {}
    alone: list[str] = []
    for name, path in masks.items():
        one = name if name in known else _without_ending(name)
        if one not in known:
            alone.append(name)
        elif one in joined:
            raise DataError(
                f"two masks belong to image {one!r}: {joined[one].name} and {path.name}",
                path=path.parent,
                remedy="keep one mask file for each image: join several lesions in one mask",
            )
        else:
            joined[one] = path
    return joined, tuple(alone)


def _without_ending(name: str) -> str:
    for ending in _MASK_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
