"""REFLACX's files: zoomed views, times, ellipses, dictation, three phases of labels, discarded recordings."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from mimic_eye_making import (
    FIXATIONS,
    METADATA,
    PHASE_1,
    PHASE_3,
    REFLACX_ONLY,
    SIZE,
    dicom,
    fixation,
    metadata_row,
    write_csv,
    write_reading,
)

from gaze_insight.cohort.chest_facts import SpokenWord
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.looks import Look
from gaze_insight.cohort.mimic_eye.reflacx_files import read_dictation, read_ellipses, read_reflacx_fixations
from gaze_insight.cohort.mimic_eye.reflacx_metadata import METADATA_COLUMNS, read_reflacx_metadata
from gaze_insight.cohort.mimic_eye.reflacx_readings import read_reflacx_looks
from gaze_insight.cohort.mimic_eye.tables import read_table
from gaze_insight.errors import DataError
from gaze_insight.types import Size

IMAGE = Size(*SIZE)
ZOOM = (100, 100, 200, 300)
SCREEN = (1000, 0, 2000, 2000)


def gaze_of(folder: Path, rows: list[list[object]], account: Account | None = None):
    path = write_csv(folder / "fixations.csv", FIXATIONS, rows, index=False, end="\r\n")
    return read_reflacx_fixations(path, IMAGE, account or Account())


def test_pixels_and_seconds_become_fractions_and_milliseconds(tmp_path: Path) -> None:
    rows = [fixation(0.5, 0.625, 300, 400), fixation(-0.02, 0.18, 0, 100)]
    gaze, degree = gaze_of(tmp_path, rows)
    assert gaze.fixations.to_rows() == [[0.0, 0.25, 200.0, -20.0], [1.0, 1.0, 125.0, 500.0]]
    assert (gaze.trust, gaze.dropped) == (1.0, {})
    assert degree == pytest.approx((20 / 300, 22 / 400), abs=1e-6)


def test_looks_beside_the_image_are_dropped_and_lower_the_trust(tmp_path: Path) -> None:
    rows = [
        fixation(0, 1, 150, 200),
        fixation(1, 2, -1, 200),
        fixation(2, 3, 150, 401),
        fixation(3, 3.5, "", ""),
        fixation(4, 4, 10, 10),
        fixation(5, 5.5, 301, 200),
    ]
    gaze, _ = gaze_of(tmp_path, rows)
    assert gaze.fixations.to_rows() == [[0.5, 0.5, 1000.0, 0.0]]
    assert gaze.dropped == {"off_image": 3, "no_position": 1, "no_duration": 1}
    assert gaze.trust == pytest.approx(1 / 4)


def is_kept(x: float, y: float, screen: tuple[float, ...]) -> bool:
    """The authors' rule, written out: in the shown part, or near it and far from the buttons."""
    left, top, right, bottom = ZOOM
    if left <= x <= right and top <= y <= bottom:
        return True
    nearest = min(max(x, left), right), min(max(y, top), bottom)
    degrees = math.sqrt(((x - nearest[0]) / 20) ** 2 + ((y - nearest[1]) / 22) ** 2)
    screen_x = screen[0] + (x - left) * (screen[2] - screen[0]) / (right - left)
    screen_y = screen[1] + (y - top) * (screen[3] - screen[1]) / (bottom - top)
    near_x, near_y = min(max(screen_x, 10), 650), min(max(screen_y, 933), 1122)
    return degrees < 0.5 and math.dist((screen_x, screen_y), (near_x, near_y)) > 50


@pytest.mark.parametrize("screen", [SCREEN, (700, 0, 1700, 2000), (400, 0, 700, 1000)])
def test_only_what_was_shown_or_nearly_so_counts(tmp_path, screen) -> None:
    places = [(x, y) for x in range(80, 221, 3) for y in range(80, 321, 5)]
    rows = [fixation(n, n + 0.5, x, y, ZOOM, screen) for n, (x, y) in enumerate(places)]
    account = Account()
    gaze, _ = gaze_of(tmp_path, rows, account)
    expected = [place for place in places if is_kept(*place, screen)]
    found = [(round(row[0] * 300), round(row[1] * 400)) for row in gaze.fixations.to_rows()]
    inside = [(x, y) for x, y in places if 100 <= x <= 200 and 100 <= y <= 300]
    assert found == expected
    assert gaze.dropped == {"not_shown": len(places) - len(expected)}
    assert account.counts["reflacx_kept_beside_the_shown_part"] == len(expected) - len(inside) > 0


