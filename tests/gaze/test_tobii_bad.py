"""Tobii Pro Lab exports: malformed twins."""

from __future__ import annotations

import pytest
from tobii_making import Export, simple

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.tobii import read_tobii
from gaze_insight.types import Size


class TestBadExports:
    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ({"x": "left"}, r"row 12: Fixation point X \[MCS norm\] must be a number, found 'left'"),
            ({"time": "now"}, "row 12: Recording timestamp .* must be a number"),
            ({"time": ""}, "row 12: Recording timestamp .* must be a number"),
            ({"time": 5}, "row 12: time goes back within recording 'P1/R1'"),
            ({"duration": -5}, "row 12: Eye movement event duration .* must be above 0"),
            ({"left": "perhaps"}, "row 12: Validity left must be a number"),
        ],
    )
    def test_bad_row(self, tmp_path, cells, message):
        export = simple()
        export.rows[10] |= cells
        file = export.save(tmp_path)
        with pytest.raises(DataError, match=message):
            read_tobii(file)
        reading = read_tobii(file, context=ReadingContext(on_bad_row="skip"))
        assert reading.dropped["bad_row"] == 1
        assert len(reading.fixations["a"]) == 2

    def test_row_cut_short(self, tmp_path):
        file = simple().save(tmp_path)
        file.write_text(file.read_text()[:-40])
        with pytest.raises(DataError, match=r"row 86: the row has \d+ cells"):
            read_tobii(file)

    @pytest.mark.parametrize(
        ("without", "message"),
        [
            (("time",), "lacks the column 'Recording timestamp'; found: Sensor"),
            (("x", "y"), "lacks the column Fixation point X and Y"),
            (("kind",), "lacks the column Eye movement type"),
        ],
    )
    def test_missing_column(self, tmp_path, without, message):
        with pytest.raises(DataError, match=message):
            read_tobii(simple().save(tmp_path, without=without))

    def test_headers_that_are_not_english(self, tmp_path):
        file = tmp_path / "export.tsv"
        file.write_text("Aufzeichnungszeitstempel\tBlickpunkt X\n1\t2\n")
        with pytest.raises(DataError, match=r"found: Aufzeichnungszeitstempel, Blickpunkt X\n.*English"):
            read_tobii(file)

    def test_types_that_are_not_english(self, tmp_path):
        export = simple()
        for row in export.rows:
            row["kind"] = "Fixierung"
        with pytest.raises(DataError, match=r"none of the 85 rows holds a fixation while .*found: fixierung"):
            read_tobii(export.save(tmp_path))

    def test_no_valid_gaze(self, tmp_path):
        file = Export().lost("a.png").save(tmp_path)
        with pytest.raises(
            DataError, match=r"none of the 5 rows holds a fixation while .*found: eyesnotfound"
        ):
            read_tobii(file)
        export = Export().fix("", 0.5, 0.5)
        with pytest.raises(DataError, match="holds a fixation while an image was shown"):
            read_tobii(export.save(tmp_path))
        with pytest.raises(DataError, match="none of the 0 rows"):
            read_tobii(Export().save(tmp_path))

    def test_times_that_repeat_cannot_be_detected_in(self, tmp_path):
        export = Export()
        export.fix("a.png", 0.5, 0.5)
        export.rows[4]["time"] = export.rows[3]["time"]
        events = EventSettings(unit="image_unit", velocity_threshold=2, max_distance=0.05)
        with pytest.raises(DataError, match="row 2: time must go forward"):
            read_tobii(export.save(tmp_path), context=ReadingContext(events=events))

    @pytest.mark.parametrize(
        ("content", "message"), [(b"", "empty"), ("Recording timestamp\tä\n".encode("latin-1"), "not UTF-8")]
    )
    def test_not_text(self, tmp_path, content, message):
        file = tmp_path / "export.tsv"
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_tobii(file)

    def test_file_that_cannot_be_read(self, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            read_tobii(tmp_path / "none.tsv")
        with pytest.raises(DataError, match="cannot be read"):
            read_tobii(tmp_path)

    def test_text_that_breaks_off_in_the_middle(self, tmp_path):
        file = simple().save(tmp_path)
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines) + b"\xe4")
        with pytest.raises(DataError, match="not UTF-8 text") as caught:
            read_tobii(file)
        assert caught.value.row == len(lines) + 1
        file.write_text(simple().save(tmp_path).read_text() + '"' + "x" * 200_000)
        with pytest.raises(DataError, match="the Tobii export is broken"):
            read_tobii(file)

    def test_bad_resolution_counts_as_a_bad_row_only(self, tmp_path):
        export = simple("old", "")
        export.names |= {"sw": "Recording resolution width", "sh": "Recording resolution height"}
        export.rows[0] |= {"sw": "wide"}
        export.rows[1] |= {"sw": 0, "sh": 0}
        export.rows[30] |= {"sw": 1000, "sh": 500}
        context = ReadingContext(geometry=Geometry(screen_size_px=Size(50, 100), fit="stretch"))
        with pytest.raises(DataError, match="row 32: the geometry states a screen of 50 x 100"):
            read_tobii(export.save(tmp_path), context=context)
