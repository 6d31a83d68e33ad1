"""EyeLink .asc: which image was shown when and where, in generated recordings."""

from __future__ import annotations

import pytest
from eyelink_making import asc, fixation, trial

from gaze_insight.errors import DataError
from gaze_insight.gaze.geometry import Geometry, Rect, View
from gaze_insight.gaze.readers.eyelink_asc import EyeLinkSettings, read_eyelink_asc
from gaze_insight.gaze.readers.eyelink_lines import parse_eyelink
from gaze_insight.gaze.readers.eyelink_trials import ImageMessages, display_of
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.types import Size


class TestImagesByMessages:
    def test_imgload_fill_places_each_trial_on_its_image(self, tmp_path):
        file = asc(
            tmp_path,
            *trial(1, 1100, 2000, "MSG\t1150 !V IMGLOAD FILL img\\a.png", fixation(1200, 1399, 500, 125)),
            *trial(2, 2100, 3000, "MSG\t2150 !V IMGLOAD FILL img/b 2.PNG", fixation(2200, 2299, 250, 250)),
        )
        reading = read_eyelink_asc(file)
        assert reading.fixations["a"].to_rows() == [[0.5, 0.25, 200.0, 1200.0]]
        assert reading.fixations["b 2"].to_rows() == [[0.25, 0.5, 100.0, 2200.0]]
        facts = reading.facts["b 2"]
        assert (facts.session, facts.order, facts.trial_ms, facts.fixations) == ("s1", 1, 850.0, 1)
        assert reading.rows == 2
        assert reading.problems == []

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("CENTER a.png 500 250 200 100", (0.5, 0.5)),
            ("CENTER a.png 500, 250", (0.5, 0.5)),
            ("TOP_LEFT a.png 400 200 200 100", (0.5, 0.5)),
            ("TOP_LEFT a.png 500 250 400 400", (0.0, 0.0)),
            ("FILL a.png 1000 500", (0.5, 0.5)),
            ("CENTER a.png", (0.5, 0.5)),
        ],
    )
    def test_stated_place(self, tmp_path, message, expected):
        file = asc(tmp_path, f"MSG\t1100 !V IMGLOAD {message}", fixation(1200, 1399, 500, 250))
        context = ReadingContext(image_sizes={"a": Size(height=80, width=160)})
        reading = read_eyelink_asc(file, context=context)
        assert reading.fixations["a"].frame == "image_unit"
        assert (reading.fixations["a"].x[0], reading.fixations["a"].y[0]) == pytest.approx(expected)

    def test_display_that_does_not_start_at_zero(self, tmp_path):
        file = asc(tmp_path, "MSG 1100 !V IMGLOAD FILL a.png", fixation(1200, 1399, 110, 20))
        file.write_text(file.read_text().replace("COORDS 0 0 999 499", "COORDS 10 20 209 119"))
        assert read_eyelink_asc(file).fixations["a"].to_rows()[0][:2] == [0.5, 0.0]

    def test_image_appears_with_onset_and_goes_with_clear(self, tmp_path):
        file = asc(
            tmp_path,
            *trial(
                1,
                1050,
                4000,
                "MSG\t1100 !V IMGLOAD FILL a.png",
                "MSG\t1500 SYNCTIME",
                "MSG\t1600 SYNCTIME",
                fixation(1200, 1399, 1, 1),
                fixation(1450, 1549, 500, 250),
                "MSG\t3000 !V CLEAR 0 0 0",
                fixation(2951, 3050, 500, 250),
                fixation(3200, 3300, 2, 2),
            ),
        )
        reading = read_eyelink_asc(file, context=ReadingContext(min_duration_ms=40))
        assert reading.fixations["a"].start_ms.tolist() == [1500, 2951]
        assert reading.fixations["a"].duration_ms.tolist() == [50, 49]
        assert reading.dropped["outside_trials"] == 2
        assert reading.facts["a"].trial_ms == 1500

    def test_message_offset_is_taken_off(self, tmp_path):
        file = asc(
            tmp_path,
            *trial(1, 1050, 4000, "MSG\t1700 600 !V IMGLOAD FILL a.png", "MSG\t1090 -11 SYNCTIME"),
            fixation(1500, 1600, 5, 5),
        )
        assert read_eyelink_asc(file).facts["a"].trial_ms == 4000 - 1101

    def test_zoom_is_two_places_of_one_image(self, tmp_path):
        file = asc(
            tmp_path,
            "MSG 1100 !V IMGLOAD TOP_LEFT a.png 0 0 100 100",
            fixation(1200, 1399, 50, 50),
            "MSG 2000 !V IMGLOAD TOP_LEFT a.png -100 -100 200 200",
            fixation(2100, 2299, 50, 50),
        )
        reading = read_eyelink_asc(file)
        assert reading.fixations["a"].x.tolist() == [0.5, 0.75]

    def test_two_images_at_once_are_refused(self, tmp_path):
        file = asc(
            tmp_path,
            "MSG 1100 !V IMGLOAD TOP_LEFT a.png 0 0 500 500",
            "MSG 1101 !V IMGLOAD TOP_LEFT b.png 500 0 500 500",
            fixation(1200, 1399, 50, 50),
        )
        with pytest.raises(DataError, match=r"row 6: images 'a' and 'b' are loaded at once"):
            read_eyelink_asc(file)

    @pytest.mark.parametrize(
        ("settings", "line"),
        [
            (EyeLinkSettings(), "MSG 1900 !V TRIAL_VAR image deep/a.png"),
            (EyeLinkSettings(image_variable="slide"), "MSG 1900 !V TRIAL_VAR slide=a.png"),
            (EyeLinkSettings(image_message=r"shows (?P<image>\S+)"), "MSG 1110 Shows a.png now"),
            (EyeLinkSettings(image="a.png"), ""),
        ],
    )
    def test_other_names(self, tmp_path, settings, line):
        lines = trial(1, 1100, 2000, "MSG 1150 SYNCTIME", fixation(1200, 1399, 5, 5), line)
        assert list(read_eyelink_asc(asc(tmp_path, *lines), settings).fixations) == ["a"]

    def test_name_of_trial_and_of_file(self, tmp_path):
        file = asc(tmp_path, *trial(7, 1100, 2000, fixation(1200, 1399, 5, 5)), name="scan.9.asc")
        assert list(read_eyelink_asc(file, EyeLinkSettings(image_from="trial")).fixations) == ["7"]
        assert list(read_eyelink_asc(file, EyeLinkSettings(image_from="file")).fixations) == ["scan.9"]

    def test_trials_win_and_must_fit_the_session(self, tmp_path):
        file = asc(tmp_path, "MSG 1100 !V IMGLOAD FILL a.png", fixation(1200, 1399, 5, 5))
        context = ReadingContext(trials=(Trial("b", 1150, 2000, "s1"), Trial("c", 0, 99, "s2")))
        reading = read_eyelink_asc(file, context=context)
        assert {name: one.frame for name, one in reading.fixations.items()} == {"b": "screen_px"}
        with pytest.raises(DataError, match="no trial belongs to session 's1'"):
            read_eyelink_asc(file, context=ReadingContext(trials=(Trial("c", 1100, 1200, "s2"),)))
        with pytest.raises(DataError, match="when nothing was recorded"):
            read_eyelink_asc(file, context=ReadingContext(trials=(Trial("c", 1, 9),)))

    def test_nothing_names_the_image(self, tmp_path):
        file = asc(tmp_path, *trial(1, 1100, 2000, "MSG 1150 GO left", fixation(1200, 1399, 5, 5)))
        with pytest.raises(DataError, match=r"nothing says which image.*TRIALID \(1\), GO \(1\)"):
            read_eyelink_asc(file)

    def test_image_loaded_outside_the_recording_is_noted(self, tmp_path):
        file = asc(tmp_path, "MSG 1100 !V IMGLOAD FILL a.png", fixation(1200, 1399, 5, 5))
        file.write_text(file.read_text() + "MSG 6000 TRIALID 2\nMSG 6001 !V IMGLOAD FILL b.png\nMSG 7000 x\n")
        file.write_text(file.read_text().replace("START", "MSG 950 TRIALID 1\nSTART"))
        reading = read_eyelink_asc(file)
        assert list(reading.fixations) == ["a"]
        assert "nothing was recorded" in str(reading.problems[0])

    def test_same_image_named_again_goes_on(self, tmp_path):
        again = "!V IMGLOAD FILL a.png"
        file = asc(tmp_path, f"MSG 1100 {again}", f"MSG 1300 {again}", fixation(1200, 1399, 5, 5))
        assert read_eyelink_asc(file).fixations["a"].duration_ms.tolist() == [200]

    def test_a_trial_without_result_ends_with_the_next(self, tmp_path):
        file = asc(
            tmp_path,
            "MSG 1100 TRIALID 1",
            "MSG 1100 !V IMGLOAD FILL a.png",
            "MSG 2000 TRIALID 2",
            fixation(1900, 2099, 5, 5),
            fixation(2200, 2299, 5, 5),
        )
        reading = read_eyelink_asc(file)
        assert reading.fixations["a"].duration_ms.tolist() == [100]
        assert reading.dropped["outside_trials"] == 1

    @pytest.mark.parametrize("pattern", ["(", "show (.*)"])
    def test_pattern_without_group_is_refused(self, pattern):
        with pytest.raises(ValueError, match=r"regular expression|\(\?P<image>"):
            ImageMessages(image_message=pattern)


