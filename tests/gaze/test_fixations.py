from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Size

unit = st.floats(0, 1)
rows = st.lists(st.tuples(unit, unit, st.floats(1, 5000), st.floats(0, 1e5)), max_size=20)
sizes = st.builds(Size, st.integers(1, 4000), st.integers(1, 4000))


def reading(**changes) -> Fixations:
    columns = {
        "x": [0.1, 0.5, 0.9],
        "y": [0.2, 0.5, 0.8],
        "duration_ms": [100, 200, 300],
        "start_ms": [7, 120, 350],
        "frame": "image_unit",
    }
    return Fixations(**(columns | changes))


@given(rows, sizes)
def test_frames_go_there_and_back(table, size):
    before = Fixations.from_rows(table)
    pixels = before.to_frame("image_px", image_size=size)
    after = pixels.to_frame("image_unit")
    np.testing.assert_allclose(after.x, before.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(after.y, before.y, rtol=1e-12, atol=1e-12)
    assert before.inside.all()
    assert after.inside.all()
    assert pixels.inside.all()
    assert pixels.image_size == after.image_size == size


@given(rows)
def test_rows_go_there_and_back_in_time_order(table):
    fixations = Fixations.from_rows(table)
    assert fixations.to_rows() == [list(row) for row in sorted(table, key=lambda row: row[3])]
    assert Fixations.from_rows(fixations.to_rows()).to_rows() == fixations.to_rows()


@given(rows, st.floats(1, 2e5))
def test_until_never_looks_past_the_limit(table, ms):
    fixations = Fixations.from_rows(table)
    cut = fixations.until(ms)
    assert cut.total_duration_ms <= fixations.total_duration_ms
    assert cut.span_ms <= ms * (1 + 1e-9) + 1e-6
    if len(cut):
        np.testing.assert_array_equal(cut.start_ms, fixations.start_ms[: len(cut)])


def test_pixel_positions_follow_a_resized_copy():
    small = reading().to_frame("image_px", image_size=Size(100, 200))
    large = small.to_frame("image_px", image_size=Size(200, 800))
    np.testing.assert_allclose(large.x, [80, 400, 720])
    np.testing.assert_allclose(large.y, [40, 100, 160])


def test_pixels_of_another_size_are_refused():
    pixels = reading().to_frame("image_px", image_size=Size(100, 200))
    with pytest.raises(DataError, match=r"100 x 200.*said to be 50 x 60"):
        pixels.to_frame("image_unit", image_size=Size(50, 60))


@pytest.mark.parametrize(
    ("frame", "target", "fact"),
    [
        ("image_unit", "image_px", "size in pixels"),
        ("image_px", "image_unit", "size in pixels"),
        ("screen_px", "image_unit", "where the image stood on the screen"),
        ("image_unit", "degrees", "viewing distance"),
    ],
)
def test_a_conversion_names_the_missing_fact(frame, target, fact):
    with pytest.raises(DataError, match=fact):
        reading(frame=frame).to_frame(target)


def test_a_frame_stays_without_facts():
    degrees = reading(frame="degrees")
    assert degrees.to_frame("degrees").x.tolist() == degrees.x.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": [0.1, 0.2]}, "equal lengths"),
        ({"x": [0.1, np.nan, 0.2]}, "x must be finite, found nan at fixation 1"),
        ({"y": [0.1, np.inf, 0.2]}, "y must be finite"),
        ({"duration_ms": [100, 0, 5]}, "duration_ms must be above 0, found 0 at fixation 1"),
        ({"duration_ms": [100, 5, -3]}, "found -3 at fixation 2"),
        ({"start_ms": [7, 6, 9]}, "fixation 1 starts before"),
        ({"x": [[0.1, 0.2, 0.3]]}, r"shape \(N,\)"),
        ({"x": ["a", "b", "c"]}, "x must hold numbers"),
        ({"frame": "inches"}, "unknown frame 'inches'"),
        ({"image_size": (0, 5)}, "image_size"),
    ],
)
def test_values_that_cannot_be_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        reading(**changes)


@pytest.mark.parametrize("row", [(1, 2, 3), (1, 2, 3, 4, 5), (1, 2, "long", 4), (1, 2, 3, None)])
def test_a_row_without_four_numbers_is_refused(row):
    with pytest.raises(DataError):
        Fixations.from_rows([(0.1, 0.1, 100, 0), row])


def test_nothing_inside_can_be_changed():
    source = np.array([0.1, 0.5, 0.9])
    fixations = reading(x=source)
    source[:] = 7
    assert fixations.x.tolist() == [0.1, 0.5, 0.9]
    with pytest.raises(ValueError, match="read-only"):
        fixations.x[0] = 3


def test_edges_are_inside_and_beyond_is_not():
    rows = [(0, 1, 9, 0), (1, 0, 9, 1), (-1e-9, 0.5, 9, 2), (0.5, 1.01, 9, 3)]
    fixations = Fixations.from_rows(rows)
    assert fixations.inside.tolist() == [True, True, False, False]


def test_select_takes_masks_and_indices_and_keeps_the_rest():
    fixations = reading(annotator="zy", image_size=(10, 20))
    late = fixations.select(fixations.start_ms > 100)
    assert late.x.tolist() == [0.5, 0.9]
    assert fixations.select([-1, 0]).x.tolist() == [0.1, 0.9]
    assert (late.annotator, late.image_size, late.frame) == ("zy", Size(10, 20), "image_unit")
    assert len(fixations.select([])) == 0


@pytest.mark.parametrize("which", [[True, False], [5], [0.5], [[0]]])
def test_select_refuses_what_does_not_fit(which):
    with pytest.raises(DataError):
        reading().select(which)


def test_times():
    fixations = reading()
    assert fixations.total_duration_ms == 600
    assert fixations.span_ms == 350 + 300 - 7
    assert fixations.until(0).to_rows() == []
    assert fixations.until(1e9).to_rows() == fixations.to_rows()


def test_empty_reading():
    empty = Fixations.empty("screen_px")
    assert (len(empty), empty.total_duration_ms, empty.span_ms, empty.to_rows()) == (0, 0.0, 0.0, [])
    assert len(empty.until(100)) == 0
    assert empty.frame == "screen_px"
