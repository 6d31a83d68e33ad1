"""gaze-insight: trained medical-image models from recordings of where a clinician looked."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Case": "gaze_insight.cohort.case",
    "Cohort": "gaze_insight.cohort.cohort",
    "Description": "gaze_insight.language.schema",
    "Fixations": "gaze_insight.gaze.fixations",
    "Predictor": "gaze_insight.inference.predictor",
    "PseudoMask": "gaze_insight.pseudomask.levels",
    "RunConfig": "gaze_insight.config.run_config",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from gaze_insight.cohort.case import Case
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.config.run_config import RunConfig
    from gaze_insight.gaze.fixations import Fixations
    from gaze_insight.inference.predictor import Predictor
    from gaze_insight.language.schema import Description
    from gaze_insight.pseudomask.levels import PseudoMask


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
