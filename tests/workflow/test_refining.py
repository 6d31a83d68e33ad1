"""Labels refined by rounds: what a network may have seen, going on after a stop, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from remembering_method import PLAIN, remembering, run_config, stop_at

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.loading import to_yaml
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError, StoppedError
from gaze_insight.pseudomask.refinement import NETWORK_PART, refined_mask
from gaze_insight.training.history import read_history
from gaze_insight.training.loop import STATE_FILE
from gaze_insight.types import Size
from gaze_insight.workflow.evaluating import evaluate
from gaze_insight.workflow.label_source import RefinedLabels, VotedLabels
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.refining import read_refined_labels
from gaze_insight.workflow.reporting import report
from gaze_insight.workflow.training import train
from gaze_insight.workflow.training_set import build_training_set

CONFIG = run_config()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Twelve drawn cases; of those to learn from, two each are one patient's."""
    folder = tmp_path_factory.mktemp("refining")
    drawn = import_synthetic(
        folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64))
    )
    for index, case in enumerate(drawn.subset("train")):
        drawn.cases[case.id] = replace(case, patient=f"p{index // 2}")
    drawn.save()
    return drawn


@pytest.fixture(scope="module")
def whole(cohort: Cohort) -> RunFolder:
    """A run that nothing stopped."""
    return train(cohort, CONFIG, cohort.folder / "runs" / "whole")


def refined(cohort: Cohort, run: RunFolder) -> RefinedLabels:
    rows = read_refined_labels(cohort, run.config(), run)
    voted = VotedLabels(cohort, run.config().labels)
    return RefinedLabels(voted, {name: row["key"] for name, row in rows.items()})


def test_a_refined_label_never_comes_from_a_network_that_saw_the_case(cohort, tmp_path):
    with remembering():
        config = run_config(
            method={"kind": "remembering", "student_epochs": 1},
            refinement={"rounds": 2, "folds": 3},
            training={**CONFIG.training.model_dump(), "augmentation": PLAIN, "batch_size": 1},
        )
        run = train(cohort, config, tmp_path / "run")
        labels = refined(cohort, run)
        for case in cohort.subset("train"):
            assert labels.load(case).parts[NETWORK_PART].max() < 0.01
        for number in ("1", "2"):
            for fold, held_out in enumerate(run.plan()["refinement"]["folds"], start=1):
                predictor = load_predictor(run.rounds / number / f"fold-{fold}", device="cpu")
                for case in cohort.subset("train"):
                    said = predictor.predict(case.read_image())["student"]
                    assert (said.max() < 0.01) == (case.id in held_out), "the double remembers its own"
        own = load_predictor(run.path, device="cpu")
        assert all(own.predict(case.read_image())["student"].min() > 0.99 for case in cohort.subset("train"))


def test_the_plan_names_folds_by_patient_and_what_changed(cohort, whole):
    facts = whole.plan()["refinement"]
    where = {id: number for number, fold in enumerate(facts["folds"]) for id in fold}
    assert sorted(where) == sorted(cohort.splits["train"])
    for patient in {case.patient for case in cohort.subset("train")}:
        assert len({where[case.id] for case in cohort.subset("train") if case.patient == patient}) == 1
    (row,) = facts["rounds"]
    labels, rows = refined(cohort, whole), read_refined_labels(cohort, CONFIG, whole)
    dice, changed, before, after = [], [], [], []
    for case in cohort.subset("train"):
        vote, new = labels.voted.load(case), labels.load(case)
        one, other = vote.comprehensive == 1, new.comprehensive == 1
        dice.append(2 * (one & other).sum() / max(1, one.sum() + other.sum()))
        changed.append((one != other).mean())
        before.append(vote.trust.mean())
        after.append(new.trust.mean())
        assert rows[case.id]["dice"] == pytest.approx(dice[-1])
    assert row["dice_of_vote_and_refined"] == pytest.approx(np.mean(dice))
    assert row["changed_pixels_frac"] == pytest.approx(np.mean(changed))
    assert row["changed_cases"] == np.count_nonzero(changed)
    assert row["trust_before"] == pytest.approx(np.mean(before), abs=2e-3)
    assert row["trust_after"] == pytest.approx(np.mean(after), abs=2e-3)
    assert (row["round"], row["cases"]) == (1, len(where))


