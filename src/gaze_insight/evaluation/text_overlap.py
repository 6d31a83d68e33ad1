"""Overlap of generated text with reference text: ROUGE and BLEU, each with the name of its flavour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gaze_insight.errors import DataError, MissingExtraError

__all__ = ["BleuScores", "RougeScores", "TextOverlap", "bleu_scores", "rouge_scores", "text_overlap"]

_ROUGE = {"rouge1": "rouge1", "rouge2": "rouge2", "rougeL": "rouge_l"}
_LONGEST = 4


@dataclass(frozen=True)
class RougeScores:
    """ROUGE F of each report, and their means.

    Args:
        rouge1: Mean F of single words, in [0, 1]; NaN where there is no report.
        rouge2: Mean F of word pairs.
        rouge_l: Mean F of the longest common subsequence.
        per_report: The three of each report that was scored, in order.
        flavour: Package, version and settings: figures of another flavour cannot be compared.
    """

    rouge1: float
    rouge2: float
    rouge_l: float
    per_report: tuple[tuple[float, float, float], ...]
    flavour: str


@dataclass(frozen=True)
class BleuScores:
    """Corpus BLEU of n-grams up to 1, 2, 3 and 4 words.

    Args:
        bleu: BLEU-1 to BLEU-4 in [0, 1]; NaN where there is no report.
        flavour: sacrebleu's signature of each.
    """

    bleu: tuple[float, float, float, float]
    flavour: tuple[str, str, str, str]


@dataclass(frozen=True)
class TextOverlap:
    """ROUGE and BLEU of the same pairs of reports.

    Args:
        rouge: ROUGE.
        bleu: BLEU.
        scored: Places (from 0) of the pairs that were scored.
        without_reference: Pairs left out since the reference is blank.
        without_text: Pairs whose generated text is blank; they are scored, as 0.
    """

    rouge: RougeScores
    bleu: BleuScores
    scored: tuple[int, ...]
    without_reference: int
    without_text: int

    def as_dict(self) -> dict[str, float | int | str]:
        """Give the numbers and their flavours as plain values, for a summary.

        Returns:
            rouge1, rouge2, rouge_l, bleu1 to bleu4, counts and flavours; a number that is not defined is NaN.

        Example:
            >>> round(text_overlap(["no effusion"], ["no effusion"]).as_dict()["rouge1"], 3)
            1.0
        """
        numbers: dict[str, float | int | str] = {
            name: getattr(self.rouge, name) for name in ("rouge1", "rouge2", "rouge_l")
        }
        numbers |= {f"bleu{n}": value for n, value in enumerate(self.bleu.bleu, 1)}
        return numbers | {
            "reports": len(self.scored),
            "without_reference": self.without_reference,
            "without_text": self.without_text,
            "rouge_flavour": self.rouge.flavour,
            "bleu_flavour": self.bleu.flavour[-1],
        }


def rouge_scores(references: Sequence[str], generated: Sequence[str]) -> RougeScores:
    r"""Compute ROUGE-1, ROUGE-2 and ROUGE-L (Lin, 2004) with the package rouge-score.

    :math:`F = 2PR / (P + R)` of each report, P and R over stemmed words (for ROUGE-L over the longest common
    subsequence of the whole text), then the mean over reports.

    Args:
        references: The texts to be met, (N,).
        generated: The texts to be scored, (N,).

    Returns:
        The scores; NaN means where N is 0.

    Raises:
        DataError: The lists differ in length.
        MissingExtraError: rouge-score is not installed.

    Example:
        >>> scores = rouge_scores(["no pleural effusion"], ["pleural effusions"])
        >>> round(scores.rouge1, 3), round(scores.rouge2, 3), scores.flavour.split(",")[1]
        (0.8, 0.667, ' stemmed')
    """
    _matched(references, generated)
    try:
        from importlib.metadata import version

        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError.for_package("rouge-score", "text") from error
    scorer = RougeScorer(list(_ROUGE), use_stemmer=True)
    rows = []
    for wanted, said in zip(references, generated, strict=True):
        found = scorer.score(wanted, said)
        rows.append((found["rouge1"].fmeasure, found["rouge2"].fmeasure, found["rougeL"].fmeasure))
    first, second, longest = (_mean([row[place] for row in rows]) for place in range(3))
    flavour = f"rouge-score {version('rouge-score')}, stemmed, mean F over reports"
    return RougeScores(first, second, longest, tuple(rows), flavour)


def bleu_scores(references: Sequence[str], generated: Sequence[str]) -> BleuScores:
    r"""Compute corpus BLEU-1 to BLEU-4 (Papineni et al., 2002) with sacrebleu.

    :math:`\mathrm{BLEU}_n = \mathrm{BP} \cdot \exp \frac{1}{n} \sum_{k \le n} \log p_k` with the n-gram
    precisions :math:`p_k` summed over all reports and the brevity penalty BP; lower case, 13a tokens.

    Args:
        references: The texts to be met, one each, (N,).
        generated: The texts to be scored, (N,).

    Returns:
        The scores; NaN where N is 0.

    Raises:
        DataError: The lists differ in length.
        MissingExtraError: sacrebleu is not installed.

    Example:
        >>> scores = bleu_scores(["the heart is normal in size"], ["the heart is enlarged in size"])
        >>> round(scores.bleu[0], 3), scores.flavour[3].split("|")[2]
        (0.833, 'case:lc')
    """
    _matched(references, generated)
    metric = _bleu()
    values: list[float] = []
    signatures: list[str] = []
    for order in range(1, _LONGEST + 1):
        one = metric(lowercase=True, max_ngram_order=order, force=True)
        value = one.corpus_score(list(generated), [list(references)]).score / 100 if references else math.nan
        values.append(min(float(value), 1.0) if references else math.nan)
        signatures.append(f"BLEU-{order}|{one.get_signature()}" if references else f"BLEU-{order}|no reports")
    return BleuScores(
        (values[0], values[1], values[2], values[3]),
        (signatures[0], signatures[1], signatures[2], signatures[3]),
    )


def text_overlap(references: Sequence[str], generated: Sequence[str]) -> TextOverlap:
    """Compute ROUGE and BLEU of generated reports.

    Args:
        references: The reference reports, (N,); pairs whose reference is blank are left out and counted.
        generated: The generated reports, (N,).

    Returns:
        The scores and counts.

    Raises:
        DataError: The lists differ in length.
        MissingExtraError: rouge-score or sacrebleu is not installed.

    Example:
        >>> found = text_overlap(["clear lungs", ""], ["clear lungs", "an effusion"])
        >>> found.rouge.rouge_l, found.scored, found.without_reference
        (1.0, (0,), 1)
    """
    _matched(references, generated)
    scored = tuple(place for place, text in enumerate(references) if text.strip())
    wanted = [references[place] for place in scored]
    said = [generated[place] for place in scored]
    return TextOverlap(
        rouge_scores(wanted, said),
        bleu_scores(wanted, said),
        scored,
        len(references) - len(scored),
        sum(not text.strip() for text in said),
    )


def _bleu() -> Any:
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise MissingExtraError.for_package("sacrebleu", "text") from error
    return BLEU


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _matched(references: Sequence[str], generated: Sequence[str]) -> None:
    if len(references) != len(generated):
        raise DataError(
            f"each reference needs its text: found {len(references)} references and {len(generated)} texts"
        )
