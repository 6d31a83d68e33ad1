"""Several processes train as one does, through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gaze_insight.cli.app import main
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings

CONFIG = """
method:
  kind: fgi
  teacher_epochs: 2
  student_epochs: 8
  network: {encoder: unet, teacher_channels: [8, 8, 8, 8, 8], student_channels: [4, 4, 4, 4, 4]}
labels: {working_long_side_px: 64}
training:
  input_size_px: 32
  min_steps: 0
  batch_size: 4
  device: cpu
  optimizer: {kind: sgd, learning_rate: 0.01}
"""
ATOL = 1e-5
"""Gradients are averaged in another order; without Adam's division this stays near float32's rounding."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))
    (folder / "run.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def one_process(cohort: Path) -> Path:
    run = cohort / "runs" / "one"
    assert train_here(cohort, run) == 0
    return run


def train_here(cohort: Path, run: Path, *more: str) -> int:
    return main(command(cohort, run)[1:] + list(more))


def command(cohort: Path, run: Path) -> list[str]:
    config = str(cohort / "run.yaml")
    return ["gaze_insight.cli.app", "train", str(cohort), "--name", str(run), "--config", config, "--quiet"]


def launch(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, timeout=240, check=False, env=environment)


def history(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def assert_same_run(one: Path, other: Path) -> None:
    expected = load_file(one / "checkpoints" / "final.safetensors")
    found = load_file(other / "checkpoints" / "final.safetensors")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=0, atol=ATOL), name
    for row, own in zip(history(one), history(other), strict=True):
        assert row.keys() == own.keys()
        assert (row["stage"], row["step"]) == (own["stage"], own["step"])
        assert own["loss"] == pytest.approx(row["loss"], rel=1e-4)
        assert own["val_dice"] == pytest.approx(row["val_dice"], abs=1e-3)


def files_of(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}


def test_two_processes_train_as_one(cohort: Path, one_process: Path) -> None:
    """The same batches, the same weights; one of them writes and speaks."""
    run = cohort / "runs" / "two"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = launch([*launcher, *command(cohort, run)])
    assert done.returncode == 0, done.stderr
    assert_same_run(one_process, run)
    assert files_of(run) == files_of(one_process)
    assert done.stdout.count("trained:") == 1


@pytest.mark.slow
def test_accelerate_launch_trains_as_one(cohort: Path, one_process: Path) -> None:
    run = cohort / "runs" / "accelerate"
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m"]
    done = launch([*launcher, *command(cohort, run)])
    assert done.returncode == 0, done.stderr
    assert_same_run(one_process, run)


def test_ctrl_c_on_the_command_line_says_how_to_go_on(
    cohort: Path, one_process: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = cohort / "runs" / "stopped"
    words = [sys.executable, "-m", *command(cohort, run)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (run / "checkpoints" / "state.pt").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"gaze-insight train --resume {run}" in said
    assert not (run / "checkpoints" / "final.safetensors").exists()
    assert train_here(cohort, run) == 2
    assert f"go on with: gaze-insight train --resume {run}" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    expected, found = (load_file(one / "checkpoints" / "final.safetensors") for one in (one_process, run))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert [row["step"] for row in history(run)] == [row["step"] for row in history(one_process)]
