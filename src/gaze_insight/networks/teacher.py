"""The teacher: image features that have read the words."""

from __future__ import annotations

from torch import Tensor, nn

from gaze_insight.errors import DataError
from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.fusion import FusionSettings, TextVisionFusion
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.networks.segmenter import Segmenter
from gaze_insight.networks.unet import UNetDecoder

__all__ = ["Teacher"]


class Teacher(Segmenter):
    """Encoder, text-vision fusion at the encoder's maps 1 to `fusion.stages`, decoder over the fused maps.

    Stage 1 is the finest pooled map, stage 4 the coarsest; map 0 stays without words.

    Args:
        encoder: Gives five feature maps of an RGB image in [0, 1].
        decoder: Turns them into logits.
        text_channels: Channels of the tokens; 0 builds a teacher that reads no words.
        fusion: Number of stages, heads, mode.
        input_size: Height and width in pixels for which the positional embeddings are made; any other size
            works, by interpolation.

    Raises:
        SettingsError: A map's channels cannot be divided among the heads.

    Example:
        >>> import torch
        >>> from gaze_insight.networks.unet import UNetEncoder
        >>> encoder = UNetEncoder(channels=(4, 4, 8, 8, 8))
        >>> decoder = UNetDecoder(encoder.channels, (8, 8, 4, 4))
        >>> teacher = Teacher(encoder, decoder, text_channels=6, fusion=FusionSettings(stages=2))
        >>> out = teacher(torch.rand(1, 3, 32, 32), torch.rand(1, 5, 6), torch.ones(1, 5, dtype=torch.bool))
        >>> out.logits.shape, [tuple(x.shape[1:]) for x in out.features]
        (torch.Size([1, 1, 32, 32]), [(4, 16, 16), (8, 8, 8)])
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        decoder: UNetDecoder,
        *,
        text_channels: int,
        fusion: FusionSettings,
        input_size: tuple[int, int] = (224, 224),
    ) -> None:
        super().__init__(encoder, decoder)
        self.text_channels = text_channels
        self.stages = fusion.stages
        self.fusions = nn.ModuleList()
        for stage in range(1, fusion.stages + 1 if text_channels else 1):
            stride = encoder.strides[stage]
            self.fusions.append(
                TextVisionFusion(
                    encoder.channels[stage],
                    text_channels,
                    heads=fusion.heads,
                    grid=(max(input_size[0] // stride, 1), max(input_size[1] // stride, 1)),
                    mode=fusion.mode,
                    initial_lambda=fusion.initial_lambda,
                )
            )

    def forward(
        self,
        image: Tensor,
        tokens: Tensor | None = None,
        token_mask: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> SegmentationOutput:
        """Segment a batch of images with their words.

        Args:
            image: (B, 3, H, W) in [0, 1].
            tokens: (B, L, text_channels); not needed by a teacher without words.
            token_mask: (B, L) bool, True where a token is real. An image without tokens is left unfused.
            weight: (B,) in [0, 1]: how far each image's words are believed; None for 1.

        Returns:
            The logits at the image's size and the fused maps X'_1 to X'_stages.

        Raises:
            DataError: The image's shape cannot be used, or the words are missing.
        """
        features = self.encode(image)
        if self.fusions and (tokens is None or token_mask is None):
            raise DataError(
                "expected the tokens of a description and their mask, found none",
                remedy="describe the cases, or build the teacher with text_channels=0",
            )
        for stage, fusion in enumerate(self.fusions, start=1):
            features[stage] = fusion(features[stage], tokens, token_mask, weight)
        logits = self.decoder(features, tuple(image.shape[-2:]))
        return SegmentationOutput(logits, features[1 : self.stages + 1])
