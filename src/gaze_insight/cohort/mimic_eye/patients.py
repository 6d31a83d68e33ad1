"""One patient of MIMIC-Eye: images, labels, reports, and what readers of both sources made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.egd_gaze import EGD_GAZE_COLUMNS, read_egd_fixations
from gaze_insight.cohort.mimic_eye.egd_readings import BOX_COLUMNS, read_egd_boxes, read_egd_looks
from gaze_insight.cohort.mimic_eye.egd_sheet import OLD_NAMES, SHEET_COLUMNS, EgdEntry, read_egd_sheet
from gaze_insight.cohort.mimic_eye.looks import Look
from gaze_insight.cohort.mimic_eye.radiographs import (
    META_COLUMNS,
    Radiograph,
    count_other_views,
    read_radiographs,
)
from gaze_insight.cohort.mimic_eye.reflacx_metadata import METADATA_COLUMNS, read_reflacx_metadata
from gaze_insight.cohort.mimic_eye.reflacx_readings import read_reflacx_looks
from gaze_insight.cohort.mimic_eye.study_facts import read_report, read_study_labels
from gaze_insight.cohort.mimic_eye.tables import Table
from gaze_insight.cohort.mimic_eye.tree import MimicEyeTree, child
from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = ["EGD_COMMON_GAZE", "ReadRadiograph", "Source", "add_sheet_labels", "read_patient"]

Source = Literal["reflacx", "egd"]
"""Whose readings are used."""

_CLINICAL = {"hosp": ("Hosp", "Hsop", "Core"), "icu": ("ICU",), "ed": ("ED",)}
_EGD_SHEET = "EyeGaze/master_sheet_with_updated_stayId.csv"
EGD_COMMON_GAZE = "EyeGaze/fixations.csv"
"""EGD's fixations of all patients, below ``spreadsheets``; the only copy with calibration rows in it."""

Labels = Mapping[str, Mapping[str, int | None]]


@dataclass(frozen=True)
class ReadRadiograph:
    """A radiograph with all that was read about it.

    Args:
        radiograph: The image.
        looks: One a reading.
        labels: Labels by source, as in `ChestFacts`.
        report: The report's text, where there is one.

    Example:
        >>> ReadRadiograph(Radiograph("a", "9", "5", Path("a.jpg"))).looks
        ()
    """

    radiograph: Radiograph
    looks: tuple[Look, ...] = ()
    labels: Labels = field(default_factory=dict)
    report: str | None = None


def read_patient(
    tree: MimicEyeTree, subject: str, folder: Path, sources: Iterable[Source], account: Account
) -> list[ReadRadiograph]:
    """Read all of one patient. Any of the folders may be missing; that is counted.

    Args:
        tree: The tree, for tables of all patients.
        subject: The patient.
        folder: The patient's folder.
        sources: Whose readings are used; images of other sources alone are left out and counted.
        account: Told of counts and problems.

    Returns:
        The radiographs, in the order of ``cxr_meta.csv``.

    Raises:
        DataError: A file is bad, where `account` says so.

    Example:
        >>> account = Account()
        >>> read_patient(MimicEyeTree(Path("none"), account), "9", Path("none/patient_9"), ["egd"], account)
        []
        >>> account.counts["patients_without_cxr_meta"]
        1
    """
    chosen = tuple(sources)
    account.counts["patients"] += 1
    for kind, names in _CLINICAL.items():
        account.counts[f"patients_without_{kind}"] += child(folder, *names) is None
    radiographs = _radiographs(tree, subject, folder, account)
    if not radiographs:
        return []
    looks: dict[str, list[Look]] = {}
    if "reflacx" in chosen:
        with account.allowing("bad_table"):
            looks |= _reflacx(tree, subject, folder, radiographs, account)
    entries: dict[str, EgdEntry] = {}
    if "egd" in chosen:
        with account.allowing("bad_table"):
            entries, seen = _egd(tree, subject, folder, radiographs, account)
            for name, look in seen.items():
                looks.setdefault(name, []).append(look)
    used = {name: one for name, one in radiographs.items() if name in looks or _is_of(one, chosen)}
    account.counts["images_of_other_sources"] += len(radiographs) - len(used)
    labels = _labels(tree, subject, folder, account)
    found = []
    for name, one in used.items():
        own = {source: by_study[one.study] for source, by_study in labels.items() if one.study in by_study}
        report = _report(folder, one.study, account)
        known = add_sheet_labels(own, entries.get(name), account)
        account.counts["images_without_labels"] += not known
        found.append(ReadRadiograph(one, tuple(looks.get(name, ())), known, report))
    return found


