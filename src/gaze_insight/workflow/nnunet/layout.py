"""How nnU-Net (v2) wants its files, and the record that we keep beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError, SettingsError

__all__ = [
    "CHANNEL_SUFFIX",
    "FILE_ENDING",
    "NNUNET_IGNORE",
    "RECORD",
    "SPLITS",
    "NnunetLabels",
    "dataset_folder_name",
    "dataset_json",
    "find_dataset",
    "read_record",
    "write_json",
]

NnunetLabels = Literal["sparse", "comprehensive", "mask", "points", "scribble", "box"]
"""What nnU-Net may learn from."""

RECORD = "gaze_insight.json"
SPLITS = "splits_final.json"
FILE_ENDING = ".png"
CHANNEL_SUFFIX = "_0000"
"""An RGB image is one file with channel number 0000; its three colours are three channels to nnU-Net."""

NNUNET_IGNORE = 2
"""Value of pixels about which nothing is known: nnU-Net wants it one above the highest label."""

_LARGEST_ID = 999


def dataset_folder_name(number: int, name: str) -> str:
    """Make the name of nnU-Net's folder of a data set.

    Args:
        number: The data set's number, in 1..999; nnU-Net's own pretrained sets lie below 500.
        name: Its name; signs that do not suit a folder become ``_``.

    Returns:
        ``DatasetNNN_NAME``.

    Raises:
        SettingsError: The number is not in 1..999, or nothing remains of the name.

    Example:
        >>> dataset_folder_name(7, "my polyps")
        'Dataset007_my_polyps'
    """
    if not 1 <= number <= _LARGEST_ID:
        raise SettingsError(f"the number of an nnU-Net data set lies in 1..{_LARGEST_ID}, found {number}")
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")
    if not plain:
        raise SettingsError(f"expected a name with letters or digits for the data set, found {name!r}")
    return f"Dataset{number:03d}_{plain}"


def dataset_json(name: str, description: str, training: int, *, has_ignore: bool) -> dict[str, Any]:
    """Make the content of ``dataset.json``.

    Args:
        name: The data set's name.
        description: One line about it.
        training: Number of images in imagesTr.
        has_ignore: Whether a label map holds pixels about which nothing is known.

    Returns:
        Plain values.

    Example:
        >>> dataset_json("a", "", 3, has_ignore=True)["labels"]
        {'background': 0, 'lesion': 1, 'ignore': 2}
    """
    labels = {"background": 0, "lesion": 1} | ({"ignore": NNUNET_IGNORE} if has_ignore else {})
    return {
        "name": name,
        "description": description,
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": labels,
        "numTraining": training,
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }


def find_dataset(raw: str | Path, number: int) -> Path:
    """Find the folder of a data set by its number, as nnU-Net does.

    Args:
        raw: The folder that nnU-Net calls nnUNet_raw.
        number: The data set's number.

    Returns:
        The folder.

    Raises:
        DataError: There is none, or more than one.

    Example:
        >>> find_dataset("nowhere", 501)
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected a folder Dataset501_..., found none
          -> write it with: gaze-insight nnunet export
    """
    found = _numbered(Path(raw), number)
    if not found:
        raise DataError(
            f"expected a folder Dataset{number:03d}_..., found none",
            path=raw,
            remedy="write it with: gaze-insight nnunet export",
        )
    if len(found) > 1:
        raise DataError(
            f"expected one data set with the number {number}, found {', '.join(one.name for one in found)}",
            path=raw,
            remedy="remove one of them",
        )
    return found[0]


def read_record(folder: str | Path) -> dict[str, Any]:
    """Read what we noted of an exported data set.

    Args:
        folder: The data set's folder, or one of predictions that `train_nnunet` made.

    Returns:
        Plain values.

    Raises:
        DataError: There is no record, or it cannot be read.

    Example:
        >>> read_record("nowhere")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere/gaze_insight.json: expected the record of an export, found none
          -> name the exported data set with --dataset nnUNet_raw/DatasetNNN_NAME
    """
    path = Path(folder) / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"cohort", "labels", "train", "val", "test", "seen_images", "fingerprint"} - record.keys()
    except FileNotFoundError as error:
        raise DataError(
            "expected the record of an export, found none",
            path=path,
            remedy="name the exported data set with --dataset nnUNet_raw/DatasetNNN_NAME",
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"the record of an export cannot be read ({error})", path=path) from error
    if missing:
        raise DataError(f"the record of an export lacks {', '.join(sorted(missing))}", path=path)
    return record


def write_json(path: Path, content: dict[str, Any] | Sequence[Any]) -> None:
    """Write plain values as JSON, in one step.

    Args:
        path: The file.
        content: The values.
    """
    write_text_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _numbered(raw: Path, number: int) -> list[Path]:
    return sorted(one for one in raw.glob(f"Dataset{number:03d}*") if one.is_dir())
