"""PH2 (Mendonça et al., 2013): dermoscopy images with lesion masks; nobody's gaze was recorded on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaze_insight.cohort.building import CohortParts, OnBad, build_cohort
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.folder import import_folder
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.simulator import SimulatorSettings
from gaze_insight.types import Progress, silent

__all__ = ["import_ph2"]

_RELEASE_FOLDER = "PH2 Dataset images"


@DATASETS.register("ph2")
def import_ph2(
    source: str | Path,
    destination: str | Path,
    *,
    splits: str | Path | SplitSettings | None = None,
    name: str = "ph2",
    on_bad: OnBad = "raise",
    simulate_gaze: bool = False,
    simulator: SimulatorSettings | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Cohort:
    """Import PH2, as released or as a plain folder.

    The release holds ``PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp`` and
    ``PH2 Dataset images/IMD002/IMD002_lesion/IMD002_lesion.bmp``; a plain folder ``images/`` and ``masks/``.

    Args:
        source: The release's folder, its ``PH2 Dataset images``, or the plain folder.
        destination: Folder of the cohort.
        splits: Folder of split files, or settings for making splits; by default splits are made.
        name: The cohort's name.
        on_bad: What happens at a bad file.
        simulate_gaze: Simulate gaze on the masks; each case's meta then says ``gaze: simulated``.
        simulator: How gaze is simulated; by default as annotators looked at polyps.
        seed: Seed of the simulation.
        progress: Told how many images were looked at.

    Returns:
        The saved cohort.

    Raises:
        DataError: Neither layout is there, or a file is bad.

    Example:
        >>> import_ph2("nowhere", "cohort")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected 'PH2 Dataset images/' or 'images/', found neither
          -> give the folder that was unpacked from the release
    """
    place = Path(source)
    if (place / "images").is_dir():
        return import_folder(
            place,
            destination,
            splits=splits,
            name=name,
            on_bad=on_bad,
            simulate_gaze=simulate_gaze,
            simulator=simulator,
            seed=seed,
            dataset="ph2",
            progress=progress,
        )
    root = _release(place)
    images, masks = _release_files(root)
    chosen = SimulatorSettings.kvasir() if simulator is None else simulator
    how: Path | SplitSettings = SplitSettings() if splits is None else _as_path(splits)
    facts: dict[str, Any] = {
        "source": str(root.resolve()),
        "simulated_gaze": chosen.model_dump(mode="json") | {"seed": seed} if simulate_gaze else None,
        "splits": str(how) if isinstance(how, Path) else how.model_dump(mode="json"),
    }
    parts = CohortParts(
        name=name,
        destination=Path(destination),
        dataset="ph2",
        root=root,
        images=images,
        masks=masks,
        simulator=chosen if simulate_gaze else None,
        simulator_seed=seed,
        splits=how,
        facts=facts,
    )
    return build_cohort(parts, on_bad=on_bad, progress=progress)


def _as_path(splits: str | Path | SplitSettings) -> Path | SplitSettings:
    return splits if isinstance(splits, SplitSettings) else Path(splits)


def _release(place: Path) -> Path:
    for candidate in (place / _RELEASE_FOLDER, place):
        if any(candidate.glob("IMD*/IMD*_Dermoscopic_Image")):
            return candidate
    raise DataError(
        f"expected '{_RELEASE_FOLDER}/' or 'images/', found neither",
        path=place,
        remedy="give the folder that was unpacked from the release",
    )


def _release_files(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        one = folder.name
        picture = folder / f"{one}_Dermoscopic_Image" / f"{one}.bmp"
        lesion = folder / f"{one}_lesion" / f"{one}_lesion.bmp"
        if picture.parent.is_dir():
            images[one] = picture
        if lesion.is_file():
            masks[one] = lesion
    return images, masks
