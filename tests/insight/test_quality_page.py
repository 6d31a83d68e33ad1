from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.gaze.case_quality import QualityThresholds
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.quality_control import assess
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.insight.figures_gaze import practice_chart, wander_chart
from gaze_insight.insight.quality_page import FlaggedCase, QualityContent, write_quality

from .factories import disc, looking, photo
from .test_report import Page


def readings(count: int = 40, annotator: str = "ann", drift: float = 0.0):
    rng = np.random.default_rng(0)
    made, facts = {}, {}
    for k in range(count):
        points = np.vstack([rng.normal((0.5 + drift * k, 0.5), 0.01), rng.normal(0.4, 0.05, (20, 2))])
        rows = [(x, y, 300.0 + k, 350.0 * at) for at, (x, y) in enumerate(points)]
        made[f"{annotator}{k}"] = Fixations.from_rows(rows, annotator=annotator)
        facts[f"{annotator}{k}"] = RecordingFacts(order=k, fixations=21, loss_share=0.05)
    return made, facts


def written(tmp_path, report, **changes) -> str:
    path = tmp_path / "quality.html"
    write_quality(QualityContent("demo", report, **changes), path)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_everything_it_is_given(tmp_path):
    made, facts = readings(drift=0.004)
    made["ann0"] = made["ann0"].select(np.arange(3))
    report = assess(made, facts, targets={"ann1": disc(), "ann2": disc()})
    row = report.flagged[0]
    html = written(
        tmp_path,
        report,
        without_gaze=2,
        simulated=1,
        pictures=[FlaggedCase(row, photo(), looking(), disc())],
        problems=["x: expected an image file, found nothing"],
        correction="39 readings were moved back.",
        version="9.9",
    )
    page = Page(html)
    assert len(page.images) == 2
    assert len(set(page.ids)) == len(page.ids)
    assert not [link for link in page.links if link.startswith(("http:", "https:", "//"))]
    for text in ("Usable, with care.", "very few fixations", "ann0", "39 readings were moved back.", "9.9",
                 "2 cases without gaze", "of 1 case is simulated",
                 "on target", "Does the tracker keep its place?",
                 "first fixations drift by", "max_loss_share", "5.0 %"):  # fmt: skip
        assert text in html, text


@pytest.mark.parametrize(
    ("made", "verdict"),
    [({}, "There is nothing to judge."), ({"a": Fixations.empty()}, "Not to be trusted.")],
)
def test_the_verdict_of_a_cohort_without_a_sound_reading(tmp_path, made, verdict):
    html = written(tmp_path, assess(made))
    Page(html)
    assert verdict in html


def test_a_sound_cohort_is_called_sound_and_missing_facts_leave_no_gap(tmp_path):
    made, facts = readings()
    html = written(tmp_path, assess(made, facts, QualityThresholds(max_coverage_ratio=9)))
    assert "Looks sound." in html
    assert "None" not in html
    assert "Offset of the first look" not in html


def test_names_are_text_and_not_markup(tmp_path):
    made, _ = readings(3)
    html = written(tmp_path, assess({"<b>x": made["ann0"]}))
    assert "<b>x" not in html


def test_the_charts_need_an_order_and_enough_readings():
    made, facts = readings(12)
    with_order = {"ann": assess(made, facts).cases}
    assert practice_chart({"ann": assess(made).cases}) == ""
    assert practice_chart(with_order).startswith("<svg")
    assert wander_chart(with_order, 31) == ""
    assert wander_chart(with_order, 5).startswith("<svg")


def test_of_many_sessions_the_longest_are_drawn_and_named():
    sessions = {}
    for count in range(3, 10):
        made, facts = readings(count, f"reader{count}")
        sessions[f"reader{count}"] = assess(made, facts).cases
    chart = practice_chart(sessions)
    assert all(f"reader{count}" in chart for count in range(5, 10))
    assert "reader4" not in chart
