"""Settings that were fitted and lie in a JSON file: read whole, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.mapping_file import explain
from gaze_insight.types import Settings

__all__ = ["read_settings_file"]

_Kind = TypeVar("_Kind", bound=Settings)


def read_settings_file(path: Path, kind: type[_Kind], what: str, remedy: str) -> _Kind:
    """Read settings from JSON.

    Args:
        path: The file.
        kind: Which settings.
        what: What they are called in a message, such as "fusion".
        remedy: How to make such a file.

    Returns:
        The settings.

    Raises:
        DataError: There is no such file, or it holds something else.

    Example:
        >>> read_settings_file(Path("nowhere.json"), Settings, "fusion", "make one")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.json: the fusion cannot be read: No such file or directory
          -> make one
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the {what} cannot be read: {error.strerror}", path=path, remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise DataError("expected a JSON file, found no UTF-8 text", path=path, remedy=remedy) from error
    except ValidationError as error:
        message, cure = explain(error, kind)
        raise DataError(message.lstrip(": "), path=path, remedy=cure or remedy) from error
