"""The settings of a whole run, assembled from those that stand beside each class."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from gaze_insight.errors import SettingsError
from gaze_insight.evaluation.overlap import EmptyPolicy
from gaze_insight.gaze.noise import NoiseSettings
from gaze_insight.gaze.weak_labels import WeakLabelSettings
from gaze_insight.language.encoders.settings import AttributeEncoderSettings, EncoderSettings
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.word_evidence import CheckSettings
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.pseudomask.refinement import RefinementSettings
from gaze_insight.registry import Registry
from gaze_insight.training.settings import TrainingSettings
from gaze_insight.types import Settings

__all__ = ["EvaluationSettings", "LanguageSettings", "PredictionSettings", "RunConfig"]


def _registered(key: str, registry: Registry[Any], default: str) -> BeforeValidator:
    """Validate a mapping by the settings of what its ``kind`` names in a registry, plug-ins included."""

    def validate(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kind = value.get("kind", default)
        if not isinstance(kind, str):
            raise SettingsError(f"{key}.kind: expected the name of a {registry.kind}, found {kind!r}")
        return registry[kind].settings_type.model_validate(value)

    return BeforeValidator(validate)


def _kind_of(settings: Settings) -> str:
    kind = getattr(settings, "kind", None)
    if not isinstance(kind, str):
        raise SettingsError(f"{type(settings).__name__} must have a field 'kind', found none")
    return kind


class LanguageSettings(Settings):
    """Where the words come from and how they become vectors."""

    describer: Annotated[
        SerializeAsAny[Settings], _registered("language.describer", DESCRIBERS, "measured")
    ] = Field(
        default_factory=lambda: DESCRIBERS["measured"].settings_type(), description="who describes the cases"
    )
    encoder: EncoderSettings = Field(AttributeEncoderSettings(), description="how words become vectors")
    shuffled: bool = Field(
        False,
        description="a control: each case gets the words of another case of the same split; they are as "
        "ever, but say nothing of the image",
    )
    shuffle_seed: int = Field(0, ge=0, description="which other case, where words are shuffled")
    trust: CheckSettings | None = Field(
        None,
        description="how the words are checked against pseudo-mask and gaze, so that in training each case's "
        "count by 1 minus their hallucination score; null: all count alike",
    )

    @property
    def describer_name(self) -> str:
        """The registered name of the describer.

        Raises:
            SettingsError: A plug-in's settings have no ``kind``.
        """
        return _kind_of(self.describer)

    def decisive(self) -> dict[str, Any]:
        """Give the part of the settings that decides which words a run learns from.

        Left out: what a describer says (by a method ``shaping``) does not shape its words, such as pace,
        budget and prices of a model that is asked; the shuffle's seed where nothing is shuffled; trust where
        words are not checked.

        Returns:
            Plain values, ready for JSON.

        Example:
            >>> sorted(LanguageSettings().decisive())
            ['describer', 'encoder']
        """
        facts = self.model_dump(mode="json")
        shaping = getattr(self.describer, "shaping", None)
        if callable(shaping):
            facts["describer"] = shaping()
        if not self.shuffled:
            del facts["shuffled"], facts["shuffle_seed"]
        if self.trust is None:
            del facts["trust"]
        return facts


class PredictionSettings(Settings):
    """How a trained network is asked."""

    flips: bool = Field(True, description="average the logits of the image and its three mirror images")
    scales: tuple[Annotated[float, Field(ge=0.25, le=4)], ...] = Field(
        (1.0,),
        min_length=1,
        description="average the logits of the image at these shares of the training size as well; other "
        "sizes are rounded to multiples of 32 px",
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel is lesion")
    batch_size: int = Field(8, ge=1)


class EvaluationSettings(Settings):
    """How the test set is scored."""

    protocol: Literal["honest", "paper"] = Field(
        "honest",
        description="honest: the test set is scored once, after training; paper: it is scored again and "
        "again during training, and the best weights on it are taken, as the published code does",
    )
    test_evaluations: int = Field(
        15, ge=2, description="how often the test set is scored under the protocol 'paper'"
    )
    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    drawing_s: float | None = Field(
        None,
        gt=0,
        description="seconds to draw the true mask of an image, for the time that full supervision costs; "
        "null: as published, 18.7 h for 900 images",
    )
    empty_masks: EmptyPolicy = EmptyPolicy()


class RunConfig(Settings):
    """Everything that decides a run, resolved; saved with it as ``config.yaml``.

    Example:
        >>> RunConfig().method.kind
        'fgi'
    """

    schema_version: Literal[1] = 1
    seed: int = Field(0, ge=0)
    gaze_noise: NoiseSettings = Field(
        NoiseSettings(), description="noise on the readings of the training split, before they become labels"
    )
    labels: PseudoMaskSettings = PseudoMaskSettings()
    weak_labels: WeakLabelSettings = WeakLabelSettings()
    refinement: RefinementSettings = RefinementSettings()
    language: LanguageSettings = LanguageSettings()
    method: Annotated[SerializeAsAny[Settings], _registered("method", METHODS, "fgi")] = Field(
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
        return _kind_of(self.method)
