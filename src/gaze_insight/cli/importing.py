"""`gaze-insight import`: one command a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.options import OnBad, Quiet

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.gaze.readers.fixation_table import FixationColumns

__all__ = ["import_folder", "import_kvasir", "import_ph2", "import_synthetic"]

_Out = Annotated[Path, Parameter(name=("--out", "-o"), help="Folder of the cohort that is made.")]
_Splits = Annotated[
    Path | None,
    Parameter(
        help="Folder with train.txt, val.txt and test.txt; without, splits are made by patient and look."
    ),
]
_Gaze = Annotated[Path | None, Parameter(help="The fixation table (CSV or TSV).")]
_Simulate = Annotated[
    bool,
    Parameter(
        name="--simulate-gaze", negative="", help="Simulate gaze from the masks where none was recorded."
    ),
]
_Name = Annotated[str | None, Parameter(help="The cohort's name.")]


def import_kvasir(
    source: Path,
    *,
    out: _Out,
    gaze: _Gaze = None,
    splits: _Splits = None,
    name: str = "kvasir",
    min_duration_ms: float = 50.0,
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
    *,
    out: _Out,
    splits: _Splits = None,
    name: str = "ph2",
    simulate_gaze: _Simulate = False,
    seed: int = 0,
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
    *,
    out: _Out,
    gaze: _Gaze = None,
    columns: Annotated[
        tuple[str, ...],
        Parameter(
            name="--column", negative="", help="ROLE=NAME, such as x=FixX; repeat for each role that differs."
        ),
    ] = (),
    frame: Literal["image_unit", "image_px"] = "image_unit",
    splits: _Splits = None,
    patients: Path | None = None,
    spacing_mm: tuple[float, float] | None = None,
    name: _Name = None,
    min_duration_ms: float = 50.0,
    simulate_gaze: _Simulate = False,
    seed: int = 0,
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
    *, out: _Out, cases: int = 60, seed: int = 0, name: str = "synthetic", quiet: Quiet = False
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


def _columns(pairs: tuple[str, ...]) -> FixationColumns | None:
    from pydantic import ValidationError

    from gaze_insight.errors import SettingsError
    from gaze_insight.gaze.readers.fixation_table import FixationColumns

    if not pairs:
        return None
    values = {role: name for role, _, name in (pair.partition("=") for pair in pairs)}
    try:
        return FixationColumns.model_validate({role: name or None for role, name in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            f"--column {'.'.join(map(str, first['loc']))}: {first['msg']}",
            remedy=f"roles: {', '.join(FixationColumns.model_fields)}",
        ) from error


def _tell(cohort: Cohort) -> None:
    report = cohort.report
    splits = ", ".join(f"{split} {len(ids)}" for split, ids in cohort.splits.items())
    say(f"{cohort.folder}: {len(cohort)} cases, {len(report.joined)} with gaze; {splits}")
    if not report.clean:
        say(f"Some things need a look: gaze-insight inspect {cohort.folder}")
