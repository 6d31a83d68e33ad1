"""A drawn chest run: radiographs, looks, attention and scores, as the page gets them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.evaluation.patient_summary import summarise_classification, summarise_saliency
from gaze_insight.evaluation.saliency import saliency_scores
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.chest_report import ChestPage, ShownRadiograph

FINDINGS = ("Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion", "Pneumothorax", "Hernia")


def radiograph(seed: int = 0, height: int = 300, width: int = 260) -> np.ndarray:
    """Two dark lungs, a heart and ribs on grey."""
    rows, columns = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    field = 0.55 + 0.1 * np.sin(rows * 40 + (columns - 0.5) ** 2 * 12)
    for centre in (0.3, 0.7):
        field -= 0.4 * (((columns - centre) / 0.16) ** 2 + ((rows - 0.48) / 0.32) ** 2 < 1)
    field += 0.3 * (((columns - 0.55) / 0.15) ** 2 + ((rows - 0.66) / 0.14) ** 2 < 1)
    field += np.random.default_rng(seed).normal(0, 0.03, field.shape)
    return np.repeat((255 * np.clip(field, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def look(seed: int, x: float = 0.7, y: float = 0.7, count: int = 14) -> Fixations:
    rng = np.random.default_rng(seed)
    spots = np.clip(rng.normal((x, y), 0.12, (count, 2)), 0.02, 0.98)
    starts = np.arange(count) * 350.0
    return Fixations.from_rows([(*spot, 300.0, start) for spot, start in zip(spots, starts, strict=True)])


def spot_map(x: float, y: float, size: int = 14, spread: float = 0.15) -> np.ndarray:
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size
    field = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return field / field.max()


def shown(rank: str = "best", case: str = "90000001", **changes: Any) -> ShownRadiograph:
    parts: dict[str, Any] = {
        "id": case,
        "image": radiograph(),
        "rank": rank,
        "why": "agreement with gaze",
        "probabilities": dict(zip(FINDINGS, (0.2, 0.7, 0.55, 0.81, 0.1, 0.6), strict=True)),
        "labels": dict(zip(FINDINGS, (1.0, 1.0, 0.0, 1.0, 0.0, np.nan), strict=True)),
        "thresholds": dict.fromkeys(FINDINGS, 0.5),
        "cc": 0.62,
        "looks": [look(1), look(2, 0.6, 0.6)],
        "attention": spot_map(0.68, 0.68),
        "finding": "Pleural Effusion",
        "finding_attention": spot_map(0.75, 0.75, spread=0.1),
        "boxes": [
            ChestBox("Pleural Effusion", "finding", 0.58, 0.62, 0.88, 0.82),
            ChestBox("Cardiomegaly", "finding", 0.4, 0.52, 0.7, 0.8, shape="ellipse"),
        ],
        "report": "FINDINGS: There is a left pleural effusion.\nIMPRESSION: Left pleural effusion.",
        "reference": "Small left effusion. No pneumothorax.",
    }
    return ShownRadiograph(**(parts | changes))


def scores(cases: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((cases, len(FINDINGS))) < 0.35).astype(float)
    labels[:, -1] = np.nan
    labels[: cases // 3, 2] = np.nan
    odds = 1.6 * (np.nan_to_num(labels) - 0.5) + rng.normal(size=labels.shape)
    return 1 / (1 + np.exp(-odds)), labels, [f"patient {number // 2}" for number in range(cases)]


def summary(cases: int = 90) -> dict[str, Any]:
    prob, labels, patients = scores(cases)
    agreement = [
        saliency_scores(
            spot_map(0.5 + 0.02 * (number % 9), 0.6),
            spot_map(0.6, 0.6) if number % 4 else None,
            [[0.6, 0.6]] if number % 4 else None,
            spot_map(0.6, 0.6) > 0.5,
        )
        for number in range(cases)
    ]
    test = summarise_classification(prob, labels, [0.5] * 6, FINDINGS, patients, replicates=100)
    test["attention"] = summarise_saliency(agreement, patients, replicates=100)
    test["class_attention"] = {"box_energy": test["attention"]["box_energy"]}
    test["report"] = {
        "reports": cases,
        "references": 60,
        "keywords": {"report": {"f1_micro": 0.52, "recall_micro": 0.5}, "all_absent": {"f1_micro": None}},
        "text": {"report": {"rouge_l": 0.31, "rouge_flavour": "rouge-score with stemming"}},
        "regions": {
            "boxes": {
                "pairs": 40,
                "attention": {"first": {"mean": 0.6, "ci95": [0.5, 0.7]}},
                "prior": {"first": {"mean": 0.5, "ci95": [0.4, 0.6]}},
                "attention_minus_prior": {"mean": 0.1, "ci95": [0.0, 0.2]},
            }
        },
    }
    return {
        "task": "chest_xray",
        "method": "gaze_classifier",
        "cohort": "drawn",
        "protocol": "honest (last weights)",
        "seed": 3,
        "split": {"train": 300, "val": 60, "test": cases},
        "findings": list(FINDINGS),
        "policy": {"source": "auto", "uncertain": "ignore", "findings": None},
        "test": test,
        "seconds": {"prepare": 4.0, "train": 120.0, "evaluate": 2.5},
        "peak_memory_mb": 900.0,
    }


def history(epochs: int = 12) -> list[dict[str, Any]]:
    return [
        {
            "stage": "classifier",
            "epoch": epoch,
            "step": 40 * epoch,
            "learning_rate": 1e-3,
            "loss": 1.2 / epoch**0.3,
            "classification": 0.7 / epoch**0.3,
            "gaze": 0.9 / epoch**0.5,
            "gaze_mse": 0.2 / epoch,
            "gaze_kl": 0.6 / epoch**0.4,
            "image_text": 1.1 / epoch**0.2,
            "val_auc": 0.8 - 0.3 / epoch,
        }
        for epoch in range(1, epochs + 1)
    ]


def page(**changes: Any) -> ChestPage:
    prob, labels, _ = scores()
    parts: dict[str, Any] = {
        "title": "gaze_classifier on drawn",
        "summary": summary(),
        "probabilities": prob,
        "labels": labels,
        "calibration": {
            name: {"slope": 1.0, "note": "too few to fit" if name == "Hernia" else ""} for name in FINDINGS
        },
        "plan": {
            "sets": {
                "train": {"cases": 300, "with_gaze": 210, "with_text": 280, "with_boxes": 120},
                "val": {"cases": 60, "with_gaze": 40},
            },
            "labels": {
                "findings": {
                    "Edema": {"positive": 80, "negative": 150, "unknown": 70, "published": {"blank": 120}}
                }
            },
        },
        "history": history(),
        "cases": [shown(), shown("median", "90000002", why="error"), shown("worst", "90000003", looks=())],
        "facts": {"Cohort": "drawn", "Cases": 450},
        "config": {"seed": 3},
        "environment": {"python": "3.11"},
        "protocol_text": "The last weights were kept.",
        "warnings": ["This is one run with one seed."],
        "command": "gaze-insight run cohorts/drawn",
        "created": "2026-01-01",
        "version": "0",
    }
    return ChestPage(**(parts | changes))
