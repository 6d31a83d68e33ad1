"""Configurations of any task: which one settings, a file or a cohort ask for, and composing that one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.explaining import Root, explain
from gaze_insight.config.layers import TASKS, Task, asked_task, merge_layers, read_layers
from gaze_insight.config.loading import compose, load_config
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.mapping_file import read_mapping
from gaze_insight.methods.classifiers import CLASSIFIERS

__all__ = [
    "CHEST_PRESET",
    "compose_chest",
    "compose_task",
    "load_chest_config",
    "load_run_config",
    "task_of_file",
]

CHEST_PRESET = "chest"
"""The preset of a cohort of radiographs for which none is named."""

_ROOT = Root(ChestConfig, {("method",): (CLASSIFIERS, "gaze_classifier")})


def compose_chest(
    presets: Sequence[str] = (), config_files: Sequence[Path] = (), overrides: Iterable[str] = ()
) -> ChestConfig:
    """Compose the configuration of a run on chest radiographs, as `gaze_insight.config.loading.compose` does.

    Args:
        presets: Names of presets for chest radiographs.
        config_files: YAML files.
        overrides: ``dotted.key=value`` with the value in YAML.

    Returns:
        The validated configuration.

    Raises:
        SettingsError: A preset, file, key or value that cannot be used, or a preset of segmentation.

    Example:
        >>> compose_chest(overrides=["gaze.use=false"]).gaze.use
        False
    """
    layers = read_layers(presets, config_files, overrides)
    if asked_task(layers) == "segmentation":
        origin = next(layer.origin for layer in layers if layer.task == "segmentation")
        raise SettingsError(
            f"{origin} is for segmentation; expected settings of chest radiographs",
            remedy=f"choose --preset {CHEST_PRESET}; `gaze-insight config presets` lists all",
        )
    values, origins = merge_layers(ChestConfig().model_dump(mode="json"), layers, CLASSIFIERS)
    return _validate(values, origins)


def compose_task(
    presets: Sequence[str] = (),
    config_files: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    *,
    task: Task | None = None,
    whose: str = "the cohort",
) -> RunConfig | ChestConfig:
    """Compose the configuration of whichever task is meant.

    Args:
        presets: Names of presets.
        config_files: YAML files.
        overrides: ``dotted.key=value`` with the value in YAML.
        task: What the data is for; None where there is no data. For chest radiographs without a preset, the
            preset `CHEST_PRESET` is taken.
        whose: The data, for the message.

    Returns:
        The validated configuration.

    Raises:
        SettingsError: Settings are for another task than the data, or cannot be used.

    Example:
        >>> compose_task(["chest_tiny"]).task
        'chest_xray'
    """
    given = list(overrides)
    asked = asked_task(read_layers(presets, config_files, given))
    if task is not None and asked is not None and task != asked:
        remedy = f"--preset {CHEST_PRESET}" if task == "chest_xray" else "a preset of segmentation"
        raise SettingsError(
            f"{whose} is for {TASKS[task]}, but the settings are for {TASKS[asked]}",
            remedy=f"use {remedy}; `gaze-insight config presets` lists them",
        )
    if (task or asked) != "chest_xray":
        return compose(presets, config_files, given)
    return compose_chest(presets or ((CHEST_PRESET,) if task else ()), config_files, given)


def load_chest_config(path: Path) -> ChestConfig:
    """Read the complete configuration that a run on chest radiographs has saved.

    Args:
        path: The run's ``config.yaml``.

    Returns:
        The configuration.

    Raises:
        SettingsError: The file is missing, does not fit, or is that of a run that segments.
    """
    values = read_mapping(path)
    if "task" not in values:
        raise SettingsError(f"{path} is of a run that segments; expected one of a run on chest radiographs")
    return _validate(values, [str(path)])


def load_run_config(path: Path) -> RunConfig | ChestConfig:
    """Read the complete configuration that a run of any task has saved.

    Args:
        path: The run's ``config.yaml``.

    Returns:
        The configuration.

    Raises:
        SettingsError: The file is missing or does not fit.
    """
    return load_chest_config(path) if task_of_file(path) == "chest_xray" else load_config(path)


def task_of_file(path: Path) -> Task:
    """Say what a run is about, from its saved configuration.

    Args:
        path: The run's ``config.yaml``.

    Returns:
        The task.

    Raises:
        SettingsError: The file is missing or no mapping.
    """
    return "chest_xray" if read_mapping(path).get("task") == "chest_xray" else "segmentation"


def _validate(values: dict[str, Any], origins: list[str]) -> ChestConfig:
    try:
        return ChestConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, values, origins, _ROOT) from error
