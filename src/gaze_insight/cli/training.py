"""`gaze-insight train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaze_insight.cli.console import load_plugins, say, show_progress
from gaze_insight.cli.options import (
    ConfigFiles,
    OnBad,
    Overrides,
    Plugins,
    Presets,
    Quiet,
)
from gaze_insight.cli.task import compose_any, train_any
from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.config.chest_config import ChestConfig
    from gaze_insight.config.run_config import RunConfig
    from gaze_insight.config.run_folder import RunFolder

__all__ = ["resolve_run", "tell_training", "train"]


def train(
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
    quiet: Quiet = False,
) -> None:
    """Label, describe and train. Ctrl-C stops and saves; --resume goes on to the same weights.

    Args:
        cohort: The cohort's folder; not needed with --resume.
        name: The run's folder; a bare name lies in runs/. By default made of the names of cohort and method,
            and the seed.
        resume: Folder of an interrupted run to go on with.
    """
    opened, settings, folder = resolve_run(cohort, name, resume, presets, config, overrides, plugins)
    with show_progress(quiet=quiet) as progress:
        done = train_any(
            opened, settings, folder, resume=resume is not None, on_bad=on_bad, progress=progress
        )
    say(f"trained: {done.path}")
    tell_training(done)
    say(f"next: gaze-insight evaluate {done.path}")


def tell_training(run: RunFolder) -> None:
    """Say what readers should know of a training, and the share of its time that making batches took.

    Args:
        run: A trained run.
    """
    plan = run.plan()
    for note in plan.get("warnings", ()):
        say(f"note: {note}")
    if plan.get("train_seconds"):
        share = plan["batch_seconds"] / plan["train_seconds"]
        say(f"training took {plan['train_seconds']:.0f} s, {share:.1%} of it making batches")


def resolve_run(
    cohort: Path | None,
    name: Path | None,
    resume: Path | None,
    presets: tuple[str, ...],
    config: tuple[Path, ...],
    overrides: tuple[str, ...],
    plugins: tuple[str, ...],
) -> tuple[Cohort, RunConfig | ChestConfig, Path]:
    """Find cohort, configuration and folder of a new run, or of one that goes on.

    Args:
        cohort: The cohort's folder.
        name: The run's folder or bare name.
        resume: The folder of the run to go on with.
        presets: Presets of a new run.
        config: Settings files of a new run.
        overrides: Single settings of a new run.
        plugins: The user's modules.

    Returns:
        The cohort, the configuration, the folder.

    Raises:
        SettingsError: Flags contradict each other, or something is missing.
    """
    from gaze_insight.cohort.cohort import Cohort as Opened
    from gaze_insight.config.layers import read_layers
    from gaze_insight.config.run_folder import RunFolder

    load_plugins(plugins)
    if resume is not None:
        if presets or config or overrides or name:
            raise SettingsError("--resume goes on with the run's own settings, found others beside it")
        run = RunFolder(resume)
        settings: RunConfig | ChestConfig = run.chest_config() if run.task() == "chest_xray" else run.config()
        if cohort is None and not run.plan_json.exists():
            raise SettingsError(
                f"{resume} was stopped before its training began; there is nothing to go on with",
                remedy=f"begin again: gaze-insight train COHORT --name {resume}",
            )
        place = Path(run.plan()["cohort_folder"]) if cohort is None else cohort
        return Opened.open(place), settings, resume
    if cohort is None:
        raise SettingsError("expected the folder of a cohort, found none", remedy="gaze-insight train COHORT")
    read_layers(presets, config, overrides)
    opened = Opened.open(cohort)
    settings = compose_any(presets, config, overrides, cohort=opened)
    folder = Path(f"{opened.name}-{settings.method_name}-seed{settings.seed}") if name is None else name
    return opened, settings, folder if len(folder.parts) > 1 else Path("runs") / folder
