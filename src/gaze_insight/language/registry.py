"""The describers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gaze_insight.registry import Registry

if TYPE_CHECKING:
    from gaze_insight.language.describer import Describer

__all__ = ["DESCRIBERS"]

DESCRIBERS: Registry[type[Describer]] = Registry(
    "describer",
    {
        "blank": "gaze_insight.language.blank:BlankDescriber",
        "file": "gaze_insight.language.from_file:FileDescriber",
        "measured": "gaze_insight.language.measured:MeasuredDescriber",
        "random": "gaze_insight.language.random_words:RandomDescriber",
        "vlm": "gaze_insight.language.vlm.describer:VlmDescriber",
    },
)
"""Name to describer class; ``DESCRIBERS[name](settings)`` builds one."""
