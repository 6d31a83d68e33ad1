"""REFLACX and EGD as PhysioNet gives them, with pictures from a folder of MIMIC-CXR-JPG."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from mimic_eye_making import (
    BOTH,
    EGD_GAZE,
    EGD_ONLY,
    METADATA,
    PHASE_1,
    PHASE_3,
    REFLACX_ONLY,
    SHEET,
    SIZE,
    dicom,
    egd_row,
    fixation,
    metadata_row,
    sheet_row,
    study_of,
    write_csv,
    write_jpg,
    write_reading,
)

from gaze_insight.cohort.chest_facts import ChestFacts
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.egd import import_egd
from gaze_insight.cohort.datasets.reflacx import import_reflacx
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.errors import DataError

ONE, TWO, THREE = dicom(1), dicom(2), dicom(3)


def facts_of(cohort: Cohort, one: str) -> ChestFacts:
    facts = cohort.cases[one].chest
    assert facts is not None
    return facts


def picture_of(images: Path, number: int, subject: str, size: tuple[int, int] = SIZE) -> Path:
    folder = images / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study_of(subject)}"
    return write_jpg(folder / f"{dicom(number)}.jpg", size)


def make_cxr(images: Path, size: tuple[int, int] = SIZE) -> Path:
    """Three pictures, the tables of MIMIC-CXR-JPG (packed), and a report."""
    rows = []
    for number, subject in ((1, BOTH), (2, REFLACX_ONLY), (3, EGD_ONLY)):
        picture_of(images, number, subject, size)
        rows.append((dicom(number), subject, study_of(subject), "AP", SIZE[0], SIZE[1]))
    rows.append((dicom(0xFFFF), "90000009", "50000009", "LATERAL", 10, 10))
    header = ("dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns")
    pack(write_csv(images / "mimic-cxr-2.0.0-metadata.csv", header, rows, index=False))
    labels = [(row[1], row[2], "-1.0", "") for row in rows]
    header = ("subject_id", "study_id", "Edema", "Fracture")
    pack(write_csv(images / "mimic-cxr-2.0.0-chexpert.csv", header, labels, index=False))
    return images


def pack(path: Path) -> None:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def make_reflacx(folder: Path) -> Path:
    for phase, labels, rows in (
        (
            1,
            PHASE_1,
            [metadata_row("P100R000001", 1, BOTH, Mass=3), metadata_row("P100R000002", 1, BOTH, Mass=0)],
        ),
        (3, PHASE_3, [metadata_row("P300R000003", 2, REFLACX_ONLY, **{"Hiatal hernia": 4})]),
    ):
        path = folder / "main_data" / f"metadata_phase_{phase}.csv"
        write_csv(path, (*METADATA, *labels), rows, index=False, end="\r\n")
        for row in rows:
            write_reading(
                folder / "main_data" / str(row["id"]), fixations=[fixation(0, 1, 75, 100)], labels=labels
            )
    return folder


def make_egd(folder: Path) -> Path:
    rows = [sheet_row(1, BOTH, edema__chx=1.0, lung_opacity__chx=""), sheet_row(3, EGD_ONLY, edema__chx=-1)]
    write_csv(folder / "master_sheet.csv", SHEET, rows, index=False)
    gaze = [
        egd_row(ONE, 0.5, 0.25, 0, 1), egd_row(ONE[:-5], 0.5, 0.25, 1, 2), egd_row(THREE, 0.1, 0.75, 0, 3),
    ]  # fmt: skip
    write_csv(folder / "fixations.csv", EGD_GAZE, gaze, index=False)
    boxes = [(THREE, "trachea", 30.0, 60.0, 40.0, 80.0)]
    write_csv(
        folder / "bounding_boxes.csv", ("dicom_id", "bbox_name", "x1", "x2", "y1", "y2"), boxes, index=False
    )
    spoken = folder / "audio_segmentation_transcripts" / THREE / "transcript.json"
    spoken.parent.mkdir(parents=True)
    spoken.write_text(json.dumps({"full_text": "Clear.", "time_stamped_text": []}))
    return folder


def test_reflacx_joins_its_phases_and_the_readers_of_an_image(tmp_path: Path) -> None:
    images = make_cxr(tmp_path / "cxr")
    reports = tmp_path / "reports"
    report = reports / "files" / "p90" / f"p{BOTH}" / f"s{study_of(BOTH)}.txt"
    report.parent.mkdir(parents=True)
    report.write_text("made up")
    cohort = import_reflacx(
        make_reflacx(tmp_path / "reflacx"), tmp_path / "cohort", images=images, reports=reports
    )
    assert list(cohort.cases) == [ONE, TWO]
    facts = facts_of(cohort, ONE)
    assert [one.id for one in facts.readings] == ["P100R000001", "P100R000002"]
    assert [one.certainties["Mass"] for one in facts.readings] == [3, 0]
    other = facts_of(cohort, TWO).readings[0]
    assert "Mass" not in other.certainties
    assert other.certainties["Hiatal hernia"] == 4
    assert other.certainties["Atelectasis"] is None
    assert other.fixations is not None
    assert other.fixations.to_rows() == [[0.25, 0.25, 1000.0, 0.0]]
    assert (facts.report, facts_of(cohort, TWO).report) == ("made up", None)
    assert facts.labels == {"chexpert": {"Edema": -1, "Fracture": None}}
    assert (facts.study, facts.view) == (study_of(BOTH), "AP")
    assert [box.reading for box in facts.boxes] == ["P100R000001", "P100R000002"]
    assert cohort.source["tables"] == ["metadata_phase_1.csv", "metadata_phase_3.csv"]
    assert cohort.source["counts"]["mimic_cxr_negbio_missing"] == 1
    assert list(Cohort.open(tmp_path / "cohort").cases) == [ONE, TWO]


@pytest.mark.parametrize("place", ["metadata.csv", "main_data/metadata.csv"])
def test_reflacx_in_the_form_of_mimic_eye(tmp_path, place) -> None:
    images, folder = make_cxr(tmp_path / "cxr"), tmp_path / "REFLACX"
    write_csv(folder / place, (*METADATA, "Mass"), [metadata_row("P300R000003", 2, REFLACX_ONLY, Mass=5)])
    cohort = DATASETS["reflacx"](folder, tmp_path / "cohort", images=images)
    assert facts_of(cohort, TWO).readings[0].certainties == {"Mass": 5}


def test_two_readings_that_disagree_about_their_image_are_refused(tmp_path: Path) -> None:
    images, folder = make_cxr(tmp_path / "cxr"), tmp_path / "reflacx"
    rows = [metadata_row("P1", 1, BOTH), metadata_row("P2", 1, BOTH, image_size_x=7)]
    write_csv(folder / "metadata.csv", METADATA, rows)
    with pytest.raises(DataError, match="'P2' and another of the image"):
        import_reflacx(folder, tmp_path / "cohort", images=images)


@pytest.mark.parametrize("place", ["whole", "without files", "by study", "flat"])
def test_pictures_are_found_in_whole_and_in_part(tmp_path, place) -> None:
    images = tmp_path / "cxr"
    images.mkdir()
    folder = Path("files", f"p{REFLACX_ONLY[:2]}", f"p{REFLACX_ONLY}", f"s{study_of(REFLACX_ONLY)}")
    parts = {"whole": 0, "without files": 1, "by study": 3, "flat": 4}
    write_jpg(images / Path(*folder.parts[parts[place] :]) / f"{TWO}.jpg", (40, 30))
    write_csv(tmp_path / "r" / "metadata.csv", METADATA, [metadata_row("P300R000003", 2, REFLACX_ONLY)])
    write_reading(tmp_path / "r" / "P300R000003", fixations=[fixation(0, 1, 75, 100)])
    cohort = import_reflacx(tmp_path / "r", tmp_path / "cohort", images=images)
    gaze = cohort.cases[TWO].fixations
    assert gaze is not None
    assert gaze.to_rows() == [[0.25, 0.25, 1000.0, 0.0]]
    assert cohort.source["counts"]["mimic_cxr_metadata_missing"] == 1


def test_egd_places_gaze_by_the_original_size(tmp_path: Path) -> None:
    images = make_cxr(tmp_path / "cxr", size=(80, 60))
    cohort = import_egd(make_egd(tmp_path / "egd"), tmp_path / "cohort", images=images)
    assert list(cohort.cases) == [ONE, THREE]
    looks = [facts_of(cohort, one).readings[0] for one in (ONE, THREE)]
    assert [look.fixations and look.fixations.to_rows() for look in looks] == [
        [[0.5, 0.25, 250.0, 0.0]], [[0.1, 0.75, 250.0, 0.0]],
    ]  # fmt: skip
    assert cohort.report.dropped == {"calibration": 1}
    assert [one.id for one in cohort.report.sizes_disagree] == [ONE, THREE]
    assert [(box.name, box.x0, box.y1) for box in facts_of(cohort, THREE).boxes] == [("trachea", 0.1, 0.2)]
    assert looks[1].transcript == "Clear."
    assert facts_of(cohort, ONE).labels["egd"]["CHF"] == 1
    counts = cohort.source["counts"]
    assert (counts["egd_boxes_missing"], counts["egd_transcripts_missing"]) == (1, 1)
    assert counts["egd_chexpert_disagree"] == 1


def test_egd_without_metadata_takes_sizes_and_labels_from_pictures_and_sheet(tmp_path: Path) -> None:
    images, folder = make_cxr(tmp_path / "cxr"), make_egd(tmp_path / "egd")
    for table in images.glob("*.gz"):
        table.unlink()
    (folder / "bounding_boxes.csv").unlink()
    cohort = import_egd(folder, tmp_path / "cohort", images=images)
    assert facts_of(cohort, ONE).labels["chexpert"] == {"Edema": 1, "Lung Opacity": None}
    assert cohort.source["counts"]["sizes_from_pictures"] == 2
    gaze = cohort.cases[ONE].fixations
    assert gaze is not None
    assert gaze.x.tolist() == [0.5]
    (folder / "fixations.csv").unlink()
    again = import_egd(folder, tmp_path / "cohort", images=images)
    assert again.source["counts"]["egd_gaze_tables_missing"] == 1
    assert again.report.images_without_gaze == (ONE, THREE)


def test_sizes_of_two_tables_that_disagree_are_noted(tmp_path: Path) -> None:
    images = make_cxr(tmp_path / "cxr")
    row = metadata_row("P300R000003", 2, REFLACX_ONLY, image_size_x=600)
    write_csv(tmp_path / "r" / "metadata.csv", METADATA, [row])
    write_reading(tmp_path / "r" / "P300R000003", fixations=[fixation(0, 1, 75, 100)])
    cohort = import_reflacx(tmp_path / "r", tmp_path / "cohort", images=images)
    gaze = cohort.cases[TWO].fixations
    assert gaze is not None
    assert gaze.x.tolist() == [0.125]
    assert cohort.source["counts"]["sizes_disagree"] == 1


def test_a_picture_that_is_not_there_is_left_out_or_named(tmp_path: Path) -> None:
    images = make_cxr(tmp_path / "cxr")
    next(images.rglob(f"{ONE}.jpg")).unlink()
    next(images.rglob(f"{THREE}.jpg")).write_bytes(b"")
    with pytest.raises(DataError, match=f"{ONE}.jpg: .* \\(and 1 more bad images\\)"):
        import_egd(make_egd(tmp_path / "egd"), tmp_path / "cohort", images=images)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder of MIMIC-CXR-JPG's pictures"):
        import_reflacx(make_reflacx(tmp_path / "r"), tmp_path / "c", images=tmp_path / "none")
    with pytest.raises(DataError, match="expected the folder of MIMIC-CXR's reports"):
        import_egd(make_egd(tmp_path / "e"), tmp_path / "c", images=tmp_path, reports=tmp_path / "none")
    with pytest.raises(DataError, match="expected an image file, found nothing"):
        import_egd(tmp_path / "e", tmp_path / "c", images=tmp_path)
