"""The page of a study: what was found, its figures with captions, and the numbers behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gaze_insight.atomic import write_text_atomic
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.rendering import render_page

__all__ = [
    "StudyContent",
    "StudyFigure",
    "StudyNumber",
    "StudyPictures",
    "StudyTable",
    "write_figures",
    "write_study",
]


@dataclass(frozen=True)
class StudyFigure:
    """A figure that can stand in a paper.

    Args:
        name: A plain name, unique on the page; the file's name where figures are saved.
        title: A few words.
        svg: The drawing; a figure without one is left out.
        caption: What is drawn, of how many cases, what line and band are.
        wide: Whether it takes the page's whole width, above those that do not.

    Example:
        >>> StudyFigure("dice", "Dice", "<svg/>", "Mean Dice of 60 images.").wide
        False
    """

    name: str
    title: str
    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class StudyTable:
    """A table of numbers, already written as text.

    Args:
        title: A few words.
        caption: What the numbers are.
        columns: Heads.
        rows: Cells, as many a row as there are heads; what follows a line break is set smaller.
        marked: Places (from 0) of rows to highlight.

    Example:
        >>> StudyTable("Dice", "", ("limit", "Dice"), (("1 s", "0.71"),)).marked
        ()
    """

    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()


@dataclass(frozen=True)
class StudyNumber:
    """A number at the top of the page.

    Args:
        what: What it is.
        value: It, as text.
        remark: Its interval or what it rests on.

    Example:
        >>> StudyNumber("Dice", "0.78", "880 images").what
        'Dice'
    """

    what: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class StudyPictures:
    """A row of pictures of one case.

    Args:
        title: The case.
        tiles: Its pictures.

    Example:
        >>> StudyPictures("case 1", ()).title
        'case 1'
    """

    title: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class StudyContent:
    """Everything the page of a study says.

    Args:
        title: The page's title.
        lead: The question, in a sentence.
        verdict: The answer, in one or two sentences.
        severity: How the answer is shown: "ok", "warning" or "error".
        numbers: The most important numbers.
        warnings: What a reader must know before believing them.
        figures: The figures.
        pictures_title: What the pictures show.
        pictures: Rows of pictures.
        tables: The tables.
        method: How it was done, paragraph by paragraph.
        facts: Settings and counts, name to value.
        settings: The settings in full, as text.
        command: The command that repeats it; empty leaves it out.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    title: str
    lead: str
    verdict: str
    severity: Literal["ok", "warning", "error"] = "ok"
    numbers: Sequence[StudyNumber] = ()
    warnings: Sequence[str] = ()
    figures: Sequence[StudyFigure] = ()
    pictures_title: str = ""
    pictures: Sequence[StudyPictures] = ()
    tables: Sequence[StudyTable] = ()
    method: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    command: str = ""
    created: str = ""
    version: str = ""


def write_study(content: StudyContent, path: Path) -> None:
    """Write the page of a study as one HTML file that needs no other file and no network.

    Args:
        content: What the page says; parts for which nothing is given are left out.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "study.html"
        >>> write_study(StudyContent("Quality against seconds", "How long?", "3 s are enough."), page)
        >>> "3 s are enough." in page.read_text(encoding="utf-8")
        True
    """
    values = {name: getattr(content, name) for name in StudyContent.__dataclass_fields__}
    values["figures"] = [figure for figure in content.figures if figure.svg]
    values["wide"] = sum(figure.wide for figure in values["figures"])
    write_text_atomic(path, render_page("study.html.j2", values))


def write_figures(content: StudyContent, folder: Path) -> list[Path]:
    """Write each figure as an SVG file of its own, black on a clear ground, with its text as text.

    Args:
        content: The page's content.
        folder: Where the files go; it is made.

    Returns:
        The files, in the page's order.

    Raises:
        DataError: A file cannot be written.

    Example:
        >>> write_figures(StudyContent("t", "l", "v"), Path("nowhere"))
        []
    """
    written = []
    for figure in content.figures:
        if figure.svg:
            path = folder / f"{figure.name}.svg"
            size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure.svg)
            measured = "" if size is None else f'width="{size[1]}pt" height="{size[2]}pt" '
            text = figure.svg.replace("<svg ", f'<svg {measured}color="#000" ', 1)
            write_text_atomic(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}')
            written.append(path)
    return written
