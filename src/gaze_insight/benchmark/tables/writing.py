"""From a benchmark folder to its table files."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.atomic import write_text_atomic
from gaze_insight.benchmark.chest.writing import chest_texts
from gaze_insight.benchmark.collecting import collect
from gaze_insight.benchmark.comparison import compare
from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.tables.as_json import as_json
from gaze_insight.benchmark.tables.html import as_html
from gaze_insight.benchmark.tables.latex import as_latex
from gaze_insight.benchmark.tables.markdown import as_markdown
from gaze_insight.config.layers import Task
from gaze_insight.errors import SettingsError
from gaze_insight.types import Progress, silent

__all__ = ["write_tables"]


def write_tables(
    folder: str | Path, *, resamples: int = 2000, progress: Progress = silent
) -> dict[str, Path]:
    """Write ``table.md``, ``table.tex``, ``table.json`` and ``table.html`` into a benchmark's folder.

    The files hold no date and nothing random: the same folder gives the same bytes.

    Args:
        folder: The benchmark's folder; runs that are missing are listed, not waited for.
        resamples: Bootstrap resamples.
        progress: Receives progress in rows.

    Returns:
        The files by their kind: ``markdown``, ``latex``, ``json``, ``html``.

    Raises:
        DataError: The folder is no benchmark, no run in it is finished, the finished runs share no case, or a
            file cannot be written.

    Example:
        >>> write_tables("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a benchmark, found no benchmark.json...
    """
    texts = _texts(Path(folder), resamples, progress)
    written = {}
    for kind, (name, text) in texts.items():
        written[kind] = Path(folder) / name
        write_text_atomic(written[kind], text)
    return written


def _texts(folder: Path, resamples: int, progress: Progress) -> dict[str, tuple[str, str]]:
    if _task(folder) == "chest_xray":
        return chest_texts(folder, resamples=resamples, progress=progress)
    comparison = compare(collect(folder), resamples=resamples, progress=progress)
    return {
        "markdown": ("table.md", as_markdown(comparison)),
        "latex": ("table.tex", as_latex(comparison)),
        "json": ("table.json", as_json(comparison)),
        "html": ("table.html", as_html(comparison)),
    }


def _task(folder: Path) -> Task:
    """A damaged suite is reported by whoever reads the folder next."""
    files = BenchmarkFolder(folder)
    files.facts()
    try:
        return files.suite().task
    except SettingsError:
        return "segmentation"
