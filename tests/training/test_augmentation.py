"""Images, label maps and words are varied as one, reproducibly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gaze_insight.language.encoders.attribute_tokens import AttributeTokens, encode_ids
from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.language.symmetry import apply_symmetry
from gaze_insight.methods.protocol import AttributeWords, EncodedWords
from gaze_insight.training.augmentation import AugmentationSettings, augment
from gaze_insight.training.words import AttributeRows, EncodedRows
from gaze_insight.types import IGNORE

SIDE = 48
STILL = {
    "symmetry": "none",
    "rotation_deg": 0,
    "scale": 0,
    "shift_frac": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "hue": 0,
}


def still(**changes: object) -> AugmentationSettings:
    return AugmentationSettings(**{**STILL, **changes})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob_image(count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """An image whose brightness is the label map: above one half is foreground."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE]
    centres = rng.uniform(14, SIDE - 14, (count, 2))
    bumps = [np.exp(-((down - y) ** 2 / 60 + (across - x) ** 2 / 150)) for y, x in centres]
    image = torch.from_numpy(np.stack(bumps)).float()[:, None].expand(-1, 3, -1, -1)
    return image.contiguous() * 0.8 + 0.1, (image[:, :1] > 0.5).to(torch.uint8)


def some_map(image: Tensor) -> dict[str, Tensor]:
    return {"mask": torch.zeros_like(image[:, :1], dtype=torch.uint8)}


def attribute_rows(count: int) -> AttributeRows:
    ids = torch.ones(count, 6, dtype=torch.int64)
    return AttributeRows(ids, torch.full((count,), 0.25))


@pytest.mark.parametrize("symmetry", ["none", "horizontal", "flips", "all"])
def test_labels_and_image_are_moved_by_the_same_symmetry(symmetry: str) -> None:
    image, label = blob_image(32)
    order = torch.arange(SIDE * SIDE).remainder(251).view(1, 1, SIDE, SIDE)
    pattern = (order % 2).to(torch.uint8).expand(32, -1, -1, -1)
    words = attribute_rows(32)
    moved, labels, said = augment(
        image, {"a": label, "b": pattern}, words, still(symmetry=symmetry), seeded(0)
    )
    allowed = {"none": {0}, "horizontal": {0, 4}, "flips": {0, 2, 4, 6}, "all": set(range(8))}[symmetry]
    assert isinstance(said, AttributeWords)
    assert set(said.symmetry.tolist()) == allowed
    for index, code in enumerate(said.symmetry.tolist()):
        assert torch.equal(moved[index], apply_symmetry(image[index], code))
        assert torch.equal(labels["a"][index], apply_symmetry(label[index], code))
        assert torch.equal(labels["b"][index], apply_symmetry(pattern[index], code))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_labels_follow_the_image_through_every_move(seed: int) -> None:
    """The moved image, thresholded anew, is the moved label map but for its rim."""
    image, label = blob_image(4, seed=seed)
    settings = AugmentationSettings(brightness=0, contrast=0, saturation=0, hue=0, rotation_deg=40)
    moved, labels, _ = augment(image, {"mask": label}, None, settings, seeded(seed))
    known = labels["mask"] != IGNORE
    expected, found = (moved[:, :1] > 0.5) & known, (labels["mask"] == 1) & known
    assert (expected != found).flatten(1).sum(1).max() <= 0.3 * max(1, int(found.flatten(1).sum(1).max()))
    overlap = 2 * (expected & found).sum() / (expected.sum() + found.sum())
    assert overlap > 0.9


def test_what_comes_from_outside_is_ignored_and_ignored_stays_ignored() -> None:
    image = torch.ones(16, 3, SIDE, SIDE)
    full = torch.ones(16, 1, SIDE, SIDE, dtype=torch.uint8)
    maps = {"mask": full, "none": torch.zeros_like(full), "hidden": torch.full_like(full, IGNORE)}
    moved, labels, _ = augment(image, maps, None, still(shift_frac=0.4, scale=0.4), seeded(1))
    assert set(labels["mask"].unique().tolist()) == {1, IGNORE}
    assert set(labels["none"].unique().tolist()) == {0, IGNORE}
    assert set(labels["hidden"].unique().tolist()) == {IGNORE}
    assert torch.equal(labels["mask"] == IGNORE, labels["none"] == IGNORE)
    outside = labels["mask"] == IGNORE
    assert outside.float().mean() > 0.02
    assert moved[:, :1][outside].mean() < 0.2
    assert (moved[:, :1][~outside] > 0.4).all()


