from __future__ import annotations

import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.gazepoint import GAZEPOINT, GazepointSettings, read_gazepoint
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.types import Size

HEADER = (
    "MEDIA_ID,MEDIA_NAME,CNT,TIME(2026/01/01 10:00:00.000),TIMETICK(f=10000000),"
    "FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,BPOGX,BPOGY,BPOGV,USER,"
)
FULL = GazepointSettings(surface="image")
UNIT = EventSettings(unit="image_unit", velocity_threshold=1.5, max_distance=0.02)
SCREEN = Geometry(screen_size_px=Size(1000, 2000), fit="letterbox")


def fixation(media, number, x, start, duration, valid=1, tick=0):
    return (
        f"0,{media},{number},{start + duration:.5f},{tick},{x},0.5,{start},{duration},{number},{valid},"
        f"{x},0.5,{valid},,"
    )


def all_gaze(media, places, period=1 / 60, per_place=12, tick=0):
    """Rows at 60 Hz: the fixation's columns grow while it lasts, and stay behind while gaze moves on."""
    rows = []
    for index in range(len(places) * per_place):
        number, within = divmod(index, per_place)
        x, moving = places[number], within == 0 and number > 0
        start = number * per_place * period + (period if number else 0)
        shown = number - 1 if moving else number
        duration = max(index * period - start, 0)
        rows.append(
            f"0,{media},{index},{index * period:.6f},{tick + index},{places[shown]},0.5,{start:.6f},"
            f"{duration:.6f},{shown + 1},{int(not moving)},{x},0.5,{int(not moving)},,"
        )
    return rows


@pytest.fixture
def export(tmp_path):
    def write(rows, name="User 1_fixations.csv", header=HEADER, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(("\r\n".join([header, *rows]) + "\r\n").encode(encoding))
        return path

    return write


def test_is_registered():
    assert GAZE_FORMATS["gazepoint"] is GAZEPOINT
    assert GAZEPOINT.settings_type() == GazepointSettings()


def test_fixations_of_two_images(export):
    path = export(
        [
            fixation("a.png", 1, 0.2, 0.0, 0.3),
            fixation("a.png", 2, 0.4, 0.35, 0.25),
            fixation("a.png", 3, 0.9, 0.65, 0.2, valid=0),
            fixation("b.png", 1, 0.6, 0.1, 0.5),
            fixation("", 2, 0.6, 0.7, 0.5),
        ]
    )
    found = read_gazepoint(path, FULL)
    assert found.fixations["a"].to_rows() == [[0.2, 0.5, 300, 0], [0.4, 0.5, 250, 350]]
    assert found.fixations["b"].to_rows() == [[0.6, 0.5, 500, 100]]
    assert found.fixations["a"].annotator == "User 1"
    assert (found.dropped["not_valid"], found.dropped["no_image"], found.rows) == (1, 1, 5)
    assert (found.facts["a"].loss_share, found.facts["a"].trial_ms) == (None, None)


def test_fractions_of_the_screen_become_places_on_the_image(export):
    path = export([fixation("a.png", 1, 0.5, 0, 0.3), fixation("a.png", 2, 0.25, 0.4, 0.3)])
    context = ReadingContext(geometry=SCREEN, image_sizes={"a": Size(10, 10)}, off_image="keep")
    assert read_gazepoint(path, None, context).fixations["a"].x.tolist() == [0.5, 0.0]
    with pytest.raises(DataError, match="unknown is the screen's size in pixels"):
        read_gazepoint(path)


def test_all_gaze_gives_the_same_fixations_and_the_loss(export):
    path = export(all_gaze("a.png", [0.2, 0.5, 0.8]), "User 1_all_gaze.csv")
    found = read_gazepoint(path, FULL)
    fixations = found.fixations["a"]
    assert fixations.x.tolist() == [0.2, 0.5, 0.8]
    assert fixations.start_ms == pytest.approx([0, 13000 / 60, 25000 / 60], abs=0.01)
    assert fixations.duration_ms == pytest.approx([11000 / 60, 10000 / 60, 10000 / 60], abs=0.01)
    assert found.facts["a"].trial_ms == pytest.approx(600, abs=0.1)
    assert found.facts["a"].loss_share == pytest.approx(2 / 36, abs=1e-3)


def test_events_are_detected_in_the_best_point_of_gaze(export):
    path = export(all_gaze("a.png", [0.2, 0.5, 0.8]), "User 1_all_gaze.csv")
    found = read_gazepoint(path, FULL, ReadingContext(events=UNIT))
    assert found.fixations["a"].x == pytest.approx([0.2, 0.5, 0.8])
    assert found.facts["a"].fixations == 3
    only = export([fixation("a", 1, 0.2, 0, 0.3), fixation("a", 2, 0.4, 0.4, 0.3)])
    with pytest.raises(DataError, match="each row is a fixation"):
        read_gazepoint(only, FULL, ReadingContext(events=UNIT))


def test_the_same_image_again_is_joined(export):
    rows = all_gaze("a", [0.2], tick=0) + all_gaze("b", [0.4], tick=50) + all_gaze("a", [0.6], tick=100)
    found = read_gazepoint(export(rows, "User 1_all_gaze.csv"), FULL)
    assert found.fixations["a"].x.tolist() == [0.2, 0.6]
    at_once = all_gaze("a", [0.2], tick=0) + all_gaze("a", [0.6], tick=50)
    found = read_gazepoint(export(at_once, "User 1_all_gaze.csv"), FULL)
    assert found.fixations["a"].x.tolist() == [0.2, 0.6]
    assert found.facts["a"].trial_ms == pytest.approx(400, abs=0.1)


@pytest.mark.parametrize("events", [None, UNIT])
def test_trials_and_one_image_a_file(export, events):
    path = export(all_gaze("NewMedia0", [0.2, 0.5, 0.8]), "User 1_all_gaze.csv")
    trials = (Trial("x", 0, 200), Trial("y", 210, 590))
    found = read_gazepoint(path, FULL, ReadingContext(events=events, trials=trials))
    assert {image: len(one) for image, one in found.fixations.items()} == {"x": 1, "y": 2}
    assert found.facts["y"].trial_ms == 380
    one = read_gazepoint(
        path, GazepointSettings(surface="image", image="z.png"), ReadingContext(events=events)
    )
    assert [len(rows) for rows in one.fixations.values()] == [3]
    assert list(one.fixations) == ["z"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (fixation("a", 2, "left", 0.4, 0.3), "FPOGX must be a number, found 'left'"),
        (fixation("a", 2, 0.5, -0.4, 0.3), "goes back"),
        (fixation("a", 2, 0.5, 0.4, -0.1), "FPOGD must not be negative"),
        (fixation("a", 2, 0.5, 0.4, 0.3, valid="x"), "FPOGV must be True or False"),
        ("0,a,2,0.7,0,0.5", "the row has 6 cells and none for 'FPOGV'"),
    ],
)
def test_a_bad_row_is_named_or_left_out(export, row, says):
    path = export([fixation("a", 1, 0.2, 0, 0.3), row, fixation("a", 3, 0.4, 0.8, 0.3)])
    with pytest.raises(DataError, match=says) as caught:
        read_gazepoint(path, FULL)
    assert (caught.value.path, caught.value.row) == (path, 3)
    found = read_gazepoint(path, FULL, ReadingContext(on_bad_row="skip"))
    assert (len(found.fixations["a"]), found.dropped["bad_row"]) == (2, 1)


