"""EyeLink recordings as text (.asc): the tracker's fixations, or fixations detected in its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.eyelink_eyes import EyeChoice, Gaze, choose_eyes
from gaze_insight.gaze.readers.eyelink_lines import EyeLinkLines, parse_eyelink
from gaze_insight.gaze.readers.eyelink_trials import ImageMessages, display_of, showings_of
from gaze_insight.gaze.readers.placing import Display, Placed, place_geometry
from gaze_insight.gaze.readers.reading import GazeReading, RawReading, ReadingContext, finish_reading
from gaze_insight.gaze.readers.registry import GazeFormat
from gaze_insight.gaze.readers.showings import Showing, cut_fixations, detect_reading
from gaze_insight.gaze.readers.trials import Trial
from gaze_insight.gaze.samples import Samples

__all__ = ["EYELINK_ASC", "EyeLinkSettings", "read_eyelink_asc"]


class EyeLinkSettings(ImageMessages):
    """How an EyeLink recording is read: which eye, and which messages say what.

    Example:
        >>> EyeLinkSettings(eye="average", image="scan.png").eye
        'average'
    """

    eye: EyeChoice = Field(
        "best",
        description="best: the eye with the smaller validation error; average: the mean of both, where both "
        "look",
    )
    use_place: bool = Field(True, description="trust the place on the screen that !V IMGLOAD states")
    annotator: str | None = Field(None, description="who looked; null: the recording's name")


def read_eyelink_asc(
    path: str | Path, settings: EyeLinkSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read an .asc file, made from an .edf recording by SR Research's ``edf2asc``.

    Without event settings the tracker's own fixations (`EFIX`) are taken, with its durations, which include
    the last sample; with event settings fixations are detected in the samples. Which image was shown when is
    said by messages (`showings_of`). A fixation that spans an image's appearance or end counts with the part
    within. Where `!V IMGLOAD` states a place, or `DISPLAY_COORDS` the screen, they complete the geometry; a
    contradiction with it is an error. The share lost is ``1 - time of samples with gaze / time shown``; in a
    file without samples, the time in blinks (mean of the eyes) over the time shown.

    Fixations in no showing are counted as ``outside_trials``, of the eye not used as ``other_eye``, without a
    position as ``no_position``. What is odd about the file (Latin-1 text, a missing END) is listed in
    `problems` and spoils nothing.

    Args:
        path: The file; its name without ending is the session.
        settings: Eye and messages.
        context: Geometry, event settings, trials, what to do with bad rows.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, has bad lines (with ``raise``), holds no gaze, does not say which
            image was shown, or contradicts the geometry.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "s1.asc")
        >>> _ = file.write_text(
        ...     "MSG 1 DISPLAY_COORDS 0 0 999 499\nMSG 5 TRIALID 1\nSTART 10 LEFT EVENTS\n"
        ...     "EVENTS GAZE LEFT RATE 1000.00\nMSG 20 !V IMGLOAD FILL img/scan.png\n"
        ...     "EFIX L 30 229 200 500.0 125.0 900\nEND 300 EVENTS RES 1 1\nMSG 301 TRIAL_RESULT 0\n"
        ... )
        >>> reading = read_eyelink_asc(file)
        >>> reading.fixations["scan"].to_rows(), reading.facts["scan"].trial_ms
        ([[0.5, 0.25, 200.0, 30.0]], 280.0)
    """
    path, settings, context = Path(path), settings or EyeLinkSettings(), context or ReadingContext()
    session = context.session or path.stem
    lines = parse_eyelink(path)
    showings = showings_of(lines, settings, context, session, path)
    display = display_of(lines.messages, path)
    stated = [
        one._replace(session=session, place=one.place if settings.use_place else None)
        for one in showings.placed
    ]
    geometry = place_geometry(context.geometry, stated, display, context.image_sizes, path)
    context = replace(context, geometry=geometry)
    try:
        gaze = choose_eyes(lines, settings.eye)
    except DataError as error:
        raise DataError(error.message, path=path, remedy=error.remedy) from error
    problems = [*lines.problems, *showings.problems]
    if not problems or context.on_bad_row == "skip":
        _check_gaze(lines, gaze, context, path)
    samples = _samples(lines, gaze, display, settings.annotator or session)
    raw: list[RawReading] = []
    if context.events is None:
        raw, outside = _tracker_fixations(lines, gaze, samples, showings.placed, session, display)
    else:
        for one in showings.placed:
            part = samples.between(one.start_ms, one.end_ms)
            shown = Showing(one.image, part, one.line, session, one.end_ms - one.start_ms)
            raw.append(detect_reading(shown, context, path))
        outside = len(samples) - sum(
            len(samples.between(one.start_ms, one.end_ms)) for one in showings.placed
        )
    rows = len(lines.fixations) if context.events is None else len(samples)
    reading = finish_reading(raw, path=path, rows=rows + len(problems), problems=problems, context=context)
    counted: dict[str, int] = {"outside_trials": outside}
    if context.events is None:
        counted |= {"other_eye": gaze.other_eye, "no_position": gaze.no_position}
    return replace(
        reading,
        dropped=reading.dropped | {name: count for name, count in counted.items() if count},
        problems=[*reading.problems, *lines.notes, *showings.notes],
    )


