"""A small cohort of drawn radiographs: a bright spot where the finding is, looked at, boxed and spoken of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestBox, ChestFacts, ChestReading
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_png
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Size

FINDINGS = ("Edema", "Pneumothorax")
SPOTS = {"Edema": (0.3, 0.7), "Pneumothorax": (0.7, 0.3)}
WORDS = {"Edema": "interstitial edema", "Pneumothorax": "small pneumothorax"}


def chest_case(folder: Path, number: int, *, rng: np.random.Generator) -> Case:
    """One drawn radiograph of two cases a patient; 50 rows, 40 columns."""
    present = {name: bool(number >> place & 1) for place, name in enumerate(FINDINGS)}
    rows, columns = np.mgrid[:50, :40]
    pixels = rng.normal(90, 12, (50, 40))
    for name, (x, y) in SPOTS.items():
        if present[name]:
            pixels += 90 * np.exp(-((columns / 40 - x) ** 2 + (rows / 50 - y) ** 2) / 0.01)
    path = folder / f"9{number:05d}.png"
    write_png(path, np.clip(pixels, 0, 255).astype(np.uint8))
    spots = [SPOTS[name] for name in FINDINGS if present[name]] or [(0.5, 0.5)]
    seen = Fixations.from_rows(
        [(x, y, 300, 400 * place + 10) for place, (x, y) in enumerate(spots)], image_size=Size(50, 40)
    )
    said = ", ".join(WORDS[name] for name in FINDINGS if present[name]) or "clear lungs"
    readings = (
        ChestReading("r1", "simulated", fixations=seen, transcript=said, trust=0.8),
        ChestReading("r2", "simulated", fixations=seen, degree_frac=(0.1, 0.08)),
    )
    boxes = tuple(
        ChestBox(name, "finding", x - 0.1, y - 0.1, x + 0.1, y + 0.1)
        for name, (x, y) in SPOTS.items()
        if present[name]
    )
    facts = ChestFacts(
        labels={"chexpert": {name: int(value) for name, value in present.items()}},
        boxes=boxes,
        readings=readings if number % 5 else (),
        report=said,
    )
    return Case(
        id=path.stem,
        image_path=path,
        patient=f"9{number // 2:07d}",
        image_size=Size(50, 40),
        chest=facts,
    )


def chest_cohort(folder: Path, count: int = 40) -> Cohort:
    """A saved cohort: half for training, a quarter each for validation and test."""
    images = folder / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    cases = [chest_case(images, number, rng=rng) for number in range(count)]
    ids = [case.id for case in cases]
    splits = {
        "train": tuple(ids[: count // 2]),
        "val": tuple(ids[count // 2 : 3 * count // 4]),
        "test": tuple(ids[3 * count // 4 :]),
    }
    cohort = Cohort("drawn-chests", folder / "cohort", {case.id: case for case in cases}, splits)
    cohort.save()
    return cohort
