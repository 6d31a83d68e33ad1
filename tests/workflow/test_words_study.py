"""`study words`: a teacher whose answer to words is known, the page, the report and the command."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.inference.predictor import Predictor
from gaze_insight.inference.word_effects import BLANK, NO_WORDS, OTHER_CASE
from gaze_insight.language.schema import LOCATIONS
from gaze_insight.language.symmetry import CELL_MOVES
from gaze_insight.methods.protocol import AttributeWords, Method, Stage
from gaze_insight.methods.words import WordSpace
from gaze_insight.training.checkpoints import save_weights
from gaze_insight.types import Size
from gaze_insight.workflow import word_effects
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.loading import build_method, load_predictor
from gaze_insight.workflow.studies import words as studying
from gaze_insight.workflow.studies.words import WordStudySettings, study_words
from gaze_insight.workflow.studies.words_page import words_page
from gaze_insight.workflow.word_effects import ask_cases
from gaze_insight.workflow.words_report import words_section

NETWORK = {"encoder": "unet", "student_channels": [4] * 5, "teacher_channels": [8] * 5}
FAST = WordStudySettings(resamples=200)


class ReadsPlace(Method):
    """A teacher that calls the named place lesion, and all the surer the larger the area that it is told."""

    heads = ("student", "teacher")
    label_maps = ("sparse",)
    uses_words = True
    stages = (Stage("teacher", 1),)

    def trained_in(self, stage):
        return self

    def forward(self, batch, stage):
        raise NotImplementedError

    def predict(self, image, words=None):
        found = {"student": image[:, :1]}
        if words is not None:
            assert isinstance(words, AttributeWords)
            logits = torch.full_like(image[:, :1], -9.0)
            side = image.shape[-1] // 3
            for place, (ids, code) in enumerate(zip(words.ids, words.symmetry, strict=True)):
                if 1 <= ids[0] <= 9:
                    row, column = divmod(CELL_MOVES[int(code)][int(ids[0]) - 1], 3)
                    cell = (slice(row * side, row * side + side), slice(column * side, column * side + side))
                    logits[place, 0, cell[0], cell[1]] = 2 + 4 * words.area[place]
            found["teacher"] = logits
        return found


def make_run(folder, cohort: Cohort, kind: str = "fgi"):
    method = {"kind": kind, "network": NETWORK}
    config = RunConfig(
        labels={"working_long_side_px": 48},
        method=method,
        language={"encoder": {"kind": "attributes", "dim": 8}},
        training={"input_size_px": 36},
        prediction={"flips": True, "batch_size": 5},
    )
    torch.manual_seed(0)
    space = WordSpace("attributes", 8) if kind == "fgi" else None
    run = RunFolder(folder)
    run.write_config(config)
    plan = {"method": kind, "cohort_folder": str(cohort.folder), "words": space and space._asdict()}
    run.write_json(run.plan_json, plan)
    save_weights(build_method(config, space), run.weights)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=30, size_px=(48, 64)))
    cohort = Cohort.open(folder)
    return cohort, make_run(folder / "run", cohort)


@pytest.fixture
def known(made, monkeypatch):
    cohort, run = made
    monkeypatch.setattr(studying, "load_predictor", lambda *_, **__: Predictor(ReadsPlace(), Size(36, 36)))
    return study_words(run, settings=FAST), cohort


def test_a_teacher_that_follows_the_location_is_found_out(known):
    study, cohort = known
    location = study.effect("location")
    assert study.head == "teacher"
    assert study.cases == location.measures["dice"].n == len(cohort.subset("test"))
    assert location.measures["dice"].mean == 0
    assert study.effect(NO_WORDS).measures["dice"].mean == study.effect(BLANK).measures["dice"].mean == 0
    for name in ("boundary", "shape", "texture", "brightness", "confidence"):
        effect = study.effect(name)
        assert (effect.measures["dice"].mean, effect.measures["moved"].mean) == (1, 0)
    assert study.effect("area_percentage").measures["dice"].mean == 1
    assert study.effect("area_percentage", "x 2").measures["area_change"].mean > 0
    assert study.effect("area_percentage", "x 0.5").measures["area_change"].mean < 0
    assert study.attention == ()


def test_the_centre_goes_all_the_way_and_each_case_counts_once(known):
    study, cohort = known
    words = describe(cohort, labels=RunConfig(labels={"working_long_side_px": 48}).labels)
    ways = []
    for case in cohort.subset("test"):
        rows = [row for row in study.per_case if (row["id"], row["field"]) == (case.id, "location")]
        assert {row["from"] for row in rows} == {words[case.id].location}
        assert len(rows) == 8
        for row in rows:
            places = [_middle(row[name]) for name in ("from", "to")]
            assert row["towards"] == pytest.approx(math.dist(*places), abs=0.01)
        ways.append(np.mean([row["towards"] for row in rows]))
    found = study.effect("location").measures["towards"]
    assert found.mean == pytest.approx(np.mean(ways))
    low, high = bootstrap_interval(np.array(ways), groups=_groups(cohort), resamples=200, seed=0)
    assert (found.low, found.high) == pytest.approx((low, high))


def _middle(place: str) -> tuple[float, float]:
    row, column = divmod(LOCATIONS.index(place), 3)
    return (column + 0.5) / 3, (row + 0.5) / 3


def _groups(cohort: Cohort):
    cases = cohort.subset("test")
    if all(case.patient is None for case in cases):
        return None
    return [case.patient or ("case", case.id) for case in cases]


def test_words_of_another_case_are_nobodys_own(known):
    study, cohort = known
    config = RunConfig(labels={"working_long_side_px": 48})
    words = describe(cohort, config.language, config.labels)
    rows = [row for row in study.per_case if row["field"] == OTHER_CASE]
    assert {row["id"] for row in rows} == {case.id for case in cohort.subset("test")}
    places = {row["id"]: words[row["id"]].location for row in rows}
    for row in rows:
        assert row["dice"] in (0, 1)
    same = sum(row["dice"] == 1 for row in rows)
    assert same < len(rows) or len(set(places.values())) == 1


def test_the_table_and_the_page_hold_every_field_and_control(known):
    study, _ = known
    tried = {(row["field"], row["to"]) for row in study.per_case if row["to"]}
    assert {(one.field, one.value) for one in study.words} == tried
    assert len(study.rows()) == 10 + len(tried)
    places = [one.value for one in study.words if one.field == "location"]
    assert places == [place for place in LOCATIONS if place in places]
    content = words_page(study, "gaze-insight study words run")
    assert "Location moves most" in content.verdict
    assert "Naming another place draws the teacher's outline towards it" in content.verdict
    assert content.severity == "ok"
    assert any("attention cannot be shown" in one for one in content.warnings)
    assert [table.title for table in content.tables] == ["What moves, by field", "What moves, by new word"]
    assert len(content.figures) == 3
    assert all(figure.svg for figure in content.figures)


def test_the_command_writes_page_tables_and_json_for_a_real_network(made, tmp_path, capsys):
    _, run = made
    arguments = ["study", "words", str(run), "--out", str(tmp_path), "--cases", "3", "--pictures", "1"]
    assert main([*arguments, "--study-set", "resamples=50", "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == 3
    assert told["left_out"] == {"not drawn": len(Cohort.open(made[0].folder).subset("test")) - 3}
    assert json.loads((tmp_path / "study-words.json").read_text())["verdict"] == told["verdict"]
    with (tmp_path / "study-words.csv").open() as lines:
        assert [row["field"] for row in csv.DictReader(lines)][:2] == ["location", "boundary"]
    page = (tmp_path / "study-words.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 16
    assert "Where each field is read" in page
    assert len(told["attention"]) == 7 * 5


def test_the_report_shows_one_case_of_each_rank(made):
    cohort, run = made
    config, predictor = RunFolder(run).config(), load_predictor(run, device="cpu")
    ids = [case.id for case in cohort.subset("test")]
    ranks = {ids[0]: "best", ids[1]: "best", ids[2]: "worst", "gone": "median"}
    section = words_section(predictor, cohort, config, ranks, run)
    assert [(one.id, one.rank) for one in section.cases] == [(ids[0], "best"), (ids[2], "worst")]
    assert section.left_out == 1
    for one in section.cases:
        assert [change.field for change in one.changes] == list(one.attention)
        assert len(one.changes) == 7
        assert one.before.shape == (36, 36)


@pytest.mark.parametrize("trust", [0.0, 0.5])
def test_changed_words_count_as_much_as_the_cases_own_where_words_are_weighed(made, monkeypatch, trust):
    cohort, run = made
    config, predictor = RunFolder(run).config(), load_predictor(run, device="cpu")
    case = cohort.subset("test")[0]
    said = describe(cohort, config.language, config.labels, cases=[case])
    asked_for = []

    def weights(*arguments):
        asked_for.append(arguments)
        return np.array([trust], np.float32)

    (plain,) = ask_cases(predictor, cohort, config, said)
    monkeypatch.setattr(word_effects, "word_weights", weights)
    (weighed,) = ask_cases(predictor, cohort, config, said)
    assert asked_for == [(cohort, [case], said, config.language.trust, config.labels)]
    moved = [float(np.abs(one.after - one.before).max()) for one in (plain, weighed)]
    assert moved[0] > 0
    if trust == 0:
        assert moved[1] == pytest.approx(0, abs=1e-6)
    else:
        assert 0 < moved[1] < moved[0]


def test_a_run_without_words_has_no_section_and_no_study(made, tmp_path):
    cohort, _ = made
    run = make_run(tmp_path / "unet", cohort, "unet")
    predictor = load_predictor(run, device="cpu")
    assert words_section(predictor, cohort, RunFolder(run).config(), {"a": "best"}, run) is None
    with pytest.raises(SettingsError, match="reads no words"):
        study_words(run, settings=FAST)


def test_cases_without_a_visible_lesion_cannot_be_studied(made, tmp_path, monkeypatch):
    _, run = made
    monkeypatch.setattr(studying, "describe", lambda *_, **__: {})
    with pytest.raises(DataError, match="whose words name a visible lesion"):
        study_words(run, settings=FAST)
    for factors in ((1.0,), (0.0,), (2.0, 2.0)):
        with pytest.raises(ValidationError, match="area_factors"):
            WordStudySettings(area_factors=factors)
