"""One function over many items: in this process, in worker processes, or on a cluster (dask.distributed)."""

from __future__ import annotations

import math
import os
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gaze_insight import __version__
from gaze_insight.errors import GazeInsightError, SettingsError
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.workers import cluster_workers, local_workers

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["map_items"]

T = TypeVar("T")
R = TypeVar("R")
_PER_WORKER = 4
_LOOK_SECONDS, _LOST_SECONDS = 5.0, 60.0


def map_items(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    shared: Path | None = None,
    least_per_worker: int = 32,
    what: str = "working",
    progress: Progress = silent,
) -> Generator[tuple[T, R | GazeInsightError], None, None]:
    """Apply a function to each item and give the results as they come.

    With one process the items are worked on here, in their order, as the results are taken. With more, or
    with a cluster, at most four items a worker are under way, so memory does not grow with their number, and
    results come in the order in which they are ready. An item whose worker was killed is given to another;
    one that ends its worker again and again, in the end with no other item beside it, comes back as an
    error.

    The function and the items go to other processes by pickle: a function of a module (or a
    `functools.partial` of one), small items, no open files. Wrap the call in `contextlib.closing` where the
    loop may end early: that stops the workers at once. A script of your own that uses several processes needs
    the usual ``if __name__ == "__main__":``.

    Args:
        function: What to do with an item. A `GazeInsightError` that it raises becomes the item's result.
        items: The items.
        workers: Processes; None for one a core, 1 to stay in this one.
        cluster: Address of a dask scheduler, such as ``tcp://host:8786``, whose workers are used instead.
        shared: A folder that can be written to and that a cluster's workers must reach under the same path; a
            worker that does not see it stops the work, with a message that says so.
        least_per_worker: A process takes a second to start; fewer items than this do not get one.
        what: The activity, for `progress`.
        progress: Receives progress in items.

    Returns:
        A generator of each item with its result, or with the error that it raised; each item once.

    Raises:
        SettingsError: The scheduler does not answer or has no workers, a worker has another version or does
            not see the shared folder, or both `workers` and `cluster` are given.
        GazeInsightError: The processes cannot be started, or the cluster was lost on the way.

    Example:
        >>> [result for _, result in map_items(str.upper, ["a", "b"], workers=1)]
        ['A', 'B']
        >>> list(map_items(str.upper, []))
        []
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, found {workers}")
    if workers is not None and cluster is not None:
        raise SettingsError(
            f"workers ({workers}) counts processes of this machine, and a cluster ({cluster}) was named too",
            remedy="give one of the two; the cluster's own workers decide how much runs at once",
        )
    return _counted(
        _results(function, items, workers, cluster, shared, least_per_worker), items, what, progress
    )


def _counted(
    results: Generator[tuple[T, R | GazeInsightError], None, None],
    items: Sequence[T],
    what: str,
    progress: Progress,
) -> Generator[tuple[T, R | GazeInsightError], None, None]:
    with closing(results):
        for done, result in enumerate(results, start=1):
            yield result
            progress(what, done, len(items))


def _results(
    function: Callable[[T], R],
    items: Sequence[T],
    workers: int | None,
    cluster: str | None,
    shared: Path | None,
    least_per_worker: int,
) -> Generator[tuple[T, R | GazeInsightError], None, None]:
    count = min(workers or _cores(), len(items) // max(1, least_per_worker))
    if not items or (cluster is None and count <= 1):
        for item in items:
            yield item, _attempt(function, item)
        return
    with _seen_by_all(shared if cluster else None) as token:
        work = _Work(function, __version__, token)
        with cluster_workers(cluster) if cluster else local_workers(count) as client:
            yield from _drive(client, work, items)


def _attempt(function: Callable[[T], R], item: T) -> R | GazeInsightError:
    try:
        return function(item)
    except GazeInsightError as error:
        return error


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Work(Generic[T, R]):
    """What a worker does with an item, once it is sure that it may; what it raises concerns all items."""

    function: Callable[[T], R]
    version: str
    token: Path | None

    def __call__(self, item: T) -> R | GazeInsightError:
        if self.version != __version__:
            raise SettingsError(
                f"a worker has gaze-insight {__version__}, this process has {self.version}",
                remedy="install the same version on the workers and restart them",
            )
        if self.token is not None and not _appears(self.token):
            raise SettingsError(
                f"a worker does not see the folder {self.token.parent}",
                path=self.token.parent,
                remedy="the workers need cohort and images under the same path, as on a network drive",
            )
        _one_thread()
        return _attempt(self.function, item)


def _appears(token: Path) -> bool:
    for wait in (0.0, 0.2, 1.0, 3.0):
        time.sleep(wait)
        if token.exists():
            return True
    return False


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@contextmanager
def _seen_by_all(shared: Path | None) -> Iterator[Path | None]:
    if shared is None:
        yield None
        return
    token = shared.absolute() / f".seen-{uuid.uuid4().hex}"
    try:
        shared.mkdir(parents=True, exist_ok=True)
        token.touch()
    except OSError as error:
        raise SettingsError(f"the folder cannot be written to: {error.strerror}", path=shared) from error
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def _drive(
    client: Client, work: _Work[T, R], items: Sequence[T]
) -> Generator[tuple[T, R | GazeInsightError], None, None]:
    """Run all items; those under way when a worker ended too often get a second trial, each one alone."""
    suspects: list[T] = []
    for item, result in _in_flight(client, work, items, alone=False):
        if isinstance(result, _WorkersEndedError):
            suspects.append(item)
        else:
            yield item, result
    yield from _in_flight(client, work, suspects, alone=True)


def _in_flight(
    client: Client, work: _Work[T, R], items: Sequence[T], *, alone: bool
) -> Generator[tuple[T, R | GazeInsightError], None, None]:
    waiting, crew = iter(items), _Crew(client)
    running: dict[str, tuple[Future, T]] = {}
    ready: SimpleQueue[Future] = SimpleQueue()
    while True:
        room = min(1, crew.size()) if alone else _PER_WORKER * crew.size()
        for item in islice(waiting, max(0, room - len(running))):
            key = f"gaze-insight-{uuid.uuid4().hex}"
            future = client.submit(partial(work, item), key=key, pure=False)
            running[key] = future, item
            future.add_done_callback(ready.put)
        if not running and room:
            return
        try:
            future, item = running.pop(ready.get(timeout=_LOOK_SECONDS).key)
        except Empty:
            continue
        yield item, _result(future, item)


class _Crew:
    """How many items the workers of a cluster can do at once, asked for now and then.

    Args:
        client: A connected client.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._size = 0
        self._asked = self._at_work = -math.inf

    def size(self) -> int:
        now = time.monotonic()
        if now - self._asked < _LOOK_SECONDS and self._size:
            return self._size
        try:
            self._size, self._asked = sum(self._client.nthreads().values()), now
        except (OSError, TimeoutError) as error:
            raise _lost(f"the dask scheduler does not answer any more: {error}") from error
        if self._size or self._at_work == -math.inf:
            self._at_work = now
        elif now - self._at_work > _LOST_SECONDS:
            raise _lost(f"the cluster has had no worker for {_LOST_SECONDS:.0f} s")
        return self._size


def _lost(message: str) -> GazeInsightError:
    return GazeInsightError(message, remedy="what was finished is kept: start the workers and run again")


class _WorkersEndedError(GazeInsightError):
    """The worker processes that had the item ended, each time."""


def _result(future: Future, item: object) -> Any:
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        name = getattr(item, "id", None)
        return _WorkersEndedError(
            f"each of {error.allowed_failures + 1} worker processes that had "
            f"{'this item' if name is None else repr(name)} ended without a word",
            remedy="most often memory ran out: use fewer workers, or look at the item alone with one",
        )
    except CancelledError as error:
        raise _lost(f"the connection to the dask scheduler was lost: {error}") from error
    except (ModuleNotFoundError, RuntimeError) as error:
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        if not isinstance(missing, ModuleNotFoundError):
            raise
        raise SettingsError(
            f"the cluster cannot import {missing.name!r}",
            remedy="install gaze-insight, and put your own modules on the Python path, on all machines",
        ) from error
