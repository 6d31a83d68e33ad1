"""Reports of a run's test cases and of any radiograph: files, scores, and what is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from chest_drawing import chest_cohort
from gaze_insight.chest.report import compose_report
from gaze_insight.cli.predicting_chest import predict_chest
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import read_image, write_png
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.config.tasks import compose_chest
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.radiograph_cases import read_radiograph_table
from gaze_insight.workflow.chest.evaluating import evaluate_chest
from gaze_insight.workflow.chest.predicting import predict_radiographs
from gaze_insight.workflow.chest.reading_images import read_radiograph
from gaze_insight.workflow.chest.reports import REPORTS_FILE, report_chest_run
from gaze_insight.workflow.chest.training import train_chest


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return chest_cohort(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory) -> RunFolder:
    settings = ["training.min_steps=12", "training.optimizer.learning_rate=0.01", "method.epochs=1"]
    config = compose_chest(["chest_tiny"], overrides=[*settings, "evaluation.resamples=100"])
    run = train_chest(cohort, config, tmp_path_factory.mktemp("runs") / "run")
    evaluate_chest(run.path)
    return run


@pytest.fixture(scope="module")
def reported(trained) -> dict:
    return report_chest_run(trained.path)


def test_every_test_case_gets_the_report_of_its_row(trained, reported):
    summary = reported
    table = read_radiograph_table(trained.cases_csv)
    thresholds = trained.read_json(trained.calibration_json)["thresholds"]
    lines = [json.loads(line) for line in (trained.path / REPORTS_FILE).read_text().splitlines()]
    assert [line["id"] for line in lines] == list(table.ids)
    for row, line in enumerate(lines):
        for one in line["sentences"]:
            if one["finding"] not in (None, "No Finding"):
                column = table.findings.index(one["finding"])
                assert one["probability"] == pytest.approx(table.probabilities[row, column], abs=1e-4)
                assert one["threshold"] == pytest.approx(thresholds[one["finding"]], abs=1e-4)
    assert summary["reports"] == len(table.ids)
    called = int((table.probabilities >= [thresholds[name] for name in table.findings]).sum())
    assert sum(summary["provenance"].values()) == called
    stored = trained.read_json(trained.summary_json)
    assert stored["test"]["report"]["reports"] == summary["reports"]
    assert "classifier" in stored["test"]
    assert json.loads(trained.summary_json.read_text().replace("NaN", "fail"))


def test_regions_are_held_against_boxes_and_gaze_with_controls(trained, cohort, reported):
    regions = reported["regions"]
    table = read_radiograph_table(trained.cases_csv)
    with_box = sum(
        any(box.kind == "finding" and box.name == name for box in cohort.cases[one].chest.boxes)
        for row, one in enumerate(table.ids)
        for column, name in enumerate(table.findings)
        if table.labels[row, column] == 1
    )
    assert regions["boxes"]["pairs"] == with_box > 0
    for kind in regions.values():
        for source in ("attention", "prior", "attention_of_others"):
            assert 0 <= kind[source]["first"]["mean"] <= 1
            low, high = kind[source]["first"]["ci95"]
            assert low <= kind[source]["first"]["mean"] <= high
        assert kind["prior"]["sides_named"] == 0
        gain = kind["attention"]["first"]["mean"] - kind["prior"]["first"]["mean"]
        assert kind["attention_minus_prior"]["mean"] == pytest.approx(gain)


def test_reports_are_scored_against_references_with_controls(trained, cohort, monkeypatch):
    truth = {}
    for one, case in cohort.cases.items():
        labels = next(iter(case.chest.labels.values()))
        values = {name: 0.95 if value == 1 else 0.01 for name, value in labels.items()}
        truth[one] = compose_report(values, dict.fromkeys(values, 0.5)).to_text()
    told = {
        one: replace(case, chest=replace(case.chest, report=truth[one])) for one, case in cohort.cases.items()
    }
    monkeypatch.setattr(
        "gaze_insight.workflow.chest.reports.Cohort.open", lambda folder: replace(cohort, cases=told)
    )
    found = report_chest_run(trained.path)
    assert found["references"] == len(read_radiograph_table(trained.cases_csv).ids)
    own, absent = found["keywords"]["report"], found["keywords"]["all_absent"]
    assert absent["recall_micro"] == 0
    assert own["f1_micro"] is None or 0 <= own["f1_micro"] <= 1
    assert {"rouge1", "bleu4", "rouge_flavour"} <= found["text"]["report"].keys() or "missing" in found[
        "text"
    ]


def test_a_case_that_is_gone_is_named(trained, cohort, monkeypatch):
    monkeypatch.setattr(
        "gaze_insight.workflow.chest.reports.Cohort.open", lambda folder: replace(cohort, cases={}, splits={})
    )
    with pytest.raises(DataError, match="no longer in the cohort"):
        report_chest_run(trained.path)


def test_images_get_pages_values_and_overlays(trained, cohort, tmp_path):
    paths = [case.image_path for case in list(cohort.cases.values())[:2]]
    (tmp_path / "notes.png").write_text("no image")
    done = predict_radiographs(
        trained.path, [*paths, tmp_path / "notes.png"], tmp_path / "out", device="cpu", on_bad="skip"
    )
    assert list(done.images) == [path.name for path in paths]
    assert "not an image" in next(iter(done.failed.values()))
    listing = done.index.read_text(encoding="utf-8")
    for path in paths:
        page = (tmp_path / "out" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert "http" not in page.replace("http://www.w3.org", "")
        assert f'href="{path.stem}.html"' in listing
        record = json.loads((tmp_path / "out" / f"{path.stem}.json").read_text())
        assert set(record["findings"]) == {"Edema", "Pneumothorax"}
        for one in record["report"]["sentences"]:
            assert one["text"] in page.replace("&#39;", "'")
        assert any("which view" in note for note in record["notes"])
        assert read_image(tmp_path / "out" / f"{path.stem}.png").ndim == 3
    with pytest.raises(DataError, match="not an image"):
        predict_radiographs(trained.path, [tmp_path / "notes.png"], tmp_path / "out2", device="cpu")


def test_predictions_are_those_of_the_evaluation(trained, tmp_path):
    table = read_radiograph_table(trained.cases_csv)
    cohort = Cohort.open(trained.plan()["cohort_folder"])
    case = cohort.cases[table.ids[0]]
    done = predict_radiographs(trained.path, [case.image_path], tmp_path, device="cpu")
    (one,) = done.images.values()
    assert list(one.probabilities.values()) == pytest.approx(table.probabilities[0], abs=1e-3)
    assert done.index is None


def test_a_control_that_reads_texts_is_refused(cohort, tmp_path):
    config = compose_chest(["chest_tiny"], overrides=["method.kind=text_only", "training.min_steps=1"])
    run = train_chest(cohort, config, tmp_path / "run")
    path = next(iter(cohort.cases.values())).image_path
    with pytest.raises(SettingsError, match="reads texts"):
        predict_radiographs(run.path, [path], tmp_path / "out", device="cpu")


def picture(side=(80, 80), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, side, dtype=np.uint8)


def test_what_is_no_frontal_radiograph_is_refused_or_noted(tmp_path):
    write_png(tmp_path / "tiny.png", picture((20, 90)))
    with pytest.raises(DataError, match="at least 32 x 32 pixels, found 90 x 20"):
        read_radiograph(tmp_path / "tiny.png")
    write_png(tmp_path / "blank.png", np.full((90, 90), 7, np.uint8))
    with pytest.raises(DataError, match="blank"):
        read_radiograph(tmp_path / "blank.png")
    write_png(tmp_path / "colour.png", picture((80, 80, 3)))
    found = read_radiograph(tmp_path / "colour.png")
    assert any("colours" in note for note in found.notes)
    assert (found.image[..., 0] == found.image[..., 2]).all()
    write_png(tmp_path / "long.png", picture((70, 200)))
    assert any("unusual shape" in note for note in read_radiograph(tmp_path / "long.png").notes)
    write_png(tmp_path / "grey.png", picture())
    grey = read_radiograph(tmp_path / "grey.png")
    assert len(grey.notes) == 1
    assert grey.view == ""


def write_dicom(path, **facts):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Rows = data.Columns = 80
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 7, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = picture().tobytes()
    for name, value in ({"Modality": "DX"} | facts).items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def test_a_dicom_header_says_which_view_it_is(tmp_path):
    frontal = read_radiograph(write_dicom(tmp_path / "a.dcm", ViewPosition="PA"))
    assert (frontal.view, frontal.notes) == ("PA", ())
    with pytest.raises(DataError, match="frontal view"):
        read_radiograph(write_dicom(tmp_path / "b.dcm", ViewPosition="LL"))
    with pytest.raises(DataError, match="found MR"):
        read_radiograph(write_dicom(tmp_path / "c.dcm", Modality="MR"))
    turned = read_radiograph(
        write_dicom(tmp_path / "d.dcm", ViewPosition="AP", PatientOrientation=["R", "F"])
    )
    assert any("reversed" in note for note in turned.notes)
    assert len(read_radiograph(write_dicom(tmp_path / "e.dcm")).notes) == 1


def test_the_command_says_the_impression_and_takes_settings_of_a_writer(trained, cohort, tmp_path, capsys):
    path = next(iter(cohort.cases.values())).image_path
    predict_chest(trained.path, [path], tmp_path / "out", device="cpu", quiet=True)
    said = capsys.readouterr().out
    assert f"{path.name}: " in said
    assert "which view" in said
    predict_chest(trained.path, [path], tmp_path / "out", device="cpu", json=True, quiet=True)
    values = json.loads(capsys.readouterr().out)
    assert set(values["images"][path.name]["probabilities"]) == {"Edema", "Pneumothorax"}
    (tmp_path / "writer.json").write_text('{"model": "m", "endpoint": "http://127.0.0.1:9/v1", "speed": 3}')
    with pytest.raises(DataError, match="unknown key 'speed'"):
        predict_chest(trained.path, [path], tmp_path / "out", writer=tmp_path / "writer.json", quiet=True)


def test_the_command_line_is_not_slowed_by_what_predicting_needs():
    import subprocess

    script = "import gaze_insight.cli.predicting_chest, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
