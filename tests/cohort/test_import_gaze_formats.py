from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from cohort_making import make_folder, make_table
from numpy.testing import assert_allclose

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.folder import import_folder
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.readers.fixation_table import FixationColumns
from gaze_insight.gaze.readers.registry import GAZE_FORMATS
from gaze_insight.gaze.readers.source import GazeSource, read_gaze_source
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.types import Size

IDS = ("a", "b", "c")
LOOSE = SplitSettings(fractions=(1.0, 0.0, 0.0))
COLUMNS = {"image": "slide", "x": "px", "y": "py", "duration_ms": "dur", "start_ms": "begin"}
FLAGS = [word for role, name in COLUMNS.items() for word in ("--column", f"{role}={name}")]
SCREEN = "screen_size_px: {height: 240, width: 400}\nfit: letterbox\n"
"""Images of 24 x 32 px stand at ten times their size, 40 screen pixels from the left."""


def screen_table(folder: Path, name: str, images=IDS, start_ms: float = 0.0) -> Path:
    lines = ["slide,px,py,dur,begin"]
    for one in images:
        for x, y in [(40, 0), (200, 120), (360, 240), (20, 120)]:
            lines.append(f"{one}.png,{x},{y},200,{start_ms:g}")
            start_ms += 250
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_folder(tmp_path / "source", IDS)
    (tmp_path / "screen.yaml").write_text(SCREEN)
    return tmp_path / "source"


def run(*words: object) -> int:
    return main([str(word) for word in words])


def bring_in(source: Path, *words: object) -> int:
    return run("import", "folder", source, "--out", source.parent / "c", "--quiet", *words)


def check_placed(cohort: Cohort) -> None:
    for case in cohort.cases.values():
        assert case.fixations.frame == "image_unit"
        assert_allclose(case.fixations.x, [0, 0.5, 1])
        assert_allclose(case.fixations.y, [0, 0.5, 1])
        assert case.fixations.image_size == Size(24, 32)


def test_letterboxed_screen_pixels_land_on_the_image(source, tmp_path, capsys):
    table = screen_table(tmp_path, "g.csv")
    flags = ["--frame", "screen_px", "--geometry", tmp_path / "screen.yaml"]
    assert bring_in(source, "--gaze", table, *FLAGS, *flags) == 0
    cohort = Cohort.open(tmp_path / "c")
    check_placed(cohort)
    assert cohort.report.dropped == {"off_image": 3}
    assert (cohort.report.rows, cohort.report.fixations) == (12, 12)
    assert cohort.report.gaze_files == (str(table),)
    assert [case.recording.order for case in cohort.cases.values()] == [0, 1, 2]
    assert cohort.cases["b"].recording == RecordingFacts(order=1, fixations=4, off_image=1)
    assert cohort.source["gaze_format"] == "fixation_table"
    assert cohort.source["gaze_settings"]["frame"] == "screen_px"
    assert cohort.source["geometry"]["screen_size_px"] == {"height": 240, "width": 400}
    assert "some things need a look" in capsys.readouterr().out


def test_a_file_of_settings_says_it_all_and_single_settings_win(source, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "screen.yaml").rename(tmp_path / "deep" / "screen.yaml")
    values = {"settings": {**COLUMNS, "frame": "degrees"}, "geometry": "screen.yaml"}
    config = tmp_path / "deep" / "gaze.yaml"
    config.write_text(yaml.safe_dump(values))
    table = screen_table(tmp_path, "g.csv")
    wins = ["--gaze-set", "settings.frame=screen_px"]
    assert bring_in(source, "--gaze", table, "--gaze-config", config, *wins) == 0
    check_placed(Cohort.open(tmp_path / "c"))
    stretched = [*wins, "--gaze-set", "geometry.fit=stretch"]
    assert bring_in(source, "--gaze", table, "--gaze-config", config, *stretched) == 0
    assert Cohort.open(tmp_path / "c").cases["a"].fixations.x[0] == pytest.approx(0.1)


def test_a_folder_of_recordings_is_one_a_session(source, tmp_path):
    screen_table(tmp_path, "rec/p2.csv", ("c", "a"), start_ms=90_000)
    screen_table(tmp_path, "rec/p1.csv", ("a", "ghost", "b"))
    flags = ["--frame", "screen_px", "--geometry", tmp_path / "screen.yaml"]
    assert bring_in(source, "--gaze", tmp_path / "rec", *FLAGS, *flags) == 0
    cohort = Cohort.open(tmp_path / "c")
    facts = {one: (case.recording.session, case.recording.order) for one, case in cohort.cases.items()}
    assert facts == {"a": ("p1+p2", 0), "b": ("p1", 2), "c": ("p2", 0)}
    assert cohort.cases["a"].fixations.start_ms.tolist() == [0, 250, 500, 700, 950, 1200]
    assert cohort.cases["a"].recording.fixations == 8
    assert cohort.report.gaze_without_image == ("ghost",)
    assert [Path(file).name for file in cohort.report.gaze_files] == ["p1.csv", "p2.csv"]
    assert [Path(file).name for file in cohort.source["gaze"]] == ["p1.csv", "p2.csv"]


