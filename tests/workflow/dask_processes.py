"""A dask scheduler and workers as real processes of this machine, started for a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client

from gaze_insight.workflow import workers


def _dask(command: str, *words: str) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", f"distributed.cli.dask_{command}", "--no-dashboard", *words]
    return subprocess.Popen(program, env=environment, **quiet)


def _address_in(facts: Path) -> str:
    for _ in range(1200):
        with suppress(OSError, ValueError):
            return str(json.loads(facts.read_text())["address"])
        time.sleep(0.05)
    raise TimeoutError("the scheduler did not start")


@contextmanager
def running_scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    facts = folder / "scheduler.json"
    process = _dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(facts))
    try:
        yield _address_in(facts), process
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_workers(address: str, folder: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    words = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    processes = [_dask("worker", address, *words) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def running_cluster(folder: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    with running_scheduler(folder) as (address, _), running_workers(address, folder, count) as processes:
        _wait_for(address, count)
        yield address, processes


def _wait_for(address: str, count: int) -> None:
    with workers._quietly(), Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
