"""The account of one import: what was there, what was dropped, what could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow
from gaze_insight.errors import DataError, SettingsError

__all__ = ["Account"]


class Account:
    """Collects counts and problems while files are read, and knows what to do at a bad one.

    Args:
        on_bad: ``raise`` stops at the first bad row or file; ``skip`` leaves it out and notes it.

    Attributes:
        counts: What is there or missing, by name; for ``cohort.yaml``.
        dropped: Rows of gaze tables that are not used, by reason.
        problems: Messages for what was skipped.
        gaze_without_image: Names of images that were read by somebody and are not in the tables of images.

    Raises:
        SettingsError: ``on_bad`` is something else.

    Example:
        >>> account = Account("skip")
        >>> with account.allowing("bad_row"):
        ...     raise DataError("expected a number, found 'x'", row=3)
        >>> account.problems, dict(account.dropped)
        (["row 3: expected a number, found 'x'"], {'bad_row': 1})
    """

    def __init__(self, on_bad: OnBad = "raise") -> None:
        if on_bad not in ("raise", "skip"):
            raise SettingsError(f"on_bad must be 'raise' or 'skip', found {on_bad!r}")
        self.on_bad: OnBad = on_bad
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.problems: list[str] = []
        self.gaze_without_image: set[str] = set()

    @contextmanager
    def allowing(self, dropped: str | None = None) -> Iterator[None]:
        """Let the block fail with a `DataError` where bad things are skipped, and note it.

        Args:
            dropped: Reason under which the failure is counted among what was dropped; None: only noted.

        Yields:
            Nothing.

        Raises:
            DataError: As the block raised it, where ``on_bad`` is ``raise``.
        """
        try:
            yield
        except DataError as error:
            self.refuse(error, dropped)

    def refuse(self, error: DataError, dropped: str | None = None) -> None:
        """Raise an error, or note it where bad things are skipped.

        Args:
            error: What is wrong.
            dropped: As for `allowing`.

        Raises:
            DataError: `error`, where ``on_bad`` is ``raise``.
        """
        if self.on_bad == "raise":
            raise error
        self.problems.append(str(error))
        if dropped is not None:
            self.dropped[dropped] += 1

    def note(self, message: str) -> None:
        """Note something that needs a look and stops nothing.

        Args:
            message: A sentence.
        """
        self.problems.append(message)

    def rows(self, table: Table, dropped: str | None = None) -> Iterable[TableRow]:
        """Give the rows of a table, its broken rows refused first.

        Args:
            table: The table.
            dropped: As for `allowing`.

        Returns:
            The sound rows.

        Raises:
            DataError: A row is broken, where ``on_bad`` is ``raise``.
        """
        for error in table.broken:
            self.refuse(error, dropped)
        return table.rows
