from __future__ import annotations

import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.pupil import PUPIL, PupilSettings, read_pupil
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.types import Size

FIXATIONS = (
    "world_timestamp,world_index,fixation_id,start_timestamp,duration,dispersion,"
    "norm_pos_x,norm_pos_y,x_scaled,y_scaled,on_surf"
)
GAZE = "world_timestamp,world_index,gaze_timestamp,x_norm,y_norm,x_scaled,y_scaled,on_surf,confidence"
UNIT = EventSettings(unit="image_unit", velocity_threshold=1.5, max_distance=0.02)


def frames(number, start, duration, xy, count=3, spread=0.0):
    """One row a frame of the scene video, as Pupil Player writes a fixation on a surface."""
    rows = []
    for index in range(count):
        x = xy[0] + spread * (index - (count - 1) / 2)
        on = 0 <= x <= 1 and 0 <= xy[1] <= 1
        at = start + index / 30
        rows.append(f"{at},{index},{number},{start},{duration},1.2,{x},{xy[1]},{x},{xy[1]},{on}")
    return rows


def gaze(places, period=0.005, per_place=40, start=100.0, unsure=()):
    rows = []
    for index in range(len(places) * per_place):
        x, y = places[index // per_place]
        sure = 0.2 if index in unsure else 0.95
        rows.append(f"{start},{index},{start + index * period:.6f},{x},{y},{x},{y},True,{sure}")
    return rows


@pytest.fixture
def export(tmp_path):
    def write(rows, header=FIXATIONS, name="fixations_on_surface_lung 7.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
        return path

    return write


def test_is_registered():
    assert GAZE_FORMATS["pupil"] is PUPIL
    assert PUPIL.settings_type() == PupilSettings()


def test_a_fixation_is_the_mean_over_its_frames(export):
    rows = frames(1, 10.0, 200.5, (0.2, 0.9), spread=0.02) + frames(2, 10.25, 300, (0.5, 0.25), count=5)
    found = read_pupil(export(rows), PupilSettings(annotator="ann"))
    fixations = found.fixations["lung 7"]
    assert fixations.x == pytest.approx([0.2, 0.5])
    assert fixations.y == pytest.approx([0.1, 0.75])
    assert fixations.start_ms.tolist() == [10_000, 10_250]
    assert fixations.duration_ms.tolist() == [200.5, 300]
    assert (fixations.annotator, found.dropped["repeated"], found.rows) == ("ann", 6, 8)


def test_a_fixation_beside_the_surface_is_off_the_image(export):
    rows = frames(1, 10.0, 200, (0.2, 0.9)) + frames(2, 10.3, 200, (1.4, 0.5))
    found = read_pupil(export(rows))
    assert (len(found.fixations["lung 7"]), found.dropped["off_image"]) == (1, 1)


def test_the_surface_is_the_screen(export):
    screen = Geometry(screen_size_px=Size(1000, 2000), fit="letterbox")
    rows = frames(1, 10.0, 200, (0.5, 0.75)) + frames(2, 11.0, 200, (0.25, 0.5))
    path = export(rows, name="fixations_on_surface_Screen.csv")
    trials = (Trial("a", 9_900, 10_500), Trial("b", 10_900, 11_100))
    context = ReadingContext(geometry=screen, trials=trials, image_sizes=dict.fromkeys("ab", Size(5, 5)))
    found = read_pupil(path, PupilSettings(surface="screen"), context)
    assert found.fixations["a"].to_rows() == [[0.5, 0.25, 200, 10_000]]
    assert found.fixations["b"].to_rows() == [[0.0, 0.5, 100, 11_000]]
    with pytest.raises(DataError, match="screen's size in pixels"):
        read_pupil(path, PupilSettings(surface="screen"), ReadingContext(trials=trials))
    with pytest.raises(DataError, match="which image was shown when"):
        read_pupil(path, PupilSettings(surface="screen"), ReadingContext(geometry=screen))


def test_gaze_positions_are_samples(export):
    places = [(0.2, 0.9), (0.6, 0.4)]
    path = export(gaze(places, unsure=range(10)), GAZE, "gaze_positions_on_surface_lung 7.csv")
    found = read_pupil(path, None, ReadingContext(events=UNIT))
    fixations = found.fixations["lung 7"]
    assert fixations.x == pytest.approx([0.2, 0.6])
    assert fixations.y == pytest.approx([0.1, 0.6])
    assert found.facts["lung 7"].loss_share == pytest.approx(10 / 80)
    assert fixations.start_ms[0] == pytest.approx(100_050)
    everything = read_pupil(path, PupilSettings(min_confidence=0), ReadingContext(events=UNIT))
    assert everything.facts["lung 7"].loss_share == pytest.approx(0)
    with pytest.raises(DataError, match="where the image stood on the screen"):
        read_pupil(path)


def test_events_cannot_be_detected_in_fixations(export):
    with pytest.raises(DataError, match="the file holds fixations"):
        read_pupil(export(frames(1, 1, 200, (0, 0))), None, ReadingContext(events=UNIT))


def test_the_image_can_be_stated(export):
    path = export(frames(1, 1.0, 200, (0.5, 0.5)), name="renamed.csv")
    with pytest.raises(DataError, match=r"'renamed\.csv' does not say which surface"):
        read_pupil(path)
    assert list(read_pupil(path, PupilSettings(image="a.png")).fixations) == ["a"]


GOOD = frames(1, 10.0, 200, (0.5, 0.5), count=2)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("10,0,2,11.0,200,1,left,0.5,0,0,True", "norm_pos_x must be a number, found 'left'"),
        ("10,0,2,11.0,0,1,0.5,0.5,0,0,True", "duration must be above 0"),
        ("10,0,,11.0,200,1,0.5,0.5,0,0,True", "fixation_id must hold a number"),
        ("10,0,1,11.0,200,1,0.5,0.5,0,0,True", "fixation 1 has another start"),
        ("10,0,2,11.0,200,1,0.5", "the row has 7 cells and none for 'norm_pos_y'"),
    ],
)
def test_a_bad_fixation_row_is_named_or_left_out(export, row, says):
    path = export([*GOOD, row])
    with pytest.raises(DataError, match=says) as caught:
        read_pupil(path)
    assert (caught.value.path, caught.value.row) == (path, 4)
    found = read_pupil(path, None, ReadingContext(on_bad_row="skip"))
    assert (len(found.fixations["lung 7"]), found.dropped["bad_row"]) == (1, 1)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,1,99.0,0.5,0.5,0,0,True,0.9", "time must go forward"),
        ("1,1,100.2,0.5,,0,0,True,0.9", "y_norm must be a number"),
        ("1,1,100.2,0.5,0.5,0,0,True", "none for 'confidence'"),
    ],
)
def test_a_bad_gaze_row_is_named_or_left_out(export, row, says):
    rows = gaze([(0.5, 0.5)])
    path = export([*rows[:30], row, *rows[30:]], GAZE, "gaze_positions_on_surface_a.csv")
    with pytest.raises(DataError, match=says) as caught:
        read_pupil(path)
    assert (caught.value.path, caught.value.row) == (path, 32)
    found = read_pupil(path, None, ReadingContext(on_bad_row="skip", events=UNIT))
    assert found.dropped["bad_row"] == 1


@pytest.mark.parametrize(
    ("rows", "header", "name", "says"),
    [
        ([], FIXATIONS, "fixations_on_surface_a.csv", "holds no fixation"),
        ([], GAZE, "gaze_positions_on_surface_a.csv", "none of the 0 rows holds gaze"),
        (gaze([(0.5, 0.5)], unsure=range(40)), GAZE, "gaze_positions_on_surface_a.csv", "confidence 0.6"),
        ([], "surface_name,visible_frame_count", "surface_visibility.csv", "lacks the column 'fixation_id'"),
    ],
)
def test_refuses_a_file(export, rows, header, name, says):
    with pytest.raises(DataError, match=says):
        read_pupil(export(rows, header, name))


def test_refuses_empty_files_and_other_encodings(export, tmp_path):
    with pytest.raises(DataError, match="not UTF-8"):
        read_pupil(export([*GOOD, "ä"], encoding="latin-1"))
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(DataError, match="the surface export is empty"):
        read_pupil(tmp_path / "none.csv")
