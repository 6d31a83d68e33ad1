"""`gaze-insight describe`."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.options import (
    Cluster,
    ConfigFiles,
    Overrides,
    Plugins,
    Presets,
    Quiet,
    Workers,
    compose_config,
)

__all__ = ["describe"]


def describe(
    cohort: Path,
    /,
    *,
    out: Path | None = None,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
) -> None:
    """Put each case into words, measured from image and gaze or read from a file, and write them for a look.

    Args:
        cohort: The cohort's folder.
        out: The JSONL file; by default derived/descriptions.jsonl in the cohort's folder.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.language.files import write_descriptions
    from gaze_insight.workflow.describing import describe as make

    settings = compose_config(presets, config, overrides, plugins)
    opened = Cohort.open(cohort)
    with show_progress(quiet=quiet) as progress:
        described = make(
            opened, settings.language, settings.labels, workers=workers, cluster=cluster, progress=progress
        )
    target = opened.folder / "derived" / "descriptions.jsonl" if out is None else out
    target.parent.mkdir(parents=True, exist_ok=True)
    write_descriptions(target, described)
    say(f"{len(described)} of {len(opened)} cases described ({settings.language.describer_name}): {target}")