class TestGeometry:
    file_lines = ("MSG 1100 !V IMGLOAD CENTER a.png 500 250 200 100", fixation(1200, 1399, 500, 250))

    def test_agreeing_geometry_is_used(self, tmp_path):
        view = View(screen_px=Rect(left=400.5, top=200, width=200, height=100))
        geometry = Geometry(screen_size_px=Size(500, 1000), views=(view,))
        reading = read_eyelink_asc(asc(tmp_path, *self.file_lines), context=ReadingContext(geometry=geometry))
        assert reading.fixations["a"].x[0] == pytest.approx(99.5 / 200)

    @pytest.mark.parametrize(
        ("geometry", "message"),
        [
            (Geometry(screen_size_px=Size(600, 1000)), r"row 2: the geometry states a screen of 600 x 1000"),
            (
                Geometry(views=(View(screen_px=Rect(left=0, top=0, width=200, height=100)),)),
                r"row 5: the geometry states image 'a' at \(0, 0\) to \(200, 100\)",
            ),
            (Geometry(fit="stretch"), r"row 5: the geometry states image 'a' at \(0, 0\) to \(1000, 500\)"),
        ],
    )
    def test_contradiction(self, tmp_path, geometry, message):
        with pytest.raises(DataError, match=message):
            read_eyelink_asc(asc(tmp_path, *self.file_lines), context=ReadingContext(geometry=geometry))

    def test_the_remedy_for_another_screen_lifts_the_error(self, tmp_path):
        file, other = asc(tmp_path, *self.file_lines), Geometry(screen_size_px=Size(600, 1000))
        for settings in (EyeLinkSettings(), EyeLinkSettings(use_place=False)):
            with pytest.raises(DataError, match="a screen of 600 x 1000") as caught:
                read_eyelink_asc(file, settings, ReadingContext(geometry=other))
            assert "use_place" not in caught.value.remedy
            assert "screen_size_px in the geometry, or leave it out" in caught.value.remedy
        without = Geometry.model_validate(other.model_dump() | {"screen_size_px": None})
        assert len(read_eyelink_asc(file, context=ReadingContext(geometry=without)).fixations["a"]) == 1

    def test_place_can_be_distrusted(self, tmp_path):
        reading = read_eyelink_asc(
            asc(tmp_path, *self.file_lines),
            EyeLinkSettings(use_place=False),
            ReadingContext(geometry=Geometry(fit="stretch")),
        )
        assert reading.fixations["a"].to_rows()[0][:2] == [0.5, 0.5]

    def test_zoom_of_the_geometry_wins(self, tmp_path):
        whole = Rect(left=0, top=0, width=1000, height=500)
        views = (View(screen_px=whole, end_ms=1000), View(screen_px=whole, start_ms=1000))
        context = ReadingContext(geometry=Geometry(images={"a": views}))
        reading = read_eyelink_asc(asc(tmp_path, *self.file_lines), context=context)
        assert reading.fixations["a"].to_rows()[0][:2] == [0.5, 0.5]

    def test_two_displays_are_refused(self, tmp_path):
        file = asc(tmp_path, "MSG 1100 GAZE_COORDS 0.00 0.00 1919.00 1079.00", *self.file_lines)
        with pytest.raises(DataError, match="row 5: the file states two displays"):
            read_eyelink_asc(file)
        file = asc(tmp_path, "MSG 1100 GAZE_COORDS 0.00 0.00 1000.00 500.00", *self.file_lines)
        assert display_of(parse_eyelink(file).messages, file).size == Size(500, 1000)

    @pytest.mark.parametrize(
        "message", ["CENTER a.png", "TOP_LEFT a.png 5 5", "FILL a.png", "CENTER a.png 5 5 0 0"]
    )
    def test_half_a_place_is_none(self, tmp_path, message):
        file = asc(tmp_path, f"MSG 1100 !V IMGLOAD {message}", fixation(1200, 1399, 500, 250))
        file.write_text(file.read_text().replace("DISPLAY_COORDS", "SCREEN"))
        assert read_eyelink_asc(file).fixations["a"].frame == "screen_px"
        if message == "CENTER a.png":
            context = ReadingContext(image_sizes={"a": Size(5, 5)})
            assert read_eyelink_asc(file, context=context).fixations["a"].frame == "screen_px"

    def test_upper_left_corner_by_default(self, tmp_path):
        file = asc(tmp_path, "MSG 1100 !V IMGLOAD TOP_LEFT a.png", fixation(1200, 1399, 50, 50))
        context = ReadingContext(image_sizes={"a": Size(200, 100)})
        assert read_eyelink_asc(file, context=context).fixations["a"].to_rows()[0][:2] == [0.5, 0.25]

    @pytest.mark.parametrize("coords", ["0 0 0 0", "5 0 4 9"])
    def test_display_without_extent(self, tmp_path, coords):
        file = asc(tmp_path, *self.file_lines)
        file.write_text(file.read_text().replace("0 0 999 499", coords))
        with pytest.raises(DataError, match="row 2: the display has no extent"):
            read_eyelink_asc(file)

    def test_without_a_place_positions_stay_on_the_screen(self, tmp_path):
        reading = read_eyelink_asc(asc(tmp_path, fixation(1200, 1399, 500, 250)), EyeLinkSettings(image="a"))
        assert reading.fixations["a"].frame == "screen_px"
