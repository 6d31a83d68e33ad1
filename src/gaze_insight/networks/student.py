"""The student: the network that is deployed. It needs the image alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.networks.segmenter import Segmenter
from gaze_insight.networks.unet import UNetDecoder

__all__ = ["Student"]


class Student(Segmenter):
    """Encoder and decoder, and 1 x 1 adapters that carry its maps Z_k into the teacher's channels.

    The adapters have neither norm nor activation, so that Z_k can take every direction that X'_k can.

    Args:
        encoder: Gives five feature maps of an RGB image in [0, 1].
        decoder: Turns them into logits.
        teacher_channels: Channels of the teacher's maps of stage 1, 2, ... , at most four.

    Example:
        >>> import torch
        >>> from gaze_insight.networks.unet import UNetEncoder
        >>> encoder = UNetEncoder(channels=(4, 4, 4, 4, 4))
        >>> student = Student(encoder, UNetDecoder(encoder.channels, (4, 4, 4, 4)), teacher_channels=(8, 16))
        >>> [tuple(x.shape[1:]) for x in student(torch.rand(1, 3, 32, 32)).features]
        [(8, 16, 16), (16, 8, 8)]
    """

    def __init__(
        self, encoder: ImageEncoder, decoder: UNetDecoder, *, teacher_channels: Sequence[int]
    ) -> None:
        super().__init__(encoder, decoder)
        self.adapters = nn.ModuleList(
            nn.Conv2d(own, theirs, 1, bias=False)
            for own, theirs in zip(encoder.channels[1:], teacher_channels, strict=False)
        )

    def forward(self, image: Tensor) -> SegmentationOutput:
        """Segment a batch of images and give the adapted features; `predict` leaves those out.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            The logits at the image's size and Z_1, Z_2, ... in the teacher's channels.

        Raises:
            DataError: The shape cannot be used.
        """
        features = self.encode(image)
        adapted: list[Tensor] = [adapter(x) for adapter, x in zip(self.adapters, features[1:], strict=False)]
        return SegmentationOutput(self.decoder(features, tuple(image.shape[-2:])), adapted)
