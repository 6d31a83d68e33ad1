"""The settings of a whole run, assembled from those that stand beside each class."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from gaze_insight.errors import SettingsError
from gaze_insight.evaluation.overlap import EmptyPolicy
from gaze_insight.language.encoders.settings import AttributeEncoderSettings, EncoderSettings
from gaze_insight.language.from_file import FileSettings
from gaze_insight.language.measured import MeasuredSettings
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.settings import TrainingSettings
from gaze_insight.types import Settings

__all__ = ["EvaluationSettings", "LanguageSettings", "PredictionSettings", "RunConfig"]


def _method_settings(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "fgi")
    return METHODS[kind].settings_type.model_validate(value)


class LanguageSettings(Settings):
    """Where the words come from and how they become vectors."""

    describer: Annotated[
        MeasuredSettings | FileSettings, Field(discriminator="kind", description="who describes the cases")
    ] = MeasuredSettings()
    encoder: EncoderSettings = Field(AttributeEncoderSettings(), description="how words become vectors")


class PredictionSettings(Settings):
    """How a trained network is asked."""

    flips: bool = Field(True, description="average the logits of the image and its three mirror images")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel is lesion")
    batch_size: int = Field(8, ge=1)


class EvaluationSettings(Settings):
    """How the test set is scored."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    empty_masks: EmptyPolicy = EmptyPolicy()


class RunConfig(Settings):
    """Everything that decides a run, resolved; saved with it as ``config.yaml``.

    Example:
        >>> RunConfig().method.kind
        'fgi'
    """

    schema_version: Literal[1] = 1
    seed: int = Field(0, ge=0)
    labels: PseudoMaskSettings = PseudoMaskSettings()
    language: LanguageSettings = LanguageSettings()
    method: Annotated[SerializeAsAny[Settings], BeforeValidator(_method_settings)] = Field(
        default_factory=lambda: METHODS["fgi"].settings_type()
    )
    training: TrainingSettings = TrainingSettings()
    prediction: PredictionSettings = PredictionSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def method_name(self) -> str:
        """The registered name of the run's method.

        Raises:
            SettingsError: A plug-in's settings have no ``kind``.
        """
        kind = getattr(self.method, "kind", None)
        if not isinstance(kind, str):
            raise SettingsError(f"{type(self.method).__name__} must have a field 'kind', found none")
        return kind
