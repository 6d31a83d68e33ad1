"""Why rows, samples and fixations of gaze files are not used, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["REASONS", "LeftOut", "count_words", "unexpected"]


@dataclass(frozen=True)
class LeftOut:
    """A reason for which readers leave something out.

    Args:
        words: What is left out; ``(s)`` marks the plural.
        meaning: Why, and what it may mean, in a sentence.
        expected: Whether every sound recording may have it, so that nothing needs a look.

    Example:
        >>> LeftOut("row(s) of events", "They hold no gaze.", expected=True).expected
        True
    """

    words: str
    meaning: str
    expected: bool = False


REASONS: Mapping[str, LeftOut] = MappingProxyType(
    {
        "bad_row": LeftOut("row(s) impossible to read", "The problems with them are listed."),
        "too_short": LeftOut(
            "fixation(s) too short to count", "They last less than the shortest duration that counts."
        ),
        "off_image": LeftOut(
            "fixation(s) beside the image",
            "Looks at the rest of the screen. If there are many, the frame or the geometry may be wrong.",
        ),
        "not_shown": LeftOut(
            "fixation(s) while the image was not shown there",
            "The geometry has no view at their time and place.",
        ),
        "not_placed": LeftOut(
            "fixation(s) on images whose place is unknown",
            "A fact about the geometry is missing; the problems name it.",
        ),
        "no_image": LeftOut(
            "sample(s) or fixation(s) without the name of an image",
            "Recorded before, between or after the images, as the file says.",
        ),
        "outside_trials": LeftOut(
            "sample(s) or fixation(s) outside all trials",
            "Recorded before, between or after the images. If there are many, check the clock of the trials.",
        ),
        "no_position": LeftOut("fixation(s) without a position", "The file states when, but not where."),
        "not_valid": LeftOut("fixation(s) never marked as valid", "The tracker itself does not trust them."),
        "not_mapped": LeftOut(
            "fixation(s) not mapped to an image",
            "The export found no place for them: looks elsewhere, or an image that was not recognised.",
        ),
        "other_rows": LeftOut(
            "row(s) of other things than gaze",
            "Events, other sensors, or rows that the settings leave out.",
            expected=True,
        ),
        "other_eye": LeftOut(
            "fixation(s) of the other eye", "One eye is used, or both where they agree.", expected=True
        ),
        "repeated": LeftOut(
            "further row(s) of a fixation", "The export has one row a video frame.", expected=True
        ),
        "same_time": LeftOut(
            "sample(s) at the time of the one before",
            "Of several at one time the first is used.",
            expected=True,
        ),
    }
)
"""What each reason in `GazeReading.dropped` means; formats of one's own may have others."""


def count_words(reason: str, count: int) -> str:
    """Say how much was left out for a reason.

    Args:
        reason: A key of `GazeReading.dropped`.
        count: How many rows, samples or fixations.

    Returns:
        Words such as ``2 fixations beside the image``.

    Example:
        >>> count_words("off_image", 1), count_words("other_rows", 1200)
        ('1 fixation beside the image', '1,200 rows of other things than gaze')
        >>> count_words("eyes_closed", 3)
        '3 entries: eyes closed'
    """
    if reason not in REASONS:
        return f"{count:,} {'entry' if count == 1 else 'entries'}: {reason.replace('_', ' ')}"
    return f"{count:,} {REASONS[reason].words.replace('(s)', '' if count == 1 else 's')}"


def unexpected(dropped: Mapping[str, int]) -> dict[str, int]:
    """Keep the reasons that may need a look.

    Args:
        dropped: Reason to count.

    Returns:
        Those that are not expected of a sound recording, or not known, and that occurred.

    Example:
        >>> unexpected({"other_eye": 9, "off_image": 2, "too_short": 0})
        {'off_image': 2}
    """
    return {
        reason: count
        for reason, count in dropped.items()
        if count and not (reason in REASONS and REASONS[reason].expected)
    }