def test_attribute_words_follow_the_symmetry() -> None:
    """A blob in the upper left, turned, is described by the word of where it went."""
    image = torch.zeros(24, 3, SIDE, SIDE)
    image[:, :, : SIDE // 3, : SIDE // 3] = 1
    told = Description(
        location="upper left",
        boundary="clear",
        shape="round",
        texture="smooth",
        brightness="darker",
        area_percentage=11,
        confidence="high",
        source="test",
    )
    rows = AttributeRows(*encode_ids([told] * 24))
    moved, _, words = augment(image, some_map(image), rows, still(symmetry="all"), seeded(2))
    assert isinstance(words, AttributeWords)
    encoder = AttributeTokens(8)
    found, _ = encoder(words.ids, words.area, words.symmetry)
    for index in range(24):
        cells = torch.nn.functional.adaptive_avg_pool2d(moved[index, :1], 3).flatten()
        place = LOCATIONS[int(cells.argmax())]
        direct, _ = encoder(*encode_ids([told.model_copy(update={"location": place})]))
        assert torch.allclose(found[index], direct[0], atol=1e-6)


def test_the_described_area_follows_the_scale() -> None:
    image, _ = blob_image(16)
    square = torch.zeros(16, 1, SIDE, SIDE, dtype=torch.uint8)
    square[:, :, 15:33, 15:33] = 1
    before = float(square[0].float().mean())
    rows = AttributeRows(torch.ones(16, 6, dtype=torch.int64), torch.full((16,), before))
    _, labels, words = augment(image, {"mask": square}, rows, still(scale=0.4), seeded(3))
    assert isinstance(words, AttributeWords)
    after = (labels["mask"] == 1).float().mean((1, 2, 3))
    assert words.area.std() > 0.01
    assert torch.allclose(words.area, after, atol=0.02)
    full = AttributeRows(rows.ids, torch.ones(16))
    _, _, large = augment(image, some_map(image), full, still(scale=0.4), seeded(3))
    assert isinstance(large, AttributeWords)
    assert large.area.max() <= 1


def test_texts_follow_the_symmetry() -> None:
    rows = torch.arange(24).view(3, 8)
    features = torch.arange(24.0)[:, None, None].expand(-1, 2, 4).half()
    table = EncodedRows(rows, features, torch.ones(24, 2, dtype=torch.bool))
    image, _ = blob_image(3)
    for seed in range(4):
        moved, _, words = augment(image, some_map(image), table, still(symmetry="all"), seeded(seed))
        assert isinstance(words, EncodedWords)
        assert words.features.dtype == torch.float32
        for index in range(3):
            code = int(words.features[index, 0, 0]) - 8 * index
            assert torch.equal(moved[index], apply_symmetry(image[index], code))


def test_the_generator_decides_everything() -> None:
    image, label = blob_image(4)
    chosen = AugmentationSettings()
    torch.manual_seed(0)
    first = augment(image, {"mask": label}, attribute_rows(4), chosen, seeded(5))
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    again = augment(image, {"mask": label}, attribute_rows(4), chosen, seeded(5))
    assert torch.equal(torch.random.get_rng_state(), state)
    other = augment(image, {"mask": label}, attribute_rows(4), chosen, seeded(6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1]["mask"], again[1]["mask"])
    assert torch.equal(first[2].area, again[2].area)
    assert not torch.equal(first[0], other[0])


def test_nothing_varied_changes_nothing_and_the_inputs_stay() -> None:
    image, label = blob_image(2)
    label[:, :, :5] = IGNORE
    kept = image.clone(), label.clone()
    moved, labels, words = augment(image, {"mask": label}, None, still(), seeded(0))
    assert torch.equal(moved, kept[0])
    assert torch.equal(labels["mask"], kept[1])
    assert words is None
    augment(image, {"mask": label}, None, AugmentationSettings(), seeded(0))
    assert torch.equal(image, kept[0])
    assert torch.equal(label, kept[1])


def test_colours_stay_in_range_and_labels_as_they_are() -> None:
    image, label = blob_image(8)
    wild = still(brightness=1, contrast=1, saturation=1, hue=0.5)
    moved, labels, _ = augment(image, {"mask": label}, None, wild, seeded(0))
    assert 0 <= float(moved.min()) < float(moved.max()) <= 1
    assert not torch.equal(moved, image)
    assert torch.equal(labels["mask"], label)
