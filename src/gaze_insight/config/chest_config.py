"""The settings of a whole run on chest radiographs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from gaze_insight.chest.labels import LabelSettings
from gaze_insight.errors import SettingsError
from gaze_insight.evaluation.thresholds import ThresholdRule
from gaze_insight.methods.classifiers import CLASSIFIERS
from gaze_insight.training.settings import RadiographTrainingSettings
from gaze_insight.types import Settings

__all__ = [
    "ChestConfig",
    "ChestEvaluationSettings",
    "ChestGazeSettings",
    "ChestPredictionSettings",
    "ChestTextSettings",
]


class ChestGazeSettings(Settings):
    """How readings of a radiograph become a map of where was looked, and a sequence."""

    use: bool = Field(True, description="learn from gaze; off: no map, no sequence, no trust")
    readers: Literal["first", "all"] = Field(
        "all", description="the first reading with fixations, or the mean of the maps of all; sequences are "
        "always of the first"
    )  # fmt: skip
    sigma_deg: float = Field(
        1.0, gt=0, le=10, description="spread of a fixation in degrees of visual angle, where these are known"
    )
    sigma_frac: float = Field(
        0.05, gt=0, le=0.5, description="spread where degrees are not known: fraction of the longer side"
    )
    map_px: int = Field(64, ge=8, le=512, description="side of the map; it is pooled to the network's grid")
    longest_sequence: int = Field(96, ge=1, le=4096, description="fixations kept of a sequence")
    shuffled: bool = Field(
        False,
        description="a control: each training image gets the gaze of another one; it is as ever, but says "
        "nothing of the image",
    )
    shuffle_seed: int = Field(0, ge=0, description="which other image, where gaze is shuffled")


class ChestTextSettings(Settings):
    """Which text goes with a training image, and which of its words are known."""

    source: Literal["transcript", "report", "none"] = Field(
        "transcript", description="what was dictated during the readings, the radiology report, or no text"
    )
    longest_words: int = Field(128, ge=1, le=4096, description="words kept of a text, the first ones")
    least_count: int = Field(2, ge=1, description="a word in fewer training texts counts as unknown")
    most_words: int = Field(4000, ge=1, description="size of the vocabulary, the most frequent words")
    shuffled: bool = Field(False, description="a control: each training image gets the text of another one")
    shuffle_seed: int = Field(0, ge=0, description="which other image, where texts are shuffled")


class ChestPredictionSettings(Settings):
    """How a trained classifier is asked; images are never mirrored, since sides carry meaning."""

    batch_size: int = Field(16, ge=1)


class ChestEvaluationSettings(Settings):
    """How probabilities are calibrated and the test set is scored."""

    calibration: Literal["platt", "temperature", "none"] = Field(
        "platt", description="how logits become probabilities, fitted by finding on the validation set"
    )
    thresholds: ThresholdRule = Field(
        "f1", description="what the threshold of a finding makes best on the validation set"
    )
    resamples: int = Field(1000, ge=100, description="bootstrap resamples, of whole patients")


def _registered(value: Any) -> Any:
    """Validate the settings of a method by those of the classifier that its ``kind`` names."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "gaze_classifier")
    if not isinstance(kind, str):
        raise SettingsError(f"method.kind: expected the name of a {CLASSIFIERS.kind}, found {kind!r}")
    return CLASSIFIERS[kind].settings_type.model_validate(value)


class ChestConfig(Settings):
    """Everything that decides a run on chest radiographs, resolved; saved with it as ``config.yaml``.

    Example:
        >>> ChestConfig().method_name
        'gaze_classifier'
    """

    schema_version: Literal[1] = 1
    task: Literal["chest_xray"] = "chest_xray"
    seed: int = Field(0, ge=0)
    labels: LabelSettings = LabelSettings()
    least_cases: int = Field(
        10,
        ge=1,
        description="findings with fewer positive or fewer negative training cases are not learned, where "
        "labels.findings names none",
    )
    gaze: ChestGazeSettings = ChestGazeSettings()
    text: ChestTextSettings = ChestTextSettings()
    method: Annotated[SerializeAsAny[Settings], BeforeValidator(_registered)] = Field(
        default_factory=lambda: CLASSIFIERS["gaze_classifier"].settings_type()
    )
    training: RadiographTrainingSettings = RadiographTrainingSettings()
    prediction: ChestPredictionSettings = ChestPredictionSettings()
    evaluation: ChestEvaluationSettings = ChestEvaluationSettings()

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
