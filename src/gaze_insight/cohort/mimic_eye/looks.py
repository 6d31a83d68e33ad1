"""What readers make of one radiograph, and the placing of recorded fixations on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gaze_insight.cohort.chest_facts import ChestBox, ChestReading
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Size

__all__ = ["Look", "PlacedGaze", "RecordedFixation", "box_on_image", "place_on_image"]

_POSITION_DIGITS = 6
_TIME_DIGITS = 3


@dataclass(frozen=True)
class Look:
    """One reading with the boxes that were drawn in it.

    Args:
        reading: The reading.
        boxes: Its boxes.
        facts: Further facts as text, for the case's meta.

    Example:
        >>> Look(ChestReading("a", "egd")).boxes
        ()
    """

    reading: ChestReading
    boxes: tuple[ChestBox, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedFixation:
    """One fixation as recorded, in pixels of the original image.

    Args:
        x_px: Horizontal position; None where the recording states none.
        y_px: Vertical position, downwards.
        start_ms: When it began.
        duration_ms: How long it lasted.
        dropped: Why it cannot be used, by a reason of the reader's; None where nothing is against it.

    Example:
        >>> RecordedFixation(10, 20, 0, 250).dropped is None
        True
    """

    x_px: float | None
    y_px: float | None
    start_ms: float
    duration_ms: float
    dropped: str | None = None


@dataclass(frozen=True)
class PlacedGaze:
    """Fixations on the image, with the account of the others.

    Args:
        fixations: In the frame ``image_unit``, sorted by start.
        trust: Share of the recorded dwell time that is used; 0 where none was recorded.
        dropped: How many are not used, by reason.

    Example:
        >>> PlacedGaze(Fixations.empty(), 0.0, {}).trust
        0.0
    """

    fixations: Fixations
    trust: float
    dropped: Mapping[str, int]


def place_on_image(recorded: Iterable[RecordedFixation], size: Size, reader: str | None = None) -> PlacedGaze:
    """Turn recorded fixations into fractions of the original image; what is beside it is dropped and counted.

    ``x = x_px / width``, ``y = y_px / height``, by the size of the image that the pixels are of: so they also
    fit a copy of another size. A position below 0 or beyond the size is off the image, never wrapped or
    moved. ``trust = sum of used durations / sum of all durations``. Positions are rounded to a millionth of
    the side, times to a microsecond.

    Args:
        recorded: The fixations, in any order.
        size: Height and width in pixels of the original image.
        reader: Who looked, where known.

    Returns:
        The fixations, their trust, and the counts by reason: ``no_position``, ``no_duration``, ``off_image``,
        and the reader's own.

    Example:
        >>> two = [RecordedFixation(50, 20, 0, 300), RecordedFixation(-1, 20, 310, 100)]
        >>> placed = place_on_image(two, Size(height=100, width=200))
        >>> placed.fixations.to_rows(), placed.trust, placed.dropped
        ([[0.25, 0.2, 300.0, 0.0]], 0.75, {'off_image': 1})
    """
    rows: list[tuple[float, float, float, float]] = []
    dropped: Counter[str] = Counter()
    total = used = 0.0
    for one in recorded:
        total += max(one.duration_ms, 0.0)
        reason = _why_not(one, size)
        if reason is not None or one.x_px is None or one.y_px is None:
            dropped[reason or "no_position"] += 1
            continue
        used += one.duration_ms
        place = (
            round(one.x_px / size.width, _POSITION_DIGITS),
            round(one.y_px / size.height, _POSITION_DIGITS),
        )
        rows.append((*place, round(one.duration_ms, _TIME_DIGITS), round(one.start_ms, _TIME_DIGITS)))
    fixations = Fixations.from_rows(rows, frame="image_unit", annotator=reader)
    return PlacedGaze(fixations, min(used / total, 1.0) if total > 0 else 0.0, dict(dropped))


def _why_not(one: RecordedFixation, size: Size) -> str | None:
    if one.dropped is not None:
        return one.dropped
    if one.x_px is None or one.y_px is None:
        return "no_position"
    if not 0 <= one.x_px <= size.width or not 0 <= one.y_px <= size.height:
        return "off_image"
    return None if round(one.duration_ms, _TIME_DIGITS) > 0 else "no_duration"


def box_on_image(
    edges_px: tuple[float, float, float, float], size: Size
) -> tuple[float, float, float, float] | None:
    """Turn a box in pixels of the original image into fractions of its sides, cut at the image's edges.

    Args:
        edges_px: Left, upper, right and lower edge.
        size: Height and width of the original image.

    Returns:
        Left, upper, right and lower edge in [0, 1]; None where the box lies beside the image.

    Raises:
        DataError: The edges are in the wrong order.

    Example:
        >>> box_on_image((50, -10, 250, 50), Size(height=100, width=200))
        (0.25, 0.0, 1.0, 0.5)
    """
    left, top, right, bottom = edges_px
    if right < left or bottom < top:
        raise DataError(f"expected a box with xmin <= xmax and ymin <= ymax, found {edges_px}")
    if right < 0 or bottom < 0 or left > size.width or top > size.height:
        return None
    x0, x1 = (round(min(max(x / size.width, 0.0), 1.0), _POSITION_DIGITS) for x in (left, right))
    y0, y1 = (round(min(max(y / size.height, 0.0), 1.0), _POSITION_DIGITS) for y in (top, bottom))
    return x0, y0, x1, y1