def test_without_screen_columns_only_the_shown_part_counts(tmp_path: Path) -> None:
    rows = [fixation(0, 1, 150, 200, ZOOM)[:13], fixation(1, 2, 99, 200, ZOOM)[:13]]
    path = write_csv(tmp_path / "fixations.csv", FIXATIONS[:13], rows, index=False)
    gaze, _ = read_reflacx_fixations(path, IMAGE, Account())
    assert (len(gaze.fixations), gaze.dropped) == (1, {"not_shown": 1})


def test_the_degree_is_the_median_and_may_be_unknown(tmp_path: Path) -> None:
    rows = [fixation(n, n + 1, 150, 200) for n in range(3)]
    for row, resolution in zip(rows, (30, 60, 33), strict=True):
        row[5] = resolution
    assert gaze_of(tmp_path, rows)[1] == pytest.approx((33 / 300, 22 / 400))
    for row in rows:
        row[5] = row[6] = ""
    assert gaze_of(tmp_path, rows)[1] is None
    nothing, degree = gaze_of(tmp_path, [])
    assert (len(nothing.fixations), nothing.trust, degree) == (0, 0.0, None)


def test_a_bad_row_stops_or_is_counted(tmp_path: Path) -> None:
    rows = [fixation(0, 1, 150, 200), fixation(3, 2, 150, 200), fixation(3, 4, "left", 200)]
    with pytest.raises(DataError, match=r"fixations.csv, row 3: expected an end after the start"):
        gaze_of(tmp_path, rows)
    account = Account("skip")
    gaze, _ = gaze_of(tmp_path, rows, account)
    assert len(gaze.fixations) == 1
    assert account.dropped == {"bad_row": 2}
    assert "row 4: expected a number in the column 'x_position', found 'left'" in account.problems[1]


def test_an_ellipse_with_several_labels_is_several_findings(tmp_path: Path) -> None:
    row = {"xmin": 30, "ymin": 40, "xmax": 150, "ymax": 500, "certainty": 3}
    rows = [
        {**row, "Consolidation": True, "Pneumothorax": "True"},
        {**row, "xmin": 400, "xmax": 500, "Consolidation": True},
        {**row},
        {**row, "certainty": 0, "Other": True},
        {**row, "certainty": "", "Support devices": True},
    ]
    write_reading(tmp_path, fixations=None, ellipses=rows)
    account = Account()
    boxes = read_ellipses(tmp_path / "anomaly_location_ellipses.csv", IMAGE, "P300R000001", account)
    assert [(box.name, box.certainty) for box in boxes] == [
        ("Consolidation", 3), ("Pneumothorax", 3), ("Other", None), ("Support devices", None),
    ]  # fmt: skip
    assert {(box.kind, box.shape, box.reading) for box in boxes} == {("finding", "ellipse", "P300R000001")}
    assert (boxes[0].x0, boxes[0].y0, boxes[0].x1, boxes[0].y1) == (0.1, 0.1, 0.5, 1.0)
    assert account.counts == {"reflacx_ellipses_without_label": 1, "reflacx_boxes_beside_the_image": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xmin": 200}, "row 2: expected a box with xmin <= xmax"),
        ({"certainty": 7}, "row 2: expected a certainty from 1 to 5, found 7"),
        ({"ymin": ""}, "row 2: expected a number in the column 'ymin'"),
        ({"Mass": "maybe"}, "row 2: expected True or False in the column 'Mass'"),
    ],
)
def test_a_bad_ellipse_is_named(tmp_path, change, words) -> None:
    row = {"xmin": 3, "ymin": 4, "xmax": 15, "ymax": 50, "certainty": 3, "Nodule": True} | change
    write_reading(tmp_path, fixations=None, ellipses=[row], labels=PHASE_1)
    with pytest.raises(DataError, match=words):
        read_ellipses(tmp_path / "anomaly_location_ellipses.csv", IMAGE, "r", Account())


