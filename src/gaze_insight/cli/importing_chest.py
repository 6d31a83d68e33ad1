"""`gaze-insight import`: chest radiographs with readings, labels and reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, say, show_progress
from gaze_insight.cli.import_options import CohortName, Out, tell_import
from gaze_insight.cli.options import Count, OnBad, Quiet, Seed

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort

__all__ = [
    "import_egd",
    "import_fake_mimic_eye",
    "import_mimic_eye",
    "import_nih_chest_xray",
    "import_reflacx",
]

ChestSplits = Annotated[
    Path | None,
    Parameter(
        help="Folder with train.txt, val.txt and test.txt; by default the published split where there is "
        "one, else splits are made by patient."
    ),
]
Pictures = Annotated[Path, Parameter(help="The folder of MIMIC-CXR-JPG, or the part of it that is needed.")]
Reports = Annotated[
    Path | None, Parameter(help="The folder of MIMIC-CXR's reports; by default none are read.")
]
SimulateOnBoxes = Annotated[
    bool,
    Parameter(
        name="--simulate-gaze",
        show_default=False,
        help="Simulate a reading of each image that has boxes, in all splits.",
    ),
]


def import_mimic_eye(
    source: Path,
    /,
    *,
    out: Out,
    sources: tuple[Literal["reflacx", "egd"], ...] = ("reflacx", "egd"),
    splits: ChestSplits = None,
    name: CohortName = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import MIMIC-Eye 1.0.0 as published: one case an image, with all readings of it.

    Access to the data needs a credentialed PhysioNet account; nothing of it leaves this machine.

    Args:
        source: The folder with patient_*/ in it.
        sources: Whose readings are used.
        name: The cohort's name; by default mimic-eye.
    """
    from gaze_insight.cohort.datasets.mimic_eye import import_mimic_eye as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, splits=splits, name=name or "mimic-eye", sources=sources, on_bad=on_bad,
            progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_reflacx(
    source: Path,
    /,
    *,
    out: Out,
    images: Pictures,
    reports: Reports = None,
    splits: ChestSplits = None,
    name: CohortName = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import REFLACX as published, its pictures from MIMIC-CXR-JPG.

    Args:
        source: The folder with main_data/ and gaze_data/.
        name: The cohort's name; by default reflacx.
    """
    from gaze_insight.cohort.datasets.reflacx import import_reflacx as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, images=images, reports=reports, splits=splits, name=name or "reflacx", on_bad=on_bad,
            progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_egd(
    source: Path,
    /,
    *,
    out: Out,
    images: Pictures,
    reports: Reports = None,
    splits: ChestSplits = None,
    name: CohortName = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import the Eye Gaze Data for chest X-rays (EGD) as published, its pictures from MIMIC-CXR-JPG.

    Args:
        source: The folder with master_sheet.csv.
        name: The cohort's name; by default egd.
    """
    from gaze_insight.cohort.datasets.egd import import_egd as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, images=images, reports=reports, splits=splits, name=name or "egd", on_bad=on_bad,
            progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_nih_chest_xray(
    source: Path,
    /,
    *,
    out: Out,
    splits: ChestSplits = None,
    simulate_gaze: SimulateOnBoxes = False,
    seed: Seed = 0,
    name: CohortName = None,
    on_bad: OnBad = "raise",
    quiet: Quiet = False,
) -> None:
    """Import NIH ChestX-ray14, all of it or a part. Its labels were mined from reports; it has no gaze.

    Args:
        source: The folder with Data_Entry_2017.csv and images/ or images_001/ and so on.
        seed: Seed of the splits and of the simulated gaze.
        name: The cohort's name; by default nih-chest-xray.
    """
    from gaze_insight.cohort.datasets.nih_chest_xray import import_nih_chest_xray as build

    with show_progress(quiet=quiet) as progress:
        cohort = build(
            source, out, splits=splits, name=name or "nih-chest-xray", simulate_gaze=simulate_gaze, seed=seed,
            on_bad=on_bad, progress=progress,
        )  # fmt: skip
    _tell(cohort)


def import_fake_mimic_eye(
    *, out: Out, patients: Count = 60, seed: Seed = 0, name: str = "fake-mimic-eye", quiet: Quiet = False
) -> None:
    """Make up a whole MIMIC-Eye tree, pixels, readings and reports included, and import it.

    Args:
        patients: How many patients; about 1.2 radiographs each.
        seed: Seed of everything.
        name: The cohort's name.
    """
    from gaze_insight.cohort.datasets.mimic_eye import import_mimic_eye as build
    from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
    from gaze_insight.cohort.fake_mimic_eye.tree import write_fake_mimic_eye

    tree = out / "source"
    with show_progress(quiet=quiet) as progress:
        write_fake_mimic_eye(tree, FakeTreeSettings(patients=patients, seed=seed), progress=progress)
        cohort = build(tree, out, name=name, progress=progress)
    _tell(cohort)


def _tell(cohort: Cohort) -> None:
    """What every import says, then what is known of a radiograph besides its gaze."""
    tell_import(cohort)
    facts = [case.chest for case in cohort.cases.values() if case.chest is not None]
    patients = {case.patient for case in cohort.cases.values() if case.patient is not None}
    readings = sum(len(one.readings) for one in facts)
    say(
        f"{count_of(len(patients), 'patient')}, {count_of(readings, 'reading')}, "
        f"{sum(bool(one.labels) for one in facts):,} cases with labels, "
        f"{sum(bool(one.boxes) for one in facts):,} with boxes, "
        f"{sum(one.report is not None for one in facts):,} with reports"
    )
