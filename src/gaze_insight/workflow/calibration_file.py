"""Calibrations of the expected Dice as files: read for `label`, written by `study parts`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.pseudomask.expected_dice import Calibration
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.workflow.settings_file import read_settings_file

__all__ = ["read_calibration", "write_calibration"]

_REMEDY = "make one with 'gaze-insight study parts COHORT --fit-calibration FILE'"


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Args:
        path: A JSON file from `write_calibration`.

    Returns:
        The calibration.

    Raises:
        DataError: There is no such file, or it is not a calibration of the features that labels have.

    Example:
        >>> read_calibration(Path("nowhere.json"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.json: the calibration cannot be read: No such file or directory
          -> make one with 'gaze-insight study parts COHORT --fit-calibration FILE'
    """
    found = read_settings_file(path, Calibration, "calibration", _REMEDY)
    _check(found, path)
    return found


def _check(found: Calibration, path: Path) -> None:
    for names in (("features", "mean", "sd", "weight"), ("knots", "dice", "low", "high")):
        lengths = {name: len(getattr(found, name)) for name in names}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise DataError(f"lists of one length expected, found {lengths}", path=path, remedy=_REMEDY)
    unknown = [name for name in found.features if name not in FEATURES]
    if unknown:
        raise DataError(
            f"unknown feature {unknown[0]!r}; known: {', '.join(FEATURES)}", path=path, remedy=_REMEDY
        )
    if any(value <= 0 for value in found.sd):
        raise DataError(f"sd must be above 0, found {min(found.sd)}", path=path, remedy=_REMEDY)
    if any(after < before for before, after in pairwise(found.knots)):
        raise DataError(f"knots must rise, found {found.knots}", path=path, remedy=_REMEDY)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON.

    Args:
        calibration: The calibration.
        path: The file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from gaze_insight.pseudomask.expected_dice import shipped_calibration
        >>> path = Path(tempfile.mkdtemp()) / "calibration.json"
        >>> write_calibration(shipped_calibration(), path)
        >>> read_calibration(path) == shipped_calibration()
        True
    """
    write_text_atomic(path, calibration.model_dump_json(indent=1) + "\n")
