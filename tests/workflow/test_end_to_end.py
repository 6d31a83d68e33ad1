"""The whole way on a tiny drawn cohort, through the command line."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.ndimage import map_coordinates

from gaze_insight.cli.app import main

TINY = (
    "training.input_size_px=32", "training.min_steps=0", "training.batch_size=4", "training.device=cpu",
    "training.selection=validation", "method.teacher_epochs=1", "method.student_epochs=2",
    "evaluation.resamples=100", "prediction.batch_size=2",
    "method.network={encoder: unet, teacher_channels: [8,8,8,8,8], student_channels: [4,4,4,4,4]}",
)  # fmt: skip
FLAGS = [word for setting in TINY for word in ("--set", setting)]
HEADS = {"student", "teacher", "pseudomask", "assisted"}
METRICS = {"dice", "iou", "hd95_px", "asd_px"}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


class Went(NamedTuple):
    folder: Path
    cohort: Path
    run: Path

    def summary(self) -> dict:
        return json.loads((self.run / "summary.json").read_text())

    def test_ids(self) -> list[str]:
        return yaml.safe_load((self.cohort / "cohort.yaml").read_text())["splits"]["test"]

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader((self.run / "cases.csv").read_text().splitlines()))

    def mask(self, case: str) -> np.ndarray:
        return pixels(self.cohort / "source" / "masks" / f"{case}.png") > 127


@pytest.fixture(scope="module")
def went(tmp_path_factory) -> Went:
    folder = tmp_path_factory.mktemp("way")
    cohort, run = folder / "cohort", folder / "runs" / "tiny"
    steps = [
        ["import", "synthetic", "--out", cohort, "--cases", "12", "--quiet"],
        ["inspect", cohort],
        ["label", cohort, "--quiet"],
        ["describe", cohort, "--quiet"],
        ["train", cohort, "--name", run, "--quiet", *FLAGS],
        ["evaluate", run, "--device", "cpu", "--quiet"],
        ["report", run, "--each", "1", "--device", "cpu"],
    ]
    for step in steps:
        assert main([str(word) for word in step]) == 0, step
    return Went(folder, cohort, run)


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_folder_holds_what_the_design_says(went):
    names = {path.name for path in went.run.iterdir()}
    assert names >= {
        "config.yaml", "environment.json", "history.jsonl", "checkpoints", "predictions", "cases.csv",
        "report.html", "summary.json",
    }  # fmt: skip


def test_the_summary_has_the_promised_form(went):
    summary = went.summary()
    assert (summary["method"], summary["cohort"], summary["seed"]) == ("fgi", "synthetic", 0)
    assert summary["protocol"].startswith("honest (validation weights")
    assert sum(summary["split"].values()) == 12
    assert set(summary["split"]) == {"train", "val", "test"}
    assert set(summary["test"]) == HEADS
    for metrics in summary["test"].values():
        assert metrics.keys() >= METRICS
        for name in METRICS:
            low, high = metrics[name]["ci95"]
            assert low <= metrics[name]["mean"] <= high
        assert 0 <= metrics["dice"]["mean"] <= 1
        assert 0 <= metrics["iou"]["mean"] <= metrics["dice"]["mean"]
    assert summary["annotation_time_h"]["gaze"] > 0
    assert summary["annotation_time_h"]["source"].startswith("simulated gaze")
    assert set(summary["seconds"]) == {"label", "train", "evaluate"}
    assert min(summary["seconds"].values()) >= 0
    assert summary["peak_memory_mb"] > 50
    assert "empty" in summary["empty_mask_policy"]


def test_each_test_case_has_a_row_a_head_with_a_dice_that_the_stored_masks_give(went):
    rows = went.rows()
    ids = went.test_ids()
    assert sorted((row["id"], row["head"]) for row in rows) == sorted((i, h) for i in ids for h in HEADS)
    assert sorted(path.stem for path in (went.run / "predictions").iterdir()) == sorted(ids)
    dice = []
    for case in ids:
        truth = went.mask(case)
        predicted = pixels(went.run / "predictions" / f"{case}.png") == 255
        assert predicted.shape == truth.shape
        expected = 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())
        row = next(row for row in rows if (row["id"], row["head"]) == (case, "student"))
        assert math.isclose(float(row["dice"]), expected, abs_tol=1e-4)
        dice.append(expected)
    assert math.isclose(went.summary()["test"]["student"]["dice"]["mean"], np.mean(dice), abs_tol=1e-4)


def test_the_pseudomask_scores_are_those_of_gaze_alone(went):
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.pseudomask.recipe import PseudoMaskSettings
    from gaze_insight.workflow.labelling import load_pseudo_mask

    cohort = Cohort.open(went.cohort)
    rows, least = went.rows(), PseudoMaskSettings().levels.comprehensive
    for case in went.test_ids():
        soft = load_pseudo_mask(cohort, cohort.cases[case]).soft
        truth = went.mask(case)
        steps = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(truth.shape, soft.shape, strict=True)]
        places = np.meshgrid(*steps, indexing="ij")
        big = map_coordinates(soft, places, order=1, mode="nearest") >= least
        expected = 2 * (truth & big).sum() / (truth.sum() + big.sum())
        row = next(row for row in rows if (row["id"], row["head"]) == (case, "pseudomask"))
        assert math.isclose(float(row["dice"]), expected, abs_tol=0.01)


def test_labelling_a_second_time_makes_nothing(went, capsys):
    before = files_in(went.cohort / "derived" / "pseudomask")
    assert main(["label", str(went.cohort), "--quiet"]) == 0
    assert "0 made, 12 found in the cache" in capsys.readouterr().out
    assert files_in(went.cohort / "derived" / "pseudomask") == before


def test_another_setting_makes_other_pseudo_masks_beside_the_first(went, capsys):
    before = files_in(went.cohort / "derived" / "pseudomask")
    flags = ["--set", "labels.working_long_side_px=48", "--quiet"]
    assert main(["label", str(went.cohort), *flags]) == 0
    assert "12 made, 0 found" in capsys.readouterr().out
    after = files_in(went.cohort / "derived" / "pseudomask")
    assert len(after) == len(before) + 12
    assert before.items() <= after.items()


def test_descriptions_are_one_a_case_and_say_that_they_were_measured(went):
    lines = (went.cohort / "derived" / "descriptions.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 12
    assert {record["source"] for record in records} == {"measured"}


def test_inspect_counts_as_json(went, capsys, tmp_path):
    assert main(["inspect", str(went.cohort), "--page", str(tmp_path / "p.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cases"], found["with_gaze"], found["with_mask"]) == (12, 12, 12)
    assert sum(row["cases"] for row in found["splits"]) == 12
    assert any("simulated" in finding["title"] for finding in found["findings"])
    assert_stands_alone(tmp_path / "p.html")


def assert_stands_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!data:|#)", text)
    assert not re.search(r"url\(\s*[\"']?(?!data:|#)", text)
    assert "@import" not in text


def test_the_report_is_one_file_without_outside_links(went):
    page = went.run / "report.html"
    assert_stands_alone(page)
    text = page.read_text(encoding="utf-8")
    assert any(case in text for case in went.test_ids())
    assert f"{went.summary()['test']['student']['dice']['mean']:.2f}" in text


def test_predictions_lie_at_the_images_own_size_and_agree_with_each_other(went, tmp_path, capsys):
    image = tmp_path / "new.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (61, 47, 3), dtype=np.uint8)).save(image)
    known = went.cohort / "source" / "images" / f"{went.test_ids()[0]}.png"
    words = ["predict", went.run, image, known, "--out", tmp_path / "out", "--device", "cpu", "--json"]
    assert main([str(word) for word in words]) == 0
    shares = json.loads(capsys.readouterr().out)["area_frac"]
    for path in (image, known):
        mask, prob, overlay = (
            pixels(tmp_path / "out" / f"{path.stem}_{kind}.png")
            for kind in ("mask", "probability", "overlay")
        )
        size = pixels(path).shape[:2]
        assert (mask.shape, prob.shape, overlay.shape) == (size, size, (*size, 3))
        assert set(np.unique(mask)) <= {0, 255}
        assert np.array_equal(prob / 65535 > 0.5, mask == 255)
        assert math.isclose(shares[path.name], (mask == 255).mean())
    stored = pixels(went.run / "predictions" / f"{known.stem}.png")
    assert np.array_equal(pixels(tmp_path / "out" / f"{known.stem}_mask.png"), stored)


def test_scores_on_another_cohort_and_split_leave_the_runs_own_untouched(went, tmp_path, capsys):
    other = tmp_path / "other"
    words = ["import", "synthetic", "--out", other, "--cases", "4", "--seed", "9", "--name", "elsewhere"]
    assert main([str(word) for word in [*words, "--quiet"]]) == 0
    before = files_in(went.run)
    flags = ["--device", "cpu", "--quiet"]
    assert main(["evaluate", str(went.run), "--cohort", str(other), *flags]) == 0
    assert main(["evaluate", str(went.run), "--split", "val", *flags]) == 0
    after = files_in(went.run)
    assert before.items() <= after.items()
    assert all(path.is_relative_to(went.run / "evaluations") for path in after.keys() - before.keys())
    elsewhere = json.loads((went.run / "evaluations" / "elsewhere-all" / "summary.json").read_text())
    assert (elsewhere["cohort"], elsewhere["trained_on"], elsewhere["split"]["test"]) == (
        "elsewhere",
        "synthetic",
        4,
    )
    watched = json.loads((went.run / "evaluations" / "own-val" / "summary.json").read_text())
    assert watched["protocol"].startswith("no test")
    assert "elsewhere-all/cases.csv" in capsys.readouterr().out


def test_a_finished_run_is_not_overwritten(went, capsys):
    before = files_in(went.run)
    assert main(["train", str(went.cohort), "--name", str(went.run), "--quiet", *FLAGS]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert files_in(went.run) == before


def test_a_plain_network_on_true_masks_needs_no_gaze(went, tmp_path, capsys):
    folder = tmp_path / "plain"
    source = went.cohort / "source"
    assert main(["import", "folder", str(source), "--out", str(folder), "--quiet"]) == 0
    tiny = [one for one in TINY if not one.startswith("method") and "selection" not in one]
    tiny += ["method.student_epochs=1", "method.network={encoder: unet, student_channels: [4,4,4,4,4]}"]
    flags = [word for setting in tiny for word in ("--set", setting)]
    words = [
        "run",
        str(folder),
        "--name",
        str(tmp_path / "run"),
        "--preset",
        "unet_masks",
        "--json",
        "--quiet",
    ]
    assert main([*words, *flags]) == 0
    summary = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert set(summary["test"]) == {"student"}
    assert summary["annotation_time_h"]["gaze"] == 0


def test_a_test_image_that_was_trained_on_is_refused(went, capsys):
    manifest = went.cohort / "cohort.yaml"
    before = manifest.read_text()
    facts = yaml.safe_load(before)
    splits = facts["splits"]
    splits["train"], splits["test"] = [*splits["train"][1:], splits["test"][0]], [splits["train"][0]]
    manifest.write_text(yaml.safe_dump(facts))
    try:
        kept = files_in(went.run)
        assert main(["evaluate", str(went.run), "--device", "cpu", "--quiet"]) == 3
        assert "took part in the training" in capsys.readouterr().err
        assert files_in(went.run) == kept
    finally:
        manifest.write_text(before)


def test_another_split_says_that_it_was_trained_on(went):
    assert main(["evaluate", str(went.run), "--split", "train", "--device", "cpu", "--quiet"]) == 0
    found = json.loads((went.run / "evaluations" / "own-train" / "summary.json").read_text())
    assert found["seen_in_training"] == found["split"]["test"] > 0
    assert found["protocol"].startswith("no test")


def test_a_data_set_of_ones_own_is_imported_by_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_data_set.py").write_text(
        "from gaze_insight.cohort.datasets.registry import DATASETS\n"
        "from gaze_insight.cohort.datasets.synthetic import import_synthetic\n"
        "from gaze_insight.cohort.synthetic import SyntheticSettings\n"
        "@DATASETS.register('mine')\n"
        "def import_mine(source, destination, *, on_bad, progress):\n"
        "    return import_synthetic(source, destination, settings=SyntheticSettings(cases=6))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["import", "custom", "mine", "source", "--plugin", "my_data_set", "--out", "cohort", "--quiet"]
    assert main(words) == 0
    assert "6 cases" in capsys.readouterr().out
    assert main([*words[:2], "mein", *words[3:]]) == 2
    assert "did you mean 'mine'" in capsys.readouterr().err
