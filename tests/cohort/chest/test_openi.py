from __future__ import annotations

from pathlib import Path

import pytest

from gaze_insight.cohort.openi import read_openi_reports
from gaze_insight.errors import DataError

HEADER = "uid,MeSH,Problems,image,indication,comparison,findings,impression"


def write(folder: Path, *rows: str) -> Path:
    (folder / "indiana_reports.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return folder


def test_sections_tags_and_radiographs(tmp_path: Path):
    write(
        tmp_path,
        '1,Opacity/lung/base/left;Scoliosis,Opacity;Scoliosis,"Chest, 2 views",Cough for XXXX days,None.,'
        '"Opacity, left base. No XXXX.",Possible XXXX.',
        "2,normal,normal,PA,,,,Normal.",
        "3,No Indexing,No Indexing,PA,,,,",
    )
    (tmp_path / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,a.png,Frontal\n1,b.png,Lateral\n"
    )
    first, second, third = read_openi_reports(tmp_path)
    assert first.mesh == ("Opacity/lung/base/left", "Scoliosis")
    assert first.problems == ("Opacity", "Scoliosis")
    assert first.text == "Opacity, left base. No XXXX.\nPossible XXXX."
    assert first.removed == 2
    assert first.views == "Chest, 2 views"
    assert first.images == (("a.png", "Frontal"), ("b.png", "Lateral"))
    assert (second.text, second.findings, second.images) == ("Normal.", "", ())
    assert third.text == ""


def test_refused_tables(tmp_path: Path):
    with pytest.raises(DataError, match="the table of reports does not exist"):
        read_openi_reports(tmp_path)
    with pytest.raises(DataError, match="has no row"):
        read_openi_reports(write(tmp_path))
    with pytest.raises(DataError, match="found '1'"):
        read_openi_reports(write(tmp_path, "1,normal,normal,PA,,,,a", "1,normal,normal,PA,,,,b"))
    (tmp_path / "indiana_reports.csv").write_text("uid,findings\n1,a\n")
    with pytest.raises(DataError, match="lacks the column"):
        read_openi_reports(tmp_path)


def test_the_real_reports(real_data: Path):
    reports = read_openi_reports(real_data / "iu-xray-reports")
    assert len(reports) == 3851
    assert sum(not one.text for one in reports) == 25
    assert sum(not one.findings for one in reports) == 514
    assert sum(one.removed > 0 for one in reports) == 1780
    assert sum(one.mesh == ("No Indexing",) for one in reports) == 92
    assert sum(len(one.images) for one in reports) == 7466
