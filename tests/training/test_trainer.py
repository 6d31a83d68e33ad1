"""The loop: the weights it ends with, what it writes, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_making
from torch import nn
from training_making import (
    STEPS,
    make_data,
    make_method,
    make_trainer,
    same_weights,
    signal_after,
    weights_of,
)

from gaze_insight.errors import DataError, GazeInsightError, StoppedError
from gaze_insight.methods.protocol import Method, Stage
from gaze_insight.training.checkpoints import load_state, load_weights
from gaze_insight.training.history import read_history
from gaze_insight.training.loop import STATE_FILE, WEIGHTS_FILE, Trainer
from gaze_insight.training.schedule import rate_factor

Weights = dict[str, torch.Tensor]


def finish(trainer: Trainer) -> Weights:
    trainer.run()
    return weights_of(trainer.method)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Weights, list[dict]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    weights = finish(make_trainer(folder))
    return weights, read_history(folder / "history.jsonl")


def losses_of(rows: list[dict]) -> list[float]:
    return [row[name] for row in rows for name in ("loss", "ce", "afc", "cwc") if name in row]


@pytest.mark.parametrize(
    ("step", "place"),
    [(1, "'teacher' after step 1"), (3, "'teacher' after step 3"), (5, "'teacher' after step 5"),
     (6, "'student' after step 1"), (8, "'student' after step 2"), (11, "'student' after step 5")],
)  # fmt: skip
def test_stopping_after_any_step_and_resuming_changes_nothing(
    tmp_path: Path, uninterrupted, step: int, place: str
) -> None:
    weights, rows = uninterrupted
    with pytest.raises(StoppedError, match=f"stopped in stage {place} of 6") as caught:
        make_trainer(tmp_path, progress=signal_after(step, signal.SIGTERM)).run()
    assert "train --resume" in str(caught.value)
    assert not (tmp_path / WEIGHTS_FILE).exists()
    assert same_weights(finish(make_trainer(tmp_path)), weights)
    found = read_history(tmp_path / "history.jsonl")
    assert [(row["stage"], row["epoch"], row["step"]) for row in found] == [
        ("teacher", 1, 3), ("teacher", 2, 6), ("student", 1, 3), ("student", 2, 6),
    ]  # fmt: skip
    assert losses_of(found) == pytest.approx(losses_of(rows), rel=1e-6)
    fresh = make_method()
    load_weights(fresh, tmp_path / WEIGHTS_FILE)
    assert same_weights(weights_of(fresh), weights)


@pytest.mark.parametrize(("number", "step"), [(signal.SIGINT, 4), (signal.SIGKILL, 8)])
def test_a_process_that_was_stopped_or_killed_is_resumed_to_the_same_weights(
    tmp_path: Path, uninterrupted, number: signal.Signals, step: int
) -> None:
    threads = str(torch.get_num_threads())
    script = [sys.executable, training_making.__file__, str(tmp_path), threads, str(int(number)), str(step)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), done.stderr
    state = load_state(tmp_path / STATE_FILE, "one")
    assert state is not None
    assert (state.stage, state.step) == ((0, 4) if number == signal.SIGINT else (1, 0))
    assert same_weights(finish(make_trainer(tmp_path)), uninterrupted[0])
    assert len(read_history(tmp_path / "history.jsonl")) == 4


def test_states_saved_by_the_clock_change_nothing(tmp_path: Path, uninterrupted) -> None:
    trainer = make_trainer(tmp_path, checkpoint_minutes=1e-9)
    assert same_weights(finish(trainer), uninterrupted[0])

    seen = []

    def look(what: str, done: int, total: int) -> None:
        state = load_state(tmp_path / "again" / STATE_FILE, "one")
        seen.append(0 if state is None else state.stage * 6 + state.step)

    make_trainer(tmp_path / "again", checkpoint_minutes=1e-9, progress=look).run()
    assert seen == list(range(STEPS))


def test_a_crash_between_history_and_state_logs_no_epoch_twice(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"stage_index": 0, "step": 3, "loss": 1.0}\n{"stage_in')
    make_trainer(tmp_path).run()
    assert [row["step"] for row in read_history(tmp_path / "history.jsonl")] == [3, 6, 3, 6]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    weights = finish(make_trainer(tmp_path))
    calls: list[int] = []
    again = make_trainer(tmp_path, progress=lambda what, done, total: calls.append(done))
    assert same_weights(finish(again), weights)
    assert calls == []
    anew = make_trainer(tmp_path, progress=lambda what, done, total: calls.append(done))
    anew.run(resume=False)
    assert calls == list(range(1, STEPS + 1))


def test_a_second_signal_interrupts_at_once(tmp_path: Path) -> None:
    def twice(what: str, done: int, total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, progress=twice).run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_state_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        make_trainer(tmp_path, progress=signal_after(2, signal.SIGTERM)).run()
    before = (tmp_path / STATE_FILE).read_bytes()
    with pytest.raises(DataError, match="other settings or other data"):
        make_trainer(tmp_path, fingerprint="two").run()
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_the_seed_decides_the_weights(tmp_path: Path, uninterrupted) -> None:
    assert not same_weights(finish(make_trainer(tmp_path, seed=4)), uninterrupted[0])


def test_each_stage_trains_its_own_part(tmp_path: Path) -> None:
    seen: list[Weights] = []

    def score(method: Method, stage: str) -> float:
        seen.append({stage + "." + name: value.clone() for name, value in method.state_dict().items()})
        return 0.5

    start = weights_of(make_method())
    trainer = make_trainer(tmp_path, validate=score, ema_decay=None)
    end = finish(trainer)
    for name, value in start.items():
        teacher = seen[1]["teacher." + name]
        if name.startswith("student."):
            assert torch.equal(teacher, value)
        else:
            assert torch.equal(end[name], teacher)
    assert not same_weights(start, end)


class Counting(Method):
    """Weights that move by the learning rate each step, so that every average can be computed by hand."""

    heads = ("student",)
    label_maps = ("mask",)
    uses_words = False

    def __init__(self, epochs: int = 2, factor: float = 1.0) -> None:
        super().__init__()
        self.stages = (Stage("student", epochs),)
        self.student = nn.Linear(1, 1, bias=False)
        self.factor = factor
        nn.init.zeros_(self.student.weight)

    def trained_in(self, stage: str) -> nn.Module:
        return self.student

    def forward(self, batch, stage: str):
        return {"loss": -self.factor * self.student.weight.sum()}

    def predict(self, image, words=None):
        return {"student": self.student.weight * image[:, :1]}


SGD = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}


def literal_steps(count: int) -> list[float]:
    weight, path = 0.0, []
    for step in range(count):
        weight += 0.1 * rate_factor(step, count, warmup_frac=0.05, final_rate_frac=0.01)
        path.append(weight)
    return path


def test_the_schedule_is_followed(tmp_path: Path) -> None:
    method = Counting()
    make_trainer(tmp_path, method=method, optimizer=SGD, ema_decay=None).run()
    assert method.student.weight.item() == pytest.approx(literal_steps(6)[-1], rel=1e-5)
    rates = [row["learning_rate"] for row in read_history(tmp_path / "history.jsonl")]
    assert rates == pytest.approx(
        [0.1 * rate_factor(step, 6, warmup_frac=0.05, final_rate_frac=0.01) for step in (2, 5)]
    )


def test_a_stage_ends_with_the_averaged_weights(tmp_path: Path) -> None:
    method = Counting()
    make_trainer(tmp_path, method=method, optimizer=SGD, ema_decay=0.3).run()
    path = literal_steps(6)
    average = path[0]
    for count, weight in enumerate(path[1:], start=1):
        decay = min(0.3, (1 + count) / (10 + count))
        average = decay * average + (1 - decay) * weight
    assert method.student.weight.item() == pytest.approx(average, rel=1e-5)


@pytest.mark.parametrize("stop", [None, 8])
def test_selection_by_validation_keeps_the_best(tmp_path: Path, stop: int | None) -> None:
    """Weights grow at each step; the validation likes those of epoch 2 of 4 most."""
    path = literal_steps(12)
    best = path[5]
    options = {"optimizer": SGD, "ema_decay": None, "selection": "validation"}

    def score(method: Method, stage: str) -> float:
        assert not method.training
        return 1 - abs(float(method.student.weight) - best)

    if stop is not None:
        with pytest.raises(StoppedError):
            make_trainer(
                tmp_path,
                method=Counting(4),
                validate=score,
                progress=signal_after(stop, signal.SIGTERM),
                **options,
            ).run()
    method = Counting(4)
    make_trainer(tmp_path, method=method, validate=score, **options).run()
    assert method.student.weight.item() == pytest.approx(best, rel=1e-6)
    scores = [row["val_dice"] for row in read_history(tmp_path / "history.jsonl")]
    assert scores == pytest.approx([1 - abs(path[step] - best) for step in (2, 5, 8, 11)])


def test_validation_sees_the_averaged_weights_and_does_not_change_the_training(
    tmp_path: Path, uninterrupted
) -> None:
    seen: list[float] = []

    def score(method: Method, stage: str) -> float:
        seen.append(float(method.student.weight))
        return 0.0

    method = Counting()
    make_trainer(tmp_path / "a", method=method, optimizer=SGD, ema_decay=0.8, validate=score).run()
    assert seen[-1] == pytest.approx(method.student.weight.item())
    watched = make_trainer(tmp_path / "b", validate=lambda method, stage: 0.3)
    assert same_weights(finish(watched), uninterrupted[0])


def test_gradients_are_clipped(tmp_path: Path) -> None:
    method = Counting(factor=1e6)
    make_trainer(tmp_path, method=method, optimizer=SGD, ema_decay=None, gradient_clip=1.0).run()
    assert method.student.weight.item() == pytest.approx(literal_steps(6)[-1], rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_says_when_and_what_to_do(tmp_path: Path, value: float) -> None:
    with pytest.raises(GazeInsightError, match=r"at step 0 of stage 'student'") as caught:
        make_trainer(tmp_path, method=Counting(factor=value)).run()
    assert "learning_rate" in str(caught.value)
    assert not (tmp_path / STATE_FILE).exists()


def test_sgd_and_adam_learn(tmp_path: Path) -> None:
    for kind, rate in (("adam", 3e-3), ("sgd", 3e-2)):
        folder = tmp_path / kind
        method = make_method(teacher_epochs=6, student_epochs=6, darm=None, cwc_weight=0.0)
        optimizer = {"kind": kind, "learning_rate": rate}
        make_trainer(folder, method=method, optimizer=optimizer, augmentation={"symmetry": "flips"}).run()
        rows = read_history(folder / "history.jsonl")
        for stage in ("teacher", "student"):
            losses = [row["loss"] for row in rows if row["stage"] == stage]
            assert losses[-1] < 0.9 * losses[0]


def test_progress_counts_the_steps_of_all_stages(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    make_trainer(tmp_path, progress=lambda *one: told.append(one)).run()
    assert [done for _, done, _ in told] == list(range(1, STEPS + 1))
    assert {total for *_, total in told} == {STEPS}
    assert [what for what, *_ in told][::6] == ["training the teacher", "training the student"]


def test_a_stage_on_a_small_set_goes_on_to_the_least_number_of_steps_in_whole_epochs(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, data=make_data(8), min_steps=5)
    assert [trainer.steps_of(stage) for stage in trainer.method.stages] == [6, 6]
    assert trainer.steps_of(Stage("long", 9)) == 18


def test_the_history_is_one_json_object_a_line(tmp_path: Path) -> None:
    make_trainer(tmp_path, data=make_data(8)).run()
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert rows[0]["val_dice"] is None
    assert {"stage", "epoch", "step", "learning_rate", "loss"} <= rows[0].keys()
    assert {"ce", "afc", "cwc", "hidden"} <= rows[-1].keys()
