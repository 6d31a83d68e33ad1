"""Do the methods learn? Trained on drawn images from simulated gaze alone, scored against the true masks.

Measured once on 2 CPU cores: see the numbers beside the margins.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import pytest

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.run_config import RunConfig
from gaze_insight.evaluation.overlap import dice
from gaze_insight.types import BoolArray
from gaze_insight.workflow.evaluating import evaluate
from gaze_insight.workflow.training import train

SEEDS = (0, 1, 2)
TRAINING = {"input_size_px": 96, "batch_size": 8, "device": "cpu"}
METHODS = {
    "unet": {"kind": "unet", "target": "comprehensive", "epochs": 12},
    "fgi": {"kind": "fgi", "teacher_epochs": 8, "student_epochs": 12},
}


def mask_of(case: Case) -> BoolArray:
    mask = case.read_mask()
    assert mask is not None
    return mask


def prior_dice(cohort: Cohort) -> float:
    """Score the best picture-blind guess: the mean of the true training masks, cut where it fits them best."""
    known = [mask_of(case) for case in cohort.subset("train")]
    average = np.mean([cv2.resize(mask.astype(np.float32), (120, 96)) for mask in known], axis=0)

    def score(masks: list[BoolArray], cut: float) -> float:
        guesses = [cv2.resize(average, mask.shape[::-1]) >= cut for mask in masks]
        return mean(dice(guess, mask) for guess, mask in zip(guesses, masks, strict=True))

    best = max(np.linspace(0.02, 0.6, 30), key=lambda cut: score(known, cut))
    return score([mask_of(case) for case in cohort.subset("test")], best)


@pytest.mark.slow
def test_gaze_teaches_a_network_and_fgi_does_no_harm(tmp_path: Path) -> None:
    settings = SyntheticSettings(cases=100, size_px=(120, 152), seed=7)
    cohort = import_synthetic(tmp_path / "source", tmp_path, settings=settings)
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in SEEDS:
        for name, method in METHODS.items():
            config = RunConfig(seed=seed, method=method, training=TRAINING)
            run = train(cohort, config, tmp_path / "runs" / f"{name}-{seed}")
            found[name].append(evaluate(run.path, device="cpu")["test"]["student"]["dice"]["mean"])
    blind = prior_dice(cohort)
    report = f"picture-blind {blind:.3f}, {found}"
    print(report)
    assert min(found["unet"]) > blind + 0.15, report
    assert min(found["fgi"]) > blind + 0.15, report
    assert mean(found["fgi"]) > mean(found["unet"]) - 0.05, report
