"""`gaze-insight study assisted`: what gaze at the reading adds, and what poor gaze costs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Cluster, Count, Device, Json, Plugins, Quiet, Seed, Workers
from gaze_insight.cli.studied_cohort import SplitOrAll, choose_studied

__all__ = ["assisted"]


def assisted(
    run: Path,
    cohort: Path | None = None,
    /,
    *,
    split: SplitOrAll | None = None,
    cases: Annotated[Count | None, Parameter(show_default=False)] = None,
    fusion: Annotated[Path | None, Parameter(show_default=False)] = None,
    fit: Annotated[Path | None, Parameter(show_default=False)] = None,
    study: Annotated[tuple[str, ...], Parameter(name="--study-set", show_default=False)] = (),
    pictures: Annotated[int, Parameter(validator=Number(gte=0))] = 3,
    page: Annotated[Path | None, Parameter(show_default=False)] = None,
    table: Annotated[Path | None, Parameter(show_default=False)] = None,
    case_table: Annotated[Path | None, Parameter(show_default=False)] = None,
    figures: Annotated[Path | None, Parameter(show_default=False)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    plugins: Plugins = (),
    workers: Workers = None,
    cluster: Cluster = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score image, gaze and both, with gaze as it was recorded, made worse, of the wrong image, and none.

    Args:
        run: The finished run.
        cohort: Another cohort with gaze and true masks; by default the run's own.
        split: Which cases; by default the test split, all of another cohort, and with --fit the validation
            split. Cases that the run learned from are predicted by the networks of its rounds, or left out.
        cases: Cases drawn at random; by default all that have gaze and a true mask.
        fusion: When gaze is believed, a file from --fit; by default the run's own fusion.json or the
            package's.
        fit: Fit a fusion on these cases and write it to this file, for `predict --fusion`; as RUN/fusion.json
            it is used by the run from then on.
        study: One setting of the study, such as levels.offset_frac=[0.05,0.1] or fit.loss_aversion=2; may be
            given several times.
        pictures: Images that the page shows.
        page: The HTML page; by default study-assisted.html in the run's folder.
        table: CSV with the numbers of the figures.
        case_table: CSV with one row a case and kind of gaze.
        figures: Folder to which each figure is written as an SVG file of its own.
        seed: Seed of everything that is drawn.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.errors import SettingsError
    from gaze_insight.workflow.fusion_file import read_fusion, write_fusion
    from gaze_insight.workflow.studies.assisted import AssistedStudySettings, study_assisted
    from gaze_insight.workflow.studies.assisted_page import assisted_page
    from gaze_insight.workflow.studies.assisted_pictures import assisted_pictures
    from gaze_insight.workflow.studies.scoring import choose_cases

    load_plugins(plugins)
    settings = settings_from(AssistedStudySettings, study, "--study-set", {"seed": seed})
    studied = choose_studied(run, cohort, split, default="test" if fit is None else "val")
    if fit is not None and studied.own and studied.split in ("test", None):
        raise SettingsError(
            "a fusion must not be fitted on the run's own test split",
            remedy="--split val, or --split train for a run with rounds of refinement",
        )
    opened = Cohort.open(studied.folder)
    chosen = choose_cases(opened, split=studied.split, count=cases, seed=seed)
    with show_progress(quiet=quiet) as progress:
        found = study_assisted(
            run, opened, chosen, settings, split=studied.split,
            fusion=None if fusion is None else read_fusion(fusion), fit=fit is not None, device=device,
            workers=workers, cluster=cluster, progress=progress,
        )  # fmt: skip
    written: dict[str, str] = {}
    if fit is not None and found.fitted is not None:
        write_fusion(found.fitted, fit)
        written["fusion"] = str(fit)
    shown = assisted_pictures(run, opened, found, pictures, device=device)
    content = assisted_page(found, shlex.join(["gaze-insight", *sys.argv[1:]]), shown)
    files = {"page": page or run / "study-assisted.html", "table": table, "case_table": case_table}
    _finish(found, content, files, figures, written, json)


def _finish(
    found: Any,
    content: Any,
    files: dict[str, Path | None],
    figures: Path | None,
    written: dict[str, str],
    json: bool,
) -> None:
    from gaze_insight.insight.study_page import write_figures, write_study
    from gaze_insight.workflow.studies.output import as_plain, write_rows

    for name, path in files.items():
        if path is None:
            continue
        if name == "page":
            write_study(content, path)
        else:
            write_rows(path, found.rows() if name == "table" else found.per_case)
        written[name] = str(path)
    if figures is not None:
        written |= {path.stem: str(path) for path in write_figures(content, figures)}
    if json:
        plain = as_plain(found, leave_out=("per_case",))
        print_json({**plain, "verdict": content.verdict, "files": written})
        return
    say(content.verdict)
    for warning in content.warnings:
        say(f"  warning {warning}")
    for row in content.tables[0].rows:
        say("  " + "  ".join(cell.replace("\n", " ") for cell in row))
    for name, value in written.items():
        say(f"{name.replace('_', ' ')}: {value}")
