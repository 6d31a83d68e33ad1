"""Sentences of a report from templates: one finding each, with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, model_validator

from gaze_insight.chest.grounding import Grounding, NamedSide
from gaze_insight.chest.priors import CHAPTERS, Certainty, FindingPrior, PriorBook, load_priors, prior_of
from gaze_insight.chest.regions import Region, RegionSet
from gaze_insight.errors import SettingsError
from gaze_insight.types import Settings

__all__ = [
    "ReportSentence",
    "SentenceSettings",
    "Status",
    "certainty_of",
    "chapter_order",
    "impression_of",
    "sentence_of",
    "status_of",
]

Status = Literal["positive", "uncertain", "negative"]
"""What a reader takes a sentence for: "definite" is positive, "probable" and "possible" are uncertain."""

_STATUS: dict[Certainty, Status] = {
    "definite": "positive",
    "probable": "uncertain",
    "possible": "uncertain",
    "absent": "negative",
}


class SentenceSettings(Settings):
    """Which probability is said in which words.

    Example:
        >>> SentenceSettings().definite_from
        0.8
    """

    definite_from: float = Field(0.8, ge=0, le=1, description="calibrated probability said without doubt")
    probable_from: float = Field(
        0.5, ge=0, le=1, description='said as "probable"; below it, down to the threshold, as "possible"'
    )
    absent_below: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a finding is said to be absent where its probability is at most this multiple of its "
        "threshold; between there and the threshold nothing is said, and the record lists it",
    )
    name_usual_regions: bool = Field(
        False, description="name the usual region where nothing in the image shows one, and say so"
    )

    @model_validator(mode="after")
    def _check_order(self) -> SentenceSettings:
        if self.probable_from > self.definite_from:
            raise SettingsError(
                f"probable_from ({self.probable_from}) must not exceed definite_from ({self.definite_from})"
            )
        return self


@dataclass(frozen=True)
class ReportSentence:
    """One sentence with what it rests on.

    Args:
        id: Number in the report, from 1; other records refer to it.
        text: The sentence.
        section: The part of the report.
        finding: Whom it is about; None for a sentence about the whole image.
        status: What it says of the finding.
        certainty: In which words; None for the whole image.
        probability: The calibrated probability; None for the whole image.
        threshold: The finding's threshold; None for the whole image.
        grounding: Where it is said to be, and why; None for absent findings and the whole image.

    Example:
        >>> ReportSentence(1, "No pneumothorax.", "findings", "Pneumothorax", "negative").grounding is None
        True
    """

    id: int
    text: str
    section: Literal["findings", "impression"]
    finding: str | None = None
    status: Status | None = None
    certainty: Certainty | None = None
    probability: float | None = None
    threshold: float | None = None
    grounding: Grounding | None = None

    @property
    def provenance(self) -> str | None:
        """What its regions rest on: prior, attention or box; None where it names none.

        Example:
            >>> ReportSentence(1, "No pneumothorax.", "findings").provenance is None
            True
        """
        return None if self.grounding is None else self.grounding.provenance

    def with_text(self, text: str) -> ReportSentence:
        """Give the same sentence in other words.

        Args:
            text: The words.

        Returns:
            A new sentence.

        Example:
            >>> ReportSentence(1, "a", "findings").with_text("b").text
            'b'
        """
        return replace(self, text=text)

    def to_json(self) -> dict[str, Any]:
        """Give plain values, probabilities with four digits.

        Example:
            >>> ReportSentence(1, "a", "findings").to_json()["section"]
            'findings'
        """
        where = Grounding("", None, (), None) if self.grounding is None else self.grounding
        return {
            "id": self.id,
            "text": self.text,
            "section": self.section,
            "finding": self.finding,
            "status": self.status,
            "certainty": self.certainty,
            "probability": None if self.probability is None else round(self.probability, 4),
            "threshold": None if self.threshold is None else round(self.threshold, 4),
            **where.to_json(),
        }


def certainty_of(
    probability: float, threshold: float, settings: SentenceSettings | None = None
) -> Certainty | None:
    """Choose the words for a probability.

    At or above the threshold: definite, probable or possible by the bands of the settings. Clearly below it
    (`absent_below`): absent. In between: None, and nothing is said.

    Args:
        probability: Calibrated, in [0, 1].
        threshold: The finding's, in [0, 1].
        settings: The bands.

    Returns:
        The certainty, or None.

    Example:
        >>> [certainty_of(p, 0.3) for p in (0.9, 0.6, 0.4, 0.2, 0.1)]
        ['definite', 'probable', 'possible', None, 'absent']
    """
    bands = settings or SentenceSettings()
    if probability >= threshold:
        if probability >= bands.definite_from:
            return "definite"
        return "probable" if probability >= bands.probable_from else "possible"
    return "absent" if probability <= bands.absent_below * threshold else None


def status_of(certainty: Certainty) -> Status:
    """Say what a reader takes a certainty for.

    Args:
        certainty: The words.

    Returns:
        The status.

    Example:
        >>> status_of("possible")
        'uncertain'
    """
    return _STATUS[certainty]


def chapter_order(finding: str, book: PriorBook | None = None) -> tuple[int, int, str]:
    """Give the sorting key of findings in a report: devices, lungs, pleura, heart, bones.

    Args:
        finding: The finding.
        book: The priors; None for the package's.

    Returns:
        A key for `sorted`: chapter, place in the file, name.

    Example:
        >>> sorted(["Fracture", "Cardiomegaly", "Edema", "Support Devices"], key=chapter_order)
        ['Support Devices', 'Edema', 'Cardiomegaly', 'Fracture']
    """
    own = book or load_priors()
    listed = list(own.findings)
    place = listed.index(finding) if finding in listed else len(listed)
    return CHAPTERS.index(prior_of(finding, own).chapter), place, finding


def sentence_of(
    finding: str,
    certainty: Certainty,
    grounding: Grounding | None = None,
    *,
    regions: RegionSet | None = None,
    name_usual_regions: bool = False,
    book: PriorBook | None = None,
) -> str:
    """Write the sentence of a finding.

    A side and a region are named only where the grounding rests on the attention map or on a given box; with
    `name_usual_regions` a region that rests on the prior is named as the usual one, without a side.

    Args:
        finding: The finding.
        certainty: How sure.
        grounding: Where it is; None names no region.
        regions: The set that the grounding's regions belong to; None for that of EGD.
        name_usual_regions: See above.
        book: The priors; None for the package's.

    Returns:
        One sentence.

    Example:
        >>> sentence_of("Pneumothorax", "absent"), sentence_of("Edema", "possible")
        ('No pneumothorax.', 'Possible pulmonary edema.')
        >>> sentence_of("Pleural Effusion", "definite")
        'There is a pleural effusion.'
    """
    own = book or load_priors()
    prior = prior_of(finding, own)
    template = own.phrase(prior, certainty)
    if certainty == "absent":
        return template.format(what=prior.noun, where="", noun=prior.noun, **{"is": "is"})
    shown = grounding if grounding is not None and grounding.provenance in ("attention", "box") else None
    side = None if shown is None else shown.side
    where = ""
    if prior.say_region and shown is not None:
        where = _where(shown, side, regions or RegionSet("imagenome29"), prior)
    elif prior.say_region and name_usual_regions and grounding is not None and grounding.usual:
        where = f", usually {_usual(grounding.usual)}"
    several = side == "bilateral" and bool(prior.plural)
    verb = {"is": "are" if several else "is"}
    what = _what(prior, side, article=certainty == "definite")
    return template.format(what=what, where=where, noun=prior.noun, **verb)


def impression_of(
    finding: str, certainty: Certainty, grounding: Grounding | None = None, book: PriorBook | None = None
) -> str:
    """Write the line of a finding in the impression: how sure, which side, what.

    Args:
        finding: The finding.
        certainty: How sure.
        grounding: Where it is; a side is named only as `sentence_of` would.
        book: The priors; None for the package's.

    Returns:
        One line with a full stop.

    Example:
        >>> impression_of("Cardiomegaly", "definite"), impression_of("Edema", "probable")
        ('Cardiomegaly.', 'Probable pulmonary edema.')
    """
    own = book or load_priors()
    prior = prior_of(finding, own)
    if certainty == "absent":
        return sentence_of(finding, certainty, book=own)
    shown = grounding is not None and grounding.provenance in ("attention", "box")
    side = grounding.side if grounding is not None and shown else None
    what = _what(prior, side, article=False)
    if side is not None and prior.side_in == "place":
        what += _on(side)
    line = what if certainty == "definite" else f"{certainty} {what}"
    return f"{line[0].upper()}{line[1:]}."


def _what(prior: FindingPrior, side: NamedSide | None, *, article: bool) -> str:
    """Name the finding with its side: "a left pleural effusion", "bilateral pleural effusions"."""
    noun, before = prior.noun, prior.article if article else ""
    if side == "bilateral" and prior.plural:
        noun, before = prior.plural, ""
    said_here = prior.side_in == "noun" and (prior.laterality != "bilateral" or side == "bilateral")
    words = [before, side or "" if said_here else "", noun]
    return " ".join(word for word in words if word)


def _where(shown: Grounding, side: NamedSide | None, known: RegionSet, prior: FindingPrior) -> str:
    """Say "in the left lower lung zone", without the side where the noun says it; after a blank."""
    named = [known[one.name] for one in shown.regions]
    named = [one for one in named if one.base not in prior.unspoken]
    if prior.laterality == "bilateral" and side in ("left", "right"):
        return f", more on the {side}{_places(_without_sides(named))}"
    if side is None:
        return _places([(one.at, one.spoken) for one in named if one.side == "midline"])
    if not named:
        return _on(side) if prior.side_in == "place" else ""
    if side == "bilateral":
        bases = {one.base for one in named}
        return _places([(one.at, one.plural) for one in named] if len(bases) == 1 else _with_sides(named))
    return _places(_with_sides(named) if prior.side_in == "place" else _without_sides(named))


def _on(side: NamedSide) -> str:
    return " on both sides" if side == "bilateral" else f" on the {side}"


def _without_sides(named: Sequence[Region]) -> list[tuple[str, str]]:
    return [(one.at, one.spoken) for one in named]


def _with_sides(named: Sequence[Region]) -> list[tuple[str, str]]:
    sides = ["" if one.side == "midline" else f"{one.side} " for one in named]
    return [(one.at, f"{side}{one.spoken}") for one, side in zip(named, sides, strict=True)]


def _places(places: Sequence[tuple[str, str]]) -> str:
    """Say "in the A and B" or "in the A and at the B", each place once, after a blank."""
    told, before = [], ""
    for at, name in dict.fromkeys(places):
        told.append(f"the {name}" if at == before else f"{at} the {name}")
        before = at
    return f" {' and '.join(told)}" if told else ""


def _usual(base: str) -> str:
    regions = RegionSet("imagenome29").of(base)
    return f"{regions[0].at} the {regions[0].plural if len(regions) > 1 else regions[0].spoken}"
