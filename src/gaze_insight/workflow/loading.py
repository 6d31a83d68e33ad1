"""Methods and predictors of a run, built or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.inference.onnx_predictor import OnnxPredictor
from gaze_insight.inference.predictor import Predictor
from gaze_insight.methods.protocol import Method
from gaze_insight.methods.registry import METHODS
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.training.checkpoints import load_weights
from gaze_insight.types import Size

__all__ = ["build_method", "load_predictor", "open_predictor"]


def build_method(config: RunConfig, words: WordSpace | None) -> Method:
    """Build the untrained method of a run.

    Args:
        config: The run's configuration.
        words: The kind and width of the run's words, or None.

    Returns:
        The method.

    Example:
        >>> config = RunConfig(method={"kind": "unet", "network": {"pretrained": False}})
        >>> build_method(config, None).heads
        ('student',)
    """
    side = config.training.input_size_px
    build: Any = METHODS[config.method_name]
    method: Method = build(config.method, words, Size(side, side))
    return method


def load_predictor(
    run: str | Path, *, device: str = "auto", flips: bool | None = None, last: bool = False
) -> Predictor:
    """Load the predictor of a finished run.

    Args:
        run: The run's folder.
        device: Where to compute.
        flips: Average over mirror images; None takes the run's setting.
        last: Take the last weights instead of the final ones, where those were chosen on the test set.

    Returns:
        The predictor; it needs the image alone.

    Raises:
        DataError: The folder holds no finished run, or its files are damaged.

    Example:
        >>> load_predictor("nowhere")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a run, found no config.yaml there
          -> train first: gaze-insight train COHORT
    """
    folder = RunFolder(Path(run))
    config = folder.config()
    if not folder.weights.exists():
        raise DataError(
            "the run is not trained to its end",
            path=folder.path,
            remedy=f"go on with: gaze-insight train --resume {folder.path}",
        )
    words = folder.plan()["words"]
    method = build_method(_untrained(config), None if words is None else WordSpace.from_record(words))
    load_weights(method, folder.last_weights if last else folder.weights)
    side = config.training.input_size_px
    chosen = config.prediction.flips if flips is None else flips
    scales = config.prediction.scales
    return Predictor(method, Size(side, side), device=device, flips=chosen, scales=scales)


def open_predictor(source: str | Path, *, device: str = "auto") -> tuple[Predictor | OnnxPredictor, float]:
    """Open what can predict from images alone: a finished run, or a model that `export` wrote.

    Args:
        source: The run's folder, or a ``.onnx`` file.
        device: Where a run computes; an exported model computes on the CPU.

    Returns:
        The predictor, and the probability from which a pixel is lesion.

    Raises:
        DataError: The run is not finished, or the file is missing, damaged or not ours.
        SettingsError: Another device is asked of an exported model.
        MissingExtraError: An exported model needs the extra ``onnx``.
    """
    if Path(source).suffix.lower() != ".onnx":
        return load_predictor(source, device=device), RunFolder(Path(source)).config().prediction.threshold
    if device not in ("auto", "cpu"):
        raise SettingsError(f"an exported model computes on the CPU, found device {device!r}")
    model = OnnxPredictor(source)
    return model, model.card.threshold


def _untrained(config: RunConfig) -> RunConfig:
    """The trained weights follow: what the training began with need not be on this machine."""
    network = getattr(config.method, "network", None)
    if not isinstance(network, NetworkSettings):
        return config
    method = config.method.model_copy(update={"network": network.untrained()})
    return config.model_copy(update={"method": method})
