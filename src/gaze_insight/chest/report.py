"""A report from probabilities and attention: what is called, where, how surely, and on what grounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import Field

from gaze_insight.chest.findings import NO_FINDING, beside_no_finding
from gaze_insight.chest.grounding import Grounding, confidence_weight, ground
from gaze_insight.chest.priors import Certainty, PriorBook, load_priors, prior_of
from gaze_insight.chest.region_scores import GroundingSettings
from gaze_insight.chest.regions import RegionSet, given_region_boxes
from gaze_insight.chest.sentences import (
    ReportSentence,
    SentenceSettings,
    certainty_of,
    chapter_order,
    impression_of,
    sentence_of,
    status_of,
)
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError
from gaze_insight.types import FloatArray, Settings

__all__ = ["ChestReport", "Keyword", "ReportSettings", "compose_report"]


class ReportSettings(Settings):
    """How a report is made.

    Example:
        >>> ReportSettings().grounding.regions
        'egd17'
    """

    grounding: GroundingSettings = Field(GroundingSettings(), description="how regions are found")
    sentences: SentenceSettings = Field(SentenceSettings(), description="which probability is said how")
    longest_impression: int = Field(4, ge=1, description="findings that the impression repeats, surest first")


@dataclass(frozen=True)
class Keyword:
    """A finding at a region with its weight: what the sentences are made of.

    Args:
        finding: The finding.
        words: The finding in plain words.
        region: The region; empty where none is named.
        weight: Confidence of the finding times the region's score, in [0, 1].

    Example:
        >>> Keyword("Edema", "pulmonary edema", "left lung", 0.4).weight
        0.4
    """

    finding: str
    words: str
    region: str
    weight: float


@dataclass(frozen=True)
class ChestReport:
    """A composed report.

    Args:
        sentences: Findings first, then the impression.
        keywords: Weighted keywords, heaviest first.
        left_open: Finding to probability where it is below its threshold and not clearly absent: nothing is
            said of it.
        notes: What a reader of the record must know: contradictions, findings without a prior, boxes of
            unknown regions.
        written_by: ``templates``, or the model that worded it.

    Example:
        >>> report = compose_report({"Pneumothorax": 0.05}, {"Pneumothorax": 0.4})
        >>> print(report.to_text())
        FINDINGS: No pneumothorax.
        IMPRESSION: Nothing abnormal is called among what was looked for.
    """

    sentences: tuple[ReportSentence, ...]
    keywords: tuple[Keyword, ...] = ()
    left_open: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    written_by: str = "templates"

    def section(self, name: Literal["findings", "impression"]) -> tuple[ReportSentence, ...]:
        """Give the sentences of a section, in order.

        Args:
            name: The section.

        Returns:
            Its sentences.

        Example:
            >>> compose_report({}, {}).section("findings")
            ()
        """
        return tuple(one for one in self.sentences if one.section == name)

    def to_text(self) -> str:
        """Write the report as text, a line for each section.

        Returns:
            The text.
        """
        parts = {
            name: " ".join(one.text for one in self.section(name)) for name in ("findings", "impression")
        }
        return "\n".join(f"{name.upper()}: {text}" for name, text in parts.items() if text)

    def with_texts(self, texts: Mapping[int, str], written_by: str) -> ChestReport:
        """Give the same report in other words; what each sentence rests on stays.

        Args:
            texts: Sentence id to words; sentences that are not named keep theirs.
            written_by: Who worded it.

        Returns:
            A new report.

        Example:
            >>> report = compose_report({"Pneumothorax": 0.05}, {"Pneumothorax": 0.4})
            >>> report.with_texts({1: "There is no pneumothorax."}, "m").sentences[0].text
            'There is no pneumothorax.'
        """
        told = tuple(one.with_text(texts.get(one.id, one.text)) for one in self.sentences)
        return replace(self, sentences=told, written_by=written_by)

    def to_json(self) -> dict[str, Any]:
        """Give plain values: text, sentences, keywords, left_open, notes, written_by.

        Example:
            >>> sorted(compose_report({}, {}).to_json())
            ['keywords', 'left_open', 'notes', 'sentences', 'text', 'written_by']
        """
        return {
            "text": self.to_text(),
            "sentences": [one.to_json() for one in self.sentences],
            "keywords": [{**vars(one), "weight": round(one.weight, 4)} for one in self.keywords],
            "left_open": {name: round(value, 4) for name, value in self.left_open.items()},
            "notes": list(self.notes),
            "written_by": self.written_by,
        }


@dataclass(frozen=True)
class _Called:
    finding: str
    probability: float
    threshold: float
    certainty: Certainty
    grounding: Grounding | None
    weight: float


def compose_report(
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    *,
    class_attention: Mapping[str, FloatArray] | None = None,
    boxes: Sequence[ChestBox] = (),
    settings: ReportSettings | None = None,
    book: PriorBook | None = None,
) -> ChestReport:
    """Compose a report from templates.

    Findings at or above their threshold are called, in the order devices, lungs, pleura, heart, bones, with
    words for their probability (`certainty_of`) and the regions that `ground` finds. Then the findings whose
    absence matters are denied where they are clearly absent. The impression repeats the surest; where nothing
    is called it says so, and it says "no acute cardiopulmonary abnormality" only if every finding that this
    denies was looked for and is clearly absent. ``No Finding`` decides nothing by itself: a finding that is
    called outweighs it, and the notes tell.

    Args:
        probabilities: Finding to calibrated probability in [0, 1].
        thresholds: Finding to threshold in [0, 1]; at least those of `probabilities`.
        class_attention: Finding to attention map (h, w), >= 0; findings without one rest on the prior.
        boxes: Boxes that came with the image.
        settings: How the report is made.
        book: The priors; None for the package's.

    Returns:
        The report; without findings an empty one.

    Raises:
        DataError: A probability or threshold is missing or not in [0, 1], or a map is wrong.

    Example:
        >>> import numpy as np
        >>> spot = np.zeros((10, 10)); spot[7, 8] = 1.0
        >>> report = compose_report({"Pleural Effusion": 0.9}, {"Pleural Effusion": 0.5},
        ...     class_attention={"Pleural Effusion": spot})
        >>> report.sentences[0].text
        'There is a left pleural effusion at the costophrenic angle and in the lower lung zone.'
        >>> report.section("impression")[0].text, report.keywords[0].region
        ('Left pleural effusion.', 'left costophrenic angle')
    """
    chosen, own = settings or ReportSettings(), book or load_priors()
    _check(probabilities, thresholds)
    looked_for = sorted(
        (one for one in probabilities if one != NO_FINDING), key=lambda f: chapter_order(f, own)
    )
    called: list[_Called] = []
    absent: list[_Called] = []
    left_open: dict[str, float] = {}
    for finding in looked_for:
        p, threshold = float(probabilities[finding]), float(thresholds[finding])
        certainty = certainty_of(p, threshold, chosen.sentences)
        if certainty is None:
            left_open[finding] = p
        elif certainty == "absent":
            absent.append(_Called(finding, p, threshold, certainty, None, 0.0))
        else:
            seen = (class_attention or {}).get(finding)
            where = ground(
                finding, seen, boxes=boxes, prior=prior_of(finding, own), settings=chosen.grounding
            )
            weight = confidence_weight(p, threshold, chosen.grounding.confidence)
            called.append(_Called(finding, p, threshold, certainty, where, weight))
    denied = [one for one in absent if prior_of(one.finding, own).negate]
    body = [_sentence(one, chosen, own) for one in (*called, *denied)]
    closing = _impression(called, absent, left_open, probabilities, thresholds, chosen, own)
    numbered = tuple(replace(one, id=at) for at, one in enumerate((*body, *closing), start=1))
    notes = _notes(called, probabilities, thresholds, boxes, own)
    return ChestReport(numbered, _keywords(called, own), left_open, notes)


def _check(probabilities: Mapping[str, float], thresholds: Mapping[str, float]) -> None:
    for finding, value in probabilities.items():
        if finding not in thresholds:
            raise DataError(f"expected a threshold for {finding!r}, found none")
        for what, number in (("probability", value), ("threshold", thresholds[finding])):
            if not 0 <= number <= 1:
                raise DataError(f"expected a {what} in [0, 1] for {finding!r}, found {number}")


def _sentence(one: _Called, settings: ReportSettings, book: PriorBook) -> ReportSentence:
    text = sentence_of(
        one.finding,
        one.certainty,
        one.grounding,
        regions=RegionSet(settings.grounding.regions),
        name_usual_regions=settings.sentences.name_usual_regions,
        book=book,
    )
    return _told(one, text, "findings")


def _told(one: _Called, text: str, section: Literal["findings", "impression"]) -> ReportSentence:
    return ReportSentence(
        0,
        text,
        section,
        one.finding,
        status_of(one.certainty),
        one.certainty,
        one.probability,
        one.threshold,
        one.grounding,
    )


def _impression(
    called: Sequence[_Called],
    absent: Sequence[_Called],
    left_open: Mapping[str, float],
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    settings: ReportSettings,
    book: PriorBook,
) -> list[ReportSentence]:
    """The surest findings; without any, one sentence about the whole image."""
    aside = beside_no_finding()
    worth = sorted((one for one in called if one.finding not in aside), key=lambda one: -one.weight)
    if worth:
        kept = worth[: settings.longest_impression]
        return [
            _told(one, impression_of(one.finding, one.certainty, one.grounding, book), "impression")
            for one in kept
        ]
    if not probabilities:
        return []
    words, normal = book.no_finding, probabilities.get(NO_FINDING)
    unsure = normal is not None and normal < thresholds[NO_FINDING]
    if unsure or any(one not in aside for one in left_open):
        return [ReportSentence(0, words.undecided, "impression")]
    whole = set(words.denies) <= {one.finding for one in absent}
    text = words.normal if whole else words.limited
    threshold = None if normal is None else thresholds[NO_FINDING]
    status = status_of("definite")
    return [ReportSentence(0, text, "impression", NO_FINDING, status, None, normal, threshold)]


def _keywords(called: Sequence[_Called], book: PriorBook) -> tuple[Keyword, ...]:
    found: list[Keyword] = []
    for one in called:
        words = prior_of(one.finding, book).noun
        regions = () if one.grounding is None else one.grounding.regions
        if not regions:
            found.append(Keyword(one.finding, words, "", one.weight))
        found += [Keyword(one.finding, words, region.name, one.weight * region.score) for region in regions]
    return tuple(sorted(found, key=lambda keyword: -keyword.weight))


def _notes(
    called: Sequence[_Called],
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    boxes: Sequence[ChestBox],
    book: PriorBook,
) -> tuple[str, ...]:
    notes = []
    normal = probabilities.get(NO_FINDING)
    worth = [one.finding for one in called if one.finding not in beside_no_finding()]
    if normal is not None and normal >= thresholds[NO_FINDING] and worth:
        beside = ", ".join(worth)
        notes.append(f"{NO_FINDING} reaches its threshold ({normal:.2f}), which contradicts {beside}")
    unknown = [one.finding for one in called if not prior_of(one.finding, book).known]
    if unknown:
        notes.append(f"nothing is written about where these usually are: {', '.join(unknown)}")
    _, strange = given_region_boxes(boxes)
    if strange:
        notes.append(f"boxes of unknown regions are not used: {', '.join(strange)}")
    return tuple(notes)
