"""Showings of images in a recording: cut by trial, and from samples to fixations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.events import EventSettings, ToUnit, detect_fixations
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.reading import RawReading, ReadingContext
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Size

__all__ = [
    "Showing",
    "cut_fixations",
    "cut_samples",
    "detect_reading",
    "fixation_readings",
    "sample_readings",
    "trials_of",
]

_Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Showing:
    """The samples recorded while one image was shown once.

    Args:
        image: The image's id.
        samples: The samples of that time, on the recording's clock.
        line: The first row in the file.
        session: The recording or sitting, where the file states one.
        trial_ms: How long the image was shown; None: as long as the samples last.

    Example:
        >>> Showing("a", Samples([0, 4], [0.5, 0.5], [0.5, 0.5], "image_unit"), line=2).samples.span_ms
        8.0
    """

    image: str
    samples: Samples
    line: int
    session: str | None = None
    trial_ms: float | None = None


def detect_reading(showing: Showing, context: ReadingContext, path: Path) -> RawReading:
    """Find the fixations of one showing.

    The share lost is ``1 - time with gaze / time shown``. Thresholds in another unit than the samples are
    applied through the context's geometry.

    Args:
        showing: The samples.
        context: Event settings (the defaults of `EventSettings` where there are none), geometry, sizes.
        path: The file, for messages.

    Returns:
        The reading in the samples' frame; without fixations where gaze was never still.

    Raises:
        DataError: The thresholds' unit cannot be reached from the samples' frame; the fact is named.

    Example:
        >>> still = Samples(np.arange(0, 100, 4.0), np.full(25, 1.0), np.full(25, 2.0), "degrees")
        >>> found = detect_reading(Showing("a", still, line=2), ReadingContext(), Path("g.csv"))
        >>> found.fixations.duration_ms.tolist(), found.trial_ms, found.loss_share
        ([100.0], 100.0, 0.0)
    """
    samples = showing.samples
    settings = context.events or EventSettings()
    try:
        to_unit = _to_unit(showing, settings, context)
        fixations = detect_fixations(samples, settings, to_unit=to_unit)
    except DataError as error:
        raise DataError(error.message, path=path, row=showing.line, remedy=error.remedy) from error
    trial_ms, loss_share = showing.trial_ms, samples.loss_share
    if trial_ms is None:
        trial_ms = samples.span_ms
    else:
        loss_share = 1.0 - float(samples.sample_ms[~samples.lost].sum()) / trial_ms
    return RawReading(
        showing.image,
        fixations,
        line=showing.line,
        session=showing.session,
        trial_ms=trial_ms,
        loss_share=min(max(loss_share, 0.0), 1.0),
    )


def trials_of(context: ReadingContext, session: str | None, path: Path) -> tuple[Trial, ...]:
    """Return the trials of one recording, in time order.

    Args:
        context: All trials.
        session: The recording's name.
        path: The file, for messages.

    Returns:
        The trials that name this session, and those that name none.

    Raises:
        DataError: There are no trials at all, or none for this session.

    Example:
        >>> context = ReadingContext(trials=(Trial("b", 900.0, 1800.0), Trial("a", 0.0, 800.0)))
        >>> [trial.image for trial in trials_of(context, "s1", Path("g.csv"))]
        ['a', 'b']
    """
    if not context.trials:
        raise DataError(
            "the recording does not say which image was shown when",
            path=path,
            remedy="give a table of trials (image, start_ms, end_ms), or the image of the whole file",
        )
    own = [trial for trial in context.trials if trial.session in (None, session)]
    if not own:
        known = sorted({str(trial.session) for trial in context.trials})
        raise DataError(
            f"no trial belongs to session {session!r}; the trials name: {', '.join(known)}",
            path=path,
            remedy="write this name into the trials' session column",
        )
    return tuple(sorted(own, key=lambda trial: trial.start_ms))


def cut_samples(
    samples: Samples, lines: Sequence[int], trials: Sequence[Trial], session: str | None = None
) -> tuple[list[Showing], int]:
    """Cut a recording into showings.

    Args:
        samples: The recording, N samples.
        lines: Row in the file of each sample, length N.
        trials: What was shown when.
        session: Passed on to the showings.

    Returns:
        One showing a trial (also where nothing was recorded then), and how many samples lie in no trial.

    Example:
        >>> whole = Samples([0, 4, 8, 12], [0.1] * 4, [0.1] * 4, "image_unit")
        >>> parts, outside = cut_samples(whole, [2, 3, 4, 5], [Trial("a", 4.0, 12.0)])
        >>> parts[0].samples.t_ms.tolist(), parts[0].line, outside
        ([4.0, 8.0], 3, 2)
    """
    within = np.zeros(len(samples), dtype=bool)
    showings = []
    for trial in trials:
        inside = (samples.t_ms >= trial.start_ms) & (samples.t_ms < trial.end_ms)
        within |= inside
        line = lines[int(np.argmax(inside))] if inside.any() else (lines[0] if lines else 1)
        part = samples.between(trial.start_ms, trial.end_ms)
        showings.append(Showing(trial.image, part, line, session, trial.end_ms - trial.start_ms))
    return showings, int((~within).sum())


def cut_fixations(
    fixations: Fixations, lines: Sequence[int], trials: Sequence[Trial], session: str | None = None
) -> tuple[list[RawReading], int]:
    """Cut the fixations of a recording into readings; one that spans an edge of a trial is cut there.

    Args:
        fixations: The recording's fixations, N, on the clock of the trials.
        lines: Row in the file of each, length N.
        trials: What was shown when.
        session: Passed on to the readings.

    Returns:
        One reading a trial, and how many fixations lie in no trial.

    Example:
        >>> f = Fixations.from_rows([(0.5, 0.5, 200, 0), (0.6, 0.6, 200, 250)])
        >>> (reading,), outside = cut_fixations(f, [2, 3], [Trial("a", 100.0, 400.0)])
        >>> reading.fixations.start_ms.tolist(), reading.fixations.duration_ms.tolist(), outside
        ([100.0, 250.0], [100.0, 150.0], 0)
    """
    end_ms = fixations.start_ms + fixations.duration_ms
    outside = np.ones(len(fixations), dtype=bool)
    readings = []
    for trial in trials:
        inside = (fixations.start_ms < trial.end_ms) & (end_ms > trial.start_ms)
        outside &= ~inside
        start = np.maximum(fixations.start_ms[inside], trial.start_ms)
        duration = np.minimum(end_ms[inside], trial.end_ms) - start
        part = replace(fixations.select(inside), start_ms=start, duration_ms=duration)
        line = lines[int(np.argmax(inside))] if inside.any() else (lines[0] if lines else 1)
        readings.append(
            RawReading(trial.image, part, line=line, session=session, trial_ms=trial.end_ms - trial.start_ms)
        )
    return readings, int(outside.sum())


def fixation_readings(
    fixations: Fixations,
    lines: Sequence[int],
    image: str | None,
    context: ReadingContext,
    session: str | None,
    path: Path,
) -> tuple[list[RawReading], int]:
    """Say on which images the fixations of a recording were made.

    Args:
        fixations: The recording's fixations, N.
        lines: Row in the file of each, length N.
        image: The id of the one image that was shown; None: by the context's trials.
        context: The trials.
        session: The recording's name, where the file states one.
        path: The file, for messages.

    Returns:
        One reading a showing, and how many fixations lie in no trial.

    Raises:
        DataError: Neither an image nor trials are known.

    Example:
        >>> f = Fixations.from_rows([(0.5, 0.5, 200, 0)])
        >>> found, outside = fixation_readings(f, [2], "a", ReadingContext(), None, Path("g.csv"))
        >>> found[0].image, outside
        ('a', 0)
    """
    if image is not None:
        return [RawReading(image, fixations, line=lines[0] if lines else 1, session=session)], 0
    trials = trials_of(context, session or context.session or path.stem, path)
    return cut_fixations(fixations, lines, trials, session)


def sample_readings(
    samples: Samples,
    lines: Sequence[int],
    image: str | None,
    context: ReadingContext,
    session: str | None,
    path: Path,
) -> tuple[list[RawReading], int]:
    """Say on which images the samples of a recording were taken, and find the fixations of each showing.

    Args:
        samples: The recording's samples, N.
        lines: Row in the file of each, length N.
        image: The id of the one image that was shown; None: by the context's trials.
        context: Trials, event settings, geometry.
        session: The recording's name, where the file states one.
        path: The file, for messages.

    Returns:
        One reading a showing, and how many samples lie in no trial.

    Raises:
        DataError: Neither an image nor trials are known, or thresholds that do not fit the frame.

    Example:
        >>> still = Samples(np.arange(0, 100, 4.0), np.full(25, 1.0), np.full(25, 2.0), "degrees")
        >>> found, outside = sample_readings(still, range(2, 27), "a", ReadingContext(), None, Path("g.csv"))
        >>> found[0].fixations.x.tolist(), outside
        ([1.0], 0)
    """
    if image is not None:
        showings, outside = [Showing(image, samples, lines[0] if lines else 1, session)], 0
    else:
        trials = trials_of(context, session or context.session or path.stem, path)
        showings, outside = cut_samples(samples, lines, trials, session)
    return [detect_reading(showing, context, path) for showing in showings], outside


def _to_unit(showing: Showing, settings: EventSettings, context: ReadingContext) -> ToUnit | None:
    """Return the conversion from the samples' frame to the thresholds' unit; None where they are the same."""
    frame, unit, geometry = showing.samples.frame, settings.unit, context.geometry
    if frame == unit:
        return None
    size = showing.samples.image_size or context.image_sizes.get(showing.image)
    if frame == "image_px" and unit == "image_unit" and size is not None:
        return _Scaled(1 / size.width, 1 / size.height)
    if geometry is None or unit == "image_unit":
        return None
    if frame == "degrees":
        return geometry.from_degrees
    if frame == "screen_px":
        return geometry.to_degrees
    place = _Placed(showing, context, size)
    if unit == "screen_px":
        return place
    return lambda x, y: geometry.to_degrees(*place(x, y))


@dataclass(frozen=True)
class _Scaled:
    across: float
    down: float

    def __call__(self, x: _Vector, y: _Vector) -> tuple[_Vector, _Vector]:
        return x * self.across, y * self.down


class _Placed:
    """From places on an image to screen pixels, for an image that stood still."""

    def __init__(self, showing: Showing, context: ReadingContext, size: Size | None) -> None:
        views = [] if context.geometry is None else context.geometry.views_of(showing.image, size)
        if len(views) != 1:
            raise DataError(
                f"image {showing.image!r} was zoomed or moved, so places on it are not places on the screen",
                remedy="state thresholds in image_unit",
            )
        if showing.samples.frame == "image_px" and size is None:
            raise DataError(f"unknown is the size of image {showing.image!r} in pixels")
        self.view = views[0]
        self.size = Size(1, 1) if showing.samples.frame == "image_unit" or size is None else size

    def __call__(self, x: _Vector, y: _Vector) -> tuple[_Vector, _Vector]:
        shown, part = self.view.screen_px, self.view.image_frac
        return (
            shown.left + (x / self.size.width - part.left) / part.width * shown.width,
            shown.top + (y / self.size.height - part.top) / part.height * shown.height,
        )
