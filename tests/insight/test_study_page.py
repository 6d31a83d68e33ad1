from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from gaze_insight.insight.curves import Curve, line_chart
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.study_page import (
    StudyContent,
    StudyFigure,
    StudyNumber,
    StudyPictures,
    StudyTable,
    write_figures,
    write_study,
)

from .test_report import Page

CHART = line_chart([Curve("a", [0, 1], [0, 1])], name="c", label="x", x_label="s", y_label="Dice")
CONTENT = StudyContent(
    title="Quality against seconds: demo",
    lead="How long?",
    verdict="3 s are enough.",
    severity="warning",
    numbers=[StudyNumber("Dice", "0.78", "95 % interval")],
    warnings=["Only 9 images."],
    figures=[
        StudyFigure("narrow", "Narrow one", CHART, "The narrow caption."),
        StudyFigure("none", "Missing one", "", "Never shown."),
        StudyFigure("wide", "Wide one", CHART.replace("c-", "w-"), "The wide caption.", wide=True),
    ],
    pictures_title="Scan paths",
    pictures=[StudyPictures("case 7", [Tile("Real", "12 fixations", "a scan path", "data:,x")])],
    tables=[StudyTable("The numbers", "Read me.", ("limit", "Dice"), [("1 s", "0.7\n[0.6, 0.8]")], [0])],
    method=["We cut."],
    facts={"Cohort": "demo"},
    settings="limits: 1",
    command="gaze-insight study time demo",
    version="9.9",
)


def written(tmp_path, **changes) -> str:
    path = tmp_path / "page.html"
    write_study(replace(CONTENT, **changes), path)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_everything_it_is_given(tmp_path):
    html = written(tmp_path)
    page = Page(html)
    for text in (
        "Quality against seconds: demo", "How long?", "3 s are enough.", "0.78", "Only 9 images.",
        "The narrow caption.", "The wide caption.", "Scan paths", "case 7", "12 fixations", "Read me.",
        "<small>[0.6, 0.8]</small>", "We cut.", "limits: 1", "gaze-insight study time demo", "9.9",
    ):  # fmt: skip
        assert text in html, text
    assert "Never shown." not in html
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert [image["alt"] for image in page.images] == ["a scan path"]


def test_figures_are_numbered_in_the_order_in_which_they_stand(tmp_path):
    html = written(tmp_path)
    assert html.index("Figure 1.") < html.index("The wide caption.") < html.index("Figure 2.")
    assert html.index("Figure 2.") < html.index("The narrow caption.")


def test_a_study_without_figures_is_still_a_page(tmp_path):
    html = written(tmp_path, figures=[], tables=[], pictures=[], numbers=[], warnings=[], facts={})
    Page(html)
    assert "<h2>Figures</h2>" not in html


def test_text_cannot_break_the_page(tmp_path):
    nasty = "<script>x</script>"
    rows = [(nasty, nasty)]
    html = written(
        tmp_path, title=nasty, verdict=nasty, tables=[StudyTable(nasty, nasty, (nasty, "b"), rows)]
    )
    assert "<script>" not in html


def test_each_figure_becomes_a_file_that_stands_alone(tmp_path):
    paths = write_figures(CONTENT, tmp_path / "figures")
    assert [path.name for path in paths] == ["narrow.svg", "wide.svg"]
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert root.get("color") == "#000"
        assert root.get("width", "").endswith("pt")
