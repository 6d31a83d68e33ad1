"""EyeLink .asc: eyes, loss and detection in generated recordings, and malformed twins."""

from __future__ import annotations

import numpy as np
import pytest
from eyelink_making import asc, fixation, samples, samples_of_both
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.eyelink_asc import EYELINK_ASC, EyeLinkSettings, read_eyelink_asc
from gaze_insight.gaze.readers.eyelink_eyes import average_fixations
from gaze_insight.gaze.readers.eyelink_lines import EyeFixation, parse_eyelink
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.trials import Trial

SKIP = ReadingContext(on_bad_row="skip")
PIXELS = EventSettings(unit="screen_px", velocity_threshold=1500, max_distance=20)


class TestEyes:
    lines = (
        fixation(1200, 1399, 100, 10, "L"),
        fixation(1210, 1409, 120, 30, "R"),
        fixation(2000, 2099, 500, 50, "R"),
    )

    def read(self, tmp_path, eye, *more):
        file = asc(tmp_path, *more, *self.lines, eyes="LEFT\tRIGHT")
        return read_eyelink_asc(file, EyeLinkSettings(image="a", eye=eye))

    def test_one_eye(self, tmp_path):
        left, right = self.read(tmp_path, "left"), self.read(tmp_path, "right")
        assert left.fixations["a"].x.tolist() == [100]
        assert left.dropped["other_eye"] == 2
        assert right.fixations["a"].x.tolist() == [120, 500]

    def test_average(self, tmp_path):
        reading = self.read(tmp_path, "average")
        assert reading.fixations["a"].to_rows() == [[110, 20, 200, 1205], [500, 50, 100, 2000]]
        assert "other_eye" not in reading.dropped

    def test_best_by_validation_then_by_time(self, tmp_path):
        def validated(left, right):
            return [
                f"MSG 950 !CAL VALIDATION HV9 LR {eye}  GOOD ERROR {error} avg. 0.64 max  OFFSET 0.35 deg."
                for eye, error in (("LEFT", left), ("RIGHT", right))
            ]

        assert self.read(tmp_path, "best", *validated(0.3, 0.5)).fixations["a"].x.tolist() == [100]
        assert self.read(tmp_path, "best", *validated(0.6, 0.5)).fixations["a"].x.tolist() == [120, 500]
        assert self.read(tmp_path, "best").fixations["a"].x.tolist() == [120, 500]

    def test_eye_that_was_not_recorded(self, tmp_path):
        file = asc(tmp_path, self.lines[0])
        with pytest.raises(DataError, match="the right eye was not recorded; found: left"):
            read_eyelink_asc(file, EyeLinkSettings(image="a", eye="right"))
        average = read_eyelink_asc(file, EyeLinkSettings(image="a", eye="average"))
        assert average.fixations["a"].x.tolist() == [100]

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.booleans()), max_size=12))
    def test_average_never_overlaps_and_counts_all(self, gaps):
        clock = {True: 0.0, False: 0.0}
        both = []
        for gap, length, is_left in gaps:
            start = clock[is_left] + gap
            clock[is_left] = start + length
            both.append(EyeFixation("left" if is_left else "right", start, length, start, length, 1))
        joined, unused = average_fixations(both)
        pairs = len(both) - unused - len(joined)
        assert 0 <= pairs <= len(joined)
        ends = [one.start_ms + one.duration_ms for one in joined]
        assert all(end <= one.start_ms + 1e-9 for end, one in zip(ends, joined[1:], strict=False))
        alone = [
            one for one in both if not any(_overlap(one, other) for other in both if other.eye != one.eye)
        ]
        assert all(one in joined for one in alone)


def _overlap(a: EyeFixation, b: EyeFixation) -> bool:
    return a.start_ms < b.start_ms + b.duration_ms and b.start_ms < a.start_ms + a.duration_ms


