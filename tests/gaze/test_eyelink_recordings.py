"""EyeLink .asc: real recordings, against pymovements."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.readers.eyelink_asc import EyeLinkSettings, read_eyelink_asc
from gaze_insight.gaze.readers.eyelink_lines import parse_eyelink
from gaze_insight.gaze.readers.reading import ReadingContext

PIXELS = EventSettings(unit="screen_px", velocity_threshold=1500, max_distance=20)
REAL = {
    "eyelink_binocular_example.asc": (4, 2, 368),
    "eyelink_monocular_example.asc": (2, 0, 16),
    "eyelink_monocular_2khz_example.asc": (2, 0, 16),
    "eyelink_monocular_no_dummy_example.asc": (2, 2, 297),
}


@pytest.mark.realdata
class TestRealRecordings:
    @pytest.mark.parametrize("name", REAL)
    def test_same_as_pymovements(self, real_data, name):
        pymovements = pytest.importorskip("pymovements")
        file = real_data / "gaze-recordings" / name
        lines = parse_eyelink(file)
        assert lines.problems == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pymovements.gaze.from_asc(file, events=True, encoding="utf-8")
        events = theirs.events.frame.to_dicts()
        ours = {
            "fixation_eyelink": [(one.start_ms, one.line) for one in lines.fixations],
            "blink_eyelink": [(one.start_ms, one.line) for one in lines.blinks],
        }
        for kind, found in ours.items():
            wanted = sorted(event["onset"] for event in events if event["name"] == kind)
            assert sorted(start for start, _ in found) == wanted
        frame = theirs.samples
        assert np.allclose(lines.samples.t_ms, frame["time"].to_numpy())
        pixel = np.array(frame["pixel"].to_list(), dtype=float)
        if pixel.shape[1] == 4:
            assert np.allclose(np.hstack([lines.samples.left, lines.samples.right]), pixel, equal_nan=True)
        else:
            assert np.allclose(lines.samples.left, pixel, equal_nan=True)
            assert np.isnan(lines.samples.right).all()

    @pytest.mark.parametrize("name", REAL)
    @pytest.mark.parametrize("events", [None, PIXELS])
    def test_each_is_read(self, real_data, name, events):
        fixations, blinks, count = REAL[name]
        file = real_data / "gaze-recordings" / name
        lines = parse_eyelink(file)
        assert (len(lines.fixations), len(lines.blinks), len(lines.samples.t_ms)) == (
            fixations,
            blinks,
            count,
        )
        context = ReadingContext(events=events, min_duration_ms=0)
        reading = read_eyelink_asc(file, EyeLinkSettings(image="a", eye="left"), context)
        left = sum(one.eye == "left" for one in lines.fixations)
        if events is None:
            assert len(reading.fixations["a"]) == left
        assert reading.fixations["a"].frame == "screen_px"
        assert 0 <= reading.facts["a"].loss_share <= 1

    def test_image_and_place_by_the_messages_of_a_real_file(self, real_data):
        file = real_data / "gaze-recordings" / "eyelink_monocular_no_dummy_example.asc"
        reading = read_eyelink_asc(file)
        assert reading.fixations["text"].frame == "image_unit"
        assert reading.fixations["text"].x == pytest.approx([868.5 / 1920, 708.1 / 1920])
        assert reading.fixations["text"].duration_ms.tolist() == [86, 326]
        assert math.isclose(reading.facts["text"].trial_ms or 0, 651_283 - 643_205, abs_tol=12)

    def test_files_without_image_messages_list_what_they_hold(self, real_data):
        with pytest.raises(DataError, match=r"messages found: TRIALID \(5\)"):
            read_eyelink_asc(real_data / "gaze-recordings" / "eyelink_monocular_example.asc")
