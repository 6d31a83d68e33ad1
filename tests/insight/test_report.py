from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.evaluation.cases import score_case
from gaze_insight.evaluation.overlap import EmptyPolicy
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.report import ReportCase, ReportContent, write_report

from .factories import full_case, history, scored, summary_of, words

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        self.links += [values[key] for key in ("href", "src", "xlink:href") if values.get(key)]
        self.ids += [values["id"]] if values.get("id") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("href", "src", "xlink:href") and value]
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def content() -> ReportContent:
    scores = scored()
    return ReportContent(
        title="A run",
        summary=summary_of(scores),
        scores=scores,
        history=history(),
        cases=[full_case("best"), full_case("median", "case2"), full_case("worst", "case3")],
        cohort_facts={"Images": 1234, "Readers": 1},
        config={"method": {"kind": "fgi"}},
        environment={"torch": "2.13.0"},
        protocol_text="The checkpoint was chosen on the validation images.",
        empty_policy=EmptyPolicy().describe(),
        warnings=["Only one seed."],
        command="gaze-insight train --seed 3",
        created="2025-01-01",
        version="0.1.0",
    )


def written(content: ReportContent, tmp_path) -> str:
    path = tmp_path / "report.html"
    write_report(content, path)
    return path.read_text(encoding="utf-8")


def test_the_page_is_wellformed_and_needs_nothing_from_outside(content, tmp_path):
    html = written(content, tmp_path)
    page = Page(html)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert not re.search(r"<script|@import|url\(http", html)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_every_picture_has_an_alternative_text_and_a_caption(content, tmp_path):
    page = Page(written(content, tmp_path))
    assert len(page.images) == 3 * 8
    assert all("case" in (image["alt"] or "") for image in page.images)


def test_the_page_says_the_numbers_of_the_summary(content, tmp_path):
    html = written(content, tmp_path)
    dice = content.summary["test"]["student"]["dice"]
    assert f"<b>{dice['mean']:.2f}</b>" in html
    assert f"{dice['ci95'][0]:.2f} to {dice['ci95'][1]:.2f}" in html
    for text in (
        "Only one seed.",
        "2 h 12 min",
        "1,234",
        "train: 40, val: 5, test: 9",
        "kind: fgi",
        "2.0 GB",
    ):
        assert text in html
    assert "gaze-insight train --seed 3" in html
    assert "distance = the image&#39;s diagonal" in html
    assert html.count("<tr><td>case") == len(content.scores)


def test_the_head_that_matters_stands_first_in_the_table(content, tmp_path):
    html = written(replace(content, main_head="teacher"), tmp_path)
    order = [html.index(f"<td>{name}<small>") for name in ("Teacher", "Student", "Labels from gaze")]
    assert order[0] < order[1] < order[2]


def test_rows_over_different_images_say_so(content, tmp_path):
    assert "compare them with care" not in written(content, tmp_path)
    scores = [s for s in content.scores if s.head == "student" or s.id < "case5"]
    html = written(replace(content, scores=scores, summary=summary_of(scores)), tmp_path)
    assert "compare them with care" in html
    assert "(5 images)" in html


def test_text_from_files_cannot_break_the_page(content, tmp_path):
    nasty = '<script>alert("x")</script>'
    case = replace(full_case(), id=nasty, caption=nasty, description=words(nasty))
    broken = replace(content, title=nasty, cases=[case], warnings=[nasty], cohort_facts={nasty: nasty})
    html = written(broken, tmp_path)
    Page(html)
    assert "<script>" not in html


def test_millimetres_are_shown_where_they_are_known(content, tmp_path):
    assert "HD95 mm" not in written(content, tmp_path)
    truth = np.zeros((20, 20), bool)
    truth[5:15, 5:15] = True
    scores = [
        score_case(np.roll(truth, k, 0), truth, (0.5, 0.5), id=str(k), head="student") for k in range(4)
    ]
    html = written(replace(content, scores=scores, summary=summary_of(scores)), tmp_path)
    assert "HD95 mm" in html
    assert "ASD, mm" in html


def test_a_run_without_true_masks_says_so(tmp_path):
    case = ReportCase("a", np.zeros((8, 8, 3), np.uint8), "shown", student_prob=np.ones((8, 8)))
    html = written(ReportContent("A run", {"method": "unet", "test": {}}, cases=[case]), tmp_path)
    page = Page(html)
    assert "No scores." in html
    assert len(page.images) == 2
    assert "chosen by their score" not in html


def test_a_case_without_fixations_says_that_nothing_was_recorded(tmp_path):
    case = ReportCase("a", np.zeros((8, 8, 3), np.uint8), "worst", fixations=Fixations.empty())
    assert "Nothing was recorded" in written(ReportContent("A run", {}, cases=[case]), tmp_path)


def test_a_case_with_an_image_of_the_wrong_kind_is_refused_and_the_old_page_stays(content, tmp_path):
    path = tmp_path / "report.html"
    write_report(content, path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="uint8"):
        write_report(replace(content, cases=[ReportCase("a", np.zeros((8, 8)), "best")]), path)
    assert path.read_bytes() == before


def test_the_same_content_gives_the_same_bytes(content, tmp_path):
    assert written(content, tmp_path) == written(content, tmp_path)