def test_the_label_is_the_vote_joined_with_the_held_out_prediction(cohort, whole):
    labels = refined(cohort, whole)
    for fold, held_out in enumerate(whole.plan()["refinement"]["folds"], start=1):
        predictor = load_predictor(whole.rounds / "1" / f"fold-{fold}", device="cpu")
        for case in (cohort.cases[id] for id in held_out):
            said = predictor.predict(case.read_image())["student"]
            expected = refined_mask(labels.voted.load(case), said, CONFIG.refinement, CONFIG.labels.levels)
            found = labels.load(case)
            assert np.allclose(found.soft, expected.soft, atol=1e-3)
            assert np.allclose(found.trust, expected.trust, atol=1 / 255)
            assert np.mean(found.comprehensive != expected.comprehensive) < 0.01
            assert found.features == pytest.approx(labels.voted.load(case).features)


def test_the_training_learns_from_the_refined_labels_and_other_splits_keep_theirs(cohort, whole):
    labels, cases = refined(cohort, whole), cohort.subset("train")
    planes = {
        source: np.array(
            build_training_set(
                cohort, cases, ["comprehensive"], CONFIG.labels, Size(64, 64), pseudo=pseudo
            ).labels["comprehensive"]
        )
        for source, pseudo in (("vote", None), ("refined", labels))
    }  # fmt: skip
    assert (planes["vote"] != planes["refined"]).any()
    for case in (*cohort.subset("val"), *cohort.subset("test")):
        assert labels.key(case) == labels.voted.key(case)
        assert np.array_equal(labels.load(case).soft, labels.voted.load(case).soft)


def test_folds_keep_their_history_and_weights_and_no_optimiser_state(whole):
    for fold in ("fold-1", "fold-2"):
        own = RunFolder(whole.rounds / "1" / fold)
        assert own.weights.exists()
        assert own.history_jsonl.exists()
        assert own.config().refinement.rounds == 0
        assert not (own.path / STATE_FILE).exists()
    plan = whole.plan()
    assert plan["train_seconds"] > plan["refine_seconds"] > 0


class Crash(Exception):
    """What stands for a process that is gone."""


def crash() -> None:
    raise Crash


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def same_weights(one: RunFolder, other: RunFolder) -> bool:
    return one.weights.read_bytes() == other.weights.read_bytes()


@pytest.mark.parametrize(
    "where",
    [
        "round 1 of 1, fold 1 of 2: training",
        "round 1 of 1, fold 2 of 2: training",
        "round 1 of 1: refining",
        "training",
    ],
)
def test_a_run_that_broke_off_goes_on_to_the_same_weights(cohort, whole, tmp_path, where):
    with pytest.raises(Crash):
        train(cohort, CONFIG, tmp_path / "run", progress=stop_at(where, crash))
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("final.safetensors")}
    told: list[str] = []
    run = train(cohort, CONFIG, tmp_path / "run", resume=True, progress=lambda what, *_: told.append(what))
    assert same_weights(run, whole)
    for path, time_ns in finished.items():
        assert not any(f"fold {path.parts[-3][-1]} of 2: training" in what for what in told)
        if not where.startswith("round"):
            assert path.stat().st_mtime_ns == time_ns
    assert run.plan()["refinement"]["folds"] == whole.plan()["refinement"]["folds"]


def test_a_stop_in_a_fold_names_the_run_to_go_on_with(cohort, whole, tmp_path):
    stop = stop_at("round 1 of 1, fold 2 of 2: training", terminate)
    with pytest.raises(StoppedError, match="round 1 of 1, fold 2 of 2: stopped") as stopped:
        train(cohort, CONFIG, tmp_path / "run", progress=stop)
    assert stopped.value.remedy == f"go on with: gaze-insight train --resume {tmp_path / 'run'}"
    with pytest.raises(SettingsError, match="holds an unfinished run already"):
        train(cohort, CONFIG, tmp_path / "run")
    assert main(["train", "--resume", str(tmp_path / "run"), "--quiet"]) == 0
    assert same_weights(RunFolder(tmp_path / "run"), whole)


