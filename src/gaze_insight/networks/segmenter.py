"""The plain network: an encoder and a decoder."""

from __future__ import annotations

from torch import Tensor, nn

from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.networks.unet import UNetDecoder

__all__ = ["Segmenter"]


class Segmenter(nn.Module):
    """An encoder and a decoder, without words and without distillation: the yardstick network.

    Args:
        encoder: Gives five feature maps of an RGB image in [0, 1].
        decoder: Turns them into logits.

    Example:
        >>> import torch
        >>> from gaze_insight.networks.unet import UNetEncoder
        >>> encoder = UNetEncoder(channels=(4, 4, 4, 4, 4))
        >>> network = Segmenter(encoder, UNetDecoder(encoder.channels, (4, 4, 4, 4)))
        >>> network.predict(torch.zeros(2, 3, 17, 20)).shape
        torch.Size([2, 1, 17, 20])
    """

    def __init__(self, encoder: ImageEncoder, decoder: UNetDecoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, image: Tensor) -> SegmentationOutput:
        """Segment a batch of images.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            The logits at the image's size, and no features.

        Raises:
            DataError: The shape cannot be used.
        """
        return SegmentationOutput(self.predict(image), [])

    def predict(self, image: Tensor) -> Tensor:
        """Segment a batch of images at the least cost.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            Logits, (B, 1, H, W).

        Raises:
            DataError: The shape cannot be used.
        """
        logits: Tensor = self.decoder(self.encode(image), tuple(image.shape[-2:]))
        return logits

    def encode(self, image: Tensor) -> list[Tensor]:
        """Compute the encoder's maps, finest first.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            Five maps.
        """
        features: list[Tensor] = self.encoder(image)
        return features
