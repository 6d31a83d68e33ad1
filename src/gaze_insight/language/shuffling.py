"""Whose words a case gets when words are shuffled between images: a control."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["words_of_others"]


def words_of_others(ids: Iterable[str], seed: int = 0) -> dict[str, str]:
    """Give each case another case, whose words it is to have; no case gets its own.

    The ids are put in the order of SHA-256 over ``seed`` and id, and each gets the next one (the last gets
    the first): one cycle through all, so each case's words are used once and the words as a whole stay the
    same. Only which ids there are decides it, not their order.

    Args:
        ids: Case ids among which words are shuffled, such as those of a split; an id given twice counts once.
        seed: Another seed gives another order.

    Returns:
        Case id to the id whose words it gets, in the given order; empty for none, and for a single id, for
        which there is no other.

    Example:
        >>> others = words_of_others(["a", "b", "c"])
        >>> sorted(others.values()), any(one == other for one, other in others.items())
        (['a', 'b', 'c'], False)
        >>> words_of_others(["a"])
        {}
    """
    given = list(dict.fromkeys(ids))
    if len(given) < 2:
        return {}
    ordered = sorted(given, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())
    following = dict(zip(ordered, [*ordered[1:], ordered[0]], strict=True))
    return {one: following[one] for one in given}
