"""Which recordings can be trusted: sessions, their offset, drift and practice effect, and what to warn of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gaze_insight.errors import DataError
from gaze_insight.gaze.case_quality import CaseQuality, QualityThresholds, case_quality
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.offset import CrossOffset, Offset, cross_offset, estimate_offset
from gaze_insight.gaze.outliers import inliers
from gaze_insight.gaze.phases import find_phases
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.gaze.trend import Trend, trend
from gaze_insight.types import BoolArray

__all__ = ["QualityReport", "SessionQuality", "assess", "scanning", "target_offset"]

_MS_PER_H = 3_600_000.0
_PER = 100
_CHANCE = 0.01


@dataclass(frozen=True)
class SessionQuality:
    """One row of the table of sessions: what one annotator recorded in one sitting.

    Args:
        annotator: Who looked; None where the recording does not say.
        session: The sitting; None where the recording does not say.
        readings: Images.
        fixations: Fixations in all.
        hours: From first start to last end of each reading, summed.
        looking_s: Median looking time an image.
        fixations_median: Median number of fixations an image.
        duration_ms: Median over readings of the median duration; None without a fixation.
        centre_share: Share of readings that start at the central cross; None without a fixation.
        flagged: Readings with a flag.
        ordered: Readings whose place in the session is known.
        practice: Change of the looking time in s per 100 images; None where the order is not known.
        cross: Offset and drift by the first fixations; None where readings do not start at a cross.
        target: Offset by targets; None where none were given.
        warnings: What to know before the session is used, in sentences.
    """

    annotator: str | None
    session: str | None
    readings: int
    fixations: int
    hours: float
    looking_s: float
    fixations_median: float
    duration_ms: float | None
    centre_share: float | None
    flagged: int
    ordered: int
    practice: Trend | None
    cross: CrossOffset | None
    target: Offset | None
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Annotator and session as one text.

        Returns:
            What is known of the two; "all readings" where neither is.
        """
        known = [part for part in (self.annotator, self.session) if part is not None]
        return ", ".join(dict.fromkeys(known)) or "all readings"


