"""Drawing some cases of a split, so that a larger draw holds every smaller one and no patient is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from gaze_insight.cohort.case import Case
from gaze_insight.errors import SettingsError

__all__ = ["CaseDraw", "draw_cases"]


@dataclass(frozen=True)
class CaseDraw:
    """Cases drawn from a split.

    Args:
        cases: The cases, in the order they were given in.
        asked: How many were asked for; None for all.
        available: How many there were to draw from.
        patients: Patients among the drawn cases; None where no patient is known.
        seed: The seed of the draw.

    Example:
        >>> CaseDraw((), 5, 0, None, 0).note
        '5 cases were asked for and there are 0: all are used'
    """

    cases: tuple[Case, ...]
    asked: int | None
    available: int
    patients: int | None
    seed: int

    @property
    def note(self) -> str:
        """What differs from what was asked for, in words; empty where nothing does."""
        if self.asked is None or len(self.cases) == self.asked:
            return ""
        if len(self.cases) < self.asked:
            return f"{self.asked} cases were asked for and there are {self.available}: all are used"
        return f"{self.asked} cases were asked for and became {len(self.cases)}: patients are taken whole"


def draw_cases(cases: Sequence[Case], asked: int | None, seed: int) -> CaseDraw:
    """Draw cases by patient: the first of one random order, until there are enough.

    The order of patients (of cases, where no patient is known) is that of a hash of seed and name. So a draw
    of 50 lies within the draw of 100 with the same seed, the place of a case depends on no other case, and
    two methods that can use nearly the same cases draw nearly the same ones.

    Args:
        cases: The cases to draw from, such as the usable ones of the training split.
        asked: How many, at least 1; None for all. Patients are taken whole until there are so many.
        seed: The seed.

    Returns:
        The draw; all cases where there are not so many, none of none.

    Raises:
        SettingsError: Fewer than one case is asked for.

    Example:
        >>> from pathlib import Path
        >>> cases = [Case(str(i), Path("x.png"), patient=str(i // 2)) for i in range(8)]
        >>> draw = draw_cases(cases, 3, seed=0)
        >>> len(draw.cases), draw.patients, draw.note
        (4, 2, '3 cases were asked for and became 4: patients are taken whole')
    """
    if asked is not None and asked < 1:
        raise SettingsError(f"expected to draw at least one case, found {asked}")
    groups: dict[str, list[str]] = {}
    for case in cases:
        groups.setdefault(_group_of(case), []).append(case.id)
    chosen: set[str] = set()
    for group in sorted(groups, key=lambda name: _place(name, seed)):
        if asked is not None and len(chosen) >= asked:
            break
        chosen.update(groups[group])
    drawn = tuple(case for case in cases if case.id in chosen)
    patients = {case.patient for case in drawn} - {None}
    return CaseDraw(drawn, asked, len(cases), len(patients) or None, seed)


def _group_of(case: Case) -> str:
    return f"case {case.id}" if case.patient is None else f"patient {case.patient}"


def _place(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
