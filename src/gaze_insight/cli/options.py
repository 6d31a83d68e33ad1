"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import load_plugins

if TYPE_CHECKING:
    from gaze_insight.config.run_config import RunConfig

__all__ = [
    "ConfigFiles",
    "Device",
    "Json",
    "OnBad",
    "Overrides",
    "Plugins",
    "Presets",
    "Quiet",
    "compose_config",
]

Presets = Annotated[
    tuple[str, ...],
    Parameter(
        name="--preset",
        negative="",
        help="A preset by name; may be given several times. See `config presets`.",
    ),
]
ConfigFiles = Annotated[
    tuple[Path, ...],
    Parameter(name="--config", negative="", help="A YAML file of settings; may be given several times."),
]
Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative="",
        help="One setting, such as method.afc_weight=0; may be given several times.",
    ),
]
Plugins = Annotated[
    tuple[str, ...],
    Parameter(name="--plugin", negative="", help="Your own module that registers methods or data sets."),
]
OnBad = Annotated[
    Literal["raise", "skip"],
    Parameter(
        name="--on-bad", help="What a file or row that cannot be used does: stop, or be skipped and listed."
    ),
]
Device = Annotated[str, Parameter(name="--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Write the result as JSON.")]
Quiet = Annotated[bool, Parameter(name="--quiet", negative="", help="Show no progress.")]


def compose_config(
    presets: tuple[str, ...],
    files: tuple[Path, ...],
    overrides: tuple[str, ...],
    plugins: tuple[str, ...] = (),
) -> RunConfig:
    """Load plug-ins, then compose the configuration from the flags.

    Args:
        presets: Names of presets.
        files: YAML files.
        overrides: Single settings.
        plugins: Modules of the user.

    Returns:
        The configuration.
    """
    from gaze_insight.config.loading import compose

    load_plugins(plugins)
    return compose(presets, files, overrides)
