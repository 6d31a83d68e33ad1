"""Several showings of one image as one reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.recording import RecordingFacts

__all__ = ["join_facts", "join_showings"]


def join_showings(showings: Sequence[Fixations], path: Path | None = None) -> Fixations:
    """Put showings of one image behind each other on one clock.

    The clock of each is shifted so that its first fixation begins where the last one before it ended; an only
    showing keeps its own. Annotators are joined with ``+``.

    Args:
        showings: One showing or more, in order.
        path: The file, for messages.

    Returns:
        One reading.

    Raises:
        DataError: The frames or sizes differ and a fact for joining them is missing.

    Example:
        >>> first = Fixations.from_rows([(0.5, 0.5, 200, 900)], annotator="p")
        >>> second = Fixations.from_rows([(0.1, 0.1, 100, 30), (0.2, 0.2, 100, 180)], annotator="q")
        >>> both = join_showings([first, second])
        >>> both.start_ms.tolist(), both.annotator
        ([900.0, 1100.0, 1250.0], 'p+q')
    """
    if len(showings) == 1:
        return showings[0]
    if len({(one.frame, one.image_size) for one in showings}) > 1:
        try:
            showings = [one.to_frame("image_unit") for one in showings]
        except DataError as error:
            raise DataError(
                f"the readings of one image have different frames or sizes: {error.message}",
                path=path,
                remedy=error.remedy,
            ) from error
    clock_ms: float | None = None
    starts = []
    for one in showings:
        shift = 0.0 if clock_ms is None or len(one) == 0 else clock_ms - float(one.start_ms[0])
        starts.append(one.start_ms + shift)
        if len(one):
            clock_ms = float(one.start_ms[0]) + shift + one.span_ms
    names = dict.fromkeys(
        name for one in showings if one.annotator is not None for name in one.annotator.split("+")
    )
    return replace(
        showings[0],
        x=np.concatenate([one.x for one in showings]),
        y=np.concatenate([one.y for one in showings]),
        duration_ms=np.concatenate([one.duration_ms for one in showings]),
        start_ms=np.concatenate(starts),
        annotator="+".join(names) or None,
    )


def join_facts(facts: Sequence[RecordingFacts]) -> RecordingFacts:
    """Join what is known about several showings of one image.

    Counts and times are sums, the loss is the mean weighted by the time shown, the order is the first's.
    What one showing does not know, the whole does not.

    Args:
        facts: One showing or more, in order.

    Returns:
        The facts of the joined reading.

    Example:
        >>> one = RecordingFacts(trial_ms=1000, loss_share=0.1)
        >>> two = RecordingFacts(trial_ms=3000, loss_share=0.5)
        >>> join_facts([one, two]).loss_share, join_facts([one, RecordingFacts()]).trial_ms
        (0.4, None)
    """
    if len(facts) == 1:
        return facts[0]
    sessions = dict.fromkeys(one.session for one in facts if one.session is not None)
    shown = [one.trial_ms for one in facts if one.trial_ms is not None]
    lost = [one.loss_share for one in facts if one.loss_share is not None]
    counts = [one.fixations for one in facts if one.fixations is not None]
    timed = len(shown) == len(facts) and sum(shown) > 0
    complete = len(lost) == len(facts)
    return RecordingFacts(
        session="+".join(sessions) or None,
        order=facts[0].order,
        trial_ms=sum(shown) if timed else None,
        loss_share=float(np.average(lost, weights=shown if timed else None)) if complete else None,
        fixations=sum(counts) if len(counts) == len(facts) else None,
        off_image=sum(one.off_image for one in facts),
        too_short=sum(one.too_short for one in facts),
        not_shown=sum(one.not_shown for one in facts),
    )
