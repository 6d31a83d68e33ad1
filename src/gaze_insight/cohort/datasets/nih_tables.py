"""The tables of NIH ChestX-ray14: labels mined from reports, boxes of a radiologist, published lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Row, Table, read_table

__all__ = [
    "NIH_LABELS",
    "NihBoxes",
    "NihEntry",
    "NihRows",
    "read_nih_boxes",
    "read_nih_entries",
    "read_nih_list",
]

NIH_LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
"""The 14 labels; an image without any is ``No Finding``."""

_NO_FINDING = "No Finding"
_BOX_FRAME_PX = 1024
_IMAGE = "Image Index"
_LABELS = "Finding Labels"
_PATIENT = "Patient ID"
_VIEW = "View Position"
_SIDES = (("OriginalImage[Width", "Height]"), ("OriginalImageWidth", "OriginalImageHeight"))
_SPACING = (
    ("OriginalImagePixelSpacing[x", "y]"),
    ("OriginalImagePixelSpacing_x", "OriginalImagePixelSpacing_y"),
)
_BOX = ("Bbox [x", "y", "w", "h]")
_ABOUT = {"age": ("Patient Age",), "sex": ("Patient Gender", "Patient Sex"), "follow_up": ("Follow-up #",)}


@dataclass(frozen=True)
class NihEntry:
    """One row of the table of images.

    Args:
        id: The image's file name without ending.
        patient: The patient.
        labels: Each of `NIH_LABELS` and ``No Finding``, to 1 or 0; further names that the row has, to 1.
        view: ``PA`` or ``AP``; None where the row has none.
        extent_mm: Height and width of the original image in mm on the detector; None where unknown.
        about: Age, sex and number of the follow-up as text, where stated.

    Example:
        >>> NihEntry("00000001_000", "1", {"Mass": 1}).view is None
        True
    """

    id: str
    patient: str
    labels: Mapping[str, int]
    view: str | None = None
    extent_mm: tuple[float, float] | None = None
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NihRows:
    """The table of images.

    Args:
        entries: Row by image.
        problems: Messages for what was skipped or is not known.

    Example:
        >>> NihRows({}, ()).entries
        {}
    """

    entries: dict[str, NihEntry]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class NihBoxes:
    """The table of boxes.

    Args:
        boxes: Boxes by image, in fractions of the image.
        clipped: Boxes that reached over an edge of the image and were cut there.
        problems: Messages for rows that were skipped.

    Example:
        >>> NihBoxes({}, 0, ()).clipped
        0
    """

    boxes: dict[str, tuple[ChestBox, ...]]
    clipped: int
    problems: tuple[str, ...]


def read_nih_entries(path: Path, on_bad: OnBad = "raise") -> NihRows:
    """Read ``Data_Entry_2017.csv``, in the form of 2017 or of 2020.

    The header of 2017 has commas within its names (``OriginalImage[Width,Height]``), which makes two columns
    of each such name; that is how it is read, quoted or not.

    Args:
        path: The table.
        on_bad: ``raise`` stops at a bad row; ``skip`` leaves it out and lists it.

    Returns:
        The rows.

    Raises:
        DataError: The table is missing, lacks a column, or a row is bad (with ``raise``).

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "Data_Entry_2017.csv")
        >>> rows = ["Image Index,Finding Labels,Patient ID", "00000001_000.png,Mass|Effusion,1"]
        >>> _ = file.write_text(chr(10).join(rows))
        >>> entry = read_nih_entries(file).entries["00000001_000"]
        >>> [name for name, value in entry.labels.items() if value]
        ['Effusion', 'Mass']
    """
    table = _split_header(read_table(path, what="the table of images"))
    table.need([_IMAGE, _LABELS, _PATIENT])
    entries: dict[str, NihEntry] = {}
    problems: list[str] = []
    unknown: Counter[str] = Counter()
    for row in table.rows():
        try:
            entry = _entry(row)
            if entry.id in entries:
                raise row.error(f"the image {entry.id!r} is listed twice")
        except DataError as error:
            _refuse(error, on_bad, problems)
            continue
        unknown.update(name for name in entry.labels if name not in NIH_LABELS and name != _NO_FINDING)
        entries[entry.id] = entry
    problems += [f"{path}: the unknown label {name!r} in {count} rows" for name, count in unknown.items()]
    return NihRows(entries, tuple(problems))


def read_nih_boxes(path: Path, on_bad: OnBad = "raise") -> NihBoxes:
    """Read ``BBox_List_2017.csv``: boxes in pixels of the published images of 1024 x 1024 pixels.

    The image at hand may have been resized: only fractions of its sides are kept.

    Args:
        path: The table.
        on_bad: ``raise`` stops at a bad row; ``skip`` leaves it out and lists it.

    Returns:
        The boxes by image.

    Raises:
        DataError: The table is missing, lacks a column, or a row is bad (with ``raise``).

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "BBox_List_2017.csv")
        >>> rows = ["Image Index,Finding Label,Bbox [x,y,w,h],,,", "a.png,Mass,512,0,256,128,,,"]
        >>> _ = file.write_text(chr(10).join(rows))
        >>> read_nih_boxes(file).boxes["a"][0].x1
        0.75
    """
    table = _split_header(read_table(path, what="the table of boxes"))
    table.need([_IMAGE, "Finding Label", *_BOX])
    boxes: dict[str, tuple[ChestBox, ...]] = {}
    problems: list[str] = []
    clipped = 0
    for row in table.rows():
        try:
            box, cut = _box(row)
        except DataError as error:
            _refuse(error, on_bad, problems)
            continue
        clipped += cut
        one = Path(row.text(_IMAGE)).stem
        boxes[one] = (*boxes.get(one, ()), box)
    return NihBoxes(boxes, clipped, tuple(problems))


def read_nih_list(path: Path, ids: Collection[str]) -> tuple[str, ...]:
    """Read ``train_val_list.txt`` or ``test_list.txt``: one file name a line.

    Args:
        path: The list.
        ids: The images at hand.

    Returns:
        Those of them that are listed, in the list's order.

    Raises:
        DataError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "test_list.txt")
        >>> _ = file.write_text("00000001_000.png" + chr(10) + "00000002_000.png")
        >>> read_nih_list(file, {"00000002_000"})
        ('00000002_000',)
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list of images cannot be read: {error}", path=path) from error
    known = set(ids)
    return tuple(dict.fromkeys(one for line in lines if (one := Path(line.strip()).stem) in known))