def test_times_that_go_back_within_trials_are_refused(export):
    rows = all_gaze("a", [0.2], tick=0) + all_gaze("a", [0.6], tick=50)
    with pytest.raises(DataError, match="time goes back") as caught:
        read_gazepoint(
            export(rows, "User 1_all_gaze.csv"), FULL, ReadingContext(trials=(Trial("a", 0, 500),))
        )
    assert caught.value.row == 14


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ([], HEADER, "none of the 0 rows holds valid gaze"),
        ([fixation("a", 1, 0.2, 0, 0.3, valid=0)], HEADER, r"valid gaze \(FPOGV 1\)"),
        ([], HEADER.replace("FPOGX", "GX"), "lacks the column 'FPOGX'"),
        ([], HEADER.replace("MEDIA_NAME", "NAME"), "lacks the column 'MEDIA_NAME'"),
    ],
)
def test_refuses_a_file(export, rows, header, says):
    with pytest.raises(DataError, match=says):
        read_gazepoint(export(rows, header=header), FULL)


def test_rows_of_wide_files_are_named_as_they_stand_in_the_file(export):
    """Columns that are not needed are not kept; places in messages are those of the file all the same."""
    wide = [f"{row}{'9,' * 40}" for row in all_gaze("a", [0.2, 0.5], per_place=400)]
    header = HEADER + "".join(f"EXTRA{index}," for index in range(40))
    short = [*wide[:600], ",".join(wide[600].split(",")[:12]), *wide[601:]]
    with pytest.raises(DataError, match="the row has 12 cells and none for 'BPOGV'") as caught:
        read_gazepoint(export(short, "User 1_all_gaze.csv", header), FULL)
    assert caught.value.row == 602
    broken = [*wide[:500], '"' + wide[500], *wide[501:]]
    with pytest.raises(DataError, match="the Gazepoint export is broken"):
        read_gazepoint(export(broken, "User 1_all_gaze.csv", header), FULL)
    latin = [*wide[:700], wide[700].replace("a,", "ä,", 1), *wide[701:]]
    with pytest.raises(DataError, match="the Gazepoint export is not UTF-8 text") as caught:
        read_gazepoint(export(latin, "User 1_all_gaze.csv", header, "latin-1"), FULL)
    assert caught.value.row == 702
    found = read_gazepoint(export(wide, "User 1_all_gaze.csv", header), FULL)
    assert (found.fixations["a"].x.tolist(), found.rows) == ([0.2, 0.5], 800)


def test_refuses_empty_files_and_other_encodings(export, tmp_path):
    with pytest.raises(DataError, match="not UTF-8") as caught:
        read_gazepoint(export([fixation("ä", 1, 0.2, 0, 0.3)], encoding="latin-1"), FULL)
    assert caught.value.row == 2
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(DataError, match="the Gazepoint export is empty"):
        read_gazepoint(tmp_path / "none.csv", FULL)
