from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.insight.chest_making import FINDINGS, page, shown, summary

from gaze_insight.insight.chest_report import ChestPage, write_chest_page
from gaze_insight.insight.chest_report_scores import report_notes, report_tables
from gaze_insight.insight.chest_tables import agreement_rows, average_rows, headline, mean_and_range


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("page") / "report.html"
    write_chest_page(page(), target)
    return target.read_text(encoding="utf-8")


def test_the_page_needs_no_other_file_and_no_network(whole: str):
    addresses = re.findall(r'(?:src|href|url\()\s*=?\s*["(]?([^")\s>]+)', whole)
    assert [one for one in addresses if not one.startswith(("#", "data:"))] == []
    assert whole.count("<img") == len(re.findall(r'<img src="data:image/jpeg;base64,', whole)) == 5 + 5 + 4


def test_the_page_shows_every_scored_finding_and_names_the_others(whole: str):
    for name in FINDINGS[:-1]:
        assert f"<tr><td>{name}</td>" in whole
    assert "<tr><td>Hernia</td>" not in whole
    assert "Hernia (no case has a label)" in whole
    assert "Hernia: too few to fit" in whole
    assert "Mean over findings (macro)" in whole


def test_the_page_says_what_was_learned_from_what(whole: str):
    assert "<th>with gaze</th>" in whole
    assert "<td>210</td>" in whole
    assert "<dt>uncertain</dt><dd>ignore</dd>" in whole
    assert "blank: 120" in whole


def test_called_missed_and_false_findings_are_told_apart(whole: str):
    assert "Pleural Effusion 0.81: right" in whole
    assert "Atelectasis 0.20: missed" in whole
    assert "Edema 0.55: false alarm" in whole
    assert "Hernia 0.60: called, unlabelled" in whole
    assert "Pneumothorax 0.10" not in whole


def test_a_page_of_a_run_without_anything_says_so(tmp_path: Path):
    empty = np.empty((0, 0))
    write_chest_page(ChestPage("A run", {"findings": [], "test": {}}, empty, empty), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No scores." in text
    assert "<svg" not in text


def test_text_of_reports_is_shown_and_cannot_break_the_page(tmp_path: Path):
    cases = [shown(report="<script>alert(1)</script>", probabilities={}, labels={})]
    write_chest_page(page(cases=cases), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert "No finding is called, and none is labelled." in text
    assert "Small left effusion." in text


def test_numbers_are_those_of_the_summary():
    facts = summary()
    auc = facts["test"]["classifier"]["auc_macro"]
    first = headline(facts)[0]
    assert first["value"] == f"{auc['mean']:.2f}"
    assert f"{auc['ci95'][0]:.2f} to {auc['ci95'][1]:.2f}" in first["range"]
    assert average_rows(facts["test"]["classifier"])[1]["cells"][0].mean == (
        f"{facts['test']['classifier']['auc_micro']['mean']:.2f}"
    )
    rows = {row["title"]: row for row in agreement_rows(facts["test"]["attention"])}
    assert rows["CC"]["left_out"] == "23 no gaze"
    assert rows["CC"]["count"] == 67
    assert rows["Box energy"]["left_out"] == ""


def test_what_is_not_defined_is_a_dash():
    assert mean_and_range({"mean": None, "ci95": None}) == ("–", "")
    assert mean_and_range({"mean": 0.5, "ci95": None}) == ("0.50", "")
    assert headline({"test": {"classifier": {"auc_macro": {"mean": None, "ci95": None}}}})[0]["value"] == "–"


def test_reports_are_held_against_controls():
    facts = summary()["test"]["report"]
    words, regions = report_tables(facts)
    assert words["columns"] == ["This run's reports", "Everything denied"]
    by_title = {row["title"]: [cell.mean for cell in row["cells"]] for row in words["rows"]}
    assert by_title == {
        "Keyword recall": ["0.50", "–"],
        "Keyword F1": ["0.52", "–"],
        "ROUGE-L": ["0.31", "–"],
    }
    assert regions["columns"] == ["Attention", "Prior alone", "Attention minus prior"]
    assert [cell.mean for cell in regions["rows"][0]["cells"]] == ["0.60", "0.50", "0.10"]
    assert report_notes(facts) == ["Compared with 60 reference reports.", "rouge-score with stemming."]
    assert report_notes({"text": {"missing": "install it"}}) == ["Words were not compared: install it"]
    assert report_tables({}) == []
