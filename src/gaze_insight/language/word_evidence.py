"""What a pseudo-mask, the gaze and the image say of a lesion, for words to be held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.errors import DataError
from gaze_insight.language.measured import MeasuredSettings, describe_measured
from gaze_insight.language.vocabulary import LOCATIONS, Boundary, Location
from gaze_insight.types import ByteArray, FloatArray, Settings, Size

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["CheckSettings", "CheckedField", "WordEvidence", "gather_evidence"]

CheckedField = Literal["location", "area_percentage", "boundary"]
"""A field of a description that can be held against the picture."""

_CELLS = 9


class CheckSettings(Settings):
    """How words are held against the picture, and how far each field is believed.

    The weights are how much a full contradiction in one field counts. They follow how often words told from
    the true masks of Kvasir-SEG's training images, and the same words shuffled between images, are found
    wrong: location 0.1 % against 35 %, area 0.3 % against 28 % (700 images), boundary 7 % against 16 % (140).
    The area counts less than that and has wide tolerances, because who looks estimates areas roughly.

    Example:
        >>> CheckSettings().neighbour_credit
        0.4
    """

    neighbour_credit: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="what a place one cell beside the lesion's counts; a diagonal one: squared",
    )
    sure: float = Field(0.7, gt=0, lt=1, description="a pixel at least this probable is surely lesion")
    likely: float = Field(0.2, gt=0, lt=1, description="a pixel at least this probable may be lesion")
    area_tolerance: float = Field(
        1.25, ge=1, description="factor beyond the sure and the likely area within which an area agrees"
    )
    area_factor: float = Field(
        2.0, gt=1, description="beyond that, the factor at which the agreement falls to exp(-1/2)"
    )
    boundary_tolerance: float = Field(
        1.3, ge=1, description="a boundary that other thresholds, up to this factor, would name agrees too"
    )
    location_weight: float = Field(0.9, ge=0, le=1, description="weight of a wrong location")
    area_weight: float = Field(0.7, ge=0, le=1, description="weight of a wrong area")
    boundary_weight: float = Field(0.15, ge=0, le=1, description="weight of a wrong boundary")
    wrong_below: float = Field(
        0.5, gt=0, le=1, description="a field whose agreement lies below this is marked as wrong"
    )
    contradicted_from: float = Field(
        0.5, gt=0, le=1, description="a case whose score reaches this is counted as contradicted"
    )
    floor: float = Field(0.0, ge=0, le=1, description="least weight that a case's words keep in training")
    measured: MeasuredSettings = Field(
        MeasuredSettings(), description="thresholds of the boundary that is measured for comparison"
    )

    @property
    def weights(self) -> dict[CheckedField, float]:
        """How much a full contradiction in each field counts.

        Example:
            >>> list(CheckSettings().weights)
            ['location', 'area_percentage', 'boundary']
        """
        return {
            "location": self.location_weight,
            "area_percentage": self.area_weight,
            "boundary": self.boundary_weight,
        }

    @model_validator(mode="after")
    def _in_order(self) -> CheckSettings:
        if self.likely > self.sure:
            raise ValueError(f"likely <= sure must hold, found {self.likely} and {self.sure}")
        return self


class WordEvidence(Settings):
    """What can be said of a lesion without words; nine cells row by row from the upper left.

    Example:
        >>> WordEvidence().checkable
        False
    """

    label_cells: tuple[float, ...] | None = Field(
        None, description="share of the label's probability in each cell; None where it shows nothing"
    )
    gaze_cells: tuple[float, ...] | None = Field(
        None, description="share of the looking time in each cell; None where nobody looked at the image"
    )
    sure_area_frac: float = Field(0.0, ge=0, le=1, description="share of the image that is surely lesion")
    area_frac: float = Field(0.0, ge=0, le=1, description="share of the image that is lesion")
    likely_area_frac: float = Field(0.0, ge=0, le=1, description="share of the image that may be lesion")
    presence: float = Field(0.0, ge=0, le=1, description="mean probability of the lesion's pixels; 0: none")
    boundary: Boundary | None = Field(None, description="the boundary as measured; None without an image")
    boundaries: tuple[Boundary, ...] = Field((), description="and as near thresholds would name it")

    @property
    def checkable(self) -> bool:
        """Whether there is anything to hold words against.

        Example:
            >>> WordEvidence(gaze_cells=(1.0, *[0.0] * 8)).checkable
            True
        """
        return self.label_cells is not None or self.gaze_cells is not None

    @property
    def place(self) -> Location | None:
        """The cell with most of the label, or of the gaze where there is no label.

        Example:
            >>> WordEvidence(label_cells=(0.2, 0.8, *[0.0] * 7)).place
            'upper centre'
        """
        cells = self.label_cells or self.gaze_cells
        return None if cells is None else LOCATIONS[int(np.argmax(cells))]


def gather_evidence(
    soft: FloatArray,
    fixations: Fixations | None = None,
    image: ByteArray | None = None,
    settings: CheckSettings | None = None,
) -> WordEvidence:
    """Measure what words will be held against; no words are read, so one evidence serves any of them.

    Label cells: the sum of ``soft`` over the pixels of each cell where ``soft >= likely``, divided by the sum
    over all. Gaze cells: looking time on each cell over the time on the image. Areas: shares of pixels at
    ``sure``, at the measured describer's ``foreground`` and at ``likely``. Boundary: as `describe_measured`
    names it, and as it would with its thresholds of edge and outline moved by ``boundary_tolerance``.

    Args:
        soft: ``(h, w)`` probability of the lesion in [0, 1], made from gaze.
        fixations: Where the reader looked; None if not known.
        image: ``(H, W, 3)`` uint8 RGB; None leaves the boundary unmeasured.
        settings: The thresholds; None for the defaults.

    Returns:
        The evidence; a part that is not known is None. Without gaze on the image and with an empty label it
        is not checkable.

    Raises:
        DataError: ``soft`` or the image has another shape or type, or ``soft`` leaves [0, 1].

    Example:
        >>> soft = np.zeros((30, 30))
        >>> soft[:10, :10] = 0.9
        >>> seen = gather_evidence(soft)
        >>> seen.label_cells[0], round(seen.area_frac, 3), round(seen.presence, 2)
        (1.0, 0.111, 0.9)
    """
    settings = settings or CheckSettings()
    _validate(soft)
    level, smallest = settings.measured.foreground, settings.measured.smallest_area_frac
    lesion = soft >= level
    area = float(lesion.mean())
    shown = area > 0 and area >= smallest
    words = _boundaries(soft, fixations, image, settings) if shown else ()
    return WordEvidence(
        label_cells=_shares(np.where(soft >= settings.likely, soft, 0.0)),
        gaze_cells=None if fixations is None else _gaze_cells(fixations, image),
        sure_area_frac=float((soft >= max(settings.sure, level)).mean()),
        area_frac=area,
        likely_area_frac=float((soft >= min(settings.likely, level)).mean()),
        presence=float(np.clip(soft[lesion].mean(dtype=np.float64), 0, 1)) if shown else 0.0,
        boundary=words[0] if words else None,
        boundaries=tuple(dict.fromkeys(words)),
    )


def _validate(soft: FloatArray) -> None:
    if soft.ndim != 2 or not soft.size:
        raise DataError(f"the soft mask must be (h, w), found {soft.shape}")
    if not (np.min(soft) >= 0 and np.max(soft) <= 1):
        raise DataError(f"the soft mask must lie in [0, 1], found {np.min(soft):g} to {np.max(soft):g}")


def _thirds(count: int) -> NDArray[np.int64]:
    """Give the third, 0 to 2, that the centre of each of `count` pixels lies in."""
    return np.minimum((3 * (np.arange(count) + 0.5) / count).astype(np.int64), 2)


def _shares(mass: FloatArray) -> tuple[float, ...] | None:
    rows, columns = (_thirds(side) for side in mass.shape)
    cells = np.zeros(_CELLS)
    np.add.at(cells, 3 * rows[:, None] + columns, mass.astype(np.float64))
    return _normalised(cells)


def _normalised(cells: NDArray[np.float64]) -> tuple[float, ...] | None:
    total = float(cells.sum())
    return None if total <= 0 else tuple(float(value) for value in np.minimum(cells / total, 1.0))


def _gaze_cells(fixations: Fixations, image: ByteArray | None) -> tuple[float, ...] | None:
    size = fixations.image_size if image is None else Size(*image.shape[:2])
    placed = fixations.to_frame("image_unit", image_size=size)
    placed = placed.select(placed.inside)
    cell = 3 * np.clip((3 * placed.y).astype(np.int64), 0, 2) + np.clip((3 * placed.x).astype(np.int64), 0, 2)
    return _normalised(np.bincount(cell, weights=placed.duration_ms, minlength=_CELLS).astype(np.float64))


def _boundaries(
    soft: FloatArray, fixations: Fixations | None, image: ByteArray | None, settings: CheckSettings
) -> Sequence[Boundary]:
    """Name the boundary by the thresholds as they are, then by lower and by higher ones."""
    if image is None:
        return ()
    looked = fixations if fixations is not None and len(fixations) else None
    own, factor = settings.measured, settings.boundary_tolerance
    ragged = own.ragged_outline - 1
    near = [
        own.model_copy(update={"clear_edge": own.clear_edge * edge, "ragged_outline": 1 + ragged * outline})
        for edge, outline in ((1.0, 1.0), (1 / factor, 1.0), (factor, 1.0), (1.0, 1 / factor), (1.0, factor))
    ]
    found = [describe_measured(image, soft, looked, one) for one in (near if factor > 1 else near[:1])]
    return [one.boundary for one in found if one.visible]
