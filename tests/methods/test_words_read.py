"""How far words are believed, and text models that are trained with the teacher."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_making import (
    ATTRIBUTES,
    NETWORK,
    SIDE,
    TEXTS,
    attribute_words,
    encoded_words,
    make_batch,
    make_fgi,
)

from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.text_model import TextModel, TextModelFacts
from gaze_insight.methods.checking import check_method
from gaze_insight.methods.checks.drawn_batches import drawn_words
from gaze_insight.methods.fgi import Fgi, FgiSettings
from gaze_insight.methods.fgi_released import FgiReleased, FgiReleasedSettings
from gaze_insight.methods.soft_vote import SoftVote, SoftVoteSettings
from gaze_insight.methods.words import WordReader, WordSpace
from gaze_insight.networks.fusion import TextVisionFusion
from gaze_insight.types import Size

TINY = {
    "model_type": "bert",
    "vocab_size": 12,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
}
READ_ALONG = WordSpace("tokens", 8, TextModelFacts("tiny", None, {"config.json": "00"}, 0, TINY, 0.1))


def words_of(space):
    return {"attributes": attribute_words, "transformer": encoded_words}[space.kind](2)


@pytest.mark.parametrize("mode", ["sum", "concat"])
@torch.no_grad()
def test_a_weight_scales_what_attention_adds(mode):
    torch.manual_seed(3)
    fusion = TextVisionFusion(8, 6, heads=2, grid=(3, 4), mode=mode)
    features, tokens = torch.randn(3, 8, 3, 4), torch.randn(3, 5, 6)
    mask = torch.arange(5)[None] < torch.tensor([[5], [2], [4]])
    plain = fusion(features, tokens, mask)
    assert torch.equal(fusion(features, tokens, mask, torch.ones(3)), plain)
    nothing = fusion(features, tokens, torch.zeros_like(mask))
    weight = torch.tensor([1.0, 0.25, 0.0])
    expected = nothing + weight[:, None, None, None] * (plain - nothing)
    torch.testing.assert_close(fusion(features, tokens, mask, weight), expected, atol=1e-6, rtol=1e-5)
    if mode == "sum":
        torch.testing.assert_close(nothing, features)


def make_method(kind, space):
    torch.manual_seed(0)
    if kind == "fgi":
        return make_fgi(space)
    return SoftVote(SoftVoteSettings(network=NETWORK, teacher="words"), space, Size(SIDE, SIDE))


@pytest.mark.parametrize("kind", ["fgi", "soft_vote"])
@pytest.mark.parametrize("space", [ATTRIBUTES, TEXTS])
@torch.no_grad()
def test_the_teacher_believes_words_by_their_weight(kind, space):
    method, words = make_method(kind, space).eval(), words_of(space)
    image = make_batch(words).image
    plain = method.predict(image, words)["teacher"]
    assert torch.equal(method.predict(image, replace(words, weight=torch.ones(2)))["teacher"], plain)
    some = method.predict(image, replace(words, weight=torch.tensor([1.0, 0.0])))["teacher"]
    torch.testing.assert_close(some[0], plain[0])
    unread = next(part for part in method.teacher["network"].fusions).strength
    assert not torch.equal(some[1], plain[1])
    for fusion in method.teacher["network"].fusions:
        fusion.strength.zero_()
    torch.testing.assert_close(some[1], method.predict(image, words)["teacher"][1])
    assert unread == 0


def test_words_that_are_not_believed_teach_nothing_about_themselves():
    method, words = make_fgi(ATTRIBUTES), attribute_words(2)
    batch = make_batch(replace(words, weight=torch.zeros(2)))
    method.begin_stage("teacher")
    method(batch, "teacher")["loss"].backward()
    assert not any(p.grad.any() for p in method.teacher["words"].parameters() if p.grad is not None)


def test_a_method_without_a_place_for_weights_refuses_them():
    method = FgiReleased(FgiReleasedSettings(network=NETWORK), ATTRIBUTES, Size(SIDE, SIDE))
    image = torch.rand(2, 3, SIDE, SIDE)
    with pytest.raises(SettingsError, match="fgi_released takes no weights"):
        method.predict(image, replace(attribute_words(2), weight=torch.ones(2)))


def test_words_change_alike_and_what_is_absent_stays_absent():
    for words in (attribute_words(4), encoded_words(4), drawn_words(READ_ALONG, 4)):
        assert words.map(lambda part: part[1:3]).weight is None
        some = replace(words, weight=torch.rand(4)).map(lambda part: part[1:3])
        assert {len(part) for part in vars(some).values()} == {2}


def test_a_text_model_that_is_trained_along_makes_a_complete_method():
    settings = FgiSettings(network=NETWORK)
    found = check_method(Fgi, settings, input_size=Size(SIDE, SIDE), words=READ_ALONG)
    assert found.problems == ()
    assert found.facts["uses_words"]


def test_a_text_model_learns_in_the_teachers_stage_alone():
    method = Fgi(FgiSettings(network=NETWORK), READ_ALONG, Size(SIDE, SIDE))
    model = method.teacher["words"].model
    assert isinstance(model, TextModel)
    batch = make_batch(drawn_words(READ_ALONG, 2))
    for stage, learns in (("teacher", True), ("student", False)):
        method.zero_grad()
        method.begin_stage(stage)
        assert not model.model.training
        method(batch, stage)["loss"].backward()
        moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert bool(moved) == learns
        if learns:
            assert any("embeddings.word" in name for name in moved)
            assert any("layer.0" in name for name in moved)


def test_padding_decides_nothing():
    reader = WordReader(READ_ALONG).eval()
    words = drawn_words(READ_ALONG, 3)
    tokens, mask = reader(words)
    assert torch.equal(mask, words.mask)
    assert not tokens[~mask].any()
    other = replace(words, ids=words.ids + (~words.mask) * 5)
    torch.testing.assert_close(reader(other)[0], tokens)


def test_words_of_another_kind_are_refused():
    reader = WordReader(READ_ALONG)
    for words in (attribute_words(2), encoded_words(2)):
        with pytest.raises(TypeError, match="built for other words"):
            reader(words)
    with pytest.raises(TypeError, match="built for other words"):
        WordReader(TEXTS)(drawn_words(READ_ALONG, 2))
    with pytest.raises(SettingsError, match="settings of a text model"):
        WordReader(WordSpace("tokens", 8))


def test_a_space_survives_its_record():
    for space in (ATTRIBUTES, TEXTS, READ_ALONG):
        assert WordSpace.from_record(space.to_record()) == space
    assert not WordSpace.from_record(READ_ALONG._replace(pretrained=True).to_record()).pretrained
