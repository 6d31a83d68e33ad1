"""`gaze-insight label`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, print_json, say, show_progress
from gaze_insight.cli.options import (
    Cluster,
    ConfigFiles,
    Count,
    Json,
    OnBad,
    Overrides,
    Plugins,
    Presets,
    Quiet,
    Workers,
    compose_config,
)

if TYPE_CHECKING:
    from gaze_insight.pseudomask.expected_dice import Calibration
    from gaze_insight.workflow.label_quality import LabelQuality
    from gaze_insight.workflow.labelling import LabelReport

__all__ = ["label"]

_TOLD = 5
_ACTIONS = {"look": "record a new reading", "draw": "draw the mask"}


def label(
    cohort: Path,
    /,
    *,
    page: Path | None = None,
    table: Path | None = None,
    calibration: Annotated[Path | None, Parameter(show_default=False)] = None,
    pictures: Count = 3,
    listed: Count = 15,
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    workers: Workers = None,
    cluster: Cluster = None,
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the pseudo-mask of each case from its gaze, and say how good it can be expected to be.

    A second time finds them in the cache.

    Args:
        cohort: The cohort's folder.
        page: The HTML page to write; by default labels.html in the cohort's folder.
        table: CSV with one row a labelled case; by default labels.csv in the cohort's folder.
        calibration: How features become an expected Dice: a file from `study parts --fit-calibration`; by
            default the package's own.
        pictures: Cases that the page shows with each part's picture.
        listed: Cases of the look-again list that the page shows.
    """
    from gaze_insight.cli.lesions_only import open_for_lesions
    from gaze_insight.workflow import label_report
    from gaze_insight.workflow.calibration_file import read_calibration
    from gaze_insight.workflow.label_quality import score_labels
    from gaze_insight.workflow.labelling import label as make

    settings = compose_config(presets, config, overrides, plugins).labels
    chosen = None if calibration is None else read_calibration(calibration)
    opened = open_for_lesions(cohort, "label")
    page = opened.folder / "labels.html" if page is None else page
    table = opened.folder / "labels.csv" if table is None else table
    with show_progress(quiet=quiet) as progress:
        done = make(opened, settings, workers=workers, cluster=cluster, on_bad=on_bad, progress=progress)
        labelled = [case for id, case in opened.cases.items() if id not in done.failed]
        quality = score_labels(opened, settings, cases=labelled, calibration=chosen, progress=progress)
    label_report.write_label_table(quality, table)
    command = shlex.join(["gaze-insight", *sys.argv[1:]])
    label_report.write_label_page(
        opened,
        done,
        quality,
        settings,
        page,
        calibration=chosen,
        listed=listed,
        pictures=pictures,
        command=command,
    )
    if json:
        record = label_report.label_record(opened, done, quality, settings, chosen)
        print_json({**record, "files": {"page": str(page), "table": str(table)}})
        return
    _tell(done, quality, chosen)
    for note, ids in label_report.label_notes(opened, done, quality, settings, chosen).items():
        say(f"  note: {note}{' The first: ' + ', '.join(ids[:3]) if ids else ''}")
    for id, message in done.failed.items():
        say(f"skipped {id}: {message}")
    say(f"pictures and details: {page}; one row a case: {table}")


def _tell(done: LabelReport, quality: LabelQuality, calibration: Calibration | None) -> None:
    from gaze_insight.pseudomask.expected_dice import shipped_calibration

    say(f"{done.made} made, {done.cached} found in the cache, in {done.seconds:.1f} s")
    if quality.labels:
        trusted = 100 * sum(row.trusted_share for row in quality.labels) / len(quality.labels)
        cases = count_of(len(quality.labels), "case")
        say(f"trusted: {trusted:.1f} % of an image's pixels on average, {cases}")
    if quality.expected_mean is None:
        return
    used = calibration or shipped_calibration()
    say(f"expected Dice {quality.expected_mean:.3f} on average; told without true masks, calibrated on")
    say(f"  {used.source or f'{used.cases} cases'}")
    if quality.look_again:
        say(f"worth another look, of {len(quality.look_again)}, by expected gain a second:")
    for row in quality.look_again[:_TOLD]:
        say(
            f"  {row.id}: {_ACTIONS[row.action]}, expected {row.expected.mean:.2f} {row.gain:+.2f} "
            f"in {row.seconds:.0f} s"
        )
