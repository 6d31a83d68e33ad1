"""What a method for radiographs is: stages, a loss of a batch, and labels with a map of where it looked."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from gaze_insight.methods.radiograph_batch import RadiographBatch
from gaze_insight.methods.trainable import Trainable
from gaze_insight.networks.gaze_classifier import ClassifierOutput
from gaze_insight.types import Settings, Size

__all__ = ["RadiographMethod"]


class RadiographMethod(Trainable):
    """Base of the methods that classify radiographs.

    Attributes:
        settings_type: The settings that configure it; their ``kind`` is the method's public name.
        summary: One line for listings.
        grid: Rows and columns of its attention maps, and of a batch's gaze and boxes.
        needs_text: Whether `predict` needs the text; only a control does.
        uses_gaze: Whether a step reads the gaze map of a batch.
        uses_boxes: Whether a step reads the boxes.
        uses_text: Whether a step reads the text.
        uses_sequence: Whether a step reads the fixation sequences.
    """

    settings_type: ClassVar[type[Settings]]
    summary: ClassVar[str]
    needs_text: ClassVar[bool] = False

    grid: Size
    uses_gaze: bool
    uses_boxes: bool
    uses_text: bool
    uses_sequence: bool

    @abstractmethod
    def forward(self, batch: RadiographBatch, stage: str) -> dict[str, Tensor]:
        """Compute the losses of one step.

        Args:
            batch: The step's input.
            stage: The stage's name.

        Returns:
            Scalars by name, the same names in every step; ``"loss"`` is the one to minimise.
        """

    @abstractmethod
    def predict(self, image: Tensor, text: Tensor | None = None) -> ClassifierOutput:
        """Classify radiographs; from the image alone, but for a control that says otherwise.

        Args:
            image: (B, 3, H, W) in [0, 1].
            text: (B, L) word ids; unused but for a control.

        Returns:
            Logits, attention and embedding.
        """
