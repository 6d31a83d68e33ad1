"""A plain vision transformer with a gaze token, whose attention over the patches is a map."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.networks.encoder import IMAGENET_MEAN, IMAGENET_STD, ImageEncoder
from gaze_insight.networks.transformer import PositionEmbedding, TransformerBlock, from_tokens, to_tokens
from gaze_insight.types import Settings, Size

__all__ = [
    "TransformerOutput",
    "VisionTransformer",
    "VisionTransformerSettings",
    "attention_rollout",
]

_NORM_EPSILON = 1e-6
_PUBLISHED = (
    ("patch_embed.proj.", "patches."),
    (".norm1.", ".attention_norm."),
    (".attn.qkv.", ".query_key_value."),
    (".attn.proj.", ".project."),
    (".norm2.", ".perceptron.0."),
    (".mlp.fc1.", ".perceptron.1."),
    (".mlp.fc2.", ".perceptron.3."),
)


class VisionTransformerSettings(Settings):
    """Size of the transformer, and which attention is its map.

    ViT-B/16 is width 768, depth 12, heads 12; ViT-S/16 384, 12, 6; ViT-Ti/16 192, 12, 3.

    Example:
        >>> VisionTransformerSettings(depth=12).width
        192
    """

    patch_px: int = Field(16, ge=2, description="side of a patch in pixels")
    width: int = Field(192, ge=4, description="channels of the tokens, a multiple of the heads")
    depth: int = Field(6, ge=1, description="transformer blocks")
    heads: int = Field(3, ge=1, description="attention heads")
    map: Literal["rollout", "last_layer"] = Field(
        "rollout",
        description="the gaze token's attention: through all layers, or of the last, heads averaged",
    )


class TransformerOutput(NamedTuple):
    """What the transformer makes of B images.

    Args:
        features: (B, C, h, w), the patches' tokens.
        token: (B, C), the gaze token's.
        attention: (B, h, w), >= 0, sums to 1: the gaze token's; empty (0, h, w) where it was not asked for.
    """

    features: Tensor
    token: Tensor
    attention: Tensor


class VisionTransformer(ImageEncoder):
    """Patches and a gaze token through pre-norm transformer blocks; one map at the stride of the patches.

    Structure: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, eqs. 1-4, without dropout. The
    gaze token stands where the class token stood, and a file of published weights (in timm's names, ImageNet
    or not) begins it as that token. Input is RGB in [0, 1], normalised by ImageNet's statistics. An image
    whose sides are no multiples of the patch is continued to the right and below by its last pixels.

    Args:
        settings: Size and map.
        input_size: Height and width of the training images in pixels; others are taken by interpolating the
            position embedding.

    Raises:
        SettingsError: The width cannot be divided among the heads.

    Example:
        >>> settings = VisionTransformerSettings(width=8, depth=2, heads=2)
        >>> output = VisionTransformer(settings, Size(64, 48))(torch.rand(2, 3, 64, 48))
        >>> output.features.shape, output.attention.shape
        (torch.Size([2, 8, 4, 3]), torch.Size([2, 4, 3]))
    """

    def __init__(self, settings: VisionTransformerSettings, input_size: Size) -> None:
        patch = settings.patch_px
        super().__init__((settings.width,), (patch,), mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.settings = settings
        grid = (-(-input_size[0] // patch), -(-input_size[1] // patch))
        self.patches = nn.Conv2d(3, settings.width, patch, stride=patch)
        self.token = nn.Parameter(torch.empty(1, 1, settings.width))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.position = PositionEmbedding(settings.width, grid)
        self.blocks = nn.ModuleList(
            _SeenBlock(settings.width, heads=settings.heads) for _ in range(settings.depth)
        )
        self.norm = nn.LayerNorm(settings.width)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = _NORM_EPSILON

    def forward(self, image: Tensor, *, with_map: bool = True) -> TransformerOutput:
        """Encode a batch of images.

        Args:
            image: (B, 3, H, W) in [0, 1]; any size of at least one patch.
            with_map: Whether the gaze token's attention is wanted; its layers cost memory.

        Returns:
            Tokens and attention.

        Raises:
            DataError: The shape cannot be used.
        """
        x = self.normalise(image)
        below, right = (-side % self.settings.patch_px for side in x.shape[-2:])
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        places = self.patches(x)
        height, width = places.shape[-2:]
        tokens = self.position(to_tokens(places), height, width)
        tokens = torch.cat([self.token.to(tokens.dtype).expand(len(tokens), -1, -1), tokens], dim=1)
        layers: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            wanted = with_map and (self.settings.map == "rollout" or number == len(self.blocks))
            tokens = block(tokens, layers if wanted else None)
        tokens = self.norm(tokens)
        attention = tokens.new_zeros(0, height, width)
        if with_map:
            seen = attention_rollout(layers) if self.settings.map == "rollout" else layers[-1]
            row = seen[:, 0, 1:]
            attention = (row / row.sum(dim=1, keepdim=True)).view(-1, height, width)
        return TransformerOutput(from_tokens(tokens[:, 1:], height, width), tokens[:, 0], attention)

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Give published weights this network's names; the class token and its place begin the gaze token.

        Args:
            weights: Name to tensor.

        Returns:
            Name to tensor; position embeddings of another grid are interpolated to this one. Own names stay.
        """
        ends = [name for name in weights if name.endswith("patch_embed.proj.weight")]
        if not ends:
            return weights
        prefix = ends[0].removesuffix("patch_embed.proj.weight")
        named = {}
        for published, value in weights.items():
            name = published.removeprefix(prefix)
            for theirs, own in _PUBLISHED:
                name = name.replace(theirs, own)
            named[name] = value
        token, places = named.pop("cls_token", None), named.pop("pos_embed", None)
        if token is not None and places is not None:
            grid = self.position.weight.shape[-2:]
            side = round((places.shape[1] - 1) ** 0.5)
            learned = from_tokens(places[:, 1 : side * side + 1], side, side)
            named["token"] = token + places[:, :1]
            named["position.weight"] = F.interpolate(learned, size=grid, mode="bicubic", align_corners=False)
        return named


class _SeenBlock(TransformerBlock):
    """A transformer block that can tell how each token attended to each."""

    def forward(self, tokens: Tensor, layers: list[Tensor] | None = None) -> Tensor:
        if layers is None:
            return super().forward(tokens)
        batch, length, channels = tokens.shape
        joined = self.query_key_value(self.attention_norm(tokens))
        split = joined.view(batch, length, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        weights = scores.float().softmax(dim=-1)
        layers.append(weights.mean(dim=1))
        seen = weights.to(value.dtype) @ value
        tokens = tokens + self.project(seen.transpose(1, 2).flatten(2))
        out: Tensor = tokens + self.perceptron(tokens)
        return out


def attention_rollout(layers: list[Tensor]) -> Tensor:
    """Follow attention through the layers, with half of each token's way along its shortcut.

    R = prod over the layers, last first, of (A_l + I) / 2: Abnar and Zuidema, "Quantifying Attention Flow in
    Transformers", ACL 2020, section 3, with the heads averaged in A_l.

    Args:
        layers: At least one (B, L, L), first layer first; rows sum to 1.

    Returns:
        (B, L, L), rows sum to 1.

    Example:
        >>> attention_rollout([torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])]).tolist()
        [[[0.5, 0.5], [0.5, 0.5]]]
    """
    identity = torch.eye(layers[0].shape[-1], device=layers[0].device, dtype=layers[0].dtype)
    rolled = (layers[0] + identity) / 2
    for layer in layers[1:]:
        rolled = (layer + identity) / 2 @ rolled
    return rolled
