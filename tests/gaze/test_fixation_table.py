from __future__ import annotations

import pytest

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.gaze.quality import summarise
from gaze_insight.gaze.readers.fixation_table import FixationColumns, read_fixation_table
from gaze_insight.types import Size

HEADER = ["IMAGE", "CURRENT_FIX_X", "CURRENT_FIX_Y", "CURRENT_FIX_DURATION", "CURRENT_FIX_START"]
GOOD = [["a.jpg", "0.5", "0.5", "200", "7"], ["a.jpg", "0.25", "0.75", "300", "230"]]
PLAIN = FixationColumns(image="img", x="x", y="y", duration_ms="t", start_ms=None)


@pytest.fixture
def table(tmp_path):
    def write(rows, header=HEADER, *, delimiter=",", name="gaze.csv", encoding="utf-8", newline="\n"):
        path = tmp_path / name
        lines = [delimiter.join(map(str, row)) for row in [header, *rows]]
        path.write_bytes((newline.join(lines) + newline).encode(encoding))
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_reads_any_delimiter_mark_and_line_end(table, delimiter, encoding, newline):
    path = table(GOOD, delimiter=delimiter, encoding=encoding, newline=newline)
    reading = read_fixation_table(path)
    assert reading.fixations["a"].to_rows() == [[0.5, 0.5, 200, 7], [0.25, 0.75, 300, 230]]
    assert reading.rows == 2
    assert reading.dropped == {"bad_row": 0, "too_short": 0, "off_image": 0}


def test_quoted_cells_blank_lines_and_order(table):
    rows = [['"b,1.png"', 0.5, 0.5, 100, 900], [], ['"b,1.png"', 0.1, 0.5, 100, 5]]
    reading = read_fixation_table(table(rows))
    assert reading.fixations["b,1"].start_ms.tolist() == [5, 900]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scans/x.JPG", "x"),
        ("scans\\x.png", "x"),
        ("slice.5", "slice.5"),
        ("Prostate3T-01_14.nii.gz", "Prostate3T-01_14"),
        (" x ", "x"),
    ],
)
def test_the_id_is_the_stem(table, name, expected):
    reading = read_fixation_table(table([[name, 0.5, 0.5, 100, 0]]))
    assert list(reading.fixations) == [expected]


def test_without_starts_fixations_follow_each_other(table):
    rows = [["a", 0.1, 0.1, 100], ["b", 0.5, 0.5, 60], ["a", 0.2, 0.2, 70]]
    reading = read_fixation_table(table(rows, ["img", "x", "y", "t"]), PLAIN)
    assert reading.fixations["a"].start_ms.tolist() == [0, 100]
    assert reading.fixations["b"].start_ms.tolist() == [0]


def test_seconds_become_milliseconds(table):
    columns = FixationColumns(time_unit="s")
    reading = read_fixation_table(table([["a", 0.5, 0.5, 0.2, 1.5]]), columns)
    assert reading.fixations["a"].to_rows() == [[0.5, 0.5, 200, 1500]]


def test_sizes_annotators_and_pixels(table):
    header = [*HEADER, "IMAGE_HEIGHT", "IMAGE_WIDTH", "who"]
    rows = [["a", 30, 20, 100, 0, 100.0, 200, "ch"], ["a", 190, 120, 100, 200, 100.0, 200, "ch"]]
    reading = read_fixation_table(table(rows, header), FixationColumns(annotator="who"), "image_px")
    kept = reading.fixations["a"]
    assert reading.sizes == {"a": Size(100, 200)}
    assert (kept.annotator, kept.image_size, kept.frame, len(kept)) == ("ch", Size(100, 200), "image_px", 1)
    assert reading.dropped["off_image"] == 1
    assert summarise(reading).off_image_share == 0.5
    assert summarise(reading).annotators == {"ch": 1}


