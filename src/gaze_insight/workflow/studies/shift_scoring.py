"""Dice of trained runs on corrupted images: corrupted once for all runs, and kept for the next time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gaze_insight.cohort.artefacts import ArtefactStore, KeyPart
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import GazeInsightError
from gaze_insight.evaluation.corruptions import CORRUPTIONS, corrupt
from gaze_insight.evaluation.other_scope import field_of_view
from gaze_insight.evaluation.overlap import dice
from gaze_insight.inference.predictor import Predictor
from gaze_insight.types import BoolArray, ByteArray, FloatArray, Progress, Size, silent
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.studies.scoring import image_and_truth

__all__ = ["CLEAN", "Cell", "CellScores", "ShiftRun", "hidden_share", "open_run", "score_cells"]

CLEAN = "clean"
"""The name of images as they are."""

_KIND, _VERSION = "study-shift", 1
_T = TypeVar("_T")
_R = TypeVar("_R")


class Cell(NamedTuple):
    """One corruption at one severity; 0 for the clean images."""

    corruption: str
    severity: int


@dataclass(frozen=True, eq=False)
class ShiftRun:
    """A trained run that takes part.

    Args:
        name: The line that it belongs to; runs of one name are its seeds.
        path: Its folder.
        config: Its configuration.
        weights: Its weights' file.
        predictor: Its warm predictor.
        seen: Content hashes of the images that it learned from or was watched with.
    """

    name: str
    path: Path
    config: RunConfig
    weights: Path
    predictor: Predictor
    seen: frozenset[str]

    def predict(self, images: Sequence[ByteArray]) -> list[FloatArray]:
        """Predict with the head that needs the image alone; probability (H, W) of each image."""
        head = self.predictor.method.heads[0]
        return [one[head] for one in self.predictor.predict_batch(images)]

    def key(self, store: ArtefactStore, case: Case, corruption: str, seed: int) -> str:
        """Name what the Dice of a case under a corruption depends on, except the severity."""
        made: tuple[KeyPart, ...] = ()
        if corruption != CLEAN:
            kind = CORRUPTIONS[corruption]
            made = (corruption, kind.version, repr(kind.values), seed, case.id)
        asked = (self.config.prediction, self.config.evaluation.empty_masks, repr(self.predictor.input_size))
        return store.key(_KIND, _VERSION, case.image_path, case.mask_path, self.weights, *asked, *made)


@dataclass(frozen=True, eq=False)
class CellScores:
    """Dice of every run in every cell on every case.

    Args:
        cells: The cells, the clean images first.
        cases: The cases that could be used.
        dice: (runs, cells, cases), in [0, 1].
        failed: Id to message of the cases that were skipped.
        predicted: Predictions that were made now; the others were kept from before.
    """

    cells: tuple[Cell, ...]
    cases: tuple[Case, ...]
    dice: NDArray[np.float64]
    failed: dict[str, str] = field(default_factory=dict)
    predicted: int = 0


class _Task(NamedTuple):
    """A case under one corruption, and the severities that are missing by run."""

    case: Case
    corruption: str
    missing: dict[int, list[int]]


def open_run(name: str, path: Path, device: str = "auto") -> ShiftRun:
    """Load a finished run.

    Args:
        name: The line that it belongs to.
        path: Its folder.
        device: Where to compute.

    Returns:
        The run, ready to predict.

    Raises:
        DataError: The folder holds no finished run, or its files are damaged.

    Example:
        >>> open_run("a", Path("nowhere"))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a run, found no config.yaml there
          -> train first: gaze-insight train COHORT
    """
    folder = RunFolder(path)
    predictor = load_predictor(path, device=device)
    seen = frozenset(folder.plan().get("seen_images", ()))
    return ShiftRun(name, path, folder.config(), folder.weights, predictor, seen)


def score_cells(
    runs: Sequence[ShiftRun],
    cohort: Cohort,
    cases: Sequence[Case],
    cells: Mapping[str, Sequence[int]],
    *,
    seed: int = 0,
    workers: int = 2,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> CellScores:
    """Score runs on clean and corrupted images at the true masks' own size.

    A case's Dice under a corruption is kept in the cohort's cache under the content of image, true mask and
    weights, so an interrupted study goes on where it was, and a further run or severity costs only itself.

    Args:
        runs: The runs.
        cohort: Whose cache is used.
        cases: Cases with a true mask.
        cells: Corruption to its severities; the clean images are added.
        seed: Seed of what the corruptions draw.
        workers: Threads that corrupt images ahead of the networks.
        on_bad: What a case that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in predictions.

    Returns:
        The scores; no case gives an array (runs, cells, 0).

    Raises:
        GazeInsightError: A case cannot be read and `on_bad` is "raise".
    """
    asked = {CLEAN: (0,), **cells}
    known: dict[tuple[int, str, str], dict[str, float]] = {}
    failed: dict[str, str] = {}
    tasks: list[_Task] = []
    for case in cases:
        try:
            tasks += _tasks(runs, cohort.derived, case, asked, seed, known)
        except GazeInsightError as error:
            _note(error, case, failed, on_bad)
    total = sum(len(one) for task in tasks for one in task.missing.values())
    done = predicted = 0
    for task, made in _ahead(lambda task: _attempt(task, seed), tasks, workers):
        done += sum(len(one) for one in task.missing.values())
        if isinstance(made, GazeInsightError):
            _note(made, task.case, failed, on_bad)
        elif task.case.id not in failed:
            predicted += _predict(runs, cohort.derived, task, made, seed, known)
        progress("predicting corrupted images", done, total)
    usable = tuple(case for case in cases if case.id not in failed)
    order = tuple(Cell(name, severity) for name, severities in asked.items() for severity in severities)
    table = [
        [[known[run, case.id, cell.corruption][str(cell.severity)] for case in usable] for cell in order]
        for run in range(len(runs))
    ]
    array = np.array(table, dtype=np.float64).reshape(len(runs), len(order), len(usable))
    return CellScores(order, usable, array, failed, predicted)


def hidden_share(truth: BoolArray, severity: int) -> float:
    """Share of a lesion that lies in the black corners of the corruption ``other_scope``.

    Args:
        truth: True mask, (H, W) bool.
        severity: 0 to 5.

    Returns:
        A fraction in [0, 1]; 0 for an empty mask.

    Example:
        >>> hidden_share(np.eye(50, dtype=bool), 5) > hidden_share(np.eye(50, dtype=bool), 1)
        True
        >>> hidden_share(np.zeros((4, 4), bool), 5)
        0.0
    """
    if severity == 0 or not truth.any():
        return 0.0
    seen = field_of_view(Size(*truth.shape), CORRUPTIONS["other_scope"].value(severity))
    return 1.0 - float(seen[truth].mean())


def _tasks(
    runs: Sequence[ShiftRun],
    store: ArtefactStore,
    case: Case,
    asked: Mapping[str, Sequence[int]],
    seed: int,
    known: dict[tuple[int, str, str], dict[str, float]],
) -> list[_Task]:
    """Find what is known of a case, and what is missing."""
    found = []
    for corruption, severities in asked.items():
        missing: dict[int, list[int]] = {}
        for number, run in enumerate(runs):
            kept = store.get_json(_KIND, run.key(store, case, corruption, seed))
            scores = {str(key): float(one) for key, one in kept.items()} if isinstance(kept, dict) else {}
            known[number, case.id, corruption] = scores
            lacking = [severity for severity in severities if str(severity) not in scores]
            if lacking:
                missing[number] = lacking
        if missing:
            absolute = replace(case, image_path=case.image_path.absolute())
            found.append(_Task(absolute, corruption, missing))
    return found


def _attempt(task: _Task, seed: int) -> tuple[BoolArray, dict[int, ByteArray]] | GazeInsightError:
    """Read a case and corrupt it as often as any run needs it."""
    try:
        image, truth = image_and_truth(task.case)
        wanted = sorted({severity for one in task.missing.values() for severity in one})
        if task.corruption == CLEAN:
            return truth, dict.fromkeys(wanted, image)
        return truth, {
            severity: corrupt(image, task.corruption, severity, seed=seed, case=task.case.id)
            for severity in wanted
        }
    except GazeInsightError as error:
        return error


def _predict(
    runs: Sequence[ShiftRun],
    store: ArtefactStore,
    task: _Task,
    made: tuple[BoolArray, dict[int, ByteArray]],
    seed: int,
    known: dict[tuple[int, str, str], dict[str, float]],
) -> int:
    truth, images = made
    for number, severities in task.missing.items():
        run, scores = runs[number], known[number, task.case.id, task.corruption]
        predicted = run.predict([images[severity] for severity in severities])
        for severity, prob in zip(severities, predicted, strict=True):
            mask = np.asarray(prob > run.config.prediction.threshold)
            scores[str(severity)] = dice(mask, truth, run.config.evaluation.empty_masks)
        store.put_json(_KIND, run.key(store, task.case, task.corruption, seed), scores)
    return sum(map(len, task.missing.values()))


def _ahead(function: Callable[[_T], _R], items: Iterable[_T], workers: int) -> Iterator[tuple[_T, _R]]:
    """Apply a function in threads, at most a few items ahead of what is taken, in order."""
    pool = ThreadPoolExecutor(max(1, workers))
    waiting: deque[tuple[_T, Future[_R]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _note(
    error: GazeInsightError, case: Case, failed: dict[str, str], on_bad: Literal["raise", "skip"]
) -> None:
    if on_bad == "raise":
        raise error
    failed[case.id] = str(error)
