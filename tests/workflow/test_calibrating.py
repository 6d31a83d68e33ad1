"""Promises of a trained run: fitted on validation cases, refused on others, checked, and shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import read_mask
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.inference.certainty import Uncertainty, judge
from gaze_insight.workflow.calibrating import calibrate, check_uncertainty, fitting_cases
from gaze_insight.workflow.predicting import PredictionGaze, predict
from gaze_insight.workflow.promising import Promises
from gaze_insight.workflow.uncertainty_file import read_uncertainty, uncertainty_path
from gaze_insight.workflow.uncertainty_page import choose_examples, uncertainty_page

TINY = (
    "training.input_size_px=32", "training.min_steps=0", "training.batch_size=4", "training.device=cpu",
    "training.selection=last", "method.student_epochs=2", "evaluation.resamples=100",
    "method.network={encoder: unet, student_channels: [4,4,4,4,4]}",
)  # fmt: skip


class Trained(NamedTuple):
    cohort: Path
    run: Path
    elsewhere: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("calibrated")
    cohort, run, elsewhere = folder / "cohort", folder / "run", folder / "elsewhere"
    flags = [word for setting in TINY for word in ("--set", setting)]
    for step in (
        ["import", "synthetic", "--out", cohort, "--cases", "28", "--quiet"],
        ["import", "synthetic", "--out", elsewhere, "--cases", "52", "--seed", "7", "--quiet"],
        ["train", cohort, "--name", run, "--preset", "unet_masks", "--quiet", *flags],
    ):
        assert main([str(word) for word in step]) == 0, step
    return Trained(cohort, run, elsewhere)


@pytest.fixture(scope="module")
def fitted(trained) -> Uncertainty:
    return calibrate(trained.run, Cohort.open(trained.elsewhere), split=None, device="cpu")


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    """The run without what was fitted for it."""
    run = tmp_path / "copied-run"
    shutil.copytree(trained.run, run)
    uncertainty_path(run).unlink(missing_ok=True)
    return run


def test_few_validation_cases_are_told(copied, capsys):
    assert main(["calibrate", str(copied), "--device", "cpu", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "an expected Dice needs 51 cases" in said
    assert "the whole image" in said
    found = read_uncertainty(copied)
    assert (found.own_cohort, found.split, set(found.heads)) == (True, "val", {"student", "assisted"})
    assert found.heads["student"].dice is None
    assert len(found.images) == found.heads["student"].cases == len(fitting_cases(copied))
    assert main(["calibrate", str(copied), "--alpha", "0.3", "--device", "cpu", "--quiet", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["fitted"]["settings"]["alpha"], told["check"]) == (0.3, None)
    assert told["fitted"]["heads"]["student"]["missed"]["enough"]


def test_another_cohort_gives_an_interval_and_the_check_measures_it(trained, fitted, capsys):
    assert fitted.heads["student"].dice is not None
    facts = check_uncertainty(trained.run, split="test", device="cpu")
    assert json.loads((trained.run / "uncertainty_check.json").read_text()) == facts
    assert facts["n"] == len(Cohort.open(trained.cohort).subset("test"))
    assert any("another cohort" in note for note in facts["notes"])
    page = uncertainty_page(trained.run, device="cpu")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert "Safe masks" in text
    assert 'src="http' not in text


def test_the_command_fits_checks_and_tells(trained, copied, capsys):
    words = ["calibrate", str(copied), str(trained.elsewhere), "--alpha", "0.2", "--check", "test"]
    assert main([*words, "--device", "cpu", "--quiet"]) == 0
    said = capsys.readouterr().out
    promise = "holds 90 % of the lesion in 80 % of cases"
    for part in ("temperature", promise, "true Dice inside its interval", "assisted:", "page:"):
        assert part in said
    assert (copied / "uncertainty.html").exists()


def test_training_and_test_images_are_refused(trained, tmp_path):
    for split in ("train", "test", None):
        with pytest.raises(SettingsError, match="not fitted on"):
            fitting_cases(trained.run, split=split)
    copied = tmp_path / "copied"
    shutil.copytree(trained.cohort, copied)
    manifest = copied / "cohort.yaml"
    facts = yaml.safe_load(manifest.read_text())
    kept = facts["splits"]
    for name, what in (("train", "took part in the training"), ("test", "own test split")):
        facts["splits"] = {**kept, "val": kept[name], name: kept["val"]}
        manifest.write_text(yaml.safe_dump(facts))
        with pytest.raises(DataError, match=what):
            calibrate(trained.run, Cohort.open(copied), split="val", device="cpu")


def test_the_check_refuses_what_was_fitted_or_learned_on(trained, fitted):
    with pytest.raises(DataError, match="took part in the fit"):
        check_uncertainty(trained.run, Cohort.open(trained.elsewhere), split=None, device="cpu")
    with pytest.raises(DataError, match="took part in the training"):
        check_uncertainty(trained.run, split="train", device="cpu")


def test_what_belongs_to_other_weights_or_settings_is_refused(trained, fitted, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained.run, copy)
    path = uncertainty_path(copy)
    whole = path.read_text()
    for change, words in (
        ({"weights": "0" * 64}, "other weights"),
        ({"prediction": {**fitted.prediction, "flips": False}}, "another way of predicting"),
        ({"heads": {"student": {"temperature": -1}}}, "temperature"),
    ):
        path.write_text(json.dumps({**json.loads(whole), **change}))
        with pytest.raises(DataError, match=words):
            read_uncertainty(copy)
    path.unlink()
    with pytest.raises(DataError, match="nothing was fitted yet"):
        check_uncertainty(copy, device="cpu")


def test_predictions_come_with_their_promises(trained, fitted, tmp_path, capsys):
    images = sorted((trained.cohort / "source" / "images").iterdir())[:2]
    words = ["predict", str(trained.run), *map(str, images), "--out", str(tmp_path), "--device", "cpu"]
    words.append("--quiet")
    assert main(words) == 0
    assert "safe mask" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["certainty"]
    assert set(found) == {image.name for image in images}
    for image in images:
        one = found[image.name]
        assert one["interval"][0] <= one["expected_dice"] <= one["interval"][1]
        assert one["ask_human"] == bool(one["reason"])
        mask, safe = (read_mask(tmp_path / f"{image.stem}_{kind}.png") for kind in ("mask", "safe_mask"))
        assert (safe >= mask).all()
        assert safe.mean() == pytest.approx(one["safe_area_frac"])


def test_predictions_with_gaze_have_promises_of_their_own(trained, fitted, tmp_path):
    cohort = Cohort.open(trained.cohort)
    case = cohort.subset("test")[0]
    gaze = PredictionGaze((trained.cohort / "source" / "fixations.csv",))
    done = predict(trained.run, [case.image_path], tmp_path, gaze=gaze, device="cpu", on_bad="skip")
    with Image.open(tmp_path / f"{case.id}_probability.png") as image:
        prob = np.array(image) / 65535
    made = done.certainty[case.image_path.name]
    assert made["expected_dice"] == pytest.approx(
        judge(prob, fitted.heads["assisted"]).expected.mean, abs=0.02
    )
    assert (tmp_path / f"{case.id}_safe_mask.png").exists()


def test_an_uncalibrated_run_promises_nothing(tmp_path):
    assert Promises.of(tmp_path).make(tmp_path, "a", "student", np.full((4, 4), 0.7)) is None
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_refused(trained, tmp_path):
    with pytest.raises(DataError, match=r"config\.yaml"):
        calibrate(tmp_path)


def test_examples_are_named_once():
    rows = [
        {
            "id": str(i),
            "area": 0.1,
            "area_contains": 0.1 + i / 10,
            "outside_contains": 0.1,
            "confidence": i / 5,
        }
        for i in range(5)
    ]
    assert [id for id, _ in choose_examples(rows)] == ["2", "4", "0"]
    assert choose_examples([]) == []
