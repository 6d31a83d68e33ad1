"""The demo's tree: six findings, each more frequent than by default, so that minutes are enough."""

from __future__ import annotations

from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings

__all__ = ["demo_tree"]

_SHARES = {
    "Atelectasis": 0.25,
    "Cardiomegaly": 0.2,
    "Consolidation": 0.3,
    "Lung Lesion": 0.3,
    "Pleural Effusion": 0.3,
    "Pneumothorax": 0.3,
}


def demo_tree(patients: int, seed: int) -> FakeTreeSettings:
    """Give the settings of the demo's tree.

    Args:
        patients: How many patients.
        seed: Seed of everything.

    Returns:
        The settings; raw gaze is left out, since fixations are what is read.

    Example:
        >>> demo_tree(10, 0).contrast
        1.3
    """
    return FakeTreeSettings(
        patients=patients,
        seed=seed,
        contrast=1.3,
        dwell_on_findings=1.0,
        prevalence=dict(_SHARES),
        raw_gaze=False,
    )
