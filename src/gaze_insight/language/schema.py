"""The description of a lesion: a record of closed vocabularies and its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.language.symmetry import moved_cell, symmetry_code
from gaze_insight.language.vocabulary import (
    LOCATIONS,
    NOT_VISIBLE,
    VOCABULARY,
    Boundary,
    Brightness,
    Confidence,
    Location,
    Shape,
    Texture,
    read_percentage,
    read_word,
)
from gaze_insight.types import Settings

__all__ = [
    "FIELD_NAMES",
    "LOCATIONS",
    "NOT_VISIBLE",
    "VOCABULARY",
    "Description",
]

_CHARACTERISTICS = ("shape", "texture", "brightness")
FIELD_NAMES: tuple[str, ...] = (*VOCABULARY, "area_percentage", "remarks", "source")
"""The fields of a flat record, in the order of a table's columns."""


class Description(Settings):
    """What a lesion looks like, in the fields of the paper's fixed format.

    The paper's "characteristics" are shape, texture and brightness. Instances are immutable; the methods that
    move the lesion return new ones.

    Example:
        >>> seen = Description(location="upper left", boundary="clear", shape="oval",
        ...                    texture="smooth", brightness="brighter", area_percentage=12.3,
        ...                    confidence="high", source="measured")
        >>> seen.flipped(horizontal=True).location
        'upper right'
    """

    location: Location = Field(description="Where the lesion's centre lies on a 3 x 3 grid of the image")
    boundary: Boundary = Field(description="How the lesion's edge looks")
    shape: Shape = Field(description="Overall form")
    texture: Texture = Field(description="Surface")
    brightness: Brightness = Field(description="Brightness compared with the surroundings")
    area_percentage: float = Field(
        ge=0, le=100, description="Share of the image that the lesion covers, in percent"
    )
    confidence: Confidence = Field(description="How surely the lesion was localised")
    remarks: str = Field("", description="Free text; never read by an encoder unless asked for")
    source: str = Field(description='Who made it: "measured", "file:NAME", or the name of a model')

    @property
    def visible(self) -> bool:
        """Whether a lesion was seen at all; if not, the other words are placeholders that encoders ignore.

        Example:
            >>> Description.nothing_seen("measured").visible
            False
        """
        return self.location != NOT_VISIBLE

    @classmethod
    def nothing_seen(cls, source: str, remarks: str = "") -> Description:
        """Make the description of an image in which no lesion could be found.

        Args:
            source: Who looked.
            remarks: Why nothing was found.

        Returns:
            Location "not visible", confidence low, area 0; the other words are placeholders.

        Example:
            >>> Description.nothing_seen("measured").to_text()
            'Location: not visible. Confidence: low.'
        """
        return cls(
            location="not visible",
            boundary="ambiguous",
            shape="irregular",
            texture="smooth",
            brightness="similar",
            area_percentage=0.0,
            confidence="low",
            remarks=remarks,
            source=source,
        )

    def to_text(self, *, remarks: bool = False) -> str:
        """Write the fixed-format sentences that a text encoder reads.

        The area is rounded (to 1 below 10 %, else to 5) so that few distinct texts exist. Remarks are left
        out by default because free text cannot follow the flips of the image.

        Args:
            remarks: Append the remarks.

        Returns:
            One line; only location and confidence where nothing is visible.

        Example:
            >>> Description(location="centre", boundary="clear", shape="oval", texture="smooth",
            ...     brightness="darker", area_percentage=12.3, confidence="high",
            ...     source="measured").to_text()[:58]
            'Location: centre. Boundary: clear. Characteristics: oval s'
        """
        parts = [f"Location: {self.location}."]
        if self.visible:
            step = 1 if self.area_percentage < 10 else 5
            area = max(step * round(self.area_percentage / step), 1)
            contrast = "similar to" if self.brightness == "similar" else f"{self.brightness} than"
            parts += [
                f"Boundary: {self.boundary}.",
                f"Characteristics: {self.shape} shape, {self.texture} texture, {contrast} the surroundings.",
                f"Area percentage: about {area} %.",
            ]
        parts.append(f"Confidence: {self.confidence}.")
        if remarks and self.remarks:
            parts.append(f"Remarks: {self.remarks}")
        return " ".join(parts)

    def to_record(self) -> dict[str, Any]:
        """Give the record in the paper's nesting, ready for JSON.

        Returns:
            location, boundary, characteristics (shape, texture, brightness), area_percentage, confidence,
            remarks and source.

        Example:
            >>> sorted(Description.nothing_seen("measured").to_record()["characteristics"])
            ['brightness', 'shape', 'texture']
        """
        return {
            "location": self.location,
            "boundary": self.boundary,
            "characteristics": {name: getattr(self, name) for name in _CHARACTERISTICS},
            "area_percentage": self.area_percentage,
            "confidence": self.confidence,
            "remarks": self.remarks,
            "source": self.source,
        }

    @classmethod
    def from_record(
        cls,
        record: Mapping[str, Any],
        *,
        source: str | None = None,
        path: str | Path | None = None,
        row: int | None = None,
    ) -> Description:
        """Check a record, nested as `to_record` writes it or flat, and make the description.

        Case, hyphens, underscores and the spellings "center", "top" and "bottom" are accepted; an area may
        end in "%".

        Args:
            record: Field names to values; remarks and source may be absent.
            source: Who made it, where the record does not say.
            path: The file it came from, for messages.
            row: Its row there.

        Returns:
            The description.

        Raises:
            DataError: A field is missing, unknown, or holds a word outside its vocabulary; the nearest is
                named.

        Example:
            >>> wrong = Description.nothing_seen("measured").to_record() | {"boundary": "clera"}
            >>> Description.from_record(wrong)
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: boundary must be one of clear, irregular, ambiguous; found 'clera'
              -> did you mean 'clear'?
        """
        flat = _flatten(record, path, row)
        flat.setdefault("source", source or "unknown")
        unknown = [name for name in flat if name not in FIELD_NAMES]
        missing = [name for name in (*VOCABULARY, "area_percentage") if _is_blank(flat.get(name))]
        if unknown or missing:
            found = (
                f"unknown: {', '.join(map(repr, unknown))}" if unknown else f"missing: {', '.join(missing)}"
            )
            raise DataError(
                f"a description has the fields {', '.join(FIELD_NAMES)}; {found}", path=path, row=row
            )
        values: dict[str, Any] = {
            name: read_word(name, flat[name], path=path, row=row) for name in VOCABULARY
        }
        values["area_percentage"] = read_percentage(flat["area_percentage"], path=path, row=row)
        values["remarks"] = str(flat.get("remarks") or "")
        values["source"] = str(flat["source"] or source or "unknown")
        return cls(**values)

    def flipped(self, *, horizontal: bool = False, vertical: bool = False) -> Description:
        """Describe the mirrored image.

        Args:
            horizontal: Left and right are swapped.
            vertical: Top and bottom are swapped.

        Returns:
            The description with its location moved.

        Example:
            >>> seen = Description.nothing_seen("measured").model_copy(update={"location": "lower left"})
            >>> seen.flipped(vertical=True).location
            'upper left'
        """
        return self.under(symmetry_code(flip_horizontal=horizontal, flip_vertical=vertical))

    def rotated(self, quarter_turns: int) -> Description:
        """Describe the image turned counter-clockwise, as `torch.rot90` over (H, W) turns it.

        Args:
            quarter_turns: Any whole number; negative is clockwise.

        Returns:
            The description with its location moved.

        Example:
            >>> seen = Description.nothing_seen("measured").model_copy(update={"location": "upper left"})
            >>> seen.rotated(1).location
            'lower left'
        """
        return self.under(symmetry_code(quarter_turns=quarter_turns))

    def under(self, symmetry: int) -> Description:
        """Describe the image after one of the eight symmetries (see `gaze_insight.language.symmetry`).

        Args:
            symmetry: Code 0..7.

        Returns:
            The description with its location moved; "not visible" stays.

        Raises:
            SettingsError: The code is not in 0..7.

        Example:
            >>> seen = Description.nothing_seen("measured").model_copy(update={"location": "upper left"})
            >>> [seen.under(code).location for code in (0, 2, 4)]
            ['upper left', 'lower right', 'upper right']
        """
        if not self.visible:
            return self
        cell = moved_cell(LOCATIONS.index(self.location), symmetry)
        return self.model_copy(update={"location": LOCATIONS[cell]})


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _flatten(record: object, path: str | Path | None, row: int | None) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise DataError(f"a description must be a record of fields, found {record!r:.60}", path=path, row=row)
    flat = {str(name): value for name, value in record.items()}
    nested = flat.pop("characteristics", {})
    if not isinstance(nested, Mapping):
        raise DataError(
            f"characteristics must hold {', '.join(_CHARACTERISTICS)}, found {nested!r:.60}",
            path=path,
            row=row,
        )
    return flat | {str(name): value for name, value in nested.items()}
