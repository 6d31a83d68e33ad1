"""The saved state and the history of a run, also after a crash in the middle of writing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from gaze_insight.errors import DataError
from gaze_insight.training.checkpoints import (
    TrainingState,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from gaze_insight.training.history import append_history, read_history, trim_history


def make_state(step: int = 3, fingerprint: str = "one") -> TrainingState:
    optimizer = {"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return TrainingState(
        fingerprint,
        stage=1,
        step=step,
        seconds=2.5,
        method={"w": torch.arange(4.0)},
        optimizer=optimizer,
        scaler={"scale": 1024.0},
        sums={"ce": 0.25},
    )


def test_a_state_is_read_back_as_it_was(tmp_path: Path) -> None:
    save_state(make_state(), tmp_path / "a" / "state.pt")
    state = load_state(tmp_path / "a" / "state.pt", "one")
    assert state is not None
    assert (state.stage, state.step, state.seconds, state.best_score) == (1, 3, 2.5, None)
    assert torch.equal(state.method["w"], torch.arange(4.0))
    assert state.optimizer == make_state().optimizer
    assert state.sums == {"ce": 0.25}
    assert state.scaler == {"scale": 1024.0}


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.pt", "one") is None


def test_the_state_of_another_configuration_is_refused(tmp_path: Path) -> None:
    save_state(make_state(), tmp_path / "state.pt")
    with pytest.raises(DataError, match="other settings or other data") as caught:
        load_state(tmp_path / "state.pt", "two")
    assert "another run name" in str(caught.value)


def whole_state(folder: Path) -> bytes:
    save_state(make_state(), folder / "whole.pt")
    return (folder / "whole.pt").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"not a state\n",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"\x80\x02}q\x00.",
        lambda whole: b"\x80\x04\x95garbage" + whole[40:],
        lambda whole: bytes(range(256)),
        lambda whole: b"(lp0\n." + whole[:9],
        lambda whole: whole[:60] + b"\xff" * 80 + whole[140:],
        lambda whole: whole.replace(torch.arange(4.0).numpy().tobytes(), torch.ones(4).numpy().tobytes()),
    ],
)
def test_a_damaged_state_is_named_with_a_remedy(tmp_path: Path, damage) -> None:
    (tmp_path / "state.pt").write_bytes(damage(whole_state(tmp_path)))
    with pytest.raises(DataError, match=r"state\.pt.*cannot be read") as caught:
        load_state(tmp_path / "state.pt", "one")
    assert "delete it to train again" in str(caught.value)


def test_a_file_with_something_else_is_refused(tmp_path: Path) -> None:
    for number, content in enumerate(({"weights": torch.zeros(1)}, [1, 2], torch.zeros(2))):
        torch.save(content, tmp_path / f"{number}.pt")
        with pytest.raises(DataError, match="cannot be read"):
            load_state(tmp_path / f"{number}.pt", "one")


def test_a_crash_while_saving_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    save_state(make_state(3), path)

    def cut_off(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(DataError, match="No space left"):
        save_state(make_state(4), path)
    monkeypatch.undo()
    state = load_state(path, "one")
    assert state is not None
    assert state.step == 3
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_weights_are_read_back_and_others_refused(tmp_path: Path) -> None:
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    save_weights(trained, tmp_path / "w.safetensors")
    load_weights(fresh, tmp_path / "w.safetensors")
    assert torch.equal(trained.weight, fresh.weight)
    with pytest.raises(DataError, match="do not fit this network"):
        load_weights(nn.Linear(4, 2), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="train first"):
        load_weights(fresh, tmp_path / "absent.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(DataError, match="do not fit"):
        load_weights(fresh, tmp_path / "w.safetensors")


def make_history(path: Path) -> None:
    for stage, step in ((0, 3), (0, 6), (1, 3), (1, 6)):
        append_history(path, {"stage_index": stage, "step": step, "val_dice": None})


def steps_in(path: Path) -> list[tuple[int, int]]:
    return [(row["stage_index"], row["step"]) for row in read_history(path)]


def test_history_is_appended_and_read(tmp_path: Path) -> None:
    make_history(tmp_path / "new" / "history.jsonl")
    assert steps_in(tmp_path / "new" / "history.jsonl") == [(0, 3), (0, 6), (1, 3), (1, 6)]
    assert read_history(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize(
    ("stage", "step", "left"), [(0, 0, 0), (0, 5, 1), (0, 6, 2), (1, 0, 2), (1, 3, 3), (1, 5, 3), (2, 0, 4)]
)
def test_history_is_trimmed_to_what_is_not_repeated(tmp_path: Path, stage: int, step: int, left: int) -> None:
    path = tmp_path / "history.jsonl"
    make_history(path)
    trim_history(path, stage, step)
    assert steps_in(path) == [(0, 3), (0, 6), (1, 3), (1, 6)][:left]
    trim_history(tmp_path / "absent.jsonl", stage, step)
    assert not (tmp_path / "absent.jsonl").exists()


def test_a_line_that_a_crash_cut_off_is_left_out_and_healed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    make_history(path)
    path.write_text(path.read_text()[:-10])
    assert len(read_history(path)) == 3
    trim_history(path, 1, 3)
    append_history(path, {"stage_index": 1, "step": 6})
    assert steps_in(path) == [(0, 3), (0, 6), (1, 3), (1, 6)]
    assert all(json.loads(line) for line in path.read_text().splitlines())
