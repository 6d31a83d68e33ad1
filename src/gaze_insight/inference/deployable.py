"""The part of a trained method that is deployed, as one network that can be exported."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from gaze_insight.inference.averaging import MIRRORS, resize_maps, scaled_size
from gaze_insight.inference.predictor import Predictor
from gaze_insight.methods.protocol import Method
from gaze_insight.networks.efficientnet import FrozenNormConvolution, convolve_same

__all__ = ["Deployable", "FoldedConvolution", "fold_norms"]


class FoldedConvolution(nn.Module):
    """A convolution whose frozen norm became part of its kernel once, and not in every forward pass.

    Args:
        source: The convolution and its norm; it is left as it is.

    Example:
        >>> source = FrozenNormConvolution(3, 8, 3, stride=2).eval()
        >>> image = torch.rand(1, 3, 9, 10)
        >>> bool(torch.equal(FoldedConvolution(source)(image), source(image)))
        True
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, source: FrozenNormConvolution) -> None:
        super().__init__()
        self.stride, self.groups, self.activate = source.stride, source.groups, source.activate
        weight, bias = source.folded()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and, if asked, activate.

        Args:
            x: (B, in_channels, H, W).

        Returns:
            (B, out_channels, ceil(H / stride), ceil(W / stride)).
        """
        return convolve_same(
            x, self.weight, self.bias, stride=self.stride, groups=self.groups, activate=self.activate
        )


def fold_norms(network: nn.Module) -> nn.Module:
    """Copy a network with every frozen norm folded into its kernel.

    Args:
        network: Any network; one without frozen norms is copied as it is.

    Returns:
        The copy.

    Example:
        >>> folded = fold_norms(nn.Sequential(FrozenNormConvolution(3, 4, 1)))
        >>> type(folded[0]).__name__
        'FoldedConvolution'
    """
    folded = deepcopy(network)
    for module in list(folded.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FrozenNormConvolution):
                setattr(module, name, FoldedConvolution(child))
    return folded


class Deployable(nn.Module):
    """A trained method's deployable head, from bytes to logits, averaged as its predictor averages.

    Args:
        predictor: The trained predictor, on the CPU; it is left as it is.

    Example:
        >>> from gaze_insight.methods.unet import UNet, UNetSettings
        >>> from gaze_insight.networks.building import NetworkSettings
        >>> from gaze_insight.types import Size
        >>> untrained = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, Size(32, 32))
        >>> network = Deployable(Predictor(untrained, Size(32, 32)))
        >>> network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.head = predictor.method.heads[0]
        method = cast(Method, fold_norms(predictor.method))
        self.method = method.cpu().eval().requires_grad_(False)
        self.mirrors = MIRRORS if predictor.flips else MIRRORS[:1]
        self.scales = predictor.scales

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Args:
            image: (B, 3, H, W) uint8, RGB.

        Returns:
            (B, 1, H, W) float32.
        """
        size = tuple(image.shape[-2:])
        batch = image.float() / 255
        found = [self._at(batch, scaled_size(size, scale), size) for scale in self.scales]
        return torch.stack(found).mean(dim=0) if len(found) > 1 else found[0]

    def _at(self, batch: Tensor, scaled: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
        """Predict at one scale; all mirror images pass through the network as one batch."""
        shown = resize_maps(batch, scaled, antialias=True)
        if len(self.mirrors) == 1:
            return resize_maps(self.method.predict(shown)[self.head], size)
        mirrored = torch.cat([shown.flip(axes) for axes in self.mirrors])
        logits = self.method.predict(mirrored)[self.head]
        parts = logits.reshape(len(self.mirrors), -1, *logits.shape[1:]).unbind(0)
        turned = [part.flip(axes) for part, axes in zip(parts, self.mirrors, strict=True)]
        return resize_maps(torch.stack(turned).mean(dim=0), size)
