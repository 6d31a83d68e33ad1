"""`gaze-insight label`."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.options import (
    ConfigFiles,
    Count,
    OnBad,
    Overrides,
    Plugins,
    Presets,
    Quiet,
    compose_config,
)

__all__ = ["label"]


def label(
    cohort: Path,
    /,
    *,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    workers: Count | None = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Make the pseudo-mask of each case from its gaze; a second time finds them in the cache.

    Args:
        cohort: The cohort's folder.
        workers: Processes; by default one a core.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.labelling import label as make

    settings = compose_config(presets, config, overrides, plugins).labels
    with show_progress(quiet=quiet) as progress:
        done = make(Cohort.open(cohort), settings, workers=workers, on_bad=on_bad, progress=progress)
    say(f"{done.made} made, {done.cached} found in the cache, in {done.seconds:.1f} s")
    if done.without_gaze:
        first = ", ".join(done.without_gaze[:3])
        say(f"without gaze, and so without pseudo-mask: {len(done.without_gaze)}; the first: {first}")
    for id, message in done.failed.items():
        say(f"skipped {id}: {message}")
