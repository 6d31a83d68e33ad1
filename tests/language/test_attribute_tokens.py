from __future__ import annotations

import pytest
import torch
from language_making import make_description

from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.attribute_tokens import FIELDS, AttributeTokens, encode_ids, tokenise
from gaze_insight.language.schema import LOCATIONS, VOCABULARY, Description

CASES = [make_description(location=place, area_percentage=5 * index) for index, place in enumerate(LOCATIONS)]


def make_encoder(dim: int = 12) -> AttributeTokens:
    torch.manual_seed(0)
    return AttributeTokens(dim)


@pytest.mark.parametrize("code", range(8))
def test_turning_the_image_is_turning_the_words(code):
    encoder = make_encoder()
    codes = torch.full((len(CASES) + 1,), code)
    moved, mask = encoder(*encode_ids([*CASES, None]), codes)
    written, written_mask = encoder(*encode_ids([*(case.under(code) for case in CASES), None]))
    assert torch.equal(moved, written)
    assert torch.equal(mask, written_mask)


def test_each_case_of_a_batch_has_its_own_symmetry():
    encoder = make_encoder()
    codes = torch.tensor([0, 4, 1, 7])
    tokens, _ = encoder(*encode_ids([CASES[0]] * 4), codes)
    for row, code in enumerate(codes):
        alone, _ = encoder(*encode_ids([CASES[0].under(int(code))]))
        assert torch.allclose(tokens[row], alone[0])


def test_every_word_has_its_own_token():
    encoder = make_encoder()
    seen = [
        encoder(*encode_ids([make_description(**{name: word})]))[0][0, column]
        for column, name in enumerate(FIELDS)
        for word in VOCABULARY[name]
        if word != "not visible"
    ]
    assert len({tuple(token.tolist()) for token in seen}) == len(seen)


def test_ids_are_places_in_the_vocabulary():
    ids, area = tokenise(make_description(location="upper centre", confidence="low", area_percentage=25))
    assert ids.tolist() == [2, 1, 2, 1, 1, 3]
    assert area == 0.25


def test_the_mask_hides_what_is_not_known():
    _, mask = make_encoder()(*encode_ids([CASES[0], Description.nothing_seen("measured"), None]))
    assert mask.int().tolist() == [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0, 0],
    ]


def test_attention_over_any_row_is_finite():
    encoder = make_encoder()
    tokens, mask = encoder(*encode_ids([None, CASES[3], Description.nothing_seen("measured")]))
    query = torch.randn(3, 5, 12)
    attended = torch.nn.functional.scaled_dot_product_attention(
        query, tokens, tokens, attn_mask=mask[:, None]
    )
    assert attended.isfinite().all()


def test_the_area_changes_only_its_token():
    encoder = make_encoder()
    small, _ = encoder(*encode_ids([make_description(area_percentage=2)]))
    large, _ = encoder(*encode_ids([make_description(area_percentage=60)]))
    differs = (small != large).any(dim=2)[0]
    assert differs.tolist() == [False] * len(FIELDS) + [True]


def test_every_parameter_learns():
    encoder = make_encoder()
    tokens, mask = encoder(*encode_ids(CASES))
    (tokens * torch.randn_like(tokens))[mask].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in encoder.parameters())


def test_an_empty_batch_gives_empty_tokens():
    tokens, mask = make_encoder()(*encode_ids([]))
    assert tokens.shape == (0, len(FIELDS) + 1, 12)
    assert mask.shape == (0, len(FIELDS) + 1)


def test_tables_are_no_weights():
    assert {name.split(".")[0] for name in make_encoder().state_dict()} == {"words", "area", "norm"}
    with pytest.raises(SettingsError, match="at least 1"):
        AttributeTokens(0)
