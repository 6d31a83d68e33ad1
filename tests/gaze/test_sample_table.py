from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings, detect_fixations
from gaze_insight.gaze.geometry import Geometry, Rect, View
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.sample_table import (
    SAMPLE_TABLE,
    SampleColumns,
    SampleTableSettings,
    read_sample_table,
)
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Size

UNIT = EventSettings(unit="image_unit", velocity_threshold=1.0, max_distance=0.02)
SCREEN = Geometry.model_validate(
    {
        "screen_size_px": {"height": 1024, "width": 1280},
        "screen_size_mm": {"height": 300, "width": 380},
        "viewing_distance_mm": 570,
        "fit": "letterbox",
    }
)


@pytest.fixture
def table(tmp_path):
    def write(rows, header=("time", "x", "y"), *, name="p1.csv", encoding="utf-8", mark=","):
        path = tmp_path / name
        lines = [] if header is None else [mark.join(header)]
        lines += [mark.join(map(str, row)) for row in rows]
        path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
        return path

    return write


def two_places(start=0.0, period=4.0, count=100, first=0.3, second=0.7):
    half = count // 2
    return [(start + i * period, first if i < half else second, 0.5) for i in range(count)]


def unit(**more):
    return SampleTableSettings(frame="image_unit", **more)


def test_is_registered():
    assert GAZE_FORMATS["sample_table"] is SAMPLE_TABLE
    assert SAMPLE_TABLE.settings_type() == SampleTableSettings()


def test_one_image_a_file(table):
    found = read_sample_table(table(two_places()), unit(image="scans/a.png"), ReadingContext(events=UNIT))
    rows = found.fixations["a"]
    assert rows.x.round(9).tolist() == [0.3, 0.7]
    assert rows.start_ms.tolist() == [0.0, 208.0]
    assert rows.duration_ms.tolist() == [192.0, 192.0]
    facts = found.facts["a"]
    assert (facts.trial_ms, facts.loss_share, facts.fixations, found.rows) == (400.0, 0.0, 2, 100)


def test_image_column_makes_showings(table):
    names = ["a.png"] * 40 + [""] * 20 + ["b"] * 40
    rows = [(*row, name) for row, name in zip(two_places(), names, strict=True)]
    rows += [(400 + t, x, y, "a") for t, x, y in two_places()]
    columns = SampleColumns(image="img")
    found = read_sample_table(
        table(rows, ("time", "x", "y", "img")), unit(columns=columns), ReadingContext(events=UNIT)
    )
    assert {image: len(one) for image, one in found.fixations.items()} == {"a": 3, "b": 1}
    assert found.dropped["no_image"] == 20
    assert found.facts["a"].trial_ms == 160 + 400
    assert found.facts["b"].order == 1


def test_trials_say_what_was_shown(table):
    trials = (Trial("b", 200.0, 500.0), Trial("a", 40.0, 200.0), Trial("never", 900.0, 950.0))
    found = read_sample_table(table(two_places()), unit(), ReadingContext(events=UNIT, trials=trials))
    assert found.fixations["a"].to_rows()[0] == pytest.approx([0.3, 0.5, 160, 40])
    assert found.fixations["b"].duration_ms.tolist() == [200.0]
    assert found.facts["b"].trial_ms == 300.0
    assert found.facts["b"].loss_share == pytest.approx(1 / 3)
    assert (len(found.fixations["never"]), found.facts["never"].loss_share) == (0, 1.0)
    assert found.dropped["outside_trials"] == 10


def test_trials_of_another_session_are_not_used(table):
    trials = (Trial("a", 0.0, 400.0, "p9"),)
    with pytest.raises(DataError, match=r"no trial belongs to session 'p1'; the trials name: p9"):
        read_sample_table(table(two_places()), unit(), ReadingContext(events=UNIT, trials=trials))


def test_sessions_and_annotators_in_one_table(table):
    rows = [(*row, who, "a") for row in two_places() for who in ("ann", "bob")]
    columns = SampleColumns(image="img", annotator="who")
    found = read_sample_table(
        table(rows, ("time", "x", "y", "who", "img")), unit(columns=columns), ReadingContext(events=UNIT)
    )
    assert found.fixations["a"].annotator == "ann+bob"
    assert found.facts["a"].session == "ann+bob"
    assert len(found.fixations["a"]) == 4


