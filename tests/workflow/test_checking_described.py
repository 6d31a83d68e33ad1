"""Words of a cohort held against pseudo-masks and gaze: table, page, and weights in training."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.checking import check_description
from gaze_insight.language.encoders.settings import NoWords
from gaze_insight.language.files import write_descriptions
from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.language.word_evidence import CheckSettings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow import checking_words
from gaze_insight.workflow.believed_words import encode_believed
from gaze_insight.workflow.checking_report import check_notes, check_record, check_rows, write_check_page
from gaze_insight.workflow.checking_words import WordsCheck, check_descriptions, word_weights
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.labelling import load_pseudo_mask

LABELS = PseudoMaskSettings(working_long_side_px=48)


@pytest.fixture
def cohort(tmp_path) -> Cohort:
    folder = tmp_path / "cohort"
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=8, size_px=(48, 64)))
    return Cohort.open(folder)


def elsewhere(said: Description) -> Description:
    """The words with the opposite corner, or a corner for the centre, and a far greater area."""
    place = LOCATIONS[8 - LOCATIONS.index(said.location)] if said.location != "centre" else "upper left"
    area = min(100.0, 8 * said.area_percentage + 20)
    return said.model_copy(update={"location": place, "area_percentage": area, "source": "guesser"})


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_case_is_checked_as_by_hand_and_wrong_words_come_first(cohort):
    said = describe(cohort, labels=LABELS)
    wrong = list(said)[::3]
    said |= {name: elsewhere(said[name]) for name in wrong}
    checked = check_descriptions(cohort, said, LABELS, workers=1)
    assert [row.id for row in checked.rows] == list(cohort.cases)
    for row in checked.rows:
        case = cohort.cases[row.id]
        mask = load_pseudo_mask(cohort, case, LABELS)
        assert row.check == check_description(said[row.id], mask.soft, case.fixations, case.read_image())
    assert {row.id for row in checked.worst_first[: len(wrong)]} == set(wrong)
    assert {row.id for row in checked.contradicted} == set(wrong)


def test_the_control_is_the_area_under_the_curve_of_own_against_other_words(cohort):
    checked = check_descriptions(cohort, describe(cohort, labels=LABELS), LABELS, workers=1)
    own = [row.check.hallucination for row in checked.rows]
    other = [row.of_another for row in checked.rows]
    expected = roc_auc_score([0] * len(own) + [1] * len(other), own + other)
    assert checked.shuffled_auc == pytest.approx(expected)
    assert checked.shuffled_auc > 0.8
    blank = dict.fromkeys(cohort.cases, Description.nothing_seen("blank"))
    empty = check_descriptions(cohort, blank, LABELS, workers=1)
    assert empty.shuffled_auc == pytest.approx(0.5)
    assert any("are a control" in note for note in check_notes(empty))
    assert not any("are a control" in note for note in check_notes(checked))
    assert WordsCheck(checked.rows[:1]).shuffled_auc is None


def test_what_was_gathered_once_serves_any_words_and_weights(cohort, monkeypatch):
    said = describe(cohort, labels=LABELS)
    check_descriptions(cohort, said, LABELS, workers=1)

    def never(*_: object) -> None:
        raise AssertionError("gathered again")

    monkeypatch.setattr(checking_words, "gather_evidence", never)
    again = Cohort.open(cohort.folder)
    changed = {name: elsewhere(words) for name, words in said.items()}
    own = CheckSettings(location_weight=0.5, floor=0.1, contradicted_from=0.2)
    assert len(check_descriptions(again, changed, LABELS, own, workers=1).contradicted) == len(said)
    with pytest.raises(AssertionError, match="gathered again"):
        check_descriptions(again, said, LABELS, CheckSettings(likely=0.3), workers=1)


def test_cases_without_words_gaze_or_image_are_listed(cohort):
    said = describe(cohort, labels=LABELS)
    first, second, third, *_ = cohort.cases
    del said[first]
    cohort.cases[second] = replace(cohort.cases[second], fixations=None)
    cohort.cases[third].image_path.unlink()
    with pytest.raises(DataError, match="image"):
        check_descriptions(cohort, said, LABELS, workers=1)
    checked = check_descriptions(cohort, said, LABELS, workers=1, on_bad="skip")
    assert checked.without_words == [first]
    assert checked.unchecked == [second]
    assert list(checked.failed) == [third]
    assert second not in {row.id for row in checked.worst_first}
    notes = " ".join(check_notes(checked))
    for words in (
        "Without words: 1.",
        "unchecked: 1.",
        "Could not be read: 1.",
        "measured from the very labels",
    ):
        assert words in notes
    record = check_record(checked)
    assert (record["checked"], record["unchecked"], record["without_words"]) == (5, 1, 1)
    row = next(row for row in check_rows(checked) if row["id"] == second)
    assert (row["hallucination"], row["weight"]) == (None, 1.0)


def test_the_command_writes_a_table_and_a_page_of_disagreements(cohort, tmp_path, capsys):
    said = describe(cohort, labels=LABELS)
    first, second, *_ = said
    said = {name: words.model_copy(update={"source": "a model"}) for name, words in said.items()}
    said[first] = elsewhere(said[first]).model_copy(update={"remarks": "<b>sure</b>"})
    said[second] = Description.nothing_seen("a model", "healthy")
    write_descriptions(tmp_path / "words.jsonl", said)
    given = f"language.describer={{kind: file, path: {(tmp_path / 'words.jsonl').as_posix()}}}"
    small = "labels.working_long_side_px=48"
    command = ["describe", str(cohort.folder), "--check", "--set", given, "--set", small, "--workers", "1"]
    assert main([*command, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "2 of 8 checked cases" in out
    rows = {row["id"]: row for row in read_csv(cohort.folder / "derived" / "description_checks.csv")}
    assert list(rows) == list(cohort.cases)
    assert rows[first]["wrong"] == "location area_percentage"
    assert float(rows[first]["hallucination"]) > 0.7
    assert float(rows[first]["weight"]) == pytest.approx(1 - float(rows[first]["hallucination"]))
    assert rows[second]["said_area_percentage"] == ""
    html = (cohort.folder / "derived" / "descriptions.html").read_text(encoding="utf-8")
    assert "The words of 2 of 8 cases contradict the picture." in html
    assert "&lt;b&gt;sure" in html
    assert "<b>sure" not in html
    assert html.count("<article") == 3
    assert html.index("✗ Location") < html.index("✓ Location")
    assert "http" not in html.replace("http://www.w3.org", "")


def test_a_page_shows_what_it_can_when_a_picture_is_gone(cohort, tmp_path):
    said = {name: elsewhere(words) for name, words in describe(cohort, labels=LABELS).items()}
    checked = check_descriptions(cohort, said, LABELS, workers=1)
    cohort.cases[checked.worst_first[0].id].image_path.unlink()
    write_check_page(cohort, checked, tmp_path / "p.html", LABELS, pictures=2, listed=3)
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Some pictures cannot be shown" in html
    assert html.count("<article") == 2
    assert "The next ones" in html


def test_nothing_to_check_has_an_empty_page(tmp_path):
    empty = Cohort("empty", tmp_path, {})
    checked = check_descriptions(empty, {})
    assert check_record(checked)["mean_hallucination"] is None
    write_check_page(empty, checked, tmp_path / "p.html")
    assert "Nothing could be checked" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_words_are_weighed_by_their_check_only_where_asked(cohort):
    said = describe(cohort, labels=LABELS)
    names = list(said)
    said[names[0]] = elsewhere(said[names[0]])
    cases = [*cohort.cases.values()]
    cases[3] = replace(cases[3], fixations=Fixations.empty())
    del said[names[4]]
    assert word_weights(cohort, cases, said, None, LABELS) is None
    weights = word_weights(cohort, cases, said, CheckSettings(floor=0.05), LABELS)
    assert weights.dtype == np.float32
    assert 0.05 <= weights[0] < 0.3
    assert (weights[3], weights[4]) == (1, 1)
    assert weights[[1, 2, 5, 6, 7]].min() > 0.8
    plain = encode_believed(cohort, cases, said, LanguageSettings(), LABELS)[1]
    weighed = encode_believed(cohort, cases, said, LanguageSettings(trust={"floor": 0.05}), LABELS)[1]
    assert plain.weight is None
    assert torch.equal(weighed.ids, plain.ids)
    assert np.array_equal(weighed.weight.numpy(), weights)
    none = LanguageSettings(encoder=NoWords(), trust={})
    assert encode_believed(cohort, cases, said, none, LABELS) == (None, None)


def test_trust_decides_a_run_only_where_it_is_on():
    assert "trust" not in LanguageSettings().decisive()
    assert LanguageSettings(trust={"floor": 0.5}).decisive()["trust"]["floor"] == 0.5
