"""Fusions of image and gaze as files: read for `predict --gaze`, written by `study assisted`."""

from __future__ import annotations

from pathlib import Path

from gaze_insight.atomic import write_text_atomic
from gaze_insight.errors import DataError
from gaze_insight.pseudomask.fusion import FUSION_FEATURES, FusionCalibration
from gaze_insight.pseudomask.fusion_features import RECORDING_AGREEMENT
from gaze_insight.workflow.settings_file import read_settings_file

__all__ = ["read_fusion", "write_fusion"]

_REMEDY = "make one with 'gaze-insight study assisted RUN --fit FILE'"


def read_fusion(path: Path) -> FusionCalibration:
    """Read a fusion.

    Args:
        path: A JSON file from `write_fusion`.

    Returns:
        The fusion.

    Raises:
        DataError: There is no such file, or it is not a fusion by known features.

    Example:
        >>> read_fusion(Path("nowhere.json"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.json: the fusion cannot be read: No such file or directory
          -> make one with 'gaze-insight study assisted RUN --fit FILE'
    """
    found = read_settings_file(path, FusionCalibration, "fusion", _REMEDY)
    for gate, known in ((found.alone, {*FUSION_FEATURES}), (found.recording, _WITH_RECORDING)):
        unknown = [] if gate is None else [name for name in gate.features if name not in known]
        if unknown:
            raise DataError(
                f"unknown feature {unknown[0]!r}; known: {', '.join(sorted(known))}",
                path=path,
                remedy=_REMEDY,
            )
    return found


_WITH_RECORDING = {*FUSION_FEATURES, RECORDING_AGREEMENT}


def write_fusion(fusion: FusionCalibration, path: Path) -> None:
    """Write a fusion as JSON.

    Args:
        fusion: The fusion.
        path: The file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from gaze_insight.pseudomask.fusion import shipped_fusion
        >>> path = Path(tempfile.mkdtemp()) / "fusion.json"
        >>> write_fusion(shipped_fusion(), path)
        >>> read_fusion(path) == shipped_fusion()
        True
    """
    write_text_atomic(path, fusion.model_dump_json(indent=1) + "\n")
