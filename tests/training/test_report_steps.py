"""Epochs that are too short to be validated and saved one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from training_making import make_data, make_trainer, same_weights, weights_of


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_short_epochs_are_reported_together_and_train_to_the_same_weights(tmp_path: Path) -> None:
    asked: list[str] = []
    ends = {}
    for name, steps in (("alone", 0), ("together", 5)):
        trainer = make_trainer(
            tmp_path / name,
            data=make_data(8),
            min_steps=14,
            report_steps=steps,
            validate=lambda method, stage, name=name: asked.append(name) or 0.5,
        )
        trainer.run()
        ends[name] = weights_of(trainer.method)
    assert same_weights(ends["alone"], ends["together"])
    alone, together = history(tmp_path / "alone"), history(tmp_path / "together")
    assert [row["step"] for row in alone] == [*range(2, 15, 2)] * 2
    assert [row["step"] for row in together] == [6, 12, 14] * 2
    assert (asked.count("alone"), asked.count("together")) == (14, 6)
    for first, last, row in ((0, 3, together[0]), (3, 6, together[1]), (6, 7, together[2])):
        mean = sum(one["loss"] for one in alone[first:last]) / (last - first)
        assert row["loss"] == pytest.approx(mean, rel=1e-6)
