"""Findings of a chest radiograph: their names here, and what the names of each data set say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from gaze_insight.errors import SettingsError

__all__ = [
    "FINDINGS",
    "NO_FINDING",
    "FindingMap",
    "all_names",
    "beside_no_finding",
    "finding_map",
    "finding_order",
    "findings_named",
    "mesh_findings",
]

_FILE = "findings.yaml"
_QUALIFIER = "/"
_TEXT_SOURCE = "mesh"


@dataclass(frozen=True)
class FindingMap:
    """What one source's names say about our findings.

    Args:
        source: ``chexpert``, ``negbio``, ``reflacx``, ``egd``, ``nih`` or ``mesh``.
        shows: Name to the findings that it is a form of.
        rules_out: Name to the findings that it covers without telling them apart: absent, they are absent;
            present, nothing is known of each.

    Example:
        >>> FindingMap("mine", {"Effusion": ("Pleural Effusion",)}, {}).shown_by("Effusion")
        ('Pleural Effusion',)
    """

    source: str
    shows: Mapping[str, tuple[str, ...]]
    rules_out: Mapping[str, tuple[str, ...]]

    def shown_by(self, name: str) -> tuple[str, ...]:
        """List the findings that a name shows, whatever its case; the name itself where the map lacks it.

        Args:
            name: The source's name; for MeSH a tag such as ``Opacity/lung/base/left``.

        Returns:
            The findings; empty where the name is none, or shows none of them for sure (`rules_out`).

        Example:
            >>> finding_map("reflacx").shown_by("pulmonary edema")
            ('Edema', 'Lung Opacity')
            >>> finding_map("reflacx").shown_by("Pleural abnormality")
            ()
            >>> finding_map("nih").shown_by("Hernia")
            ('Hernia',)
        """
        known = _match(name, self.shows)
        if known is not None:
            return self.shows[known]
        return () if _match(name, self.rules_out) is not None else (name,)

    def merged_in(self, name: str) -> tuple[str, ...]:
        """List the findings that a name covers without telling them apart.

        Args:
            name: The source's name, in any case.

        Returns:
            The findings; empty for a name that merges none.

        Example:
            >>> finding_map("reflacx").merged_in("Pleural abnormality")
            ('Pleural Effusion', 'Pleural Other')
        """
        known = _match(name, self.rules_out)
        return () if known is None else self.rules_out[known]

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings of which the source can say something, ours first and in our order."""
        told = {one for part in (self.shows, self.rules_out) for found in part.values() for one in found}
        return tuple(sorted(told, key=finding_order))


def finding_order(name: str) -> tuple[int, str]:
    """Give the sorting key of a finding: ours in their order, then others by name.

    Args:
        name: The finding.

    Returns:
        A key for `sorted`.

    Example:
        >>> sorted(["Hernia", "Edema", "Emphysema"], key=finding_order)
        ['Edema', 'Emphysema', 'Hernia']
    """
    return (FINDINGS.index(name), "") if name in FINDINGS else (len(FINDINGS), name)


def finding_map(source: str) -> FindingMap:
    """Give the map of a source.

    Args:
        source: Its key in `ChestFacts.labels`, or ``reflacx`` for the readers' certainties.

    Returns:
        The map.

    Raises:
        SettingsError: There is no map for this source.

    Example:
        >>> finding_map("nih").shows["Pleural_Thickening"]
        ('Pleural Other',)
    """
    maps = _maps()
    if source not in maps:
        raise SettingsError(f"unknown source of labels {source!r}; known: {', '.join(maps)}")
    return maps[source]


@lru_cache(maxsize=4096)
def findings_named(name: str) -> tuple[str, ...]:
    """List our findings that a name of any source shows: for boxes, which do not say where they come from.

    Args:
        name: A name of any source of images, or ours, in any case.

    Returns:
        The findings in our order; the name itself where no map has it; empty where it only merges
        several or is no finding.

    Example:
        >>> findings_named("Enlarged cardiac silhouette"), findings_named("Effusion")
        (('Cardiomegaly',), ('Pleural Effusion',))
        >>> findings_named("Pleural abnormality")
        ()
    """
    charts = [chart for source, chart in _maps().items() if source != _TEXT_SOURCE]
    shown = [chart.shows[known] for chart in charts if (known := _match(name, chart.shows)) is not None]
    if shown:
        return tuple(sorted({one for part in shown for one in part}, key=finding_order))
    return () if any(chart.merged_in(name) for chart in charts) else (name,)


def mesh_findings(tags: Iterable[str]) -> frozenset[str] | None:
    """Turn the MeSH tags of a report into our findings.

    Args:
        tags: Tags such as ``Opacity/lung/base/left``.

    Returns:
        The findings, `NO_FINDING` for the tag ``normal``; tags that name none of ours are passed over. None
        where the report was not indexed: then nothing is known.

    Example:
        >>> sorted(mesh_findings(["Cardiac Shadow/enlarged/mild", "Scoliosis", "Thickening/pleura/right"]))
        ['Cardiomegaly', 'Pleural Other']
        >>> mesh_findings(["No Indexing"]) is None
        True
    """
    listed = list(tags)
    never = {one.lower() for one in _content()["mesh_not_indexed"]}
    if not listed or any(tag.strip().lower() in never for tag in listed):
        return None
    chart = finding_map("mesh")
    known = (_match(tag, chart.shows) for tag in listed)
    return frozenset(one for name in known if name is not None for one in chart.shows[name])


def beside_no_finding() -> frozenset[str]:
    """List what may be there on a radiograph without a finding: devices.

    Example:
        >>> "Support Devices" in beside_no_finding()
        True
    """
    return frozenset(_content()["beside_no_finding"])


def all_names() -> tuple[str, ...]:
    """List every finding that a map knows, ours first.

    Example:
        >>> [name for name in all_names() if name not in FINDINGS]
        ['Emphysema', 'Fibrosis', 'Hernia', 'Infiltration']
    """
    told = {one for chart in _maps().values() for one in chart.findings}
    return tuple(sorted(told | set(FINDINGS), key=finding_order))


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    text = files("gaze_insight.chest").joinpath(_FILE).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


@lru_cache(maxsize=1)
def _maps() -> dict[str, FindingMap]:
    return {
        source: FindingMap(source, _tuples(parts.get("shows")), _tuples(parts.get("rules_out")))
        for source, parts in _content()["sources"].items()
    }


def _tuples(part: Mapping[str, list[str]] | None) -> dict[str, tuple[str, ...]]:
    return {name: tuple(found) for name, found in (part or {}).items()}


def _match(name: str, known: Mapping[str, Any]) -> str | None:
    """The key of `known` that a name means: the same words, or the heading with a qualifier it asks for."""
    head, *qualifiers = _words(name)
    best = None
    for key in known:
        wanted, *asked = _words(key)
        if wanted == head and set(asked) <= set(qualifiers) and (best is None or asked):
            best = key
    return best


def _words(name: str) -> list[str]:
    return [" ".join(part.lower().split()) for part in name.split(_QUALIFIER)]


FINDINGS: tuple[str, ...] = tuple(_content()["findings"])
"""The 14 findings of the CheXpert labeler, in alphabetical order."""

NO_FINDING: str = _content()["no_finding"]
"""The finding that says that there is none."""
