"""Tobii Pro Lab exports: generated tables with known answers."""

from __future__ import annotations

import pytest
from tobii_making import Export, simple

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.tobii import TOBII, read_tobii
from gaze_insight.gaze.readers.tobii_columns import TobiiSettings
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.types import Size


class TestGoodExports:
    @pytest.mark.parametrize("style", ["new", "old"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("decimal", [".", ","])
    def test_fixations_on_the_media(self, tmp_path, style, encoding, decimal):
        file = simple(style).save(tmp_path, encoding=encoding, decimal=decimal)
        reading = read_tobii(file)
        assert reading.fixations["a"].to_rows() == [[0.5, 0.25, 200, 200], [0.25, 0.5, 100, 450]]
        assert reading.fixations["b"].to_rows() == [[0.75, 0.5, 300, 550]]
        assert reading.fixations["a"].frame == "image_unit"
        assert reading.fixations["a"].annotator == "P1"
        facts = reading.facts["a"]
        assert (facts.session, facts.order, facts.trial_ms) == ("P1/R1", 0, 350)
        assert facts.loss_share == pytest.approx(50 / 350)
        assert reading.dropped["no_image"] == 1

    def test_rows_of_other_sensors_and_events(self, tmp_path):
        export = simple()
        export.row(sensor="Mouse", image="b.png")
        export.row(sensor="", image="b.png", left="", right="")
        assert read_tobii(export.save(tmp_path)).dropped["other_rows"] == 2

    def test_fixation_over_a_change_of_image_is_cut(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5, 200)
        for row in export.rows[12:]:
            row["image"] = "b.png"
        reading = read_tobii(export.save(tmp_path))
        assert reading.fixations["a"].to_rows() == [[0.5, 0.5, 120, 0]]
        assert reading.fixations["b"].to_rows() == [[0.5, 0.5, 80, 120]]

    @pytest.mark.parametrize("without", [("index",), ("duration",), ("index", "duration")])
    def test_without_index_or_duration(self, tmp_path, without):
        export = Export()
        export.fix("a.png", 0.5, 0.5, 200).fix("a.png", 0.6, 0.5, 100)
        rows = read_tobii(export.save(tmp_path, without=without)).fixations["a"].to_rows()
        assert rows == [[0.5, 0.5, 200, 0], [0.6, 0.5, 100, 200]]

    def test_without_index_a_cut_fixation_is_still_cut(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5, 200)
        for row in export.rows[12:]:
            row["image"] = "b.png"
        reading = read_tobii(export.save(tmp_path, without=("index",)))
        assert [reading.fixations[name].total_duration_ms for name in "ab"] == [120, 80]

    def test_an_event_with_a_hole_does_not_count_twice(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5, 200)
        export.rows[10] |= {"kind": "EyesNotFound", "x": "", "y": ""}
        reading = read_tobii(export.save(tmp_path))
        assert reading.fixations["a"].duration_ms.tolist() == [100, 90]

    def test_unit_of_time_is_measured(self, tmp_path):
        export = simple("old")
        ms = read_tobii(export.save(tmp_path)).fixations["a"]
        export.time_scale = 1000
        for row in export.rows:
            row["time"] *= 1000
        assert read_tobii(export.save(tmp_path)).fixations["a"].to_rows() == ms.to_rows()

    def test_unit_of_time_unknown(self, tmp_path):
        file = simple("old").save(tmp_path, without=("duration",))
        with pytest.raises(DataError, match="unknown is the unit of 'Recording timestamp'"):
            read_tobii(file)
        found = read_tobii(file, TobiiSettings(timestamp_unit="ms"))
        assert found.fixations["a"].duration_ms.tolist() == [200, 100]

    def test_unit_of_time_contradicts(self, tmp_path):
        export = simple()
        export.names["time"] = "Recording timestamp [ms]"
        with pytest.raises(DataError, match="said to be in ms, but fixations last as if it were in us"):
            read_tobii(export.save(tmp_path))

    def test_two_participants(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5)
        export.t = 0
        export.fix("a.png", 0.25, 0.5, participant="P2")
        reading = read_tobii(export.save(tmp_path))
        assert reading.fixations["a"].x.tolist() == [0.5, 0.25]
        assert reading.fixations["a"].annotator == "P1+P2"

    def test_numeric_validity(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5, 100, left=0, right=4).fix("a.png", 0.5, 0.5, 100, left=4, right=4)
        assert read_tobii(export.save(tmp_path)).facts["a"].loss_share == pytest.approx(0.5)

    def test_image_column_by_name(self, tmp_path):
        export = simple()
        export.names["image"] = "Slide"
        file = export.save(tmp_path)
        assert sorted(read_tobii(file, TobiiSettings(image="Slide")).fixations) == ["a", "b"]
        with pytest.raises(DataError, match="lacks the column 'Picture'"):
            read_tobii(file, TobiiSettings(image="Picture"))

    def test_chosen_coordinates(self, tmp_path):
        export = simple()
        export.names |= {"dx": "Fixation point X [DACS px]", "dy": "Fixation point Y [DACS px]"}
        for row in export.rows:
            row |= {"dx": 5.0, "dy": 6.0} if row.get("x") else {}
        found = read_tobii(export.save(tmp_path), TobiiSettings(coordinates="dacs_px")).fixations["a"]
        assert found.frame == "screen_px"
        assert found.x.tolist() == [5, 5]

    def test_no_position_is_counted(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5).fix("a.png", "", "")
        assert read_tobii(export.save(tmp_path)).dropped["no_position"] == 1

    def test_trials_name_the_images(self, tmp_path):
        file = simple().save(tmp_path, without=("image",))
        with pytest.raises(DataError, match="does not say which image"):
            read_tobii(file)
        context = ReadingContext(trials=(Trial("z", 200, 400, "P1/R1"), Trial("y", 450, 550)))
        reading = read_tobii(file, context=context)
        assert reading.fixations["z"].to_rows() == [[0.5, 0.25, 200, 200]]
        assert reading.fixations["y"].to_rows() == [[0.25, 0.5, 100, 450]]

    def test_detection_in_gaze_points(self, tmp_path):
        events = EventSettings(unit="image_unit", velocity_threshold=2, max_distance=0.05)
        context = ReadingContext(events=events)
        export = Export().fix("", 0.9, 0.9).fix("a.png", 0.5, 0.25).lost("a.png", 10).fix("a.png", 0.25, 0.5)
        reading = read_tobii(
            export.save(tmp_path, without=("kind", "index", "duration", "x", "y")), context=context
        )
        assert reading.fixations["a"].x == pytest.approx([0.5, 0.25])
        assert reading.facts["a"].loss_share == pytest.approx(100 / 500)
        assert reading.dropped["no_image"] == 20

    def test_registered(self):
        assert GAZE_FORMATS["tobii"] is TOBII


class TestPlaces:
    def export(self, system="DACSpx", place=(400, 200, 200, 100), screen=(1000, 500)) -> Export:
        export = Export(system=system)
        export.names |= {
            "px": "Presented Media position X [DACS px]",
            "py": "Presented Media position Y [DACS px]",
            "pw": "Presented Media width [px]",
            "ph": "Presented Media height [px]",
            "ow": "Original Media width [px]",
            "oh": "Original Media height [px]",
            "sw": "Recording resolution width [px]",
            "sh": "Recording resolution height [px]",
        }
        keys = ("px", "py", "pw", "ph", "sw", "sh", "ow", "oh")
        return export.fix("a.png", 500, 225, **dict(zip(keys, (*place, *screen, 1000, 900), strict=True)))

    @pytest.mark.parametrize("system", ["DACSpx", ""])
    def test_screen_positions_by_the_stated_place(self, tmp_path, system):
        found = read_tobii(self.export(system).save(tmp_path)).fixations["a"]
        assert found.to_rows() == [[0.5, 0.25, 200, 0]]

    def test_media_pixels_by_the_original_size(self, tmp_path):
        found = read_tobii(self.export("MCSpx").save(tmp_path)).fixations["a"]
        assert (found.frame, found.image_size) == ("image_px", Size(900, 1000))
        assert found.to_frame("image_unit").to_rows()[0][:2] == [0.5, 0.25]

    def test_without_a_place_a_geometry_is_needed(self, tmp_path):
        without = ("px", "py", "pw", "ph")
        file = self.export().save(tmp_path, without=without)
        assert read_tobii(file).fixations["a"].frame == "screen_px"
        context = ReadingContext(geometry=Geometry(fit="stretch"))
        assert read_tobii(file, context=context).fixations["a"].to_rows()[0][:2] == [0.5, 0.45]

    def test_contradictions(self, tmp_path):
        file = self.export().save(tmp_path)
        with pytest.raises(DataError, match="row 2: the geometry states a screen of 600 x 1000"):
            read_tobii(file, context=ReadingContext(geometry=Geometry(screen_size_px=Size(600, 1000))))
        context = ReadingContext(geometry=Geometry(fit="stretch"))
        with pytest.raises(DataError, match="row 2: the geometry states image 'a'"):
            read_tobii(file, context=context)
        found = read_tobii(file, TobiiSettings(use_place=False), context).fixations["a"]
        assert found.to_rows()[0][:2] == [0.5, 0.45]

    def test_snapshots(self, tmp_path):
        export = Export()
        export.names |= {
            "mx": "Mapped fixation X [scan 1]",
            "my": "Mapped fixation Y [scan 1]",
            "mk": "Mapped eye movement type [scan 1]",
            "mi": "Mapped eye movement type index [scan 1]",
            "nx": "Mapped fixation X [other]",
            "ny": "Mapped fixation Y [other]",
        }
        export.fix("", "", "", 200, mx=30.0, my=20.0, mk="Fixation", mi=1).fix("", "", "", 100)
        file = export.save(tmp_path, without=("image", "x", "y"))
        context = ReadingContext(image_sizes={"scan 1": Size(40, 60)})
        reading = read_tobii(file, context=context)
        assert reading.fixations["scan 1"].to_rows() == [[30, 20, 200, 0]]
        assert reading.fixations["scan 1"].image_size == Size(40, 60)
        assert reading.facts["scan 1"].trial_ms is None
        assert list(reading.fixations) == ["scan 1"]

    def test_scene_video_is_refused(self, tmp_path):
        export = Export(system="MCSpx").fix("", 5, 5)
        with pytest.raises(DataError, match="pixels of a scene video"):
            read_tobii(export.save(tmp_path, without=("image",)))
        with pytest.raises(DataError, match=r"lacks the column Mapped fixation X"):
            read_tobii(export.save(tmp_path), TobiiSettings(coordinates="mapped_px"))
