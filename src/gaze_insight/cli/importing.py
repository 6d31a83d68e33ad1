"""`gaze-insight import`: one command a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import load_plugins, say, show_progress
from gaze_insight.cli.options import Count, OnBad, Plugins, Quiet, Seed

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.gaze.readers.fixation_table import FixationColumns

__all__ = ["import_custom", "import_folder", "import_kvasir", "import_ph2", "import_synthetic"]

_Out = Annotated[Path, Parameter(name=("--out", "-o"), help="Folder of the cohort that is made.")]
_Splits = Annotated[
    Path | None,
    Parameter(
        help="Folder with train.txt, val.txt and test.txt; by default the source's splits/, and where there "
        "is none, splits are made that keep a patient and near-duplicate images together."
    ),
]
_Gaze = Annotated[Path | None, Parameter(help="The fixation table (CSV or TSV).")]
_Simulate = Annotated[
    bool,
    Parameter(
        name="--simulate-gaze",
        show_default=False,
        help="Simulate gaze from the masks where none was recorded.",
    ),
]
_Name = Annotated[str | None, Parameter(help="The cohort's name; by default the folder's.")]
_Duration = Annotated[float, Parameter(validator=Number(gte=0))]


def import_kvasir(
    source: Path,
    /,
    *,
    out: _Out,
    gaze: _Gaze = None,
    splits: _Splits = None,
    name: str = "kvasir",
    min_duration_ms: _Duration = 50.0,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import Kvasir-SEG with the fixations of GazeMedSeg.

    Args:
        source: The folder with images/ and masks/.
        name: The cohort's name.
        min_duration_ms: Shorter fixations are dropped and counted.
    """
    from gaze_insight.cohort.datasets.kvasir import import_kvasir as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, gaze=gaze, splits=splits, name=name, on_bad=on_bad,
            min_duration_ms=min_duration_ms, progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_ph2(
    source: Path,
    /,
    *,
    out: _Out,
    splits: _Splits = None,
    name: str = "ph2",
    simulate_gaze: _Simulate = False,
    seed: Seed = 0,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import PH2 dermoscopy, as released or as images/ and masks/. It has no recorded gaze.

    Args:
        source: The folder of the release, or with images/ and masks/.
        name: The cohort's name.
        seed: Seed of the simulated gaze.
    """
    from gaze_insight.cohort.datasets.ph2 import import_ph2 as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, splits=splits, name=name, on_bad=on_bad, simulate_gaze=simulate_gaze, seed=seed,
            progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_folder(
    source: Path,
    /,
    *,
    out: _Out,
    gaze: _Gaze = None,
    columns: Annotated[
        tuple[str, ...],
        Parameter(
            name="--column",
            show_default=False,
            help="ROLE=NAME, such as x=FixX; repeat for each role that differs from GazeMedSeg's table. "
            "Roles: image, x, y, duration_ms, start_ms, annotator, image_height, image_width. An empty name "
            "says that there is no such column. time_unit=s says that times are in seconds.",
        ),
    ] = (),
    frame: Literal["image_unit", "image_px"] = "image_unit",
    splits: _Splits = None,
    patients: Path | None = None,
    spacing_mm: tuple[float, float] | None = None,
    name: _Name = None,
    min_duration_ms: _Duration = 50.0,
    simulate_gaze: _Simulate = False,
    seed: Seed = 0,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import your own folder: images/, masks/ where there are any, and a fixation table.

    Args:
        source: The folder with images/.
        frame: What the table's x and y are: fractions of the image, or its pixels.
        patients: CSV with the columns id and patient, so that no patient stands in two splits.
        spacing_mm: Distance between pixels, down and across, in mm.
        min_duration_ms: Shorter fixations are dropped and counted.
        seed: Seed of the simulated gaze.
    """
    from gaze_insight.cohort.datasets.folder import import_folder as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, gaze=gaze, columns=_columns(columns), frame=frame, splits=splits, patients=patients,
            spacing_mm=spacing_mm, name=name, min_duration_ms=min_duration_ms, simulate_gaze=simulate_gaze,
            seed=seed, on_bad=on_bad, progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_synthetic(
    *, out: _Out, cases: Count = 60, seed: Seed = 0, name: str = "synthetic", quiet: Quiet = False
) -> None:
    """Make a cohort of drawn images with known masks and simulated gaze.

    Args:
        cases: Number of images.
        seed: Seed of the drawing.
        name: The cohort's name.
    """
    from gaze_insight.cohort.datasets.synthetic import import_synthetic as build
    from gaze_insight.cohort.synthetic import SyntheticSettings

    with show_progress(quiet=quiet) as progress:
        settings = SyntheticSettings(cases=cases, seed=seed)
        cohort = build(out / "source", out, settings=settings, name=name, progress=progress)
    _tell(cohort)


def import_custom(
    dataset: str,
    source: Path,
    /,
    *,
    out: _Out,
    plugins: Plugins = (),
    gaze: _Gaze = None,
    splits: _Splits = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import any registered data set, such as one of your own module.

    Args:
        dataset: The name it is registered under.
        source: Where its files are.
    """
    from gaze_insight.cohort.datasets.registry import DATASETS

    load_plugins(plugins)
    given = {"gaze": gaze, "splits": splits}
    with show_progress(quiet=quiet) as progress:
        cohort = DATASETS[dataset](
            source,
            out,
            on_bad=on_bad,
            progress=progress,
            **{name: value for name, value in given.items() if value is not None},
        )
    _tell(cohort)


def _columns(pairs: tuple[str, ...]) -> FixationColumns | None:
    from pydantic import ValidationError

    from gaze_insight.errors import SettingsError
    from gaze_insight.gaze.readers.fixation_table import FixationColumns

    if not pairs:
        return None
    bare = next((pair for pair in pairs if "=" not in pair), None)
    if bare is not None:
        raise SettingsError(f"--column expects ROLE=NAME, found {bare!r}", remedy="such as --column x=FixX")
    values = {role: name for role, _, name in (pair.partition("=") for pair in pairs)}
    known = FixationColumns.model_fields
    strange = next((role for role in values if role not in known), None)
    if strange is not None:
        raise SettingsError(f"--column: unknown role {strange!r}", remedy=f"roles: {', '.join(known)}")
    try:
        return FixationColumns.model_validate({role: name or None for role, name in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        place, found = ".".join(map(str, first["loc"])), first["input"]
        what = first["msg"].replace("Input should be", "expected")
        raise SettingsError(f"--column {place}: {what}, found {found or ''!r}") from error


def _tell(cohort: Cohort) -> None:
    report = cohort.report
    splits = ", ".join(f"{split} {len(ids)}" for split, ids in cohort.splits.items())
    say(f"{cohort.folder}: {len(cohort)} cases, {len(report.joined)} with gaze; {splits}")
    if report.excluded:
        say(f"images left out: {len(report.excluded)}; the first: {': '.join(report.excluded[0])}")
    if report.problems:
        say(f"rows of the gaze table left out: {len(report.problems)}; the first: {report.problems[0]}")
    if report.clean:
        say(f"next: gaze-insight inspect {cohort.folder}")
    else:
        say(f"some things need a look: gaze-insight inspect {cohort.folder}")
