"""Words as arrays: weights stay with their cases, and a slower rate for what asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from training_making import make_data, make_method, make_trainer, weights_of

from gaze_insight.errors import SettingsError
from gaze_insight.methods.protocol import TokenWords
from gaze_insight.training.augmentation import AugmentationSettings
from gaze_insight.training.batches import BatchSource
from gaze_insight.training.schedule import build_optimizer, rate_shares
from gaze_insight.training.settings import AdamSettings
from gaze_insight.training.words import (
    AttributeRows,
    EncodedRows,
    TokenRows,
    look_up,
    select_rows,
    weigh_rows,
)

TABLE = torch.arange(8).repeat(3, 1) + 8 * torch.arange(3)[:, None]
ROWS = [
    AttributeRows(torch.arange(18).view(3, 6), torch.rand(3)),
    EncodedRows(TABLE, torch.rand(24, 4, 2), torch.ones(24, 4, dtype=torch.bool)),
    TokenRows(TABLE, torch.arange(24)[:, None].repeat(1, 4), torch.ones(24, 4, dtype=torch.bool)),
]


@pytest.mark.parametrize("rows", ROWS, ids=lambda rows: type(rows).__name__)
def test_a_weight_stays_with_its_case_under_every_symmetry(rows):
    weight = torch.tensor([0.0, 0.5, 1.0])
    weighed = weigh_rows(rows, weight)
    assert (len(rows), rows.weight, len(rows.tensors()) + 1) == (3, None, len(weighed.tensors()))
    index = torch.tensor([2, 0])
    for code in range(8):
        symmetry = torch.full((2,), code)
        words = look_up(select_rows(weighed, index), symmetry)
        assert words.weight.tolist() == [1.0, 0.0]
        plain = look_up(select_rows(rows, index), symmetry)
        assert plain.weight is None
        for name, part in vars(plain).items():
            assert part is None or torch.equal(part, vars(words)[name])


def test_token_ids_follow_the_symmetry():
    words = look_up(select_rows(ROWS[2], torch.tensor([1, 2])), torch.tensor([0, 5]))
    assert isinstance(words, TokenWords)
    assert words.ids[:, 0].tolist() == [8, 21]


@pytest.mark.parametrize("weight", [[0.5, 0.5], [0.5, 1.5, 0.0], [0.5, float("nan"), 0.0]])
def test_weights_that_cannot_be_are_refused(weight):
    with pytest.raises(SettingsError, match=r"weights of words"):
        weigh_rows(ROWS[0], torch.tensor(weight))


def test_weights_reach_the_batch_with_their_cases():
    data = make_data(6)
    weight = torch.linspace(0, 1, 6)
    source = BatchSource(
        replace(data, words=weigh_rows(data.words, weight)),
        batch_size=4,
        seed=0,
        augmentation=AugmentationSettings(),
    )
    plain = BatchSource(data, batch_size=4, seed=0, augmentation=AugmentationSettings())
    for step in range(3):
        batch, bare = source.batch("teacher", step, 3), plain.batch("teacher", step, 3)
        assert torch.equal(batch.words.weight, weight[source.indices("teacher", step)])
        assert bare.words.weight is None
        assert torch.equal(batch.words.ids, bare.words.ids)
        assert torch.equal(batch.image, bare.image)


def test_training_with_weights_of_one_is_training_without(tmp_path):
    data = make_data()
    weighed = replace(data, words=weigh_rows(data.words, torch.ones(len(data))))
    ends = []
    for number, given in enumerate((data, weighed)):
        trainer = make_trainer(tmp_path / str(number), data=given, method=make_method(teacher_epochs=1))
        trainer.run()
        ends.append(weights_of(trainer.method))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value)


def test_a_part_that_learns_slower_moves_by_its_share():
    torch.manual_seed(0)
    slow, fast = nn.Linear(3, 3), nn.Linear(3, 3)
    slow.rate_share = 0.1
    fast.load_state_dict(slow.state_dict())
    both = nn.ModuleDict({"slow": slow, "fast": fast, "frozen": nn.Linear(1, 1).requires_grad_(False)})
    shares = rate_shares(both)
    assert [(share, len(found)) for share, found in shares] == [(1.0, 2), (0.1, 2)]
    settings = AdamSettings(learning_rate=0.01, weight_decay=0)
    optimizer = build_optimizer([{"params": p, "rate_share": s} for s, p in shares], settings)
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * group["rate_share"]
    before = slow.weight.clone()
    (slow(torch.ones(1, 3)).sum() + fast(torch.ones(1, 3)).sum()).backward()
    optimizer.step()
    torch.testing.assert_close(slow.weight - before, 0.1 * (fast.weight - before), atol=1e-6, rtol=1e-3)
