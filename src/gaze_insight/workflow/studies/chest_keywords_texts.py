"""Text metrics put to the test: a report itself, its contrary, and somebody else's report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gaze_insight.chest.keyword_scores import KeywordScores, keyword_scores
from gaze_insight.chest.keywords import KeywordSettings, extract_mentions
from gaze_insight.evaluation.text_overlap import TextOverlap, text_overlap
from gaze_insight.types import Progress, silent

__all__ = ["TextRow", "compare_texts", "flip_denials"]

_TURNED = {"no": "", "not": "", "without": "with", "no evidence of": "evidence of"}


@dataclass(frozen=True)
class TextRow:
    """How metrics see a changed report.

    Args:
        text: What was compared with the reference.
        overlap: ROUGE and BLEU.
        keywords: Precision, recall and F1 of findings.
        changed: Reports that differ from their reference.
    """

    text: str
    overlap: TextOverlap
    keywords: KeywordScores
    changed: int


def compare_texts(
    references: Sequence[str], settings: KeywordSettings, seed: int = 0, progress: Progress = silent
) -> tuple[TextRow, ...]:
    """Ask what the metrics say of a report itself, of its contrary, and of somebody else's report.

    Args:
        references: The reports.
        settings: How findings are read.
        seed: Seed of the order in which reports are given to others; with two reports or more nobody gets
            their own.
        progress: Told of each comparison.

    Returns:
        Three rows.

    Raises:
        MissingExtraError: The packages of ROUGE and BLEU are not installed.
    """
    order = np.random.default_rng(seed).permutation(len(references))
    shuffled = [""] * len(references)
    for place, following in zip(order, np.roll(order, 1), strict=True):
        shuffled[place] = references[following]
    versions = {
        "the report itself": references,
        "its denials and assertions turned round": [flip_denials(text) for text in references],
        "the report of somebody else": shuffled,
    }
    rows = []
    for done, (name, texts) in enumerate(versions.items()):
        progress("text metrics", done, len(versions))
        changed = sum(one != two for one, two in zip(references, texts, strict=True))
        scores = keyword_scores(references, texts, settings=settings)
        rows.append(TextRow(name, text_overlap(references, texts), scores, changed))
    progress("text metrics", len(versions), len(versions))
    return tuple(rows)


def flip_denials(text: str, findings: Sequence[str] | None = None) -> str:
    """Turn each denial of a finding into an assertion and each assertion into a denial, by one word each.

    "No" and "not" are dropped, "without" becomes "with"; before what is asserted "no" is put. What is
    doubted, implied, or denied in other words stays.

    Args:
        text: A report.
        findings: The findings that are turned; None for all.

    Returns:
        The report that says the contrary; the same text where there is nothing to turn.

    Example:
        >>> flip_denials("No effusion or pneumothorax. Mild edema.")
        'effusion or pneumothorax. Mild no edema.'
    """
    edits: dict[tuple[int, int], str] = {}
    for one in extract_mentions(text):
        if one.beyond or one.implied or (findings is not None and one.finding not in findings):
            continue
        if one.status == "positive":
            edits[one.start, one.start] = "no "
        elif one.cue.lower() in _TURNED:
            begin = text.rfind(one.cue, 0, one.start)
            if begin != -1:
                edits[begin, begin + len(one.cue)] = _TURNED[one.cue.lower()]
    for (start, end), words in sorted(edits.items(), reverse=True):
        text = text[:start] + words + text[end:]
    return re.sub(r"[ \t]{2,}", " ", text).strip()
