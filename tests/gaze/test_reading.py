from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.geometry import Geometry, Rect, View
from gaze_insight.gaze.offset import cross_offset
from gaze_insight.gaze.readers.fixation_table import FixationColumns, read_fixation_table
from gaze_insight.gaze.readers.joining import join_facts
from gaze_insight.gaze.readers.reading import (
    GazeReading,
    RawReading,
    ReadingContext,
    finish_reading,
    image_id_of,
    join_readings,
)
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.source import GazeSource, gaze_files, read_gaze, read_gaze_source
from gaze_insight.gaze.readers.trials import Trial, read_trials
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.types import Size

FILE = Path("p01.csv")
STRETCH = Geometry(screen_size_px={"height": 100, "width": 200}, fit="stretch")
COLUMNS = {"image": "img", "x": "x", "y": "y", "duration_ms": "ms", "start_ms": "t"}


def shown(image, rows, frame="image_unit", line=2, *, size=None, annotator=None, **facts):
    fixations = Fixations.from_rows(rows, frame, image_size=size, annotator=annotator)
    return RawReading(image, fixations, line, **facts)


def finish(raw, problems=(), **context):
    found = list(problems)
    rows = sum(len(one.fixations) for one in raw) + len(found)
    return finish_reading(raw, path=FILE, rows=rows, problems=found, context=ReadingContext(**context))


def table(folder, name, rows):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("img,x,y,ms,t\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C:\\scans\\lung 7.PNG", "lung 7"),
        ("a/b.c/d.nii.gz", "d"),
        ("slice.05", "slice.05"),
        ("x.jpg.png", "x.jpg"),
        ("", ""),
    ],
)
def test_image_names_become_ids(name, expected):
    assert image_id_of(name) == expected


def test_screen_pixels_become_fractions_and_all_is_counted():
    rows = [(100, 50, 200, 0), (50, 25, 200, 300), (100, 50, 49, 600), (300, 50, 200, 900)]
    done = finish([shown("a", rows, "screen_px")], geometry=STRETCH, image_sizes={"a": Size(30, 60)})
    kept = done.fixations["a"]
    assert (kept.frame, kept.image_size) == ("image_unit", Size(30, 60))
    assert kept.to_rows() == [[0.5, 0.5, 200, 0], [0.25, 0.25, 200, 300]]
    assert done.dropped == {"bad_row": 0, "too_short": 1, "off_image": 1}
    assert (done.rows, done.off_image, done.measured) == (4, 1, 3)
    assert done.facts["a"] == RecordingFacts(fixations=4, off_image=1, too_short=1)


def test_degrees_go_through_the_screen():
    geometry = Geometry(
        screen_size_px={"height": 100, "width": 200},
        screen_size_mm={"height": 100, "width": 200},
        viewing_distance_mm=50,
        degrees_y="up",
        fit="stretch",
    )
    done = finish([shown("a", [(45, 0, 200, 0), (0, 45, 200, 300)], "degrees")], geometry=geometry)
    assert_allclose(done.fixations["a"].x, [0.75, 0.5])
    assert_allclose(done.fixations["a"].y, [0.5, 0.0], atol=1e-12)


def test_a_fixation_is_placed_by_the_view_at_its_middle():
    window = Rect(left=0, top=0, width=100, height=100)
    half = Rect(left=0, top=0, width=0.5, height=0.5)
    views = (
        View(screen_px=window, end_ms=1000),
        View(screen_px=window, start_ms=1000, end_ms=2000, image_frac=half),
    )
    rows = [(50, 50, 200, 850), (50, 50, 200, 950), (50, 50, 200, 1950), (200, 50, 100, 100)]
    done = finish([shown("a", rows, "screen_px")], geometry=Geometry(views=views))
    assert done.fixations["a"].x.tolist() == [0.5, 0.25]
    assert done.dropped == {"bad_row": 0, "too_short": 0, "off_image": 1, "not_shown": 1}
    assert (done.facts["a"].not_shown, done.facts["a"].off_image, done.measured) == (1, 1, 3)


