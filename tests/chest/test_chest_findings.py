from __future__ import annotations

import pytest

from gaze_insight.chest.findings import (
    FINDINGS,
    NO_FINDING,
    all_names,
    finding_map,
    finding_order,
    findings_named,
    mesh_findings,
)
from gaze_insight.cohort.datasets.nih_tables import NIH_LABELS
from gaze_insight.cohort.mimic_eye.egd_sheet import EGD_LABELS
from gaze_insight.cohort.mimic_eye.reflacx_metadata import REFLACX_LABELS
from gaze_insight.errors import SettingsError


def test_the_fourteen_are_sorted_and_map_to_themselves_in_the_labelers_tables():
    assert len(FINDINGS) == 14
    assert list(FINDINGS) == sorted(FINDINGS)
    assert NO_FINDING in FINDINGS
    for source in ("chexpert", "negbio"):
        assert finding_map(source).shows == {name: (name,) for name in FINDINGS}


@pytest.mark.parametrize(
    ("source", "labels"), [("reflacx", REFLACX_LABELS), ("egd", EGD_LABELS), ("nih", NIH_LABELS)]
)
def test_every_name_that_a_map_uses_is_one_of_the_source(source: str, labels: tuple[str, ...]):
    chart = finding_map(source)
    spare = {"No Finding", "Infiltrate"}
    assert set(chart.shows) | set(chart.rules_out) <= {*labels, *spare}
    assert all(one in FINDINGS or one == "Infiltration" for part in chart.shows.values() for one in part)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Enlarged cardiac silhouette", ("Cardiomegaly",)),
        ("pulmonary EDEMA", ("Edema", "Lung Opacity")),
        ("Lung nodule or mass", ("Lung Lesion",)),
        ("Acute fracture", ("Fracture",)),
        ("Effusion", ("Pleural Effusion",)),
        ("Pleural_Thickening", ("Pleural Other",)),
        ("Infiltrate", ("Infiltration",)),
        ("Hernia", ("Hernia",)),
        ("Pleural abnormality", ()),
        ("Quality issue", ()),
    ],
)
def test_a_boxs_name_finds_its_finding_without_its_source(name: str, found: tuple[str, ...]):
    assert findings_named(name) == found


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("Opacity/lung/base/left/streaky", {"Lung Opacity"}),
        ("Density/lung/apex/right", {"Lung Opacity"}),
        ("Density/mediastinum", set()),
        ("Cardiac Shadow/enlarged/borderline", {"Cardiomegaly"}),
        ("Cardiac Shadow/obscured", set()),
        ("Thickening/pleura/apex/bilateral", {"Pleural Other"}),
        ("Thickening", set()),
        ("Hydropneumothorax/left", {"Pleural Effusion", "Pneumothorax"}),
        ("Pulmonary Atelectasis/base", {"Atelectasis"}),
        ("normal", {NO_FINDING}),
        ("Scoliosis/thoracic vertebrae", set()),
    ],
)
def test_mesh_tags_need_their_qualifiers(tag: str, found: set[str]):
    assert mesh_findings([tag]) == found


def test_a_report_that_nobody_indexed_is_unknown_and_not_normal():
    assert mesh_findings(["No Indexing"]) is None
    assert mesh_findings([]) is None


def test_order_names_and_unknown_sources():
    assert all_names()[:14] == FINDINGS
    assert sorted(["Zebra", "Pneumonia", "Atelectasis"], key=finding_order) == [
        "Atelectasis",
        "Pneumonia",
        "Zebra",
    ]
    with pytest.raises(SettingsError, match="unknown source of labels 'radgraph'"):
        finding_map("radgraph")
