"""The keyword study on a made-up table, and on the real one."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from gaze_insight.cli.app import main
from gaze_insight.errors import DataError
from gaze_insight.workflow.studies.chest_keywords import (
    ALL_FINDINGS,
    NORMAL,
    KeywordStudySettings,
    study_keywords,
)
from gaze_insight.workflow.studies.chest_keywords_scoring import f1_interval, tag_rates, wilson_interval
from gaze_insight.workflow.studies.chest_keywords_texts import compare_texts, flip_denials

HEAD = "uid,MeSH,Problems,image,indication,comparison,findings,impression"
ROWS = [
    ("1", "normal", "No pneumothorax or effusion. Lungs are clear.", "Normal chest."),
    ("2", "Cardiomegaly/mild", "The heart is mildly enlarged. No effusion.", ""),
    ("3", "Pleural Effusion/left/small", "Small left effusion.", "Small efusion."),
    ("4", "Pneumonia/base/right", "Right base opacity may represent pneumonia.", ""),
    ("5", "normal", "", ""),
    ("6", "No Indexing", "Edema.", ""),
    ("8", "normal", "Heart size is normal. No edema.", "No acute disease."),
]


@pytest.fixture
def folder(tmp_path):
    lines = [HEAD, *(f'{uid},{mesh},,PA,rule out fracture,,"{one}","{two}"' for uid, mesh, one, two in ROWS)]
    (tmp_path / "indiana_reports.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_the_study_counts_what_it_left_out_and_what_it_found(folder):
    found = study_keywords(folder, KeywordStudySettings(resamples=50, text_metrics=False))
    assert (found.reports, found.without_text, found.not_indexed) == (7, 1, 1)
    assert found.used == {"held-out": 3, "development": 2, "all": 5}
    assert (found.row("Cardiomegaly").hits, found.row("Cardiomegaly").found) == (1, 1)
    assert (found.row("Pneumonia").recall, found.row("Pneumonia", uncertain="positive").recall) == (0, 1)
    control = found.row("Pleural Effusion", "all", "denials not read")
    assert (control.tagged, control.found, control.hits) == (1, 3, 1)
    assert found.row("Fracture", "all", "denials not read").found == 0
    assert found.row(NORMAL, "all").f1 == 1
    assert found.misread == {"efusion -> Pleural Effusion": 1}
    assert found.texts == ()
    assert {row["uid"]: row["Pleural Effusion"] for row in found.per_case}["2"] == "negative"
    with pytest.raises(KeyError):
        found.row("Broken Heart")


def test_a_table_without_tags_is_refused(tmp_path):
    (tmp_path / "indiana_reports.csv").write_text(f"{HEAD}\n6,No Indexing,,,,,Edema.,\n", encoding="utf-8")
    with pytest.raises(DataError, match="both text and tags"):
        study_keywords(tmp_path)


def test_the_command_writes_page_and_tables(folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["study", "keywords", str(folder), "--out", str(out), "--study-set", "resamples=20", "--json"]
    assert main([*arguments, "--quiet", "--figures", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        **json.loads((out / "study-keywords.json").read_text(encoding="utf-8")),
        "files": told["files"],
    }
    assert told["texts"][0]["text"] == "the report itself"
    assert "keyword F1" in (out / "study-keywords.html").read_text(encoding="utf-8")
    assert (out / "f1-by-finding.svg").is_file()
    assert len((out / "study-keywords-reports.csv").read_text(encoding="utf-8").splitlines()) == 6
    assert (
        main(["study", "keywords", str(folder), "--out", str(out), "--study-set", "text_metrics=false"]) == 0
    )
    assert "held-out reports" in capsys.readouterr().out


def test_wilson_interval_is_that_of_scipy():
    for hits, total in ((0, 7), (3, 7), (7, 7), (180, 200)):
        expected = binomtest(hits, total).proportion_ci(method="wilson")
        assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high))
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_rates_are_those_of_sklearn_and_the_interval_holds_them():
    rng = np.random.default_rng(0)
    tagged = rng.random((300, 3)) < 0.2
    found = tagged ^ (rng.random((300, 3)) < 0.05)
    rates = tag_rates(ALL_FINDINGS, tagged, found)
    assert rates.f1 == pytest.approx(f1_score(tagged, found, average="micro"))
    drawn = [rng.integers(0, 300, 300) for _ in range(1000)]
    plain = np.percentile([f1_score(tagged[i], found[i], average="micro") for i in drawn], [2.5, 97.5])
    assert rates.f1_ci95 == pytest.approx(tuple(plain), abs=0.01)
    assert all(math.isnan(end) for end in f1_interval(tagged & False, found & False))


def test_flipped_reports_say_the_contrary_in_nearly_the_same_words():
    text = (
        "No pleural effusion or pneumothorax is seen in this examination. There is mild cardiomegaly today."
    )
    assert flip_denials(text) == (
        "pleural effusion or pneumothorax is seen in this examination. There is mild no cardiomegaly today."
    )
    assert flip_denials(text, ["Edema"]) == text
    itself, contrary, other = compare_texts([text, "Clear lungs."], KeywordStudySettings().keywords)
    assert (itself.changed, contrary.changed, other.changed) == (0, 1, 2)
    assert contrary.overlap.rouge.rouge1 > 0.9
    assert (contrary.keywords.micro.f1, contrary.keywords.contradicted) == (0, 1)
    assert itself.keywords.micro.f1 == 1


@pytest.mark.realdata
@pytest.mark.slow
def test_real_reports_are_read_as_their_indexers_did(real_data):
    folder = real_data / "iu-xray-reports"
    if not folder.is_dir():
        pytest.skip("no Indiana reports")
    found = study_keywords(folder, KeywordStudySettings(resamples=1, text_metrics=False))
    assert found.used["all"] == 3734
    assert found.row(ALL_FINDINGS).f1 > 0.87
    assert found.row(ALL_FINDINGS, reading="denials not read").f1 < 0.4
    assert found.row(NORMAL).f1 > 0.94
