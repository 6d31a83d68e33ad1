"""From radiographs and their readings to a saved cohort, split by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestFacts
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.import_report import ImportReport, SizeMismatch
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.patients import ReadRadiograph
from gaze_insight.cohort.mimic_eye.pictures import check_pictures
from gaze_insight.cohort.mimic_eye.splitting import split_radiographs
from gaze_insight.cohort.splits import SplitSettings
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, Size, silent

__all__ = ["RadiographParts", "assemble"]

_ROWS_OF_NO_IMAGE = ("calibration", "not_in_master_sheet", "image_unknown", "repeated", "bad_row")
_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class RadiographParts:
    """What an importer of radiographs found.

    Args:
        name: The cohort's name.
        destination: The cohort's folder.
        dataset: The importer's name in the registry.
        root: Folder that holds the pictures.
        read: The radiographs.
        splits: Folder of split files, settings for making splits, or None: the published split where there
            is one, else splits are made.
        gaze_files: Where fixations were read, as patterns.
        facts: How the files were read, for ``cohort.yaml``; plain values.

    Example:
        >>> RadiographParts("mine", Path("mine"), "egd", Path("."), ()).splits is None
        True
    """

    name: str
    destination: Path
    dataset: str
    root: Path
    read: Sequence[ReadRadiograph]
    splits: Path | SplitSettings | None = None
    gaze_files: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def assemble(parts: RadiographParts, account: Account, progress: Progress = silent) -> Cohort:
    """Look at the pictures, make a case of each radiograph, split by patient, save.

    Args:
        parts: What the importer found.
        account: What was counted so far; it also says what happens at a bad picture.
        progress: Told how many pictures were looked at.

    Returns:
        The saved cohort.

    Raises:
        DataError: There is no usable radiograph, an image stands in the tables twice, a picture is missing or
            damaged (where `account` says so), or the folder cannot be written.

    Example:
        >>> assemble(RadiographParts("mine", Path("mine"), "egd", Path("nowhere"), ()), Account())
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected radiographs, found none that can be used
    """
    by_id = _by_id(parts)
    looked = check_pictures({name: one.radiograph.picture for name, one in by_id.items()}, progress)
    bad = {name: found for name, found in looked.items() if isinstance(found, DataError)}
    if bad and account.on_bad == "raise":
        raise _first_of(bad)
    sizes = {name: found for name, found in looked.items() if not isinstance(found, DataError)}
    if not sizes:
        raise DataError("expected radiographs, found none that can be used", path=parts.root)
    cases = {name: _case(by_id[name], size) for name, size in sizes.items()}
    chosen = split_radiographs(
        cases, {name: by_id[name].radiograph.split for name in cases}, parts.splits, account
    )
    mismatches = _mismatches(by_id, sizes, account)
    cohort = Cohort(
        name=parts.name,
        folder=parts.destination,
        cases=cases,
        splits=chosen.splits,
        report=_report(parts, cases, mismatches, bad, account, chosen.unknown_ids, chosen.unsplit),
        source={
            "dataset": parts.dataset,
            **parts.facts,
            "splits": chosen.facts,
            "counts": {name: int(count) for name, count in sorted(account.counts.items()) if count},
            "on_bad": account.on_bad,
        },
        root=parts.root,
    )
    cohort.save()
    return cohort


def _by_id(parts: RadiographParts) -> dict[str, ReadRadiograph]:
    by_id: dict[str, ReadRadiograph] = {}
    for one in parts.read:
        name = one.radiograph.dicom_id
        if name in by_id:
            raise DataError(
                f"the image {name} is listed for two patients or twice: "
                f"{by_id[name].radiograph.subject} and {one.radiograph.subject}",
                path=parts.root,
            )
        by_id[name] = one
    return by_id


def _first_of(bad: Mapping[str, DataError]) -> DataError:
    first = next(iter(bad.values()))
    more = f" (and {len(bad) - 1} more bad images)" if len(bad) > 1 else ""
    remedy = f"{first.remedy or 'repair the files'}; or leave bad cases out (--on-bad skip)"
    return DataError(f"{first.message}{more}", path=first.path, row=first.row, remedy=remedy)


def _case(read: ReadRadiograph, size: Size) -> Case:
    looks = sorted(read.looks, key=lambda look: look.reading.id)
    facts = ChestFacts(
        labels=read.labels,
        boxes=tuple(box for look in looks for box in look.boxes),
        readings=tuple(look.reading for look in looks),
        report=read.report,
        study=read.radiograph.study,
        view=read.radiograph.view,
    )
    meta = {name: text for look in looks for name, text in look.facts.items()}
    if facts.looks():
        meta["gaze"] = "recorded"
    return Case(
        id=read.radiograph.dicom_id,
        image_path=read.radiograph.picture,
        patient=read.radiograph.subject,
        image_size=size,
        meta=meta,
        chest=facts,
    )


def _mismatches(
    by_id: Mapping[str, ReadRadiograph], sizes: Mapping[str, Size], account: Account
) -> tuple[SizeMismatch, ...]:
    """Pictures of another size than the original; one of another shape may have been cut or padded."""
    found, bent = [], []
    for name, size in sizes.items():
        original = by_id[name].radiograph.size
        if original is None or original == size:
            continue
        found.append(SizeMismatch(name, original, size, None))
        shape, expected = size.width / size.height, original.width / original.height
        if abs(shape / expected - 1) > _ASPECT_TOLERANCE:
            bent.append(name)
    if bent:
        account.note(
            f"{len(bent)} pictures have another shape than the original image (the first is {bent[0]}): gaze "
            "and boxes fit if they were squeezed, but not if they were cut or padded"
        )
    return tuple(found)


def _report(
    parts: RadiographParts,
    cases: Mapping[str, Case],
    mismatches: tuple[SizeMismatch, ...],
    bad: Mapping[str, DataError],
    account: Account,
    unknown_ids: tuple[str, ...],
    unsplit: tuple[str, ...],
) -> ImportReport:
    looked = tuple(name for name, case in cases.items() if case.chest is not None and case.chest.looks())
    fixations = account.counts["reflacx_fixations"] + account.counts["egd_fixations"]
    return ImportReport(
        joined=looked,
        images_without_gaze=tuple(sorted(cases.keys() - set(looked))),
        gaze_without_image=tuple(sorted(account.gaze_without_image - cases.keys())),
        sizes_disagree=mismatches,
        gaze_files=parts.gaze_files,
        rows=fixations + sum(account.dropped[reason] for reason in _ROWS_OF_NO_IMAGE),
        fixations=fixations,
        dropped={reason: count for reason, count in sorted(account.dropped.items()) if count},
        problems=tuple(account.problems),
        bad_files=tuple((str(error.path), error.message) for error in bad.values()),
        excluded=tuple((name, error.message) for name, error in bad.items()),
        unknown_split_ids=unknown_ids,
        unsplit=unsplit,
    )
