"""`gaze-insight config`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, print_json, say
from gaze_insight.cli.options import ConfigFiles, Json, Overrides, Plugins, Presets, compose_config
from gaze_insight.cli.task import compose_any
from gaze_insight.errors import GazeInsightError

__all__ = ["check_method", "methods", "presets", "show"]


def show(
    *,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
) -> None:
    """Check settings and show the complete configuration they make."""
    from gaze_insight.config.loading import to_yaml

    say(to_yaml(compose_any(presets, config, overrides, plugins)).rstrip())


def presets() -> None:
    """List the presets."""
    from gaze_insight.config.loading import list_presets

    for name, summary in list_presets().items():
        say(f"{name:<14}{summary}")


def methods(*, plugins: Plugins = ()) -> None:
    """List the methods: those that segment, then those that classify chest radiographs."""
    from gaze_insight.cli.console import load_plugins
    from gaze_insight.methods.classifiers import CLASSIFIERS
    from gaze_insight.methods.registry import METHODS

    load_plugins(plugins)
    for name in sorted(METHODS):
        say(f"{name:<16}{METHODS[name].summary}")
    for name in sorted(CLASSIFIERS):
        say(f"{name:<16}chest radiographs: {CLASSIFIERS[name].summary}")


def check_method(
    name: Annotated[str, Parameter(help="The method's registered name.")],
    /,
    *,
    overrides: Overrides = (),
    plugins: Plugins = (),
    json: Json = False,
) -> None:
    """Try a method on drawn images and list all that would stop it, or make a comparison unfair."""
    from gaze_insight.cli.console import load_plugins
    from gaze_insight.methods.checking import check_method as check
    from gaze_insight.methods.registry import METHODS

    load_plugins(plugins)
    method = METHODS[name]
    settings = compose_config((), (), (f"method.kind={name}", *overrides)).method if overrides else None
    found = check(method, settings)
    if json:
        print_json({"method": found.name, "ok": found.ok, "problems": found.problems, "facts": found.facts})
    else:
        for problem in found.problems:
            say(f"- {problem}")
        for fact, value in found.facts.items():
            say(f"{fact}: {value}")
    if not found.ok:
        raise GazeInsightError(f"the method {name!r} has {count_of(len(found.problems), 'problem')}")
    if not json:
        say(f"the method {name!r} is complete")
