"""The synthetic cohort: drawn, written as files, and imported like any other folder."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.folder import import_folder
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.cohort.synthetic import SyntheticSettings, write_synthetic
from gaze_insight.gaze.readers.fixation_table import FixationColumns
from gaze_insight.types import Progress, silent

__all__ = ["import_synthetic"]


@DATASETS.register("synthetic")
def import_synthetic(
    source: str | Path,
    destination: str | Path,
    *,
    settings: SyntheticSettings | None = None,
    splits: str | Path | SplitSettings | None = None,
    name: str = "synthetic",
    progress: Progress = silent,
) -> Cohort:
    """Draw a synthetic cohort into `source` and import it.

    Args:
        source: Folder for ``images/``, ``masks/`` and ``fixations.csv``; it is made.
        destination: Folder of the cohort; it may be the same.
        settings: How many cases, how large, how hard.
        splits: Folder of split files, or settings for making splits; by default splits are made.
        name: The cohort's name.
        progress: Told how many images were drawn and read.

    Returns:
        The saved cohort; its ``source`` says that it is synthetic, each case's meta that gaze is simulated.

    Raises:
        DataError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> settings = SyntheticSettings(cases=6, size_px=(64, 80))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cohort = import_synthetic(folder, folder, settings=settings)
        >>> len(cohort), cohort.report.clean
        (6, True)
    """
    settings = settings or SyntheticSettings()
    table = write_synthetic(Path(source), settings, progress=progress)
    return import_folder(
        source,
        destination,
        gaze=table,
        columns=FixationColumns(),
        frame="image_unit",
        gaze_origin="simulated",
        splits=splits,
        name=name,
        dataset="synthetic",
        facts={"synthetic": settings.model_dump(mode="json")},
        progress=progress,
    )
