from __future__ import annotations

import pytest
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.neon import NEON, NeonSettings, read_neon
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.types import Size

START = 1_700_000_000_123_456_789
IDS = "section id,recording id,"
FIXATIONS = IDS + "fixation id,start timestamp [ns],end timestamp [ns],duration [ms],"
SURFACE = FIXATIONS + "fixation detected on surface,fixation x [normalized],fixation y [normalized]"
REFERENCE = FIXATIONS + "fixation detected in reference image,fixation x [px],fixation y [px]"
MANUAL = FIXATIONS + "fixation status,fixation x [px],fixation y [px]"
SCENE = FIXATIONS + "fixation x [px],fixation y [px],azimuth [deg],elevation [deg]"
GAZE = (
    IDS + "timestamp [ns],gaze detected on surface,"
    "gaze position on surface x [normalized],gaze position on surface y [normalized],fixation id,blink id"
)
GAZE_REFERENCE = (
    IDS + "timestamp [ns],gaze detected in reference image,"
    "gaze position in reference image x [px],gaze position in reference image y [px],fixation id"
)
SECTIONS = (
    "section id,recording id,recording name,wearer id,wearer name,section start time [ns],"
    "section end time [ns],start event name,end event name"
)
UNIT = EventSettings(unit="image_unit", velocity_threshold=1.5, max_distance=0.02)


def fixation(start_ms, x, y="0.5", duration=200, section="s1", flag=True):
    start = START + round(start_ms * 1e6)
    return f"{section},r-{section},7,{start},{start + duration * 1_000_000},{duration},{flag},{x},{y}"


