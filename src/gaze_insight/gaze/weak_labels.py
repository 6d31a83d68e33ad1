"""One reading of gaze as any weak label: points, boxes or scribbles, all for the same seconds."""

from __future__ import annotations

from typing import Literal, get_args

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.weak_boxes import BoxLabel, BoxSettings, gaze_to_box
from gaze_insight.gaze.weak_points import PointLabel, PointSettings, gaze_to_points
from gaze_insight.gaze.weak_scribbles import ScribbleLabel, ScribbleSettings, gaze_to_scribble
from gaze_insight.types import Settings, Size

__all__ = [
    "WEAK_KINDS",
    "BoxLabel",
    "BoxSettings",
    "PointLabel",
    "PointSettings",
    "ScribbleLabel",
    "ScribbleSettings",
    "WeakKind",
    "WeakLabel",
    "WeakLabelSettings",
    "gaze_to_box",
    "gaze_to_points",
    "gaze_to_scribble",
    "make_weak_label",
]

WeakKind = Literal["points", "box", "scribble"]
WEAK_KINDS: tuple[WeakKind, ...] = get_args(WeakKind)
"""The weak labels that a reading can become."""

WeakLabel = PointLabel | BoxLabel | ScribbleLabel
"""Geometry in ``image_unit``, ``left_out``, and ``rasterise(size)`` to uint8 (h, w) of {0, 1, 255}."""


class WeakLabelSettings(Settings):
    """How gaze becomes each kind of weak label.

    The defaults were chosen on the 700 training images of Kvasir-SEG with real gaze (GazeMedSeg);
    `gaze-insight weak-labels COHORT --kind KIND --out FOLDER --score` measures them on any cohort with masks.

    Example:
        >>> WeakLabelSettings(box=BoxSettings(margin_frac=0)).points.foreground
        5
    """

    points: PointSettings = PointSettings()
    box: BoxSettings = BoxSettings()
    scribble: ScribbleSettings = ScribbleSettings()


def make_weak_label(
    kind: WeakKind, fixations: Fixations, image_size: Size, settings: WeakLabelSettings | None = None
) -> WeakLabel:
    """Make a weak label of one kind.

    What it cost to annotate is what the reading cost:
    :func:`gaze_insight.gaze.annotation_time.annotation_time` of the same fixations.

    Args:
        kind: ``points``, ``box`` or ``scribble``.
        fixations: The reading, in a frame that leads to ``image_unit``.
        image_size: Height and width of the image.
        settings: How; None for the defaults.

    Returns:
        The label; without geometry for a reading without a fixation on the image.

    Raises:
        SettingsError: There is no such kind.
        DataError: The frame does not say where on the image the fixations are.

    Example:
        >>> label = make_weak_label("box", Fixations.empty(), Size(2, 2))
        >>> label.rasterise(Size(2, 2)).tolist()
        [[255, 255], [255, 255]]
    """
    settings = settings or WeakLabelSettings()
    if kind == "points":
        return gaze_to_points(fixations, image_size, settings.points)
    if kind == "box":
        return gaze_to_box(fixations, image_size, settings.box)
    if kind == "scribble":
        return gaze_to_scribble(fixations, image_size, settings.scribble)
    raise SettingsError(f"unknown weak label {kind!r}; known: {', '.join(WEAK_KINDS)}")