def test_the_dictation_keeps_each_word_and_says_where_it_disagrees(tmp_path: Path) -> None:
    words = [("null", 0.5, 0.75), (",", 0.75, 0.75), ("NA", 1, 1.5), ("/", 1.5, 1.5), (".", 2, 2)]
    write_reading(tmp_path, fixations=[], words=words, text="null, NA / .\n")
    said = read_dictation(tmp_path, Account())
    assert said.text == "null, NA / ."
    assert said.words[2] == SpokenWord("NA", 1000.0, 1500.0)
    assert [word.text for word in said.words] == ["null", ",", "NA", "/", "."]
    assert said.agrees
    (tmp_path / "transcription.txt").write_text("nothing, NA / .")
    assert not read_dictation(tmp_path, Account()).agrees
    (tmp_path / "transcription.txt").unlink()
    assert read_dictation(tmp_path, Account()).text == "null , NA / ."
    (tmp_path / "timestamps_transcription.csv").unlink()
    assert read_dictation(tmp_path, Account()).text is None


def phase_table(folder: Path, phase: int, labels: tuple[str, ...], rows: list[dict[str, object]]) -> Path:
    """A table as REFLACX itself publishes it: the labels of one phase, no index column."""
    path = folder / "main_data" / f"metadata_phase_{phase}.csv"
    return write_csv(path, (*METADATA, *labels), rows, index=False, end="\r\n")


def test_a_label_that_was_not_offered_is_unknown_not_absent(tmp_path: Path) -> None:
    first = metadata_row("P102R000001", 1, REFLACX_ONLY, **dict.fromkeys(PHASE_1, 0)) | {
        "Mass": 3, "Support devices": True, "Quality issue": False, "Other": "scar|clip"}  # fmt: skip
    third = metadata_row("P300R000002", 2, REFLACX_ONLY, **dict.fromkeys(PHASE_3, 0)) | {
        "Lung nodule or mass": 5.0, "Support devices": False, "Other": ""}  # fmt: skip
    paths = [phase_table(tmp_path, 1, PHASE_1, [first]), phase_table(tmp_path, 3, PHASE_3, [third])]
    entries = list(read_reflacx_metadata([read_table(path, METADATA_COLUMNS) for path in paths], Account()))
    assert [entry.id for entry in entries] == ["P102R000001", "P300R000002"]
    assert entries[0].certainties["Mass"] == 3
    assert "Mass" not in entries[1].certainties
    assert (entries[0].certainties["Support devices"], entries[0].certainties["Quality issue"]) == (5, 0)
    assert (entries[0].other, entries[1].other) == ("scar|clip", "")
    assert entries[0].study == f"5{REFLACX_ONLY[1:]}"
    assert entries[0].size == Size(height=400, width=300)
    joined = write_csv(
        tmp_path / "metadata.csv", (*METADATA, *sorted({*PHASE_1, *PHASE_3})), [first, third], end="\r\n"
    )
    merged = list(read_reflacx_metadata([read_table(joined, METADATA_COLUMNS)], Account()))
    assert merged[0].certainties["Lung nodule or mass"] is None
    assert merged[1].certainties["Mass"] is None
    assert merged[1].certainties["Lung nodule or mass"] == 5
    assert merged[0].certainties["Atelectasis"] == 0
    assert {k: v for k, v in merged[0].certainties.items() if v is not None} == dict(entries[0].certainties)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "expected the id of a reading"),
        ({"id": "../P3"}, "expected the id of a reading"),
        ({"dicom_id": dicom(1)[:-5]}, "44 characters"),
        ({"image": "a.dcm"}, "expected an image such as"),
        ({"image_size_x": ""}, "'image_size_x', found a blank cell"),
        ({"image_size_y": 0}, "above 0"),
        ({"Mass": 6}, "expected a certainty from 0 to 5, True or False for 'Mass', found 6"),
        ({"Mass": 2.5}, "found 2.5"),
        ({"eye_tracking_data_discarded": "perhaps"}, "expected True or False"),
    ],
)
def test_a_bad_row_of_the_metadata_is_named(tmp_path, change, words) -> None:
    path = write_csv(tmp_path / "metadata.csv", (*METADATA, "Mass"), [metadata_row("P1", 1, "9") | change])
    table = read_table(path, METADATA_COLUMNS)
    with pytest.raises(DataError, match=f"row 2: .*{words}"):
        list(read_reflacx_metadata([table], Account()))
    account = Account("skip")
    assert list(read_reflacx_metadata([table], account)) == []
    assert account.dropped == {"bad_row": 1}


