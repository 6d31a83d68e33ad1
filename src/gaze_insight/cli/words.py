"""`gaze-insight study words`: where a teacher reads its words, and what moves when one of them changes."""

from __future__ import annotations

import json as json_text
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Count, Device, Json, Plugins, Quiet, Seed, Workers

if TYPE_CHECKING:
    from gaze_insight.insight.study_page import StudyContent
    from gaze_insight.workflow.studies.words import WordStudy
from gaze_insight.cli.studied_cohort import SplitOrAll, choose_studied

__all__ = ["words"]


def words(
    run: Path,
    cohort: Path | None = None,
    /,
    *,
    split: SplitOrAll | None = None,
    cases: Annotated[Count | None, Parameter(show_default=False)] = None,
    study: Annotated[tuple[str, ...], Parameter(name="--study-set", show_default=False)] = (),
    pictures: Annotated[int, Parameter(validator=Number(gte=0))] = 3,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    figures: Annotated[Path | None, Parameter(show_default=False)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    plugins: Plugins = (),
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Change one word of each description at a time, and measure what moves in the teacher's outline.

    Args:
        run: The finished run; its method must read words, as fgi does.
        cohort: Another cohort; by default the run's own.
        split: Which cases; by default the test split, and all of another cohort.
        cases: Cases drawn at random; by default all with words that name a visible lesion.
        study: One setting of the study, such as area_factors=[0.25,4] or resamples=5000; may be given several
            times.
        pictures: Images that the page shows.
        out: Folder of study-words.html, .json, .csv and -cases.csv; by default the run's.
        figures: Folder to which each figure is written as an SVG file of its own.
        seed: Seed of everything that is drawn.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.studies.words import WordStudySettings, study_words
    from gaze_insight.workflow.studies.words_page import words_page, words_pictures

    load_plugins(plugins)
    settings = settings_from(WordStudySettings, study, "--study-set", {"seed": seed})
    studied = choose_studied(run, cohort, split)
    opened = Cohort.open(studied.folder)
    with show_progress(quiet=quiet) as progress:
        found = study_words(
            run,
            opened,
            settings,
            split=studied.split,
            count=cases,
            device=device,
            workers=workers,
            progress=progress,
        )
    shown = words_pictures(run, opened, found, pictures, device=device)
    content = words_page(found, shlex.join(["gaze-insight", *sys.argv[1:]]), shown)
    written = _write(found, content, run if out is None else out, figures)
    if json:
        print_json({**_plain(found, content), "files": written})
        return
    say(content.verdict)
    for warning in content.warnings:
        say(f"  warning {warning}")
    for row in content.tables[0].rows:
        say("  " + "  ".join(cell.replace("\n", " ") for cell in row))
    for name, value in written.items():
        say(f"{name.replace('_', ' ')}: {value}")


def _plain(found: WordStudy, content: StudyContent) -> dict[str, Any]:
    from gaze_insight.workflow.studies.output import as_plain

    return {**as_plain(found, leave_out=("per_case",)), "verdict": content.verdict}


def _write(found: WordStudy, content: StudyContent, folder: Path, figures: Path | None) -> dict[str, str]:
    from gaze_insight.atomic import write_text_atomic
    from gaze_insight.insight.study_page import write_figures, write_study
    from gaze_insight.workflow.studies.output import write_rows

    files = {
        name: folder / f"study-words{ending}"
        for name, ending in (
            ("page", ".html"),
            ("json", ".json"),
            ("table", ".csv"),
            ("case_table", "-cases.csv"),
        )
    }
    write_study(content, files["page"])
    write_text_atomic(files["json"], json_text.dumps(_plain(found, content), indent=2) + "\n")
    write_rows(files["table"], found.rows())
    write_rows(files["case_table"], found.per_case)
    drawn = {} if figures is None else {path.stem: path for path in write_figures(content, figures)}
    return {name: str(path) for name, path in {**files, **drawn}.items()}
