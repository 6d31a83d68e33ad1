"""Presets, files and single keys composed into one validated configuration of a segmentation run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from gaze_insight.config.explaining import Root, explain
from gaze_insight.config.layers import asked_task, list_presets, merge_layers, read_layers
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.mapping_file import read_mapping
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.parts import PARTS

__all__ = ["compose", "list_presets", "load_config", "to_yaml"]

_ROOT = Root(
    RunConfig,
    {
        ("method",): (METHODS, "fgi"),
        ("language", "describer"): (DESCRIBERS, "measured"),
        ("labels", "parts", "*"): (PARTS, "prior"),
    },
)


def compose(
    presets: Sequence[str] = (), config_files: Sequence[Path] = (), overrides: Iterable[str] = ()
) -> RunConfig:
    """Compose a run's configuration: defaults < presets < files < overrides, each in the given order.

    Where the method changes, what the old and the new one both have (the network, the student's epochs)
    stays, so that a yardstick beside a preset is trained at that preset's scale.

    Args:
        presets: Names of presets.
        config_files: YAML files.
        overrides: ``dotted.key=value`` with the value in YAML, such as ``method.afc_weight=0``.

    Returns:
        The validated configuration.

    Raises:
        SettingsError: A preset, file, key or value that cannot be used; the nearest key is named.

    Example:
        >>> compose(overrides=["method.afc_weight=0"]).method.afc_weight
        0.0
    """
    layers = read_layers(presets, config_files, overrides)
    if asked_task(layers) == "chest_xray":
        origin = next(layer.origin for layer in layers if layer.task == "chest_xray")
        raise SettingsError(
            f"{origin} is for chest radiographs; expected settings of segmentation",
            remedy="choose another preset; `gaze-insight config presets` lists them",
        )
    named = [layer._replace(values=_without_task(layer.values)) for layer in layers]
    values, origins = merge_layers(RunConfig().model_dump(mode="json"), named, METHODS)
    return _validate(values, origins)


def load_config(path: Path) -> RunConfig:
    """Read the complete configuration that a run has saved.

    Args:
        path: The run's ``config.yaml``.

    Returns:
        The configuration.

    Raises:
        SettingsError: The file is missing or does not fit, or is that of a run on chest radiographs.
    """
    values = read_mapping(path)
    if values.get("task") == "chest_xray":
        raise SettingsError(
            f"{path} is of a run on chest radiographs; expected one of a run that segments",
            remedy="what works on such a run: evaluate, report, predict",
        )
    return _validate(values, [str(path)])


def to_yaml(config: BaseModel) -> str:
    """Write settings as YAML, in the order of their fields.

    Args:
        config: The settings.

    Returns:
        The text, which :func:`load_config` reads back to equal settings.
    """
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _without_task(values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "task"}


def _validate(values: dict[str, Any], origins: list[str]) -> RunConfig:
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, values, origins, _ROOT) from error