def test_a_reading_listed_twice_and_an_unknown_column_are_told(tmp_path: Path) -> None:
    rows = [metadata_row("P1", 1, "9"), metadata_row("P1", 1, "9")]
    path = write_csv(tmp_path / "metadata.csv", (*METADATA, "Moon"), rows)
    account = Account("skip")
    assert len(list(read_reflacx_metadata([read_table(path, METADATA_COLUMNS)], account))) == 1
    assert "columns that are not known are not used: Moon" in account.problems[0]
    assert "row 3: the reading 'P1' is listed twice" in account.problems[1]


def looks_of(folder: Path, account: Account, **change: object) -> list[Look]:
    path = write_csv(folder / "metadata.csv", METADATA, [metadata_row("P300R000001", 1, "9") | change])
    entries = read_reflacx_metadata([read_table(path, METADATA_COLUMNS)], account)
    return read_reflacx_looks(entries, folder, {dicom(1): IMAGE}, account).get(dicom(1), [])


def test_a_discarded_recording_leaves_labels_and_boxes(tmp_path: Path) -> None:
    write_reading(tmp_path / "main_data" / "P300R000001", fixations=[fixation(0, 1, 5, 5)])
    account = Account()
    (look,) = looks_of(tmp_path, account, eye_tracking_data_discarded=True)
    assert look.reading.fixations is None
    assert (look.reading.trust, look.reading.dropped) == (0.0, {"discarded_recording": 1})
    assert [box.name for box in look.boxes] == ["chest"]
    assert account.counts["reflacx_recordings_discarded"] == 1


@pytest.mark.parametrize("level", ["main_data", "."])
def test_readings_lie_with_or_without_the_level_main_data(tmp_path, level) -> None:
    write_reading(tmp_path / level / "P300R000001", fixations=[fixation(0, 1, 150, 100)])
    write_reading(tmp_path / level / "P300R000009", fixations=[])
    account = Account()
    (look,) = looks_of(tmp_path, account)
    assert look.reading.fixations is not None
    assert look.reading.fixations.to_rows() == [[0.5, 0.25, 1000.0, 0.0]]
    assert account.counts["reflacx_folders_without_metadata"] == 1


def test_missing_files_and_folders_are_counted(tmp_path: Path) -> None:
    account = Account()
    (look,) = looks_of(tmp_path, account)
    assert (look.reading.fixations, look.boxes, look.reading.transcript) == (None, (), None)
    assert {name for name, count in account.counts.items() if count} == {
        "reflacx_readings", "reflacx_folders_missing", "reflacx_fixations_missing",
        "reflacx_dictations_missing", "reflacx_chest_boxes_missing", "reflacx_ellipses_missing",
    }  # fmt: skip


def test_pixels_refer_to_the_size_that_reflacx_states(tmp_path: Path) -> None:
    write_reading(tmp_path / "main_data" / "P300R000001", fixations=[fixation(0, 1, 150, 100)])
    account = Account()
    (look,) = looks_of(tmp_path, account, image_size_x=600)
    assert look.reading.fixations is not None
    assert look.reading.fixations.x.tolist() == [0.25]
    assert account.counts["reflacx_sizes_disagree"] == 1
    assert "600 x 400 px" in account.problems[0]
    assert "300 x 400 px" in account.problems[0]


def test_a_bad_gaze_file_costs_the_gaze_alone(tmp_path: Path) -> None:
    folder = tmp_path / "main_data" / "P300R000001"
    write_reading(folder, fixations=[])
    write_csv(folder / "fixations.csv", FIXATIONS[:4], [])
    with pytest.raises(DataError, match="lacking angular_resolution_x_pixels_per_degree"):
        looks_of(tmp_path, Account())
    account = Account("skip")
    (look,) = looks_of(tmp_path, account)
    assert (look.reading.trust, look.reading.dropped) == (0.0, {"bad_gaze_file": 1})
    assert len(look.boxes) == 1
