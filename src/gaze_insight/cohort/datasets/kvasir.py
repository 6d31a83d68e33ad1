"""Kvasir-SEG (Jha et al., 2020): colonoscopy images with polyp masks, and GazeMedSeg's fixations on them."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.folder import import_folder
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.gaze.readers.fixation_table import FixationColumns
from gaze_insight.types import Progress, silent

__all__ = ["import_kvasir"]

_GAZE_TABLE = "kvasir_fixation.csv"
_RELEASE_FOLDER = "Kvasir-SEG"


@DATASETS.register("kvasir")
def import_kvasir(
    source: str | Path,
    destination: str | Path,
    *,
    gaze: str | Path | None = None,
    splits: str | Path | SplitSettings | None = None,
    name: str = "kvasir",
    on_bad: OnBad = "raise",
    min_duration_ms: float = 50.0,
    progress: Progress = silent,
) -> Cohort:
    """Import Kvasir-SEG as released: ``images/*.jpg`` and ``masks/*.jpg`` of the same names.

    The release's bounding boxes are not used. The gaze table is GazeMedSeg's ``kvasir_fixation.csv`` (Zhong
    et al., 2024), in fractions of the image.

    Args:
        source: The release's folder, or the one that holds ``Kvasir-SEG/``.
        destination: Folder of the cohort.
        gaze: The fixation table; by default ``kvasir_fixation.csv`` in the source, if it is there.
        splits: Folder of split files, or settings for making splits; by default as in `import_folder`.
        name: The cohort's name.
        on_bad: What happens at a bad file or row.
        min_duration_ms: Shorter fixations are dropped and counted.
        progress: Told how many images were looked at.

    Returns:
        The saved cohort.

    Raises:
        DataError: A folder is missing, or a file or row is bad.

    Example:
        >>> import_kvasir("nowhere", "cohort")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere/images: expected a folder of images, found none
          -> check the path; nowhere holds: nothing
    """
    place = Path(source)
    table = place / _GAZE_TABLE if gaze is None and (place / _GAZE_TABLE).is_file() else gaze
    if not (place / "images").is_dir() and (place / _RELEASE_FOLDER / "images").is_dir():
        place = place / _RELEASE_FOLDER
    return import_folder(
        place,
        destination,
        gaze=table,
        columns=FixationColumns.gazemedseg(),
        frame="image_unit",
        splits=splits,
        name=name,
        on_bad=on_bad,
        min_duration_ms=min_duration_ms,
        dataset="kvasir",
        progress=progress,
    )
