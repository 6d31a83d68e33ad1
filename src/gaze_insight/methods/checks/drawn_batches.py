"""Batches of drawn lesions, on which a method can be tried without data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.attribute_tokens import FIELDS
from gaze_insight.language.symmetry import SYMMETRIES
from gaze_insight.language.vocabulary import VOCABULARY
from gaze_insight.losses.soft_labels import SHARE_STEPS
from gaze_insight.methods.levels import level_threshold
from gaze_insight.methods.protocol import AttributeWords, Batch, EncodedWords, TokenWords, Words
from gaze_insight.methods.words import WordSpace
from gaze_insight.types import IGNORE, Size

__all__ = ["LABEL_MAPS", "SHARE_MAPS", "drawn_batch", "drawn_words"]

LABEL_MAPS = ("mask", "sparse", "comprehensive", "points", "box", "scribble")
"""The label maps a method may ask for by name, beside the levels of `level_name`."""

SHARE_MAPS = ("soft", "trust", "weighted_trust")
"""Those that hold shares (see `decode_share`) instead of 0, 1 and 255."""

_TOKENS = 5
_LEAST_VOCABULARY = 8
_CASE_WEIGHT = 0.8


def drawn_batch(
    label_maps: Sequence[str],
    size: Size,
    words: WordSpace | None = None,
    *,
    count: int = 2,
    seed: int = 0,
    progress: float = 0.5,
) -> Batch:
    """Draw images of one bright blob each, with every label map that a method may ask for.

    The soft pseudo-mask is a Gaussian hill; the levels are cuts through it, the box bounds the cut at 0.5,
    points and scribble are a few of its pixels, and a border of one pixel is unknown, as after an
    augmentation.

    Args:
        label_maps: Names among `LABEL_MAPS` and `SHARE_MAPS`, and those of `level_name`.
        size: Height and width in pixels, at least 8 each.
        words: The kind of words; None for a batch without.
        count: Images.
        seed: The same seed draws the same batch.
        progress: Share of the stage already done.

    Returns:
        The batch.

    Raises:
        SettingsError: A label map is unknown.

    Example:
        >>> batch = drawn_batch(["mask", "above_0.3000"], Size(16, 16))
        >>> batch.labels["mask"].sum() < batch.labels["above_0.3000"].sum()
        tensor(True)
    """
    generator = torch.Generator().manual_seed(seed)
    soft = _hills(count, size, generator)
    colours = torch.rand(count, 3, 1, 1, generator=generator)
    grain = torch.rand(count, 3, *size, generator=generator)
    return Batch(
        image=(0.5 * soft * colours + 0.3 * grain + 0.1).clamp(0, 1),
        labels={name: _label_map(name, soft) for name in label_maps},
        words=None if words is None else drawn_words(words, count, seed=seed),
        noise=torch.rand(count, 1, *size, generator=generator),
        progress=progress,
        seed=seed,
    )


def drawn_words(space: WordSpace, count: int, *, seed: int = 0) -> Words:
    """Draw descriptions of the kind and width that a method was built for.

    Args:
        space: The kind and width.
        count: How many.
        seed: The same seed draws the same words.

    Returns:
        The words.

    Example:
        >>> tuple(drawn_words(WordSpace("transformer", 8), 2).features.shape)
        (2, 5, 8)
    """
    generator = torch.Generator().manual_seed(seed)
    if space.kind == "transformer":
        features = torch.randn(count, _TOKENS, space.channels, generator=generator)
        lengths = torch.randint(1, _TOKENS + 1, (count, 1), generator=generator)
        return EncodedWords(features, torch.arange(_TOKENS)[None] < lengths)
    if space.kind == "tokens":
        lengths = torch.randint(1, _TOKENS + 1, (count, 1), generator=generator)
        mask = torch.arange(_TOKENS)[None] < lengths
        ids = torch.randint(2, _LEAST_VOCABULARY, (count, _TOKENS), generator=generator)
        return TokenWords(ids * mask, mask)
    columns = [torch.randint(1, len(VOCABULARY[name]) + 1, (count,), generator=generator) for name in FIELDS]
    area = torch.rand(count, generator=generator)
    symmetry = torch.randint(SYMMETRIES, (count,), generator=generator)
    return AttributeWords(torch.stack(columns, dim=1), area, symmetry)


def _hills(count: int, size: Size, generator: torch.Generator) -> Tensor:
    rows, columns = (torch.linspace(0, 1, side) for side in size)
    centre = 0.35 + 0.3 * torch.rand(count, 2, 1, 1, 1, generator=generator)
    distance = (rows[:, None] - centre[:, 0]).square() + (columns - centre[:, 1]).square()
    return (-distance / (2 * 0.18**2)).exp()


def _label_map(name: str, soft: Tensor) -> Tensor:
    threshold = level_threshold(name)
    if name in SHARE_MAPS:
        return _share_map(name, soft)
    if threshold is None and name not in LABEL_MAPS:
        raise SettingsError(
            f"unknown label map {name!r}; known: {', '.join((*LABEL_MAPS, *SHARE_MAPS))}",
            remedy="or use gaze_insight.methods.levels.level_name(threshold)",
        )
    cut = {"comprehensive": 0.3}.get(name, threshold or 0.5)
    labels = (soft >= cut).to(torch.uint8)
    if name == "box":
        labels = labels.amax(dim=2, keepdim=True) * labels.amax(dim=3, keepdim=True)
    known = torch.ones_like(labels, dtype=torch.bool)
    if name == "sparse":
        known = (soft >= 0.5) | (soft < 0.1)
    elif name in ("points", "scribble"):
        known = torch.zeros_like(known)
        known[:, :, :: 8 if name == "points" else 6, :: 8 if name == "points" else 1] = True
        known &= (soft >= 0.5) | (soft < 0.1)
    return _without_border(labels.masked_fill(~known, IGNORE))


def _share_map(name: str, soft: Tensor) -> Tensor:
    trust = (2 * soft - 1).abs()
    share = {"soft": soft, "trust": trust, "weighted_trust": _CASE_WEIGHT * trust}[name]
    return _without_border((share * SHARE_STEPS).round().to(torch.uint8))


def _without_border(labels: Tensor) -> Tensor:
    labels[:, :, [0, -1]] = IGNORE
    labels[:, :, :, [0, -1]] = IGNORE
    return labels
