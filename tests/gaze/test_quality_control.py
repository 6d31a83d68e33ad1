"""The quality of readings and sessions: planted faults are flagged, sound readings are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.gaze.case_quality import FLAGS, QualityThresholds, case_quality, hull_coverage
from gaze_insight.gaze.correction import CorrectionSettings, reading_offsets
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.offset import Offset, corrected
from gaze_insight.gaze.quality_control import assess, scanning, target_offset
from gaze_insight.gaze.readers.fixation_table import read_fixation_table
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations

SIZE = 64


def lesion(seed: int) -> np.ndarray:
    row, column = np.random.default_rng(seed).uniform(0.3, 0.7, 2) * SIZE
    down, across = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.hypot(down - row, across - column) < 13


def sound(seed: int, annotator: str | None = None) -> Fixations:
    rng = np.random.default_rng(seed)
    settings = SimulatorSettings.kvasir().model_copy(update={"cross_x_frac": 0.5, "cross_y_frac": 0.5})
    return simulate_fixations(lesion(seed), settings, rng, annotator)


def session(count: int = 120, annotator: str | None = None):
    readings = {f"{annotator or 'i'}{k}": sound(k, annotator) for k in range(count)}
    return readings, {one: RecordingFacts(order=k) for k, one in enumerate(readings)}


def test_sound_readings_are_seldom_flagged():
    report = assess(*session(), QualityThresholds(max_flagged_share=0.2))
    assert len(report.flagged) < 16
    assert report.warnings == ()
    (only,) = report.sessions
    assert (only.readings, only.ordered, only.name) == (120, 120, "all readings")
    assert only.fixations == sum(row.fixations for row in report.cases)
    assert only.centre_share > 0.95
    assert not only.practice.certain or abs(only.practice.slope) < 1


@pytest.mark.parametrize(
    ("facts", "flag"),
    [
        (RecordingFacts(loss_share=0.4), "loss"),
        (RecordingFacts(fixations=30, off_image=4), "off_image"),
        (RecordingFacts(fixations=30, not_shown=4), "off_image"),
    ],
)
def test_what_only_the_recording_knows_is_flagged(facts, flag):
    assert flag in case_quality("a", sound(1), facts).flags
    assert flag not in case_quality("a", sound(1)).flags


def test_each_planted_fault_raises_its_flag():
    good = sound(3)
    late = replace(good, start_ms=good.start_ms + np.where(np.arange(len(good)) > 4, 5000.0, 0.0))
    one_spot = replace(good, x=np.full(len(good), 0.3), y=np.full(len(good), 0.3))
    ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    holed = Fixations.from_rows(
        [(0.5 + 0.4 * np.cos(a), 0.5 + 0.4 * np.sin(a), 200, 210 * k) for k, a in enumerate(ring)]
    )
    far = np.arange(len(good)) % 4 == 1
    scattered = replace(
        good, x=np.where(far, 0.02, 0.55 + 0.05 * good.x), y=np.where(far, 0.02, 0.55 + 0.05 * good.y)
    )
    searching = Fixations.from_rows(
        [*((0.05 + 0.2 * (k % 5), 0.9 - 0.2 * (k // 5), 300, 310 * k) for k in range(12))]
        + [(0.9 + 0.01 * (k % 2), 0.1 + 0.005 * k, 300, 310 * k) for k in range(12, 26)]
    )
    for reading, flag in [
        (late, "gaps"),
        (good.select(np.arange(5)), "few_fixations"),
        (good.until(1500), "short_look"),
        (one_spot, "small_hull"),
        (holed, "holes"),
        (scattered, "outliers"),
        (searching, "search"),
        (Fixations.from_rows([(0.1 * k, 0.1 * k, 400, 410 * k) for k in range(2)]), "no_landing"),
        (replace(good, x=good.x + 0.6), "off_image"),
    ]:
        assert flag in case_quality("a", reading).flags, flag
    assert case_quality("a", Fixations.empty()).flags == ("no_fixations",)


def test_limits_decide_and_every_flag_has_its_words():
    assert case_quality("a", sound(2), thresholds=QualityThresholds(min_fixations=500)).flags == (
        "few_fixations",
    )
    assert all(FLAGS.values())


def test_the_row_says_what_a_plain_count_says():
    reading = sound(5, "reader")
    row = case_quality("a", reading, RecordingFacts(session="s", order=7, trial_ms=9000.0, too_short=2))
    assert (row.annotator, row.session, row.order, row.too_short) == ("reader", "s", 7, 2)
    assert row.looking_s == pytest.approx(sum(r[2] for r in reading.to_rows()) / 1000)
    assert row.trial_s == 9.0
    assert row.gap_share == pytest.approx(1 - reading.total_duration_ms / reading.span_ms)
    assert (row.first_x_frac, row.first_y_frac) == (reading.x[0], reading.y[0])
    assert row.median_duration_ms == pytest.approx(np.median(reading.duration_ms))


def test_the_hull_of_a_square_and_of_what_has_no_area():
    grid = np.stack(np.meshgrid(np.linspace(0.2, 0.6, 5), np.linspace(0.3, 0.7, 5)), axis=-1).reshape(-1, 2)
    filled = hull_coverage(grid)
    assert filled.area_frac == pytest.approx(0.16)
    edge = grid[(np.abs(grid - (0.4, 0.5)) > 0.19).any(axis=1)]
    rim = hull_coverage(edge)
    assert rim.area_frac == pytest.approx(0.16)
    assert rim.gap_frac > 1.5 * filled.gap_frac
    for points in (grid[:2], np.stack([np.linspace(0, 1, 6)] * 2, axis=1), np.zeros((0, 2))):
        assert hull_coverage(points) == hull_coverage(np.zeros((0, 2)))


def test_points_strewn_at_random_have_a_ratio_near_one():
    points = np.random.default_rng(0).uniform(0, 1, (400, 2))
    assert hull_coverage(points).ratio == pytest.approx(1.0, abs=0.1)


def test_sessions_are_kept_apart():
    first, facts = session(40, "ann")
    second, more = session(40, "ben")
    report = assess(first | second, facts | more)
    assert [one.name for one in report.sessions] == ["ann", "ben"]
    split = {one: replace(fact, session="morning") for one, fact in facts.items()}
    assert [one.name for one in assess(first, split).sessions] == ["ann, morning"]


def test_a_practice_effect_is_seen_with_its_size():
    readings, facts = session(100)
    slower = {
        one: replace(reading, duration_ms=reading.duration_ms * (1.0 - 0.006 * k))
        for k, (one, reading) in enumerate(readings.items())
    }
    report = assess(slower, facts)
    assert report.sessions[0].practice.certain
    assert report.sessions[0].practice.slope < -2
    assert any("looking time changes by -" in warning for warning in report.warnings)


def test_without_an_order_that_is_said_and_nothing_is_made_up():
    readings, _ = session(40)
    report = assess(readings)
    assert report.sessions[0].practice is None
    assert report.warnings == (
        "all readings: the order of viewing is not known, so drift and practice cannot be measured",
    )


def test_offsets_are_warned_of_by_cross_and_by_targets():
    readings, facts = session(60)
    shifted = {one: corrected(reading, Offset(-0.06, 0.0)) for one, reading in readings.items()}
    limits = QualityThresholds(cross_x_frac=0.5, cross_y_frac=0.5)
    targets = {f"i{k}": lesion(k) for k in range(60)}
    report = assess(shifted, facts, limits, targets=targets)
    (one,) = report.sessions
    assert one.cross.dx_frac == pytest.approx(0.06, abs=0.02)
    assert one.target.dx_frac == pytest.approx(0.06, abs=0.01)
    assert any("off the cross" in text for text in one.warnings)
    assert any("off their targets" in text for text in one.warnings)
    assert target_offset(["i0"], shifted, {}) is None


def test_a_correction_by_the_cross_follows_the_steps_between_calibrations():
    readings, facts = session(120)
    steps = {one: Offset(-0.05 if 40 <= k < 80 else 0.0, 0.0) for k, one in enumerate(readings)}
    shifted = {one: corrected(reading, steps[one]) for one, reading in readings.items()}
    report = assess(shifted, facts)
    assert any("wander" in warning for warning in report.warnings)
    offsets = reading_offsets(report, CorrectionSettings(gain=1.0, window=15))
    assert set(offsets) == set(readings)
    shift = [offsets[f"i{k}"].dx_frac for k in range(120)]
    step = np.mean(shift[48:72]) - np.mean([*shift[:32], *shift[88:]])
    assert step == pytest.approx(0.05, abs=0.015)
    half = reading_offsets(report, CorrectionSettings(gain=0.5, window=15))
    assert half["i60"].dx_frac == pytest.approx(0.5 * offsets["i60"].dx_frac)


def test_a_correction_says_what_it_lacks():
    readings, facts = session(8)
    with pytest.raises(DataError, match="first fixations tell"):
        reading_offsets(assess(readings, facts))
    with pytest.raises(DataError, match="by targets"):
        reading_offsets(assess(readings, facts), CorrectionSettings(source="targets"))
    targets = {one: lesion(k) for k, one in enumerate(readings)}
    found = reading_offsets(assess(readings, facts, targets=targets), CorrectionSettings(source="targets"))
    assert len(set(map(id, found.values()))) == 1


def test_what_scans_leaves_out_cross_and_outliers():
    reading = sound(9)
    assert 0 < len(scanning(reading)) < len(reading)
    assert len(scanning(Fixations.empty())) == 0


def test_a_reading_that_cannot_be_placed_is_named():
    lost = Fixations.from_rows([(3.0, 4.0, 200, 0)], frame="screen_px")
    with pytest.raises(DataError, match="reading 'a': cannot convert screen_px"):
        assess({"a": lost})


def test_no_reading_gives_an_empty_report():
    report = assess({})
    assert (report.cases, report.sessions, report.flags, report.warnings) == ((), (), {}, ())
    lone = assess({"a": Fixations.empty()}).sessions[0]
    assert (lone.cross, lone.practice, lone.centre_share, lone.duration_ms) == (None, None, None, None)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "readings", "flagged"), [("kvasir", 880, (30, 60)), ("nci-isbi", 789, (25, 55))]
)
def test_the_published_recordings(real_data, name, readings, flagged):
    reading = read_fixation_table(real_data / "gazemedseg" / f"{name}_fixation.csv")
    facts = {one: RecordingFacts(order=k) for k, one in enumerate(reading.fixations)}
    report = assess(reading.fixations, facts)
    assert len(report.cases) == readings
    assert flagged[0] < len(report.flagged) < flagged[1]
    (only,) = report.sessions
    assert only.cross.wander_frac > 0.05
    assert only.cross.wander_p == 0.01
    assert only.practice.slope > 0
    assert only.practice.certain
