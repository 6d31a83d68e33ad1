"""All runs of a suite: on this machine, on a dask cluster, or handed to Slurm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gaze_insight.benchmark.child import RunProcess, child_environment, core_count
from gaze_insight.benchmark.driving import BenchmarkResult, News, OnFailure, drive
from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.planning import PlannedRun, state_of
from gaze_insight.benchmark.suite import Suite
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import SettingsError
from gaze_insight.types import Progress, silent

if TYPE_CHECKING:
    from gaze_insight.pseudomask.recipe import PseudoMaskSettings

__all__ = ["LocalCrew", "prepare_labels", "run_suite"]


def run_suite(
    suite: Suite,
    cohort: Cohort,
    folder: str | Path,
    *,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    rows: Sequence[str] | None = None,
    overrides: Sequence[str] | None = None,
    plugins: Sequence[str] | None = None,
    workers: int = 1,
    devices: Sequence[str] = (),
    cluster: str | None = None,
    slurm: str | Path | None = None,
    on_failure: OnFailure = "continue",
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
    news: News = lambda _: None,
) -> BenchmarkResult:
    """Run what of a suite is not finished yet; stop at any moment and call it again.

    First the pseudo-masks that the runs need are made, once for each recipe, with all cores or the cluster.
    Then each run is a process of its own, which goes on from the run's last saved state. Several calls on the
    same folder, also from several machines, share the runs out among them.

    Args:
        suite: The suite, with the protocol to run under.
        cohort: The cohort.
        folder: The benchmark's folder, new, or begun with the same suite, scale, cohort and settings.
        scale: One of the suite's scales; None for the folder's, or the suite's default.
        seeds: The seeds wanted now; None for the folder's, or the suite's.
        rows: The rows wanted now; None for the folder's, or all.
        overrides: ``dotted.key=value`` for all rows, or ``row:dotted.key=value`` for one; None for the
            folder's.
        plugins: The user's modules that each run imports first; None for the folder's.
        workers: Runs at once on this machine; they share its cores.
        devices: GPUs that the runs take in turns, such as ``("0", "1")``; empty: each run sees all.
        cluster: Address of a dask scheduler, one run a worker; the workers must see the folder, the cohort
            and the images under the same paths.
        slurm: YAML file of sbatch options; a script with one array element a run is written and submitted.
        on_failure: After a failed run: go on with the others, or begin no more.
        on_bad: What a training case that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress of labelling.
        news: Receives news of each run.

    Returns:
        What came of it; failed runs are in ``failed.jsonl`` too.

    Raises:
        SettingsError: The folder was begun otherwise, or the settings do not fit.
        StoppedError: Ctrl-C or SIGTERM; what was under way is saved.
        GazeInsightError: The cluster was lost.
    """
    started = time.monotonic()
    if cluster is not None and slurm is not None:
        raise SettingsError("runs go to a dask cluster or to Slurm, found both --cluster and --slurm")
    if devices and (cluster is not None or slurm is not None):
        raise SettingsError("--devices shares out this machine's GPUs; a cluster's workers have their own")
    benchmark = BenchmarkFolder(Path(folder).absolute())
    planned = benchmark.begin(
        suite,
        cohort,
        scale=scale,
        seeds=seeds,
        rows=rows,
        overrides=overrides,
        plugins=plugins,
        on_bad=on_bad,
    )
    before = {run.name for run in planned if state_of(run) == "finished"}
    result = BenchmarkResult(benchmark.path, [run.name for run in planned if run.name in before])
    todo = [run for run in planned if run.name not in before]
    if todo:
        prepare_labels(cohort, todo, cluster=cluster, on_bad=on_bad, progress=progress)
        modules = benchmark.facts().plugins
        if slurm is not None:
            from gaze_insight.benchmark.slurm import submit

            result.script, sent = submit(Path(slurm), benchmark.path, todo, modules)
            result.submitted = [run.name for run in todo] if sent else []
        elif cluster is not None:
            from gaze_insight.benchmark.on_cluster import cluster_crew

            with cluster_crew(cluster, benchmark.path, modules) as crew:
                drive(crew, benchmark, todo, result, on_failure, news)
        else:
            drive(
                LocalCrew(benchmark.path, modules, workers, devices),
                benchmark,
                todo,
                result,
                on_failure,
                news,
            )
    result.seconds = time.monotonic() - started
    return result


def prepare_labels(
    cohort: Cohort,
    runs: Sequence[PlannedRun],
    *,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> int:
    """Make the pseudo-masks that runs need, once for each recipe, with all cores; classifiers need none.

    Args:
        cohort: The cohort; its cases with gaze are labelled.
        runs: The runs.
        cluster: Address of a dask scheduler whose workers do it.
        on_bad: What a case that cannot be labelled does: stop, or be left to the runs.
        progress: Receives progress in cases.

    Returns:
        The number of different recipes.
    """
    from gaze_insight.config.run_config import RunConfig
    from gaze_insight.workflow.labelling import label

    recipes: list[PseudoMaskSettings] = []
    for run in runs:
        if isinstance(run.config, RunConfig) and run.config.labels not in recipes:
            recipes.append(run.config.labels)
    for recipe in recipes:
        label(cohort, recipe, cluster=cluster, on_bad=on_bad, progress=progress)
    return len(recipes)


class LocalCrew:
    """Processes of this machine, which share its cores and take its GPUs in turns.

    Args:
        folder: The benchmark's folder.
        plugins: The user's modules.
        workers: Runs at once.
        devices: GPUs; empty: each run sees all.
    """

    def __init__(self, folder: Path, plugins: Sequence[str], workers: int, devices: Sequence[str]) -> None:
        self._folder, self._plugins, self._devices = folder, plugins, devices
        self._threads = max(1, core_count() // workers)
        self._free = list(range(workers))
        self._running: list[tuple[PlannedRun, RunProcess, int]] = []

    def room(self) -> int:
        """Count the places that are free."""
        return len(self._free)

    def begin(self, run: PlannedRun) -> None:
        """Start the run's process."""
        place = self._free.pop(0)
        device = self._devices[place % len(self._devices)] if self._devices else None
        environment = child_environment(self._threads, device)
        process = RunProcess(self._folder, run.name, plugins=self._plugins, environment=environment)
        self._running.append((run, process, place))

    def ended(self) -> list[tuple[PlannedRun, int, list[str]]]:
        """Collect the processes that have ended."""
        found = []
        for one in list(self._running):
            run, process, place = one
            code = process.exit_code()
            if code is not None:
                self._running.remove(one)
                self._free.append(place)
                process.stop()
                found.append((run, code, process.last_lines()))
        return found

    def under_way(self) -> list[PlannedRun]:
        """List the runs whose processes live."""
        return [run for run, _, _ in self._running]

    def stop(self) -> None:
        """Close the pipes that the processes listen to."""
        for _, process, _ in self._running:
            process.stop()

    def kill(self) -> None:
        """End the processes."""
        for _, process, _ in self._running:
            process.kill()
