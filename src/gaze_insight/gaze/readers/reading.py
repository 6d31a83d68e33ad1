"""What all gaze readers share: from parsed rows to readings on images, with an account of the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.geometry import Geometry
from gaze_insight.gaze.readers.joining import join_facts, join_showings
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.gaze.recording import RecordingFacts, image_id_of
from gaze_insight.types import Size

if TYPE_CHECKING:
    from gaze_insight.gaze.events import EventSettings

__all__ = [
    "GazeReading",
    "RawReading",
    "ReadingContext",
    "finish_reading",
    "image_id_of",
    "join_readings",
]


@dataclass(frozen=True)
class GazeReading:
    """What gaze files held and what was left out.

    Args:
        fixations: Image id (the stem of the file name) to its reading. An image all of whose fixations were
            dropped stays, with an empty reading. Several showings of one image are one reading.
        dropped: Reason to count of rows, samples or fixations; `left_out.REASONS` says what each means.
        problems: One error a bad row (and one an image whose rows disagree on its size).
        rows: Data rows in the files.
        sizes: Image id to the size that the files state.
        off_image: Fixations off the image, dropped or kept.
        measured: Fixations whose place was known: ``off_image / measured`` is the share off the image.
        facts: Image id to what the recording says of its reading.

    Example:
        >>> GazeReading(fixations={}, dropped={}).rows
        0
    """

    fixations: dict[str, Fixations]
    dropped: dict[str, int]
    problems: list[DataError] = field(default_factory=list)
    rows: int = 0
    sizes: dict[str, Size] = field(default_factory=dict)
    off_image: int = 0
    measured: int = 0
    facts: dict[str, RecordingFacts] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RawReading:
    """One showing of one image, as parsed from a file: nothing dropped, nothing converted.

    Args:
        image: The image's id (`image_id_of` makes one from a file name).
        fixations: The fixations in the file's frame; times on the recording's clock. An `image_size` is the
            size that the file states.
        line: The first row of the showing in the file.
        session: The recording or sitting, where the file states one. The readings of a session must then be
            given in the order in which the images were shown.
        trial_ms: How long the image was shown, where stated.
        loss_share: Share in [0, 1] of the time (or samples) without gaze, where stated.

    Example:
        >>> RawReading("a", Fixations.empty(), line=2).trial_ms is None
        True
    """

    image: str
    fixations: Fixations
    line: int
    session: str | None = None
    trial_ms: float | None = None
    loss_share: float | None = None


@dataclass(frozen=True)
class ReadingContext:
    """What a reader is told besides the file and its own settings.

    Args:
        geometry: Where images stood on the screen; needed for ``screen_px`` and ``degrees``.
        image_sizes: Image id to size in pixels, of the images there are.
        events: How to detect fixations in samples; None takes the file's own fixations where it has them.
        min_duration_ms: Shorter fixations are dropped and counted.
        on_bad_row: ``raise`` one error for the first bad row, or ``skip`` and list them.
        off_image: ``drop`` fixations beside the image and count them, or ``keep`` them.
        trials: Which image was shown when, for recordings that do not say so.
        session: Name of the session where the file states none.

    Example:
        >>> ReadingContext().min_duration_ms
        50.0
    """

    geometry: Geometry | None = None
    image_sizes: Mapping[str, Size] = field(default_factory=dict)
    events: EventSettings | None = None
    min_duration_ms: float = 50.0
    on_bad_row: Literal["raise", "skip"] = "raise"
    off_image: Literal["drop", "keep"] = "drop"
    trials: Sequence[Trial] = ()
    session: str | None = None

    def __post_init__(self) -> None:
        if self.min_duration_ms < 0 or math.isnan(self.min_duration_ms):
            raise SettingsError(f"min_duration_ms must be 0 or more, found {self.min_duration_ms}")


@dataclass(frozen=True, eq=False)
class _Kept:
    fixations: Fixations
    facts: RecordingFacts
    measured: int


def finish_reading(
    raw: Iterable[RawReading],
    *,
    path: Path,
    rows: int,
    problems: list[DataError],
    context: ReadingContext,
    in_viewing_order: bool = False,
) -> GazeReading:
    """Turn parsed showings into one reading an image: the common end of every reader.

    Fixations below the shortest duration are dropped; positions on the screen are turned into fractions of
    the image by the geometry, at each fixation's middle (``start + duration / 2``); fixations beside the
    image are dropped or kept. All is counted. Without a geometry, or for an image that is not among the
    sizes of the images there are, positions stay in the file's frame. Several showings of one image are
    joined: the clock of each is shifted so that it begins where the one before it ended.

    Args:
        raw: The showings, in the file's order; they are read to the end before anything is judged.
        path: The file, for messages.
        rows: Data rows in the file, bad ones included.
        problems: One error a bad row.
        context: Geometry, sizes and what to do with what.
        in_viewing_order: Whether each annotator's showings are known to stand in the order of viewing.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: There are bad rows, or a fact about the geometry is missing (with ``raise``).

    Example:
        >>> shown = [RawReading("a", Fixations.from_rows([(0.5, 0.5, 200, 0), (1.5, 0.5, 200, 300)]), line=2)]
        >>> done = finish_reading(shown, path=Path("g.csv"), rows=2, problems=[], context=ReadingContext())
        >>> len(done.fixations["a"]), done.dropped["off_image"], done.facts["a"].fixations
        (1, 1, 2)
    """
    listed = list(raw)
    if problems and context.on_bad_row == "raise":
        raise _first_of(problems)
    dropped: Counter[str] = Counter(bad_row=len(problems), too_short=0, off_image=0)
    found = list(problems)
    orders = _orders(listed, context, in_viewing_order)
    by_image: dict[str, list[_Kept]] = {}
    for one, order in zip(listed, orders, strict=True):
        try:
            kept = _keep(one, order, context, dropped)
        except DataError as error:
            placed = DataError(error.message, path=path, row=one.line, remedy=error.remedy)
            if context.on_bad_row == "raise":
                raise placed from error
            found.append(placed)
            dropped["not_placed"] += len(one.fixations)
            kept = _Kept(one.fixations.select([]), _facts(one, order, context), 0)
        by_image.setdefault(one.image, []).append(kept)
    every = [kept for of_image in by_image.values() for kept in of_image]
    return GazeReading(
        fixations={
            image: join_showings([kept.fixations for kept in ones], path) for image, ones in by_image.items()
        },
        dropped=dict(dropped),
        problems=found,
        rows=rows,
        sizes={one.image: one.fixations.image_size for one in listed if one.fixations.image_size is not None},
        off_image=sum(kept.facts.off_image for kept in every),
        measured=sum(kept.measured for kept in every),
        facts={image: join_facts([kept.facts for kept in ones]) for image, ones in by_image.items()},
    )


def join_readings(readings: Sequence[GazeReading]) -> GazeReading:
    """Join the readings of several files; an image seen in several is one reading, as in `finish_reading`.

    Args:
        readings: One reading a file, in order.

    Returns:
        The joined reading; an empty one for none.

    Raises:
        DataError: One image was recorded in frames that cannot be joined.

    Example:
        >>> one = GazeReading({"a": Fixations.from_rows([(0.5, 0.5, 200, 7)], annotator="p")}, {"bad_row": 1})
        >>> both = join_readings([one, one])
        >>> both.fixations["a"].start_ms.tolist(), both.dropped
        ([7.0, 207.0], {'bad_row': 2})
    """
    if len(readings) == 1:
        return readings[0]
    by_image: dict[str, list[Fixations]] = {}
    facts: dict[str, list[RecordingFacts]] = {}
    dropped: Counter[str] = Counter()
    for reading in readings:
        dropped.update(reading.dropped)
        for image, fixations in reading.fixations.items():
            by_image.setdefault(image, []).append(fixations)
            facts.setdefault(image, []).append(reading.facts.get(image, RecordingFacts()))
    return GazeReading(
        fixations={image: join_showings(ones, None) for image, ones in by_image.items()},
        dropped=dict(dropped),
        problems=[problem for reading in readings for problem in reading.problems],
        rows=sum(reading.rows for reading in readings),
        sizes={image: size for reading in readings for image, size in reading.sizes.items()},
        off_image=sum(reading.off_image for reading in readings),
        measured=sum(reading.measured for reading in readings),
        facts={image: join_facts(ones) for image, ones in facts.items()},
    )


def _first_of(problems: list[DataError]) -> DataError:
    first = problems[0]
    others = f" (and {len(problems) - 1} more bad rows)" if len(problems) > 1 else ""
    return DataError(
        first.message + others,
        path=first.path,
        row=first.row,
        remedy="correct the file, or leave bad rows out and see them listed (--on-bad skip)",
    )


def _orders(raw: Sequence[RawReading], context: ReadingContext, in_viewing_order: bool) -> list[int | None]:
    """Place of each showing in its session, where the file tells.

    It does where the showings are known to come in order: by annotator, as far as that is named. It does too
    where it names the session (its readings then come in order), or where the showings of a session follow
    each other on one clock.
    """
    sessions: dict[tuple[str | None, str | None], list[int]] = {}
    for index, one in enumerate(raw):
        annotator = one.fixations.annotator if in_viewing_order else None
        sessions.setdefault((one.session or context.session, annotator), []).append(index)
    orders: list[int | None] = [None] * len(raw)
    for members in sessions.values():
        ordered = members
        if not in_viewing_order and any(raw[index].session is None for index in members):
            ordered = _by_clock([(index, raw[index].fixations) for index in members])
        for place, index in enumerate(ordered):
            orders[index] = place
    return orders


def _by_clock(showings: Sequence[tuple[int, Fixations]]) -> list[int]:
    """Return the indices in time order, or none where the showings do not follow each other on one clock."""
    if len(showings) < 2 or any(len(fixations) == 0 for _, fixations in showings):
        return []
    ordered = sorted(showings, key=lambda showing: showing[1].start_ms[0])
    for (_, before), (_, after) in pairwise(ordered):
        if before.start_ms[0] + before.span_ms > after.start_ms[0]:
            return []
    return [index for index, _ in ordered]


def _keep(one: RawReading, order: int | None, context: ReadingContext, dropped: Counter[str]) -> _Kept:
    """Drop, place and count the fixations of one showing."""
    long_enough = one.fixations.duration_ms >= context.min_duration_ms
    placed, not_shown = _place(one, one.fixations.select(long_enough), context)
    too_short, off, measured = int((~long_enough).sum()), 0, 0
    if placed.frame == "image_unit" or (placed.frame == "image_px" and placed.image_size is not None):
        inside = placed.inside
        measured, off = len(placed), int((~inside).sum())
        if context.off_image == "drop":
            dropped["off_image"] += off
            placed = placed.select(inside)
    dropped["too_short"] += too_short
    if not_shown:
        dropped["not_shown"] += not_shown
    facts = _facts(one, order, context)
    return _Kept(
        placed, replace(facts, off_image=off, too_short=too_short, not_shown=not_shown), measured=measured
    )


def _facts(one: RawReading, order: int | None, context: ReadingContext) -> RecordingFacts:
    return RecordingFacts(
        session=one.session or context.session,
        order=order,
        trial_ms=one.trial_ms,
        loss_share=one.loss_share,
        fixations=len(one.fixations),
    )


def _place(one: RawReading, fixations: Fixations, context: ReadingContext) -> tuple[Fixations, int]:
    """Express the fixations on the image, and count those that fall where no image was."""
    size = context.image_sizes.get(one.image)
    if fixations.frame == "image_px" and fixations.image_size is None and size is not None:
        return replace(fixations, image_size=size), 0
    absent = bool(context.image_sizes) and size is None
    if fixations.frame not in ("screen_px", "degrees") or context.geometry is None or absent:
        return fixations, 0
    x, y = fixations.x, fixations.y
    if fixations.frame == "degrees":
        x, y = context.geometry.from_degrees(x, y)
    x, y = context.geometry.to_image_unit(
        x,
        y,
        fixations.start_ms + fixations.duration_ms / 2,
        one.image,
        size or fixations.image_size,
        session=one.session or context.session,
    )
    shown = np.isfinite(x) & np.isfinite(y)
    kept = fixations.select(shown)
    unit = replace(kept, x=x[shown], y=y[shown], frame="image_unit", image_size=size or kept.image_size)
    return unit, int((~shown).sum())
