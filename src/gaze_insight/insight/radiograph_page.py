"""The page of one radiograph: the report, where each sentence looks, and the probabilities behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.chest.findings import NO_FINDING
from gaze_insight.chest.priors import Certainty
from gaze_insight.chest.regions import RegionSet
from gaze_insight.chest.report import ChestReport
from gaze_insight.chest.sentences import ReportSentence
from gaze_insight.insight.radiograph_layers import Outline, attention_layer, outlines_of, plain_picture
from gaze_insight.insight.rendering import fixed, render_page, share
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = [
    "FindingBar",
    "ListedRadiograph",
    "RadiographContent",
    "write_radiograph",
    "write_radiograph_list",
]

_GROUNDS = {
    "attention": "shown by attention",
    "prior": "place not shown",
    "box": "box given",
}


@dataclass(frozen=True)
class FindingBar:
    """One finding's probability.

    Args:
        finding: Its name.
        probability: In [0, 1].
        threshold: It is called from here on.
        certainty: In which words; None where nothing is said of it.

    Example:
        >>> FindingBar("Edema", 0.7, 0.4, "probable").called
        True
    """

    finding: str
    probability: float
    threshold: float
    certainty: Certainty | None

    @property
    def called(self) -> bool:
        """Whether it reaches its threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class RadiographContent:
    """Everything the page says.

    Args:
        name: The image's file name.
        image: RGB, (H, W, 3) uint8.
        report: The report.
        bars: All findings.
        attention: Finding to attention over the image, (h, w), >= 0; those that are called are enough.
        overall: The attention of the whole image, shown where nothing is called; None for none.
        notes: What a reader must know first.
        facts: What was made how, name to value.
        calibrated: Whether the probabilities are calibrated.
        listing: File name of the page that lists all images; empty for none.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    name: str
    image: ByteArray
    report: ChestReport
    bars: Sequence[FindingBar] = ()
    attention: Mapping[str, FloatArray] = field(default_factory=dict)
    overall: FloatArray | None = None
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    calibrated: bool = True
    listing: str = ""
    created: str = ""
    version: str = ""


@dataclass(frozen=True)
class ListedRadiograph:
    """One row of the page that lists radiographs.

    Args:
        name: The image's file name.
        page: File name of its page; empty where the image could not be read.
        impression: The impression, or why there is none.
        called: Findings that are called, with probabilities.
        notes: Number of notes.

    Example:
        >>> ListedRadiograph("a.png", "a.html", "No acute cardiopulmonary abnormality.", {}).notes
        0
    """

    name: str
    page: str
    impression: str
    called: Mapping[str, float] = field(default_factory=dict)
    notes: int = 0


def write_radiograph(content: RadiographContent, path: Path) -> None:
    """Write the page as one HTML file that needs no other file, no script and no network.

    Args:
        content: What the page says.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from gaze_insight.chest.report import compose_report
        >>> page = Path(tempfile.mkdtemp()) / "a.html"
        >>> report = compose_report({"Edema": 0.9}, {"Edema": 0.5})
        >>> write_radiograph(RadiographContent("a.png", np.zeros((8, 8, 3), np.uint8), report), page)
        >>> "There is pulmonary edema." in page.read_text(encoding="utf-8")
        True
    """
    size = Size(*content.image.shape[:2])
    layers = _layers(content, size)
    shown = [layer["key"] for layer in layers]
    values = {
        "title": f"Radiograph {content.name}",
        "created": content.created,
        "version": content.version,
        "name": content.name,
        "listing": content.listing,
        "impression": [_told(one, shown) for one in content.report.section("impression")],
        "findings": [_told(one, shown) for one in content.report.section("findings")],
        "picture": plain_picture(content.image),
        "shape": f"{size.width} / {size.height}",
        "layers": layers,
        "groups": _groups(content.bars),
        "calibrated": content.calibrated,
        "notes": [*content.notes, *content.report.notes],
        "left_open": list(content.report.left_open),
        "facts": {**content.facts, "Words by": content.report.written_by},
        "text": content.report.to_text(),
    }
    write_text_atomic(path, render_page("radiograph.html.j2", values))


def _layers(content: RadiographContent, size: Size) -> list[dict[str, Any]]:
    """One layer for each called finding, the surest first; the overall attention where nothing is called."""
    called = [one for one in content.report.section("findings") if one.grounding is not None]
    called.sort(key=lambda one: -(one.probability or 0.0))
    layers = []
    for one in called:
        where, seen = one.grounding, content.attention.get(one.finding or "")
        if where is None:
            continue
        layers.append(
            {
                "key": f"f{one.id}",
                "title": one.finding,
                "heat": "" if seen is None else attention_layer(seen, size),
                "outlines": _drawn(one),
                "sure": where.provenance in ("attention", "box"),
                "caption": _caption(one),
            }
        )
    if not layers and content.overall is not None:
        heat = attention_layer(content.overall, size)
        caption = "Nothing is called. This is where the network attended overall."
        layers.append({"key": "all", "title": "Attention", "heat": heat, "outlines": (), "sure": True,
                       "caption": caption})  # fmt: skip
    return layers


def _drawn(sentence: ReportSentence) -> tuple[Outline, ...]:
    """The regions that the sentence rests on; those that are only usual are drawn as such."""
    return () if sentence.grounding is None else outlines_of(sentence.grounding.regions)


def _caption(sentence: ReportSentence) -> str:
    where = sentence.grounding
    if where is None or where.provenance is None:
        return "No place is named."
    names = " and ".join(one.name for one in where.regions)
    if where.provenance == "prior":
        return f"The image shows no place ({where.why}). Dashed: where this is usual ({names})."
    if where.provenance == "box":
        return f"A box given with the image lies in: {names}."
    best = max(where.regions, key=lambda one: one.lift)
    return f"Attention in the {best.name} is {best.lift:.1f} times its even share. Outlined: {names}."


def _told(sentence: ReportSentence, shown: Sequence[str]) -> dict[str, Any]:
    provenance = sentence.provenance
    says_place = sentence.grounding is not None and sentence.section == "findings"
    key = f"f{sentence.id}"
    return {
        "id": sentence.id,
        "text": sentence.text,
        "status": sentence.status or "whole",
        "key": key if key in shown else "",
        "probability": "" if sentence.certainty is None else fixed(sentence.probability),
        "grounds": _GROUNDS.get(provenance or "", "") if says_place else "",
        "provenance": provenance or "none",
        "title": "" if sentence.grounding is None else sentence.grounding.why,
        "usual": _usual(sentence) if says_place and provenance == "prior" else "",
    }


def _usual(sentence: ReportSentence) -> str:
    base = "" if sentence.grounding is None else sentence.grounding.usual
    regions = RegionSet("imagenome29").of(base)
    return regions[0].spoken if regions else ""


def _groups(bars: Sequence[FindingBar]) -> list[dict[str, Any]]:
    """Bars of called, open and absent findings, the highest first; that of a normal image apart."""
    groups: dict[str, list[FindingBar]] = {
        "Called": [],
        "Left open": [],
        "Clearly below the threshold": [],
        "A normal image": [],
    }
    for bar in sorted(bars, key=lambda one: -one.probability):
        kind = (
            "Called"
            if bar.called
            else "Left open"
            if bar.certainty is None
            else "Clearly below the threshold"
        )
        kind = "A normal image" if bar.finding == NO_FINDING else kind
        groups[kind].append(bar)
    return [{"title": title, "bars": [_bar(one) for one in ones]} for title, ones in groups.items() if ones]


def _bar(bar: FindingBar) -> dict[str, Any]:
    return {
        "finding": bar.finding,
        "value": fixed(bar.probability),
        "width": round(100 * bar.probability, 1),
        "threshold": fixed(bar.threshold),
        "tick": round(100 * bar.threshold, 1),
        "called": bar.called,
        "words": bar.certainty if bar.called else "",
    }


def write_radiograph_list(
    rows: Sequence[ListedRadiograph], path: Path, *, run: str, created: str = "", version: str = ""
) -> None:
    """Write the page that lists several radiographs, those with the surest findings first.

    Args:
        rows: The radiographs.
        path: The HTML file; replaced in one step.
        run: The run that read them.
        created: Date of the page as text.
        version: Version of gaze-insight.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "index.html"
        >>> row = ListedRadiograph("a.png", "a.html", "Edema.", {"Edema": 0.9})
        >>> write_radiograph_list([row], page, run="r")
        >>> 'href="a.html"' in page.read_text(encoding="utf-8")
        True
    """
    ordered = sorted(rows, key=lambda one: (not one.page, -max(one.called.values(), default=0.0), one.name))
    values = {
        "title": "Radiographs",
        "created": created,
        "version": version,
        "run": run,
        "rows": [
            {
                "name": one.name,
                "page": one.page,
                "impression": one.impression,
                "called": [f"{name} {share(p, 0)}" for name, p in one.called.items()],
                "notes": one.notes,
            }
            for one in ordered
        ],
        "with_findings": sum(bool(one.called) for one in rows),
        "failed": sum(not one.page for one in rows),
    }
    write_text_atomic(path, render_page("radiographs.html.j2", values))