def test_views_follow_the_session():
    near = View(screen_px=Rect(left=0, top=0, width=10, height=10), session="p1")
    wide = View(screen_px=Rect(left=0, top=0, width=100, height=100), session="p2")
    raw = [shown("a", [(5, 5, 100, 0)], "screen_px", session=name) for name in ("p1", "p2")]
    done = finish(raw, geometry=Geometry(images={"a": (near, wide)}))
    assert_allclose(done.fixations["a"].x, [0.5, 0.05])


def test_an_image_that_is_not_there_is_left_on_the_screen():
    raw = [shown("a", [(100, 50, 200, 0)], "screen_px"), shown("ghost", [(1, 2, 200, 0)], "screen_px")]
    letterbox = Geometry(screen_size_px={"height": 100, "width": 200}, fit="letterbox")
    done = finish(raw, geometry=letterbox, image_sizes={"a": Size(10, 10)})
    assert done.fixations["a"].frame == "image_unit"
    assert done.fixations["ghost"].to_rows() == [[1, 2, 200, 0]]
    assert done.fixations["ghost"].frame == "screen_px"


def test_a_missing_place_names_file_and_row_or_is_listed():
    place = {"a": (View(screen_px=Rect(left=0, top=0, width=10, height=10)),)}
    raw = [
        shown("a", [(5, 5, 100, 0)], "screen_px"),
        shown("b", [(5, 5, 100, 0), (6, 6, 100, 200)], "screen_px", line=7),
    ]
    with pytest.raises(DataError, match="where image 'b' stood") as caught:
        finish(raw, geometry=Geometry(images=place))
    assert (caught.value.path, caught.value.row) == (FILE, 7)
    done = finish(raw, geometry=Geometry(images=place), on_bad_row="skip")
    assert done.dropped["not_placed"] == 2
    assert [problem.row for problem in done.problems] == [7]
    assert (len(done.fixations["a"]), len(done.fixations["b"])) == (1, 0)
    assert done.facts["b"].fixations == 2


def test_pixels_of_an_image_of_known_size_are_judged():
    raw = [shown("a", [(30, 5, 100, 0), (70, 5, 100, 200)], "image_px")]
    assert len(finish(raw).fixations["a"]) == 2
    done = finish(raw, image_sizes={"a": Size(20, 60)})
    assert (done.fixations["a"].image_size, done.dropped["off_image"]) == (Size(20, 60), 1)
    assert done.sizes == {}
    stated = [shown("a", [(30, 5, 100, 0)], "image_px", size=Size(10, 20))]
    done = finish(stated, image_sizes={"a": Size(20, 60)}, off_image="keep")
    assert (done.sizes, done.off_image, len(done.fixations["a"])) == ({"a": Size(10, 20)}, 1, 1)


def test_showings_of_one_image_are_put_behind_each_other():
    raw = [
        shown("a", [(0.1, 0.1, 100, 500), (0.2, 0.2, 100, 700)], annotator="p", session="s1", trial_ms=1000),
        shown("b", [(0.1, 0.1, 100, 900)], annotator="p", session="s1", trial_ms=500, loss_share=0.2),
        shown("a", [(0.3, 0.3, 100, 40)], annotator="q", session="s2", trial_ms=3000),
        shown("a", [], session="s2", trial_ms=100),
    ]
    done = finish(raw)
    joined = done.fixations["a"]
    assert joined.to_rows() == [[0.1, 0.1, 100, 500], [0.2, 0.2, 100, 700], [0.3, 0.3, 100, 800]]
    assert joined.annotator == "p+q"
    assert done.facts["a"] == RecordingFacts(session="s1+s2", order=0, trial_ms=4100, fixations=3)
    assert done.facts["b"] == RecordingFacts(session="s1", order=1, trial_ms=500, loss_share=0.2, fixations=1)


def test_the_order_is_known_only_where_the_file_tells():
    clock = [shown("b", [(0.5, 0.5, 100, 900)]), shown("a", [(0.5, 0.5, 100, 0)])]
    assert {one: facts.order for one, facts in finish(clock).facts.items()} == {"a": 0, "b": 1}
    restarting = [shown("b", [(0.5, 0.5, 100, 0)]), shown("a", [(0.5, 0.5, 100, 0)])]
    assert {facts.order for facts in finish(restarting).facts.values()} == {None}
    named = [shown(one, [(0.5, 0.5, 100, 0)], session="s") for one in "cab"]
    assert {one: facts.order for one, facts in finish(named).facts.items()} == {"c": 0, "a": 1, "b": 2}
    assert {facts.session for facts in finish(restarting, session="p01").facts.values()} == {"p01"}