def add_sheet_labels(
    labels: Labels, entry: EgdEntry | None, account: Account
) -> dict[str, Mapping[str, int | None]]:
    """Add the labels of EGD's master sheet: its own, and CheXpert's where no other table has them.

    Args:
        labels: Labels by source.
        entry: The image's row of the sheet, if any.
        account: Told where the sheet's CheXpert labels differ from the other table's.

    Returns:
        Labels by source.

    Example:
        >>> entry = EgdEntry("a", "9", "5", chexpert={"Edema": 1})
        >>> add_sheet_labels({}, entry, Account())
        {'chexpert': {'Edema': 1}}
    """
    found = dict(labels)
    if entry is None:
        return found
    if entry.labels:
        found["egd"] = entry.labels
    if entry.chexpert and "chexpert" not in found:
        found["chexpert"] = entry.chexpert
    elif entry.chexpert:
        given = found["chexpert"]
        account.counts["egd_chexpert_disagree"] += any(
            given.get(name) != value for name, value in entry.chexpert.items() if name in given
        )
    return found


def _radiographs(tree: MimicEyeTree, subject: str, folder: Path, account: Account) -> dict[str, Radiograph]:
    pictures = child(folder, "CXR-JPG")
    account.counts["patients_without_cxr_jpg"] += pictures is None
    place = folder / "CXR-JPG" if pictures is None else pictures
    table = tree.table(place / "cxr_meta.csv", "cxr_meta.csv", META_COLUMNS, "subject_id", {subject})
    if table is None or not table.rows:
        account.counts["patients_without_cxr_meta"] += 1
        return {}
    found: dict[str, Radiograph] = {}
    for one in read_radiographs(account.rows(table, "bad_row"), place, account):
        with account.allowing("bad_row"):
            if _is_of_patient(one.subject, subject, table, account):
                found[one.dicom_id] = _merged(found.get(one.dicom_id), one, table, account)
    account.counts["pictures_of_other_views"] += count_other_views(found.values())
    return found


def _is_of_patient(found: str, subject: str, table: Table, account: Account) -> bool:
    """Whether a row of a patient's table is of that patient; another is refused."""
    if found == subject:
        return True
    account.refuse(
        DataError(
            f"expected rows of patient {subject}, found one of patient {found or '(blank)'}",
            path=table.path,
            remedy="copy the patient's folder again from the release",
        ),
        "bad_row",
    )
    return False


def _merged(before: Radiograph | None, one: Radiograph, table: Table, account: Account) -> Radiograph:
    """An image may have one row a source, alike but for the marks of the sources."""
    if before is None:
        return one
    plain = replace(one, in_reflacx=before.in_reflacx, in_egd=before.in_egd)
    if plain != before:
        raise DataError(f"the image {one.dicom_id} has two rows that differ", path=table.path)
    account.counts["cxr_meta_rows_repeated"] += 1
    return replace(one, in_reflacx=before.in_reflacx or one.in_reflacx, in_egd=before.in_egd or one.in_egd)


def _is_of(one: Radiograph, sources: Iterable[Source]) -> bool:
    """Whether the table says that a source has the image; where it says nothing of any, it is kept."""
    if one.in_reflacx is None and one.in_egd is None:
        return True
    marks = {"reflacx": one.in_reflacx, "egd": one.in_egd}
    return any(marks[source] for source in sources)


