"""The part of a report that shows where a teacher reads its words, and what each of them changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import data_uri, gaze_tile, probability_tile
from gaze_insight.insight.words_figures import (
    attention_limit,
    attention_tile,
    change_limit,
    change_tile,
    colour_scale,
)
from gaze_insight.language.schema import Description
from gaze_insight.types import BoolArray, ByteArray, FloatArray

__all__ = [
    "FIELD_TITLES",
    "ChangedWord",
    "WordsCase",
    "WordsSection",
    "attention_tiles",
    "change_tiles",
    "word_of",
    "words_values",
]

FIELD_TITLES: Mapping[str, str] = {
    "location": "Location",
    "boundary": "Boundary",
    "shape": "Shape",
    "texture": "Texture",
    "brightness": "Brightness",
    "confidence": "Confidence",
    "area_percentage": "Area",
}
"""Field to its title, in the order in which fields are shown."""

_SIDE_PX = 300
_SMALL_PX = 150


@dataclass(frozen=True, eq=False)
class ChangedWord:
    """The change of one field that moved most.

    Args:
        field: The field.
        value: Its new word, as `Counterfactual.value`.
        after: (h, w) probability with the new word.
        moved: Mean absolute change of probability over the image, in [0, 1].
        dice: Dice of the predictions with the own word and with the new one.
    """

    field: str
    value: str
    after: FloatArray
    moved: float
    dice: float


@dataclass(frozen=True, eq=False)
class WordsCase:
    """A case, the words it was given, and what they did.

    Args:
        id: The case.
        rank: Why it is shown, in a word or two.
        image: RGB, (H, W, 3) uint8.
        fixations: Where the reader looked, or None.
        truth: True mask, or None.
        description: The words.
        before: (h, w) probability with these words.
        attention: Field to (S, h, w) relative attention, finest stage first; empty where there is none.
        changes: For each field the change that moved most, in the order of the fields.
        threshold: A pixel is predicted where the probability is above it.
    """

    id: str
    rank: str
    image: ByteArray
    fixations: Fixations | None
    truth: BoolArray | None
    description: Description
    before: FloatArray
    attention: Mapping[str, FloatArray]
    changes: Sequence[ChangedWord]
    threshold: float = 0.5


@dataclass(frozen=True)
class WordsSection:
    """What the report says of the words.

    Args:
        cases: The cases.
        left_out: Cases that could not be shown, for they have no words or nothing visible in them.
        command: The command that measures it over all test cases.
    """

    cases: Sequence[WordsCase]
    left_out: int = 0
    command: str = ""


def word_of(description: Description, field: str) -> str:
    """Write a field's word as a reader says it.

    Args:
        description: The words.
        field: A field of `FIELD_TITLES`.

    Returns:
        The word; an area with its unit.

    Example:
        >>> seen = Description.nothing_seen("measured")
        >>> word_of(seen, "location"), word_of(seen, "area_percentage")
        ('not visible', '0 %')
    """
    value = getattr(description, field)
    return f"{value:.3g} %" if field == "area_percentage" else str(value)


def attention_tiles(case: WordsCase, limit: float, *, stage: int | None = None) -> list[Tile]:
    """Show where each field is asked; first the gaze, then one picture a field.

    Args:
        case: The case.
        limit: Factor at which a colour is full; see `attention_limit`.
        stage: One stage alone, from 0, smaller and without the gaze; None for the mean over all.

    Returns:
        Tiles; empty for a case without attention.

    Example:
        >>> import numpy as np
        >>> flat = np.full((4, 4), 0.2, np.float32)
        >>> case = WordsCase("a", "best", np.zeros((8, 8, 3), np.uint8), None, None,
        ...     Description.nothing_seen("measured"), flat, {"location": flat[None] * 5}, ())
        >>> [(tile.title, tile.text) for tile in attention_tiles(case, 2.0)][1]
        ('Location: not visible', '1.00 times the average word')
    """
    if not case.attention:
        return []
    small = stage is not None
    tiles = [] if small else [_gaze(case)]
    for field in [name for name in FIELD_TITLES if name in case.attention]:
        maps = case.attention[field]
        relative = maps.mean(axis=0) if stage is None else maps[stage]
        text = _asked(relative, case)
        picture = attention_tile(
            case.image,
            relative,
            limit,
            lesion=case.before,
            threshold=case.threshold,
            long_side_px=_SMALL_PX if small else _SIDE_PX,
        )
        title = f"{FIELD_TITLES[field]}: {word_of(case.description, field)}"
        tiles.append(Tile(title, text, f"{case.id}: attention to {title}, {text}", data_uri(picture)))
    return tiles


def change_tiles(case: WordsCase, limit: float) -> list[Tile]:
    """Show the teacher's prediction, and for each field what its strongest change moves.

    Args:
        case: The case.
        limit: Change of probability at which a colour is full; see `change_limit`.

    Returns:
        Tiles, one more than there are changes; empty for a case without changes.

    Example:
        >>> import numpy as np
        >>> flat = np.full((4, 4), 0.2, np.float32)
        >>> change = ChangedWord("location", "centre", flat, 0.0, 1.0)
        >>> case = WordsCase("a", "best", np.zeros((8, 8, 3), np.uint8), None, None,
        ...     Description.nothing_seen("measured"), flat, {}, (change,))
        >>> [tile.title for tile in change_tiles(case, 0.1)]
        ['With its own words', 'Location: centre']
    """
    if not case.changes:
        return []
    own = probability_tile(
        case.image, case.before, case.truth, threshold=case.threshold, long_side_px=_SIDE_PX
    )
    seen = "Cyan: the teacher's outline" + ("; yellow: the expert's" if case.truth is not None else "")
    tiles = [
        Tile(
            "With its own words",
            seen,
            f"{case.id}: the teacher's prediction with its own words",
            data_uri(own),
        )
    ]
    for change in case.changes:
        picture = change_tile(
            case.image, case.before, change.after, limit, threshold=case.threshold, long_side_px=_SIDE_PX
        )
        title = f"{FIELD_TITLES[change.field]}: {_new_word(case.description, change)}"
        drawn = bool(((case.before > case.threshold) | (change.after > case.threshold)).any())
        agree = f"outlines agree to Dice {change.dice:.2f}" if drawn else "no outline with either"
        text = (
            f"instead of {word_of(case.description, change.field)}. Probability moves by "
            f"{100 * change.moved:.2g} % of the image; {agree}"
        )
        tiles.append(Tile(title, text, f"{case.id}: {title}, {text}", data_uri(picture)))
    return tiles


def words_values(section: WordsSection | None) -> dict[str, Any] | None:
    """Turn the section into what its template shows; all its pictures share one colour scale a kind.

    Args:
        section: The section; None or one without cases for a run without words.

    Returns:
        The template's values, or None.

    Example:
        >>> words_values(None) is None
        True
    """
    if section is None or not section.cases:
        return None
    attention = attention_limit(
        [maps.mean(axis=0) for one in section.cases for maps in one.attention.values()]
    )
    by_stage = attention_limit([maps for one in section.cases for maps in one.attention.values()])
    change = change_limit([c.after - one.before for one in section.cases for c in one.changes])
    return {
        "cases": [
            {
                "id": case.id,
                "rank": case.rank,
                "attention": attention_tiles(case, attention),
                "stages": _stages(case, by_stage),
                "changes": change_tiles(case, change),
                "words": case.description.to_text(),
                "attention_scale": _factor_scale(attention, f"words-{number}-attention"),
                "stage_scale": _factor_scale(by_stage, f"words-{number}-stages"),
                "change_scale": colour_scale(
                    f"less likely lesion by {100 * change:g} %",
                    "no change",
                    f"more likely by {100 * change:g} %",
                    name=f"words-{number}-change",
                ),
            }
            for number, case in enumerate(section.cases)
        ],
        "left_out": section.left_out,
        "command": section.command,
    }


def _gaze(case: WordsCase) -> Tile:
    gaze = case.fixations or Fixations.empty()
    seen = f"{len(gaze)} fixations" if len(gaze) else "No gaze for this image"
    picture = gaze_tile(case.image, gaze, _SIDE_PX)
    return Tile("Where the clinician looked", seen, f"{case.id}: {seen} on the image", data_uri(picture))


def _asked(relative: FloatArray, case: WordsCase) -> str:
    lesion = case.before > case.threshold
    if not lesion.any() or lesion.all():
        return f"{relative.mean():.2f} times the average word"
    return f"{relative[lesion].mean():.2f} times inside the outline, {relative[~lesion].mean():.2f} outside"


def _new_word(description: Description, change: ChangedWord) -> str:
    if change.field != "area_percentage":
        return change.value
    factor = float(change.value.removeprefix("x "))
    return f"{min(100.0, description.area_percentage * factor):.3g} %"


def _stages(case: WordsCase, limit: float) -> list[dict[str, Any]]:
    count = max((len(maps) for maps in case.attention.values()), default=0)
    return [
        {"title": f"Stage {stage + 1}", "tiles": attention_tiles(case, limit, stage=stage)}
        for stage in range(count)
        if count > 1
    ]


def _factor_scale(limit: float, name: str) -> str:
    return colour_scale(f"{limit:g} times less", "like the average word", f"{limit:g} times more", name=name)
