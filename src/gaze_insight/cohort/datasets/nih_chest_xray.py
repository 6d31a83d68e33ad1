"""NIH ChestX-ray14 (Wang et al., CVPR 2017): labels mined from reports, some boxes, no recorded gaze."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.cohort.building import CohortParts, OnBad, build_cohort
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestBox, ChestFacts, ChestReading
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.nih_tables import (
    NihBoxes,
    NihEntry,
    NihRows,
    read_nih_boxes,
    read_nih_entries,
    read_nih_list,
)
from gaze_insight.cohort.datasets.registry import DATASETS
from gaze_insight.cohort.listing import list_images
from gaze_insight.cohort.splits import SplitSettings, make_splits
from gaze_insight.errors import DataError
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations
from gaze_insight.types import BoolArray, Progress, Split, silent

__all__ = ["import_nih_chest_xray", "simulated_reading"]

_ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
_BOXES = "BBox_List_2017.csv"
_TRAIN_VAL, _TEST = "train_val_list.txt", "test_list.txt"
_MASK_PX = 256
_MINED = "mined from reports by the publisher; not read from the images"


@DATASETS.register("nih_chest_xray")
def import_nih_chest_xray(
    source: str | Path,
    destination: str | Path,
    *,
    splits: str | Path | SplitSettings | None = None,
    name: str = "nih-chest-xray",
    simulate_gaze: bool = False,
    simulator: SimulatorSettings | None = None,
    seed: int = 0,
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> Cohort:
    """Import NIH ChestX-ray14, all of it or any part, at any size: one case an image.

    The source holds ``Data_Entry_2017.csv`` (or the form of 2020), ``BBox_List_2017.csv`` where there are
    boxes, and images in ``images/`` or, as published, ``images_001/images/`` to ``images_012/images/``. An
    image joins its row by name without ending, so ``.jpg`` copies of the published ``.png`` do.

    The labels were mined from reports; an image in no row is left out, and rows and boxes without an image
    are counted in ``cohort.yaml`` under ``source: not_used``.

    Args:
        source: The folder.
        destination: Folder of the cohort.
        splits: Folder of split files, or settings for making splits by patient. By default the published
            ``train_val_list.txt`` and ``test_list.txt`` where both are there, validation images drawn from
            the first by patient; else 70, 10 and 20 % of the images, by patient.
        name: The cohort's name.
        simulate_gaze: Simulate a reading of each image that has a box, whichever split it is in, on all its
            boxes together; the reading's source and the case's meta then say ``simulated``.
        simulator: How gaze is simulated; by default as annotators looked at polyps.
        seed: Seed of the splits and of the simulation.
        on_bad: What happens at a bad row or file.
        progress: Told how many images were looked at.

    Returns:
        The saved cohort.

    Raises:
        DataError: The table or the images are not there, nothing joins, or a row or file is bad.

    Example:
        >>> import_nih_chest_xray("nowhere", "cohort")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected 'Data_Entry_2017.csv', found none
          -> give the folder that holds it together with images/ or images_001/ and so on
    """
    root = Path(source)
    table = _table(root)
    rows = read_nih_entries(table, on_bad)
    boxes = read_nih_boxes(root / _BOXES, on_bad) if (root / _BOXES).is_file() else NihBoxes({}, 0, ())
    images, ignored = _images(root)
    joined = {one: path for one, path in images.items() if one in rows.entries}
    if not joined:
        raise DataError(
            f"none of the {len(images)} images is among the {len(rows.entries)} rows of {table.name}",
            path=root,
            remedy="images join by name, such as 00000001_000.png or .jpg",
        )
    chosen = SimulatorSettings.kvasir() if simulator is None else simulator
    how, said = _splits(root, rows, joined, splits, seed)
    parts = CohortParts(
        name=name,
        destination=Path(destination),
        dataset="nih_chest_xray",
        root=root,
        images=joined,
        splits=how,
        patients={one: rows.entries[one].patient for one in joined},
        left_out=tuple((one, f"not in {table.name}") for one in images if one not in joined),
        ignored_files=ignored,
        facts={
            "source": str(root.resolve()),
            "labels": _MINED,
            "splits": said,
            "simulated_gaze": chosen.model_dump(mode="json") | {"seed": seed} if simulate_gaze else None,
            "boxes": _account_of_boxes(boxes, joined),
            "not_used": {
                "rows without an image": len(rows.entries.keys() - images.keys()),
                "boxes without an image": sum(
                    len(found) for one, found in boxes.boxes.items() if one not in joined
                ),
            },
        },
    )
    cohort = build_cohort(parts, on_bad=on_bad, progress=progress)
    looker = _Looker(chosen, seed) if simulate_gaze else None
    return _with_chest(cohort, rows, boxes, looker)


def simulated_reading(
    case: str, boxes: tuple[ChestBox, ...], settings: SimulatorSettings, seed: int = 0
) -> ChestReading:
    """Simulate one reading of a radiograph whose findings are boxed.

    Args:
        case: Id of the image; each image has its own stream of random numbers, whatever the others are.
        boxes: Its boxes, looked at as one area; none gives a search of the whole image.
        settings: The annotator and the tracker.
        seed: Seed of the simulation.

    Returns:
        The reading, of source ``simulated``; trust 1, less where the simulated tracker left the image.

    Example:
        >>> box = ChestBox("Mass", "finding", 0.6, 0.5, 0.8, 0.7)
        >>> reading = simulated_reading("a", (box,), SimulatorSettings.kvasir())
        >>> reading.source, reading.trust, bool((reading.fixations.x[1:] > 0.5).mean() > 0.8)
        ('simulated', 1.0, True)
    """
    rng = np.random.default_rng([seed, zlib.crc32(case.encode())])
    all_of_it = simulate_fixations(_mask_of(boxes), settings, rng)
    on_image = all_of_it.select(all_of_it.inside)
    whole = float(all_of_it.duration_ms.sum())
    beside = len(all_of_it) - len(on_image)
    return ChestReading(
        id=f"{case}-simulated",
        source="simulated",
        fixations=replace(on_image, image_size=None),
        trust=float(on_image.duration_ms.sum()) / whole if whole > 0 else 0.0,
        dropped={"off_image": beside} if beside else {},
    )


@dataclass(frozen=True)
class _Looker:
    """Who looks at the boxes."""

    settings: SimulatorSettings
    seed: int


def _mask_of(boxes: tuple[ChestBox, ...]) -> BoolArray:
    middle = (np.arange(_MASK_PX) + 0.5) / _MASK_PX
    mask = np.zeros((_MASK_PX, _MASK_PX), dtype=np.bool_)
    for box in boxes:
        down = (middle >= box.y0) & (middle <= box.y1)
        across = (middle >= box.x0) & (middle <= box.x1)
        mask |= down[:, None] & across[None, :]
    return mask


def _with_chest(cohort: Cohort, rows: NihRows, boxes: NihBoxes, looker: _Looker | None) -> Cohort:
    cases = {
        one: _chest_case(case, rows.entries[one], boxes.boxes.get(one, ()), looker)
        for one, case in cohort.cases.items()
    }
    looked = tuple(one for one, case in cases.items() if case.fixations is not None)
    report = replace(
        cohort.report,
        joined=looked,
        images_without_gaze=tuple(one for one in cases if cases[one].fixations is None),
        images_without_mask=(),
        fixations=0,
        problems=(*rows.problems, *boxes.problems),
    )
    made = replace(cohort, cases=cases, report=report)
    made.save()
    return made


def _chest_case(case: Case, entry: NihEntry, boxes: tuple[ChestBox, ...], looker: _Looker | None) -> Case:
    readings = (
        ()
        if looker is None or not boxes
        else (simulated_reading(case.id, boxes, looker.settings, looker.seed),)
    )
    facts = ChestFacts(labels={"nih": dict(entry.labels)}, boxes=boxes, readings=readings, view=entry.view)
    size, extent = case.image_size, entry.extent_mm
    spacing = None if size is None or extent is None else (extent[0] / size.height, extent[1] / size.width)
    meta = {**case.meta, **entry.about, **({"gaze": "simulated"} if readings else {})}
    return replace(case, chest=facts, meta=meta, spacing_mm=spacing)


def _table(root: Path) -> Path:
    for one in _ENTRIES:
        if (root / one).is_file():
            return root / one
    raise DataError(
        f"expected '{_ENTRIES[1]}', found none",
        path=root,
        remedy="give the folder that holds it together with images/ or images_001/ and so on",
    )


def _images(root: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    folders = [root / "images", *sorted(root.glob("images_*/images")), *sorted(root.glob("images_*"))]
    found: dict[str, Path] = {}
    ignored: list[str] = []
    for folder in (one for one in folders if one.is_dir()):
        listing = list_images(folder)
        ignored += listing.ignored
        twice = next((one for one in listing.files if one in found), None)
        if twice is not None:
            raise DataError(
                f"the image {twice!r} is there twice: {found[twice]} and {listing.files[twice]}",
                path=root,
                remedy="remove one of them",
            )
        found |= listing.files
    if not found:
        raise DataError("expected images in images/ or images_001/images/ and so on, found none", path=root)
    return dict(sorted(found.items())), tuple(ignored)


def _account_of_boxes(boxes: NihBoxes, joined: Mapping[str, Path]) -> dict[str, int]:
    mine = [found for one, found in boxes.boxes.items() if one in joined]
    return {"images": len(mine), "boxes": sum(map(len, mine)), "cut at the edge": boxes.clipped}


def _splits(
    root: Path, rows: NihRows, joined: Mapping[str, Path], asked: str | Path | SplitSettings | None, seed: int
) -> tuple[Path | SplitSettings | dict[Split, tuple[str, ...]], Any]:
    """How the images are split, and the same for ``cohort.yaml``."""
    if isinstance(asked, SplitSettings):
        return asked, asked.model_dump(mode="json")
    if asked is not None:
        return Path(asked), str(asked)
    plain = SplitSettings(seed=seed, near_duplicate_ncc=None)
    if not ((root / _TRAIN_VAL).is_file() and (root / _TEST).is_file()):
        return plain, plain.model_dump(mode="json")
    learned = read_nih_list(root / _TRAIN_VAL, joined)
    train, val, _ = plain.fractions
    within = SplitSettings(
        fractions=(train / (train + val), val / (train + val), 0.0), seed=seed, near_duplicate_ncc=None
    )
    cases = {one: Case(one, joined[one], patient=rows.entries[one].patient) for one in learned}
    made = make_splits(cases, within) if cases else {}
    said = {
        "published": f"{_TRAIN_VAL}, {_TEST}",
        "validation_from_train_val": within.model_dump(mode="json"),
    }
    published = read_nih_list(root / _TEST, joined)
    return {"train": made.get("train", ()), "val": made.get("val", ()), "test": published}, said
