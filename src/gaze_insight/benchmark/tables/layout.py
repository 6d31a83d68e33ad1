"""The tables as plain text in cells, before any of the formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gaze_insight.benchmark.results import Comparison, Difference, Estimate, RowResult
from gaze_insight.benchmark.tables.captions import label_of, main_caption
from gaze_insight.benchmark.tables.curve_tables import curve_tables
from gaze_insight.insight.rendering import duration_words, share
from gaze_insight.insight.study_page import StudyTable

__all__ = ["REPORTED", "TEXT_COLUMNS", "all_tables", "main_table", "p_text", "signed"]

REPORTED = "*reported*"
"""Mark of a column whose figures are a paper's own."""

TEXT_COLUMNS = frozenset({"Method", "Labels", "State", "Why", "Curve"})
"""Heads of columns that hold words and stand to the left."""

_NONE = "–"
_METRICS = {"iou": "IoU", "hd95_px": "HD95 (px)", "asd_px": "ASD (px)"}
_Column = tuple[str, Callable[[RowResult], str]]


def all_tables(comparison: Comparison) -> list[StudyTable]:
    """Lay out every table of a comparison.

    Args:
        comparison: The comparison.

    Returns:
        The main table first; then annotation time on curves, other metrics and costs, strata, variance,
        selection and absent runs, each only where there is something to say.
    """
    tables = [
        main_table(comparison),
        *curve_tables(comparison.curves),
        _other_metrics(comparison),
        _costs(comparison),
        _strata(comparison),
        _variance(comparison),
        _selection(comparison),
        _absent(comparison),
    ]
    return [table for table in tables if table is not None]


def main_table(comparison: Comparison) -> StudyTable:
    """Lay out Dice with its intervals and the differences to the reference.

    Args:
        comparison: The comparison.

    Returns:
        The table; a row without a finished run holds what is reported alone.
    """
    columns: list[_Column] = [
        ("Method", _name),
        ("Labels", lambda row: row.supervision),
        ("Seeds", _seeds),
        ("Dice", partial(_metric, metric="dice", digits=3)),
        ("95 % interval", lambda row: _interval_of(row.estimates.get("dice"))),
    ]
    if comparison.reference is not None:
        columns += [
            (f"minus {label_of(comparison, comparison.reference)}", _difference),
            ("with new seeds", lambda row: _crossed(row.differences.get("dice"))),
            ("p", lambda row: _p(row, holm=False)),
            ("Holm p", lambda row: _p(row, holm=True)),
        ]
    if any("dice" in row.reported for row in comparison.rows):
        columns += [
            (f"Dice {REPORTED}", partial(_reported, metric="dice", digits=4)),
            ("inside our interval", _inside),
        ]
    return _table("Dice", main_caption(comparison), columns, comparison)


def _other_metrics(comparison: Comparison) -> StudyTable | None:
    columns: list[_Column] = [("Method", _name)]
    for metric, title in _METRICS.items():
        digits = 3 if metric == "iou" else 1
        columns.append((title, partial(_metric, metric=metric, digits=digits)))
        if any(metric in row.reported for row in comparison.rows):
            columns.append((f"{title} {REPORTED}", partial(_reported, metric=metric, digits=digits + 1)))
    caption = (
        "Means over cases and seeds, ± is the standard deviation between seeds. Distances are in pixels "
        "of the true masks; (n) is the number of cases where some have no distance."
    )
    return _table("Other metrics", caption, columns, comparison)


def _costs(comparison: Comparison) -> StudyTable | None:
    columns: list[_Column] = [
        ("Method", _name),
        ("Labels", lambda row: row.supervision),
        ("Looking (h)", lambda row: _number(row.gaze_hours, 2)),
    ]
    if any("hours" in row.reported for row in comparison.rows):
        columns.append((f"Annotation (h) {REPORTED}", lambda row: _number(row.reported.get("hours"), 1)))
    columns += [
        ("Training", lambda row: _NONE if row.train_seconds is None else duration_words(row.train_seconds)),
        ("Parameters", lambda row: _weights(row.parameters)),
    ]
    simulated = any(row.gaze_source.startswith("simulated") for row in comparison.rows)
    caption = (
        "Looking is the time that the gaze on the training images took, "
        f"{'as simulated' if simulated else 'from the recordings'}; points, boxes "
        "and scribbles are made from the same gaze. True masks were not timed here. Training is the mean of "
        "the seeds. Parameters are those of the network that predicts."
    )
    return _table("Costs", caption, columns, comparison)


def _strata(comparison: Comparison) -> StudyTable | None:
    if not comparison.strata:
        return None
    columns: list[_Column] = [("Method", _name)]
    for number, stratum in enumerate(comparison.strata):
        size = f"{share(stratum.low_frac)} to {share(stratum.high_frac)}"
        columns.append((f"{stratum.name} ({len(stratum.ids)}; {size})", partial(_stratum, number=number)))
    caption = (
        "Dice by the size of the lesion (share of the image that the true mask covers), parts of equal "
        "count, with 95 % intervals over cases."
    )
    return _table("Dice by lesion size", caption, columns, comparison)


def _variance(comparison: Comparison) -> StudyTable | None:
    known = [row.estimates["dice"].components for row in comparison.rows if "dice" in row.estimates]
    if all(components.standard_error is None for components in known):
        return None
    columns: list[_Column] = [
        ("Method", _name),
        ("standard error", lambda row: _component(row, "standard_error", 4)),
        ("from cases", lambda row: _share(row, "case_share")),
        ("from seeds", lambda row: _share(row, "seed_share")),
        ("sd between cases", lambda row: _root(row, "case")),
        ("sd between seeds", lambda row: _root(row, "seed")),
        ("sd of the rest", lambda row: _root(row, "residual")),
    ]
    caption = (
        "Where the uncertainty of a mean Dice comes from: standard error for new cases and new seeds, the "
        "shares of its square, and the standard deviations behind it (two crossed random effects, method "
        "of moments; with few seeds their part is known roughly)."
    )
    return _table("Seeds and cases", caption, columns, comparison)