def gaze(places, period_ms=5.0, per_place=40, section="s1", start_ms=0.0):
    rows = []
    for index in range(len(places) * per_place):
        x, y = places[index // per_place]
        time = START + round((start_ms + index * period_ms) * 1e6)
        rows.append(f"{section},r-{section},{time},{x != ''},{x},{y},,")
    return rows


@pytest.fixture
def export(tmp_path):
    def write(rows, header=SURFACE, name="fixations.csv", encoding="utf-8", sections=None):
        path = tmp_path / name
        path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
        if sections is not None:
            (tmp_path / "sections.csv").write_text("\n".join([SECTIONS, *sections]) + "\n")
        return path

    return write


def section(name, event, start_ms=0.0):
    return f"{name},r-{name},day {name},w,Ann {name},{START + round(start_ms * 1e6)},0,{event},end"


def test_is_registered():
    assert GAZE_FORMATS["neon"] is NEON
    assert NEON.settings_type() == NeonSettings()


def test_marker_mapper(export):
    rows = [fixation(0, 0.2), fixation(250, 0.4, 0.25), fixation(500, 1.3, flag=False), fixation(750, "", "")]
    found = read_neon(export(rows), NeonSettings(image="a.png"))
    assert found.fixations["a"].to_rows() == [[0.2, 0.5, 200, 0], [0.4, 0.25, 200, 250]]
    assert (found.dropped["off_image"], found.dropped["not_mapped"], found.rows) == (1, 1, 4)
    assert found.facts["a"].session == "r-s1"


@pytest.mark.parametrize(("header", "flag"), [(REFERENCE, True), (MANUAL, "True")])
def test_reference_image(export, header, flag):
    path = export([fixation(0, 300, 100, flag=flag), fixation(300, "", "", flag="Not mapped")], header)
    context = ReadingContext(image_sizes={"a": Size(200, 600)})
    by_cohort = read_neon(path, NeonSettings(image="a"), context)
    assert by_cohort.fixations["a"].to_frame("image_unit").to_rows() == [[0.5, 0.5, 200, 0]]
    stated = NeonSettings(image="a", reference_width_px=1200, reference_height_px=400)
    assert read_neon(path, stated, context).fixations["a"].to_rows() == [[0.25, 0.25, 200, 0]]
    assert by_cohort.dropped["not_mapped"] == 1


def test_sections_name_image_recording_and_wearer(export):
    rows = [fixation(0, 0.2), fixation(300, 0.3), fixation(900, 0.4, section="s2")]
    path = export(rows, sections=[section("s1", "lung7.begin"), section("s2", "lung9.begin", 800)])
    found = read_neon(path, NeonSettings(event_image=r"(.+)\.begin$"))
    assert {image: len(one) for image, one in found.fixations.items()} == {"lung7": 2, "lung9": 1}
    assert found.fixations["lung9"].start_ms.tolist() == [100.0]
    assert (found.fixations["lung9"].annotator, found.facts["lung9"].session) == ("Ann s2", "day s2")
    with pytest.raises(DataError, match=r"'lung7\.begin' does not fit event_image") as caught:
        read_neon(path, NeonSettings(event_image="(.+)_on"))
    assert (caught.value.path.name, caught.value.row) == ("sections.csv", 2)


def test_trials_count_from_the_section_or_from_1970(export):
    rows = [fixation(0, 0.2), fixation(300, 0.3), fixation(900, 0.4)]
    trials = (Trial("a", 500, 1000), Trial("b", 1000, 1400, "day s1"))
    path = export(rows)
    with pytest.raises(DataError, match="when section 's1' began"):
        read_neon(path, None, ReadingContext(trials=trials))
    export(rows, sections=[section("s1", "begin", -400)])
    found = read_neon(path, None, ReadingContext(trials=trials))
    assert found.fixations["a"].to_rows() == [[0.2, 0.5, 100, 500], [0.3, 0.5, 200, 700]]
    assert found.fixations["b"].to_rows() == [[0.4, 0.5, 100, 1300]]
    utc = (Trial("a", START / 1e6 + 250, START / 1e6 + 600),)
    found = read_neon(path, NeonSettings(clock="utc"), ReadingContext(trials=utc))
    assert found.fixations["a"].x.tolist() == [0.3]
    assert found.dropped["outside_trials"] == 2
    with pytest.raises(DataError, match="which image was shown when"):
        read_neon(path)


def test_the_surface_is_the_screen(export):
    screen = Geometry(screen_size_px=Size(1000, 2000), fit="letterbox")
    context = ReadingContext(geometry=screen, image_sizes={"a": Size(5, 5)})
    path = export([fixation(0, 0.5, 0.25)])
    found = read_neon(path, NeonSettings(image="a", surface="screen"), context)
    assert found.fixations["a"].to_rows() == [[0.5, 0.25, 200, 0]]
    photo = export([fixation(0, 400, 75)], REFERENCE)
    with pytest.raises(DataError, match="unknown is the photo's size"):
        read_neon(photo, NeonSettings(image="a", surface="screen"), context)
    stated = NeonSettings(image="a", surface="screen", reference_width_px=800, reference_height_px=300)
    assert read_neon(photo, stated, context).fixations["a"].to_rows() == [[0.5, 0.25, 200, 0]]


@pytest.mark.parametrize(("header", "scale"), [(GAZE, 1), (GAZE_REFERENCE, 100)])
def test_gaze_is_samples(export, header, scale):
    places = [(0.2 * scale, 0.9 * scale), ("", ""), (0.6 * scale, 0.4 * scale)]
    path = export(gaze(places), header, "gaze.csv")
    context = ReadingContext(events=UNIT, image_sizes={"a": Size(100, 100)})
    found = read_neon(path, NeonSettings(image="a"), context)
    assert found.fixations["a"].to_frame("image_unit").x == pytest.approx([0.2, 0.6])
    assert found.fixations["a"].duration_ms == pytest.approx([200, 200])
    assert found.facts["a"].loss_share == pytest.approx(1 / 3)
    assert "not_mapped" not in found.dropped


def test_gaze_of_several_sections(export):
    rows = gaze([(0.2, 0.9)]) + gaze([(0.6, 0.4)], section="s2")
    path = export(rows, GAZE, "gaze.csv", sections=[section("s1", "a.on"), section("s2", "b.on")])
    found = read_neon(path, NeonSettings(event_image=r"(.+)\.on"), ReadingContext(events=UNIT))
    assert found.fixations["b"].x == pytest.approx([0.6])
    assert found.facts["a"].trial_ms == pytest.approx(200)


@pytest.mark.parametrize(
    ("header", "events", "says"),
    [
        (SCENE, None, "pixels of the scene camera, which moves with the head"),
        (IDS + "timestamp [ns],gaze x [px],gaze y [px],worn", None, "pixels of the scene camera"),
        (SURFACE, UNIT, "events are to be detected in samples, but the file holds fixations"),
        ("a,b", None, r"lacks the column 'fixation x \[normalized\]'; found: a, b"),
        (SURFACE.replace("duration [ms]", "duration"), None, r"lacks the column 'duration \[ms\]'"),
        (SURFACE, None, "none of the 0 rows holds mapped gaze"),
    ],
)
def test_refuses_a_file(export, header, events, says):
    with pytest.raises(DataError, match=says) as caught:
        read_neon(export([], header), NeonSettings(image="a"), ReadingContext(events=events))
    assert caught.value.path.name == "fixations.csv"


def test_refuses_gaze_that_was_never_mapped(export):
    with pytest.raises(DataError, match="none of the 1 rows holds mapped gaze"):
        read_neon(export([fixation(0, "", "")]), NeonSettings(image="a"))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (fixation(300, "left"), r"fixation x \[normalized\] must be a number, found 'left'"),
        (fixation(0, 0.3), "time must go forward within a section"),
        (fixation(-100, 0.3), "time must go forward within a section"),
        (fixation(300, 0.3, duration=0), r"duration \[ms\] must be above 0"),
        ("s1,r-s1,7,1.7e18,0,200,True,0.5,0.5", "whole number of nanoseconds, found '1.7e18'"),
        (fixation(300, 0.3).rsplit(",", 1)[0], r"none for 'fixation y \[normalized\]'"),
    ],
)
def test_a_bad_row_is_named_or_left_out(export, row, says):
    path = export([fixation(0, 0.2), row, fixation(600, 0.4)])
    with pytest.raises(DataError, match=says) as caught:
        read_neon(path, NeonSettings(image="a"))
    assert (caught.value.path, caught.value.row) == (path, 3)
    found = read_neon(path, NeonSettings(image="a"), ReadingContext(on_bad_row="skip"))
    assert (len(found.fixations["a"]), found.dropped["bad_row"]) == (2, 1)


def test_refuses_empty_files_and_other_encodings(export, tmp_path):
    with pytest.raises(DataError, match="not UTF-8"):
        read_neon(export([fixation(0, 0.2), "ä"], encoding="latin-1"), NeonSettings(image="a"))
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(DataError, match="the export is empty"):
        read_neon(tmp_path / "none.csv")


@pytest.mark.parametrize("pattern", ["no group", "(unclosed"])
def test_the_pattern_is_checked(pattern):
    with pytest.raises(ValidationError, match=r"event_image"):
        NeonSettings(event_image=pattern)


def test_an_event_that_is_not_known(export):
    with pytest.raises(DataError, match="the event with which section 's1' began"):
        read_neon(export([fixation(0, 0.2)]), NeonSettings(event_image="(.+)"))
