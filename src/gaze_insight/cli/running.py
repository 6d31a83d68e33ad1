"""`gaze-insight run`."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cli.console import print_json, show_progress
from gaze_insight.cli.evaluating import tell_scores
from gaze_insight.cli.options import ConfigFiles, Json, OnBad, Overrides, Plugins, Presets, Quiet
from gaze_insight.cli.task import run_any
from gaze_insight.cli.training import resolve_run, tell_training

__all__ = ["run"]


def run(
    cohort: Path | None = None,
    /,
    *,
    name: Path | None = None,
    resume: Path | None = None,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """From a cohort to a report: label, describe, train, evaluate, report.

    Args:
        cohort: The cohort's folder; not needed with --resume.
        name: The run's folder; a bare name lies in runs/. By default made of the names of cohort and method,
            and the seed.
        resume: Folder of an interrupted run to go on with.
    """
    from gaze_insight.config.run_folder import RunFolder

    opened, settings, folder = resolve_run(cohort, name, resume, presets, config, overrides, plugins)
    with show_progress(quiet=quiet) as progress:
        summary = run_any(
            opened, settings, folder, resume=resume is not None, on_bad=on_bad, progress=progress
        )
    if json:
        print_json(summary)
    else:
        tell_scores(summary, folder / "report.html")
        tell_training(RunFolder(folder))