@pytest.mark.slow
def test_two_processes_refine_as_one(cohort, whole, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(to_yaml(CONFIG))
    words = ["train", str(cohort.folder), "--name", str(tmp_path / "run"), "--config", str(config), "--quiet"]
    launcher = [
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "gaze_insight.cli.app",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *words], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    two, one = RunFolder(tmp_path / "run").plan()["refinement"], whole.plan()["refinement"]
    assert two["folds"] == one["folds"]
    for name in ("dice_of_vote_and_refined", "trust_before", "trust_after"):
        assert two["rounds"][0][name] == pytest.approx(one["rounds"][0][name], abs=0.01)


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_weights(cohort, whole, tmp_path):
    run = tmp_path / "run"
    script = Path(__file__).with_name("remembering_method.py")
    words = [str(script), str(cohort.folder), str(run), "round 1 of 1, fold 2 of 2: training", "SIGKILL"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (run / "rounds" / "1" / "fold-1" / "checkpoints" / "final.safetensors").exists()
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    assert same_weights(RunFolder(run), whole)


def test_labels_that_left_the_cache_are_made_again_and_are_the_same(cohort, whole, tmp_path):
    keys = refined(cohort, whole).keys
    for path in (cohort.derived.folder / "refined").glob("*.npz"):
        path.unlink()
    with pytest.raises(DataError, match="is not in the cache"):
        refined(cohort, whole).load(cohort.subset("train")[0])
    train(cohort, CONFIG, whole.path, resume=True)
    assert refined(cohort, whole).keys == keys
    assert refined(cohort, whole).load(cohort.subset("train")[0]) is not None


@pytest.mark.parametrize(
    "refinement", [{"network_weight": 0.7}, {"trust": "fused"}, {"fusion": "calibrated"}]
)
def test_fusion_settings_make_labels_of_their_own(cohort, whole, tmp_path, refinement):
    other = run_config(refinement={"rounds": 1, **refinement})
    run = train(cohort, other, tmp_path / "run")
    one, new = refined(cohort, whole).keys, refined(cohort, run).keys
    assert one.keys() == new.keys()
    assert not set(one.values()) & set(new.values())


def test_a_fold_of_other_settings_or_other_data_is_refused(cohort, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Crash):
        train(cohort, CONFIG, run, progress=stop_at("training", crash))
    other = run_config(seed=3)
    with pytest.raises(DataError, match="made with other settings or other data"):
        train(cohort, other, run, resume=True)
    learned = cohort.subset("train")
    swapped = {case.id: replace(case, fixations=learned[-1 - i].fixations) for i, case in enumerate(learned)}
    with pytest.raises(DataError, match="made with other settings or other data"):
        train(replace(cohort, cases={**cohort.cases, **swapped}), CONFIG, run, resume=True)


@pytest.mark.parametrize("target", ["mask", "box"])
def test_methods_that_do_not_learn_from_pseudo_masks_are_refused_before_anything_is_written(
    cohort, tmp_path, target
):
    config = run_config(method={**CONFIG.method.model_dump(), "target": target})
    with pytest.raises(SettingsError, match=f"'unet' learns from {target} alone") as refused:
        train(cohort, config, tmp_path / "run")
    assert "refinement.rounds=0" in refused.value.remedy
    assert not (tmp_path / "run").exists()


def test_more_folds_than_patients_are_refused(cohort, tmp_path):
    with pytest.raises(DataError, match="for 9 folds, found"):
        train(cohort, run_config(refinement={"rounds": 1, "folds": 9}), tmp_path / "run")


def test_epochs_share_shortens_the_folds_alone(cohort, tmp_path):
    config = run_config(
        refinement={"rounds": 1, "epochs_share": 0.5},
        method={**CONFIG.method.model_dump(), "student_epochs": 4},
    )
    run = train(cohort, config, tmp_path / "run")
    own = [row["epoch"] for row in read_history(RunFolder(run.rounds / "1" / "fold-1").history_jsonl)]
    assert own == [1, 2]
    assert [row["epoch"] for row in read_history(run.history_jsonl)] == [1, 2, 3, 4]
    assert RunFolder(run.rounds / "1" / "fold-1").plan()["stages"] == [{"name": "student", "epochs": 2}]


def test_folds_never_look_at_the_test_set_and_watch_validation_where_weights_are_chosen(cohort, tmp_path):
    training = {**CONFIG.training.model_dump(), "selection": "validation"}
    run = train(cohort, run_config(training=training), tmp_path / "validated")
    rows = read_history(RunFolder(run.rounds / "1" / "fold-2").history_jsonl)
    assert all(row["val_dice"] is not None for row in rows)
    paper = run_config(evaluation={"protocol": "paper", "test_evaluations": 2})
    run = train(cohort, paper, tmp_path / "paper")
    own = RunFolder(run.rounds / "1" / "fold-2")
    assert run.selection_json.exists()
    assert own.config().evaluation.protocol == "honest"
    assert not own.selection_json.exists()
    assert all(row["val_dice"] is None for row in read_history(own.history_jsonl))


def test_a_run_with_rounds_is_scored_and_reported(cohort, whole):
    summary = evaluate(whole.path, device="cpu")
    assert summary["seconds"]["train"] == whole.plan()["train_seconds"]
    page = report(whole.path, device="cpu").read_text(encoding="utf-8")
    assert "How the labels were refined" in page
    assert page.count("changed most") >= 1
    assert 'alt="' + cohort.splits["train"][0] in page or "What changed" in page