def test_sizes_that_disagree_are_a_problem_and_the_majority_is_kept(table):
    header = [*HEADER, "IMAGE_HEIGHT", "IMAGE_WIDTH"]
    rows = [["a", 0.5, 0.5, 100, k, 100, 200 if k != 2 else 300] for k in range(5)]
    reading = read_fixation_table(table(rows, header))
    assert reading.sizes == {"a": Size(100, 200)}
    (problem,) = reading.problems
    assert "100 x 200 and 100 x 300" in str(problem)
    assert problem.row == 4
    assert len(reading.fixations["a"]) == 5


def test_short_and_off_image_fixations_are_counted(table):
    rows = [*GOOD, ["a", 0.5, 0.5, 49, 600], ["a", 1.2, 0.5, 100, 700], ["c", -0.1, 0.5, 100, 0]]
    dropping = read_fixation_table(table(rows))
    assert dropping.dropped == {"bad_row": 0, "too_short": 1, "off_image": 2}
    assert len(dropping.fixations["a"]) == 2
    assert len(dropping.fixations["c"]) == 0
    keeping = read_fixation_table(table(rows), off_image="keep", min_duration_ms=0)
    assert keeping.dropped == {"bad_row": 0, "too_short": 0, "off_image": 0}
    assert (keeping.off_image, keeping.measured, len(keeping.fixations["a"])) == (2, 5, 4)


def test_screen_positions_are_all_kept(table):
    reading = read_fixation_table(table([["a", 900, 800, 100, 0]]), frame="screen_px")
    assert len(reading.fixations["a"]) == 1
    assert summarise(reading).off_image_share is None


BAD = {
    "text": (["a", "left", 0.5, 100, 0], "CURRENT_FIX_X must be a number, found 'left'"),
    "nan": (["a", 0.5, "NaN", 100, 0], "CURRENT_FIX_Y must be finite, found 'NaN'"),
    "infinite": (["a", 0.5, 0.5, 100, "inf"], "CURRENT_FIX_START must be finite"),
    "blank": (["a", 0.5, "", 100, 0], "CURRENT_FIX_Y must be a number, found ''"),
    "negative": (["a", 0.5, 0.5, -4, 0], "CURRENT_FIX_DURATION must be above 0, found -4"),
    "zero": (["a", 0.5, 0.5, 0, 0], "CURRENT_FIX_DURATION must be above 0, found 0"),
    "no image": (["", 0.5, 0.5, 100, 0], "IMAGE must name an image"),
    "short row": (["a", 0.5], "the row has 2 cells and none for 'CURRENT_FIX_DURATION'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_is_named_or_skipped(table, kind):
    row, message = BAD[kind]
    path = table([*GOOD, row, *GOOD, row])
    with pytest.raises(DataError) as caught:
        read_fixation_table(path)
    assert message in str(caught.value)
    assert "(and 1 more bad rows)" in str(caught.value)
    assert (caught.value.path, caught.value.row) == (path, 4)
    skipped = read_fixation_table(path, on_bad_row="skip")
    assert skipped.dropped["bad_row"] == 2
    assert [problem.row for problem in skipped.problems] == [4, 7]
    assert (skipped.rows, len(skipped.fixations["a"])) == (6, 4)


def test_a_missing_column_names_those_found_and_the_nearest(table):
    path = table([], ["IMAGE", "current_fix_x", "CURRENT_FIX_Y", "DURATION", "CURRENT_FIX_START"])
    with pytest.raises(DataError) as caught:
        read_fixation_table(path)
    text = str(caught.value)
    assert "lacks the column 'CURRENT_FIX_X', 'CURRENT_FIX_DURATION'" in text
    assert "found: IMAGE, current_fix_x, CURRENT_FIX_Y, DURATION" in text
    assert "'CURRENT_FIX_X' could be 'current_fix_x'" in text
    assert caught.value.path == path


def test_a_column_named_twice_is_refused(table):
    with pytest.raises(DataError, match="more than once"):
        read_fixation_table(table([], [*HEADER, "IMAGE"]))


def test_files_that_are_no_tables(tmp_path):
    for name, content, message in [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("image.png", b"\x89PNG\xff\xfe\x00", "not UTF-8 text"),
        ("folder", None, "cannot be read"),
        ("absent.csv", ..., "does not exist"),
    ]:
        path = tmp_path / name
        if content is None:
            path.mkdir()
        elif content is not ...:
            path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            read_fixation_table(path)
        assert caught.value.path == path


def test_a_header_alone_gives_no_reading(table):
    reading = read_fixation_table(table([]))
    assert (reading.fixations, reading.rows) == ({}, 0)
    assert summarise(reading).images == 0


def test_a_negative_minimum_is_refused(table):
    with pytest.raises(SettingsError, match="min_duration_ms"):
        read_fixation_table(table(GOOD), min_duration_ms=-1)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "rows", "images", "mean_count", "fixation_h", "trial_h"),
    [("kvasir", 23525, 880, 26.73, 2.192, 2.436), ("nci-isbi", 17397, 789, 22.05, 1.693, 1.810)],
)
def test_published_tables(real_data, file, rows, images, mean_count, fixation_h, trial_h):
    reading = read_fixation_table(real_data / "gazemedseg" / f"{file}_fixation.csv")
    assert (reading.rows, len(reading.fixations), len(reading.sizes)) == (rows, images, images)
    assert sum(reading.dropped.values()) == 0
    assert reading.problems == []
    summary = summarise(reading)
    assert summary.per_image_mean == pytest.approx(mean_count, abs=0.01)
    assert summary.off_image_share == 0
    assert summary.centre_first_share > 0.8
    assert annotation_time(reading.fixations, "fixation").hours == pytest.approx(fixation_h, abs=1e-3)
    assert annotation_time(reading.fixations).hours == pytest.approx(trial_h, abs=1e-3)


