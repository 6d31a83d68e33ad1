"""The batch of a step follows from the seed alone, and several processes share one batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from training_making import make_data

from gaze_insight.errors import DataError
from gaze_insight.methods.protocol import AttributeWords, Batch
from gaze_insight.training.augmentation import AugmentationSettings
from gaze_insight.training.batches import BatchSource, TrainingSet
from gaze_insight.training.epoch_order import step_seed
from gaze_insight.training.words import EncodedRows, look_up, select_rows

PLAIN = AugmentationSettings(
    symmetry="none", rotation_deg=0, scale=0, shift_frac=0, brightness=0, contrast=0, saturation=0, hue=0
)


def make_source(
    data: TrainingSet | None = None, *, batch_size: int = 4, seed: int = 0, plain: bool = False, **ranks: int
) -> BatchSource:
    augmentation = PLAIN if plain else AugmentationSettings()
    return BatchSource(
        make_data() if data is None else data,
        batch_size=batch_size,
        seed=seed,
        augmentation=augmentation,
        **ranks,
    )


def parts_of(batch: Batch) -> dict[str, Tensor]:
    assert isinstance(batch.words, AttributeWords)
    words = {name: part for name, part in vars(batch.words).items() if part is not None}
    return {"image": batch.image, "noise": batch.noise, **batch.labels, **words}


def test_an_epoch_shows_every_case_once_in_a_new_order() -> None:
    source = make_source(make_data(12))
    assert source.steps_per_epoch == 3
    epochs = [torch.cat([source.indices("a", 3 * epoch + step) for step in range(3)]) for epoch in range(3)]
    for order in epochs:
        assert sorted(order.tolist()) == list(range(12))
    assert len({tuple(order.tolist()) for order in epochs}) == 3
    assert source.indices("a", 0).tolist() != source.indices("b", 0).tolist()


def test_an_incomplete_batch_is_left_out_and_no_case_repeats() -> None:
    source = make_source(make_data(14))
    seen = torch.cat([source.indices("a", step) for step in range(source.steps_per_epoch)])
    assert (source.steps_per_epoch, len(seen), len(seen.unique())) == (3, 12, 12)


def test_a_step_repeats_exactly_in_any_order_of_asking() -> None:
    first, again = make_source(), make_source()
    expected = [parts_of(first.batch("teacher", step, 6)) for step in range(6)]
    for step in (4, 1, 5, 0):
        found = parts_of(again.batch("teacher", step, 6))
        assert all(torch.equal(found[name], expected[step][name]) for name in found)
    for other in (first.batch("student", 1, 6), make_source(seed=1).batch("teacher", 1, 6)):
        assert not torch.equal(other.image, expected[1]["image"])
        assert not torch.equal(other.noise, expected[1]["noise"])
    assert [first.batch("teacher", step, 6).progress for step in (0, 3)] == [0, 0.5]


@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_all_processes_are_one_processs_batch(world: int) -> None:
    whole = make_source(batch_size=8)
    shares = [make_source(batch_size=8, rank=rank, world=world) for rank in range(world)]
    for step in range(2):
        expected = parts_of(whole.batch("teacher", step, 2))
        found = [parts_of(share.batch("teacher", step, 2)) for share in shares]
        for name, value in expected.items():
            assert torch.equal(torch.cat([one[name] for one in found]), value)
            assert {len(one[name]) for one in found} == {8 // world}


def test_what_is_loaded_is_what_lies_there() -> None:
    data = make_data()
    source = make_source(data, plain=True)
    index, batch = source.indices("a", 2).numpy(), source.batch("a", 2, 3)
    assert np.array_equal((batch.image * 255).round().permute(0, 2, 3, 1).numpy(), data.images[index])
    for name, array in data.labels.items():
        assert np.array_equal(batch.labels[name][:, 0].numpy(), array[index])
    assert isinstance(batch.words, AttributeWords)
    assert torch.equal(batch.words.ids, data.words.ids[index])
    assert batch.noise.shape == (4, 1, 32, 32)
    assert 0 <= batch.noise.min() < batch.noise.max() < 1


def test_memory_mapped_images_give_the_same_batch(tmp_path) -> None:
    data = make_data()
    np.save(tmp_path / "images.npy", data.images)
    mapped = TrainingSet(data.ids, np.load(tmp_path / "images.npy", mmap_mode="r"), data.labels, data.words)
    one, other = make_source(data).batch("a", 0, 3), make_source(mapped).batch("a", 0, 3)
    assert torch.equal(one.image, other.image)


def test_a_small_set_lowers_the_batch_and_an_empty_one_is_refused() -> None:
    assert make_source(make_data(3), batch_size=8).batch_size == 3
    assert make_source(make_data(3), batch_size=8, world=2).batch_size == 2
    for count, world in ((0, 1), (1, 2)):
        with pytest.raises(DataError, match=f"found {count} for {world}"):
            make_source(make_data(3) if count == 3 else _first(count), world=world)


def _first(count: int) -> TrainingSet:
    data = make_data(3)
    labels = {name: array[:count] for name, array in data.labels.items()}
    return TrainingSet(data.ids[:count], data.images[:count], labels)


def test_a_set_without_words_gives_none() -> None:
    data = make_data()
    silent = TrainingSet(data.ids, data.images, data.labels)
    assert make_source(silent).batch("a", 0, 3).words is None


def test_rows_of_texts_are_selected_and_looked_up() -> None:
    table = EncodedRows(
        torch.arange(16).view(2, 8),
        torch.arange(16.0).view(16, 1, 1).half(),
        torch.ones(16, 1, dtype=torch.bool),
    )
    words = look_up(select_rows(table, torch.tensor([1, 0, 1])), torch.tensor([0, 3, 7]))
    assert words.features.flatten().tolist() == [8, 3, 15]


def test_seeds_differ_by_every_part() -> None:
    seeds = {
        step_seed(*parts) for parts in [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (1, "a", 11)]
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
