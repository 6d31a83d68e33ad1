"""Which image files may be sent: DICOM only where asked for, and only if the file states that it is clean."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.language.vlm.privacy import check_sendable, looks_like_dicom

pydicom = pytest.importorskip("pydicom")

CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT = "Public^Jane"


def write_dicom(path, tags=None, sop_class=CT):
    """A small slice that passes as clean, with `tags` (keyword: value) set or, where None, left out."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = sop_class, "1.2.3", "CT"
    data.PatientName, data.PatientID = PATIENT, "4711"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.BurnedInAnnotation = "NO"
    data.Rows = data.Columns = 2
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = b"\x00\x01\x02\x03"
    for name, value in (tags or {}).items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("name", ["a.dcm", "A.DICOM", "1.2.3", "a.ima", "renamed.png", "renamed.jpg"])
def test_dicom_is_refused_by_default_under_any_name(tmp_path, name):
    path = write_dicom(tmp_path / name)
    assert looks_like_dicom(path)
    with pytest.raises(DataError, match="a DICOM file is not sent") as caught:
        check_sendable(path)
    assert caught.value.path == path
    assert "PNG" in caught.value.remedy
    check_sendable(path, "clean")


@pytest.mark.parametrize(
    ("tags", "match"),
    [
        ({"BurnedInAnnotation": None}, r"Burned In Annotation \(0028,0301\) is absent"),
        ({"BurnedInAnnotation": "YES"}, r"\(0028,0301\) is YES"),
        ({"BurnedInAnnotation": ""}, r"\(0028,0301\) is absent"),
        ({"RecognizableVisualFeatures": "YES"}, r"\(0028,0302\) is YES"),
        ({"ConversionType": "WSD"}, r"Conversion Type \(0008,0064\)"),
        (
            {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
            r"Image Type \(0008,0008\) holds SCREEN SAVE",
        ),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, r"\(0008,0008\) holds SECONDARY"),
    ],
)
def test_a_file_that_does_not_state_it_is_clean_is_refused_by_its_tag(tmp_path, tags, match):
    path = write_dicom(tmp_path / "a.dcm", tags)
    with pytest.raises(DataError, match=match) as caught:
        check_sendable(path, "clean")
    assert caught.value.path == path
    assert caught.value.remedy
    assert PATIENT not in str(caught.value)
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("ending", ["", ".1", ".2", ".3", ".4"])
def test_secondary_captures_are_refused_by_their_class(tmp_path, ending):
    path = write_dicom(tmp_path / "a.dcm", sop_class=f"1.2.840.10008.5.1.4.1.1.7{ending}")
    with pytest.raises(DataError, match=r"SOP Class UID \(0008,0016\)"):
        check_sendable(path, "clean")


def test_a_class_that_merely_begins_alike_is_no_secondary_capture(tmp_path):
    check_sendable(write_dicom(tmp_path / "a.dcm", sop_class="1.2.840.10008.5.1.4.1.1.77.1.4"), "clean")


@pytest.mark.parametrize("group", [0x6000, 0x6002, 0x60FE])
def test_overlay_planes_are_refused(tmp_path, group):
    path = write_dicom(tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    data.add_new((group, 0x0010), "US", 2)
    data.save_as(path)
    with pytest.raises(DataError, match=rf"overlay planes \({group:04x},xxxx\)"):
        check_sendable(path, "clean")


def test_a_header_that_cannot_be_read_is_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm")
    broken = tmp_path / "b.dcm"
    broken.write_bytes(b"not dicom at all" * 20)
    with pytest.raises(DataError, match="has no DICOM header"):
        check_sendable(broken, "clean")
    cut = tmp_path / "c.dcm"
    cut.write_bytes(path.read_bytes()[:140])
    with pytest.raises(DataError, match="is not sent to a model"):
        check_sendable(cut, "clean")
    with pytest.raises(DataError, match="is not sent to a model"):
        check_sendable(tmp_path / "absent.dcm", "clean")


def test_other_images_pass(tmp_path):
    for name in ("a.png", "a.jpg", "a.tif", "a.bmp"):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / name)
        assert not looks_like_dicom(tmp_path / name)
        check_sendable(tmp_path / name)
        check_sendable(tmp_path / name, "clean")
    check_sendable(tmp_path / "absent.png")


def test_an_unknown_policy_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="refuse or clean, found 'send'"):
        check_sendable(tmp_path / "a.png", "send")


def test_clean_needs_pydicom_and_refuse_does_not(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match="is not sent"):
        check_sendable(path)
    with pytest.raises(MissingExtraError, match="pydicom"):
        check_sendable(path, "clean")


def test_the_room_is_imported_without_pydicom_or_torch():
    code = (
        "import sys, gaze_insight.language.vlm.prompts, gaze_insight.language.vlm.answers, "
        "gaze_insight.language.vlm.privacy; print({'pydicom', 'torch', 'matplotlib'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
