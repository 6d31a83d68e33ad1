"""`demo chest-xray`: the whole way on a made-up tree, with the runs shortened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaze_insight.benchmark import suite as suites
from gaze_insight.cli.app import main


@pytest.fixture
def short_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's suite at its tiniest scale, one seed."""
    short = suites.load_suite("chest_demo").model_copy(update={"default_scale": "tiny", "seeds": (0,)})
    monkeypatch.setattr(suites, "load_suite", lambda name: short)


def test_the_demo_goes_from_a_made_up_tree_to_tables_and_a_page(
    tmp_path: Path, short_suite: None, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "demo"
    assert main(["demo", "chest-xray", "--out", str(out), "--cases", "24", "--quiet"]) == 0
    table = json.loads((out / "benchmark" / "table.json").read_text(encoding="utf-8"))
    assert list(table["rows"]) == ["no_gaze", "gaze", "shuffled_gaze"]
    assert all(row["seeds"] == [0] for row in table["rows"].values())
    assert (out / "inspect.html").is_file()
    pages = list((out / "prediction").glob("*.html"))
    said = capsys.readouterr().out
    assert len(pages) == 1
    assert str(pages[0]) in said
    assert "gaze of another image" in said


def test_a_demo_that_lies_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "chest-xray", "--out", str(tmp_path)]) == 2
    assert "holds a demo already" in capsys.readouterr().err
