"""``uncertainty.json``: what `calibrate` fitted for a run, read back with its weights checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gaze_insight.atomic import write_text_atomic
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.inference.certainty import Uncertainty
from gaze_insight.workflow.settings_file import read_settings_file

__all__ = ["read_uncertainty", "uncertainty_path", "weights_hash", "write_uncertainty"]


def uncertainty_path(run: str | Path) -> Path:
    """Say where a run keeps its uncertainty.

    Args:
        run: The run's folder.

    Returns:
        The file.

    Example:
        >>> uncertainty_path("runs/a").as_posix()
        'runs/a/uncertainty.json'
    """
    return Path(run) / "uncertainty.json"


def weights_hash(run: str | Path) -> str:
    """Hash the final weights of a run.

    Args:
        run: The run's folder.

    Returns:
        SHA-256 as hexadecimal digits.

    Raises:
        DataError: The run has no weights.
    """
    path = RunFolder(Path(run)).weights
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"the weights cannot be read: {error.strerror}", path=path) from error


def write_uncertainty(run: str | Path, fitted: Uncertainty) -> Path:
    """Save what was fitted in the run's folder.

    Args:
        run: The run's folder.
        fitted: What was fitted.

    Returns:
        The file.

    Raises:
        DataError: It cannot be written.
    """
    path = uncertainty_path(run)
    write_text_atomic(path, fitted.model_dump_json(indent=1) + "\n")
    return path


def read_uncertainty(run: str | Path) -> Uncertainty | None:
    """Read what was fitted for a run.

    Args:
        run: The run's folder.

    Returns:
        What was fitted; None where `calibrate` was not called.

    Raises:
        DataError: The file is damaged, or belongs to other weights or another way of predicting.

    Example:
        >>> read_uncertainty("nowhere") is None
        True
    """
    path = uncertainty_path(run)
    if not path.exists():
        return None
    remedy = f"fit it anew: gaze-insight calibrate {run}"
    fitted = read_settings_file(path, Uncertainty, "file", remedy)
    if fitted.weights != weights_hash(run):
        raise DataError("it was fitted for other weights than the run has now", path=path, remedy=remedy)
    asked = RunFolder(Path(run)).config().prediction.model_dump(mode="json")
    if {**asked, "batch_size": None} != {**fitted.prediction, "batch_size": None}:
        raise DataError(
            f"it was fitted for another way of predicting: {fitted.prediction} instead of {asked}",
            path=path,
            remedy=remedy,
        )
    return fitted
