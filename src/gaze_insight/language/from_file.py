"""Descriptions that somebody wrote already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from gaze_insight.language.files import read_descriptions
from gaze_insight.language.schema import Description
from gaze_insight.types import ByteArray, FloatArray, Settings

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["FileDescriber", "FileSettings"]


class FileSettings(Settings):
    """Where the descriptions stand.

    Example:
        >>> FileSettings(path="words.jsonl").kind
        'file'
    """

    kind: Literal["file"] = "file"
    path: Path = Field(description="Descriptions by case id: .jsonl, .json or .csv")


class FileDescriber:
    """Look each case up in a file.

    Args:
        settings: The file.

    Raises:
        DataError: The file cannot be read or a record is wrong.

    Example:
        >>> FileDescriber(FileSettings(path="absent.csv"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: absent.csv: the descriptions cannot be read: No such file or directory
          -> check the path and its permissions
    """

    settings_type: ClassVar[type[Settings]] = FileSettings
    version: ClassVar[int] = 1
    from_gaze: ClassVar[bool] = False

    def __init__(self, settings: FileSettings) -> None:
        self.descriptions = read_descriptions(settings.path)

    def describe(
        self, case_id: str, image: ByteArray, soft: FloatArray, fixations: Fixations | None
    ) -> Description | None:
        """Give what the file says of a case; the image and the gaze are not read.

        Args:
            case_id: The case's id.
            image: ``(H, W, 3)`` uint8.
            soft: ``(h, w)`` probability of the lesion.
            fixations: Where the reader looked, if known.

        Returns:
            The description, or None where the file has none for this case.

        Example:
            >>> import tempfile, numpy as np
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder, "words.json")
            ...     _ = path.write_text("{}")
            ...     FileDescriber(FileSettings(path=path)).describe("a", np.zeros((4, 4, 3)), None, None)
        """
        return self.descriptions.get(case_id)
