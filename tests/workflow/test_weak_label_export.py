"""`weak-labels` from a cohort to files, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.weak_labels import WEAK_KINDS, BoxSettings, WeakLabelSettings, make_weak_label
from gaze_insight.types import Size
from gaze_insight.workflow.weak_labels import export_weak_labels, weak_label_key, weak_label_of

SIZE = Size(48, 64)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("weak")
    return import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=6, size_px=SIZE))


def with_gaze(cohort: Cohort, changed: dict[str, Fixations | None]) -> Cohort:
    cases = {
        one: replace(case, fixations=changed[one]) if one in changed else case
        for one, case in cohort.cases.items()
    }
    return replace(cohort, cases=cases)


def written(folder: Path) -> dict:
    return json.loads((folder / "annotations.json").read_text(encoding="utf-8"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_every_case_gets_a_map_at_the_images_size(cohort, tmp_path, kind):
    report = export_weak_labels(cohort, kind, tmp_path / kind, score=True)
    content = written(tmp_path / kind)
    assert report.written == list(cohort.cases) == [image["case"] for image in content["images"]]
    assert report.left_out == {}
    for image in content["images"]:
        label = make_weak_label(kind, cohort.cases[image["case"]].fixations, SIZE)
        assert np.array_equal(pixels(tmp_path / kind / image["label_map"]), label.rasterise(SIZE))
        assert (image["height"], image["width"]) == SIZE
    assert content["info"]["scores"] == report.scores
    assert report.scores["foreground_on_lesion"]["n"] == 6
    assert 0.4 < report.scores["foreground_on_lesion"]["mean"] <= 1
    assert {one["image_id"] for one in content["annotations"]} == set(range(1, 7))
    assert [one["id"] for one in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))


def test_boxes_are_in_pixels_as_coco_has_them(cohort, tmp_path):
    export_weak_labels(cohort, "box", tmp_path / "out")
    content = written(tmp_path / "out")
    for found, case in zip(content["annotations"], cohort.cases.values(), strict=True):
        left, top, right, bottom = weak_label_of(case, "box").boxes[0] * [64, 48, 64, 48]
        assert found["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=1e-3)
        assert found["area"] == pytest.approx((right - left) * (bottom - top), abs=1e-2)
        assert (found["iscrowd"], found["category_id"]) == (0, 1)


def test_points_come_with_their_labels_and_strokes_likewise(cohort, tmp_path):
    first = next(iter(cohort.cases.values()))
    for kind in ("points", "scribble"):
        export_weak_labels(cohort, kind, tmp_path / kind)
    points = written(tmp_path / "points")["annotations"][0]
    label = weak_label_of(first, "points")
    assert points["labels"] == [1] * len(label.foreground) + [0] * len(label.background)
    assert np.array(points["points"])[0] == pytest.approx(label.foreground[0] * [64, 48], abs=1e-3)
    strokes = written(tmp_path / "scribble")["annotations"][0]["strokes"]
    drawn = weak_label_of(first, "scribble")
    assert [one["label"] for one in strokes] == [1] * len(drawn.foreground) + [0] * len(drawn.background)
    assert np.array(strokes[-1]["points"])[-1] == pytest.approx(drawn.background[-1][-1] * [64, 48], abs=1e-3)


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_every_kind_costs_the_seconds_of_the_same_gaze(cohort, tmp_path, kind):
    report = export_weak_labels(cohort, kind, tmp_path / kind)
    spent = annotation_time({case.id: case.fixations for case in cohort.cases.values()})
    assert (report.hours, report.hours_source) == (spent.hours, spent.source)
    seconds = [image["looking_s"] for image in written(tmp_path / kind)["images"]]
    assert sum(seconds) / 3600 == pytest.approx(spent.hours, rel=1e-4)


def test_fixations_that_do_not_count_are_counted(cohort, tmp_path):
    rows = [(0.5, 0.5, 200, 0), *[(0.3, 0.3 + k / 50, 200, 300 * k + 300) for k in range(6)], (2, 2, 90, 9e4)]
    first = next(iter(cohort.cases))
    report = export_weak_labels(
        with_gaze(cohort, {first: Fixations.from_rows(rows)}), "points", tmp_path / "out",
        cases=[replace(cohort.cases[first], fixations=Fixations.from_rows(rows))],
    )  # fmt: skip
    assert report.fixations_left_out == {"off_image": 1, "first": 1, "outlier": 0}
    assert report.fixations == 6
    assert written(tmp_path / "out")["info"]["fixations_left_out"]["off_image"] == 1


def test_cases_without_gaze_on_the_image_are_listed(cohort, tmp_path):
    ids = list(cohort.cases)
    away = Fixations.from_rows([(1.5, 0.5, 200, 0)])
    changed = with_gaze(cohort, {ids[0]: None, ids[1]: Fixations.empty(), ids[2]: away})
    report = export_weak_labels(changed, "box", tmp_path / "out")
    assert report.left_out == dict.fromkeys(ids[:3], "no fixation on the image")
    assert written(tmp_path / "out")["info"]["left_out"] == report.left_out
    assert len(list((tmp_path / "out" / "label_maps").iterdir())) == 3


def test_no_gaze_at_all_is_an_error(cohort, tmp_path):
    nobody = with_gaze(cohort, dict.fromkeys(cohort.cases))
    with pytest.raises(DataError, match="expected cases with gaze, found none among 6"):
        export_weak_labels(nobody, "box", tmp_path / "out")


def test_a_folder_with_labels_is_not_written_over(cohort, tmp_path):
    export_weak_labels(cohort, "box", tmp_path / "out")
    before = (tmp_path / "out" / "annotations.json").read_bytes()
    with pytest.raises(SettingsError, match="holds exported labels already"):
        export_weak_labels(cohort, "points", tmp_path / "out")
    assert (tmp_path / "out" / "annotations.json").read_bytes() == before
    with pytest.raises(SettingsError, match="is a cohort's folder"):
        export_weak_labels(cohort, "points", cohort.folder)


def test_a_mask_that_cannot_be_read_stops_or_is_listed(cohort, tmp_path):
    first = next(iter(cohort.cases.values()))
    bad = replace(first, mask_path=tmp_path / "nowhere.png")
    broken = replace(cohort, cases={**cohort.cases, bad.id: bad})
    with pytest.raises(DataError, match=r"nowhere\.png"):
        export_weak_labels(broken, "box", tmp_path / "a", score=True)
    report = export_weak_labels(broken, "box", tmp_path / "b", score=True, on_bad="skip")
    assert list(report.left_out) == [bad.id]
    assert "nowhere.png" in report.left_out[bad.id]
    assert not (tmp_path / "b" / "label_maps" / f"{bad.id}.png").exists()
    assert export_weak_labels(broken, "box", tmp_path / "c").left_out == {}


def test_the_size_is_read_from_the_image_where_the_case_does_not_know_it(cohort):
    case = next(iter(cohort.cases.values()))
    unknown = replace(case, image_size=None)
    assert (
        weak_label_of(unknown, "points").foreground.tolist()
        == weak_label_of(case, "points").foreground.tolist()
    )
    with pytest.raises(DataError, match="expected an image file, found nothing"):
        weak_label_of(replace(unknown, image_path=Path("nowhere.png")), "points")


def test_the_key_changes_with_what_the_label_rests_on_and_with_nothing_else(cohort):
    case = next(iter(cohort.cases.values()))
    own = WeakLabelSettings(box=BoxSettings(margin_frac=0.2))

    def key(case: Case = case, kind: str = "box", settings: WeakLabelSettings | None = None) -> str:
        return weak_label_key(cohort.derived, case, kind, settings)

    others = {
        key(kind="points"), key(settings=own), key(replace(case, fixations=case.fixations.until(900))),
        key(replace(case, image_size=Size(10, 10))), key(replace(case, fixations=None)),
    }  # fmt: skip
    assert len(others | {key()}) == 6
    assert key(kind="points", settings=own) == key(kind="points")


def test_the_command_writes_scores_and_counts(cohort, tmp_path, capsys):
    words = ["weak-labels", cohort.folder, "--kind", "box", "--out", tmp_path / "out", "--score", "--quiet"]
    assert main([*map(str, words), "--set", "margin_frac=0.1", "--set", "gaze.mad_factor=null"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("6 cases from ")
    assert "overlap (IoU) with the lesion's box: " in told
    assert "6 first" in told
    assert written(tmp_path / "out")["info"]["settings"]["margin_frac"] == 0.1


def test_the_command_can_answer_in_json_for_one_split(cohort, tmp_path, capsys):
    words = ["weak-labels", cohort.folder, "--kind", "points", "--out", tmp_path, "--split", "test", "--json"]
    assert main([*map(str, words), "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == list(cohort.splits["test"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("margin_fra=1", "unknown key 'margin_fra'\n  -> did you mean 'margin_frac'?"),
        ("margin_frac=9", "margin_frac: expected less than or equal to 0.5, found 9"),
        ("margin_frac", "--set expects dotted.key=value, found 'margin_frac'"),
        ("gaze.mad_factor=[", "is not valid YAML"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(cohort, tmp_path, capsys, text, message):
    words = ["weak-labels", cohort.folder, "--kind", "box", "--out", tmp_path / "out", "--set", text]
    assert main([str(word) for word in words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
