"""The order of viewing that a table's rows tell: from the import to drift, practice and correction."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_mask, write_png
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.labelling import pseudo_mask_key

COUNT = 60
HEADER = "IMAGE,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_DURATION,CURRENT_FIX_START"


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Kvasir's layout, names in no order; gaze that slips to the right and readings that become shorter."""
    folder = tmp_path_factory.mktemp("kvasir")
    rng = np.random.default_rng(5)
    names = [f"case{number:02d}" for number in rng.permutation(COUNT)]
    inside = np.hypot(*np.mgrid[-10:10, -10:10]) < 6
    lines = [HEADER]
    for place, name in enumerate(names):
        write_png(folder / "images" / f"{name}.png", rng.integers(0, 255, (20, 20, 3), dtype=np.uint8))
        write_mask(folder / "masks" / f"{name}.png", inside)
        slip = 0.1 * place / COUNT
        for index in range(10):
            x, y = rng.normal((0.5 + slip, 0.5), 0.005 if index == 0 else 0.05)
            lines.append(f"{name}.jpg,{x:.4f},{y:.4f},{600 - 5 * place},{700 * index}")
    (folder / "kvasir_fixation.csv").write_text("\n".join(lines) + "\n")
    return folder, names


@pytest.fixture(scope="module")
def kvasir(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort")
    assert run("import", "kvasir", source[0], "--out", out, "--quiet") == 0
    return out


def quality(capsys, cohort, *words):
    capsys.readouterr()
    assert run("quality", cohort, "--json", "--quiet", *words) == 0
    return json.loads(capsys.readouterr().out)


def test_kvasir_is_in_the_order_of_its_rows(source, kvasir):
    cases = Cohort.open(kvasir).cases
    assert [cases[name].recording.order for name in source[1]] == list(range(COUNT))
    assert json.loads(json.dumps(Cohort.open(kvasir).source))["gaze_settings"]["in_viewing_order"] is True


def test_quality_measures_drift_and_practice_without_a_file_of_the_order(kvasir, tmp_path, capsys):
    (session,) = quality(capsys, kvasir)["sessions"]
    assert session["ordered"] == COUNT
    assert session["practice"]["slope"] == pytest.approx(-5.0, abs=0.1)
    assert session["cross"]["drift_x"]["slope"] == pytest.approx(0.1 * 100 / COUNT, abs=0.02)
    assert session["cross"]["wander_frac"] > 0.03
    assert not any("order of viewing" in warning for warning in session["warnings"])


def test_a_correction_needs_no_file_of_the_order(source, kvasir, tmp_path, capsys):
    out = tmp_path / "fixed"
    done = quality(capsys, kvasir, "--correct", out, "--correct-set", "gain=1", "--correct-set", "window=11")
    assert (done["correction"]["readings"], done["correction"]["left_as_they_were"]) == (COUNT, 0)

    def slope(folder):
        cases = Cohort.open(folder).cases
        return np.polyfit(range(COUNT), [cases[name].fixations.x[0] for name in source[1]], 1)[0]

    assert slope(kvasir) * COUNT == pytest.approx(0.1, abs=0.01)
    assert abs(slope(out)) < 0.1 * slope(kvasir)


@pytest.mark.parametrize(("words", "known"), [((), False), (("--column", "in_viewing_order=true"), True)])
def test_of_other_tables_an_order_is_stated_and_not_assumed(source, tmp_path, capsys, words, known):
    folder = source[0]
    table = folder / "kvasir_fixation.csv"
    assert run("import", "folder", folder, "--gaze", table, *words, "--out", tmp_path / "c", "--quiet") == 0
    (session,) = quality(capsys, tmp_path / "c")["sessions"]
    assert session["ordered"] == (COUNT if known else 0)
    assert (session["practice"] is not None) == known


def test_what_is_made_from_gaze_does_not_depend_on_the_order(kvasir):
    cohort = Cohort.open(kvasir)
    settings = PseudoMaskSettings()
    for case in list(cohort.cases.values())[:3]:
        key = pseudo_mask_key(cohort.derived, case, settings)
        for facts in (None, RecordingFacts(order=7), RecordingFacts(session="p", order=0, trial_ms=9.0)):
            assert pseudo_mask_key(cohort.derived, replace(case, recording=facts), settings) == key
        moved = replace(case, fixations=Fixations.from_rows(case.fixations.to_rows()[1:]))
        assert pseudo_mask_key(cohort.derived, moved, settings) != key
