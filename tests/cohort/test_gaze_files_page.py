"""The page on gaze files: its files are written, its commands run, its statements checked."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cohort_making import make_folder
from numpy.testing import assert_allclose

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.readers.registry import GAZE_FORMATS

PAGE = Path(__file__).parents[2] / "docs" / "gaze-files.md"
_BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str, str]]:
    return (found.groups() for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("page")
    make_folder(folder / "slides", ["lung1", "lung2", "lung3"])
    commands = []
    for kind, name, text in blocks():
        if kind == "sh":
            commands += text.replace("\\\n", " ").splitlines()
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(GAZE_FORMATS, "_entries", dict(GAZE_FORMATS._entries))
        patch.setattr(sys, "path", list(sys.path))
        for command in commands:
            words = shlex.split(command)
            assert words[0] == "gaze-insight"
            assert main(words[1:]) == 0, command
        yield folder
    sys.modules.pop("my_format", None)


def positions(folder: Path, image: str) -> list[tuple[float, float]]:
    fixations = Cohort.open(folder).cases[image].fixations
    return list(zip(fixations.x.round(6).tolist(), fixations.y.round(6).tolist(), strict=True))


def test_letterbox_as_the_page_says(run_page):
    cohort = Cohort.open(run_page / "cohort")
    assert positions(run_page / "cohort", "lung1")[:2] == [(0.5, 0.5), (0.25, 0.25)]
    assert cohort.report.dropped == {"off_image": 1}
    assert cohort.cases["lung1"].recording.session == "p01+p02"
    assert cohort.cases["lung3"].recording.order == 0


def test_zoom_as_the_page_says(run_page):
    assert positions(run_page / "zoomed", "lung1") == [(0.5, 0.5), (0.375, 0.375)]
    assert positions(run_page / "zoomed", "lung2") == [(0.5, 0.5)]
    assert Cohort.open(run_page / "zoomed").report.dropped == {"not_shown": 2}


def test_samples_as_the_page_says(run_page):
    cohort = Cohort.open(run_page / "samples")
    assert [len(cohort.cases[one].fixations) for one in ("lung1", "lung2")] == [1, 1]
    assert_allclose(cohort.cases["lung1"].fixations.x, (700 - 240) / 1440)


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("eyelink", "lung1", [(0.5, 0.5), (0.25, 0.25)]),
        ("report", "lung2", [(0.25, 0.25)]),
        ("tobii", "lung2", [(0.3, 0.6)]),
        ("gazepoint", "lung1", [(0.5, 0.5), (round((0.3 * 1920 - 240) / 1440, 6), 0.25)]),
        ("pupil", "lung2", [(0.5, 0.25), (0.4, 0.4)]),
        ("neon", "lung3", [(0.5, 0.25), (0.6, 0.45)]),
        ("dots", "lung1", [(0.5, 0.25)]),
    ],
)
def test_each_format_lands_where_it_should(run_page, name, image, expected):
    assert positions(run_page / name, image) == expected


def test_the_page_has_a_section_for_every_format():
    text = PAGE.read_text(encoding="utf-8")
    for name in set(GAZE_FORMATS) - {"dots"}:
        assert f"\n### {name}\n" in text
        assert f"| `{name}`" in text