def test_a_decimal_comma_and_utf_16(table):
    rows = [["a.jpg", "0,5", "0,25", "200", "7,5"]]
    path = table(rows, delimiter=";", encoding="utf-16")
    reading = read_fixation_table(path, FixationColumns(decimal=","))
    assert reading.fixations["a"].to_rows() == [[0.5, 0.25, 200, 7.5]]


def test_the_order_of_viewing_is_that_of_the_first_rows_where_that_is_stated(table):
    rows = [["c", 0.1], ["a", 0.1], ["c", 0.2], ["b", 0.1]]
    path = table([[one, x, 0.5, 100, 0] for one, x in rows])
    assert {facts.order for facts in read_fixation_table(path).facts.values()} == {None}
    reading = read_fixation_table(path, FixationColumns(in_viewing_order=True))
    assert {one: facts.order for one, facts in reading.facts.items()} == {"c": 0, "a": 1, "b": 2}
    assert {facts.session for facts in reading.facts.values()} == {None}


def test_each_annotator_has_an_order_of_viewing(table):
    rows = [["a", "p"], ["z", "q"], ["b", "p"], ["y", "q"], ["c", "p"]]
    path = table([[one, 0.5, 0.5, 100, 0, who] for one, who in rows], [*HEADER, "who"])
    reading = read_fixation_table(path, FixationColumns(in_viewing_order=True, annotator="who"))
    assert {one: facts.order for one, facts in reading.facts.items()} == {
        "a": 0,
        "b": 1,
        "c": 2,
        "z": 0,
        "y": 1,
    }


def test_a_row_left_out_does_not_move_the_order(table):
    path = table([["c", 0.5, 0.5, 10, 0], ["a", "x", 0.5, 100, 0], ["b", 0.5, 0.5, 100, 0]])
    columns = FixationColumns(in_viewing_order=True)
    reading = read_fixation_table(path, columns, on_bad_row="skip")
    assert {one: facts.order for one, facts in reading.facts.items()} == {"c": 0, "b": 1}
