"""`gaze-insight study`: what seconds buy, what noise costs, what parts and simulated gaze are worth."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

from gaze_insight.cli.console import print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
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
    Seed,
    Workers,
    compose_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.insight.study_page import StudyContent
    from gaze_insight.types import Settings
    from gaze_insight.workflow.studies.noise import NoiseStudy
    from gaze_insight.workflow.studies.parts import PartsStudy
    from gaze_insight.workflow.studies.scoring import StudiedCases
    from gaze_insight.workflow.studies.simulator import SimulatorStudy
    from gaze_insight.workflow.studies.time import TimeStudy

__all__ = ["StudyFlags", "noise", "parts", "simulator", "time"]

_Study = TypeVar("_Study")
_NOISE_CASES = 150


@Parameter(name="*")
@dataclass(frozen=True)
class StudyFlags:
    """Flags that all studies share."""

    page: Annotated[
        Path | None,
        Parameter(help="The HTML page to write; by default study-NAME.html in the cohort's folder."),
    ] = None
    table: Annotated[Path | None, Parameter(help="CSV with the numbers of the figures.")] = None
    case_table: Annotated[Path | None, Parameter(help="CSV with one row a case.")] = None
    figures: Annotated[
        Path | None, Parameter(help="Folder to which each figure is written as an SVG file of its own.")
    ] = None
    split: Annotated[
        Literal["train", "val", "test", "all"], Parameter(help="Which cases; they need gaze and a true mask.")
    ] = "all"
    seed: Seed = 0
    """Seed of everything that is drawn."""
    study: Annotated[
        tuple[str, ...],
        Parameter(
            name="--study-set",
            show_default=False,
            help="One setting of the study, such as limits_s=[1,2,4] (time), levels.offset_frac=[0.02,0.05] "
            "or repeats=5 (noise), simulator.count_mean=20 or comparison.margin_sd=0.3 (simulator), "
            "reference=none (parts); may be given several times.",
        ),
    ] = ()
    presets: Presets = ()
    config: ConfigFiles = ()
    overrides: Overrides = ()
    plugins: Plugins = ()
    workers: Workers = None
    cluster: Cluster = None
    on_bad: OnBad = "raise"
    json: Json = False
    quiet: Quiet = False


_DEFAULT = StudyFlags()


def time(cohort: Path, /, *, cases: Count | None = None, flags: StudyFlags = _DEFAULT) -> None:
    """Draw how good pseudo-masks are after t seconds of looking, beside what other annotation costs.

    Args:
        cohort: The cohort's folder.
        cases: Cases drawn at random; by default all that have gaze and a true mask.
    """
    from gaze_insight.workflow.studies.time import TimeSettings, study_time
    from gaze_insight.workflow.studies.time_page import time_page

    settings = settings_from(TimeSettings, flags.study, "--study-set", {"seed": flags.seed})
    opened, chosen = _chosen(cohort, cases, flags)
    study = _studied(study_time, opened, chosen, settings, flags)
    _finish("time", opened, study, time_page(study, _command()), flags)


def noise(cohort: Path, /, *, cases: Count = _NOISE_CASES, flags: StudyFlags = _DEFAULT) -> None:
    """Draw how pseudo-masks suffer from offset, imprecision, lost and spurious fixations, and mix-ups.

    Args:
        cohort: The cohort's folder.
        cases: Cases drawn at random, at most; each is labelled some 70 times.
    """
    from gaze_insight.workflow.studies.noise import NoiseStudySettings, study_noise
    from gaze_insight.workflow.studies.noise_page import noise_page

    settings = settings_from(NoiseStudySettings, flags.study, "--study-set", {"seed": flags.seed})
    opened, chosen = _chosen(cohort, cases, flags)
    study = _studied(study_noise, opened, chosen, settings, flags)
    _finish("noise", opened, study, noise_page(study, _command()), flags)


def simulator(
    cohort: Path,
    /,
    *,
    cases: Count | None = None,
    annotator: Literal["kvasir", "nci_isbi"] = "kvasir",
    pictures: Count = 3,
    flags: StudyFlags = _DEFAULT,
) -> None:
    """Compare readings simulated on the true masks with the real ones of the same images.

    Args:
        cohort: The cohort's folder.
        cases: Cases drawn at random; by default all that have gaze and a true mask.
        annotator: Whose statistics the simulator starts from: of polyps or of prostate MRI.
        pictures: Images whose scan paths are shown.
    """
    from gaze_insight.gaze.simulator import SimulatorSettings
    from gaze_insight.workflow.studies.simulator import SimulatorStudySettings, study_simulator
    from gaze_insight.workflow.studies.simulator_figures import scan_path_pictures
    from gaze_insight.workflow.studies.simulator_page import simulator_page

    start = SimulatorSettings.nci_isbi() if annotator == "nci_isbi" else SimulatorSettings.kvasir()
    base = {
        "seed": flags.seed,
        "comparison": {"seed": flags.seed},
        "simulator": start.model_dump(mode="json"),
    }
    settings = settings_from(SimulatorStudySettings, flags.study, "--study-set", base)
    opened, chosen = _chosen(cohort, cases, flags)
    study = _studied(study_simulator, opened, chosen, settings, flags)
    shown = scan_path_pictures(opened, study, pictures)
    _finish("simulator", opened, study, simulator_page(study, _command(), shown), flags)


def parts(
    cohort: Path,
    /,
    *,
    cases: Count | None = None,
    grey: Annotated[bool, Parameter(show_default=False)] = False,
    calibration: Annotated[Path | None, Parameter(show_default=False)] = None,
    fit_calibration: Annotated[Path | None, Parameter(show_default=False)] = None,
    pictures: Count = 3,
    flags: StudyFlags = _DEFAULT,
) -> None:
    """Compare the parts of the pseudo-mask, their vote, its trust map and its quality score with the truth.

    Args:
        cohort: The cohort's folder.
        cases: Cases drawn at random; by default all that have gaze and a true mask.
        grey: Take the colour out of the images first.
        calibration: How the expected Dice is told, a file from --fit-calibration; by default the package's.
        fit_calibration: Fit a calibration on the cases studied and write it to this file, for `label
            --calibration`; the study itself does not use it.
        pictures: Images that the page shows with each part's picture.
    """
    from gaze_insight.errors import DataError
    from gaze_insight.pseudomask.expected_dice import LEAST_CASES
    from gaze_insight.workflow.calibration_file import read_calibration, write_calibration
    from gaze_insight.workflow.studies.parts import calibration_of, study_parts
    from gaze_insight.workflow.studies.parts_figures import part_pictures
    from gaze_insight.workflow.studies.parts_page import parts_page
    from gaze_insight.workflow.studies.parts_recipes import PartsSettings

    base: dict[str, Any] = {"seed": flags.seed} | ({"grey": True} if grey else {})
    settings = settings_from(PartsSettings, flags.study, "--study-set", base)
    told = None if calibration is None else read_calibration(calibration)
    opened, chosen = _chosen(cohort, cases, flags)
    if fit_calibration is not None and len(chosen.cases) < LEAST_CASES:
        raise DataError(
            f"a calibration needs {LEAST_CASES} cases with gaze and true mask, found {len(chosen.cases)}",
            remedy="leave --fit-calibration out, or study more cases",
        )
    study = _studied(partial(study_parts, calibration=told), opened, chosen, settings, flags)
    written = {}
    if fit_calibration is not None:
        words = "all splits" if flags.split == "all" else f"split {flags.split}"
        write_calibration(calibration_of(study, words, flags.seed), fit_calibration)
        written["calibration"] = str(fit_calibration)
    shown = part_pictures(opened, study, pictures)
    _finish("parts", opened, study, parts_page(study, _command(), shown), flags, written)


def _command() -> str:
    return shlex.join(["gaze-insight", *sys.argv[1:]])


def _chosen(folder: Path, count: int | None, flags: StudyFlags) -> tuple[Cohort, StudiedCases]:
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.studies.scoring import choose_cases

    cohort = Cohort.open(folder)
    split = None if flags.split == "all" else flags.split
    return cohort, choose_cases(cohort, split=split, count=count, seed=flags.seed)


def _studied(
    study: Callable[..., _Study], cohort: Cohort, chosen: StudiedCases, settings: Settings, flags: StudyFlags
) -> _Study:
    labels = compose_config(flags.presets, flags.config, flags.overrides, flags.plugins).labels
    with show_progress(quiet=flags.quiet) as progress:
        return study(
            cohort,
            chosen,
            labels,
            settings,
            workers=flags.workers,
            cluster=flags.cluster,
            on_bad=flags.on_bad,
            progress=progress,
        )


def _finish(
    name: str,
    cohort: Cohort,
    study: TimeStudy | NoiseStudy | SimulatorStudy | PartsStudy,
    content: StudyContent,
    flags: StudyFlags,
    files: Mapping[str, str] | None = None,
) -> None:
    from gaze_insight.insight.study_page import write_figures, write_study
    from gaze_insight.workflow.studies.output import as_plain, write_rows

    page = cohort.folder / f"study-{name}.html" if flags.page is None else flags.page
    write_study(content, page)
    written: dict[str, Any] = {"page": str(page), **(files or {})}
    if flags.table is not None:
        write_rows(flags.table, study.rows())
        written["table"] = str(flags.table)
    if flags.case_table is not None:
        write_rows(flags.case_table, study.per_case)
        written["case_table"] = str(flags.case_table)
    if flags.figures is not None:
        written["figures"] = [str(path) for path in write_figures(content, flags.figures)]
    if flags.json:
        kept = as_plain(study, leave_out=("per_case", "real", "simulated"))
        print_json({**kept, "verdict": content.verdict, "files": written})
        return
    _tell(content, written)


def _tell(content: StudyContent, written: dict[str, Any]) -> None:
    say(content.verdict)
    for warning in content.warnings:
        say(f"  warning {warning}")
    for name, value in content.facts.items():
        say(f"  {name.lower()}: {value}")
    for table in content.tables:
        say(f"{table.title}")
        cells = [[_in_line(cell) for cell in row] for row in (table.columns, *table.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for name, value in written.items():
        say(f"{name.replace('_', ' ')}: {value if isinstance(value, str) else f'{len(value)} SVG files'}")


def _in_line(cell: str) -> str:
    first, _, second = cell.partition("\n")
    return f"{first}{' ' if second[:1] in '[±' else ', '}{second}" if second else first
