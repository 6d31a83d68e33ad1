"""The data sets that can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.registry import Registry

__all__ = ["DATASETS", "Importer"]

Importer = Callable[..., Cohort]
"""``(source, destination, **options) -> Cohort``: reads a published layout, saves a cohort, returns it."""

DATASETS: Registry[Importer] = Registry(
    "data set",
    {
        "folder": "gaze_insight.cohort.datasets.folder:import_folder",
        "kvasir": "gaze_insight.cohort.datasets.kvasir:import_kvasir",
        "ph2": "gaze_insight.cohort.datasets.ph2:import_ph2",
        "synthetic": "gaze_insight.cohort.datasets.synthetic:import_synthetic",
    },
)
"""Importers by name; a user's own module adds one with ``@DATASETS.register("name")``."""
