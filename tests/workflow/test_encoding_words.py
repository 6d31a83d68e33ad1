"""Text models on their way into a run: cached by what they are, named in the plan, trained along."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
import torch

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import SettingsError
from gaze_insight.language.encoders.settings import TransformerEncoderSettings
from gaze_insight.language.schema import Description
from gaze_insight.training.checkpoints import TrainingState
from gaze_insight.training.loop import WEIGHTS_FILE, Trainer
from gaze_insight.training.words import EncodedRows, TokenRows, look_up, select_rows
from gaze_insight.workflow.encoding_words import encode_words
from gaze_insight.workflow.evaluating import predict_cases
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.training import train
from text_model_making import write_text_model

NETWORK = {"encoder": "unet", "teacher_channels": [8] * 5, "student_channels": [4] * 5}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=10, size_px=(48, 64)))


@pytest.fixture
def model(tmp_path):
    return write_text_model(tmp_path / "text-model")


def described():
    seen = Description.nothing_seen("measured")
    left = seen.model_copy(update={"location": "upper left", "area_percentage": 12.0})
    return [left, None, seen, left.model_copy(update={"boundary": "clear"})]


def settings_for(model, **changes):
    return TransformerEncoderSettings(name=str(model), max_tokens=48, **changes)


def test_features_are_kept_under_what_the_model_is(cohort, model):
    settings = settings_for(model)
    space, rows = encode_words(cohort, described(), settings)
    assert isinstance(rows, EncodedRows)
    facts = space.model
    assert (space.kind, space.channels) == ("transformer", 16)
    assert (facts.source, facts.truncated_texts) == ("folder", 0)
    assert facts.sha256["model.safetensors"] == _digest(model / "model.safetensors")
    other = write_text_model(model, seed=1)
    changed_space, changed = encode_words(cohort, described(), settings)
    assert changed_space.model.sha256 != facts.sha256
    assert not torch.equal(changed.features, rows.features)
    back = write_text_model(other, seed=0)
    assert torch.equal(encode_words(cohort, described(), settings_for(back))[1].features, rows.features)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_model_that_has_left_the_machine_is_remembered_for_the_same_texts(cohort, model, fine_tune):
    settings = settings_for(model, fine_tune=fine_tune)
    space, rows = encode_words(cohort, described(), settings)
    shutil.rmtree(model)
    again_space, again = encode_words(cohort, described(), settings)
    assert again_space.model == space.model._replace(source=None)
    assert all(torch.equal(*pair) for pair in zip(again.tensors(), rows.tensors(), strict=True))
    others = [described()[0].model_copy(update={"area_percentage": 77.0})]
    with pytest.raises(SettingsError, match="is not on this machine"):
        encode_words(cohort, others, settings)


def test_texts_that_lose_their_end_are_counted(cohort, model):
    settings = settings_for(model).model_copy(update={"max_tokens": 12})
    for fine_tune in (False, True):
        space, rows = encode_words(cohort, described(), settings.model_copy(update={"fine_tune": fine_tune}))
        assert space.model.truncated_texts == 2 * 4
        assert rows.mask.shape[1] == 12


def test_token_ids_are_those_of_the_moved_texts(cohort, model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    space, rows = encode_words(cohort, described(), settings_for(model, fine_tune=True))
    assert isinstance(rows, TokenRows)
    assert (space.kind, space.channels, space.pretrained) == ("tokens", 16, True)
    for code in range(8):
        words = look_up(select_rows(rows, torch.tensor([0, 1])), torch.full((2,), code))
        text = described()[0].under(code).to_text()
        assert words.ids[0][words.mask[0]].tolist() == tokenizer(text)["input_ids"]
        assert words.ids[1][words.mask[1]].tolist() == tokenizer("")["input_ids"]


def make_config(model, **encoder):
    return RunConfig(
        method={"kind": "fgi", "network": NETWORK, "teacher_epochs": 2, "student_epochs": 1},
        language={"encoder": {"kind": "transformer", "name": str(model), "max_tokens": 48, **encoder}},
        training={"input_size_px": 32, "min_steps": 0, "batch_size": 4, "device": "cpu"},
    )


def test_a_run_trains_its_text_model_and_needs_it_no_more(cohort, model, tmp_path):
    config = make_config(model, fine_tune=True, rate_share=0.5)
    given = TransformerEncoderSettings(name=str(model), max_tokens=48)
    own = encode_words(cohort, described(), given)[0].model.sha256
    folder = train(cohort, config, tmp_path / "run")
    plan = folder.plan()
    assert plan["words"]["model"]["sha256"] == own
    assert str(model) not in str(plan["words"]["model"]["config"])
    begun, cases = _state(model), cohort.subset("test")
    expected = list(predict_cases(load_predictor(folder.path, device="cpu"), cohort, cases, config))
    shutil.rmtree(model)
    predictor = load_predictor(folder.path, device="cpu")
    ended = predictor.method.teacher["words"].model.model.state_dict()
    moved = {name for name, value in begun.items() if name in ended and not torch.equal(ended[name], value)}
    assert "encoder.layer.0.attention.self.query.weight" in moved
    found = list(predict_cases(predictor, cohort, cases, config))
    assert [one.case.id for one in found] == [case.id for case in cases] != []
    for one, other in zip(found, expected, strict=True):
        assert one.probabilities.keys() == {"student", "teacher"}
        for head, probability in one.probabilities.items():
            assert np.array_equal(probability, other.probabilities[head])


def test_a_killed_run_with_a_text_model_goes_on_to_the_same_weights(cohort, model, tmp_path, monkeypatch):
    config = make_config(model, fine_tune=True)
    whole = train(cohort, config, tmp_path / "whole")
    step, steps = Trainer._step, []

    def until_the_third(self, *given):
        steps.append(self.state.step)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until_the_third)
        with pytest.raises(KeyboardInterrupt):
            train(cohort, config, tmp_path / "cut")
    cut = train(cohort, config, tmp_path / "cut", resume=True)
    assert (cut.path / WEIGHTS_FILE).read_bytes() == (whole.path / WEIGHTS_FILE).read_bytes()


def test_other_weights_of_the_text_model_make_another_training(cohort, model, tmp_path, monkeypatch):
    found = []

    def stop(self, *, resume=True):
        found.append(self.state.fingerprint)
        return TrainingState(self.state.fingerprint)

    monkeypatch.setattr(Trainer, "run", stop)
    for number, seed in enumerate((0, 0, 1)):
        write_text_model(model, seed=seed)
        train(cohort, make_config(model, fine_tune=True), tmp_path / str(number))
    assert found[0] == found[1] != found[2]


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _state(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
