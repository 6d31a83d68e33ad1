"""Which finding a misspelt word means."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache

from gaze_insight.chest.keyword_phrases import lexicon

__all__ = ["finding_meant"]

_LENGTHS_APART = 2


@lru_cache(maxsize=65536)
def finding_meant(word: str, likeness: float = 0.88) -> str | None:
    """Find the finding of the word that a misspelling is nearest to.

    Only words with the same first letter and at most two letters more or fewer are looked at. Likeness is
    the ratio of `difflib.SequenceMatcher`: twice the letters in common over the letters of both words.

    Args:
        word: Lower-case word that names nothing as it stands.
        likeness: Least likeness, in (0.5, 1].

    Returns:
        The finding; None where no word is near enough.

    Example:
        >>> finding_meant("pnuemothorax"), finding_meant("perfusion"), finding_meant("infusion")
        ('Pneumothorax', None, None)
    """
    found = lexicon().findings.items()
    if any(words.pattern.fullmatch(word) for _, words in found):
        return None
    best, most = "", likeness
    for right in lexicon().misspelt:
        if right[0] == word[0] and abs(len(right) - len(word)) <= _LENGTHS_APART:
            like = SequenceMatcher(None, word, right, autojunk=False).ratio()
            if most <= like < 1:
                best, most = right, like
    return next((name for name, words in found if best and words.pattern.fullmatch(best)), None)
