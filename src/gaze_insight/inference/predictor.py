"""A warm predictor: images in, probabilities at the image's own size out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.methods.protocol import Method, Words
from gaze_insight.training.devices import choose_device
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["Predictor", "fit_image"]

_MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))

WordsUnder = Callable[[int], Words]


def fit_image(image: ByteArray, size: Size) -> ByteArray:
    """Resize an image to the network's size, averaging over areas where it shrinks.

    Args:
        image: (H, W, 3) uint8.
        size: Height and width in pixels.

    Returns:
        (size.height, size.width, 3) uint8.

    Example:
        >>> fit_image(np.zeros((30, 40, 3), np.uint8), Size(16, 16)).shape
        (16, 16, 3)
    """
    shrinks = size.height <= image.shape[0] and size.width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size.width, size.height), interpolation=method), np.uint8)


class Predictor:
    """Predict with a trained method; the model stays loaded between calls.

    Args:
        method: The method, trained.
        input_size: Height and width in pixels that the networks were trained at.
        device: Where to compute; see `choose_device`.
        flips: Average the logits of each image and its three mirror images.

    Example:
        >>> from gaze_insight.methods.unet import UNet, UNetSettings
        >>> from gaze_insight.networks.building import NetworkSettings
        >>> untrained = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, Size(32, 32))
        >>> prob = Predictor(untrained, Size(32, 32)).predict(np.zeros((50, 40, 3), np.uint8))["student"]
        >>> prob.shape, bool((prob >= 0).all() and (prob <= 1).all())
        ((50, 40), True)
    """

    def __init__(self, method: Method, input_size: Size, *, device: str = "cpu", flips: bool = True) -> None:
        self.device = choose_device(device)
        self.method = method.to(self.device).eval()
        self.input_size, self.flips = input_size, flips

    def predict(self, image: ByteArray) -> dict[str, FloatArray]:
        """Predict one image.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Head to foreground probability, (H, W) float32 in [0, 1].
        """
        return self.predict_batch([image])[0]

    def predict_batch(
        self, images: Sequence[ByteArray], words: WordsUnder | None = None
    ) -> list[dict[str, FloatArray]]:
        """Predict several images of any sizes.

        Args:
            images: (H, W, 3) uint8 each.
            words: Gives the images' words under a symmetry code, for heads that read words; None leaves
                those heads out.

        Returns:
            For each image, head to probability at the image's own size; empty for no images.
        """
        if not images:
            return []
        fitted = np.stack([fit_image(image, self.input_size) for image in images])
        batch = torch.from_numpy(fitted).permute(0, 3, 1, 2).float().div_(255).to(self.device)
        logits = self.logits(batch, words)
        results: list[dict[str, FloatArray]] = []
        for index, image in enumerate(images):
            size = image.shape[:2]
            results.append({head: _to_size(values[index], size) for head, values in logits.items()})
        return results

    @torch.inference_mode()
    def logits(self, batch: Tensor, words: WordsUnder | None = None) -> dict[str, Tensor]:
        """Predict logits at the network's size, averaged over mirror images where that is on.

        Args:
            batch: (B, 3, H, W) in [0, 1], on the predictor's device.
            words: As for :meth:`predict_batch`.

        Returns:
            Head to logits (B, 1, H, W).
        """
        sums: dict[str, Tensor] = {}
        mirrors = _MIRRORS if self.flips else _MIRRORS[:1]
        for axes in mirrors:
            given = None if words is None else _on(words(_SYMMETRY_OF[axes]), self.device)
            for head, values in self.method.predict(batch.flip(axes), given).items():
                sums[head] = sums.get(head, torch.zeros_like(values)) + values.flip(axes)
        return {head: values / len(mirrors) for head, values in sums.items()}


_SYMMETRY_OF = {(): 0, (-1,): 4, (-2,): 6, (-2, -1): 2}


def _on(words: Words, device: torch.device) -> Words:
    parts = [part.to(device) for part in vars(words).values()]
    return type(words)(*parts)


def _to_size(logits: Tensor, size: Sequence[int]) -> FloatArray:
    resized = F.interpolate(logits[None].float(), size=tuple(size), mode="bilinear", align_corners=False)
    return resized.sigmoid()[0, 0].cpu().numpy()
