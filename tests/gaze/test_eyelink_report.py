"""EyeLink Data Viewer fixation reports: generated tables with known answers, and their malformed twins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.geometry import Geometry, Rect, View
from gaze_insight.gaze.readers.decimal_mark import with_decimal_mark
from gaze_insight.gaze.readers.eyelink_report import (
    EYELINK_REPORT,
    EyeLinkReportSettings,
    read_eyelink_report,
)
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.table import Table

NAMES = [
    "RECORDING_SESSION_LABEL",
    "TRIAL_INDEX",
    "CURRENT_FIX_X",
    "CURRENT_FIX_Y",
    "CURRENT_FIX_START",
    "CURRENT_FIX_DURATION",
    "image",
]


def report(folder: Path, rows: list[str], names: list[str] = NAMES, between: str = "\t", **how) -> Path:
    file = folder / "report.txt"
    lines = [" ".join(names), *rows]
    file.write_text("\n".join(between.join(line.split()) for line in lines) + "\n", **how)
    return file


GOOD = ["s1 1 500 125 30 200 img/a.png", "s1 1 250 250 300 150 img/a.png", "s1 2 10 20 5 100 img/b.png"]


class TestGoodReports:
    @pytest.mark.parametrize("between", ["\t", ",", ";"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_showings(self, tmp_path, between, encoding):
        reading = read_eyelink_report(report(tmp_path, GOOD, between=between, encoding=encoding))
        assert reading.fixations["a"].to_rows() == [[500, 125, 200, 30], [250, 250, 150, 300]]
        assert reading.fixations["a"].frame == "screen_px"
        assert reading.fixations["b"].annotator == "s1"
        assert (reading.facts["b"].session, reading.facts["b"].order) == ("s1", 1)
        assert reading.rows == 3

    def test_places_by_geometry(self, tmp_path):
        view = View(screen_px=Rect(left=0, top=0, width=1000, height=500))
        context = ReadingContext(geometry=Geometry(views=(view,)))
        assert read_eyelink_report(report(tmp_path, GOOD), context=context).fixations["a"].to_rows()[0] == [
            0.5,
            0.25,
            200,
            30,
        ]

    def test_trials_are_put_in_order(self, tmp_path):
        rows = ["s1 10 1 1 5 100 late.png", "s1 9 1 1 5 100 early.png", "s2 1 1 1 5 100 other.png"]
        facts = read_eyelink_report(report(tmp_path, rows)).facts
        assert [facts[name].order for name in ("early", "late", "other")] == [0, 1, 0]

    def test_an_image_seen_twice_is_one_reading(self, tmp_path):
        rows = ["s1 1 1 1 5 100 a.png", "s2 1 2 2 7 100 a.png"]
        found = read_eyelink_report(report(tmp_path, rows))
        assert found.fixations["a"].x.tolist() == [1, 2]
        assert found.fixations["a"].annotator == "s1+s2"

    def test_decimal_comma(self, tmp_path):
        rows = ["s1 1 500,5 125,25 30 200 a.png", "s1 1 7 8 300 150 a.png"]
        found = read_eyelink_report(report(tmp_path, rows)).fixations["a"]
        assert found.x.tolist() == [500.5, 7]

    def test_missing_values_are_counted(self, tmp_path):
        rows = [*GOOD, "s1 3 . . 5 100 a.png", "s1 4 1 1 5 100 .", "s1 5 1 1 5 100 UNDEFINEDnull"]
        assert read_eyelink_report(report(tmp_path, rows)).dropped | {"too_short": 0} == {
            "bad_row": 0,
            "too_short": 0,
            "off_image": 0,
            "no_position": 1,
            "no_image": 2,
        }

    def test_clock_and_time_shown_where_stated(self, tmp_path):
        names = [*NAMES, "TRIAL_START_TIME", "IP_DURATION"]
        rows = ["s1 1 500 125 30 200 a.png 7000 4000", "s1 2 500 125 30 200 b.png . ."]
        reading = read_eyelink_report(report(tmp_path, rows, names))
        assert reading.fixations["a"].start_ms.tolist() == [7030]
        assert reading.facts["a"].trial_ms == 4000
        assert reading.fixations["b"].start_ms.tolist() == [30]
        assert reading.facts["b"].trial_ms is None

    @pytest.mark.parametrize(("eye", "x"), [("best", [3.0]), ("left", [1.0, 2.0]), ("right", [3.0])])
    def test_both_eyes_in_one_trial(self, tmp_path, eye, x):
        rows = [
            "s1 1 1 1 5 100 a.png LEFT",
            "s1 1 2 1 105 100 a.png LEFT",
            "s1 1 3 1 5 300 a.png RIGHT",
        ]
        file = report(tmp_path, rows, [*NAMES, "EYE_USED"])
        reading = read_eyelink_report(file, EyeLinkReportSettings(eye=eye))
        assert reading.fixations["a"].x.tolist() == x
        assert reading.dropped["other_eye"] == 3 - len(x)

    def test_other_columns(self, tmp_path):
        names = [*NAMES[:-1], "slide", "reader"]
        file = report(tmp_path, ["s1 1 5 6 30 200 a.png anna"], names)
        settings = EyeLinkReportSettings(image="slide", annotator="reader")
        assert read_eyelink_report(file, settings).fixations["a"].annotator == "anna"

    def test_registered(self):
        assert GAZE_FORMATS["eyelink_report"] is EYELINK_REPORT


class TestBadReports:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("s1 2 abc 125 30 200 a.png", "row 5: CURRENT_FIX_X must be a number, found 'abc'"),
            ("s1 2 5 inf 30 200 a.png", "row 5: CURRENT_FIX_Y must be finite"),
            ("s1 2 5 5 30 0 a.png", "row 5: CURRENT_FIX_DURATION must be above 0, found 0"),
            ("s1 2 5 5 30 . a.png", "row 5: CURRENT_FIX_DURATION must be a number"),
            ("s1 2 5 5 4 100 b.png", r"row 5: time goes back within trial 2: 4 ms"),
            ("s1 2 5 5", "row 5: the row has 4 cells"),
        ],
    )
    def test_bad_row(self, tmp_path, row, message):
        file = report(tmp_path, [*GOOD, row])
        with pytest.raises(DataError, match=message):
            read_eyelink_report(file)
        reading = read_eyelink_report(file, context=ReadingContext(on_bad_row="skip"))
        assert reading.dropped["bad_row"] == 1
        assert len(reading.fixations["a"]) == 2

    def test_missing_column(self, tmp_path):
        names = ["CURRENT_FIXX" if name == "CURRENT_FIX_X" else name for name in NAMES]
        with pytest.raises(
            DataError, match=r"(?s)row 1: the table lacks the column 'CURRENT_FIX_X'.*could be"
        ):
            read_eyelink_report(report(tmp_path, GOOD, names))

    @pytest.mark.parametrize(
        ("name", "settings", "message"),
        [
            ("scan", {}, "no column names the image; found: RECORDING"),
            ("scan", {"image": "slide"}, "lacks the column 'slide'"),
        ],
    )
    def test_no_image_column(self, tmp_path, name, settings, message):
        with pytest.raises(DataError, match=message):
            read_eyelink_report(
                report(tmp_path, GOOD, [*NAMES[:-1], name]), EyeLinkReportSettings(**settings)
            )

    def test_two_image_columns(self, tmp_path):
        rows = [f"{row} x" for row in GOOD]
        with pytest.raises(DataError, match="2 columns could name the image; found: image, IMAGE_NAME"):
            read_eyelink_report(report(tmp_path, rows, [*NAMES, "IMAGE_NAME"]))

    def test_no_gaze(self, tmp_path):
        for rows in ([], ["s1 3 . . 5 100 a.png"]):
            with pytest.raises(DataError, match="holds a fixation with a position"):
                read_eyelink_report(report(tmp_path, rows))

    def test_mixed_decimal_marks(self, tmp_path):
        rows = ["s1 1 500,5 125 30 200 a.png", "s1 1 7.5 8 300 150 a.png"]
        with pytest.raises(DataError, match="decimal comma in row 2 and a decimal point in row 3"):
            read_eyelink_report(report(tmp_path, rows))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty"),
            ("a\tä\n".encode("latin-1"), "not UTF-8"),
            (b"\xd0\xcf\x11\xe0\x00\x00", "not UTF-8"),
        ],
    )
    def test_not_text(self, tmp_path, content, message):
        file = tmp_path / "report.xls"
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_eyelink_report(file)


def test_stated_decimal_mark():
    table = Table(Path("a.tsv"), ("x",), [["1,5"]], [2])
    assert next(with_decimal_mark(table, ["x"], ",").rows()).number("x") == 1.5
    with pytest.raises(DataError, match="must be a number"):
        next(with_decimal_mark(table, ["x"], ".").rows()).number("x")
