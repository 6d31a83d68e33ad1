"""What the curves of label efficiency say, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gaze_insight.benchmark.suite import Supervision

__all__ = ["Curve", "CurvePoint", "CurveStudy", "EqualTime", "Reached", "SameDice"]

Interval = tuple[float, float]
ReachedState = Literal["reached", "below", "not reached"]


@dataclass(frozen=True)
class CurvePoint:
    """A row as a point of a curve.

    Args:
        row: The row's key.
        label: Its name.
        images: Images learned from, the mean over seeds.
        seconds: Annotation time of exactly these images, the mean over seeds; None where unknown.
        dice: Mean Dice over cases and seeds.
        ci95: Its 95 % interval.
        with_seeds: Whether the interval is over cases and seeds, not over cases alone.
    """

    row: str
    label: str
    images: float
    seconds: float | None
    dice: float
    ci95: Interval
    with_seeds: bool


@dataclass(frozen=True)
class Curve:
    """Rows that differ in how many images they learn from.

    Args:
        name: Its name.
        supervision: What its labels cost a person: drawing for ``full``, looking for the others.
        points: By rising number of images.
        time_source: How the annotation time is known.
    """

    name: str
    supervision: Supervision
    points: tuple[CurvePoint, ...]
    time_source: str


@dataclass(frozen=True)
class Reached:
    """Where a curve first reaches a Dice, between its points on logarithmic axes.

    Args:
        images: Images needed; -inf where the smallest point is above it already, inf where none reaches it.
        images_ci95: 95 % interval over cases, and over seeds where there are several; ends may be infinite.
        seconds: Annotation time of these images; infinite likewise, None where times are unknown.
        seconds_ci95: Its interval.
    """

    images: float
    images_ci95: Interval
    seconds: float | None
    seconds_ci95: Interval | None

    @property
    def state(self) -> ReachedState:
        """Whether the place is between two points, below the first one, or not on the curve."""
        if math.isinf(self.images):
            return "below" if self.images < 0 else "not reached"
        return "reached"


@dataclass(frozen=True)
class EqualTime:
    """A point beside full supervision that took the same time.

    Args:
        curve: The point's curve.
        base: The curve of full supervision.
        point: The point.
        masks: Masks that are drawn in the point's seconds.
        masks_dice: Their Dice, interpolated; None where the base has no smaller or no larger point.
        difference: The point's Dice minus that.
        cases_ci95: 95 % interval of the difference over cases, for these very runs.
        cases_seeds_ci95: The same over cases and seeds; None with one seed.
        same_dice: Where the base reaches the point's Dice.
        break_even_s: Seconds a mask above which the point's labels are the cheaper way to its Dice; None
            where the base's images for it are not known.
    """

    curve: str
    base: str
    point: CurvePoint
    masks: float | None
    masks_dice: float | None
    difference: float | None
    cases_ci95: Interval | None
    cases_seeds_ci95: Interval | None
    same_dice: Reached
    break_even_s: float | None


@dataclass(frozen=True)
class SameDice:
    """What another curve needs for the Dice of a number of drawn masks.

    Args:
        curve: The other curve.
        base: The curve of full supervision.
        point: The base's point.
        reached: Where the other curve reaches its Dice.
    """

    curve: str
    base: str
    point: CurvePoint
    reached: Reached


@dataclass(frozen=True)
class CurveStudy:
    """All that the curves say.

    Args:
        curves: The curves, in the suite's order.
        equal_time: Points of other labels beside full supervision of the same time.
        same_dice: Points of full supervision beside what other labels need for them.
        notes: Rows that are on no curve, and why.
    """

    curves: tuple[Curve, ...]
    equal_time: tuple[EqualTime, ...]
    same_dice: tuple[SameDice, ...]
    notes: tuple[str, ...]
