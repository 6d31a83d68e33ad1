"""`gaze-insight report`."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cli.console import load_plugins, say
from gaze_insight.cli.options import Count, Device, Plugins
from gaze_insight.cli.task import report_any

__all__ = ["report"]


def report(
    run: Path, /, *, out: Path | None = None, each: Count = 2, plugins: Plugins = (), device: Device = "auto"
) -> None:
    """Write the HTML report of an evaluated run.

    Args:
        run: The run's folder.
        out: The file; by default report.html in the run's folder.
        each: How many best, median and worst cases are shown.
    """
    load_plugins(plugins)
    say(f"report: {report_any(run, out, each=each, device=device)}")
