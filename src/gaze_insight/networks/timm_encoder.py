"""Any network of timm that gives feature maps, as an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.networks.encoder import ImageEncoder
from gaze_insight.networks.local_weights import match_weights, read_weights
from gaze_insight.networks.timm_import import import_timm

__all__ = ["TimmEncoder"]

_LEVELS = 5
_FINE_CHANNELS = 32
_FACTORS = (4, 2, 1, 0.5)
_REFUSALS = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


class TimmEncoder(ImageEncoder):
    """A network of timm as an encoder: five maps, at strides that are its own.

    - Four or more levels (ResNet, EfficientNet, ConvNeXt, Swin): the last five; where there are only four,
      two convolutions of the image, which begin from scratch, give a finer fifth.
    - One stride throughout (ViT): the maps at each quarter of the depth are brought to 4, 2, 1 and 1/2 of
      their resolution (Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, ECCV
      2022, section 3, with a bilinear enlargement after a 1 x 1 convolution), and the fifth is as above.

    An image whose sides are no multiples of the coarsest stride is continued to the right and below by its
    last pixels, and the maps are cut to the image again. Input is RGB in [0, 1], normalised as the network's
    published weights expect. Batch-norm statistics stay those that were loaded, so that no image depends on
    its batch; without loaded weights they stay mean 0 and variance 1.

    Args:
        name: A name of timm's, with or without the tag of its weights: "resnet18", "resnet18.a1_in1k".
        pretrained: Load the weights that timm published, from this machine's Hugging Face cache. Nothing is
            downloaded here.

    Raises:
        MissingExtraError: timm is not installed, or the weights are not on this machine.
        SettingsError: timm has no such network, or it cannot give the maps for images of any size.

    Example:
        >>> encoder = TimmEncoder("resnet18", pretrained=False)  # doctest: +SKIP
        >>> encoder.channels, encoder.strides  # doctest: +SKIP
        ((64, 64, 128, 256, 512), (2, 4, 8, 16, 32))
    """

    def __init__(self, name: str, *, pretrained: bool = True) -> None:
        timm = import_timm()
        _check_name(timm, name)
        plan = _plan(timm, name)
        channels, strides = list(plan.channels), list(plan.strides)
        fine = len(strides) < _LEVELS
        if fine:
            channels.insert(0, _FINE_CHANNELS)
            strides.insert(0, max(round(strides[0] / 2), 1))
        facts = plan.network.pretrained_cfg
        super().__init__(channels, strides, mean=tuple(facts["mean"]), std=tuple(facts["std"]))
        self.network = plan.network
        self.fine = _fine_map(strides[0]) if fine else None
        pyramid = zip(plan.channels, _FACTORS, strict=True) if plan.plain else ()
        self.enlarge = nn.ModuleList(_Resample(plan.native_channels, c, f) for c, f in pyramid)
        self._taken, self._channels_last, self._unit = plan.taken, plan.channels_last, plan.unit
        if pretrained:
            published = _published_weights(timm, name, plan.options)
            self.initial_weights = match_weights(self.weights_targets(), published, f"timm:{name}")
        self.train(self.training)

    def weights_targets(self) -> list[nn.Module]:
        """Give the modules that a file of weights may fill: all of this, or timm's network alone.

        Returns:
            This encoder, timm's network in its wrapper, and without it.
        """
        inner = getattr(self.network, "model", None)
        return [self, self.network, *([inner] if isinstance(inner, nn.Module) else [])]

    def train(self, mode: bool = True) -> TimmEncoder:
        """Switch between training and evaluation; batch norms stay in evaluation.

        Args:
            mode: Whether to train.

        Returns:
            Itself.
        """
        super().train(mode)
        for module in self.network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode a batch of images.

        Args:
            image: (B, 3, H, W) in [0, 1]; any size of at least the coarsest stride.

        Returns:
            Five maps, finest first; an odd side is rounded up at each stride.

        Raises:
            DataError: The shape cannot be used.
        """
        x = self.normalise(image)
        height, width = x.shape[-2:]
        below, right = -height % self._unit, -width % self._unit
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        given = self.network(x)
        maps = [given[index] for index in self._taken]
        if self._channels_last:
            maps = [map_.permute(0, 3, 1, 2) for map_ in maps]
        if self.enlarge:
            maps = [resample(map_) for resample, map_ in zip(self.enlarge, maps, strict=True)]
        if self.fine is not None:
            maps.insert(0, self.fine(x))
        if not below and not right:
            return maps
        rows, columns = x.shape[-2:]
        return [
            map_[..., : -(-height * map_.shape[-2] // rows), : -(-width * map_.shape[-1] // columns)]
            for map_ in maps
        ]


class _Plan(NamedTuple):
    """What a network of timm gives.

    Attributes:
        network: The network.
        options: What it was made with, besides its name.
        taken: Which of the maps that it gives are taken.
        channels: Channels of the maps as the encoder gives them on.
        strides: Their strides.
        plain: Whether its own maps all have one stride.
        native_channels: Channels of its own coarsest map.
        channels_last: Whether its maps are (B, H, W, C).
        unit: The image's sides must be multiples of this.
    """

    network: Any
    options: dict[str, Any]
    taken: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    plain: bool
    native_channels: int
    channels_last: bool
    unit: int


class _Resample(nn.Module):
    """Bring a map to a multiple of its resolution; enlarged maps have fewer channels."""

    def __init__(self, in_channels: int, out_channels: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.narrow = nn.Conv2d(in_channels, out_channels, 1) if factor > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.factor < 1:
            return F.max_pool2d(x, round(1 / self.factor))
        narrow: Tensor = self.narrow(x)
        if self.factor == 1:
            return narrow
        return F.interpolate(narrow, scale_factor=self.factor, mode="bilinear", align_corners=False)


def _fine_map(stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, step in ((3, stride), (_FINE_CHANNELS, 1)):
        layers += [
            nn.Conv2d(before, _FINE_CHANNELS, 3, stride=step, padding=1),
            nn.GroupNorm(4, _FINE_CHANNELS),
            nn.LeakyReLU(0.1, inplace=True),
        ]
    return nn.Sequential(*layers)


def _check_name(timm: Any, name: str) -> None:
    architecture = name.partition(".")[0]
    if timm.is_model(architecture):
        return
    near = get_close_matches(architecture, timm.list_models(), n=3)
    raise SettingsError(
        f"timm {timm.__version__} has no network {architecture!r}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()",
    )


def _plan(timm: Any, name: str) -> _Plan:
    refusals = []
    facts = timm.get_pretrained_cfg(name)
    fixed = facts is not None and facts.fixed_input_size
    freed = [{"dynamic_img_size": True}, {"strict_img_size": False}]
    for options in (*(freed if fixed else []), {}):
        try:
            return _try(timm, name, options)
        except _REFUSALS as error:
            refusals.append(f"{type(error).__name__}: {error}".splitlines()[0])
    raise SettingsError(
        f"timm:{name} cannot be an encoder: it does not give four levels of maps, or all of one stride, for "
        f"images of any size ({refusals[-1]})",
        remedy="choose another network: convolutional ones, and vit, swin and convnext, do",
    )


def _try(timm: Any, name: str, options: dict[str, Any]) -> _Plan:
    network = timm.create_model(name, pretrained=False, features_only=True, **options)
    strides = [int(stride) for stride in network.feature_info.reduction()]
    last = {stride: index for index, stride in enumerate(strides)}
    plain = len(last) == 1
    if plain:
        depth = len(network.feature_info.info)
        wanted = [depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]
        network = timm.create_model(name, pretrained=False, features_only=True, out_indices=wanted, **options)
        taken: tuple[int, ...] = (0, 1, 2, 3)
    else:
        taken = tuple(last.values())[-_LEVELS:]
    if len(taken) < _LEVELS - 1:
        raise ValueError(f"found levels at strides {strides}")
    own = [int(channels) for channels in network.feature_info.channels()]
    channels, levels = (
        tuple(own[index] for index in taken),
        tuple(strides[index] for index in taken[: len(strides)]),
    )
    unit = strides[-1] * (2 if plain else 1)
    channels_last = _is_channels_last(network, unit, taken, channels)
    native = channels[-1]
    if plain:
        channels = tuple(max(int(native / max(f, 1)) // 8 * 8, 8) if f > 1 else native for f in _FACTORS)
        levels = tuple(max(round(strides[0] / f), 1) for f in _FACTORS)
    return _Plan(network, options, taken, channels, levels, plain, native, channels_last, unit)


@torch.no_grad()
def _is_channels_last(network: nn.Module, unit: int, taken: Sequence[int], channels: tuple[int, ...]) -> bool:
    """Try an image that is not square; raises what the network raises, or ValueError for odd maps."""
    training = network.training
    given = network.eval()(torch.zeros(1, 3, 2 * unit, 3 * unit))
    network.train(training)
    shapes = [tuple(given[index].shape) for index in taken]
    if all(len(shape) == 4 and shape[1] == c for shape, c in zip(shapes, channels, strict=True)):
        return False
    if all(len(shape) == 4 and shape[3] == c for shape, c in zip(shapes, channels, strict=True)):
        return True
    raise ValueError(f"expected maps of {channels} channels, found shapes {shapes}")


def _published_weights(timm: Any, name: str, options: dict[str, Any]) -> dict[str, Tensor]:
    """Let timm load the published file into the whole network, where its own strict check holds."""
    facts = timm.get_pretrained_cfg(name)
    repository = None if facts is None else facts.hf_hub_id
    if not repository:
        raise MissingExtraError(
            f"timm knows no published weights of {name!r} on the Hugging Face hub",
            remedy="name a file of weights with weights: PATH, or set pretrained: false",
        )
    path = _cached(repository, facts.hf_hub_filename)
    if path is None:
        raise MissingExtraError(
            f"the weights of timm:{name} are not on this machine, and training downloads nothing",
            remedy=f"fetch them once: hf download {repository}; or name a file with weights: PATH; or set "
            "pretrained: false",
        )
    try:
        whole = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay={"state_dict": read_weights(path)}, **options
        )
    except _REFUSALS as error:
        raise DataError(f"timm cannot load these weights into {name!r} ({error})", path=path) from error
    weights: dict[str, Tensor] = whole.state_dict()
    return weights


def _cached(repository: str, filename: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    names = [filename] if filename else ["model.safetensors", "pytorch_model.bin"]
    for candidate in names:
        found = try_to_load_from_cache(repository, candidate)
        if isinstance(found, str):
            return Path(found)
    return None
