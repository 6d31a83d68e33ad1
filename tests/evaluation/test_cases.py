from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.evaluation.cases import CaseScore, read_cases_csv, score_case, write_cases_csv
from gaze_insight.evaluation.overlap import EmptyPolicy


def square(size: int = 20, low: int = 5, high: int = 15) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


def test_scores_a_probability_at_its_threshold():
    target = square()
    prob = np.where(target, 0.6, 0.2).astype(np.float32)
    exact = score_case(prob, target, id="a", head="student")
    assert (exact.dice, exact.iou, exact.hd95_px, exact.asd_px) == (1, 1, 0, 0)
    assert exact.true_area_frac == exact.predicted_area_frac == 0.25
    assert exact.note == ""
    assert score_case(prob, target, id="a", head="student", threshold=0.1).predicted_area_frac == 1
    assert score_case(prob, target, id="a", head="student", threshold=0.7).dice == 0


def test_a_probability_at_the_threshold_is_background():
    assert score_case(np.full((4, 4), 0.5), np.ones((4, 4), bool), id="a", head="s").predicted_area_frac == 0


def test_takes_a_finished_mask_and_gives_mm_only_with_a_spacing():
    pred, target = square(low=3, high=13), square()
    without = score_case(pred, target, id="a", head="student")
    assert (without.hd95_mm, without.asd_mm) == (None, None)
    with_mm = score_case(pred, target, (0.5, 0.5), id="a", head="student")
    assert with_mm.hd95_mm == pytest.approx(without.hd95_px / 2)
    assert with_mm.asd_mm == pytest.approx(without.asd_px / 2)


def test_the_note_names_an_empty_mask():
    empty, target = np.zeros((20, 20), bool), square()
    assert score_case(empty, target, id="a", head="s").note == "nothing predicted"
    assert score_case(target, empty, id="a", head="s").note == "true mask empty"
    assert score_case(empty, empty, id="a", head="s").note == "true mask empty; nothing predicted"


def test_refuses_a_probability_that_is_not_a_number():
    with pytest.raises(DataError, match="case 'a', head 'student'"):
        score_case(np.full((20, 20), np.nan), square(), id="a", head="student")


def rows() -> list[CaseScore]:
    target = square()
    exclude = EmptyPolicy(one_empty_distance="exclude")
    return [
        score_case(square(low=4), target, (0.1, 0.3), id="with, comma", head="student"),
        score_case(square(low=7), target, id='quo"te', head="teacher"),
        score_case(np.zeros_like(target), target, id="missed", head="student", policy=exclude),
    ]


def test_the_table_comes_back_as_it_was_written(tmp_path):
    file = tmp_path / "cases.csv"
    write_cases_csv(file, rows())
    back = read_cases_csv(file)
    assert back[:2] == rows()[:2]
    assert math.isnan(back[2].hd95_px)
    assert math.isnan(back[2].asd_px)
    assert replace(back[2], hd95_px=0.0, asd_px=0.0) == replace(rows()[2], hd95_px=0.0, asd_px=0.0)


def test_a_table_without_scores_is_a_header(tmp_path):
    file = tmp_path / "cases.csv"
    write_cases_csv(file, [])
    assert file.read_text(encoding="utf-8").startswith("id,head,dice,iou,hd95_px")
    assert read_cases_csv(file) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("dice,", ""), "needs the column dice"),
        (
            lambda text: text.replace("hd95_px", "hd").replace("asd_px", "asd"),
            "needs the columns hd95_px, asd_px",
        ),
        (lambda _: "", "an empty file"),
        (lambda text: text + "a,student,x,1,1,1,,,0.1,0.1,\n", "row 5: dice must be a number, found 'x'"),
        (lambda text: text + "a,student,,1,1,1,,,0.1,0.1,\n", "row 5: dice must be a number, found ''"),
        (lambda text: text + "a,student\n", "row 5: expected 11 cells, found 2"),
    ],
)
def test_a_damaged_table_is_refused_with_its_place(tmp_path, change, message):
    file = tmp_path / "cases.csv"
    write_cases_csv(file, rows())
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_cases_csv(file)
    assert "cases.csv" in str(caught.value)


def test_a_folder_or_binary_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_cases_csv(tmp_path)
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(DataError, match="cannot be read"):
        read_cases_csv(tmp_path / "x.csv")
