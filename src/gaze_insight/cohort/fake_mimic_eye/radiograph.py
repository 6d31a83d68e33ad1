"""One radiograph: what is wrong with the patient, what only seems so, and the picture of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from gaze_insight.cohort.fake_mimic_eye.anatomy import REGION_BOXES, Build, draw_anatomy
from gaze_insight.cohort.fake_mimic_eye.canvas import Canvas
from gaze_insight.cohort.fake_mimic_eye.findings import DrawnFinding, draw_finding
from gaze_insight.cohort.fake_mimic_eye.lookalikes import LOOKALIKES, draw_lookalike, draw_wires
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.types import ByteArray, Size

__all__ = ["FracBox", "Radiograph", "SeenFinding", "choose_findings", "draw_lateral", "draw_radiograph"]

FracBox = tuple[float, float, float, float]
"""Edges left, top, right, bottom in fractions of the image's sides."""

_FAINT = 0.72


@dataclass(frozen=True)
class SeenFinding:
    """A finding of one radiograph.

    Args:
        name: As CheXpert spells it.
        boxes: Where it can be seen.
        side: The patient's side, ``both``, or empty for the midline.
        place: Where, in words.
        certainty: What a careful reader says: 3 possibly, 4 probably, 5 consistent with.

    Example:
        >>> SeenFinding("Edema", ((0.2, 0.3, 0.4, 0.6),), "both", "perihilar", 5).certainty
        5
    """

    name: str
    boxes: tuple[FracBox, ...]
    side: str
    place: str
    certainty: int


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A frontal radiograph with everything that is true of it.

    Args:
        image: Grey levels, shape (H, W), uint8.
        findings: What is wrong.
        decoys: Harmless things: name and box.
        regions: The 17 regions: name to box.
        bedside: Whether it was taken at the bedside (AP), else standing (PA).

    Example:
        >>> Radiograph(np.zeros((4, 4), np.uint8), (), (), {}, False).findings
        ()
    """

    image: ByteArray
    findings: tuple[SeenFinding, ...]
    decoys: tuple[tuple[str, FracBox], ...]
    regions: dict[str, FracBox]
    bedside: bool


def choose_findings(rng: np.random.Generator, settings: FakeTreeSettings) -> tuple[str, ...]:
    """Choose what is wrong with an image: nothing, or at least one finding.

    Args:
        rng: Source of all randomness.
        settings: Shares of the findings.

    Returns:
        Names, as CheXpert spells them.

    Example:
        >>> choose_findings(np.random.default_rng(0), FakeTreeSettings(normal_share=1))
        ()
    """
    names = [name for name, share in settings.prevalence.items() if share > 0]
    if rng.random() < settings.normal_share or not names:
        return ()
    shares = np.array([settings.prevalence[name] for name in names])
    drawn = rng.random(len(names)) < shares
    if not drawn.any():
        drawn[rng.choice(len(names), p=shares / shares.sum())] = True
    return tuple(name for name, here in zip(names, drawn, strict=True) if here)


def draw_radiograph(
    rng: np.random.Generator,
    size: Size,
    build: Build,
    names: Sequence[str],
    settings: FakeTreeSettings,
    confounding: float = 0.0,
) -> Radiograph:
    """Draw a frontal radiograph.

    Whether it was taken at the bedside, and whether a heart monitor's wires lie on the chest, depends on
    being sick by `confounding`: P(sick) = 0.4 + 0.5 c, P(well) = 0.4 - 0.35 c for the bedside view.

    Args:
        rng: Source of all randomness.
        size: Height and width in pixels.
        build: How the patient is built.
        names: What is wrong, as CheXpert spells it.
        settings: Contrast and look-alikes.
        confounding: In [0, 1].

    Returns:
        The radiograph and what is true of it.

    Example:
        >>> settings = FakeTreeSettings()
        >>> one = draw_radiograph(np.random.default_rng(0), Size(96, 80), Build(), ("Edema",), settings)
        >>> one.image.shape, [finding.name for finding in one.findings]
        ((96, 80), ['Edema'])
    """
    sick = bool(names)
    bedside = bool(rng.random() < 0.4 + confounding * (0.5 if sick else -0.35))
    wired = bool(rng.random() < 0.3 + confounding * (0.5 if sick else -0.25))
    if "Cardiomegaly" in names:
        build = replace(build, heart=float(rng.uniform(1.36, 1.6)))
    if "Enlarged Cardiomediastinum" in names:
        build = replace(build, mediastinum=float(rng.uniform(1.6, 1.95)))
    canvas = draw_anatomy(rng, size, build)
    decoys = []
    for name in _drawn_decoys(rng, settings.lookalikes):
        decoys += [(name, canvas.box_frac(box)) for box in draw_lookalike(name, canvas, rng)]
    if wired:
        decoys += [("electrode", canvas.box_frac(box)) for box in draw_wires(canvas, rng)]
    findings = []
    for name in names:
        faint = bool(rng.random() < settings.uncertain_share)
        strength = settings.contrast * (_FAINT if faint else float(rng.uniform(0.85, 1.25)))
        certainty = 3 if faint else int(rng.choice([4, 5], p=[0.35, 0.65]))
        findings.append(_seen(canvas, draw_finding(name, canvas, rng, strength), certainty))
    image = _developed(canvas, rng, bedside)
    regions = {name: canvas.box_frac(box) for name, box in REGION_BOXES.items()}
    return Radiograph(image, tuple(findings), tuple(decoys), regions, bedside)


def draw_lateral(rng: np.random.Generator, size: Size) -> ByteArray:
    """Draw a rough lateral view, for the studies whose folder holds more than the frontal one.

    Args:
        rng: Source of all randomness.
        size: Height and width in pixels.

    Returns:
        Shape (H, W), uint8.

    Example:
        >>> draw_lateral(np.random.default_rng(0), Size(64, 48)).shape
        (64, 48)
    """
    canvas = Canvas.blank(size)
    body = np.hypot(canvas.across / 0.42, canvas.down / 0.75) < 1
    lung = np.hypot((canvas.across - 0.02) / 0.3, (canvas.down + 0.05) / 0.36) < 1
    heart = np.hypot((canvas.across + 0.12) / 0.14, (canvas.down - 0.12) / 0.15) < 1
    spine = np.abs(canvas.across - 0.26 + 0.2 * canvas.down**2) < 0.035
    shade = 0.55 * body - 0.3 * lung + 0.2 * heart + 0.12 * spine
    grey = canvas.blurred(shade.astype(np.float32), 0.012) + rng.normal(0, 0.012, size)
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _drawn_decoys(rng: np.random.Generator, mean: float) -> list[str]:
    count = min(int(rng.poisson(mean)), len(LOOKALIKES))
    return [LOOKALIKES[i] for i in rng.permutation(len(LOOKALIKES))[:count]]


def _seen(canvas: Canvas, drawn: DrawnFinding, certainty: int) -> SeenFinding:
    boxes = tuple(canvas.box_frac(box) for box in drawn.boxes)
    return SeenFinding(drawn.name, boxes, drawn.side, drawn.place, certainty)


def _developed(canvas: Canvas, rng: np.random.Generator, bedside: bool) -> ByteArray:
    """Turn attenuation into grey levels: exposure, contrast, grain, the marks of the technician."""
    low, high = rng.uniform(0.0, 0.06), rng.uniform(0.76, 0.9)
    if bedside:
        high -= 0.03
    grey = np.clip((canvas.tissue + canvas.vessels - low) / (high - low), 0, 1)
    grey = grey ** np.float32(rng.uniform(0.8, 1.2))
    grain = rng.standard_normal(canvas.size, dtype=np.float32)
    grain += canvas.blurred(rng.standard_normal(canvas.size, dtype=np.float32), 0.003)
    grey = np.asarray(grey + np.float32(rng.uniform(0.008, 0.016)) * grain)
    image = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    _marks(image, rng, bedside)
    return image


def _marks(image: ByteArray, rng: np.random.Generator, bedside: bool) -> None:
    """Write the side marker, and on bedside views the words of the technician, into the picture."""
    height, width = image.shape
    scale = min(height, width) / 300
    at = (int(width * rng.uniform(0.86, 0.91)), int(height * rng.uniform(0.09, 0.16)))
    cv2.putText(
        image, "L", at, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * scale, 240, max(1, round(2 * scale)), cv2.LINE_AA
    )
    if bedside:
        at = (int(width * 0.03), int(height * rng.uniform(0.06, 0.1)))
        cv2.putText(image, "PORTABLE", at, cv2.FONT_HERSHEY_SIMPLEX, 0.36 * scale, 215, 1, cv2.LINE_AA)
