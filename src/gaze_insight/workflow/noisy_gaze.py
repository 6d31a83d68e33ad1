"""The training split with worse gaze than was recorded, for students that learn from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.gaze.noise import NoiseSettings, with_noise

__all__ = ["NoiseAccount", "NoisyGaze", "with_noisy_gaze"]


@dataclass(frozen=True)
class NoiseAccount:
    """What noise did to the readings of a training split.

    Args:
        dials: The dials of `NoiseSettings` that are turned, with their levels.
        seed: The seed that the noise was drawn with.
        readings: Readings of the training split that had a fixation.
        fixations_before: Their fixations as recorded.
        fixations_after: Their fixations with noise.
        off_image: Fixations that lie off the image now.
        emptied: Readings that have no fixation left; their cases cannot be learned from gaze.
    """

    dials: dict[str, float]
    seed: int
    readings: int
    fixations_before: int
    fixations_after: int
    off_image: int
    emptied: int

    def words(self) -> str:
        """Say it in a sentence.

        Example:
            >>> NoiseAccount({"dropout": 0.5}, 0, 10, 100, 52, 0, 1).words()
            'made worse (dropout 0.5): 100 fixations became 52, 0 are off the image, 1 of 10 readings empty'
        """
        dials = ", ".join(f"{name} {value:g}" for name, value in self.dials.items())
        return (
            f"made worse ({dials}): {self.fixations_before:,} fixations became {self.fixations_after:,}, "
            f"{self.off_image:,} are off the image, {self.emptied:,} of {self.readings:,} readings empty"
        )


@dataclass(frozen=True, eq=False)
class NoisyGaze:
    """A cohort to learn from.

    Args:
        cohort: With noise on the readings of its training split; the cohort itself where no dial is turned.
        account: What the noise did; None where no dial is turned.
        recorded: The cohort with its readings as they were recorded.
    """

    cohort: Cohort
    account: NoiseAccount | None
    recorded: Cohort

    def facts(self) -> dict[str, object] | None:
        """Return what ``plan.json`` says of the noise; None where no dial is turned."""
        return None if self.account is None else asdict(self.account)


def with_noisy_gaze(cohort: Cohort, settings: NoiseSettings, seed: int = 0) -> NoisyGaze:
    """Make the readings of the training split worse; all other splits keep theirs.

    Each case draws from ``seed`` and its own id, so its noise does not depend on which others there are (a
    swapped reading comes from any other case of the training split). Nothing is saved. Whatever is made of
    readings afterwards (pseudo-masks, points, boxes, scribbles, measured words) is made of the worse ones,
    and is cached under their content.

    Args:
        cohort: The cohort.
        settings: The dials; the defaults turn none.
        seed: Seed of the noise.

    Returns:
        The cohort and an account of the noise.

    Raises:
        DataError: Readings are to be swapped and there are fewer than two.

    Example:
        >>> from pathlib import Path
        >>> nobody = Cohort("empty", Path("empty"), {}, {"train": ()})
        >>> with_noisy_gaze(nobody, NoiseSettings(dropout=0.5)).account.readings
        0
    """
    dials = {name: value for name, value in settings.model_dump().items() if value > 0}
    if not dials:
        return NoisyGaze(cohort, None, cohort)
    cases = {case.id: case for case in cohort.subset("train") if case.fixations}
    recorded = {id: case.fixations for id, case in cases.items() if case.fixations is not None}
    if settings.annotator_swap > 0 and len(recorded) == 1:
        raise DataError(
            "gaze_noise.annotator_swap needs at least two readings in the training split, found one",
            path=cohort.folder,
        )
    worse, off_image = dict(cohort.cases), 0
    for id, reading in recorded.items():
        others = [one for name, one in recorded.items() if name != id] if settings.annotator_swap else []
        noisy = with_noise(reading, settings, np.random.default_rng([seed, *id.encode()]), others)
        off_image += int((~noisy.inside).sum())
        worse[id] = replace(cases[id], fixations=noisy)
    after = [worse[id].fixations for id in recorded]
    counts = [0 if one is None else len(one) for one in after]
    account = NoiseAccount(
        dials=dials,
        seed=seed,
        readings=len(recorded),
        fixations_before=sum(map(len, recorded.values())),
        fixations_after=sum(counts),
        off_image=off_image,
        emptied=counts.count(0),
    )
    return NoisyGaze(replace(cohort, cases=worse), account, cohort)
