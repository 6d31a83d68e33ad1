"""Where a simulated reader looks, and when each word is spoken: one clock for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.radiograph import FracBox, Radiograph
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.speech import Statement, words_of
from gaze_insight.types import FloatArray

__all__ = ["GazePath", "LookedAt", "Spoken", "look_and_speak"]

_WHOLE: FracBox = (0.0, 0.0, 1.0, 1.0)
_STATIONS = (
    "right upper lung zone",
    "left upper lung zone",
    "right hilar structures",
    "left hilar structures",
    "right mid lung zone",
    "left mid lung zone",
    "right lower lung zone",
    "left lower lung zone",
    "right costophrenic angle",
    "left costophrenic angle",
    "cardiac silhouette",
    "upper mediastinum",
)
_GLANCE_SHARE = 0.4
_ZOOM_SHARE = 0.25
_AWAY_SHARE = 0.1
_WORD_S = 0.3
_SHORTEST_DWELL_S = 2.2


@dataclass(frozen=True)
class LookedAt:
    """One fixation.

    Args:
        x: Fraction of the image's width; may lie outside [0, 1].
        y: Fraction of the image's height; may lie outside [0, 1].
        start_s: Onset; slightly negative where the recording of sound began late.
        duration_s: How long it lasts.
        shown: Which part of the image the screen shows meanwhile.

    Example:
        >>> LookedAt(0.5, 0.5, 0.0, 0.25).on_image
        True
    """

    x: float
    y: float
    start_s: float
    duration_s: float
    shown: FracBox = _WHOLE

    @property
    def on_image(self) -> bool:
        """Whether it lies on the image."""
        return 0 <= self.x < 1 and 0 <= self.y < 1


@dataclass(frozen=True)
class Spoken:
    """One word, or a sign of punctuation, with its time.

    Args:
        word: The word.
        start_s: When it begins.
        end_s: When it ends.

    Example:
        >>> Spoken("edema", 1.0, 1.4).word
        'edema'
    """

    word: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class GazePath:
    """A reading: where was looked and what was said, on one clock.

    Args:
        fixations: In the order of time.
        words: In the order of time.
        text: All that was said, in lower case.

    Example:
        >>> GazePath((), (), "").text
        ''
    """

    fixations: tuple[LookedAt, ...]
    words: tuple[Spoken, ...]
    text: str


def look_and_speak(
    rng: np.random.Generator,
    radiograph: Radiograph,
    statements: Sequence[Statement],
    settings: FakeTreeSettings,
    *,
    pace: float = 1.0,
    zooms: bool = True,
    first_s: float = 0.0,
) -> GazePath:
    """Simulate a reading: a search of the whole chest, then a look at whatever is being spoken of.

    The search visits the usual stations in changing order, glances at some of the harmless things, and may
    leave the image. While a sentence is said, and a little longer for what is present, the gaze stays where
    the sentence is about, but for one fixation in ten.

    Args:
        rng: Source of all randomness.
        radiograph: The image.
        statements: What is said.
        settings: Dwell on findings and accuracy of the tracker.
        pace: Length of this reader's fixations as a multiple of the usual.
        zooms: Whether the reader's screen can be zoomed.
        first_s: Time of the first fixation.

    Returns:
        The reading.

    Example:
        >>> blank = Radiograph(np.zeros((4, 4), np.uint8), (), (), {}, False)
        >>> said = (Statement("No edema.", "Edema", 0, ((0.2, 0.2, 0.4, 0.4),)),)
        >>> path = look_and_speak(np.random.default_rng(0), blank, said, FakeTreeSettings())
        >>> path.text, len(path.words)
        ('no edema.', 3)
    """
    eye = _Eye(rng, settings.aim_sd_frac, pace, first_s)
    boxes = [radiograph.regions[name] for name in _STATIONS if name in radiograph.regions]
    search = [(box, 1.0) for box in boxes if rng.random() < 0.6]
    search += [(box, 0.75) for _, box in radiograph.decoys if rng.random() < _GLANCE_SHARE]
    for index in rng.permutation(len(search)):
        eye.look(*search[index])
    words: list[Spoken] = []
    for statement in statements:
        tokens = words_of(statement.text.lower())
        spoken = _spoken(tokens, eye.now_s + float(rng.uniform(0.1, 0.4)), rng)
        words += spoken
        until = spoken[-1].end_s
        if statement.value != 0:
            until = max(until, eye.now_s + settings.dwell_on_findings * _SHORTEST_DWELL_S)
        shown = _zoomed(statement.aims) if zooms and rng.random() < _ZOOM_SHARE else _WHOLE
        while eye.now_s < until:
            away = bool(boxes) and rng.random() < _AWAY_SHARE
            box = boxes[int(rng.integers(len(boxes)))] if away else _area_wise(rng, statement.aims)
            eye.look(box, 1.0 if statement.value == 0 else 1.15, shown)
    if rng.random() < 0.6:
        side = -1 if rng.random() < 0.5 else 1
        x = 0.5 + side * float(rng.uniform(0.54, 0.62))
        eye.add(x, float(rng.uniform(0.3, 1.06)), 0.22, _WHOLE)
    return GazePath(tuple(eye.seen), tuple(words), " ".join(one.text for one in statements).lower())


class _Eye:
    """Collects fixations; one constant error of the tracker and a scatter of each aim."""

    def __init__(self, rng: np.random.Generator, scatter: float, pace: float, now_s: float) -> None:
        self.rng = rng
        self.scatter = scatter
        self.pace = pace
        self.now_s = now_s
        self.offset = rng.normal(0, 0.5 * scatter, 2)
        self.seen: list[LookedAt] = []

    def look(self, box: FracBox, longer: float, shown: FracBox = _WHOLE) -> None:
        """Fixate once within a box, more often near its middle."""
        angle, far = self.rng.uniform(0, 2 * np.pi), np.sqrt(self.rng.uniform(0, 0.7))
        x = (box[0] + box[2]) / 2 + far * np.cos(angle) * (box[2] - box[0]) / 2
        y = (box[1] + box[3]) / 2 + far * np.sin(angle) * (box[3] - box[1]) / 2
        duration_s = 0.27 * longer * self.pace * float(np.exp(self.rng.normal(-0.05, 0.35)))
        self.add(float(x), float(y), duration_s, shown)

    def add(self, x: float, y: float, duration_s: float, shown: FracBox) -> None:
        """Record a fixation with the tracker's error, and let a saccade pass."""
        dx, dy = self.offset + self.rng.normal(0, self.scatter, 2)
        self.seen.append(LookedAt(x + float(dx), y + float(dy), self.now_s, duration_s, shown))
        self.now_s += duration_s + float(self.rng.uniform(0.02, 0.06))


def _spoken(tokens: Sequence[str], start_s: float, rng: np.random.Generator) -> list[Spoken]:
    words = []
    for token in tokens:
        length = 0.02 if token in ".,/" else float(_WORD_S * rng.uniform(0.6, 1.4))
        words.append(Spoken(token, start_s, start_s + length))
        start_s += length + 0.03
    return words


def _area_wise(rng: np.random.Generator, boxes: Sequence[FracBox]) -> FracBox:
    """Choose a box, larger ones more often."""
    areas: FloatArray = np.sqrt([(x1 - x0) * (y1 - y0) + 1e-9 for x0, y0, x1, y1 in boxes])
    return boxes[int(rng.choice(len(boxes), p=areas / areas.sum()))]


def _zoomed(boxes: Sequence[FracBox]) -> FracBox:
    """Show the half of the image about the first box."""
    x = min(max((boxes[0][0] + boxes[0][2]) / 2, 0.3), 0.7)
    y = min(max((boxes[0][1] + boxes[0][3]) / 2, 0.3), 0.7)
    return x - 0.3, y - 0.3, x + 0.3, y + 0.3
