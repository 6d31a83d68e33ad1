"""The image classifier whose attention gaze can teach: encoder, attention, one logit a class.

Our reconstruction of the first stage of "Eyes on the Image" (arXiv 2508.13068); its full text is not public.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import SettingsError
from gaze_insight.networks.attention_pooling import (
    ActivationMap,
    AttentionPooling,
    BoundedGate,
    activation_maps,
)
from gaze_insight.networks.building import EncoderName, NetworkSettings, build_encoder
from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.vision_transformer import (
    TransformerOutput,
    VisionTransformer,
    VisionTransformerSettings,
)
from gaze_insight.types import Settings, Size

__all__ = ["ClassifierNetworkSettings", "ClassifierOutput", "GazeClassifierNetwork", "expected_map"]

_NORM_GROUPS = 8


class ClassifierNetworkSettings(Settings):
    """Which classifier is built.

    Example:
        >>> ClassifierNetworkSettings().attention
        'per_class'
    """

    encoder: Literal["vit"] | EncoderName = Field(
        "efficientnet_lite0",
        description="vit, a plain vision transformer with a gaze token; or any encoder of the segmentation "
        "networks: efficientnet_lite0 to 4, unet, transunet, timm:NAME",
    )
    pretrained: bool = Field(
        True,
        description="start from published weights, where there are some; vit has them by `weights` alone",
    )
    weights: Path | None = Field(None, description="a file of weights for the encoder (.safetensors, .pth)")
    vit: VisionTransformerSettings = VisionTransformerSettings()
    unet_channels: tuple[int, int, int, int, int] = Field(
        (16, 32, 64, 96, 128), description="channels of the five levels: unet, transunet"
    )
    stride: Literal[4, 8, 16, 32] = Field(
        16, description="image pixels per place of the map that attention looks at; vit: see vit.patch_px"
    )
    merge_coarser: bool = Field(
        True, description="add the coarser maps, enlarged, to that map: small places that know their context"
    )
    width: int = Field(128, ge=8, multiple_of=8, description="channels of the map that attention looks at")
    attention: Literal["per_class", "gaze_token", "none"] = Field(
        "per_class",
        description="a query for each class; one query shared by all (vit: its gaze token); or the plain "
        "mean, whose map is the class activation map",
    )
    positions: bool = Field(True, description="whether the attention's keys know their place in the image")
    fusion: Literal["attention", "bounded_gate"] = Field(
        "attention", description="classify from what attention took, or from mean + tanh(g) * that"
    )
    global_map: Literal["mean", "expected"] = Field(
        "expected", description="the one map of an image: the classes' mean, or weighted by probability"
    )
    activation_map: ActivationMap = Field(
        "positive",
        description="attention none: the activation map's positive part, or what exceeds its least",
    )
    encoder_rate_share: float = Field(
        1.0, ge=0, le=1, description="the encoder's share of the learning rate; 0: it stays as it begins"
    )

    @field_validator("weights")
    @classmethod
    def _resolve(cls, weights: Path | None) -> Path | None:
        return None if weights is None else weights.expanduser().resolve()

    def untrained(self) -> ClassifierNetworkSettings:
        """Give the settings of the same network without weights to begin with, for weights that follow."""
        return self.model_copy(update={"pretrained": False, "weights": None})


class ClassifierOutput(NamedTuple):
    """What the classifier says of B images.

    Args:
        logits: (B, C).
        attention: (B, h, w), >= 0, sums to 1: where the network looked.
        class_attention: (B, C, h, w), each map >= 0, sums to 1: where it looked for each class.
        embedding: (B, D), the features under `attention`.
    """

    logits: Tensor
    attention: Tensor
    class_attention: Tensor
    embedding: Tensor


class GazeClassifierNetwork(nn.Module):
    """Encoder, attention and one logit a class; it needs the image alone.

    - "per_class": class c has a query; its attention pools the map, and its own linear form gives the logit.
    - "gaze_token": one query for all classes; a transformer's is a token that passes through its layers.
    - "none": the mean over all places and a linear layer; its class activation map stands for attention.

    Args:
        settings: Which network.
        classes: Number C of classes.
        input_size: Height and width of the training images in pixels.

    Attributes:
        grid: Rows and columns of the attention at the training size.
        embedding_width: Channels D of the embedding.
        unused: Names of parameters that are not to be trained: no output depends on them, or their rate is 0.

    Raises:
        SettingsError: There is no class, or the encoder has no map of the stride.
        MissingExtraError: A package or published weights are wanted and not on this machine.
        DataError: The file of weights does not fit.

    Example:
        >>> settings = ClassifierNetworkSettings(encoder="unet", unet_channels=(4,) * 5, width=8)
        >>> network = GazeClassifierNetwork(settings, 3, Size(32, 48))
        >>> network.grid
        Size(height=2, width=3)
        >>> output = network(torch.rand(2, 3, 32, 48))
        >>> output.logits.shape, output.class_attention.shape
        (torch.Size([2, 3]), torch.Size([2, 3, 2, 3]))
    """

    def __init__(self, settings: ClassifierNetworkSettings, classes: int, input_size: Size) -> None:
        super().__init__()
        if classes < 1:
            raise SettingsError(f"expected at least one class, found {classes}")
        self.settings = settings
        self.classes = classes
        self.encoder = _build_encoder(settings, input_size)
        self.encoder.rate_share = settings.encoder_rate_share  # type: ignore[assignment]
        plain = isinstance(self.encoder, VisionTransformer)
        self.merge = None if plain else _Merge(self.encoder, settings)
        channels = self.encoder.channels[0] if plain else settings.width
        self.embedding_width = channels
        self.pooling: AttentionPooling | None = None
        self.grid = self._find_grid(input_size)
        if settings.attention == "per_class" or (settings.attention == "gaze_token" and not plain):
            queries = classes if settings.attention == "per_class" else 1
            self.pooling = AttentionPooling(channels, queries, self.grid if settings.positions else None)
        gated = settings.fusion == "bounded_gate" and settings.attention != "none"
        self.gate = BoundedGate(channels) if gated else None
        self.head = nn.Linear(channels, classes)
        self.unused = self._find_unused(input_size)

    def forward(self, image: Tensor) -> ClassifierOutput:
        """Classify a batch of images.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            Logits, attention and embedding, the maps in float32.

        Raises:
            DataError: The shape cannot be used.
        """
        features, token, seen = self._encode(image)
        mean = features.mean(dim=(-2, -1))
        if self.settings.attention == "none":
            maps = activation_maps(features, self.head.weight, self.settings.activation_map)
            logits = self.head(mean).float()
            shares = self._shares(logits)
            return ClassifierOutput(logits, expected_map(maps, shares), maps, mean.float())
        if self.pooling is not None:
            values, maps = self.pooling(features)
        else:
            values, maps = token[:, None], seen[:, None]
        fused = values if self.gate is None else self.gate(mean, values)
        logits = (fused * self.head.weight).sum(dim=-1).float() + self.head.bias.float()
        if fused.shape[1] == 1:
            maps = maps.expand(-1, self.classes, -1, -1)
            return ClassifierOutput(logits, maps[:, 0], maps, fused[:, 0].float())
        shares = self._shares(logits)
        embedding = torch.einsum("bc,bcd->bd", shares, fused.float())
        return ClassifierOutput(logits, expected_map(maps, shares), maps, embedding)

    def _encode(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the map, the gaze token and its attention; the last two are empty without a transformer."""
        learns = self.settings.encoder_rate_share > 0
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            if self.merge is None:
                found: TransformerOutput = self.encoder(image, with_map=self.pooling is None)
                return found
            maps = self.encoder(image)
        features = self.merge(maps)
        return features, features[:0], features[:0]

    def _shares(self, logits: Tensor) -> Tensor:
        """Weigh the classes, (B, C), for the one map of an image; no gradient passes through the weights."""
        if self.settings.global_map == "mean":
            return torch.full_like(logits, 1 / self.classes)
        return F.softmax(F.logsigmoid(logits.detach()), dim=1)

    def _find_grid(self, input_size: Size) -> Size:
        with torch.no_grad():
            features = self._encode(torch.zeros(1, 3, *input_size))[0]
        return Size(*features.shape[-2:])

    def _find_unused(self, input_size: Size) -> tuple[str, ...]:
        names, parameters = zip(*self.named_parameters(), strict=True)
        logits = self(torch.zeros(1, 3, *input_size)).logits
        gradients = torch.autograd.grad(logits.sum(), parameters, allow_unused=True)
        return tuple(name for name, gradient in zip(names, gradients, strict=True) if gradient is None)


