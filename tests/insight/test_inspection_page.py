from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.cohort.import_report import ImportReport, SizeMismatch
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.left_out import REASONS, count_words
from gaze_insight.insight.findings import Finding, findings_from_import
from gaze_insight.insight.inspection_page import InspectedCase, InspectionContent, SplitRow, write_inspection
from gaze_insight.types import Size

from .factories import disc, looking, photo
from .test_report import Page


def written(tmp_path, **changes) -> str:
    values = {"name": "demo", "cases": 10, "usable": 9, "with_gaze": 9, "with_mask": 8} | changes
    path = tmp_path / "inspection.html"
    write_inspection(InspectionContent(**values), path)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_everything_it_is_given(tmp_path):
    html = written(
        tmp_path,
        with_description=4,
        findings=[
            Finding("ok", "All sizes agree"),
            Finding("warning", "1 image without gaze", "So.", ["img7"]),
        ],
        splits=[SplitRow("train", 7, 7, 6, 1700, 0.5), SplitRow("test", 3, 2, 2)],
        fixations_per_image=[3, 5, 9],
        durations_ms=np.array([120.0, 300.0, 450.0]),
        off_image_share=0.0213,
        centre_first_share=0.93,
        dropped={"off_image": 12, "too_short": 0},
        annotation_hours=2.2,
        annotation_source="trial",
        how_read={"Frame": "image_unit"},
        pictures=[
            InspectedCase("img1", photo(), looking(), disc().astype(np.float32), disc(), "A caption."),
            InspectedCase("img2", photo(), Fixations.empty()),
        ],
        version="0.1.0",
    )
    page = Page(html)
    assert len(page.images) == 3 + 2
    assert all(image["alt"] for image in page.images)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    for text in (
        "Usable, with care.",
        "9 of 10 cases",
        "4 with words",
        "img7",
        "1,700",
        "30 min 0 s",
        "5.7 an image (from 3 to 9)",
        "2.1 %",
        "93 %",
        "12 fixations beside the image",
        "2 h 12 min",
        "image_unit",
        "A caption.",
        "80 × 60 px",
    ):
        assert text in html, text
    assert "too short" not in html
    assert html.index("1 image without gaze") < html.index("All sizes agree")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "Ready to train."),
        ({"findings": [Finding("ok", "fine")]}, "Ready to train."),
        ({"findings": [Finding("ok", "fine"), Finding("warning", "hm")]}, "Usable, with care."),
        ({"findings": [Finding("warning", "hm"), Finding("error", "bad")]}, "Not ready."),
        ({"usable": 0}, "Not ready."),
    ],
)
def test_the_worst_finding_decides_the_verdict(tmp_path, changes, verdict):
    assert verdict in written(tmp_path, **changes)


def test_a_cohort_without_any_gaze_is_still_a_page(tmp_path):
    html = written(tmp_path, cases=0, usable=0, with_gaze=0, with_mask=0)
    Page(html)
    assert "no image has any" in html


def test_ids_cannot_break_the_page(tmp_path):
    nasty = "<script>x</script>"
    assert "<script>" not in written(tmp_path, name=nasty, findings=[Finding("error", nasty, nasty, [nasty])])


def test_an_import_without_trouble_is_all_fine():
    findings = findings_from_import(ImportReport(joined=("a", "b"), rows=20))
    assert {finding.severity for finding in findings} == {"ok"}
    assert "All sizes agree" in [finding.title for finding in findings]


def test_an_import_with_trouble_names_each_kind_with_its_entries():
    report = ImportReport(
        joined=("a",),
        images_without_gaze=("b", "c"),
        gaze_without_image=("d",),
        sizes_disagree=(SizeMismatch("a", None, Size(529, 622), Size(530, 620)),),
        rows=100,
        dropped={"off_image": 7, "too_short": 0},
        bad_files=(("x.png", "truncated"),),
    )
    findings = {finding.title: finding for finding in findings_from_import(report)}
    assert findings["2 images without gaze"].items == ("b", "c")
    assert findings["1 id in the gaze files without an image"].severity == "warning"
    assert findings["1 image whose sizes disagree"].items == ("a: image 622 × 529, outline 620 × 530",)
    assert findings["1 file could not be used"].items == ("x.png: truncated",)
    left_out = findings["7 fixations beside the image: not used"]
    assert left_out.severity == "ok"
    assert left_out.meaning.endswith("The gaze files hold 100 rows.")
    assert not any("too short" in title for title in findings)


@pytest.mark.parametrize("reason", [*REASONS, "eyes_closed"])
def test_each_reason_is_said_in_plain_words_and_none_is_a_warning(tmp_path, reason):
    report = ImportReport(rows=9000, fixations=80, dropped={reason: 1234})
    findings = findings_from_import(report)
    assert {finding.severity for finding in findings} == {"ok"}
    told = [finding for finding in findings if "1,234" in finding.title]
    assert len(told) == (reason != "bad_row")
    for finding in told:
        assert "_" not in finding.title + finding.meaning
        assert finding.meaning.endswith("The gaze files hold 9,000 rows, 80 fixations.")
    html = written(tmp_path, dropped=report.dropped)
    assert count_words(reason, 1234) in html
