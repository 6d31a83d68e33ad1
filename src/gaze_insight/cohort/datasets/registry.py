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
        "egd": "gaze_insight.cohort.datasets.egd:import_egd",
        "fgi": "gaze_insight.cohort.datasets.fgi_layout:import_fgi",
        "folder": "gaze_insight.cohort.datasets.folder:import_folder",
        "gazemedseg": "gaze_insight.cohort.datasets.gazemedseg_layout:import_gazemedseg",
        "isic": "gaze_insight.cohort.datasets.isic:import_isic",
        "kvasir": "gaze_insight.cohort.datasets.kvasir:import_kvasir",
        "mimic_eye": "gaze_insight.cohort.datasets.mimic_eye:import_mimic_eye",
        "nci_isbi": "gaze_insight.cohort.datasets.nci_isbi:import_nci_isbi",
        "nih_chest_xray": "gaze_insight.cohort.datasets.nih_chest_xray:import_nih_chest_xray",
        "ph2": "gaze_insight.cohort.datasets.ph2:import_ph2",
        "reflacx": "gaze_insight.cohort.datasets.reflacx:import_reflacx",
        "synthetic": "gaze_insight.cohort.datasets.synthetic:import_synthetic",
    },
)
"""Importers by name; a user's own module adds one with ``@DATASETS.register("name")``."""