def _sizes(radiographs: Mapping[str, Radiograph]) -> dict[str, Size]:
    return {name: one.size for name, one in radiographs.items() if one.size is not None}


def _reflacx(
    tree: MimicEyeTree, subject: str, folder: Path, radiographs: Mapping[str, Radiograph], account: Account
) -> dict[str, list[Look]]:
    place = child(folder, "REFLACX")
    expected = any(one.in_reflacx for one in radiographs.values())
    account.counts["patients_without_reflacx_folder"] += place is None and expected
    if place is None and not expected:
        return {}
    place = folder / "REFLACX" if place is None else place
    table = tree.table(
        place / "metadata.csv", "REFLACX/metadata.csv", METADATA_COLUMNS, "subject_id", {subject}
    )
    if table is None:
        account.counts["patients_without_reflacx_metadata"] += 1
        return {}
    entries = [
        entry
        for entry in read_reflacx_metadata([table], account)
        if _is_of_patient(entry.subject, subject, table, account)
    ]
    return read_reflacx_looks(entries, place, _sizes(radiographs), account)


def _egd(
    tree: MimicEyeTree, subject: str, folder: Path, radiographs: Mapping[str, Radiograph], account: Account
) -> tuple[dict[str, EgdEntry], dict[str, Look]]:
    place = child(folder, "EyeGaze")
    expected = any(one.in_egd for one in radiographs.values())
    account.counts["patients_without_egd_folder"] += place is None and expected
    if place is None and not expected:
        return {}, {}
    place = folder / "EyeGaze" if place is None else place
    sheet = tree.table(
        place / "master_sheet.csv", _EGD_SHEET, SHEET_COLUMNS, "patient_id", {subject}, rename=OLD_NAMES
    )
    if sheet is None or not sheet.rows:
        account.counts["patients_without_egd_master_sheet"] += 1
        return {}, {}
    entries = {
        name: entry
        for name, entry in read_egd_sheet(sheet, account).items()
        if _is_of_patient(entry.subject, subject, sheet, account)
    }
    sizes, names = _sizes(radiographs), set(entries)
    gaze = _egd_gaze(tree, place, names, account)
    boxes = tree.table(
        place / "bounding_boxes.csv", "EyeGaze/bounding_boxes.csv", BOX_COLUMNS, "dicom_id", names
    )
    looks = read_egd_looks(
        entries.values(),
        {} if gaze is None else read_egd_fixations(gaze, entries, sizes, account),
        {} if boxes is None else read_egd_boxes(boxes, sizes, account),
        place,
        sizes,
        account,
    )
    return entries, looks


def _egd_gaze(tree: MimicEyeTree, place: Path, names: set[str], account: Account) -> Table | None:
    """Fixations; where there are none the raw samples, which state the fixation that each belongs to."""
    own, raw = place / "fixations.csv", place / "eye_gaze.csv"
    use_raw = not own.is_file() and raw.is_file()
    account.counts["egd_fixations_from_raw_gaze"] += use_raw
    return tree.table(raw if use_raw else own, EGD_COMMON_GAZE, EGD_GAZE_COLUMNS, "DICOM_ID", names)


def _labels(
    tree: MimicEyeTree, subject: str, folder: Path, account: Account
) -> dict[str, dict[str, dict[str, int | None]]]:
    place = child(folder, "CXR-JPG") or folder / "CXR-JPG"
    found = {}
    for source in ("chexpert", "negbio"):
        name = f"cxr_{source}.csv"
        with account.allowing("bad_table"):
            table = tree.table(place / name, f"CXR-JPG/{name}", ("study_id",), "subject_id", {subject})
            if table is None or not table.rows:
                account.counts[f"patients_without_{source}"] += 1
            else:
                found[source] = read_study_labels(account.rows(table, "bad_label_row"), account)
    return found


def _report(folder: Path, study: str, account: Account) -> str | None:
    report = None
    with account.allowing("bad_report"):
        report = read_report((child(folder, "CXR-DICOM") or folder / "CXR-DICOM") / f"s{study}.txt")
    account.counts["images_without_report"] += report is None
    return report
