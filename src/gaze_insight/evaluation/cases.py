"""The scores of one prediction on one case, and the table of all of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import DEFAULT_EMPTY_POLICY, EmptyPolicy, dice, iou
from gaze_insight.evaluation.surface import Spacing, average_surface_distance, hd95
from gaze_insight.types import BoolArray, FloatArray

__all__ = ["CaseScore", "read_cases_csv", "score_case", "write_cases_csv"]


@dataclass(frozen=True)
class CaseScore:
    """How well one head's mask fits the true mask of one case.

    Args:
        id: The case.
        head: What made the mask: "student", "teacher", "pseudomask", ...
        dice: Fraction in [0, 1].
        iou: Fraction in [0, 1].
        hd95_px: 95 % Hausdorff distance in native pixels; NaN where the empty-mask policy excludes the case.
        asd_px: Symmetric average surface distance in native pixels; NaN likewise.
        hd95_mm: The same in mm; None where the pixel spacing is unknown.
        asd_mm: The same in mm; None where the pixel spacing is unknown.
        true_area_frac: Share of the image that the true mask covers, in [0, 1].
        predicted_area_frac: Share of the image that the predicted mask covers, in [0, 1].
        note: Empty, or what is peculiar about the case ("true mask empty").

    Example:
        >>> CaseScore("a", "student", 0.9, 0.82, 4.0, 1.0, None, None, 0.10, 0.11).note
        ''
    """

    id: str
    head: str
    dice: float
    iou: float
    hd95_px: float
    asd_px: float
    hd95_mm: float | None
    asd_mm: float | None
    true_area_frac: float
    predicted_area_frac: float
    note: str = ""


def score_case(
    prob: FloatArray | BoolArray,
    target: BoolArray,
    spacing_mm: Spacing | None = None,
    *,
    id: str,
    head: str,
    threshold: float = 0.5,
    policy: EmptyPolicy = DEFAULT_EMPTY_POLICY,
) -> CaseScore:
    """Score one predicted mask against the true one, at the native size of the true one.

    Args:
        prob: Foreground probability in [0, 1], (H, W) float; or a finished mask, (H, W) bool.
        target: True mask, (H, W) bool.
        spacing_mm: Height and width of a pixel in mm, or None where unknown.
        id: The case.
        head: What made the prediction.
        threshold: A pixel is foreground where the probability is above it.
        policy: What empty masks score.

    Returns:
        The scores; the note names an empty mask.

    Raises:
        DataError: Shapes differ, or a probability is not a number.

    Example:
        >>> true = np.zeros((8, 8), bool)
        >>> true[2:6, 2:6] = True
        >>> score_case(true * 0.9, true, id="a", head="student").dice
        1.0
    """
    if prob.dtype != np.bool_ and not np.isfinite(prob).all():
        raise DataError(f"case {id!r}, head {head!r}: the prediction holds values that are not numbers")
    pred = prob.astype(np.bool_) if prob.dtype == np.bool_ else prob > threshold
    distances_px = hd95(pred, target, policy=policy), average_surface_distance(pred, target, policy=policy)
    distances_mm: tuple[float | None, float | None] = (None, None)
    if spacing_mm is not None:
        distances_mm = (
            hd95(pred, target, spacing_mm, policy),
            average_surface_distance(pred, target, spacing_mm, policy),
        )
    return CaseScore(
        id=id,
        head=head,
        dice=dice(pred, target, policy),
        iou=iou(pred, target, policy),
        hd95_px=distances_px[0],
        asd_px=distances_px[1],
        hd95_mm=distances_mm[0],
        asd_mm=distances_mm[1],
        true_area_frac=float(target.mean()),
        predicted_area_frac=float(pred.mean()),
        note=_note(pred, target),
    )


def _note(pred: BoolArray, target: BoolArray) -> str:
    empty = [
        name for name, mask in (("true mask empty", target), ("nothing predicted", pred)) if not mask.any()
    ]
    return "; ".join(empty)


_TEXT_COLUMNS = ("id", "head", "note")
_OPTIONAL_COLUMNS = ("hd95_mm", "asd_mm")
_COLUMNS = tuple(field.name for field in fields(CaseScore))


def write_cases_csv(path: Path, scores: Iterable[CaseScore]) -> None:
    """Write one row a case and head, replacing the file in one step.

    Numbers keep their full precision; an unknown distance in mm is an empty cell. Without scores the file
    holds the header alone.

    Args:
        path: The CSV file.
        scores: The rows, in the order they shall stand in.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "cases.csv"
        >>> write_cases_csv(file, [CaseScore("a", "student", 0.9, 0.82, 4.0, 1.0, None, None, 0.1, 0.11)])
        >>> read_cases_csv(file)[0].dice
        0.9
    """
    lines: list[str] = []
    writer = csv.writer(_Lines(lines), lineterminator="\n")
    writer.writerow(_COLUMNS)
    for score in scores:
        writer.writerow([_cell(getattr(score, name)) for name in _COLUMNS])
    write_text_atomic(path, "".join(lines))


class _Lines:
    """The part of a text file that csv.writer uses, gathering into a list."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, line: str) -> int:
        self._lines.append(line)
        return len(line)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(float(value))


def read_cases_csv(path: Path) -> list[CaseScore]:
    """Read what :func:`write_cases_csv` wrote.

    Args:
        path: The CSV file.

    Returns:
        The rows in the file's order; empty if it holds the header alone.

    Raises:
        DataError: The file is missing, lacks a column, or a cell is not a number; with the row.

    Example:
        >>> read_cases_csv(Path("nowhere.csv"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.csv: no table of scores is here
          -> run the evaluation first
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError("no table of scores is here", path=path, remedy="run the evaluation first") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the table of scores cannot be read: {error}", path=path) from error
    rows = list(csv.reader(text.splitlines()))
    header = rows[0] if rows else []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"a table of scores needs the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}, "
            f"found {', '.join(header) or 'an empty file'}",
            path=path,
        )
    return [_score_from_row(row, header, path, number) for number, row in enumerate(rows[1:], start=2)]


def _score_from_row(row: Sequence[str], header: Sequence[str], path: Path, number: int) -> CaseScore:
    if len(row) != len(header):
        raise DataError(f"expected {len(header)} cells, found {len(row)}", path=path, row=number)
    cells = dict(zip(header, row, strict=True))
    numbers: dict[str, float | None] = {}
    for name in _COLUMNS:
        if name in _TEXT_COLUMNS:
            continue
        if name in _OPTIONAL_COLUMNS and cells[name] == "":
            numbers[name] = None
            continue
        numbers[name] = _number(cells[name], name, path, number)
    texts = {name: cells[name] for name in _TEXT_COLUMNS}
    return CaseScore(**texts, **numbers)  # type: ignore[arg-type]


def _number(cell: str, name: str, path: Path, row: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise DataError(f"{name} must be a number, found {cell!r}", path=path, row=row)
    return value
