"""`gaze-insight study keywords`: what the keyword labeler reads in real reports, against their tags."""

from __future__ import annotations

import json as json_text
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gaze_insight.cli.console import print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Json, Quiet, Seed

if TYPE_CHECKING:
    from gaze_insight.insight.study_page import StudyContent
    from gaze_insight.workflow.studies.chest_keywords import KeywordStudy

__all__ = ["keywords"]


def keywords(
    folder: Path,
    /,
    *,
    out: Annotated[Path, Parameter(show_default=False)] = Path(),
    study: Annotated[tuple[str, ...], Parameter(name="--study-set", show_default=False)] = (),
    figures: Annotated[Path | None, Parameter(show_default=False)] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label the OpenI chest X-ray reports by keywords and compare with their MeSH tags.

    Args:
        folder: The folder of indiana_reports.csv.
        out: Folder of study-keywords.html, .json, .csv and -reports.csv; by default the working folder.
        study: One setting of the study, such as text_metrics=false or keywords.misspellings=true; may be
            given several times.
        figures: Folder to which each figure is written as an SVG file of its own.
        seed: Seed of resamples and of the shuffled reports.
    """
    from gaze_insight.workflow.studies.chest_keywords import KeywordStudySettings, study_keywords
    from gaze_insight.workflow.studies.chest_keywords_page import keywords_page

    settings = settings_from(KeywordStudySettings, study, "--study-set", {"seed": seed})
    with show_progress(quiet=quiet) as progress:
        found = study_keywords(folder, settings, progress=progress)
    content = keywords_page(found, shlex.join(["gaze-insight", *sys.argv[1:]]))
    written = _write(found, content, out, figures)
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


def _plain(found: KeywordStudy, content: StudyContent) -> dict[str, Any]:
    from gaze_insight.workflow.studies.output import as_plain

    plain: dict[str, Any] = as_plain(found, leave_out=("per_case", "rows", "texts"))
    plain["rows"] = as_plain(found.table())
    plain["texts"] = [
        {
            "text": one.text,
            "changed": one.changed,
            "overlap": as_plain(one.overlap.as_dict()),
            "keywords": as_plain(one.keywords.as_dict()),
        }
        for one in found.texts
    ]
    return {**plain, "verdict": content.verdict}


def _write(found: KeywordStudy, content: StudyContent, folder: Path, figures: Path | None) -> dict[str, str]:
    from gaze_insight.atomic import write_text_atomic
    from gaze_insight.insight.study_page import write_figures, write_study
    from gaze_insight.workflow.studies.output import write_rows

    endings = {"page": ".html", "json": ".json", "table": ".csv", "report_table": "-reports.csv"}
    files = {name: folder / f"study-keywords{ending}" for name, ending in endings.items()}
    write_study(content, files["page"])
    write_text_atomic(files["json"], json_text.dumps(_plain(found, content), indent=2) + "\n")
    write_rows(files["table"], found.table())
    write_rows(files["report_table"], found.per_case)
    drawn = {} if figures is None else {path.stem: path for path in write_figures(content, figures)}
    return {name: str(path) for name, path in {**files, **drawn}.items()}