@pytest.mark.parametrize(("time_unit", "scale"), [("ms", 1), ("s", 1e-3), ("us", 1e3), ("ns", 1e6)])
def test_units_of_time(table, time_unit, scale):
    rows = [(f"{t * scale:.10g}", x, y) for t, x, y in two_places()]
    found = read_sample_table(table(rows), unit(image="a", time_unit=time_unit), ReadingContext(events=UNIT))
    assert found.fixations["a"].duration_ms == pytest.approx([192, 192])


def test_no_time_column_and_no_header(table):
    rows = [(x, y) for _, x, y in two_places()]
    numbers = SampleColumns.model_validate({"time": None, "x": 1, "y": 2})  # as YAML reads them
    assert numbers == SampleColumns(time=None, x="1", y="2")
    settings = unit(image="a", header=False, rate_hz=250, columns=numbers)
    found = read_sample_table(table(rows, None), settings, ReadingContext(events=UNIT))
    assert found.fixations["a"].start_ms.tolist() == [0.0, 208.0]


def test_comments_decimal_comma_and_other_rows(table):
    rows = [(f"{t}", f"{x}".replace(".", ","), "0,5", "SMP") for t, x, y in two_places()]
    rows.insert(3, ("12", "# Message: a.png", "", "MSG"))
    path = table(rows, ("time", "x", "y", "kind"), mark=";")
    path.write_text("## recorded today\n" + path.read_text())
    settings = unit(image="a", comment="##", decimal=",", where={"kind": "SMP"})
    found = read_sample_table(path, settings, ReadingContext(events=UNIT))
    assert len(found.fixations["a"]) == 2
    assert (found.dropped["other_rows"], found.rows) == (1, 101)


def test_what_is_lost(table):
    rows = [(*row, 1) for row in two_places()]
    rows[0] = (0, "", "", 1)
    rows[1] = (4, ".", 0.5, 1)
    rows[2] = (8, 0, 0, 1)
    rows[3] = (12, 0.3, 0.5, 0)
    path = table(rows, ("time", "x", "y", "ok"))
    columns = SampleColumns(validity="ok")
    strict = unit(image="a", columns=columns, zero_is_lost=True)
    assert read_sample_table(path, strict, ReadingContext(events=UNIT)).facts[
        "a"
    ].loss_share == pytest.approx(0.04)
    loose = unit(image="a")
    assert read_sample_table(path, loose, ReadingContext(events=UNIT)).facts["a"].loss_share == pytest.approx(
        0.02
    )


def test_two_eyes_are_averaged_where_both_see(table):
    rows = [(t, x - 0.02, y, x + 0.02, y) for t, x, y in two_places()]
    rows = [(t, "" if t < 200 else x, y, x2, y2) for t, x, y, x2, y2 in rows]
    columns = SampleColumns(x_other="x2", y_other="y2")
    found = read_sample_table(
        table(rows, ("time", "x", "y", "x2", "y2")),
        unit(image="a", columns=columns),
        ReadingContext(events=UNIT),
    )
    assert found.fixations["a"].x == pytest.approx([0.32, 0.7])


def test_screen_pixels_by_way_of_degrees(table):
    rows = [(t, 640 + 400 * (x - 0.5), 512) for t, x, _ in two_places()]
    context = ReadingContext(geometry=SCREEN, image_sizes={"a": Size(100, 100)})
    found = read_sample_table(table(rows), SampleTableSettings(image="a"), context)
    fixations = found.fixations["a"]
    assert fixations.frame == "image_unit"
    assert fixations.x == pytest.approx([0.5 - 80 / 1024, 0.5 + 80 / 1024])
    assert fixations.y == pytest.approx([0.5, 0.5])


def test_places_on_the_image_by_way_of_degrees(table):
    context = ReadingContext(geometry=SCREEN, image_sizes={"a": Size(200, 100)})
    found = read_sample_table(table(two_places()), unit(image="a"), context)
    screen = SCREEN.views_of("a", Size(200, 100))[0].screen_px
    t, x, y = np.array(two_places()).T
    degrees = SCREEN.to_degrees(screen.left + x * screen.width, screen.top + y * screen.height)
    expected = detect_fixations(Samples(t, *degrees, "degrees"))
    assert found.fixations["a"].start_ms.tolist() == expected.start_ms.tolist()
    pixels = [(t, x * 100, y * 200) for t, x, y in two_places()]
    same = read_sample_table(
        table(pixels), SampleTableSettings(frame="image_px", image="a"), context
    ).fixations["a"]
    assert same.to_frame("image_unit").x == pytest.approx(found.fixations["a"].x)
    in_unit = ReadingContext(events=UNIT, image_sizes={"a": Size(200, 100)})
    assert (
        len(
            read_sample_table(
                table(pixels), SampleTableSettings(frame="image_px", image="a"), in_unit
            ).fixations["a"]
        )
        == 2
    )
    on_screen = EventSettings(unit="screen_px", velocity_threshold=900, max_distance=10)
    by_pixels = ReadingContext(geometry=SCREEN, events=on_screen, image_sizes={"a": Size(200, 100)})
    assert len(read_sample_table(table(two_places()), unit(image="a"), by_pixels).fixations["a"]) == 2


