"""Joint augmentation of images, label maps and the words that go with them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import torch
from kornia.augmentation import AugmentationSequential, ColorJiggle, RandomAffine
from pydantic import Field
from torch import Tensor

from gaze_insight.language.symmetry import apply_symmetry
from gaze_insight.methods.protocol import AttributeWords, Words
from gaze_insight.training.words import WordRows, look_up
from gaze_insight.types import IGNORE, Settings

__all__ = ["AugmentationSettings", "augment"]

_SYMMETRIES = {"none": (0,), "horizontal": (0, 4), "flips": (0, 2, 4, 6), "all": tuple(range(8))}


class AugmentationSettings(Settings):
    """How training images are varied; zero or "none" leaves a part out."""

    symmetry: Literal["none", "horizontal", "flips", "all"] = Field(
        "all", description="mirror images and quarter turns; words of place move with the image"
    )
    rotation_deg: float = Field(15.0, ge=0, le=45, description="largest further rotation")
    scale: float = Field(0.2, ge=0, lt=1, description="scales lie in [1 - scale, 1 + scale]")
    shift_frac: float = Field(0.08, ge=0, le=0.5, description="largest shift, of the side")
    brightness: float = Field(0.2, ge=0, le=1)
    contrast: float = Field(0.2, ge=0, le=1)
    saturation: float = Field(0.2, ge=0, le=1)
    hue: float = Field(0.02, ge=0, le=0.5)


def augment(
    image: Tensor,
    labels: dict[str, Tensor],
    words: WordRows | None,
    settings: AugmentationSettings,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor], Words | None]:
    """Vary a batch: one of eight symmetries, a small affine map and colour, images and labels moved as one.

    Label pixels that come from outside the image become *ignore*. Words of place follow the symmetry, and
    the described area follows the scale.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        labels: Name to uint8 (B, 1, H, W), of any values; 255 is *ignore*. A pixel takes its nearest one.
        words: The descriptions of the batch, or None.
        settings: The kinds and sizes of variation.
        generator: CPU generator that decides everything random here.

    Returns:
        The image, the labels and the words, with shapes, types and ranges unchanged.

    Example:
        >>> picture = torch.rand(2, 3, 32, 32)
        >>> maps = {"mask": torch.ones(2, 1, 32, 32, dtype=torch.uint8)}
        >>> moved, moved_maps, _ = augment(picture, maps, None, AugmentationSettings(), torch.Generator())
        >>> moved.shape, sorted(moved_maps["mask"].unique().tolist())[0]
        (torch.Size([2, 3, 32, 32]), 1)
    """
    choices = torch.tensor(_SYMMETRIES[settings.symmetry])
    symmetry = choices[torch.randint(len(choices), (len(image),), generator=generator)]
    seed = int(torch.randint(2**62, (1,), generator=generator))
    names = list(labels)
    planes = torch.cat([labels[name] for name in names], dim=1).float().add_(1)
    planes[planes == IGNORE + 1] = 0
    image = _per_sample(image, symmetry)
    planes = _per_sample(planes, symmetry)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        geometry, colour = _transforms(settings)
        scale = torch.ones(len(image))
        if geometry is not None:
            image, planes = geometry(image, planes)
            scale = _scale_of(geometry)
        if colour is not None:
            image = colour(image).clamp(0, 1)
    coded = planes.round().to(torch.uint8)
    decoded = torch.where(coded == 0, IGNORE, coded.int() - 1).to(torch.uint8)
    moved = {name: decoded[:, i : i + 1] for i, name in enumerate(names)}
    return image, moved, None if words is None else _move_words(words, symmetry, scale)


def _per_sample(batch: Tensor, symmetry: Tensor) -> Tensor:
    moved = [apply_symmetry(item, int(code)) for item, code in zip(batch, symmetry, strict=True)]
    return torch.stack(moved).contiguous()


def _move_words(words: WordRows, symmetry: Tensor, scale: Tensor) -> Words:
    moved = look_up(words, symmetry)
    if isinstance(moved, AttributeWords):
        factor = scale.to(moved.area.device) ** 2
        return replace(moved, area=(moved.area * factor).clamp(0, 1))
    return moved


@lru_cache(maxsize=8)
def _transforms(settings: AugmentationSettings) -> tuple[Any, Any]:
    geometry = colour = None
    if settings.rotation_deg or settings.scale or settings.shift_frac:
        affine = RandomAffine(
            degrees=settings.rotation_deg,
            translate=(settings.shift_frac, settings.shift_frac),
            scale=(1 - settings.scale, 1 + settings.scale),
            p=1.0,
        )
        geometry = AugmentationSequential(affine, data_keys=["input", "mask"])
    jitter = (settings.brightness, settings.contrast, settings.saturation, settings.hue)
    if any(jitter):
        colour = ColorJiggle(*jitter, p=1.0)
    return geometry, colour


def _scale_of(geometry: Any) -> Tensor:
    scale: Tensor = geometry._params[0].data["scale"]
    return scale[:, 0].cpu()
