"""The state of a training run on disk: written whole or not at all."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from gaze_insight.atomic import write_bytes_atomic
from gaze_insight.errors import DataError

__all__ = ["TrainingState", "load_state", "load_weights", "save_state", "save_weights"]


@dataclass
class TrainingState:
    """All that decides how a run goes on.

    Attributes:
        fingerprint: Content key of the run's configuration and data.
        stage: Index of the stage under way.
        step: Steps done in that stage.
        seconds: Training time so far.
        method: The method's weights.
        optimizer: The optimiser's state; empty between two stages.
        scaler: The state of the gradient scaler under fp16; empty otherwise.
        average: The averaged weights (EMA); empty where off.
        best: The best weights on validation so far in the stage; empty where the last are taken.
        best_score: Their validation Dice; None before the first.
        sums: Each loss so far in the epoch under way, divided by the epoch's number of steps.
        batch_seconds: The part of the training time in which the network waited for batches.
        watched: Step and score of each time a :class:`~gaze_insight.training.watching.Watch` was asked.
        best_watched: The method's weights at the best of them.
    """

    fingerprint: str
    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    method: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    batch_seconds: float = 0.0
    watched: list[tuple[int, float]] = field(default_factory=list)
    best_watched: dict[str, Tensor] = field(default_factory=dict)


def save_state(state: TrainingState, path: Path) -> None:
    """Write a state so that a crash at any moment leaves the old one or the new one, never a part.

    Args:
        state: The state.
        path: The file.

    Raises:
        DataError: The file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(vars(state)), buffer)
    write_bytes_atomic(path, buffer.getvalue())


def load_state(path: Path, fingerprint: str) -> TrainingState | None:
    """Read the state of an interrupted run.

    Args:
        path: The file.
        fingerprint: What the state must have been made with.

    Returns:
        The state; None where there is no file.

    Raises:
        DataError: The file is damaged, or belongs to another configuration or other data.
    """
    if not path.exists():
        return None
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise BadZipFile(f"{damaged} is damaged")
        state = TrainingState(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, BadZipFile, pickle.UnpicklingError) as error:
        raise DataError(
            f"the saved training state cannot be read ({error})",
            path=path,
            remedy="delete it to train again from the beginning",
        ) from error
    if state.fingerprint != fingerprint:
        raise DataError(
            "the saved training state was made with other settings or other data",
            path=path,
            remedy="choose another run name, or delete this run's folder",
        )
    return state


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights as safetensors, atomically.

    Args:
        module: The module.
        path: The file.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    write_bytes_atomic(path, save(tensors))


def load_weights(module: nn.Module, path: Path) -> None:
    """Read a module's weights.

    Args:
        module: The module, of the same structure as the one that was saved.
        path: The file.

    Raises:
        DataError: The file is missing, damaged, or fits another network.
    """
    try:
        module.load_state_dict(load(path.read_bytes()))
    except FileNotFoundError as error:
        raise DataError("expected trained weights, found no file", path=path, remedy="train first") from error
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"the weights do not fit this network ({error})", path=path) from error
