"""The table of scored radiographs reads back as it was written."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.evaluation.radiograph_cases import (
    RadiographTable,
    read_radiograph_table,
    write_radiograph_table,
)
from gaze_insight.evaluation.saliency import SALIENCY_METRICS, SaliencyScores


def test_a_table_reads_back(tmp_path):
    table = RadiographTable(
        ("a", 'b "quoted", c'),
        ("90000001", ""),
        ("Edema", "Pleural Effusion"),
        np.array([[0.25, 1.0], [1e-6, 0.5]]),
        np.array([[1, np.nan], [0, 1]]),
        (SaliencyScores(cc=0.5, kl=1.25), SaliencyScores()),
    )
    write_radiograph_table(tmp_path / "cases.csv", table)
    found = read_radiograph_table(tmp_path / "cases.csv")
    assert (found.ids, found.patients, found.findings) == (table.ids, table.patients, table.findings)
    np.testing.assert_allclose(found.probabilities, table.probabilities)
    np.testing.assert_array_equal(found.labels, table.labels)
    for one, two in zip(found.saliency, table.saliency, strict=True):
        for name in SALIENCY_METRICS:
            assert getattr(one, name) == getattr(two, name) or math.isnan(getattr(two, name))
    header = (tmp_path / "cases.csv").read_text().splitlines()[0]
    assert header.startswith("id,patient,p:Edema,p:Pleural Effusion,y:Edema,y:Pleural Effusion,cc,kl")


def test_a_table_without_rows_and_a_damaged_one(tmp_path):
    none = np.zeros((0, 1))
    write_radiograph_table(tmp_path / "a.csv", RadiographTable((), (), ("Edema",), none, none, ()))
    assert read_radiograph_table(tmp_path / "a.csv").ids == ()
    (tmp_path / "b.csv").write_text("id,patient,p:Edema\nx,y,0.5\n")
    with pytest.raises(DataError, match="table of a run's test cases"):
        read_radiograph_table(tmp_path / "b.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_radiograph_table(tmp_path / "c.csv")
