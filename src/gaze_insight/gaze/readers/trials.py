"""Which image was shown when: a table for recordings that do not say so themselves."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

from gaze_insight.errors import DataError
from gaze_insight.gaze.recording import image_id_of

__all__ = ["Trial", "read_trials"]

_NEEDED = ("image", "start_ms", "end_ms")


class Trial(NamedTuple):
    """One showing of one image, on the clock of the recording.

    Args:
        image: The image's id.
        start_ms: When it appeared.
        end_ms: When it went, above `start_ms`.
        session: The recording it belongs to; None: the only one.

    Example:
        >>> Trial("a", 0.0, 4000.0).session is None
        True
    """

    image: str
    start_ms: float
    end_ms: float
    session: str | None = None


def read_trials(path: str | Path) -> tuple[Trial, ...]:
    r"""Read a table of trials: CSV in UTF-8 with the columns image, start_ms, end_ms and, if wanted, session.

    Args:
        path: The file. `image` is a file name or an id; times are on the recording's clock in ms.

    Returns:
        The trials in the order of the file; none for a header alone.

    Raises:
        DataError: The file cannot be read, a column is missing, a row has no image or no usable times, or two
            trials of a session overlap.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "trials.csv")
        >>> _ = file.write_text("image,start_ms,end_ms\na.png,0,4000\nb.png,4500,9000\n")
        >>> [(trial.image, trial.end_ms) for trial in read_trials(file)]
        [('a', 4000.0), ('b', 9000.0)]
    """
    table = Path(path)
    trials: list[tuple[int, Trial]] = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            found = [name.strip() for name in reader.fieldnames or []]
            missing = [name for name in _NEEDED if name not in found]
            if missing:
                raise DataError(
                    f"the table of trials lacks the column {', '.join(missing)}; "
                    f"found: {', '.join(found) or 'none'}",
                    path=table,
                    row=1,
                )
            reader.fieldnames = found
            trials = [(reader.line_num, _trial(row, table, reader.line_num)) for row in reader]
    except FileNotFoundError as error:
        raise DataError("the table of trials does not exist", path=table) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the table of trials cannot be read: {error}", path=table) from error
    _check_overlap(trials, table)
    return tuple(trial for _, trial in trials)


def _trial(row: dict[str, str | None], path: Path, line: int) -> Trial:
    image = image_id_of(row["image"] or "")
    if not image:
        raise DataError("image must name an image, found nothing", path=path, row=line)
    start_ms, end_ms = _time("start_ms", row, path, line), _time("end_ms", row, path, line)
    if end_ms <= start_ms:
        raise DataError(f"end_ms must be above start_ms {start_ms:g}, found {end_ms:g}", path=path, row=line)
    return Trial(image, start_ms, end_ms, (row.get("session") or "").strip() or None)


def _time(name: str, row: dict[str, str | None], path: Path, line: int) -> float:
    cell = (row[name] or "").strip()
    try:
        value = float(cell)
    except ValueError as error:
        raise DataError(f"{name} must be a number, found {cell!r}", path=path, row=line) from error
    if not math.isfinite(value):
        raise DataError(f"{name} must be finite, found {cell!r}", path=path, row=line)
    return value


def _check_overlap(trials: list[tuple[int, Trial]], path: Path) -> None:
    latest: dict[str | None, Trial] = {}
    for line, trial in sorted(trials, key=lambda numbered: numbered[1].start_ms):
        before = latest.get(trial.session)
        if before is not None and trial.start_ms < before.end_ms:
            raise DataError(
                f"the trial of {trial.image!r} begins at {trial.start_ms:g} ms, before that of "
                f"{before.image!r} ends at {before.end_ms:g} ms",
                path=path,
                row=line,
                remedy="one image at a time; name the session where several recordings share the table",
            )
        latest[trial.session] = trial
