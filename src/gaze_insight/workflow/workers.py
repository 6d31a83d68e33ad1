"""Worker processes of this machine, or of a cluster, as a dask client that says plainly what is wrong."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gaze_insight.errors import GazeInsightError, SettingsError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster_workers", "dask_setup", "local_workers"]

_CONNECT_SECONDS = 10.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_LOCAL = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.nanny.pre-spawn-environ": _ONE_THREAD,  # dask's own trims memory too: 1.5 x the time
}


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence dask's log; what matters of it is said by our own errors."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """Start worker processes on this machine, and end them when the block ends.

    A process that is killed is started again; an item that two processes did not survive is given up by dask.

    Args:
        count: How many.

    Yields:
        A client whose work they do.

    Raises:
        GazeInsightError: They cannot be started.
    """
    import dask
    from distributed import Client, LocalCluster

    with (
        _quietly(),
        tempfile.TemporaryDirectory(prefix="gaze-insight-") as folder,
        dask.config.set({**_LOCAL, "temporary-directory": folder}),
    ):
        try:
            processes = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                memory_limit=None,
                local_directory=folder,
                silence_logs=logging.CRITICAL,
                preload=(__name__,),
            )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise GazeInsightError(
                f"{count} worker processes could not be started: {error}",
                remedy="use one process (--workers 1); a script needs 'if __name__ == \"__main__\":'",
            ) from error
        with processes, Client(processes, set_as_default=False) as client:
            yield client


@contextmanager
def cluster_workers(address: str) -> Iterator[Client]:
    """Use the workers of a dask scheduler.

    Args:
        address: The scheduler's address, such as ``tcp://host:8786``.

    Yields:
        A client whose work they do.

    Raises:
        SettingsError: No scheduler answers, it has no workers, or another version of Python or distributed.
    """
    with _quietly(), _connected(address) as client:
        _check_cluster(client, address)
        yield client


def _connected(address: str) -> Client:
    from distributed import Client

    try:
        _check_address(address)
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"no dask scheduler answers at {address!r}: {error}",
            remedy="start one with 'dask scheduler' and give the address that it shows, "
            "such as tcp://host:8786; or leave --cluster away",
        ) from error


def _check_address(address: str) -> None:
    """Refuse an address that cannot be one; dask's client would hang for a while when it is discarded."""
    from distributed.comm import parse_address, parse_host_port
    from distributed.comm.registry import backends

    scheme, place = parse_address(address)
    if scheme not in backends:
        raise ValueError(f"an address begins with tcp:// or tls://, this one with {scheme}://")
    if scheme in ("tcp", "tls"):
        parse_host_port(place)


def _check_cluster(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        raise SettingsError(
            f"the dask scheduler at {address} has no workers",
            remedy=f"start some with 'dask worker {address} --nthreads 1 --nworkers N'",
        ) from error
    versions: dict[str, Any] = client.get_versions()
    here = _essential(versions["client"])
    for place, found in {"the scheduler": versions["scheduler"], **versions["workers"]}.items():
        if found and _essential(found) != here:
            raise SettingsError(
                f"{place} of the cluster has {_essential(found)}, this process has {here}",
                remedy="install the same versions of Python and distributed on all machines",
            )


def _essential(versions: dict[str, Any]) -> str:
    python = ".".join(versions["host"]["python"].split(".")[:2])
    return f"Python {python}, distributed {versions['packages'].get('distributed')}"


def dask_setup(worker: object) -> None:
    """Let the parent alone answer Ctrl-C; dask calls this in each worker process that is started here.

    Args:
        worker: The worker, of which nothing is needed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
