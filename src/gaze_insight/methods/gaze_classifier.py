"""A classifier of radiographs whose attention is taught by gaze; it predicts from the image alone.

Our reconstruction of the first stage of "Eyes on the Image" (arXiv 2508.13068), whose full text is not
public: the terms are the paper's, their forms, weights and schedule are ours unless said otherwise.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.losses.box_attention import BoxTarget, box_attention_loss
from gaze_insight.losses.gaze_attention import GazeAttentionSettings, gaze_attention_loss
from gaze_insight.losses.multi_label import multi_label_loss
from gaze_insight.losses.soft_contrastive import ContrastiveSettings, soft_contrastive_loss
from gaze_insight.methods.radiograph_batch import RadiographBatch
from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.methods.trainable import Stage
from gaze_insight.networks.fixation_sequence import FixationSequenceEncoder
from gaze_insight.networks.gaze_classifier import (
    ClassifierNetworkSettings,
    ClassifierOutput,
    GazeClassifierNetwork,
)
from gaze_insight.networks.text_bag import PADDING, TextBag
from gaze_insight.types import Settings, Size

__all__ = ["GazeClassifier", "GazeClassifierSettings", "positive_map"]


class GazeClassifierSettings(Settings):
    """What is minimised; a weight of 0 switches its term off, and nothing of it is computed or built.

    The paper's reviews tell that 60 % of the objective is the labels'; how the rest is shared out, the four
    terms' weights and the schedule are not known, and the defaults are ours.

    Example:
        >>> GazeClassifierSettings(gaze_weight=0).epochs
        20
    """

    kind: Literal["gaze_classifier"] = "gaze_classifier"
    epochs: int = Field(20, ge=1, description="passes over the training set")
    network: ClassifierNetworkSettings = ClassifierNetworkSettings()
    class_weight: float = Field(0.6, gt=0, description="weight of the labels' cross-entropy")
    positive_weights: tuple[float, ...] | None = Field(
        None, description="weight of the positives of each class; all 1 if none are given"
    )
    gaze_weight: float = Field(0.1, ge=0, description="lambda_gaze, weight of attention against gaze")
    gaze: GazeAttentionSettings = GazeAttentionSettings()
    supervise: Literal["global", "positives"] = Field(
        "positives",
        description="which map gaze teaches: the image's one map; or the mean of the maps of its positive "
        "classes, the one map where none is positive",
    )
    trust: bool = Field(True, description="weigh an image's gaze term by the trust in its recording")
    warm_up_frac: float = Field(
        0.2, ge=0, le=1, description="share of the training over which lambda_gaze rises from 0; 0 = no rise"
    )
    contrastive_weight: float = Field(
        0.1, ge=0, description="lambda_nce, weight of image against text and image against fixations"
    )
    contrastive: ContrastiveSettings = ContrastiveSettings()
    text_pooling: Literal["mean", "attention"] = Field(
        "attention", description="how the words of a text become one vector"
    )
    box_weight: float = Field(0.1, ge=0, description="weight of class attention inside the class's boxes")
    box_target: BoxTarget = Field(
        "inside", description="attention anywhere in the boxes, or spread evenly over them"
    )


class GazeClassifier(RadiographMethod):
    """Labels, attention like gaze, attention inside boxes, and contrast with text and fixations.

    loss = class_weight L_cls + lambda_gaze(t) L_gaze + box_weight L_box + lambda_nce (L_it + L_ig)

    lambda_gaze(t) = gaze_weight min(1, t / warm_up_frac), t the share of the training that is done. Every
    term is a mean over the cases that have what it needs, and 0 where none has.

    Args:
        settings: Network, weights and length.
        classes: Number C of classes.
        vocabulary_size: Number of word ids, padding included; below 2 there is no text, and its term is off.
        input_size: Height and width of the training images in pixels.

    Raises:
        SettingsError: Weights of positives for another number of classes.

    Example:
        >>> network = ClassifierNetworkSettings(encoder="unet", unet_channels=(4,) * 5, width=8)
        >>> method = GazeClassifier(GazeClassifierSettings(network=network), 3, 50, Size(32, 32))
        >>> method.predict(torch.rand(1, 3, 32, 32)).logits.shape
        torch.Size([1, 3])
        >>> method.uses_text, method.grid
        (True, Size(height=2, width=2))
    """

    positive_weights: Tensor | None

    settings_type: ClassVar[type[Settings]] = GazeClassifierSettings
    summary: ClassVar[str] = (
        "labels from the image alone; in training gaze, boxes and words teach its attention"
    )

    def __init__(
        self, settings: GazeClassifierSettings, classes: int, vocabulary_size: int, input_size: Size
    ) -> None:
        super().__init__()
        self.settings = settings
        self.stages = (Stage("classifier", settings.epochs),)
        self.network = GazeClassifierNetwork(settings.network, classes, input_size)
        self.grid = self.network.grid
        contrastive, on = settings.contrastive, settings.contrastive_weight > 0
        self.uses_gaze = settings.gaze_weight > 0
        self.uses_boxes = settings.box_weight > 0
        self.uses_text = on and contrastive.image_text > 0 and vocabulary_size > 1
        self.uses_sequence = on and contrastive.image_gaze > 0
        width = contrastive.width
        joint = self.uses_text or self.uses_sequence
        self.project = nn.Linear(self.network.embedding_width, width) if joint else None
        pooling = settings.text_pooling
        self.text = TextBag(vocabulary_size, width, pooling=pooling) if self.uses_text else None
        self.fixations = FixationSequenceEncoder(width) if self.uses_sequence else None
        self.register_buffer("positive_weights", _positive_weights(settings, classes), persistent=False)

    def trained_in(self, stage: str) -> nn.Module:
        """Train everything."""
        return self

    def begin_stage(self, stage: str) -> None:
        """Train everything but the encoder's parts that nothing depends on."""
        super().begin_stage(stage)
        for name in self.network.unused:
            self.network.get_parameter(name).requires_grad_(False)

    def forward(self, batch: RadiographBatch, stage: str) -> dict[str, Tensor]:
        """Compute the terms that are on.

        Args:
            batch: The step's input.
            stage: The stage's name.

        Returns:
            "loss" and its terms before their weights: "classification"; "gaze" and its four; "box";
            "image_text", "image_gaze".

        Raises:
            DataError: The batch's maps are not on the network's grid.
        """
        settings = self.settings
        output = self.network(batch.image)
        terms = {"classification": multi_label_loss(output.logits, batch.labels, self.positive_weights)}
        weights = {"classification": settings.class_weight}
        if self.uses_gaze:
            terms |= self._gaze_terms(output, batch)
            weights["gaze"] = settings.gaze_weight * _rise(batch.progress, settings.warm_up_frac)
        if self.uses_boxes:
            _check_grid("boxes", output.class_attention, batch.boxes)
            terms["box"] = box_attention_loss(output.class_attention, batch.boxes, settings.box_target)
            weights["box"] = settings.box_weight
        for name, term, share in self._contrasts(output, batch):
            terms[name] = term
            weights[name] = settings.contrastive_weight * share
        loss = torch.stack([weight * terms[name] for name, weight in weights.items()]).sum()
        return {"loss": loss, **terms}

    def predict(self, image: Tensor, text: Tensor | None = None) -> ClassifierOutput:
        """Classify from the image alone; a text is not read.

        Args:
            image: (B, 3, H, W) in [0, 1].
            text: Unused.

        Returns:
            Logits, attention and embedding.
        """
        output: ClassifierOutput = self.network(image)
        return output

    def _gaze_terms(self, output: ClassifierOutput, batch: RadiographBatch) -> dict[str, Tensor]:
        attention = output.attention
        if self.settings.supervise == "positives":
            attention = positive_map(output.class_attention, batch.labels, attention)
        _check_grid("gaze", attention, batch.gaze)
        weight = batch.trust if self.settings.trust else (batch.trust > 0).to(batch.trust.dtype)
        return gaze_attention_loss(attention, batch.gaze, weight, self.settings.gaze)

    def _contrasts(self, output: ClassifierOutput, batch: RadiographBatch) -> list[tuple[str, Tensor, float]]:
        if self.project is None:
            return []
        settings, found = self.settings.contrastive, []
        image = self.project(output.embedding)
        views: list[tuple[str, Tensor, Tensor, float]] = []
        if self.text is not None:
            present = (batch.text != PADDING).any(dim=1)
            views.append(("image_text", self.text(batch.text), present, settings.image_text))
        if self.fixations is not None:
            features = self.fixations(batch.sequence, batch.sequence_mask)
            views.append(("image_gaze", features, batch.sequence_mask.any(dim=1), settings.image_gaze))
        for name, view, present, share in views:
            term = soft_contrastive_loss(image, view.to(image.dtype), batch.labels, present, settings)
            found.append((name, term, share))
        return found


