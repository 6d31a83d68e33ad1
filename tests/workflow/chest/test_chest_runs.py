"""Training, evaluation and report of a run on radiographs: files, promises, and what refuses."""

from __future__ import annotations

import csv
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from chest_drawing import chest_cohort
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.config.tasks import compose_chest
from gaze_insight.errors import DataError, SettingsError, StoppedError
from gaze_insight.evaluation.radiograph_cases import read_radiograph_table
from gaze_insight.training.checkpoints import load_weights
from gaze_insight.workflow.chest.evaluating import ATTENTION_FILE, evaluate_chest
from gaze_insight.workflow.chest.loading import build_classifier, load_chest_run
from gaze_insight.workflow.chest.predictions import predict_cases
from gaze_insight.workflow.chest.training import macro_auc, train_chest
from gaze_insight.workflow.loading import load_predictor


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return chest_cohort(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory) -> RunFolder:
    settings = ["training.min_steps=60", "training.optimizer.learning_rate=0.01", "method.epochs=4"]
    config = compose_chest(["chest_tiny"], overrides=[*settings, "training.ema_decay=null"])
    run = train_chest(cohort, config, tmp_path_factory.mktemp("runs") / "run")
    evaluate_chest(run.path)
    return run


def test_a_run_leaves_its_files_and_its_plan(trained, cohort):
    plan = trained.plan()
    assert (plan["task"], plan["method"], plan["findings"]) == (
        "chest_xray",
        "gaze_classifier",
        ["Edema", "Pneumothorax"],
    )
    assert plan["sets"]["train"]["with_gaze"] == 16
    assert plan["labels"]["findings"]["Edema"] == {
        "positive": 10, "negative": 10, "unknown": 0, "published": {"positive": 10, "negative": 10},
    }  # fmt: skip
    assert plan["train_seconds"] > 0
    assert trained.task() == "chest_xray"
    assert trained.weights.exists()
    history = [json.loads(line) for line in trained.history_jsonl.read_text().splitlines()]
    assert all(0 <= row["val_auc"] <= 1 for row in history)
    assert {"loss", "classification", "gaze", "box"} <= history[0].keys()


def test_spots_are_found_on_the_test_set(trained):
    summary = trained.read_json(trained.summary_json)
    assert summary["test"]["classifier"]["auc_macro"]["mean"] > 0.9
    assert summary["split"] == {"train": 20, "val": 10, "test": 10}
    assert summary["protocol"].startswith("honest")
    assert {"cc", "kl", "nss", "box_energy"} <= summary["test"]["attention"].keys()
    assert summary["test"]["class_attention"]["box_energy"]["mean"] > 0
    assert summary["seconds"].keys() == {"prepare", "train", "evaluate"}


def test_the_summary_is_that_of_the_table_by_another_library(trained):
    summary, table = trained.read_json(trained.summary_json), read_radiograph_table(trained.cases_csv)
    thresholds = trained.read_json(trained.calibration_json)["thresholds"]
    for column, name in enumerate(table.findings):
        truth, prob = table.labels[:, column], table.probabilities[:, column]
        row = summary["test"]["classes"][name]
        assert row["auc"]["mean"] == pytest.approx(roc_auc_score(truth, prob), abs=1e-4)
        called = prob >= thresholds[name]
        assert row["f1"]["mean"] == pytest.approx(f1_score(truth, called), abs=1e-4)
    cc = [scores.cc for scores in table.saliency]
    assert summary["test"]["attention"]["cc"]["mean"] == pytest.approx(np.nanmean(cc), abs=1e-4)
    with trained.cases_csv.open(newline="") as stream:
        header = next(csv.reader(stream))
    assert header[:4] == ["id", "patient", "p:Edema", "p:Pneumothorax"]


def test_the_maps_of_the_test_cases_are_stored(trained, cohort):
    with np.load(trained.path / ATTENTION_FILE) as stored:
        assert stored["ids"].tolist() == list(cohort.splits["test"])
        count, height, width = stored["attention"].shape
        assert (height, width) == (4, 4)
        assert stored["class_attention"].shape == (count, 2, height, width)
        sums = stored["attention"].astype(np.float64).sum(axis=(1, 2))
        np.testing.assert_allclose(sums, 1, atol=5e-3)
        looked = [bool(cohort.cases[one].chest.looks()) for one in stored["ids"].tolist()]
        assert stored["gaze"].any(axis=(1, 2)).tolist() == looked
        assert stored["frames"].shape == (count, 4)


def test_predictions_need_the_image_alone(trained, cohort):
    run = load_chest_run(trained.path, device="cpu")
    cases = cohort.subset("test")
    bare = [replace(case, chest=None, fixations=None) for case in cases]
    _, known, _ = predict_cases(run, cohort, cases, lambda *told: None)
    _, alone, _ = predict_cases(run, cohort, bare, lambda *told: None)
    again = run.predictor.predict([case.read_image() for case in cases])
    np.testing.assert_array_equal(known.logits, alone.logits)
    np.testing.assert_allclose(known.logits, again.logits, atol=1e-5)
    probabilities = run.probabilities(again)
    table = read_radiograph_table(trained.cases_csv)
    np.testing.assert_allclose(probabilities, table.probabilities, rtol=1e-4)
    assert len(run.predictor.predict([])) == 0


