"""Fixtures for all tests: the optional real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_VARIABLE = "GAZE_INSIGHT_DATA"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real images and recordings, named by GAZE_INSIGHT_DATA; the test is skipped without."""
    folder = Path(os.environ.get(_VARIABLE, "data"))
    if (folder / "kvasir-seg" / "images").is_dir():
        return folder.resolve()
    pytest.skip("set GAZE_INSIGHT_DATA to the folder of the real data")