def positive_map(class_attention: Tensor, labels: Tensor, otherwise: Tensor) -> Tensor:
    """Average the maps of the classes that are positive in a case.

    Args:
        class_attention: (B, C, h, w), each map sums to 1.
        labels: (B, C) in {0, 1, nan}.
        otherwise: (B, h, w), the map of cases without a positive class.

    Returns:
        (B, h, w), each map sums to 1.

    Example:
        >>> maps = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> positive_map(maps, torch.tensor([[0.0, 1.0]]), maps[:, 0]).tolist()
        [[[0.0, 1.0]]]
    """
    positive = (labels == 1).to(class_attention.dtype)
    count = positive.sum(dim=1)[:, None, None]
    mean = torch.einsum("bchw,bc->bhw", class_attention, positive) / count.clamp_min(1)
    return torch.where(count > 0, mean, otherwise)


def _rise(progress: float, warm_up_frac: float) -> float:
    return 1.0 if warm_up_frac == 0 else min(1.0, progress / warm_up_frac)


def _positive_weights(settings: GazeClassifierSettings, classes: int) -> Tensor | None:
    given = settings.positive_weights
    if given is None:
        return None
    if len(given) != classes:
        raise SettingsError(
            f"method.positive_weights: expected {classes} weights, one a class, found {len(given)}"
        )
    return torch.tensor(given)


def _check_grid(name: str, maps: Tensor, found: Tensor) -> None:
    if maps.shape != found.shape:
        raise DataError(
            f"expected {name} of shape {tuple(maps.shape)}, on the network's grid, found "
            f"{tuple(found.shape)}",
            remedy="make the maps for the method's grid at the training size",
        )
