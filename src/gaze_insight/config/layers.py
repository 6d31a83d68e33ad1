"""What a configuration is composed of: presets, files and single settings, each over those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import yaml

from gaze_insight.config.overrides import merge, parse_override
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.mapping_file import read_mapping
from gaze_insight.registry import Registry

__all__ = ["TASKS", "Layer", "Task", "asked_task", "list_presets", "merge_layers", "read_layers"]

Task = Literal["segmentation", "chest_xray"]
"""What a run is about; settings of chest radiographs say so in their key ``task``, others have none."""

TASKS: Mapping[Task, str] = {"segmentation": "segmentation", "chest_xray": "chest radiographs"}
"""Each task in words."""


class Layer(NamedTuple):
    """Some settings and where they come from.

    Attributes:
        origin: In words, for messages.
        values: Nested settings.
        task: What they are for; None for settings that do not say.
    """

    origin: str
    values: Mapping[str, Any]
    task: Task | None


def list_presets() -> dict[str, str]:
    """List the presets that come with the package.

    Returns:
        Name to the first comment line of the file.

    Example:
        >>> "kvasir_cpu" in list_presets()
        True
    """
    folder = files("gaze_insight.config") / "presets"
    return {
        Path(entry.name).stem: entry.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def read_layers(
    presets: Sequence[str] = (), config_files: Sequence[Path] = (), overrides: Iterable[str] = ()
) -> list[Layer]:
    """Read presets, files and single settings, in the order in which later ones win.

    Args:
        presets: Names of presets.
        config_files: YAML files.
        overrides: ``dotted.key=value`` with the value in YAML.

    Returns:
        The layers.

    Raises:
        SettingsError: A preset is unknown, or a file or a setting cannot be read.

    Example:
        >>> [(layer.origin, layer.task) for layer in read_layers(["tiny"], (), ["seed=3"])]
        [('preset tiny', 'segmentation'), ('--set seed=3', None)]
    """
    layers = []
    for name in presets:
        values = _read_preset(name)
        layers.append(Layer(f"preset {name}", values, _task_of(values) or "segmentation"))
    for path in config_files:
        values = read_mapping(path)
        layers.append(Layer(str(path), values, _task_of(values)))
    for text in overrides:
        values = parse_override(text)
        layers.append(Layer(f"--set {text}", values, _task_of(values)))
    return layers


def asked_task(layers: Sequence[Layer]) -> Task | None:
    """Say what a configuration is for.

    Args:
        layers: The layers.

    Returns:
        The task; None where no layer says.

    Raises:
        SettingsError: Two layers are for different tasks.

    Example:
        >>> asked_task(read_layers(["kvasir_cpu"]))
        'segmentation'
    """
    said = [layer for layer in layers if layer.task is not None]
    for layer in said[1:]:
        if layer.task != said[0].task and layer.task is not None and said[0].task is not None:
            raise SettingsError(
                f"{said[0].origin} is for {TASKS[said[0].task]}, {layer.origin} is for {TASKS[layer.task]}",
                remedy="give settings for one of both",
            )
    return said[0].task if said else None


def merge_layers(
    defaults: Mapping[str, Any], layers: Sequence[Layer], methods: Registry[Any]
) -> tuple[dict[str, Any], list[str]]:
    """Merge layers over defaults.

    Where the method changes, what the old and the new one both have (the network, the epochs) stays, so that
    a yardstick beside a preset is trained at that preset's scale.

    Args:
        defaults: The complete configuration that they are merged over.
        layers: The layers, in order.
        methods: The methods, by the ``kind`` of the key ``method``.

    Returns:
        The values, and where they came from.
    """
    values = dict(defaults)
    for layer in layers:
        merged = merge(values, layer.values)
        before, after = values.get("method"), merged.get("method")
        if (
            isinstance(before, Mapping)
            and isinstance(after, Mapping)
            and before.get("kind") != after.get("kind")
        ):
            merged["method"] = _with_shared(before, after, methods)
        values = merged
    return values, [layer.origin for layer in layers]


def _with_shared(
    before: Mapping[str, Any], after: Mapping[str, Any], methods: Registry[Any]
) -> dict[str, Any]:
    kind = after.get("kind")
    if before.get("kind") == kind or not isinstance(kind, str) or kind not in methods:
        return dict(after)
    shared = methods[kind].settings_type.model_fields.keys() - {"kind"}
    return {**{key: value for key, value in before.items() if key in shared}, **after}


def _task_of(values: Mapping[str, Any]) -> Task | None:
    task = values.get("task")
    if task is not None and task not in get_args(Task):
        raise SettingsError(f"task: expected one of {', '.join(get_args(Task))}, found {task!r}")
    return task


def _read_preset(name: str) -> dict[str, Any]:
    known = list_presets()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise SettingsError(
            f"unknown preset {name!r}; known: {', '.join(known)}",
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )
    text = (files("gaze_insight.config") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text) or {})
