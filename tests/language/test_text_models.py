"""Text models in a folder and in the hub's cache: what they are, how much they read, and how they learn."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.model_files import find_model, known_sha256
from gaze_insight.language.encoders.packaged_models import PACKAGED_MODELS
from gaze_insight.language.encoders.text_model import TextModel
from gaze_insight.language.encoders.tokeniser import Tokeniser
from gaze_insight.language.encoders.transformer_text import TransformerTextEncoder
from text_model_making import write_hub_cache, write_text_model

TEXT = "Location: upper left. Confidence: high."


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_text_model(tmp_path_factory.mktemp("text-model"))


def test_a_folder_is_known_by_the_files_that_are_read(folder):
    (folder / "README.md").write_text("not read")
    found = find_model(str(folder))
    assert (found.source, found.folder) == ("folder", folder)
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert known_sha256(str(folder), digest) == {name: digest(folder / name) for name in names}


def test_the_cache_of_the_hub_is_looked_into_without_the_network(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    place = write_hub_cache(tmp_path, "somebody/tiny-roberta", kind="roberta")
    found = find_model("somebody/tiny-roberta")
    assert (found.source, found.folder) == ("hub", place)
    encoder = TransformerTextEncoder("somebody/tiny-roberta", max_tokens=32)
    expected = TransformerTextEncoder(str(place), max_tokens=32).encode([TEXT])[0]
    assert torch.equal(encoder.encode([TEXT])[0], expected)
    assert known_sha256("somebody/tiny-roberta", digest) == known_sha256(str(place), digest)
    (place / "model.safetensors").unlink()
    with pytest.raises(SettingsError, match="holds no complete model"):
        TransformerTextEncoder("somebody/tiny-roberta", max_tokens=32)
    assert known_sha256("somebody/other", digest) is None
    assert known_sha256("not a name of a repository!", digest) is None


def test_a_packaged_model_is_known_without_its_packages():
    def never(path):
        raise AssertionError(path)

    known = known_sha256("all-mpnet-base-v2", never)
    assert known == PACKAGED_MODELS["all-mpnet-base-v2"].sha256
    assert known["model.safetensors"].startswith("78c0197b6159d926")


def test_as_many_tokens_as_the_model_has_positions_for(tmp_path):
    bert = write_text_model(tmp_path / "bert", max_position_embeddings=40)
    roberta = write_text_model(
        tmp_path / "roberta", kind="roberta", max_position_embeddings=40, pad_token_id=0
    )
    many = " ".join(["clear"] * 100)
    for place, most in ((bert, 40), (roberta, 39)):
        features, mask = TransformerTextEncoder(str(place), max_tokens=most).encode([many, TEXT])
        assert features.shape == (2, most, 16)
        assert torch.isfinite(features).all()
        assert mask.sum(1).tolist() == [most, 11]
        with pytest.raises(SettingsError, match=f"at most {most} tokens"):
            TransformerTextEncoder(str(place), max_tokens=most + 1)


def test_a_model_that_is_built_from_its_settings_takes_the_weights(folder):
    tokeniser = Tokeniser(str(folder), 32)
    ids, mask = tokeniser.encode([TEXT, ""])
    config = json.loads(json.dumps(tokeniser.config))
    assert str(folder) not in json.dumps(config)
    trained, built = TextModel.pretrained(str(folder)), TextModel.from_config(config, rate_share=0.5)
    built.load_state_dict(trained.state_dict())
    assert built.rate_share == 0.5
    assert torch.equal(built(ids, mask), trained(ids, mask))
    features, known = TransformerTextEncoder(str(folder), max_tokens=32).encode([TEXT, ""])
    assert torch.equal(known, mask)
    torch.testing.assert_close(features, trained(ids, mask))


def test_a_model_drops_nothing_out_while_it_learns(folder):
    ids, mask = Tokeniser(str(folder), 32).encode([TEXT])
    model = TextModel.pretrained(str(folder)).train()
    assert torch.equal(model(ids, mask), model(ids, mask))
    model(ids, mask).square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_all_rows_of_a_text_are_alike_beside_longer_ones(folder):
    model, tokeniser = TextModel.pretrained(str(folder)), Tokeniser(str(folder), 32)
    alone = model(*tokeniser.encode([TEXT]))
    ids, mask = tokeniser.encode([TEXT, " ".join(["clear"] * 20)])
    together = model(ids, mask)
    length = int(mask[0].sum())
    torch.testing.assert_close(together[0, :length], alone[0])
    assert not together[0, length:].any()
