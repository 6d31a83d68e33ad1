"""Classifiers of a run, built or loaded with what turns their log odds into answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.probability_calibration import ProbabilityCalibration
from gaze_insight.evaluation.thresholds import DEFAULT_THRESHOLD
from gaze_insight.inference.classifier_predictor import ClassifierPredictions, ClassifierPredictor
from gaze_insight.methods.classifiers import CLASSIFIERS
from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.networks.gaze_classifier import ClassifierNetworkSettings
from gaze_insight.training.checkpoints import load_weights
from gaze_insight.types import FloatArray, Size
from gaze_insight.workflow.chest.vocabulary import Vocabulary

__all__ = ["ChestRun", "build_classifier", "load_chest_run"]


@dataclass(frozen=True)
class ChestRun:
    """A trained run on chest radiographs, ready to be asked.

    Attributes:
        folder: The run's folder.
        config: Its configuration.
        predictor: The network.
        findings: What the outputs stand for, in order.
        vocabulary: The words that the run knows.
        calibration: From the network's probabilities to calibrated ones; None before `evaluate`.
        thresholds: (C,) a calibrated probability at or above it is called positive; 0.5 before `evaluate`.
    """

    folder: RunFolder
    config: ChestConfig
    predictor: ClassifierPredictor
    findings: tuple[str, ...]
    vocabulary: Vocabulary
    calibration: ProbabilityCalibration | None
    thresholds: FloatArray

    @property
    def is_calibrated(self) -> bool:
        """Whether the probabilities of some finding are calibrated; validation cases may be too few."""
        return self.calibration is not None and any(
            not one.note for one in self.calibration.findings.values()
        )

    def probabilities(self, predictions: ClassifierPredictions) -> FloatArray:
        """Give the probabilities of the findings, calibrated where the run is.

        Args:
            predictions: What the predictor said.

        Returns:
            (N, C) in [0, 1].
        """
        raw = predictions.probabilities
        return raw if self.calibration is None else self.calibration.apply(raw)


def build_classifier(config: ChestConfig, classes: int, vocabulary: Vocabulary) -> RadiographMethod:
    """Build the untrained classifier of a run.

    Args:
        config: The run's configuration.
        classes: Number of findings.
        vocabulary: The words of its training texts.

    Returns:
        The method.

    Raises:
        SettingsError: The method cannot be built with these settings.

    Example:
        >>> config = ChestConfig(method={"network": {"pretrained": False}})
        >>> build_classifier(config, 3, Vocabulary(())).uses_text
        False
    """
    build: Any = CLASSIFIERS[config.method_name]
    side = config.training.input_size_px
    words = len(vocabulary) if vocabulary.words else 0
    method: RadiographMethod = build(config.method, classes, words, Size(side, side))
    return method


def load_chest_run(run: str | Path, *, device: str = "auto") -> ChestRun:
    """Load a finished run on chest radiographs.

    Args:
        run: The run's folder.
        device: Where to compute.

    Returns:
        The run; it needs the image alone, but for the control that reads texts.

    Raises:
        DataError: The folder holds no finished run, or its files are damaged.
        SettingsError: It is a run that segments.

    Example:
        >>> load_chest_run("nowhere")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a run, found no config.yaml there
          -> train first: gaze-insight train COHORT
    """
    folder = RunFolder(Path(run))
    config = folder.chest_config()
    if not folder.weights.exists():
        raise DataError(
            "the run is not trained to its end",
            path=folder.path,
            remedy=f"go on with: gaze-insight train --resume {folder.path}",
        )
    findings = tuple(folder.plan()["findings"])
    vocabulary = Vocabulary(tuple(folder.read_json(folder.vocabulary_json)["words"]))
    method = build_classifier(_untrained(config), len(findings), vocabulary)
    load_weights(method, folder.weights)
    predictor = ClassifierPredictor(
        method, config.training.input_size_px, device=device, batch_size=config.prediction.batch_size
    )
    calibration, thresholds = None, np.full(len(findings), DEFAULT_THRESHOLD)
    if folder.calibration_json.exists():
        stored = folder.read_json(folder.calibration_json)
        calibration = ProbabilityCalibration.from_dict(stored["calibration"])
        thresholds = np.array([stored["thresholds"][name] for name in findings])
    return ChestRun(folder, config, predictor, findings, vocabulary, calibration, thresholds)


def _untrained(config: ChestConfig) -> ChestConfig:
    """The trained weights follow: what the training began with need not be on this machine."""
    network = getattr(config.method, "network", None)
    if not isinstance(network, ClassifierNetworkSettings):
        return config
    method = config.method.model_copy(update={"network": network.untrained()})
    return config.model_copy(update={"method": method})