def _selection(comparison: Comparison) -> StudyTable | None:
    rows = [row for row in comparison.rows if row.selection is not None]
    if not rows:
        return None
    cells = []
    for row in rows:
        found = row.selection
        if found is None:
            continue
        expected = _NONE if found.expected is None else " to ".join(signed(end) for end in found.expected)
        cells.append(
            (
                row.label,
                " / ".join(str(count) for count in dict.fromkeys(found.evaluations)),
                f"{found.best:.3f}",
                f"{found.last:.3f}",
                f"{signed(found.mean)} {_range(found.cases_ci95)}",
                _NONE if found.cases_seeds_ci95 is None else _range(found.cases_seeds_ci95),
                _number(found.noise_sd, 4),
                expected,
            )
        )
    caption = (
        "What choosing the weights on the test set adds: best of k evaluations minus the last weights, on "
        "the same cases. Expected is what the wavering of the score from one evaluation to the next gives "
        "by itself, sd times the expected largest of k normal values, if evaluations were independent: "
        "from the second half of them competing to all of them."
    )
    columns = (
        "Method", "k", "best", "last", "best minus last", "with new seeds", "sd of evaluations", "expected"
    )  # fmt: skip
    return StudyTable("Selection on the test set", caption, columns, cells)


def _absent(comparison: Comparison) -> StudyTable | None:
    if not comparison.absent:
        return None
    rows = [
        (label_of(comparison, one.row), str(one.seed), one.state, one.reason) for one in comparison.absent
    ]
    caption = "Runs that the suite asks for and that are in no table."
    return StudyTable("Runs left out", caption, ("Method", "Seed", "State", "Why"), rows)


def _table(title: str, caption: str, columns: Sequence[_Column], comparison: Comparison) -> StudyTable:
    rows = [tuple(write(row) for _, write in columns) for row in comparison.rows]
    marked = [place for place, row in enumerate(comparison.rows) if row.key == comparison.reference]
    return StudyTable(title, caption, tuple(name for name, _ in columns), rows, marked)


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign.

    Args:
        value: The difference.
        digits: Digits behind the point.

    Returns:
        The text, with a true minus sign.

    Example:
        >>> signed(0.0123), signed(-0.02)
        ('+0.012', '−0.020')
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def p_text(value: float) -> str:
    """Write a p-value.

    Args:
        value: In (0, 1].

    Returns:
        Three digits, or that it is below 0.001.

    Example:
        >>> p_text(0.0342), p_text(0.0002)
        ('0.034', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _name(row: RowResult) -> str:
    return f"{row.label} (made by another program)" if row.external else row.label


def _seeds(row: RowResult) -> str:
    return str(len(row.seeds)) if row.complete else f"{len(row.seeds)} of {row.planned_seeds}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _metric(row: RowResult, metric: str, digits: int) -> str:
    estimate = row.estimates.get(metric)
    if estimate is None:
        return _NONE
    spread = "" if estimate.sd_seeds is None else f" ± {estimate.sd_seeds:.{digits}f}"
    count = f" ({estimate.cases})" if estimate.excluded else ""
    return f"{estimate.mean:.{digits}f}{spread}{count}"


def _interval_of(estimate: Estimate | None) -> str:
    return _NONE if estimate is None else "{:.3f} to {:.3f}".format(*estimate.cases_ci95)


def _range(ends: tuple[float, float]) -> str:
    return f"[{signed(ends[0])}, {signed(ends[1])}]"


def _difference(row: RowResult) -> str:
    found = row.differences.get("dice")
    return _NONE if found is None else f"{signed(found.mean)} {_range(found.cases_ci95)}"


def _crossed(found: Difference | None) -> str:
    return _NONE if found is None or found.cases_seeds_ci95 is None else _range(found.cases_seeds_ci95)


def _p(row: RowResult, *, holm: bool) -> str:
    found = row.differences.get("dice")
    return _NONE if found is None else p_text(found.p_holm if holm else found.p)


def _reported(row: RowResult, metric: str, digits: int) -> str:
    if metric not in row.reported:
        return _NONE
    spread = row.reported.get(f"{metric}_sd")
    return f"{row.reported[metric]:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def _inside(row: RowResult) -> str:
    found = row.reported_inside.get("dice")
    return _NONE if found is None else "yes" if found else "no"


def _weights(count: int | None) -> str:
    if count is None:
        return _NONE
    return f"{count / 1e6:.2f} M" if count >= 100_000 else f"{count / 1e3:.1f} k"


def _stratum(row: RowResult, number: int) -> str:
    if number >= len(row.strata):
        return _NONE
    found = row.strata[number]
    return f"{found.mean:.3f} [{found.cases_ci95[0]:.3f}, {found.cases_ci95[1]:.3f}]"


def _component(row: RowResult, name: str, digits: int) -> str:
    estimate = row.estimates.get("dice")
    return _NONE if estimate is None else _number(getattr(estimate.components, name), digits)


def _share(row: RowResult, name: str) -> str:
    estimate = row.estimates.get("dice")
    return _NONE if estimate is None else share(getattr(estimate.components, name), 0)


def _root(row: RowResult, name: str) -> str:
    estimate = row.estimates.get("dice")
    value = None if estimate is None else getattr(estimate.components, name)
    return _NONE if value is None else f"{value**0.5:.4f}"