def expected_map(maps: Tensor, shares: Tensor) -> Tensor:
    """Mix the maps of an image's classes into one.

    Args:
        maps: (B, C, h, w), each sums to 1.
        shares: (B, C), >= 0; each row sums to 1.

    Returns:
        (B, h, w), each map sums to 1.

    Example:
        >>> maps = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> expected_map(maps, torch.tensor([[0.75, 0.25]])).tolist()
        [[[0.75, 0.25]]]
    """
    return torch.einsum("bchw,bc->bhw", maps, shares.to(maps.dtype))


class _Merge(nn.Module):
    """The encoder's map of a stride, with the coarser ones enlarged and added if asked, at one width."""

    def __init__(self, encoder: ImageEncoder, settings: ClassifierNetworkSettings) -> None:
        super().__init__()
        if settings.stride not in encoder.strides:
            raise SettingsError(
                f"the encoder {settings.encoder} has maps of stride {', '.join(map(str, encoder.strides))}, "
                f"found network.stride {settings.stride}",
                remedy="choose one of these strides",
            )
        first = encoder.strides.index(settings.stride)
        self.levels = range(first, len(encoder.strides) if settings.merge_coarser else first + 1)
        self.narrow = nn.ModuleList(nn.Conv2d(encoder.channels[i], settings.width, 1) for i in self.levels)
        self.norm = nn.GroupNorm(_NORM_GROUPS, settings.width)

    def forward(self, maps: list[Tensor]) -> Tensor:
        size = maps[self.levels[0]].shape[-2:]
        merged = self.narrow[0](maps[self.levels[0]])
        for level, narrow in zip(self.levels[1:], list(self.narrow)[1:], strict=True):
            coarse = narrow(maps[level])
            merged = merged + F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
        return F.gelu(self.norm(merged))


def _build_encoder(settings: ClassifierNetworkSettings, input_size: Size) -> ImageEncoder:
    if settings.encoder == "vit":
        encoder = VisionTransformer(settings.vit, input_size)
        if settings.weights is not None:
            encoder.load_file(settings.weights)
        return encoder
    return build_encoder(
        NetworkSettings(
            encoder=settings.encoder,
            pretrained=settings.pretrained,
            weights=settings.weights,
            student_channels=settings.unet_channels,
        )
    )