def _check_gaze(lines: EyeLinkLines, gaze: Gaze, context: ReadingContext, path: Path) -> None:
    seen = bool(np.isfinite(gaze.xy).any())
    if context.events is not None and not seen:
        raise DataError(
            f"no valid gaze; found {len(gaze.xy)} samples, none with a position",
            path=path,
            remedy="convert the recording with its samples, or take its own fixations (no event settings)",
        )
    if context.events is None and not gaze.fixations:
        raise DataError(
            f"no valid gaze; found {len(lines.fixations)} fixations (EFIX), none with a position",
            path=path,
            remedy="give event settings to detect fixations in the samples" if seen else None,
        )


def _samples(lines: EyeLinkLines, gaze: Gaze, display: Display | None, annotator: str) -> Samples:
    left, top = (0.0, 0.0) if display is None else (display.left, display.top)
    x, y = gaze.xy[:, 0] - left, gaze.xy[:, 1] - top
    return Samples(lines.samples.t_ms, x, y, "screen_px", annotator=annotator)


def _tracker_fixations(
    lines: EyeLinkLines,
    gaze: Gaze,
    samples: Samples,
    placed: Sequence[Placed],
    session: str,
    display: Display | None,
) -> tuple[list[RawReading], int]:
    """Return the showings with the tracker's fixations, and how many lie in none."""
    left, top = (0.0, 0.0) if display is None else (display.left, display.top)
    fixations = Fixations.from_rows(
        [(one.x - left, one.y - top, one.duration_ms, one.start_ms) for one in gaze.fixations],
        "screen_px",
        annotator=samples.annotator,
    )
    trials = [Trial(one.image, one.start_ms, one.end_ms) for one in placed]
    raw, outside = cut_fixations(fixations, [one.line for one in gaze.fixations], trials, session)
    return [
        replace(reading, loss_share=_loss_share(one, samples, lines))
        for reading, one in zip(raw, placed, strict=True)
    ], outside


def _loss_share(one: Placed, samples: Samples, lines: EyeLinkLines) -> float:
    shown_ms = one.end_ms - one.start_ms
    if len(samples):
        part = samples.between(one.start_ms, one.end_ms)
        lost_ms = shown_ms - float(part.sample_ms[~part.lost].sum())
    else:
        eyes = {eye for block in lines.blocks for eye in block.eyes}
        spans = [
            min(blink.start_ms + blink.duration_ms, one.end_ms) - max(blink.start_ms, one.start_ms)
            for blink in lines.blinks
        ]
        lost_ms = sum(max(span, 0.0) for span in spans) / len(eyes)
    return min(max(lost_ms / shown_ms, 0.0), 1.0)


EYELINK_ASC = GazeFormat(
    name="eyelink_asc",
    what="EyeLink recordings as text (.asc from edf2asc): fixations of the tracker, or from its samples",
    settings_type=EyeLinkSettings,
    read=read_eyelink_asc,
    endings=(".asc",),
)
