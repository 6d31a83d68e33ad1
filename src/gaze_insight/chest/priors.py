"""What is usual for each finding: its regions, its sides, and the words for it; kept in ``priors.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from gaze_insight.chest.regions import RegionSet, all_regions
from gaze_insight.errors import DataError
from gaze_insight.types import Settings

__all__ = [
    "CHAPTERS",
    "Certainty",
    "Chapter",
    "FindingPrior",
    "Laterality",
    "NoFindingWords",
    "PriorBook",
    "load_priors",
    "parse_priors",
    "prior_of",
]

Chapter = Literal["devices", "lungs", "pleura", "heart", "bones"]

CHAPTERS: tuple[Chapter, ...] = ("devices", "lungs", "pleura", "heart", "bones")
"""The order in which a report speaks of findings."""

Laterality = Literal["lateral", "bilateral", "midline"]
"""On one side or both as seen; usually on both; or without a side."""

Certainty = Literal["definite", "probable", "possible", "absent"]

_CERTAINTIES: tuple[Certainty, ...] = ("definite", "probable", "possible", "absent")
_SLOTS = {"what": "", "where": "", "is": "", "noun": ""}


class FindingPrior(Settings):
    """What is usual for one finding.

    Example:
        >>> prior = prior_of("Pleural Effusion")
        >>> prior.chapter, prior.regions["costophrenic angle"], prior.laterality
        ('pleura', 1.0, 'lateral')
    """

    chapter: Chapter = Field(description="part of the report that speaks of it")
    noun: str = Field(min_length=1, description="the finding in a sentence")
    plural: str = Field("", description="the same on both sides; empty: as the noun")
    article: str = Field("", description="put before the noun; empty for none")
    laterality: Laterality = Field(description="whether a side may be named")
    say_region: bool = Field(True, description="whether a sentence names the region")
    side_in: Literal["noun", "place"] = Field(
        "noun", description='"left effusion at the angle", or "opacity in the left lower lung zone"'
    )
    unspoken: tuple[str, ...] = Field((), description="regions without side that a sentence never names")
    negate: bool = Field(False, description="whether its absence is worth a sentence")
    regions: dict[str, float] = Field(description="region without side to its weight in [0, 1]")
    keywords: tuple[str, ...] = Field((), description="other words for it")
    phrases: dict[Certainty, str] = Field(default_factory=dict, description="its own sentences")
    known: bool = Field(True, description="False for a finding that the book lacks: all regions count alike")

    @field_validator("regions")
    @classmethod
    def _check_regions(cls, value: dict[str, float]) -> dict[str, float]:
        bases = {one.base for one in all_regions()}
        for name, weight in value.items():
            if name not in bases:
                raise ValueError(f"unknown region {name!r}; regions are named without side")
            if not 0 <= weight <= 1:
                raise ValueError(f"the weight of {name!r} must be in [0, 1], found {weight}")
        return value

    @field_validator("phrases")
    @classmethod
    def _check_phrases(cls, value: dict[Certainty, str]) -> dict[Certainty, str]:
        for phrase in value.values():
            try:
                phrase.format(**_SLOTS)
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(f"a phrase has the slots {', '.join(_SLOTS)}, found {phrase!r}") from error
        return value

    def weights(self, regions: RegionSet) -> dict[str, float]:
        """Give each region of a set its weight, those of a pair alike.

        Args:
            regions: The set.

        Returns:
            Region name to weight in [0, 1]; 0 where the finding is not usual.

        Example:
            >>> weights = prior_of("Cardiomegaly").weights(RegionSet("egd17"))
            >>> weights["cardiac silhouette"], weights["left lung"]
            (1.0, 0.0)
        """
        return {one.name: self.regions.get(one.base, 0.0) for one in regions.regions}


class NoFindingWords(Settings):
    """Sentences of a report that calls nothing.

    Example:
        >>> load_priors().no_finding.normal
        'No acute cardiopulmonary abnormality.'
    """

    normal: str = Field(min_length=1, description="where the image is called normal")
    denies: tuple[str, ...] = Field(description="findings that the sentence `normal` denies")
    limited: str = Field(min_length=1, description="where some of these were not looked for")
    undecided: str = Field(min_length=1, description="where a finding is neither called nor clearly absent")


class PriorBook(Settings):
    """The whole file.

    Example:
        >>> load_priors().version
        1
    """

    version: int = Field(ge=1)
    phrases: dict[Certainty, str] = Field(description="sentences of findings without their own")
    no_finding: NoFindingWords
    findings: dict[str, FindingPrior]

    def phrase(self, prior: FindingPrior, certainty: Certainty) -> str:
        """Give the sentence of a finding at a certainty, with its slots.

        Args:
            prior: The finding's entry.
            certainty: How sure.

        Returns:
            The template.

        Example:
            >>> book = load_priors()
            >>> book.phrase(book.findings["Consolidation"], "absent")
            'No focal consolidation.'
        """
        return prior.phrases.get(certainty, self.phrases[certainty])


def parse_priors(content: Mapping[str, Any]) -> PriorBook:
    """Check the content of a file of priors.

    Args:
        content: As read from YAML.

    Returns:
        The book.

    Raises:
        DataError: A region, weight, phrase or key is wrong, or a default phrase is missing.

    Example:
        >>> parse_priors({"version": 1})
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: the priors: phrases: Field required
          -> compare it with the package's chest/priors.yaml
    """
    remedy = "compare it with the package's chest/priors.yaml"
    try:
        book = PriorBook.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise DataError(f"the priors: {where}: {told}", remedy=remedy) from error
    missing = [one for one in _CERTAINTIES if one not in book.phrases]
    if missing:
        raise DataError(f"the priors: no phrase for {', '.join(missing)}", remedy=remedy)
    return book


@cache
def load_priors() -> PriorBook:
    """Read the package's priors.

    Returns:
        The book.

    Example:
        >>> "Pneumothorax" in load_priors().findings
        True
    """
    text = resources.files("gaze_insight.chest").joinpath("priors.yaml").read_text(encoding="utf-8")
    return parse_priors(yaml.safe_load(text))


def prior_of(finding: str, book: PriorBook | None = None) -> FindingPrior:
    """Give what is usual for a finding; for one that the book lacks, every region alike.

    Args:
        finding: Its canonical name.
        book: The priors; None for the package's.

    Returns:
        The entry; `known` is False where the book has none.

    Example:
        >>> own = prior_of("Aortic_Calcification")
        >>> own.known, own.noun, own.regions["trachea"]
        (False, 'aortic calcification', 1.0)
    """
    found = (book or load_priors()).findings.get(finding)
    if found is not None:
        return found
    return FindingPrior(
        chapter="lungs",
        noun=" ".join(finding.replace("_", " ").lower().split()) or "finding",
        laterality="lateral",
        side_in="place",
        regions={one.base: 1.0 for one in all_regions()},
        known=False,
    )