def _split_header(table: Table) -> Table:
    """Names with a comma in them are two columns, also where the header quotes them."""
    columns = tuple(part.strip() for name in table.columns for part in name.split(","))
    return Table(table.path, columns, table.cells, table.lines, table.decimal, table.widths)


def _refuse(error: DataError, on_bad: OnBad, problems: list[str]) -> None:
    if on_bad == "raise":
        raise error
    problems.append(str(error))


def _entry(row: Row) -> NihEntry:
    one, patient = Path(row.text(_IMAGE)).stem, row.text(_PATIENT)
    if not one or not patient:
        raise row.error(f"expected the name of an image and its patient, found {one!r} and {patient!r}")
    found = [name.strip() for name in row.text(_LABELS).split("|") if name.strip()]
    if not found or (_NO_FINDING in found and len(found) > 1):
        raise row.error(f"expected labels with | between, or '{_NO_FINDING}', found {row.text(_LABELS)!r}")
    labels = {name: int(name in found) for name in (*NIH_LABELS, _NO_FINDING)}
    labels |= {name: 1 for name in found if name not in labels}
    has = row.table.columns
    return NihEntry(
        id=one,
        patient=patient,
        labels=labels,
        view=(row.text(_VIEW) or None) if _VIEW in has else None,
        extent_mm=_extent(row),
        about={
            what: row.text(name)
            for what, names in _ABOUT.items()
            for name in names
            if name in has and row.text(name)
        },
    )


def _extent(row: Row) -> tuple[float, float] | None:
    sides, spacing = _pair(row, _SIDES), _pair(row, _SPACING)
    if sides is None or spacing is None:
        return None
    width, height = (side * step for side, step in zip(sides, spacing, strict=True))
    return (height, width) if height > 0 and width > 0 else None


def _pair(row: Row, names: tuple[tuple[str, str], ...]) -> tuple[float, float] | None:
    for across, down in names:
        if {across, down} <= set(row.table.columns):
            return row.number(across, missing=("",)), row.number(down, missing=("",))
    return None


def _box(row: Row) -> tuple[ChestBox, bool]:
    name = row.text("Finding Label")
    left, top, width, height = (row.number(column) / _BOX_FRAME_PX for column in _BOX)
    edges = tuple(min(max(edge, 0.0), 1.0) for edge in (left, top, left + width, top + height))
    if not name or edges[2] <= edges[0] or edges[3] <= edges[1]:
        raise row.error(
            f"expected a finding and a box on the image of {_BOX_FRAME_PX} px, found {name!r} and x, y, w, h "
            f"{', '.join(row.text(column) for column in _BOX)}"
        )
    cut = edges != (left, top, left + width, top + height)
    return ChestBox(name, "finding", edges[0], edges[1], edges[2], edges[3]), cut