@dataclass(frozen=True)
class QualityReport:
    """The quality of a set of readings.

    Args:
        cases: One row a reading, in the order given.
        sessions: One row a session, in the order of their first reading.
        thresholds: What was flagged from where on.

    Example:
        >>> QualityReport((), (), QualityThresholds()).flags
        {}
    """

    cases: tuple[CaseQuality, ...]
    sessions: tuple[SessionQuality, ...]
    thresholds: QualityThresholds

    @property
    def flagged(self) -> tuple[CaseQuality, ...]:
        """The readings with a flag, those with most flags first."""
        marked = [case for case in self.cases if case.flags]
        return tuple(sorted(marked, key=lambda case: -len(case.flags)))

    @property
    def flags(self) -> dict[str, int]:
        """Flag to the number of readings that have it, the most frequent first."""
        counts: dict[str, int] = {}
        for case in self.cases:
            for flag in case.flags:
                counts[flag] = counts.get(flag, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all sessions, each with the session's name."""
        return tuple(f"{one.name}: {text}" for one in self.sessions for text in one.warnings)


def assess(
    readings: Mapping[str, Fixations],
    facts: Mapping[str, RecordingFacts] | None = None,
    thresholds: QualityThresholds | None = None,
    *,
    targets: Mapping[str, BoolArray] | None = None,
) -> QualityReport:
    """Measure a set of readings and the sessions in which they were recorded.

    A session is all readings of one annotator and one sitting. Practice is the Theil-Sen slope of looking
    time over the order of images. Drift is that of the first fixations; it needs a cross before each image,
    which is taken for granted where most readings start at the centre.

    Args:
        readings: Image id to reading, in frames that convert to ``image_unit``.
        facts: Image id to what the recording states besides; ids may be missing.
        thresholds: What is flagged and warned of.
        targets: Image id to what was to be looked at, boolean (H, W), for some images; then each session's
            offset is estimated on them too.

    Returns:
        The report; without rows for no reading.

    Raises:
        DataError: A reading cannot be placed on its image; the message names it.

    Example:
        >>> report = assess({"a": Fixations.from_rows([(0.5, 0.5, 300, 0)]), "b": Fixations.empty()})
        >>> report.flags["no_fixations"], len(report.sessions), report.sessions[0].name
        (1, 1, 'all readings')
    """
    thresholds, facts = thresholds or QualityThresholds(), facts or {}
    cases = []
    for one, reading in readings.items():
        try:
            cases.append(case_quality(one, reading, facts.get(one), thresholds))
        except DataError as error:
            raise DataError(f"reading {one!r}: {error.message}", remedy=error.remedy) from error
    groups: dict[tuple[str | None, str | None], list[CaseQuality]] = {}
    for case in cases:
        groups.setdefault((case.annotator, case.session), []).append(case)
    sessions = tuple(_session(rows, readings, thresholds, targets or {}) for rows in groups.values())
    return QualityReport(tuple(cases), sessions, thresholds)


def scanning(fixations: Fixations, thresholds: QualityThresholds | None = None) -> Fixations:
    """Keep the fixations that look at what was found: those of the scan, without outliers.

    Args:
        fixations: The reading, in a frame that converts to ``image_unit``.
        thresholds: How phases and outliers are told.

    Returns:
        The fixations kept, in ``image_unit``; may be empty.

    Example:
        >>> row = [(0.5, 0.5, 200, 0), (0.3, 0.7, 200, 250), (0.31, 0.7, 200, 500), (0.3, 0.72, 200, 750)]
        >>> len(scanning(Fixations.from_rows(row)))
        3
    """
    thresholds = thresholds or QualityThresholds()
    unit = fixations.to_frame("image_unit")
    scan = find_phases(unit, thresholds.phase_settings).scan(len(unit))
    return unit.select(scan & inliers(unit, mad_factor=thresholds.mad_factor))


def target_offset(
    ids: Sequence[str],
    readings: Mapping[str, Fixations],
    targets: Mapping[str, BoolArray],
    thresholds: QualityThresholds | None = None,
) -> Offset | None:
    """Estimate the offset of some readings by the fixations of their scans.

    Args:
        ids: The readings of one session.
        readings: Image id to reading.
        targets: Image id to target, boolean (H, W).
        thresholds: How phases and outliers are told.

    Returns:
        The offset; None where no reading has both fixations and a target.

    Example:
        >>> target_offset(["a"], {"a": Fixations.empty()}, {}) is None
        True
    """
    scans = {one: scanning(readings[one], thresholds) for one in ids if one in targets}
    usable = {one: scan for one, scan in scans.items() if len(scan) and targets[one].any()}
    return estimate_offset(usable, targets) if usable else None


def _session(
    rows: Sequence[CaseQuality],
    readings: Mapping[str, Fixations],
    limits: QualityThresholds,
    targets: Mapping[str, BoolArray],
) -> SessionQuality:
    seen = [row for row in rows if row.fixations]
    ordered = [row for row in seen if row.order is not None]
    durations = [row.median_duration_ms for row in seen if row.median_duration_ms is not None]
    centre = float(np.mean([row.starts_at_centre for row in seen])) if seen else None
    practice = trend([row.order or 0 for row in ordered], [row.looking_s for row in ordered], per=_PER)
    session = SessionQuality(
        annotator=rows[0].annotator,
        session=rows[0].session,
        readings=len(rows),
        fixations=sum(row.fixations for row in rows),
        hours=sum(readings[row.id].span_ms for row in rows) / _MS_PER_H,
        looking_s=float(np.median([row.looking_s for row in rows])),
        fixations_median=float(np.median([row.fixations for row in rows])),
        duration_ms=float(np.median(durations)) if durations else None,
        centre_share=centre,
        flagged=sum(bool(row.flags) for row in rows),
        ordered=len(ordered),
        practice=practice,
        cross=_cross(seen, limits) if centre is not None and centre >= limits.min_cross_share else None,
        target=target_offset([row.id for row in rows], readings, targets, limits),
    )
    return replace(session, warnings=tuple(_warnings(session, ordered, limits)))


def _cross(seen: Sequence[CaseQuality], limits: QualityThresholds) -> CrossOffset:
    """Take all first fixations: leaving out those far from the centre would hide an offset."""
    order = [row.order for row in seen if row.order is not None]
    return cross_offset(
        np.array([(row.first_x_frac, row.first_y_frac) for row in seen], dtype=np.float64),
        order if len(order) == len(seen) else None,
        cross=limits.cross,
        window=limits.window,
    )


def _warnings(
    session: SessionQuality, ordered: Sequence[CaseQuality], limits: QualityThresholds
) -> Iterator[str]:
    if session.flagged > limits.max_flagged_share * session.readings:
        yield f"{session.flagged} of {session.readings} readings are flagged"
    if session.readings > 1 and session.ordered == 0:
        yield "the order of viewing is not known, so drift and practice cannot be measured"
    places = [row.order for row in ordered if row.order is not None]
    length = (max(places) - min(places)) / _PER if places else 0.0
    practice = session.practice
    if practice is not None and practice.certain:
        change = practice.slope * length
        if abs(change) > limits.max_practice_share * session.looking_s:
            yield f"looking time changes by {change:+.1f} s from the first image to the last"
    yield from _offset_warnings(session, length, limits)


def _offset_warnings(session: SessionQuality, length: float, limits: QualityThresholds) -> Iterator[str]:
    """Warn of offset and drift; `length` is the session's, in hundreds of images."""
    cross, target = session.cross, session.target
    if cross is not None:
        if np.hypot(cross.dx_frac, cross.dy_frac) > limits.max_offset_frac:
            yield f"first fixations lie {_shift(cross.dx_frac, cross.dy_frac)} off the cross"
        lines = [line.slope * length for line in (cross.drift_x, cross.drift_y) if line and line.certain]
        drift = float(np.linalg.norm(lines))
        if drift > limits.max_drift_frac:
            yield f"first fixations drift by {drift:.3f} of the image from the first image to the last"
        if _wanders(cross, limits):
            yield (
                f"first fixations wander by up to {cross.wander_frac:.3f} of the image within the session, "
                "as they do when the tracker slips or is calibrated anew"
            )
    if target is not None and np.hypot(target.dx_frac, target.dy_frac) > limits.max_offset_frac:
        yield f"looks lie {_shift(target.dx_frac, target.dy_frac)} off their targets"


def _wanders(cross: CrossOffset, limits: QualityThresholds) -> bool:
    if cross.wander_frac is None or cross.wander_p is None:
        return False
    return cross.wander_frac > limits.max_drift_frac and cross.wander_p <= _CHANCE


def _shift(dx_frac: float, dy_frac: float) -> str:
    return f"({dx_frac:+.3f}, {dy_frac:+.3f}) of the image (right, down)"
