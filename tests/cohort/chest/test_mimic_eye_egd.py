"""EGD's files: calibration rows, two kinds of position, validity, durations, boxes in their odd order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mimic_eye_making import EGD_GAZE, EGD_ONLY, SHEET, SIZE, dicom, egd_row, sheet_row, write_csv

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.egd_gaze import EGD_GAZE_COLUMNS, read_egd_fixations
from gaze_insight.cohort.mimic_eye.egd_readings import BOX_COLUMNS, read_egd_boxes, read_egd_transcript
from gaze_insight.cohort.mimic_eye.egd_sheet import OLD_NAMES, SHEET_COLUMNS, Pads, read_egd_sheet
from gaze_insight.cohort.mimic_eye.looks import place_on_image
from gaze_insight.cohort.mimic_eye.tables import read_table
from gaze_insight.errors import DataError
from gaze_insight.types import Size

IMAGE = Size(*SIZE)
NAME = dicom(3)


def entries_of(folder: Path, header: tuple[str, ...] = SHEET, **change: object):
    path = write_csv(folder / "master_sheet.csv", header, [sheet_row(3, EGD_ONLY, **change)])
    return read_egd_sheet(read_table(path, SHEET_COLUMNS, rename=OLD_NAMES), Account())


def placed(
    folder: Path,
    rows: list[dict[str, object]],
    header: tuple[str, ...] = EGD_GAZE,
    account: Account | None = None,
    **sheet: object,
):
    path = write_csv(folder / "fixations.csv", header, rows)
    found = read_egd_fixations(
        read_table(path, EGD_GAZE_COLUMNS), entries_of(folder, **sheet), {NAME: IMAGE}, account or Account()
    )
    return place_on_image(found.get(NAME, []), IMAGE)


def test_only_ids_of_the_master_sheet_are_images(tmp_path: Path) -> None:
    short = NAME[:-5]
    assert (len(NAME), len(short)) == (44, 39)
    rows = [
        egd_row(NAME, 0.5, 0.5, 0.0, 1),
        egd_row(short, 0.25, 0.25, 1.0, 2),
        egd_row(short, 0.25, 0.25, 2.0, 3),
        egd_row(dicom(8), 0.5, 0.5, 3.0, 4),
    ]
    account = Account()
    gaze = placed(tmp_path, rows, account=account)
    assert gaze.fixations.to_rows() == [[0.5, 0.5, 250.0, 0.0]]
    assert {k: v for k, v in account.dropped.items() if v} == {"calibration": 2, "not_in_master_sheet": 1}


def test_positions_are_pixels_of_the_image_and_durations_are_not_differences_of_time(tmp_path: Path) -> None:
    rows = [
        egd_row(NAME, 0.25, 0.75, 0.125, 1, FPOGD=0.5) | {"Time (in secs)": 77},
        egd_row(NAME, 0.1, 0.2, 2.0, 2, FPOGD=0.1) | {"Time (in secs)": 99},
    ]
    gaze = placed(tmp_path, rows)
    assert gaze.fixations.to_rows() == [[0.25, 0.75, 500.0, 125.0], [0.1, 0.2, 100.0, 2000.0]]


def test_negative_positions_are_off_the_image_and_never_wrapped(tmp_path: Path) -> None:
    rows = [
        egd_row(NAME, 0.5, 0.5, 0.0, 1),
        egd_row(NAME, -0.3, 0.5, 1.0, 2, X_ORIGINAL=-2, Y_ORIGINAL=-2),
        egd_row(NAME, 1.3, 0.5, 2.0, 3, X_ORIGINAL=390, Y_ORIGINAL=200),
        egd_row(NAME, 0.5, 0.5, 3.0, 4, X_ORIGINAL="", Y_ORIGINAL=""),
    ]
    account = Account()
    gaze = placed(tmp_path, rows, account=account)
    assert gaze.fixations.to_rows() == [[0.5, 0.5, 250.0, 0.0]]
    assert gaze.dropped == {"off_image": 2, "no_position": 1}
    assert gaze.trust == 0.25
    assert (account.counts["egd_positions_compared"], account.counts["egd_positions_disagree"]) == (3, 0)


def test_the_corner_is_beside_a_magnified_image_if_the_pads_say_so(tmp_path: Path) -> None:
    rows = [
        egd_row(NAME, -0.3, 0.5, 0.0, 1, X_ORIGINAL=0, Y_ORIGINAL=0),
        egd_row(NAME, 0.001, 0.001, 1.0, 2, X_ORIGINAL=0, Y_ORIGINAL=0),
    ]
    account = Account()
    gaze = placed(tmp_path, rows, account=account)
    assert gaze.fixations.to_rows() == [[0.0, 0.0, 250.0, 1000.0]]
    assert gaze.dropped == {"off_image": 1}
    assert account.counts["egd_positions_disagree"] == 0


def test_fixations_that_the_tracker_does_not_trust_are_dropped(tmp_path: Path) -> None:
    rows = [egd_row(NAME, 0.5, 0.5, n, n, FPOGV=valid) for n, valid in enumerate((1, 0, "", "1.0"))]
    gaze = placed(tmp_path, rows)
    assert gaze.fixations.start_ms.tolist() == [0.0, 3000.0]
    assert (gaze.dropped, gaze.trust) == ({"not_valid": 2}, 0.5)


def test_of_the_samples_of_one_fixation_the_last_counts(tmp_path: Path) -> None:
    rows = [
        egd_row(NAME, 0.5, 0.5, 0.0, 1, FPOGD=0.1),
        egd_row(NAME, 0.5, 0.25, 0.0, 1, FPOGD=0.2),
        egd_row(NAME, 0.1, 0.25, 0.5, 2, FPOGD=0.3),
        egd_row(NAME, 0.1, 0.25, 0.0, 1, FPOGD=0.3, SESSION_ID=8),
    ]
    account = Account()
    gaze = placed(tmp_path, rows, account=account)
    assert sorted(gaze.fixations.duration_ms.tolist()) == [200.0, 300.0, 300.0]
    assert account.dropped["repeated"] == 1


def test_without_image_positions_the_pads_place_the_gaze(tmp_path: Path) -> None:
    header = tuple(name for name in EGD_GAZE if not name.endswith("_ORIGINAL"))
    rows = [egd_row(NAME, 0.25, 0.75, 0.0, 1), egd_row(NAME, -0.1, 0.5, 1.0, 2)]
    gaze = placed(tmp_path, rows, header)
    assert gaze.fixations.to_rows() == [pytest.approx([0.25, 0.75, 250.0, 0.0], abs=1e-6)]
    assert gaze.dropped == {"off_image": 1}
    with pytest.raises(DataError, match="fractions of the screen, not of the image"):
        placed(tmp_path, rows, header, image_left_pad="")


def test_both_positions_are_compared_and_the_stated_one_wins(tmp_path: Path) -> None:
    rows = [
        egd_row(NAME, 0.5, 0.5, 0.0, 1),
        egd_row(NAME, 0.5, 0.5, 1.0, 2, X_ORIGINAL=30),
        egd_row(NAME, 0.5, 0.5, 2.0, 3, X_ORIGINAL=-1, Y_ORIGINAL=-1),
        egd_row(NAME, 0.5, 0.5, 3.0, 4, FPOGX="", FPOGY=""),
    ]
    account = Account()
    gaze = placed(tmp_path, rows, account=account)
    assert gaze.fixations.x.tolist() == [0.5, 0.1, 0.5]
    assert (account.counts["egd_positions_compared"], account.counts["egd_positions_disagree"]) == (3, 2)


@given(
    st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.sampled_from([(555, 555), (300, 700), (0, 0)]),
    st.sampled_from([(0, 0), (120, 40)]),
)  # fmt: skip
def test_pads_undo_the_letterbox(x, y, sides, ends) -> None:
    (left, right), (top, bottom) = sides, ends
    across, down = left + x * (1920 - left - right), top + y * (1080 - top - bottom)
    assert Pads(left, top, right, bottom).place(across / 1920, down / 1080) == pytest.approx((x, y))


def test_the_sheet_gives_pads_and_labels_under_both_its_names(tmp_path: Path) -> None:
    row = sheet_row(3, EGD_ONLY, edema__chx=-1.0, lung_opacity__chx="", consolidation=1)
    renamed = {name: name.removesuffix("_pad") for name in SHEET}
    path = write_csv(
        tmp_path / "old.csv",
        list(renamed.values()),
        [{renamed.get(name, name): value for name, value in row.items()}],
    )
    entry = read_egd_sheet(read_table(path, SHEET_COLUMNS, rename=OLD_NAMES), Account())[NAME]
    assert entry.pads == Pads(left=555, top=0, right=555, bottom=0)
    assert (entry.subject, entry.study) == (EGD_ONLY, f"5{EGD_ONLY[1:]}")
    assert entry.labels == {"Normal": 0, "CHF": 1, "pneumonia": 0, "consolidation": 1}
    assert entry.chexpert == {"Edema": -1, "Lung Opacity": None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dicom_id": NAME[:-5]}, "44 characters"),
        ({"image_left_pad": 1900}, "leave room for an image"),
        ({"image_top_pad": -1}, "leave room for an image"),
        ({"pneumonia": 2}, "expected 1, 0, -1 or a blank cell in the column 'pneumonia', found 2"),
    ],
)
def test_a_bad_row_of_the_sheet_is_named(tmp_path, change, words) -> None:
    with pytest.raises(DataError, match=f"row 2: .*{words}"):
        entries_of(tmp_path, **change)


def test_an_image_twice_in_the_sheet_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "sheet.csv", SHEET, [sheet_row(3, EGD_ONLY)] * 2)
    with pytest.raises(DataError, match=r"row 3: .* is listed twice"):
        read_egd_sheet(read_table(path, SHEET_COLUMNS), Account())


def test_boxes_have_both_x_before_both_y(tmp_path: Path) -> None:
    rows = [
        (NAME, "Left Lung", 150.0, 270.0, 40.0, 200.0),
        (NAME, "trachea", 300.5, 400.0, 10.0, 20.0),
        (NAME, "right hilar structures", -3.0, 30.0, 380.0, 410.0),
        (dicom(9), "left lung", 1.0, 2.0, 3.0, 4.0),
    ]
    path = write_csv(tmp_path / "bounding_boxes.csv", BOX_COLUMNS, rows)
    account = Account()
    boxes = read_egd_boxes(read_table(path, BOX_COLUMNS), {NAME: IMAGE}, account)
    assert [(box.name, box.x0, box.y0, box.x1, box.y1) for box in boxes[NAME]] == [
        ("left lung", 0.5, 0.1, 0.9, 0.5), ("right hilar structures", 0.0, 0.95, 0.1, 1.0),
    ]  # fmt: skip
    assert {(box.kind, box.shape, box.reading) for box in boxes[NAME]} == {("region", "box", None)}
    assert account.counts == {"egd_boxes_beside_the_image": 1, "egd_boxes_of_unknown_images": 1}


def test_a_box_in_the_usual_order_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", BOX_COLUMNS, [(NAME, "left lung", 150.0, 40.0, 270.0, 200.0)])
    with pytest.raises(DataError, match="row 2: expected a box"):
        read_egd_boxes(read_table(path, BOX_COLUMNS), {NAME: IMAGE}, Account())


def test_a_bad_gaze_row_stops_or_is_counted(tmp_path: Path) -> None:
    rows = [egd_row(NAME, 0.5, 0.5, 0.0, 1), egd_row(NAME, 0.5, 0.5, 1.0, 2, FPOGD=-1)]
    with pytest.raises(DataError, match="row 3: expected a duration FPOGD"):
        placed(tmp_path, rows)
    account = Account("skip")
    assert len(placed(tmp_path, rows, account=account).fixations) == 1
    assert account.dropped["bad_row"] == 1


@pytest.mark.parametrize(
    "record", ["{", "[]", '{"full_text": "a"}', '{"full_text": "a", "time_stamped_text": [{"phrase": "a"}]}']
)
def test_a_transcript_of_another_form_is_named(tmp_path, record) -> None:
    path = tmp_path / "transcript.json"
    path.write_text(record)
    with pytest.raises(DataError, match=r"transcript.json: expected JSON with full_text"):
        read_egd_transcript(path)


def test_a_transcript_keeps_its_phrases(tmp_path: Path) -> None:
    path = tmp_path / "transcript.json"
    phrases = [{"phrase": "no effusion.", "begin_time": "0.5", "end_time": 1.25}]
    path.write_text(json.dumps({"full_text": "no effusion.", "time_stamped_text": phrases}))
    text, (word,) = read_egd_transcript(path)
    assert (text, word.text, word.start_ms, word.end_ms) == ("no effusion.", "no effusion.", 500.0, 1250.0)
