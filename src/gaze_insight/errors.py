"""The errors a user can meet; each says what was expected, what was found, where, and what to do."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "DataError",
    "GazeInsightError",
    "MissingExtraError",
    "SettingsError",
    "StoppedError",
]


class GazeInsightError(Exception):
    """Base of every error that gaze-insight raises on purpose.

    Args:
        message: What was expected and what was found.
        path: The file concerned, if any.
        row: The 1-based row (for tables: the line in the file, header included), if any.
        remedy: What the user can do about it.

    Example:
        >>> str(DataError("duration_ms must be a number, found 'abc'", path="gaze.csv", row=7))
        "gaze.csv, row 7: duration_ms must be a number, found 'abc'"
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        row: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else Path(path)
        self.row = row
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        where = "" if self.path is None else str(self.path)
        if self.row is not None:
            where = f"{where}, row {self.row}" if where else f"row {self.row}"
        text = f"{where}: {self.message}" if where else self.message
        return f"{text}\n  -> {self.remedy}" if self.remedy else text


class SettingsError(GazeInsightError):
    """A setting or a command's argument that cannot be used (exit code 2)."""

    exit_code = 2


class DataError(GazeInsightError):
    """A file, an image or a table that cannot be used (exit code 3)."""

    exit_code = 3


class MissingExtraError(GazeInsightError):
    """An optional package is needed and not installed (exit code 4)."""

    exit_code = 4

    @classmethod
    def for_package(cls, package: str, extra: str) -> MissingExtraError:
        """Say which optional package is missing and how to install it.

        Args:
            package: The name of the package that could not be imported.
            extra: The extra of gaze-insight that brings it.

        Returns:
            The error, ready to raise.

        Example:
            >>> print(MissingExtraError.for_package("transformers", "text"))
            the optional package 'transformers' is not installed
              -> pip install 'gaze-insight[text]'
        """
        return cls(
            f"the optional package {package!r} is not installed",
            remedy=f"pip install 'gaze-insight[{extra}]'",
        )


class StoppedError(GazeInsightError):
    """The user or the system asked the work to stop; what was done is saved (exit code 130)."""

    exit_code = 130