def test_facts_are_joined_only_where_all_are_known():
    both = [RecordingFacts(trial_ms=1000, loss_share=0.0), RecordingFacts(trial_ms=3000, loss_share=0.4)]
    assert join_facts(both).loss_share == pytest.approx(0.3)
    assert join_facts([*both, RecordingFacts(loss_share=0.2)]).trial_ms is None
    assert join_facts([*both, RecordingFacts(loss_share=0.2)]).loss_share == pytest.approx(0.2)
    assert join_facts([*both, RecordingFacts(trial_ms=5)]).loss_share is None


def test_problems_that_arise_while_rows_are_read_stop_the_reading():
    problems: list[DataError] = []

    def lazily():
        yield shown("a", [(0.5, 0.5, 100, 0)])
        problems.append(DataError("bad", path=FILE, row=3))

    with pytest.raises(DataError, match="bad") as caught:
        finish_reading(lazily(), path=FILE, rows=2, problems=problems, context=ReadingContext())
    assert caught.value.row == 3


def test_readings_in_frames_that_do_not_fit_are_refused():
    raw = [shown("a", [(0.5, 0.5, 100, 0)]), shown("a", [(9, 9, 100, 0)], "screen_px")]
    with pytest.raises(DataError, match="different frames or sizes") as caught:
        finish(raw)
    assert caught.value.path == FILE


def test_nothing_joined_is_nothing():
    assert join_readings([]) == GazeReading(fixations={}, dropped={})


def test_a_negative_minimum_is_refused_in_the_context():
    with pytest.raises(SettingsError, match="min_duration_ms"):
        ReadingContext(min_duration_ms=float("nan"))


def test_a_table_on_the_screen_is_placed_by_the_geometry(tmp_path):
    path = table(tmp_path, "g.csv", [("a.png", 100, 50, 200, 0), ("a.png", 250, 50, 200, 300)])
    columns = FixationColumns(**COLUMNS)
    reading = read_fixation_table(path, columns, "screen_px", context=ReadingContext(geometry=STRETCH))
    assert reading.fixations["a"].to_rows() == [[0.5, 0.5, 200, 0]]
    assert reading.dropped["off_image"] == 1


def test_annotators_of_one_image_do_not_mix_their_clocks(tmp_path):
    path = tmp_path / "g.csv"
    rows = ["a,0.1,0.1,100,0,p,s1", "a,0.9,0.9,100,50,q,s2", "a,0.2,0.2,100,200,p,s1", "b,0.5,0.5,100,9,q,s2"]
    path.write_text("\n".join(["img,x,y,ms,t,who,sitting", *rows]) + "\n")
    columns = FixationColumns(**COLUMNS, annotator="who", session="sitting")
    reading = read_fixation_table(path, columns)
    assert reading.fixations["a"].x.tolist() == [0.1, 0.2, 0.9]
    assert reading.fixations["a"].start_ms.tolist() == [0, 200, 300]
    assert reading.fixations["a"].annotator == "p+q"
    assert reading.facts["b"] == RecordingFacts(session="s2", order=1, fixations=1)


