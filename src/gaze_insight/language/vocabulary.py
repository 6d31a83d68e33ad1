"""The closed vocabularies of a description, and how a word or a percentage is read from someone's record."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from gaze_insight.errors import DataError

__all__ = [
    "LOCATIONS",
    "NOT_VISIBLE",
    "VOCABULARY",
    "Boundary",
    "Brightness",
    "Confidence",
    "Location",
    "Shape",
    "Texture",
    "read_percentage",
    "read_word",
]

Location = Literal[
    "upper left",
    "upper centre",
    "upper right",
    "middle left",
    "centre",
    "middle right",
    "lower left",
    "lower centre",
    "lower right",
    "not visible",
]
Boundary = Literal["clear", "irregular", "ambiguous"]
Shape = Literal["round", "oval", "elongated", "irregular"]
Texture = Literal["smooth", "lobulated", "spiculated", "rough"]
Brightness = Literal["brighter", "similar", "darker"]
Confidence = Literal["high", "moderate", "low"]

LOCATIONS: tuple[Location, ...] = get_args(Location)
"""The nine places row by row, then "not visible"."""
NOT_VISIBLE = "not visible"

VOCABULARY: dict[str, tuple[str, ...]] = {
    "location": LOCATIONS,
    "boundary": get_args(Boundary),
    "shape": get_args(Shape),
    "texture": get_args(Texture),
    "brightness": get_args(Brightness),
    "confidence": get_args(Confidence),
}
"""The words each field may hold, in the order in which encoders number them."""

_SAME_WORD = {"center": "centre", "top": "upper", "bottom": "lower"}
_SAME_PLACE = {"middle centre": "centre", "centre left": "middle left", "centre right": "middle right"}


def read_word(name: str, value: object, *, path: str | Path | None = None, row: int | None = None) -> str:
    """Find the word of a vocabulary that a value means.

    Args:
        name: The field, a key of `VOCABULARY`.
        value: What was written; case, hyphens, underscores and common spellings are forgiven.
        path: The file it came from, for messages.
        row: Its row there.

    Returns:
        The word as the vocabulary has it.

    Raises:
        DataError: The vocabulary has no such word; the nearest is named.

    Example:
        >>> read_word("location", "Top-Center")
        'upper centre'
    """
    words = " ".join(str(value).lower().replace("-", " ").replace("_", " ").split())
    if name == "location":
        words = " ".join(_SAME_WORD.get(word, word) for word in words.split())
        words = _SAME_PLACE.get(words, words)
    allowed = VOCABULARY[name]
    if words in allowed:
        return words
    near = get_close_matches(words, allowed, n=1)
    raise DataError(
        f"{name} must be one of {', '.join(allowed)}; found {value!r}",
        path=path,
        row=row,
        remedy=f"did you mean {near[0]!r}?" if near else "use one of the words listed",
    )


def read_percentage(value: object, *, path: str | Path | None = None, row: int | None = None) -> float:
    """Read the share of the image that a lesion covers.

    Args:
        value: A number, or text that is one and may end in "%".
        path: The file it came from, for messages.
        row: Its row there.

    Returns:
        Percent, 0 to 100.

    Raises:
        DataError: It is no number or lies outside.

    Example:
        >>> read_percentage("12.5 %")
        12.5
    """
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not 0 <= number <= 100:
        raise DataError(
            f"area_percentage must be a number from 0 to 100, found {value!r}",
            path=path,
            row=row,
            remedy="write percent of the image, such as 12.5",
        )
    return number
