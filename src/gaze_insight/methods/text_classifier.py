"""The leakage control: labels from the text alone, without the image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gaze_insight.errors import DataError
from gaze_insight.losses.multi_label import multi_label_loss
from gaze_insight.methods.radiograph_batch import RadiographBatch
from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.methods.trainable import Stage
from gaze_insight.networks.gaze_classifier import ClassifierOutput
from gaze_insight.networks.text_bag import PADDING, TextBag
from gaze_insight.types import Settings, Size

__all__ = ["TextOnly", "TextOnlySettings"]


class TextOnlySettings(Settings):
    """Settings of the control.

    Example:
        >>> TextOnlySettings().width
        64
    """

    kind: Literal["text_only"] = "text_only"
    epochs: int = Field(20, ge=1, description="passes over the training set")
    width: int = Field(64, ge=1, description="channels of the words")
    text_pooling: Literal["mean", "attention"] = Field(
        "attention", description="how the words of a text become one vector"
    )


class TextOnly(RadiographMethod):
    """Classify by the words of a dictation or report.

    How well this does says how much of the labels the text gives away: labels are often made from reports, so
    that a method that reads text in training, and worse at prediction, must be held against it. It needs
    the text to predict. A case without text gets the bias alone, the classes' frequencies.

    Args:
        settings: Width and length.
        classes: Number C of classes.
        vocabulary_size: Number of word ids, padding included.
        input_size: Unused; the image is not read.

    Raises:
        SettingsError: There is no vocabulary.

    Example:
        >>> method = TextOnly(TextOnlySettings(), 3, 50, Size(32, 32))
        >>> method.predict(torch.zeros(1, 3, 32, 32), torch.tensor([[4, 5, 0]])).logits.shape
        torch.Size([1, 3])
    """

    settings_type: ClassVar[type[Settings]] = TextOnlySettings
    summary: ClassVar[str] = "labels from the text alone: a control for what the text gives away"
    needs_text: ClassVar[bool] = True

    def __init__(
        self, settings: TextOnlySettings, classes: int, vocabulary_size: int, input_size: Size
    ) -> None:
        super().__init__()
        self.settings = settings
        self.stages = (Stage("classifier", settings.epochs),)
        self.grid = Size(1, 1)
        self.uses_text = True
        self.uses_gaze = self.uses_boxes = self.uses_sequence = False
        self.bag = TextBag(vocabulary_size, settings.width, pooling=settings.text_pooling)
        self.head = nn.Linear(settings.width, classes)

    def trained_in(self, stage: str) -> nn.Module:
        """Train everything."""
        return self

    def forward(self, batch: RadiographBatch, stage: str) -> dict[str, Tensor]:
        """Cross-entropy over the known labels of the cases that have a text."""
        present = (batch.text != PADDING).any(dim=1, keepdim=True)
        labels = torch.where(present, batch.labels, torch.nan)
        loss = multi_label_loss(self.head(self.bag(batch.text)), labels)
        return {"loss": loss, "classification": loss}

    def predict(self, image: Tensor, text: Tensor | None = None) -> ClassifierOutput:
        """Classify from the text alone.

        Args:
            image: (B, 3, H, W); not read.
            text: (B, L) word ids, 0 = padding.

        Returns:
            Logits, maps of a single place, and the text's features in place of an embedding.

        Raises:
            DataError: There is no text.
        """
        if text is None:
            raise DataError(
                "text_only classifies by text and was given none",
                remedy="give the text of each case, or use gaze_classifier, which reads the image alone",
            )
        features = self.bag(text)
        logits = self.head(features).float()
        maps = torch.ones(*logits.shape, 1, 1, device=logits.device)
        return ClassifierOutput(logits, maps[:, 0], maps, features.float())
