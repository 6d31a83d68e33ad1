"""`quality` from the command line to the files it writes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.correction import CorrectionSettings
from gaze_insight.workflow.quality import assess_cohort, correct_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("quality")
    import_synthetic(
        place / "source", place / "cohort", settings=SyntheticSettings(cases=16, size_px=(48, 64))
    )
    return place / "cohort"


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def order(folder, tmp_path):
    path = tmp_path / "order.csv"
    names = list(Cohort.open(folder).cases)
    path.write_text("image,note\n" + "".join(f"{one}.png,x\n" for one in names) + "stranger.png,x\n")
    return path


def test_table_page_and_json(folder, order, tmp_path, capsys):
    page, table = tmp_path / "q.html", tmp_path / "q.csv"
    words = ("quality", folder, "--page", page, "--table", table, "--targets", "masks", "--order", order)
    assert run(*words, "--json", "--quiet", "--set", "min_fixations=500", "--pictures", "2") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["readings"] == found["flags"]["few_fixations"] == 16
    assert found["thresholds"]["min_fixations"] == 500
    assert found["correction"] is None
    hidden = len(Cohort.open(folder).splits["test"])
    assert found["sessions"][0]["target"]["readings"] == 16 - hidden
    with table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["order"]) for row in rows] == list(range(16))
    assert all("few_fixations" in row["flags"].split() for row in rows)
    assert all(float(row["looking_s"]) > 0 for row in rows)
    assert page.read_text(encoding="utf-8").count("<article") == 2


def test_the_plain_output_says_what_matters(folder, order, capsys):
    assert run("quality", folder, "--order", order, "--quiet") == 0
    out = capsys.readouterr().out
    assert "16 readings" in out
    assert "looking time" in out
    assert (folder / "quality.html").is_file()
    assert (folder / "quality.csv").is_file()


def test_a_correction_writes_a_cohort_that_says_what_was_done(folder, tmp_path, capsys):
    out = tmp_path / "fixed"
    words = ("quality", folder, "--targets", "masks", "--correct", out, "--correct-set", "source=targets")
    assert run(*words, "--quiet", "--page", tmp_path / "p.html", "--table", tmp_path / "t.csv") == 0
    assert "corrected 16 readings" in capsys.readouterr().out
    before, after = Cohort.open(folder), Cohort.open(out)
    done = yaml.safe_load((out / "cohort.yaml").read_text(encoding="utf-8"))["source"]["gaze_correction"]
    assert (done["source"], done["readings"], done["left_as_they_were"]) == ("targets", 16, 0)
    constant = done["sessions"][0]
    for one, case in before.cases.items():
        moved = after.cases[one].fixations
        np.testing.assert_allclose(case.fixations.x - moved.x, constant["dx_frac"], atol=1e-6)
        np.testing.assert_allclose(case.fixations.y - moved.y, constant["dy_frac"], atol=1e-6)
    assert after.splits == before.splits
    assert after.cases[one].read_image().shape == case.read_image().shape
    assert "moved back" in (tmp_path / "p.html").read_text(encoding="utf-8")
    report = assess_cohort(after, targets="masks")
    with pytest.raises(SettingsError, match="corrected before"):
        correct_cohort(after, report, tmp_path / "again", CorrectionSettings(source="targets"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--set", "max_los_share=1"], 2, "did you mean 'max_loss_share'"),
        (["--set", "max_loss_share=much"], 2, "max_loss_share"),
        (["--set", "max_loss_share"], 2, "--set expects dotted.key=value"),
        (["--set", "phases=1"], 2, "--set: phases: expected a mapping"),
        (["--set", "max_loss_share=[1"], 2, "not valid YAML"),
        (["--correct-set", "gain=1"], 2, "no effect without --correct"),
        (["--correct", "OUT", "--correct-set", "source=targets"], 2, "add --targets masks"),
        (["--correct", "OUT"], 3, "first fixations tell"),
        (["--correct", "OUT", "--targets", "masks", "--correct-set", "gain=2"], 2, "gain"),
        (["--order", "MISSING"], 3, "order of viewing cannot be read"),
        (["--order", "STRANGERS"], 3, "none of the cohort's"),
    ],
)
def test_what_cannot_be_done_is_said(folder, tmp_path, capsys, words, code, message):
    (tmp_path / "strangers.txt").write_text("x.png\n")
    places = {
        "OUT": tmp_path / "out",
        "MISSING": tmp_path / "no.txt",
        "STRANGERS": tmp_path / "strangers.txt",
    }
    files = ("--page", tmp_path / "p.html", "--table", tmp_path / "t.csv")
    assert run("quality", folder, "--quiet", *files, *(places.get(word, word) for word in words)) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_a_cohort_is_not_overwritten(folder, capsys):
    cohort = Cohort.open(folder)
    with pytest.raises(SettingsError, match="holds a cohort already"):
        correct_cohort(cohort, assess_cohort(cohort, targets="masks"), folder)


def test_targets_need_masks_outside_the_test_split(folder, tmp_path):
    cohort = Cohort.open(folder).with_splits({"test": tuple(Cohort.open(folder).cases)})
    with pytest.raises(SettingsError, match="outside the test split"):
        assess_cohort(cohort, targets="masks")


def test_a_picture_that_is_gone_is_named_and_the_page_still_written(folder, tmp_path, capsys):
    for name in ("cohort.yaml", "cases.jsonl"):
        text = (folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("images/", "gone/").replace("root: .", f"root: {folder}"))
    assert run("quality", tmp_path, "--set", "min_fixations=500", "--quiet") == 0
    assert "Flagged readings that cannot be shown: 16" in (tmp_path / "quality.html").read_text(
        encoding="utf-8"
    )