class TestLossAndSamples:
    def test_loss_of_samples(self, tmp_path):
        lost = [f"{t}\t   .\t   .\t 0.0\t..." for t in range(1100, 1125)]
        file = asc(tmp_path, *samples(1000, 100, 500), *lost, fixation(1000, 1099, 500, 250))
        context = ReadingContext(trials=(Trial("a", 1000, 1125),))
        assert read_eyelink_asc(file, context=context).facts["a"].loss_share == pytest.approx(0.2)

    def test_loss_of_blinks_where_there_are_no_samples(self, tmp_path):
        file = asc(tmp_path, fixation(1000, 1099, 500, 250), "EBLINK L 1900\t2099\t200")
        context = ReadingContext(trials=(Trial("a", 1000, 2000),))
        assert read_eyelink_asc(file, context=context).facts["a"].loss_share == pytest.approx(0.1)

    def test_detection_in_samples(self, tmp_path):
        file = asc(tmp_path, *samples(1000, 200, 100), *samples(1200, 300, 700))
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a"), ReadingContext(events=PIXELS))
        found = reading.fixations["a"]
        assert found.x == pytest.approx([100.05, 700.05], abs=0.01)
        assert found.duration_ms == pytest.approx([200, 300], abs=25)
        assert reading.rows == 500

    def test_detection_in_degrees_takes_the_screen_from_the_file(self, tmp_path):
        file = asc(tmp_path, *samples(1000, 200, 100), *samples(1200, 300, 700))
        geometry = Geometry(
            screen_size_mm={"height": 150, "width": 300}, viewing_distance_mm=600, fit="stretch"
        )
        context = ReadingContext(events=EventSettings(), geometry=geometry)
        found = read_eyelink_asc(file, EyeLinkSettings(image="a"), context).fixations["a"]
        assert found.frame == "image_unit"
        assert found.x == pytest.approx([0.1, 0.7], abs=0.001)

    def test_half_milliseconds(self, tmp_path):
        whole = [f"{1000 + i // 2}\t 500.0\t 250.0\t 900.0\t..." for i in range(400)]
        file = asc(tmp_path, *whole)
        file.write_text(file.read_text().replace("RATE\t1000.00", "RATE\t2000.00"))
        lines = parse_eyelink(file)
        assert lines.problems == []
        assert np.allclose(np.diff(lines.samples.t_ms), 0.5)

    def test_binocular_mean_of_the_eyes_that_see(self, tmp_path):
        rows = [
            "1000\t 10.0\t 20.0\t 9.0\t 30.0\t 40.0\t 9.0\t.....",
            "1001\t .\t .\t 0.0\t 30.0\t 40.0\t 9.0\t.....",
        ]
        file = asc(tmp_path, *rows, *samples_of_both(1002, 200), eyes="LEFT\tRIGHT")
        settings = EyeLinkSettings(image="a", eye="average")
        found = read_eyelink_asc(file, settings, ReadingContext(events=PIXELS)).fixations["a"]
        assert found.x[0] == pytest.approx((20 + 30 + 200 * 20) / 202)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("EFIX L 1200\t1399\t200", "row 6: the EFIX line is cut short"),
            ("EFIX L 1200\t1399\t200\tabc\t1\t1", "row 6: the EFIX line has text for a number"),
            ("EFIX X 1200\t1399\t200\t1\t1\t1", "row 6: a fixation must be of eye L or R, found 'X'"),
            ("EFIX L 1399\t1200\t200\t1\t1\t1", "row 6: a fixation must end after its start"),
            ("EFIX L 1001\t1050\t50\t1\t1\t1", "row 6: time goes back: a left fixation starts at 1001"),
            ("EBLINK L 1200", "row 6: the EBLINK line is cut short"),
            ("1300\t 5.0", "row 6: the sample line is cut short"),
            ("1300\t 5.0\t x\t 1.0", "row 6: the sample line has text for a number"),
            ("1149\t 5.0\t 5.0\t 1.0", "row 6: time goes back: a sample at 1149 ms after one at 1150"),
            ("MSG", "row 6: the MSG line is cut short"),
            ("MSG abc hello", "row 6: the MSG line has text for a number"),
        ],
    )
    def test_bad_line(self, tmp_path, line, message):
        extra = "1150\t 5.0\t 5.0\t 1.0\t..." if line.startswith("1") else fixation(1100, 1180, 7, 7)
        file = asc(tmp_path, extra, line, fixation(1500, 1699, 5, 5))
        with pytest.raises(DataError, match=message):
            read_eyelink_asc(file, EyeLinkSettings(image="a"))
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a"), SKIP)
        assert reading.dropped["bad_row"] == 1
        assert reading.fixations["a"].x[-1] == 5

    @pytest.mark.parametrize("kind", ["HREF", "PUPIL"])
    def test_positions_that_are_not_gaze(self, tmp_path, kind):
        with pytest.raises(DataError, match="the events hold no gaze on the screen"):
            read_eyelink_asc(asc(tmp_path, kind=kind), EyeLinkSettings(image="a"), SKIP)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "no START line"),
            (b"SR_RESEARCH\x00\x01\nSTART 1", "a binary file, not the text that edf2asc writes"),
            (b"time,x,y\n1,2,3\n", "samples outside a recording"),
            (b"** CONVERTED\nMSG 5 hi\n", "no START line: this is no EyeLink .asc file"),
            ("START 5 LEFT\n".encode("utf-16"), "UTF-16"),
            (b"START 5\n", "row 1: the START line names no eye"),
            (b"END 5\n", "row 1: an END line without a START"),
            (b"START 9 LEFT\nEND 20\nSTART 10 LEFT\nEND 30\n", "row 3: time goes back: recording starts"),
        ],
    )
    def test_not_a_recording(self, tmp_path, content, message):
        file = tmp_path / "bad.asc"
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_eyelink_asc(file, EyeLinkSettings(image="a"))

    def test_missing_file(self, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            read_eyelink_asc(tmp_path / "none.asc")
        with pytest.raises(DataError, match="cannot be read"):
            read_eyelink_asc(tmp_path)

    def test_no_valid_gaze(self, tmp_path):
        empty = asc(tmp_path, "EFIX L 1200\t1399\t200\t   .\t   .\t0")
        with pytest.raises(DataError, match=r"found 1 fixations .*none with a position"):
            read_eyelink_asc(empty, EyeLinkSettings(image="a"))
        with pytest.raises(DataError, match="found 0 samples, none with a position"):
            read_eyelink_asc(empty, EyeLinkSettings(image="a"), ReadingContext(events=PIXELS))
        with pytest.raises(DataError, match="give event settings"):
            read_eyelink_asc(asc(tmp_path, *samples(1100, 50, 5)), EyeLinkSettings(image="a"))

    def test_fixation_without_a_position_is_counted(self, tmp_path):
        file = asc(tmp_path, "EFIX L 1200\t1399\t200\t   .\t   .\t0", fixation(1500, 1699, 5, 5))
        assert read_eyelink_asc(file, EyeLinkSettings(image="a")).dropped["no_position"] == 1

    def test_latin_1_messages_are_read_and_noted(self, tmp_path):
        file = asc(tmp_path, fixation(1200, 1399, 5, 5))
        file.write_bytes(file.read_bytes().replace(b"END", "MSG 1500 Größe\nEND".encode("latin-1")))
        assert any(one.text == "Größe" for one in parse_eyelink(file).messages)
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a"))
        assert "1 lines are not UTF-8" in str(reading.problems[0])

    def test_file_cut_short_after_a_whole_line_is_noted(self, tmp_path):
        file = asc(tmp_path, fixation(1200, 1399, 5, 5))
        file.write_text(file.read_text().split("END")[0])
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a"))
        assert len(reading.fixations["a"]) == 1
        assert "no END line" in str(reading.problems[0])

    def test_several_blocks(self, tmp_path):
        file = asc(tmp_path, fixation(1200, 1399, 5, 5))
        again = (
            "START 6000 RIGHT EVENTS\nEVENTS GAZE RIGHT RATE 500.00\nEFIX R 6100 6198 100 9 9 9\nEND 7000\n"
        )
        file.write_text(file.read_text() + again)
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a"))
        assert reading.fixations["a"].to_rows() == [[5, 5, 200, 1200], [9, 9, 100, 6100]]
        file.write_text(file.read_text().replace("END\t5000\tSAMPLES\tEVENTS\tRES\t1\t1\n", ""))
        noted = read_eyelink_asc(file, EyeLinkSettings(image="a"))
        assert "starts again without an END" in str(noted.problems[0])


def test_format_names_its_settings():
    assert EYELINK_ASC.settings_type is EyeLinkSettings
    assert EYELINK_ASC.endings == (".asc",)
