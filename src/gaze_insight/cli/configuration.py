"""`gaze-insight config`."""

from __future__ import annotations

from gaze_insight.cli.console import say
from gaze_insight.cli.options import ConfigFiles, Overrides, Plugins, Presets, compose_config

__all__ = ["methods", "presets", "show"]


def show(
    *,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
) -> None:
    """Check settings and show the complete configuration they make."""
    from gaze_insight.config.loading import to_yaml

    say(to_yaml(compose_config(presets, config, overrides, plugins)).rstrip())


def presets() -> None:
    """List the presets."""
    from gaze_insight.config.loading import list_presets

    for name, summary in list_presets().items():
        say(f"{name:<14}{summary}")


def methods(*, plugins: Plugins = ()) -> None:
    """List the methods."""
    from gaze_insight.cli.console import load_plugins
    from gaze_insight.methods.registry import METHODS

    load_plugins(plugins)
    for name in sorted(METHODS):
        say(f"{name:<14}{METHODS[name].summary}")
