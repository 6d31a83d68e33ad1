"""The encoders of what accompanies an image in training: fixations in their order, and words."""

from __future__ import annotations

import pytest
import torch

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.networks.fixation_sequence import FixationSequenceEncoder
from gaze_insight.networks.text_bag import TextBag


def make_sequence(count: int = 3, length: int = 6) -> torch.Tensor:
    return torch.rand(count, length, 4, generator=torch.Generator().manual_seed(0))


def make_encoder() -> FixationSequenceEncoder:
    torch.manual_seed(0)
    return FixationSequenceEncoder(8)


def test_padding_does_not_count_wherever_it_stands_and_whatever_it_holds():
    encoder, sequence = make_encoder(), make_sequence()
    mask = torch.tensor([[True] * 6, [True, True, True, False, False, False], [False] * 6])
    features = encoder(sequence, mask)
    torch.testing.assert_close(features[1], encoder(sequence[1:2, :3], mask[1:2, :3])[0])
    gap = torch.tensor([[True, False, True, False, True, False]])
    spread = sequence[1:2, [0, 0, 1, 1, 2, 2]].masked_fill(~gap[..., None], torch.nan)
    torch.testing.assert_close(encoder(spread, gap)[0], features[1])
    assert features[2].abs().sum().item() == 0


def test_an_unrolled_recurrence_gives_the_same():
    encoder, sequence = make_encoder(), make_sequence(1, 4)
    x = torch.cat([sequence[..., :2] * 2 - 1, (1 + sequence[..., 2:]).log()], dim=-1)
    steps = encoder.embed(x)[0]
    states = []
    for suffix, order in (("", [0, 1, 2, 3]), ("_reverse", [3, 2, 1, 0])):
        w, u, b, c = (
            getattr(encoder.recurrent, f"{name}_l0{suffix}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = torch.zeros(4)
        for t in order:
            given, own = (w @ steps[t] + b).chunk(3), (u @ h + c).chunk(3)
            reset, update = ((given[i] + own[i]).sigmoid() for i in (0, 1))
            new = (given[2] + reset * own[2]).tanh()
            h = (1 - update) * new + update * h
        states.append(h)
    found = encoder(sequence, torch.ones(1, 4, dtype=torch.bool))[0]
    torch.testing.assert_close(found, torch.cat(states), rtol=1e-4, atol=1e-5)


def test_the_order_counts_and_empty_batches_are_legal():
    encoder, sequence = make_encoder(), make_sequence(1, 5)
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert not torch.allclose(encoder(sequence, mask), encoder(sequence.flip(1), mask))
    assert encoder(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool)).abs().sum().item() == 0
    nothing = encoder(make_sequence(2), torch.zeros(2, 6, dtype=torch.bool))
    nothing.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_sequences_of_other_shapes_are_refused():
    with pytest.raises(DataError, match="sequence"):
        make_encoder()(torch.zeros(1, 3, 3), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(DataError, match="mask"):
        make_encoder()(torch.zeros(1, 3, 4), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(DataError, match="even"):
        FixationSequenceEncoder(7)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_words_are_averaged_without_padding(pooling):
    torch.manual_seed(1)
    bag = TextBag(9, 4, pooling=pooling)
    ids = torch.tensor([[3, 5, 3, 0], [0, 7, 0, 2], [0, 0, 0, 0]])
    found = bag(ids)
    for row, words in enumerate(([3, 5, 3], [7, 2])):
        vectors = bag.words.weight[words]
        weights = torch.full((len(words),), 1 / len(words))
        if pooling == "attention":
            weights = (vectors @ bag.score.weight[0] + bag.score.bias).softmax(dim=0)
        torch.testing.assert_close(found[row], (weights[:, None] * vectors).sum(dim=0))
    assert found[2].abs().sum().item() == 0
    torch.testing.assert_close(bag(ids.flip(1)), found)
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in bag.parameters())
    assert bag.words.weight.grad[0].abs().sum().item() == 0


def test_texts_without_places_are_legal_and_vocabularies_without_words_are_not():
    assert TextBag(3, 4)(torch.zeros(2, 0, dtype=torch.int64)).tolist() == [[0.0] * 4] * 2
    with pytest.raises(SettingsError, match="vocabulary"):
        TextBag(1, 4)
    with pytest.raises(DataError, match=r"\(B, L\)"):
        TextBag(3, 4)(torch.zeros(2, dtype=torch.int64))