def test_another_cohort_is_scored_beside_and_leaves_the_run_as_it_was(trained, tmp_path):
    other = replace(chest_cohort(tmp_path / "other", count=12), name="elsewhere")
    before = trained.summary_json.read_bytes(), trained.calibration_json.read_bytes()
    summary = evaluate_chest(trained.path, other, split=None)
    assert summary["cohort"] == "elsewhere"
    assert summary["trained_on"] == "drawn-chests"
    place = trained.path / "evaluations" / "elsewhere-all"
    assert (place / "cases.csv").exists()
    assert (place / ATTENTION_FILE).exists()
    assert (trained.summary_json.read_bytes(), trained.calibration_json.read_bytes()) == before
    assert "took part in training" in summary["protocol"]


def test_changed_splits_are_refused(trained, cohort, monkeypatch):
    swapped = cohort.with_splits({"train": cohort.splits["test"], "test": cohort.splits["train"]})
    monkeypatch.setattr(Cohort, "open", classmethod(lambda cls, folder: swapped))
    with pytest.raises(DataError, match="took part in the training"):
        evaluate_chest(trained.path)


def test_an_interrupted_training_ends_with_the_same_weights(cohort, tmp_path):
    config = compose_chest(["chest_tiny"], overrides=["method.epochs=2"])
    whole = train_chest(cohort, config, tmp_path / "whole")

    def stop_at_seven(what: str, done: int, total: int) -> None:
        if what.startswith("training") and done == 7:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError, match="step 7 of 10"):
        train_chest(cohort, config, tmp_path / "parts", progress=stop_at_seven)
    with pytest.raises(SettingsError, match="unfinished run"):
        train_chest(cohort, config, tmp_path / "parts")
    with pytest.raises(DataError, match="not trained to its end"):
        evaluate_chest(tmp_path / "parts")
    changed = compose_chest(["chest_tiny"], overrides=["method.epochs=2", "gaze.use=false"])
    with pytest.raises(DataError, match="other settings or"):
        train_chest(cohort, changed, tmp_path / "parts", resume=True)
    parts = train_chest(cohort, config, tmp_path / "parts", resume=True)
    states = []
    for run in (whole, parts):
        method = build_classifier(config, 2, load_chest_run(whole.path).vocabulary)
        load_weights(method, run.weights)
        states.append(method.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=0, atol=0)
    with pytest.raises(SettingsError, match="holds a run already"):
        train_chest(cohort, config, tmp_path / "whole")


def test_the_text_control_reads_the_text_and_not_the_image(cohort, tmp_path):
    overrides = ["method.kind=text_only", "training.min_steps=60", "training.optimizer.learning_rate=0.05"]
    run = train_chest(cohort, compose_chest(["chest_tiny"], overrides=overrides), tmp_path / "control")
    summary = evaluate_chest(run.path)
    assert summary["method"] == "text_only"
    assert summary["test"]["classifier"]["auc_macro"]["mean"] > 0.8
    assert summary["test"]["attention"] == {}
    assert summary["test"]["class_attention"] == {}


def test_without_validation_cases_nothing_is_calibrated_or_chosen(cohort, tmp_path):
    bare = cohort.with_splits({"train": cohort.splits["train"], "test": cohort.splits["test"]})
    bare = replace(bare, folder=tmp_path / "bare")
    bare.save()
    config = compose_chest(["chest_tiny"])
    run = train_chest(bare, config, tmp_path / "run")
    summary = evaluate_chest(run.path)
    stored = run.read_json(run.calibration_json)
    assert stored["thresholds"] == {"Edema": 0.5, "Pneumothorax": 0.5}
    assert stored["fell_back"]["Edema"] == "no validation case"
    assert summary["split"]["val"] == 0
    assert "all thresholds 0.5" in summary["protocol"]
    assert any("No validation case" in note for note in run.plan()["warnings"])
    assert not load_chest_run(run.path, device="cpu").is_calibrated
    chosen = compose_chest(["chest_tiny"], overrides=["training.selection=validation"])
    with pytest.raises(DataError, match="needs validation cases"):
        train_chest(bare, chosen, tmp_path / "other")


def test_commands_of_segmentation_say_what_the_run_is(trained):
    with pytest.raises(SettingsError, match="chest radiographs"):
        load_predictor(trained.path)
    with pytest.raises(SettingsError, match="chest radiographs"):
        trained.config()


def test_the_watched_score_is_the_mean_area_over_what_has_one():
    scores = np.array([[0.1, 0.5], [0.4, 0.2], [0.35, 0.9]])
    labels = np.array([[0, 1.0], [1, np.nan], [1, 1]])
    assert macro_auc(scores, labels) == pytest.approx(roc_auc_score([0, 1, 1], scores[:, 0]))
    assert np.isnan(macro_auc(scores, np.ones((3, 2))))