def test_degrees_by_way_of_the_screen(table):
    rows = [(t, 10 * (x - 0.5), 0) for t, x, _ in two_places()]
    events = EventSettings(unit="screen_px", velocity_threshold=900, max_distance=10)
    context = ReadingContext(geometry=SCREEN, events=events, image_sizes={"a": Size(9, 9)})
    found = read_sample_table(table(rows), SampleTableSettings(frame="degrees", image="a"), context)
    assert found.fixations["a"].x == pytest.approx(
        [
            0.5 - 570 * math.tan(math.radians(2)) * 1280 / 380 / 1024,
            0.5 + 570 * math.tan(math.radians(2)) * 1280 / 380 / 1024,
        ]
    )


def test_an_image_that_was_zoomed_has_no_degrees(table):
    whole = View(screen_px=Rect(left=0, top=0, width=100, height=100), end_ms=50)
    zoomed = View(screen_px=Rect(left=0, top=0, width=50, height=100), start_ms=50)
    geometry = SCREEN.model_copy(update={"fit": "stated", "views": (whole, zoomed)})
    with pytest.raises(DataError, match="zoomed or moved"):
        read_sample_table(table(two_places()), unit(image="a"), ReadingContext(geometry=geometry))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("screen_px", "the screen's size in pixels and millimetres and the viewing distance"),
        ("image_unit", "where the image stood on the screen"),
        ("image_px", "how the one becomes the other"),
    ],
)
def test_a_missing_fact_is_named(table, frame, says):
    with pytest.raises(DataError, match=says) as caught:
        read_sample_table(table(two_places()), SampleTableSettings(frame=frame, image="a"))
    assert (caught.value.path.name, caught.value.row) == ("p1.csv", 2)


def test_nobody_says_which_image(table):
    with pytest.raises(DataError, match="does not say which image was shown when"):
        read_sample_table(table(two_places()), unit(), ReadingContext(events=UNIT))


def spoiled(at, row):
    rows = [list(one) for one in two_places()]
    rows[at] = row
    return rows


@pytest.mark.parametrize(
    ("rows", "says", "line"),
    [
        (spoiled(5, [20, "left", 0.5]), "x must be a number, found 'left'", 7),
        (spoiled(5, ["", 0.3, 0.5]), "time must be a number, found ''", 7),
        (spoiled(5, [12, 0.3, 0.5]), "time must go forward within a recording, found 12 ms after 16 ms", 7),
        (spoiled(5, [16, 0.3, 0.5]), "time must go forward", 7),
        (spoiled(99, [396, 0.3]), "the row has 2 cells and none for 'y'", 101),
        (spoiled(5, [20, 0, 3, 0, 5]), "the row has 5 cells, the header 3", 7),
        (spoiled(5, [20, "inf", 0.5]), "x must be finite", 7),
    ],
)
def test_a_bad_row_is_named_or_left_out(table, rows, says, line):
    path, settings = table(rows), unit(image="a")
    with pytest.raises(DataError, match=says) as caught:
        read_sample_table(path, settings, ReadingContext(events=UNIT))
    assert (caught.value.path, caught.value.row) == (path, line)
    found = read_sample_table(path, settings, ReadingContext(events=UNIT, on_bad_row="skip"))
    assert found.dropped["bad_row"] == 1
    assert found.problems[0].row == line
    assert len(found.fixations["a"]) == 2


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        (two_places(), ("Time", "x", "y"), "lacks the column 'time'; found: Time, x, y"),
        ([], ("time", "x", "y"), "none of the 0 rows holds valid gaze"),
        ([(0, "", ""), (4, "nan", 0.5)], ("time", "x", "y"), "none of the 2 rows holds valid gaze"),
    ],
)
def test_refuses_a_file(table, rows, header, says):
    path = table(rows, header)
    with pytest.raises(DataError, match=says) as caught:
        read_sample_table(path, unit(image="a"), ReadingContext(events=UNIT))
    assert caught.value.path == path


