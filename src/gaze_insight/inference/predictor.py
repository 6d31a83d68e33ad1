"""A warm predictor: images in, probabilities at the image's own size out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.errors import SettingsError
from gaze_insight.inference.averaging import MIRRORS, resize_maps, scaled_size
from gaze_insight.inference.fitting import fit_image
from gaze_insight.methods.protocol import Method, Words
from gaze_insight.training.devices import choose_device
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = ["Predictor", "fit_image"]

WordsUnder = Callable[[int], Words]


class Predictor:
    """Predict with a trained method; the model stays loaded between calls.

    Args:
        method: The method, trained.
        input_size: Height and width in pixels that the networks were trained at.
        device: Where to compute; see `choose_device`.
        flips: Average the logits of each image and its three mirror images.
        scales: Average the logits of the image at these shares of `input_size` (test-time augmentation);
            sizes other than `input_size` are rounded to multiples of 32 px, the coarsest stride of the
            networks. The cost grows with the sum of their squares.

    Example:
        >>> from gaze_insight.methods.unet import UNet, UNetSettings
        >>> from gaze_insight.networks.building import NetworkSettings
        >>> untrained = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, Size(32, 32))
        >>> prob = Predictor(untrained, Size(32, 32)).predict(np.zeros((50, 40, 3), np.uint8))["student"]
        >>> prob.shape, bool((prob >= 0).all() and (prob <= 1).all())
        ((50, 40), True)
    """

    def __init__(
        self,
        method: Method,
        input_size: Size,
        *,
        device: str = "cpu",
        flips: bool = True,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        if not scales or min(scales) <= 0:
            raise SettingsError(f"expected one scale above 0 or more, found {list(scales)}")
        self.device = choose_device(device)
        self.method = method.to(self.device).eval()
        self.input_size, self.flips, self.scales = input_size, flips, tuple(scales)

    @property
    def heads(self) -> tuple[str, ...]:
        """The predictions it makes, the deployable one first."""
        return self.method.heads

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
        """Predict logits at the network's size, averaged over mirror images and scales where those are on.

        Args:
            batch: (B, 3, H, W) in [0, 1], on the predictor's device.
            words: As for :meth:`predict_batch`.

        Returns:
            Head to logits (B, 1, H, W).
        """
        sums: dict[str, Tensor] = {}
        size = tuple(batch.shape[-2:])
        mirrors = MIRRORS if self.flips else MIRRORS[:1]
        for scale in self.scales:
            shown = resize_maps(batch, scaled_size(size, scale), antialias=True)
            for axes in mirrors:
                given = None if words is None else words(_SYMMETRY_OF[axes]).map(self._here)
                for head, values in self.method.predict(shown.flip(axes), given).items():
                    found = resize_maps(values.flip(axes), size)
                    sums[head] = sums[head] + found if head in sums else found
        count = len(mirrors) * len(self.scales)
        return {head: values / count for head, values in sums.items()}

    def _here(self, part: Tensor) -> Tensor:
        return part.to(self.device)


_SYMMETRY_OF = {(): 0, (-1,): 4, (-2,): 6, (-2, -1): 2}


def _to_size(logits: Tensor, size: Sequence[int]) -> FloatArray:
    resized = F.interpolate(logits[None].float(), size=tuple(size), mode="bilinear", align_corners=False)
    return resized.sigmoid()[0, 0].cpu().numpy()
