"""Factories for small methods and batches."""

from __future__ import annotations

from typing import Any

import torch

from gaze_insight.language.encoders.attribute_tokens import FIELDS
from gaze_insight.methods.fgi import Fgi, FgiSettings
from gaze_insight.methods.protocol import AttributeWords, Batch, EncodedWords, Words
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.types import IGNORE, Size

SIDE = 32
NETWORK = NetworkSettings(encoder="unet", teacher_channels=(8,) * 5, student_channels=(4,) * 5)
ATTRIBUTES = WordSpace("attributes", 8)
TEXTS = WordSpace("transformer", 6)


def make_fgi(words: WordSpace | None = ATTRIBUTES, **settings: Any) -> Fgi:
    torch.manual_seed(0)
    return Fgi(FgiSettings(network=NETWORK, **settings), words, Size(SIDE, SIDE))


def attribute_words(count: int, seed: int = 0) -> AttributeWords:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 4, (count, len(FIELDS)), generator=generator)
    return AttributeWords(ids, torch.rand(count, generator=generator), torch.zeros(count, dtype=torch.int64))


def encoded_words(count: int, seed: int = 0) -> EncodedWords:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, TEXTS.channels, generator=generator)
    mask = torch.arange(5)[None] < torch.tensor([[3], [5]]).repeat(count, 1)[:count]
    return EncodedWords(features, mask)


def make_batch(words: Words | None, *, count: int = 2, seed: int = 0, progress: float = 0.1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 1, SIDE, SIDE)
    comprehensive = torch.randint(0, 2, shape, generator=generator).to(torch.uint8)
    unsure = torch.rand(shape, generator=generator) < 0.4
    return Batch(
        image=torch.rand(count, 3, SIDE, SIDE, generator=generator),
        labels={
            "comprehensive": comprehensive,
            "sparse": comprehensive.masked_fill(unsure, IGNORE),
            "mask": comprehensive,
        },
        words=words,
        noise=torch.rand(shape, generator=generator),
        progress=progress,
    )
