"""The chest X-ray reports of Indiana University (OpenI; Demner-Fushman et al., JAMIA 2016) with MeSH tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Row, read_table

__all__ = ["REMOVED", "OpenIReport", "read_openi_reports"]

REMOVED = "XXXX"
"""What stands in a report where its publisher removed words that could tell who it is about."""

_REPORTS = "indiana_reports.csv"
_PROJECTIONS = "indiana_projections.csv"
_COLUMNS = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")


@dataclass(frozen=True)
class OpenIReport:
    """One report; sections that are blank are empty texts.

    Args:
        uid: Its number.
        findings: The section of that name.
        impression: The section of that name.
        mesh: Tags of the indexers, such as ``Opacity/lung/base/left``; ``normal`` alone for a normal one,
            ``No Indexing`` where nobody indexed it.
        problems: The same without qualifiers, as published.
        indication: Why the radiograph was made.
        comparison: Earlier radiographs.
        views: What was exposed, as in the report.
        images: File names of its radiographs with their projection; empty where that table is not there.

    Example:
        >>> OpenIReport("1", "", "Normal chest x-XXXX.").text
        'Normal chest x-XXXX.'
    """

    uid: str
    findings: str
    impression: str
    mesh: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    indication: str = ""
    comparison: str = ""
    views: str = ""
    images: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """Findings and impression, a line each; empty where both are blank."""
        return "\n".join(part for part in (self.findings, self.impression) if part)

    @property
    def removed(self) -> int:
        """How many words of findings and impression were removed by the publisher, at least."""
        return self.text.count(REMOVED)


def read_openi_reports(folder: str | Path) -> tuple[OpenIReport, ...]:
    """Read ``indiana_reports.csv`` and, where it is there, ``indiana_projections.csv``.

    Nothing is left out: reports without text and without indexing are among them.

    Args:
        folder: The folder of the tables.

    Returns:
        The reports in the table's order.

    Raises:
        DataError: The table is missing, lacks a column, or has a report twice.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> header = "uid,MeSH,Problems,image,indication,comparison,findings,impression"
        >>> row = '7,Cardiomegaly/mild;Scoliosis,Cardiomegaly;Scoliosis,PA,,,,"Large heart, clear lungs."'
        >>> _ = (folder / "indiana_reports.csv").write_text(header + chr(10) + row)
        >>> report = read_openi_reports(folder)[0]
        >>> report.text, report.mesh
        ('Large heart, clear lungs.', ('Cardiomegaly/mild', 'Scoliosis'))
    """
    place = Path(folder)
    table = read_table(place / _REPORTS, what="the table of reports")
    table.need(_COLUMNS)
    images = _images(place / _PROJECTIONS)
    reports: dict[str, OpenIReport] = {}
    for row in table.rows():
        report = _report(row, images)
        if not report.uid or report.uid in reports:
            raise row.error(f"expected a report's own uid, found {report.uid!r} (blank or a second time)")
        reports[report.uid] = report
    if not reports:
        raise DataError("the table of reports has no row", path=table.path)
    return tuple(reports.values())


def _report(row: Row, images: dict[str, list[tuple[str, str]]]) -> OpenIReport:
    uid = row.text("uid")
    return OpenIReport(
        uid=uid,
        findings=row.text("findings"),
        impression=row.text("impression"),
        mesh=_tags(row.text("MeSH")),
        problems=_tags(row.text("Problems")),
        indication=row.text("indication"),
        comparison=row.text("comparison"),
        views=row.text("image"),
        images=tuple(images.get(uid, ())),
    )


def _tags(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _images(path: Path) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    if path.is_file():
        table = read_table(path, what="the table of radiographs")
        table.need(["uid", "filename", "projection"])
        for row in table.rows():
            found.setdefault(row.text("uid"), []).append((row.text("filename"), row.text("projection")))
    return found
