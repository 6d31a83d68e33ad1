"""The classifiers of chest radiographs by name."""

from __future__ import annotations

from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.registry import Registry

__all__ = ["CLASSIFIERS"]

CLASSIFIERS: Registry[type[RadiographMethod]] = Registry(
    "classifier",
    {
        "gaze_classifier": "gaze_insight.methods.gaze_classifier:GazeClassifier",
        "text_only": "gaze_insight.methods.text_classifier:TextOnly",
    },
)
