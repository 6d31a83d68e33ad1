"""Words that are changed one at a time, and a network that is asked about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import SettingsError
from gaze_insight.inference.predictor import Predictor, fit_image
from gaze_insight.inference.word_effects import (
    AREA,
    BLANK,
    NO_WORDS,
    OTHER_CASE,
    WordProbe,
    counterfactuals,
)
from gaze_insight.language.encoders.attribute_tokens import encode_ids
from gaze_insight.language.encoders.settings import AttributeEncoderSettings
from gaze_insight.language.encoders.token_fields import fields_of_tokens
from gaze_insight.language.schema import VOCABULARY, Description
from gaze_insight.methods.fgi import Fgi, FgiSettings
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.training.words import AttributeRows, look_up, select_rows
from gaze_insight.types import Size

NETWORK = NetworkSettings(encoder="unet", teacher_channels=(8,) * 5, student_channels=(4,) * 5)
SIZE = Size(32, 32)


def described(**changed: object) -> Description:
    values = {
        "location": "upper left", "boundary": "clear", "shape": "oval", "texture": "smooth",
        "brightness": "darker", "area_percentage": 12.0, "confidence": "high", "source": "a test",
    }  # fmt: skip
    return Description(**{**values, **changed})


def make_predictor(*, flips: bool = False, words: bool = True) -> Predictor:
    torch.manual_seed(4)
    space = WordSpace("attributes", 8) if words else None
    method = Fgi(FgiSettings(network=NETWORK, fusion={"initial_lambda": 5.0}), space, SIZE)
    return Predictor(method, SIZE, flips=flips)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)


words = st.builds(
    described,
    **{name: st.sampled_from([w for w in some if w != "not visible"]) for name, some in VOCABULARY.items()},
    area_percentage=st.floats(0.5, 100),
)


@settings(max_examples=30, deadline=None)
@given(words)
def test_every_word_of_every_field_is_tried_once_and_nothing_else_changes(own):
    found = counterfactuals(own, other=described(location="lower right"))
    assert len(found) == sum(map(len, VOCABULARY.values())) - 1 - len(VOCABULARY) + 2 + 3
    for change in found[:-3]:
        expected = own.model_dump() | {change.field: getattr(change.description, change.field)}
        assert change.description.model_dump() == expected
        assert change.description.visible
        if change.field != AREA:
            assert change.value == getattr(change.description, change.field) != getattr(own, change.field)
    areas = [change.description.area_percentage for change in found if change.field == AREA]
    assert areas == [own.area_percentage / 2, min(100, 2 * own.area_percentage)]
    assert [change.field for change in found[-3:]] == [OTHER_CASE, BLANK, NO_WORDS]
    assert found[-1].description is None
    assert not found[-2].description.visible


def test_nothing_is_changed_where_nothing_is_visible():
    assert counterfactuals(Description.nothing_seen("measured")) == []


@pytest.mark.parametrize("flips", [False, True])
def test_answers_are_those_of_the_predictor_for_each_description_alone(flips):
    predictor, image = make_predictor(flips=flips), picture()
    said = [described(), described(location="lower right"), None, described(area_percentage=80), described()]
    rows = AttributeRows(*encode_ids(said))
    answers = WordProbe(predictor, batch_size=2).probabilities(image, rows)
    assert answers.shape == (5, 32, 32)
    batch = torch.from_numpy(fit_image(image, SIZE)).permute(2, 0, 1)[None] / 255
    for place in range(5):
        one = select_rows(rows, torch.tensor([place]))
        logits = predictor.logits(batch, lambda code, one=one: look_up(one, torch.tensor([code])))
        np.testing.assert_allclose(answers[place], logits["teacher"].sigmoid()[0, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(answers[0], answers[4], atol=1e-6)
    assert np.abs(answers[0] - answers[1]).max() > 1e-3
    assert np.abs(answers[0] - answers[2]).max() > 1e-3


def test_the_head_that_reads_words_is_found_and_no_words_give_no_answers():
    probe = WordProbe(make_predictor())
    assert probe.probabilities(picture(), AttributeRows(*encode_ids([]))).shape == (0, 32, 32)
    probe.probabilities(picture(), AttributeRows(*encode_ids([described()])))
    assert probe.head == "teacher"


def test_a_method_without_words_is_refused():
    with pytest.raises(SettingsError, match="'fgi' reads no words"):
        WordProbe(make_predictor(words=False))


def test_attention_tells_every_field_and_blank_words_have_but_two():
    predictor, encoder = make_predictor(), AttributeEncoderSettings(dim=8)
    own, blank = described(), Description.nothing_seen("blank")
    for one, count in ((own, 7), (blank, 2)):
        fields = fields_of_tokens([one], encoder)[0]
        maps = WordProbe(predictor).attention(picture(), AttributeRows(*encode_ids([one])), fields)
        assert len(maps) == count
        assert all(values.shape == (4, 32, 32) for values in maps.values())
        np.testing.assert_allclose(sum(maps.values()) / count, 1, atol=1e-5)