def test_a_bad_recording_among_good_ones_stops_or_is_listed(source, tmp_path, capsys):
    screen_table(tmp_path, "rec/p1.csv")
    (tmp_path / "rec" / "p2.csv").write_text("slide,px\n")
    words = [
        "--gaze",
        tmp_path / "rec",
        *FLAGS,
        "--frame",
        "screen_px",
        "--geometry",
        tmp_path / "screen.yaml",
    ]
    assert bring_in(source, *words) == 3
    assert "p2.csv, row 1: the table lacks the column" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
    assert bring_in(source, *words, "--on-bad", "skip") == 0
    cohort = Cohort.open(tmp_path / "c")
    check_placed(cohort)
    assert "p2.csv" in cohort.report.problems[0]
    assert not cohort.report.clean


def test_zoomed_views_of_single_images(source, tmp_path):
    window = {"left": 0, "top": 0, "width": 400, "height": 240}
    zoomed = {"left": 0.5, "top": 0.5, "width": 0.5, "height": 0.5}
    views = [
        {"screen_px": window, "end_ms": 400},
        {"screen_px": window, "start_ms": 400, "end_ms": 700, "image_frac": zoomed},
    ]
    (tmp_path / "zoom.json").write_text(json.dumps({"images": {f"{one}.png": views for one in IDS}}))
    table = screen_table(tmp_path, "g.csv", ("b",))
    words = ["--gaze", table, *FLAGS, "--frame", "screen_px", "--geometry", tmp_path / "zoom.json"]
    assert bring_in(source, *words) == 0
    cohort = Cohort.open(tmp_path / "c")
    assert_allclose(cohort.cases["b"].fixations.x, [0.1, 0.5, 0.95])
    assert cohort.report.dropped == {"not_shown": 1}
    assert cohort.cases["b"].recording.not_shown == 1
    assert cohort.source["geometry"]["images"] == 3
    assert len(cohort.source["geometry"]["images_sha256"]) == 64


