"""Settings of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gaze_insight.training.augmentation import AugmentationSettings
from gaze_insight.training.radiograph_augmentation import RadiographAugmentation
from gaze_insight.types import Settings

__all__ = [
    "AdamSettings",
    "LoopSettings",
    "RadiographTrainingSettings",
    "RateChanges",
    "SgdSettings",
    "TrainingSettings",
]

RateChanges = Literal["step", "epoch", "epoch_lagged"]


class AdamSettings(Settings):
    """Adam with decoupled weight decay."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(4e-4, gt=0)
    weight_decay: float = Field(1e-4, ge=0)


class SgdSettings(Settings):
    """Stochastic gradient descent with Nesterov momentum."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(1e-2, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(4e-4, ge=0)


class LoopSettings(Settings):
    """How networks are trained, whatever they predict; what is trained is the method's affair."""

    input_size_px: int = Field(160, ge=32, description="side of the square the network sees")
    cases: int | None = Field(
        None,
        ge=1,
        description="learn from so many cases of the training split, drawn by the seed: a larger draw holds "
        "the smaller ones, patients are taken whole; null: from all",
    )
    batch_size: int = Field(8, ge=1, description="images a step, over all processes together")
    min_steps: int = Field(
        500, ge=0, description="a stage whose epochs make fewer steps (a small training set) goes on to these"
    )
    report_steps: int = Field(
        0, ge=0, description="epochs of fewer steps (a small training set) are validated and saved together"
    )
    optimizer: AdamSettings | SgdSettings = Field(AdamSettings(), discriminator="kind")
    warmup_frac: float = Field(0.05, ge=0, lt=1, description="share of a stage with a rising learning rate")
    final_rate_frac: float = Field(0.01, ge=0, le=1, description="where the cosine ends, of the peak rate")
    rate_changes: RateChanges = Field(
        "step",
        description="when the learning rate changes: at each step, at each epoch, or an epoch late, so that "
        "the first two epochs share a rate",
    )
    gradient_clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient; null: any")
    ema_decay: float | None = Field(
        0.99,
        gt=0,
        lt=1,
        description="decay of the averaged weights that end a stage, reached gradually; null: off",
    )
    selection: Literal["last", "validation"] = Field(
        "last", description="end a stage with its last weights, or with the best on the validation set"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps")
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = Field(
        "auto",
        description="auto: bf16 or fp16 on a GPU, off on a CPU; on a CPU with AMX, bf16 makes U-Nets faster",
    )
    compile: bool = Field(
        False, description="compile encoders and decoders with torch.compile; pays on a GPU in long trainings"
    )
    checkpoint_minutes: float = Field(5.0, gt=0, description="longest time between two saved states")


class TrainingSettings(LoopSettings):
    """How networks that segment are trained."""

    validation_target: Literal["mask", "comprehensive"] = Field(
        "mask", description="what validation predictions are compared with"
    )
    augmentation: AugmentationSettings = AugmentationSettings()


class RadiographTrainingSettings(LoopSettings):
    """How classifiers of chest radiographs are trained."""

    input_size_px: int = Field(224, ge=32, description="side of the square the network sees")
    batch_size: int = Field(16, ge=1, description="images a step, over all processes together")
    augmentation: RadiographAugmentation = RadiographAugmentation()
