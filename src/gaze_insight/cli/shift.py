"""`gaze-insight study shift`: trained runs on corrupted images."""

from __future__ import annotations

import json as json_text
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Count, Device, Json, OnBad, Plugins, Quiet, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gaze_insight.insight.study_page import StudyContent
    from gaze_insight.workflow.studies.shift import ShiftStudy

__all__ = ["shift"]


def shift(
    runs: Annotated[
        tuple[str, ...],
        Parameter(help="Finished runs: FOLDER, or NAME=FOLDER. Runs of one name are seeds of one line."),
    ],
    /,
    *,
    cohort: Annotated[
        Path | None, Parameter(show_default=False, help="Another cohort with true masks than the runs' own.")
    ] = None,
    split: Literal["train", "val", "test", "all"] = "test",
    corruptions: Annotated[
        tuple[str, ...], Parameter(show_default=False, consume_multiple=True, help="Names; by default all.")
    ] = (),
    severities: Annotated[
        tuple[int, ...], Parameter(consume_multiple=True, help="Whole numbers from 1 to 5.")
    ] = (1, 2, 3, 4, 5),
    cases: Count | None = None,
    reference: str | None = None,
    pictures: Annotated[int, Parameter(validator=Number(gte=0))] = 1,
    seed: Seed = 0,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    figures: Annotated[Path | None, Parameter(show_default=False)] = None,
    device: Device = "auto",
    workers: Annotated[Count | None, Parameter(show_default=False)] = None,
    plugins: Plugins = (),
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score trained runs on blurred, dark, noisy, ... images, and compare what they lose with each other.

    Args:
        runs: The runs.
        cohort: The cohort.
        split: Which cases; they need a true mask.
        corruptions: Which corruptions.
        severities: How severe.
        cases: Cases drawn at random; by default all of the split.
        reference: The line that the others are compared with; by default the last one.
        pictures: Images that the page shows under each corruption.
        seed: Seed of what is drawn.
        out: Folder of study-shift.html, .md, .json, .csv and -cases.csv; by default the cohort's.
        figures: Folder to which the figure is written as an SVG file of its own.
        workers: Threads that corrupt images ahead of the networks; by default one a core.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.studies.shift import name_runs, study_shift
    from gaze_insight.workflow.studies.shift_estimates import ShiftSettings
    from gaze_insight.workflow.studies.shift_page import shift_page
    from gaze_insight.workflow.studies.shift_pictures import shift_pictures
    from gaze_insight.workflow.studies.shift_scoring import open_run

    load_plugins(plugins)
    chosen: dict[str, Any] = {"seed": seed, "severities": severities}
    if corruptions:
        chosen["corruptions"] = corruptions
    settings = settings_from(ShiftSettings, (), "--corruptions, --severities", chosen)
    named = name_runs(runs)
    studied = Cohort.open(_cohort_of([path for _, path in named]) if cohort is None else cohort)
    opened = [open_run(name, path, device) for name, path in named]
    with show_progress(quiet=quiet) as progress:
        study = study_shift(
            opened,
            studied,
            split=None if split == "all" else split,
            count=cases,
            reference=reference,
            settings=settings,
            workers=workers or os.cpu_count() or 1,
            on_bad=on_bad,
            progress=progress,
        )
    shown = shift_pictures(studied, study, opened[0], pictures)
    content = shift_page(study, shlex.join(["gaze-insight", *sys.argv[1:]]), shown)
    written = _write(study, content, studied.folder if out is None else out, figures)
    if json:
        print_json({**_plain(study, content), "files": written})
        return
    say(content.verdict)
    for warning in content.warnings:
        say(f"  warning {warning}")
    say(f"  {study.predicted:,} predictions made now, the others kept from before")
    for name, value in written.items():
        say(f"{name}: {value}")


def _cohort_of(folders: Sequence[Path]) -> Path:
    """Find the cohort that all runs learned from."""
    from gaze_insight.config.run_folder import RunFolder
    from gaze_insight.errors import SettingsError

    places = list(dict.fromkeys(RunFolder(folder).plan()["cohort_folder"] for folder in folders))
    if len(places) > 1:
        raise SettingsError(
            f"the runs learned from {len(places)} cohorts: {', '.join(places)}",
            remedy="name the one whose images are to be corrupted, with --cohort",
        )
    return Path(places[0])


def _plain(study: ShiftStudy, content: StudyContent) -> dict[str, Any]:
    from gaze_insight.workflow.studies.output import as_plain

    return {**as_plain(study, leave_out=("per_case",)), "verdict": content.verdict}


def _write(study: ShiftStudy, content: StudyContent, folder: Path, figures: Path | None) -> dict[str, str]:
    from gaze_insight.atomic import write_text_atomic
    from gaze_insight.insight.study_page import write_figures, write_study
    from gaze_insight.workflow.studies.output import write_rows
    from gaze_insight.workflow.studies.shift_page import shift_markdown

    files = {
        name: folder / f"study-shift{ending}"
        for name, ending in (
            ("page", ".html"),
            ("markdown", ".md"),
            ("json", ".json"),
            ("table", ".csv"),
            ("case_table", "-cases.csv"),
        )
    }
    write_study(content, files["page"])
    write_text_atomic(files["markdown"], shift_markdown(content))
    write_text_atomic(files["json"], json_text.dumps(_plain(study, content), indent=2) + "\n")
    write_rows(files["table"], study.rows())
    write_rows(files["case_table"], study.per_case)
    drawn = {} if figures is None else {path.stem: path for path in write_figures(content, figures)}
    return {name: str(path) for name, path in {**files, **drawn}.items()}