def test_what_the_recording_says_is_kept_and_older_cohorts_open(source, tmp_path):
    table = make_table(tmp_path / "g.csv", ["a", "b"], extra=["a.jpg,9,0.5,0.5,20,1,990,24,32"])
    cohort = import_folder(source, tmp_path / "c", gaze=table, splits=LOOSE)
    assert cohort.cases["a"].recording == RecordingFacts(fixations=4, too_short=1)
    back = Cohort.open(tmp_path / "c")
    assert {one: case.recording for one, case in back.cases.items()} == {
        one: case.recording for one, case in cohort.cases.items()
    }
    assert back.cases["c"].recording is None
    lines = [json.loads(line) for line in (tmp_path / "c" / "cases.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("recording", None)
    (tmp_path / "c" / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert Cohort.open(tmp_path / "c").cases["a"].recording is None
    lines[1]["recording"] = {"fixations": "many"}
    (tmp_path / "c" / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="not a case") as caught:
        Cohort.open(tmp_path / "c")
    assert caught.value.row == 2


def test_simulated_gaze_is_no_recording(source, tmp_path):
    table = make_table(tmp_path / "g.csv", ["a"])
    cohort = import_folder(
        source, tmp_path / "c", gaze=table, gaze_origin="simulated", splits=LOOSE, simulate_gaze=True
    )
    assert {case.recording for case in cohort.cases.values()} == {None}
    assert {case.meta["gaze"] for case in cohort.cases.values()} == {"simulated"}


def test_pixels_of_a_resized_copy_count_as_off_the_image_once(source, tmp_path):
    table = screen_table(tmp_path, "g.csv", ("a",))
    columns = FixationColumns(**COLUMNS, image_height=None, image_width=None)
    cohort = import_folder(
        source, tmp_path / "c", gaze=table, columns=columns, frame="image_px", splits=LOOSE
    )
    assert cohort.report.dropped == {"off_image": 4}
    assert cohort.cases["a"].recording.off_image == 4
    assert len(cohort.cases["a"].fixations) == 0
    assert cohort.report.joined == ()


REFUSED = [
    (["--frame", "screen_px"], 3, "nothing says where the image stood on the screen"),
    (["--geometry", "GONE"], 3, "expected a YAML or JSON file, found none"),
    (["--gaze-format", "tobi"], 2, "did you mean 'tobii'?"),
    (["--gaze-format", "sample_table", "--column", "x=px"], 2, "--column and --frame are for the format"),
    (["--gaze-set", "settings.imgae=slide"], 2, "unknown key 'imgae'"),
    (["--gaze-set", "geometry"], 2, "--gaze-set expects dotted.key=value"),
    (["--gaze-set", "geometry={"], 2, "not valid YAML"),
    (["--gaze-config", "GONE"], 2, "expected a YAML or JSON file, found none"),
    (["--trials", "GONE"], 3, "the table of trials does not exist"),
]


@pytest.mark.parametrize(("words", "code", "message"), REFUSED)
def test_what_cannot_be_used_is_refused(source, tmp_path, capsys, words, code, message):
    table = screen_table(tmp_path, "g.csv")
    words = [tmp_path / "gone.yaml" if word == "GONE" else word for word in words]
    assert bring_in(source, "--gaze", table, *(FLAGS if code == 3 else ()), *words) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_gaze_files_that_give_no_gaze_are_told(source, tmp_path, capsys):
    table = tmp_path / "g.csv"
    table.write_text(",".join(COLUMNS.values()) + "\n")
    flags = ("--column", "image_height=", "--column", "image_width=")
    assert bring_in(source, "--gaze", table, *FLAGS, *flags) == 0
    assert "the gaze files hold no fixation on any image" in capsys.readouterr().out
    assert not Cohort.open(tmp_path / "c").report.clean
    assert run("inspect", tmp_path / "c") == 0
    assert "1 gaze file without a fixation on any image" in capsys.readouterr().out


def test_flags_about_gaze_need_gaze(source, tmp_path, capsys):
    assert bring_in(source, "--geometry", tmp_path / "screen.yaml") == 2
    assert "--gaze FILE" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="found both"):
        import_folder(source, tmp_path / "c", gaze_source=GazeSource(), frame="image_px")


def test_a_bad_image_does_not_hide_behind_the_gaze(source, tmp_path):
    (source / "images" / "b.png").write_bytes(b"")
    table = screen_table(tmp_path, "g.csv")
    values = {"settings": {**COLUMNS, "frame": "screen_px"}, "geometry": str(tmp_path / "screen.yaml")}
    with pytest.raises(DataError, match="is empty"):
        import_folder(source, tmp_path / "c", gaze=table, gaze_source=read_gaze_source(values))
    cohort = import_folder(
        source, tmp_path / "c", gaze=table, gaze_source=read_gaze_source(values), on_bad="skip", splits=LOOSE
    )
    assert list(cohort.cases) == ["a", "c"]
    check_placed(cohort)


PLUGIN = """
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.reading import RawReading, finish_reading
from gaze_insight.gaze.readers.registry import GAZE_FORMATS, GazeFormat
from gaze_insight.types import Settings


class Dots(Settings):
    scale: float = 10.0


def read(path, settings, context):
    raw = []
    for line, text in enumerate(path.read_text().splitlines(), start=1):
        image, x, y = text.split()
        rows = [(float(x) / settings.scale, float(y) / settings.scale, 100, 0)]
        raw.append(RawReading(image, Fixations.from_rows(rows), line))
    return finish_reading(raw, path=path, rows=len(raw), problems=[], context=context)


GAZE_FORMATS.register("dots")(GazeFormat("dots", "one dot an image", Dots, read, (".dots",)))
"""


def test_a_format_of_ones_own_and_the_list_of_formats(source, tmp_path, capsys, monkeypatch):
    (tmp_path / "my_dots.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(GAZE_FORMATS, "_entries", dict(GAZE_FORMATS._entries))
    (tmp_path / "g.dots").write_text("a 5 2\nb 1 1\n")
    words = ["--plugin", "my_dots", "--gaze-format", "dots", "--gaze", tmp_path / "g.dots"]
    assert bring_in(source, *words, "--gaze-set", "settings.scale=20") == 0
    assert Cohort.open(tmp_path / "c").cases["a"].fixations.x.tolist() == [0.25]
    assert run("import", "formats", "--plugin", "my_dots") == 0
    assert "dots: one dot an image" in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "my_dots")


def test_every_format_is_listed_with_settings_and_defaults(capsys):
    assert run("import", "formats") == 0
    said = capsys.readouterr().out
    for name in GAZE_FORMATS:
        form = GAZE_FORMATS[name]
        assert form.name == name
        assert f"{name}: {form.what}\n" in said
        assert "\n" not in form.what
        assert form.settings_type()
    assert "    settings.x=CURRENT_FIX_X  horizontal position\n" in said
    assert run("import", "formats", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["fixation_table"]["settings"][0]["default"] == "IMAGE"
    assert list(listed) == list(GAZE_FORMATS)
