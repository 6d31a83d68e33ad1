"""MIMIC-CXR-JPG beside REFLACX or EGD: pictures, their original sizes, labels and reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.mimic_eye.radiographs import Radiograph, stated_size
from gaze_insight.cohort.mimic_eye.study_facts import read_report, read_study_labels
from gaze_insight.cohort.mimic_eye.tables import Table, read_table
from gaze_insight.errors import DataError

__all__ = ["MimicCxr"]

_STEM = "mimic-cxr-2.0.0"


class MimicCxr:
    """A folder of MIMIC-CXR-JPG, whole or in part, or any folder of ``<dicom_id>.jpg``.

    Args:
        images: The folder, with ``files/p90/p90000001/s90000001/<dicom_id>.jpg`` or parts of that path, and
            with ``mimic-cxr-2.0.0-metadata.csv.gz``, ``-chexpert.csv.gz`` and ``-negbio.csv.gz`` (packed or
            not), where there are any.
        reports: The folder of the reports, with ``files/p90/p90000001/s90000001.txt``; None: none are read.
        account: Told of counts and problems.

    Raises:
        DataError: A folder is not there.

    Example:
        >>> MimicCxr(Path("nowhere"), None, Account())
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of MIMIC-CXR-JPG's pictures, found nothing
          -> check the path
    """

    def __init__(self, images: Path, reports: Path | None, account: Account) -> None:
        for folder, what in ((images, "MIMIC-CXR-JPG's pictures"), (reports, "MIMIC-CXR's reports")):
            if folder is not None and not folder.is_dir():
                raise DataError(
                    f"expected the folder of {what}, found nothing", path=folder, remedy="check the path"
                )
        self._images = images
        self._reports = reports
        self._account = account

    def complete(self, radiographs: Mapping[str, Radiograph]) -> dict[str, Radiograph]:
        """Find the picture of each radiograph, and its size and view where the metadata state them.

        Args:
            radiographs: By dicom_id; their pictures are not looked at.

        Returns:
            The same with pictures, sizes and views. A size that a radiograph has already wins.

        Raises:
            DataError: The metadata cannot be read.
        """
        found = {name: self._placed(one) for name, one in radiographs.items()}
        table = self._table("metadata", {"dicom_id", "Rows", "Columns"}, "dicom_id", found.keys())
        if table is None:
            self._account.counts["mimic_cxr_metadata_missing"] += 1
            return found
        for row in self._account.rows(table, "bad_row"):
            with self._account.allowing("bad_row"):
                one = found[row.text("dicom_id")]
                size = stated_size(row, "Rows", "Columns")
                if one.size not in (None, size):
                    self._account.counts["sizes_disagree"] += 1
                    self._account.note(f"{one.dicom_id}: the tables state {one.size} and {size}")
                view = row.text("ViewPosition") if "ViewPosition" in row.places else ""
                found[one.dicom_id] = Radiograph(
                    one.dicom_id, one.subject, one.study, one.picture, one.size or size, view or None
                )
        return found

    def labels(self, studies: Collection[str]) -> dict[str, dict[str, dict[str, int | None]]]:
        """Read the labels of studies.

        Args:
            studies: Their names, without the letter ``s``.

        Returns:
            Labels by source (``chexpert``, ``negbio``) and study; a source without a table is not there.

        Raises:
            DataError: A table is bad, where the account says so.
        """
        found = {}
        for source in ("chexpert", "negbio"):
            table = self._table(source, {"study_id"}, "study_id", studies)
            if table is None:
                self._account.counts[f"mimic_cxr_{source}_missing"] += 1
            else:
                rows = self._account.rows(table, "bad_label_row")
                found[source] = read_study_labels(rows, self._account)
        return found

    def report(self, one: Radiograph) -> str | None:
        """Read the report of a radiograph's study.

        Args:
            one: The radiograph.

        Returns:
            The text; None where there is none.

        Raises:
            DataError: The file is bad, where the account says so.
        """
        text = None
        if self._reports is not None:
            end = Path(f"p{one.subject[:2]}", f"p{one.subject}", f"s{one.study}.txt")
            for place in (self._reports / "files" / end, self._reports / end, self._reports / end.name):
                if text is None:
                    with self._account.allowing("bad_report"):
                        text = read_report(place)
        self._account.counts["images_without_report"] += text is None
        return text

    def _placed(self, one: Radiograph) -> Radiograph:
        study = Path(f"p{one.subject}", f"s{one.study}", f"{one.dicom_id}.jpg")
        whole = Path("files", f"p{one.subject[:2]}", study)
        places = (whole, whole.relative_to("files"), study, Path(*study.parts[1:]), Path(study.name))
        picture = next((self._images / place for place in places if (self._images / place).is_file()), None)
        return Radiograph(
            one.dicom_id, one.subject, one.study, picture or self._images / whole, one.size, one.view
        )

    def _table(self, name: str, needs: set[str], key: str, keys: Collection[str]) -> Table | None:
        for ending in (".csv", ".csv.gz"):
            path = self._images / f"{_STEM}-{name}{ending}"
            if path.is_file():
                return read_table(path, needs, where=lambda row: row.name(key) in keys)
        return None