def test_trials_are_read(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("session, end_ms,image,start_ms\np1,20,x/a.png,10\n,8,b,2\np1,30,c.jpg,20\n")
    assert read_trials(path) == (Trial("a", 10, 20, "p1"), Trial("b", 2, 8), Trial("c", 20, 30, "p1"))
    path.write_text("image,start_ms,end_ms\n")
    assert read_trials(path) == ()


BAD_TRIALS = {
    "image,start_ms\na,1\n": ("lacks the column end_ms; found: image, start_ms", 1),
    "": ("lacks the column image, start_ms, end_ms; found: none", 1),
    "image,start_ms,end_ms\na,1,2\n,3,4\n": ("image must name an image", 3),
    "image,start_ms,end_ms\na,one,2\n": ("start_ms must be a number, found 'one'", 2),
    "image,start_ms,end_ms\na,1\n": ("end_ms must be a number, found ''", 2),
    "image,start_ms,end_ms\na,1,inf\n": ("end_ms must be finite", 2),
    "image,start_ms,end_ms\na,2,2\n": ("end_ms must be above start_ms 2, found 2", 2),
    "image,start_ms,end_ms\na,5,9\nb,0,6\n": ("the trial of 'a' begins at 5 ms, before that of 'b' ends", 2),
}


@pytest.mark.parametrize("text", BAD_TRIALS)
def test_bad_trials_are_named(tmp_path, text):
    message, row = BAD_TRIALS[text]
    path = tmp_path / "trials.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_trials(path)
    assert message in caught.value.message
    assert (caught.value.path, caught.value.row) == (path, row)


def test_trials_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_trials(tmp_path / "trials.csv")
    (tmp_path / "t.csv").write_bytes(b"image\xff\xfe,start_ms\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_trials(tmp_path / "t.csv")


def test_files_of_a_folder_are_named_by_what_tells_them_apart(tmp_path):
    form = GAZE_FORMATS["fixation_table"]
    for name in ("b.CSV", "a.tsv", "a.md", "deep/c.txt"):
        table(tmp_path / "one", name, [])
    assert list(gaze_files([tmp_path / "one"], form)) == ["a", "b", "c"]
    for name in ("p1/fixations.csv", "p2/fixations.csv"):
        table(tmp_path / "two", name, [])
    assert list(gaze_files([tmp_path / "two"], form)) == ["p1", "p2"]
    table(tmp_path / "two", "p2/again/p2/fixations.csv", [])
    assert len(gaze_files([tmp_path / "two"], form)) == 3
    (tmp_path / "none").mkdir()
    for paths, message in [
        ([tmp_path / "none"], "expected files of the format fixation_table"),
        ([tmp_path / "gone"], "does not exist"),
        ([tmp_path / "one", tmp_path / "one" / "a.tsv"], "given twice"),
    ]:
        with pytest.raises(DataError, match=message):
            gaze_files(paths, form)


@pytest.mark.parametrize(
    ("form", "fixations", "samples"),
    [
        ("gazepoint", "User1_fixations.csv", "User1_all_gaze.csv"),
        ("neon", "fixations.csv", "gaze.csv"),
        ("pupil", "Fixations_on_surface_a.csv", "gaze_positions_on_surface_a.csv"),
    ],
)
def test_a_folder_of_an_export_stands_for_one_kind_of_its_files(tmp_path, form, fixations, samples):
    for name in (fixations, samples, "info.csv", "README.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in gaze_files([tmp_path], GAZE_FORMATS[form]).values()] == [fixations]
    of_samples = gaze_files([tmp_path], GAZE_FORMATS[form], samples=True)
    assert [path.name for path in of_samples.values()] == [samples]


def test_several_files_are_joined_and_a_bad_one_is_listed_where_asked_for(tmp_path):
    first = table(tmp_path, "p1.csv", [("a", 0.1, 0.1, 100, 50), ("b", 0.2, 0.2, 100, 900)])
    second = table(tmp_path, "p2.csv", [("a", 0.3, 0.3, 100, 7), ("a", 0.3, 0.3, 20, 200)])
    source = GazeSource(settings=COLUMNS)
    reading = read_gaze([first, second], source)
    assert reading.fixations["a"].to_rows() == [[0.1, 0.1, 100, 50], [0.3, 0.3, 100, 150]]
    assert reading.facts["a"] == RecordingFacts(session="p1+p2", order=0, fixations=3, too_short=1)
    assert reading.facts["b"] == RecordingFacts(session="p1", order=1, fixations=1)
    assert (reading.rows, reading.dropped["too_short"]) == (4, 1)
    second.write_text("nothing,here\n")
    with pytest.raises(DataError, match="lacks the column"):
        read_gaze([first, second], source)
    skipped = read_gaze([first, second], source, on_bad_row="skip")
    assert [problem.path for problem in skipped.problems] == [second]
    assert list(skipped.fixations) == ["a", "b"]
    first.write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_gaze([first, second], source, on_bad_row="skip")


def test_gaze_on_the_screen_is_refused_without_a_geometry(tmp_path):
    path = table(tmp_path, "p1.csv", [("a", 100, 50, 100, 50), ("ghost", 1, 1, 100, 0)])
    source = read_gaze_source({"settings": {**COLUMNS, "frame": "screen_px"}})
    with pytest.raises(DataError, match="the gaze on 'a' is in screen_px") as caught:
        read_gaze([path], source, image_sizes={"a": Size(5, 5)})
    assert "--geometry" in caught.value.remedy
    assert list(read_gaze([path], source, image_sizes={"z": Size(5, 5)}).fixations) == ["a", "ghost"]


def test_a_single_file_takes_its_session_from_those_who_name_it(tmp_path):
    path = table(tmp_path, "p1.csv", [("a", 5, 5, 100, 50)])
    view = {"screen_px": {"left": 0, "top": 0, "width": 10, "height": 10}, "session": "p1"}
    values = {"settings": {**COLUMNS, "frame": "screen_px"}, "geometry": {"views": [view]}}
    assert read_gaze([path], read_gaze_source(values)).facts["a"].session == "p1"
    plain = {**values, "geometry": {"views": [{**view, "session": None}]}}
    assert read_gaze([path], read_gaze_source(plain)).facts["a"].session is None


def test_views_without_effect_are_named(tmp_path):
    path = table(tmp_path, "p1.csv", [("a", 5, 5, 100, 50)])
    view = {"screen_px": {"left": 0, "top": 0, "width": 10, "height": 10}}
    images = {"a": [view, {**view, "session": "p9"}], "b": [view], "aa": [view]}
    values = {"settings": {**COLUMNS, "frame": "screen_px"}, "geometry": {"images": images}}
    reading = read_gaze([path], read_gaze_source(values), image_sizes={"a": Size(5, 5), "b": Size(5, 5)})
    assert [problem.message for problem in reading.problems] == [
        "the geometry states views for 1 images that are not there: 'aa' ...",
        "the geometry states views for 1 sessions that are not there: 'p9' ...",
    ]
    assert reading.fixations["a"].x.tolist() == [0.5]


def test_a_source_is_checked_whole(tmp_path):
    (tmp_path / "screen.yaml").write_text("fit: stretch\nscreen_size_px: {height: 1, width: 2}\n")
    source = read_gaze_source({"geometry": "screen.yaml", "trials": "t.csv"}, folder=tmp_path)
    assert source.geometry.screen_size_px == Size(1, 2)
    assert source.trials == tmp_path / "t.csv"
    for values, message in [
        ({"format": "eyelnk_asc"}, "unknown gaze format 'eyelnk_asc'"),
        ({"formt": "tobii"}, "gaze settings: unknown key 'formt'"),
        ({"settings": {"time_unit": "h"}}, "gaze format fixation_table: time_unit: expected 'ms' or 's'"),
        ({"geometry": {"fit": "bent"}}, "geometry.fit: expected"),
        ({"events": {"unit": "screen_px"}}, "events: with unit screen_px, state"),
    ]:
        with pytest.raises(SettingsError, match=re.escape(message)):
            read_gaze_source(values)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["kvasir", "nci-isbi"])
def test_the_published_tables_stand_in_the_order_of_viewing(real_data, name):
    """The tracker slips while the annotator works, so first fixations move smoothly along the rows."""
    path = real_data / "gazemedseg" / f"{name}_fixation.csv"
    reading = read_fixation_table(path, FixationColumns.gazemedseg())
    assert [facts.order for facts in reading.facts.values()] == list(range(len(reading.facts)))
    first = np.array([(one.x[0], one.y[0]) for one in reading.fixations.values()])
    found = cross_offset(first, [facts.order for facts in reading.facts.values()])
    assert found.wander_frac == pytest.approx({"kvasir": 0.098, "nci-isbi": 0.057}[name], abs=5e-4)
    assert found.wander_p == 0.01
    unstated = read_fixation_table(path)
    assert {facts.order for facts in unstated.facts.values()} == {None}
    assert sum(facts.fixations for facts in unstated.facts.values()) == reading.rows
