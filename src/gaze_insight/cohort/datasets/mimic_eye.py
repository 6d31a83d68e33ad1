"""MIMIC-Eye 1.0.0 (Hsieh et al., 2023, PhysioNet): the radiographs of REFLACX and EGD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.assembling import RadiographParts, assemble
from gaze_insight.cohort.mimic_eye.egd_gaze import calibration_rows
from gaze_insight.cohort.mimic_eye.patients import EGD_COMMON_GAZE, Source, read_patient
from gaze_insight.cohort.mimic_eye.tree import MimicEyeTree, find_tree
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import SettingsError
from gaze_insight.types import Progress, silent

__all__ = ["import_mimic_eye"]

_GAZE_FILES: dict[Source, str] = {
    "reflacx": "patient_*/REFLACX/main_data/*/fixations.csv",
    "egd": "patient_*/EyeGaze/fixations.csv",
}


@DATASETS.register("mimic_eye")
def import_mimic_eye(
    source: str | Path,
    destination: str | Path,
    *,
    splits: str | Path | SplitSettings | None = None,
    name: str = "mimic-eye",
    sources: Sequence[Source] = ("reflacx", "egd"),
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> Cohort:
    """Import MIMIC-Eye: one case an image, with all readings of it, labels, boxes, dictations and report.

    Only images that ``cxr_meta.csv`` lists are used, not the other views in the same folders. A folder or
    file that a patient lacks is counted in ``cohort.yaml`` under ``source: counts``; a picture that is
    missing is a bad case. Positions are turned into fractions of the original image by the size that
    ``cxr_meta.csv`` states, so pictures may have been resized (not cut).

    Args:
        source: The folder with ``patient_<subject_id>/`` in it, or the one above.
        destination: Folder of the cohort.
        splits: Folder of split files, or settings for making splits by patient; by default the column
            ``split`` of ``cxr_meta.csv`` where it is there and tears no patient, else splits are made.
        name: The cohort's name.
        sources: Whose readings are used: ``reflacx``, ``egd`` or both. Images of the others are left out.
        on_bad: What happens at a bad row, file or picture.
        progress: Told how many patients and pictures were read.

    Returns:
        The saved cohort.

    Raises:
        DataError: The tree is not there, a file is bad, or a picture is missing or damaged.
        SettingsError: A source is unknown, or there is none.

    Example:
        >>> import_mimic_eye("nowhere", "cohort")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected folders called patient_<subject_id>, found none
          -> give the folder of MIMIC-Eye 1.0.0 that holds them
    """
    unknown = [one for one in sources if one not in get_args(Source)]
    if unknown or not sources:
        raise SettingsError(f"sources must be some of {', '.join(get_args(Source))}, found {list(sources)}")
    account = Account(on_bad)
    root = find_tree(source)
    tree = MimicEyeTree(root, account)
    patients = list(tree.patients())
    read = []
    for done, (subject, folder) in enumerate(patients, start=1):
        with account.allowing("bad_patient"):
            read += read_patient(tree, subject, folder, sources, account)
        progress("reading patients", done, len(patients))
    account.dropped["calibration"] += calibration_rows(tree.common_rows(EGD_COMMON_GAZE))
    parts = RadiographParts(
        name=name,
        destination=Path(destination),
        dataset="mimic_eye",
        root=root,
        read=read,
        splits=Path(splits) if isinstance(splits, str) else splits,
        gaze_files=tuple(_GAZE_FILES[one] for one in sources),
        facts={"source": str(root.resolve()), "sources": list(sources)},
    )
    return assemble(parts, account, progress)
