"""Every bad input ends in one clear message, the right exit code, and nothing good lost."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gaze_insight.cli.app import main

IDS = ("a", "b", "c", "d", "e", "f")
COLUMNS = ["image=slide", "x=px", "y=py", "duration_ms=dur", "start_ms=begin"]
TINY = (
    "training.input_size_px=32", "training.min_steps=0", "training.batch_size=2", "training.device=cpu",
    "method.kind=unet", "method.student_epochs=2",
    "method.network={encoder: unet, student_channels: [4,4,4,4,4]}",
    "evaluation.resamples=100", "labels.working_long_side_px=32",
)  # fmt: skip
FLAGS = tuple(word for setting in TINY for word in ("--set", setting))


def picture(seed: int, height: int = 36, width: int = 48) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def disc(height: int = 36, width: int = 48) -> Image.Image:
    down, across = np.mgrid[:height, :width]
    return Image.fromarray(
        np.where(np.hypot(down - height / 2, across - width / 2) < 9, 255, 0).astype(np.uint8)
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed, one in enumerate(IDS):
        picture(seed).save(folder / "images" / f"{one}.png")
        disc().save(folder / "masks" / f"{one}.png")
    rows = [f"{one}.png,0.5,0.{4 + k},{200 + k},{k * 220}" for one in IDS for k in range(3)]
    (folder / "gaze.csv").write_text("\n".join(["slide,px,py,dur,begin", *rows]) + "\n")
    (folder / "splits").mkdir()
    for split, ids in (("train", IDS[:3]), ("val", IDS[3:4]), ("test", IDS[4:])):
        (folder / "splits" / f"{split}.txt").write_text("\n".join(ids) + "\n")
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def bring_in(source: Path, out: Path, *more: object) -> int:
    columns = [word for column in COLUMNS for word in ("--column", column)]
    gaze = ["--gaze", source / "gaze.csv"]
    return run("import", "folder", source, "--out", out, *gaze, *columns, "--quiet", *more)


@pytest.fixture
def cohort(source: Path, tmp_path: Path, capsys) -> Path:
    assert bring_in(source, tmp_path / "cohort") == 0
    capsys.readouterr()
    return tmp_path / "cohort"


@pytest.fixture
def trained(cohort: Path, tmp_path: Path, capsys) -> Path:
    assert run("train", cohort, "--name", tmp_path / "run", "--quiet", *FLAGS) == 0
    capsys.readouterr()
    return tmp_path / "run"


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def the_message(capsys) -> str:
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.count("error: ") == 1
    return said


def row(number: int, text: str) -> Callable[[Path], None]:
    def change(source: Path) -> None:
        lines = (source / "gaze.csv").read_text().splitlines()
        lines[number - 1] = text
        (source / "gaze.csv").write_text("\n".join(lines) + "\n")

    return change


def cut(name: str, share: float) -> Callable[[Path], None]:
    def change(source: Path) -> None:
        content = (source / name).read_bytes()
        (source / name).write_bytes(content[: int(len(content) * share)])

    return change


def replaced(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda source: (source / name).write_bytes(content) and None


BAD_FILES = [
    pytest.param(cut("images/b.png", 0.5), "images/b.png: the image cannot be decoded", id="truncated"),
    pytest.param(cut("images/b.png", 0), "images/b.png: the image file is empty (0 bytes)", id="0-byte"),
    pytest.param(replaced("images/b.png", b"%PDF-1.4 no image"), "images/b.png: the file is not", id="type"),
    pytest.param(
        lambda s: disc(20, 20).save(s / "masks/b.png"), "masks/b.png: the mask is 20 x 20", id="size"
    ),
    pytest.param(cut("masks/b.png", 0.5), "masks/b.png: ", id="mask-truncated"),
]
BAD_ROWS = [
    pytest.param(row(4, "b.png,abc,0.5,200,0"), "row 4: px must be a number, found 'abc'", id="text"),
    pytest.param(row(4, "b.png,NaN,0.5,200,0"), "row 4: px must be finite", id="NaN"),
    pytest.param(row(4, "b.png,0.5,0.5,-200,0"), "row 4: dur must be above 0, found -200", id="negative"),
    pytest.param(row(4, "b.png,0.5"), "row 4: the row has 2 cells", id="short"),
    pytest.param(row(4, ",0.5,0.5,200,0"), "row 4: slide must name an image", id="nameless"),
]
BAD_TABLES = [
    pytest.param(row(1, "slide,px,py,dura,begin"), "row 1: the table lacks the column 'dur'", id="column"),
    pytest.param(replaced("gaze.csv", b""), "gaze.csv: the fixation table is empty", id="empty"),
    pytest.param(
        replaced("gaze.csv", b"\xff\xfe\x00"),
        "gaze.csv, row 1: the fixation table is not UTF-16",
        id="binary",
    ),
    pytest.param(
        lambda s: (s / "gaze.csv").unlink(), "gaze.csv: the fixation table does not exist", id="none"
    ),
]


@pytest.mark.parametrize(("damage", "message"), [*BAD_FILES, *BAD_ROWS, *BAD_TABLES])
def test_a_bad_import_names_file_and_row_and_keeps_the_cohort_that_was_there(
    source, cohort, capsys, damage, message
):
    before = files_in(cohort)
    damage(source)
    assert bring_in(source, cohort) == 3
    assert message in the_message(capsys)
    assert files_in(cohort) == before


@pytest.mark.parametrize(("damage", "message"), BAD_FILES)
def test_bad_files_are_left_out_and_listed_where_that_was_asked_for(
    source, tmp_path, capsys, damage, message
):
    damage(source)
    assert bring_in(source, tmp_path / "cohort", "--on-bad", "skip") == 0
    said = capsys.readouterr().out
    assert "5 cases" in said
    assert "images left out: 1; the first: b: " in said
    assert run("inspect", tmp_path / "cohort") == 0
    assert message.split(": ", 1)[1] in capsys.readouterr().out


@pytest.mark.parametrize(("damage", "message"), BAD_ROWS)
def test_bad_rows_are_left_out_and_listed_where_that_was_asked_for(source, tmp_path, capsys, damage, message):
    damage(source)
    assert bring_in(source, tmp_path / "cohort", "--on-bad", "skip") == 0
    said = capsys.readouterr().out
    assert "6 cases, 6 with gaze" in said
    assert f"problems in the gaze files: 1; the first: {source / 'gaze.csv'}, {message}" in said
    assert "not used of the gaze files: 1 row impossible to read\n" in said


def test_what_is_only_odd_is_counted_and_shown(source, tmp_path, capsys):
    lines = (source / "gaze.csv").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("c.png")]
    kept += ["a.png,1.5,0.5,200,900", "zz.png,0.5,0.5,200,0", "a.png,0.5,0.5,10,1200"]
    (source / "gaze.csv").write_text("\n".join(kept) + "\n")
    (source / "splits" / "train.txt").write_text("a\nb\nc\nunknown\n")
    assert bring_in(source, tmp_path / "cohort") == 0
    said = capsys.readouterr().out
    assert "some things need a look: gaze-insight inspect" in said
    assert "not used of the gaze files: 1 fixation too short to count, 1 fixation beside the image" in said
    assert run("inspect", tmp_path / "cohort") == 0
    said = capsys.readouterr().out
    assert "warning 1 image without gaze" in said
    assert "warning 1 id in the gaze files without an image" in said
    assert "- zz" in said
    assert "warning 1 id of the split files not in the cohort" in said
    assert "ok      1 fixation beside the image: not used" in said
    assert "ok      1 fixation too short to count: not used" in said


def test_rows_that_are_no_gaze_are_told_and_need_no_look(source, tmp_path, capsys):
    rows = [f"{t},{one}.png,0.5,0.5,gaze" for one in "abcdef" for t in range(0, 600, 4)]
    rows = [f"{4 * index},{row.split(',', 1)[1]}" for index, row in enumerate(rows)]
    (source / "eye.csv").write_text("\n".join(["t,image,x,y,kind", *rows, ",,,,key press"]) + "\n")
    (source / "eye.yaml").write_text(
        "format: sample_table\nsettings: {columns: {time: t, x: x, y: y, image: image}, frame: image_unit, "
        "where: {kind: gaze}}\nevents: {unit: image_unit, velocity_threshold: 1, max_distance: 0.02}\n"
    )
    words = ("--gaze", source / "eye.csv", "--gaze-config", source / "eye.yaml")
    assert run("import", "folder", source, *words, "--out", tmp_path / "cohort", "--quiet") == 0
    said = capsys.readouterr().out
    assert "not used of the gaze files: 1 row of other things than gaze\n" in said
    assert "next: gaze-insight inspect" in said
    assert run("inspect", tmp_path / "cohort") == 0
    said = capsys.readouterr().out
    assert "ok      1 row of other things than gaze: not used" in said
    assert "gaze table" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inspect", "nowhere"), "nowhere/cohort.yaml: there is no cohort here"),
        (("label", "nowhere"), "nowhere/cohort.yaml: there is no cohort here"),
        (("train", "nowhere"), "nowhere/cohort.yaml: there is no cohort here"),
        (("evaluate", "nowhere"), "nowhere: expected the folder of a run"),
        (("report", "nowhere"), "nowhere: expected the folder of a run"),
        (("train", "--resume", "nowhere"), "nowhere: expected the folder of a run"),
        (("predict", "nowhere", "nothing.png"), "nothing.png: expected an image or a folder"),
        (("import", "kvasir", "nowhere", "-o", "x"), "nowhere/images: expected a folder of images"),
        (("import", "ph2", "nowhere", "-o", "x"), "nowhere: expected 'PH2 Dataset images/' or 'images/'"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 3
    assert message in the_message(capsys)
    assert not list(tmp_path.iterdir())


def test_wrong_settings_exit_with_2_and_the_nearest_key(cohort, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("seed: 1\ntraining:\n  bach_size: 3\n")
    assert run("train", cohort, "--config", tmp_path / "mine.yaml", "--name", tmp_path / "run") == 2
    said = the_message(capsys)
    assert f"unknown key 'training.bach_size' (from {tmp_path / 'mine.yaml'})" in said
    assert "did you mean 'batch_size'?" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("train",),
        ("predict", "run"),
        ("import", "folder", "x", "-o", "y", "--column", "x"),
        ("import", "folder", "x", "-o", "y", "--column", "wide=x"),
        ("import", "folder", "x", "-o", "y", "--column", "time_unit=h"),
        ("train", "cohort", "--plugin", "no_such_module"),
        ("train", "cohort", "--preset", "kvasir_cp"),
        ("train", "--resume", "run", "--set", "seed=1"),
    ],
)
def test_wrong_use_exits_with_2_and_one_message(capsys, words):
    assert run(*words) == 2
    assert the_message(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("imprt",),
        ("train", "c", "--no-such-flag", "1"),
        ("inspect",),
        ("import", "folder", "x"),
        ("import", "synthetic", "-o", "x", "--cases", "0"),
        ("import", "folder", "x", "-o", "y", "--min-duration-ms", "-1"),
        ("inspect", "x", "--pictures", "many"),
        ("label", "x", "--workers", "0"),
        ("label", "x", "--on-bad", "maybe"),
        ("demo", "--cases", "1"),
    ],
)
def test_words_the_command_line_does_not_know_exit_with_2(capsys, words):
    assert run(*words) == 2
    said = capsys.readouterr()
    assert "Error" in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_an_image_that_breaks_after_the_import_stops_labelling_and_keeps_the_others(cohort, source, capsys):
    cut("images/c.png", 0.5)(source)
    assert run("label", cohort, "--quiet") == 3
    assert "images/c.png: the image cannot be decoded" in the_message(capsys)
    assert run("label", cohort, "--quiet", "--on-bad", "skip") == 0
    said = capsys.readouterr().out
    assert "3 made, 2 found in the cache" in said
    assert "skipped c: " in said


@pytest.mark.parametrize("target", ["comprehensive", "mask"])
def test_training_skips_a_broken_case_where_asked_and_says_so(cohort, source, tmp_path, capsys, target):
    cut("images/b.png", 0.5)(source)
    flags = (*FLAGS, "--set", f"method.target={target}", "--quiet")
    assert run("train", cohort, "--name", tmp_path / "run", *flags) == 3
    assert "images/b.png" in the_message(capsys)
    assert run("train", cohort, "--name", tmp_path / "run", "--on-bad", "skip", *flags) == 0
    assert "images/b.png" in (tmp_path / "run" / "plan.json").read_text()


def test_a_mask_that_changed_size_after_the_import_is_named_by_evaluate(trained, source, capsys):
    disc(20, 20).save(source / "masks" / "e.png")
    assert run("evaluate", trained, "--device", "cpu", "--quiet") == 3
    assert "masks/e.png: the mask of case 'e' is 20 x 20 px" in the_message(capsys)
    assert not (trained / "summary.json").exists()


def test_prediction_stops_at_a_broken_image_or_skips_it(trained, source, tmp_path, capsys):
    cut("images/c.png", 0.5)(source)
    words = ("predict", trained, source / "images", "--out", tmp_path / "out", "--device", "cpu", "--quiet")
    assert run(*words) == 3
    assert "images/c.png" in the_message(capsys)
    assert len(list((tmp_path / "out").iterdir())) == 2 * 3
    assert run(*words, "--on-bad", "skip") == 0
    assert f"skipped {source / 'images' / 'c.png'}: " in capsys.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 5 * 3


def test_images_of_one_name_do_not_overwrite_each_others_masks(trained, source, tmp_path, capsys):
    picture(1).save(source / "images" / "a.jpg")
    assert run("predict", trained, source / "images", "--out", tmp_path / "out") == 3
    assert "two images are named 'a'" in the_message(capsys)
    assert not (tmp_path / "out").exists()


def test_a_report_before_the_evaluation_says_what_to_do_first(trained, capsys):
    assert run("report", trained, "--device", "cpu") == 3
    assert f"gaze-insight evaluate {trained}" in the_message(capsys)


def test_damaged_weights_are_named(trained, source, capsys):
    cut("checkpoints/final.safetensors", 0.5)(trained)
    assert run("predict", trained, source / "images", "--device", "cpu") == 3
    assert "final.safetensors" in the_message(capsys)


def test_cohorts_that_cannot_be_scored_say_why(trained, source, tmp_path, capsys):
    bare = tmp_path / "bare"
    (bare / "images").mkdir(parents=True)
    picture(0).save(bare / "images" / "a.png")
    assert run("import", "folder", bare, "--out", tmp_path / "b", "--quiet") == 0
    capsys.readouterr()
    assert run("evaluate", trained, "--cohort", tmp_path / "b", "--device", "cpu") == 3
    assert "expected cases with masks" in the_message(capsys)
    assert run("train", tmp_path / "b", "--name", tmp_path / "r", "--quiet", *FLAGS) == 3
    assert "expected training cases with comprehensive, found none" in the_message(capsys)


def in_the_way(folder: Path) -> Path:
    """A file where a folder is needed: what a read-only place is to anyone, root included."""
    (folder / "file").write_text("in the way")
    return folder / "file" / "out"


def test_a_place_that_cannot_be_written_is_named(cohort, source, trained, tmp_path, capsys):
    place = in_the_way(tmp_path)
    before = files_in(tmp_path)
    for words in (
        ("inspect", cohort, "--page", place),
        ("describe", cohort, "--out", place, "--quiet"),
        ("train", cohort, "--name", place, "--quiet", *FLAGS),
        ("predict", trained, source / "images" / "a.png", "--out", place, "--device", "cpu", "--quiet"),
    ):
        assert run(*words) == 3, words
        assert str(place.parent) in the_message(capsys)
    assert bring_in(source, place) == 3
    assert str(place) in the_message(capsys)
    after = files_in(tmp_path)
    assert before.items() <= after.items()


@pytest.fixture
def full_disk(monkeypatch):
    def full(self: Path, *args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    return lambda: monkeypatch.setattr(Path, "replace", full)


def test_a_full_disk_loses_no_cohort_and_leaves_no_halves(cohort, source, tmp_path, capsys, full_disk):
    before = files_in(tmp_path)
    full_disk()
    assert bring_in(source, cohort) == 3
    assert "the disk is full" in the_message(capsys)
    assert run("label", cohort, "--quiet") == 3
    assert "the disk is full" in the_message(capsys)
    assert run("describe", cohort, "--quiet") == 3
    assert run("train", cohort, "--name", tmp_path / "run", "--quiet", *FLAGS) == 3
    after = {
        path: content for path, content in files_in(tmp_path).items() if path.name != "file_hashes.jsonl"
    }
    assert after == before


def test_a_full_disk_loses_no_run(trained, capsys, full_disk):
    assert run("evaluate", trained, "--device", "cpu", "--quiet") == 0
    before = files_in(trained)
    capsys.readouterr()
    full_disk()
    assert run("evaluate", trained, "--device", "cpu", "--quiet") == 3
    assert "the disk is full" in the_message(capsys)
    assert run("report", trained, "--device", "cpu") == 3
    assert files_in(trained) == before


def test_a_stopped_training_exits_with_130_and_goes_on(cohort, tmp_path, capsys, monkeypatch):
    class StopAtOnce:
        requested = True

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None: ...

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("gaze_insight.training.loop.StopRequest", StopAtOnce)
        assert run("train", cohort, "--name", folder, "--quiet", *FLAGS) == 130
    said = capsys.readouterr().err
    assert said.startswith("stopped: ")
    assert f"gaze-insight train --resume {folder}" in said
    for words in (("evaluate", folder), ("predict", folder, cohort)):
        assert run(*words, "--quiet") == 3
        assert capsys.readouterr().err
    assert run("train", cohort, "--name", folder, "--quiet", *FLAGS) == 2
    assert f"train --resume {folder}" in the_message(capsys)
    assert run("train", "--resume", folder, "--quiet") == 0
    assert (folder / "checkpoints" / "final.safetensors").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_labelling_exits_with_130_and_keeps_what_was_made(
    cohort, tmp_path, capsys, monkeypatch, number
):
    from gaze_insight.workflow import labelling

    made, make = [], labelling._make

    def make_and_stop(*args: object) -> object:
        if len(made) == 2:
            os.kill(os.getpid(), number)
        made.append(make(*args))
        return made[-1]

    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(labelling, "_make", make_and_stop)
        assert run("train", cohort, "--name", tmp_path / "run", "--quiet", *FLAGS) == 130
    assert signal.getsignal(number) is handler
    assert capsys.readouterr().err.startswith("stopped: ")
    assert run("train", "--resume", tmp_path / "run", "--quiet") == 2
    assert "begin again: gaze-insight train" in the_message(capsys)
    assert run("train", cohort, "--name", tmp_path / "run", "--quiet", *FLAGS) == 0
    assert len(list((cohort / "derived" / "pseudomask").glob("*.npz"))) >= 2