def test_refuses_another_encoding(table):
    path = table([*two_places(), (500, "ä", 0.5)], encoding="latin-1")
    with pytest.raises(DataError, match="not UTF-8") as caught:
        read_sample_table(path, unit(image="a"))
    assert caught.value.row == 102
    path.write_bytes(b"\x00\x01\xff")
    with pytest.raises(DataError) as caught:
        read_sample_table(path, unit(image="a"))
    assert "binary file" in caught.value.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_hz": 60},
        {"columns": {"time": None}},
        {"columns": {"x_other": "x2"}},
        {"colums": {}},
        {"valid": ()},
        {"rate_hz": 0, "columns": {"time": None}},
    ],
)
def test_settings_are_checked(wrong):
    with pytest.raises(ValidationError):
        SampleTableSettings.model_validate(wrong)


# The real sample files.


@pytest.fixture
def recordings(real_data):
    return real_data / "gaze-recordings"


def test_gazebase(recordings):
    settings = SampleTableSettings(
        frame="degrees", image="a", columns=SampleColumns(time="n", validity="val"), valid=("0",)
    )
    context = ReadingContext(events=EventSettings(min_duration_ms=5), min_duration_ms=0)
    found = read_sample_table(recordings / "gazebase_example.csv", settings, context)
    fixations = found.fixations["a"]
    assert (fixations.duration_ms.tolist(), fixations.frame) == ([10.0], "degrees")
    table = np.genfromtxt(recordings / "gazebase_example.csv", delimiter=",", names=True)
    assert fixations.x[0] == pytest.approx(table["x"].mean())
    assert found.facts["a"].loss_share == 0.0


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_monocular(recordings, ending):
    columns = SampleColumns(x="x_left_pix", y="y_left_pix")
    settings = SampleTableSettings(columns=columns, image="a")
    events = EventSettings(unit="screen_px", velocity_threshold=100, max_distance=5, min_duration_ms=5)
    context = ReadingContext(events=events, min_duration_ms=0)
    path = recordings / f"monocular_example.{ending}"
    found = read_sample_table(path, settings, context)
    assert found.fixations["a"].to_rows() == [[0.0, 0.0, 10.0, 0.0]]
    with pytest.raises(DataError, match="none of the 10 rows holds valid gaze"):
        read_sample_table(path, settings.model_copy(update={"zero_is_lost": True}), context)


def test_gaze_on_faces_without_header_and_time(recordings):
    columns = SampleColumns(time=None, x="1", y="2")
    settings = SampleTableSettings(columns=columns, header=False, rate_hz=60, image="face")
    found = read_sample_table(
        recordings / "gaze_on_faces_example.csv",
        settings,
        ReadingContext(geometry=SCREEN, image_sizes={"face": Size(600, 429)}),
    )
    assert 0 < found.fixations["face"].x[0] < 1
    assert found.fixations["face"].duration_ms == pytest.approx([10 * 1000 / 60])


def test_begaze_samples(recordings):
    columns = SampleColumns(time="Time", x="L POR X [px]", y="L POR Y [px]", image="Stimulus")
    settings = SampleTableSettings(
        columns=columns, time_unit="us", comment="##", where={"Type": "SMP"}, zero_is_lost=True
    )
    geometry = SCREEN.model_copy(update={"screen_size_px": Size(1050, 1680)})
    path = recordings / "didec_example.txt"
    sizes = {"test": Size(1050, 1680)}
    found = read_sample_table(path, settings, ReadingContext(geometry=geometry, image_sizes=sizes))
    assert list(found.fixations) == ["test"]
    assert found.dropped["other_rows"] == 1
    facts = found.facts["test"]
    assert facts.trial_ms == pytest.approx(60, abs=0.2)
    with pytest.raises(DataError, match="the row has 4 cells and none for 'Stimulus'") as caught:
        read_sample_table(path, settings.model_copy(update={"where": {}}))
    assert caught.value.row == 43


def test_missing_values(recordings):
    columns = SampleColumns(x="pixel_x", y="pixel_y")
    settings = SampleTableSettings(columns=columns, image="a")
    path = recordings / "missing_values_example.csv"
    with pytest.raises(DataError, match="time must go forward") as caught:
        read_sample_table(path, settings)
    assert caught.value.row == 104
    events = EventSettings(unit="screen_px", velocity_threshold=100, max_distance=5)
    found = read_sample_table(path, settings, ReadingContext(events=events, on_bad_row="skip"))
    assert found.facts["a"].loss_share == pytest.approx(101 / 102)
    assert len(found.fixations["a"]) == 0
