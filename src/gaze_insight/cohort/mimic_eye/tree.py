"""MIMIC-Eye's tree of folders: a patient's tables, and those of all patients under ``spreadsheets``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.tables import Table, TableRow, read_table
from gaze_insight.errors import DataError

__all__ = ["MimicEyeTree", "child", "find_tree"]

_PREFIX = "patient_"
_SHEETS = "spreadsheets"


def find_tree(source: str | Path) -> Path:
    """Find the folder that holds the patients.

    Args:
        source: That folder, or the one above it.

    Returns:
        The folder with ``patient_<subject_id>`` in it.

    Raises:
        DataError: There is none, or there are several.

    Example:
        >>> find_tree("nowhere")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected folders called patient_<subject_id>, found none
          -> give the folder of MIMIC-Eye 1.0.0 that holds them
    """
    place = Path(source)
    if _holds_patients(place):
        return place
    inner = [path for path in sorted(place.iterdir()) if _holds_patients(path)] if place.is_dir() else []
    if len(inner) == 1:
        return inner[0]
    found = "several folders that hold some" if inner else "none"
    raise DataError(
        f"expected folders called {_PREFIX}<subject_id>, found {found}",
        path=place,
        remedy="give the folder of MIMIC-Eye 1.0.0 that holds them",
    )


def _holds_patients(folder: Path) -> bool:
    return folder.is_dir() and any(path.name.startswith(_PREFIX) for path in folder.iterdir())


class MimicEyeTree:
    """The tables of a tree. A table of all patients is read once, and only where a patient's own is missing.

    Args:
        root: The folder that holds the patients.
        account: Told which tables had to be taken from ``spreadsheets``.

    Example:
        >>> MimicEyeTree(Path("mimic-eye"), Account()).root
        PosixPath('mimic-eye')
    """

    def __init__(self, root: Path, account: Account) -> None:
        self.root = root
        self._account = account
        self._sheets: dict[Path, tuple[Table, dict[str, list[TableRow]]] | None] = {}

    def patients(self) -> Iterator[tuple[str, Path]]:
        """List the patients.

        Yields:
            Subject and folder, in the order of the folders' names.
        """
        for path in sorted(self.root.iterdir()):
            if path.name.startswith(_PREFIX) and path.is_dir():
                yield path.name.removeprefix(_PREFIX), path

    def table(
        self,
        file: Path,
        sheet: str,
        needs: Collection[str],
        key: str,
        keys: Collection[str],
        *,
        rename: Mapping[str, str] | None = None,
    ) -> Table | None:
        """Read a patient's table, or its part of the table of all patients.

        Args:
            file: The patient's own table.
            sheet: The table of all patients, below ``spreadsheets``.
            needs: Columns that must be there.
            key: Column by which rows of the common table are picked.
            keys: Its values for this patient.
            rename: As for `read_table`.

        Returns:
            The table; None where neither is there.

        Raises:
            DataError: A table cannot be read or lacks a column.
        """
        if file.is_file():
            return read_table(file, needs, rename=rename)
        path = self.root / _SHEETS / sheet
        if path not in self._sheets:
            self._sheets[path] = self._sheet(path, needs, key, rename)
        found = self._sheets[path]
        if found is None:
            return None
        self._account.counts[f"tables_from_spreadsheets_{path.stem}"] += 1
        whole, by_key = found
        rows = [row for one in sorted(keys) for row in by_key.get(one, ())]
        return Table(whole.path, whole.columns, tuple(rows))

    def common_rows(self, sheet: str) -> tuple[TableRow, ...]:
        """Give all rows of a table of all patients, if any patient's part of it was asked for.

        Args:
            sheet: The table, below ``spreadsheets``.

        Returns:
            Its rows; none where it was not read.
        """
        found = self._sheets.get(self.root / _SHEETS / sheet)
        return () if found is None else found[0].rows

    def _sheet(
        self, path: Path, needs: Collection[str], key: str, rename: Mapping[str, str] | None
    ) -> tuple[Table, dict[str, list[TableRow]]] | None:
        if not path.is_file():
            return None
        table = read_table(path, {*needs, key}, rename=rename)
        by_key: dict[str, list[TableRow]] = {}
        for row in self._account.rows(table, "bad_row"):
            by_key.setdefault(row.name(key), []).append(row)
        return table, by_key


def child(folder: Path, *names: str) -> Path | None:
    """Find a folder in a folder by any of its spellings, in small or large letters.

    Args:
        folder: The folder to look in.
        names: Spellings, such as ``Hosp`` and ``Hsop``.

    Returns:
        The folder; None where there is none.

    Example:
        >>> child(Path("nowhere"), "Hosp", "Hsop") is None
        True
    """
    if not folder.is_dir():
        return None
    wanted = {name.lower() for name in names}
    found = sorted(path for path in folder.iterdir() if path.name.lower() in wanted and path.is_dir())
    return found[0] if found else None
