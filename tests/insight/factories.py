from __future__ import annotations

import math
from typing import Any

import numpy as np

from gaze_insight.evaluation.cases import CaseScore, score_case
from gaze_insight.evaluation.statistics import summarise_heads
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.report import ReportCase
from gaze_insight.language.schema import Description


def disc(
    height: int = 60, width: int = 80, radius: float = 15, row: float = 30, column: float = 40
) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - row, columns - column) < radius


def photo(seed: int = 0, height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 160, (height, width, 3)).astype(np.uint8)


def looking() -> Fixations:
    return Fixations.from_rows([(0.5, 0.5, 300, 0), (0.55, 0.45, 600, 350), (0.45, 0.6, 150, 1000)])


def words(remarks: str = "") -> Description:
    return Description(
        location="centre",
        boundary="clear",
        shape="round",
        texture="smooth",
        brightness="brighter",
        area_percentage=14,
        confidence="high",
        remarks=remarks,
        source="measured",
    )


def scored(count: int = 9, heads: tuple[str, ...] = ("student", "teacher", "pseudomask")) -> list[CaseScore]:
    truth = disc()
    return [
        score_case(disc(radius=8 + case, column=40 + shift), truth, id=f"case{case}", head=head)
        for shift, head in enumerate(heads)
        for case in range(count)
    ]


def summary_of(scores: list[CaseScore]) -> dict[str, Any]:
    return {
        "method": "fgi",
        "cohort": "demo",
        "protocol": "validation",
        "seed": 3,
        "split": {"train": 40, "val": 5, "test": 9},
        "test": summarise_heads(scores, resamples=100),
        "annotation_time_h": {"gaze": 2.2, "source": "trial"},
        "seconds": {"label": 61.0, "train": 1200.0, "evaluate": 3.0},
        "peak_memory_mb": 2048,
    }


def full_case(rank: str = "best", case: str = "case1") -> ReportCase:
    truth = disc()
    soft = np.exp(-((np.mgrid[:30, :40][0] - 15) ** 2 + (np.mgrid[:30, :40][1] - 20) ** 2) / 90).astype(
        np.float32
    )
    return ReportCase(
        id=case,
        image=photo(),
        rank=rank,
        caption="A caption.",
        fixations=looking(),
        heat=soft,
        sparse=np.select([soft > 0.5, soft < 0.1], [1, 0], 255).astype(np.uint8),
        comprehensive=(soft > 0.3).astype(np.uint8),
        teacher_prob=soft,
        student_prob=disc(radius=14).astype(np.float32),
        truth=truth,
        description=words(),
        scores={s.head: s for s in scored(1)},
    )


def history() -> list[dict[str, Any]]:
    return [
        {
            "stage": stage,
            "stage_index": number,
            "epoch": epoch,
            "step": 10 * epoch,
            "learning_rate": 1e-3,
            "val_dice": None if epoch == 1 else 0.5 + 0.1 * epoch,
            "loss": 1 / epoch if epoch < 3 else math.nan,
        }
        for number, stage in enumerate(("teacher", "student"))
        for epoch in (1, 2, 3)
    ]
