"""`gaze-insight quality`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Count, Json, Quiet
from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.gaze.quality_control import QualityReport, SessionQuality
    from gaze_insight.workflow.quality import Correction

__all__ = ["quality"]

_Limits = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        show_default=False,
        help="One limit, such as max_loss_share=0.3 or phases.consecutive=3; may be given several times. "
        "The page lists them all.",
    ),
]
_Correction = Annotated[
    tuple[str, ...],
    Parameter(
        name="--correct-set",
        show_default=False,
        help="One setting of the correction: source=targets, gain=0.5, window=15.",
    ),
]


def quality(
    cohort: Path,
    /,
    *,
    page: Path | None = None,
    table: Path | None = None,
    limits: _Limits = (),
    targets: Literal["none", "masks"] = "none",
    order: Path | None = None,
    correct: Path | None = None,
    correction: _Correction = (),
    pictures: Count = 6,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which recordings can be trusted: losses, phases, outliers, offset, drift, practice.

    Args:
        cohort: The cohort's folder.
        page: The HTML page to write; by default quality.html in the cohort's folder.
        table: The CSV table to write, one row a reading; by default quality.csv in the cohort's folder.
        targets: Estimate each session's offset on the true masks too (those of the test split left out).
        order: A file that names the images in the order of viewing, first column, where the recording does
            not tell it; a fixation table whose rows stand in that order will do.
        correct: Write a cohort to this folder whose gaze is moved back by its offset.
        pictures: How many flagged readings the page shows.
    """
    from gaze_insight.cli.lesions_only import refuse_radiographs
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.gaze.case_quality import QualityThresholds
    from gaze_insight.gaze.correction import CorrectionSettings
    from gaze_insight.workflow import quality as work

    thresholds = settings_from(QualityThresholds, limits, "--set")
    how = settings_from(CorrectionSettings, correction, "--correct-set")
    if correction and correct is None:
        raise SettingsError("--correct-set has no effect without --correct", remedy="add --correct FOLDER")
    if correct is not None and how.source == "targets" and targets == "none":
        raise SettingsError("a correction by targets needs them", remedy="add --targets masks")
    opened = Cohort.open(cohort)
    if correct is not None:
        refuse_radiographs(
            opened,
            "--correct moves the first reading of an image, and they may have several",
            "leave --correct away; each reading's trust says how much of it is on the image",
        )
    seen = () if order is None else work.read_order(order, opened)
    with show_progress(quiet=quiet) as progress:
        report = work.assess_cohort(opened, thresholds, targets=targets, order=seen, progress=progress)
    done = None if correct is None else work.correct_cohort(opened, report, correct, how)
    page = opened.folder / "quality.html" if page is None else page
    table = opened.folder / "quality.csv" if table is None else table
    work.write_quality_table(report, table)
    work.write_quality_page(opened, report, page, pictures=pictures, correction=done)
    if json:
        files = {"page": str(page), "table": str(table)}
        moved = None if done is None else done.cohort.source["gaze_correction"]
        print_json({"cohort": opened.name, **work.quality_record(report), "correction": moved, **files})
    else:
        _tell(opened.name, report, done)
        say(f"pictures and details: {page}; one row a reading: {table}")


def _tell(name: str, report: QualityReport, done: Correction | None) -> None:
    from gaze_insight.gaze.case_quality import FLAGS

    say(f"{name}: {count_of(len(report.cases), 'reading')}, {len(report.flagged)} flagged")
    for flag, number in report.flags.items():
        say(f"  {number:5d}  {FLAGS[flag]}")
    for session in report.sessions:
        _tell_session(session)
    for warning in report.warnings:
        say(f"  warning {warning}")
    if done is not None:
        say(
            f"  corrected {done.moved} readings by {100 * done.mean_shift_frac:.1f} % of the image on "
            f"average, {len(done.left)} left as they were, {done.off_image} more fixations off the image: "
            f"{done.cohort.folder}"
        )


def _tell_session(session: SessionQuality) -> None:
    say(
        f"  {session.name}: {count_of(session.readings, 'reading')}, {session.fixations_median:.0f} "
        f"fixations and {session.looking_s:.1f} s an image (medians)"
    )
    practice, target = session.practice, session.target
    if practice is not None:
        low, high = practice.low, practice.high
        say(f"    looking time {practice.slope:+.2f} s per 100 images (95 % {low:+.2f} to {high:+.2f})")
    if target is not None:
        across, down = 100 * target.dx_frac, 100 * target.dy_frac
        say(
            f"    offset from targets {across:+.1f} % right, {down:+.1f} % down; looking time on target "
            f"{100 * target.share_before:.1f} % -> {100 * target.share_after:.1f} %"
        )
