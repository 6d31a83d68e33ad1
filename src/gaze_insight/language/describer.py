"""What every describer offers, and the registry that finds one by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gaze_insight.language.schema import Description
from gaze_insight.types import ByteArray, FloatArray, Settings

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["Describer"]


class Describer(Protocol):
    """Someone who puts a case into words; built from its settings, as ``DESCRIBERS[name](settings)``.

    A describer never sees a true mask.

    Example:
        >>> from gaze_insight.language.registry import DESCRIBERS
        >>> describer: Describer = DESCRIBERS["measured"]()
    """

    settings_type: ClassVar[type[Settings]]
    """Its settings; their ``kind`` is the describer's registered name."""
    version: ClassVar[int]
    """Raised whenever its words change, so that cached ones are made anew."""
    from_gaze: ClassVar[bool]
    """Whether its words follow from image and gaze alone: then it needs gaze, and its words are cached."""

    def __init__(self, settings: Any = ...) -> None: ...

    def describe(
        self, case_id: str, image: ByteArray, soft: FloatArray, fixations: Fixations | None
    ) -> Description | None:
        """Describe one case.

        Args:
            case_id: The case's id.
            image: ``(H, W, 3)`` uint8.
            soft: ``(h, w)`` probability of the lesion made from gaze, in [0, 1].
            fixations: Where the reader looked, if known.

        Returns:
            The description, or None where this describer has nothing to say about the case.

        Example:
            >>> from gaze_insight.language.measured import MeasuredDescriber
            >>> import numpy as np
            >>> picture, nothing = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8))
            >>> MeasuredDescriber().describe("a", picture, nothing, None).location
            'not visible'
        """
        ...
