"""A warm predictor of findings: radiographs in, log odds and attention out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gaze_insight.methods.radiograph_method import RadiographMethod
from gaze_insight.training.devices import choose_device
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["ClassifierPredictions", "ClassifierPredictor"]


@dataclass(frozen=True)
class ClassifierPredictions:
    """What a classifier says of N radiographs; maps are of the square that the network sees.

    Attributes:
        logits: (N, C) float32, log odds of the findings, not calibrated.
        attention: (N, h, w) float32, at least 0, the sum of each is 1.
        class_attention: (N, C, h, w) float32, the same for each finding.
        places: Where each image lies in the square.
    """

    logits: FloatArray
    attention: FloatArray
    class_attention: FloatArray
    places: tuple[Letterbox, ...]

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def probabilities(self) -> FloatArray:
        """Probabilities of the findings as the network gives them, (N, C)."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.logits.astype(np.float64), -60, 60))))


class ClassifierPredictor:
    """Predict with a trained classifier; the model stays loaded between calls.

    Images are never mirrored: left and right are part of what is said.

    Args:
        method: The method, trained.
        input_size_px: Side of the square that the network was trained at.
        device: Where to compute; see `choose_device`.
        batch_size: Images that are computed together.

    Example:
        >>> from gaze_insight.methods.gaze_classifier import GazeClassifier, GazeClassifierSettings
        >>> network = {"encoder": "unet", "unet_channels": (4, 4, 4, 4, 4), "width": 8, "pretrained": False}
        >>> settings = GazeClassifierSettings(network=network)
        >>> untrained = GazeClassifier(settings, 2, 0, Size(32, 32))
        >>> found = ClassifierPredictor(untrained, 32).predict([np.zeros((50, 40, 3), np.uint8)])
        >>> found.probabilities.shape, found.places[0].width
        ((1, 2), 26)
    """

    def __init__(
        self, method: RadiographMethod, input_size_px: int, *, device: str = "cpu", batch_size: int = 16
    ) -> None:
        self.device = choose_device(device)
        self.method = method.to(self.device).eval()
        self.input_size_px, self.batch_size = input_size_px, batch_size

    @property
    def needs_text(self) -> bool:
        """Whether it reads the text of a case; a control does, other methods read the image alone."""
        return self.method.needs_text

    def predict(
        self, images: Sequence[ByteArray], text: NDArray[np.int64] | None = None
    ) -> ClassifierPredictions:
        """Predict radiographs of any sizes.

        Args:
            images: (H, W, 3) or (H, W) uint8 each.
            text: (N, L) word ids, for the control that reads them.

        Returns:
            The predictions; of length 0 for no images.

        Raises:
            DataError: The control was given no text.
        """
        places = tuple(Letterbox(Size(*image.shape[:2]), self.input_size_px) for image in images)
        side = self.input_size_px
        squares = np.zeros((len(images), side, side), np.uint8)
        for index, (image, place) in enumerate(zip(images, places, strict=True)):
            squares[index] = place.fit(image)
        return self.predict_squares(squares, places, text)

    @torch.inference_mode()
    def predict_squares(
        self,
        squares: ByteArray,
        places: Sequence[Letterbox] = (),
        text: NDArray[np.int64] | None = None,
    ) -> ClassifierPredictions:
        """Predict radiographs that lie in the square already.

        Args:
            squares: (N, S, S) uint8, grey.
            places: Where the images lie in it, where that is of use.
            text: (N, L) word ids, for the control that reads them.

        Returns:
            The predictions.

        Raises:
            DataError: The control was given no text.
        """
        height, width = self.method.grid
        parts: list[tuple[NDArray[np.float32], ...]] = []
        for start in range(0, len(squares), self.batch_size):
            part = slice(start, start + self.batch_size)
            grey = torch.from_numpy(np.array(squares[part])).to(self.device)
            image = grey[:, None].float().div_(255).expand(-1, 3, -1, -1)
            words = None if text is None else torch.from_numpy(text[part]).to(self.device)
            output = self.method.predict(image.contiguous(), words)
            kept = (output.logits, output.attention, output.class_attention)
            parts.append(tuple(one.float().cpu().numpy() for one in kept))
        if not parts:
            none = np.zeros((0, 0), np.float32)
            maps = np.zeros((0, height, width), np.float32)
            return ClassifierPredictions(none, maps, maps[:, None], tuple(places))
        logits, attention, class_attention = (np.concatenate(one) for one in zip(*parts, strict=True))
        return ClassifierPredictions(logits, attention, class_attention, tuple(places))
