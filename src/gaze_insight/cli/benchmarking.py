"""`gaze-insight benchmark`: suites of runs, and their tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.benchmark_telling import line_writer, row_head, row_line, tell_plan, tell_result
from gaze_insight.cli.console import count_of, load_plugins, print_json, say, show_progress
from gaze_insight.cli.options import Cluster, Count, Json, OnBad, Overrides, Plugins, Quiet
from gaze_insight.errors import GazeInsightError, SettingsError

if TYPE_CHECKING:
    from gaze_insight.benchmark.folder import BenchmarkFolder
    from gaze_insight.benchmark.suite import Suite

__all__ = [
    "benchmark_attempt",
    "benchmark_list",
    "benchmark_run",
    "benchmark_show",
    "benchmark_table",
]

Scale = Annotated[
    str | None,
    Parameter(show_default=False, help="A scale of the suite, such as paper, cpu or tiny."),
]
Rows = Annotated[
    str | None,
    Parameter(
        show_default=False, help="Rows by key, such as unet,fgi, or all; by default the folder's, or all."
    ),
]
Seeds = Annotated[
    str | None,
    Parameter(show_default=False, help="Seeds, such as 0,1 or 0-4; by default the folder's, or the suite's."),
]


def benchmark_list(*, json: Json = False) -> None:
    """List the suites that come with the package."""
    from gaze_insight.benchmark.suite import list_suites

    if json:
        print_json(list_suites())
        return
    for name, summary in list_suites().items():
        say(f"{name:<18}{summary}")


def benchmark_show(
    suite: str,
    /,
    *,
    scale: Scale = None,
    rows: Rows = None,
    overrides: Overrides = (),
    plugins: Plugins = (),
    full: bool = False,
    json: Json = False,
) -> None:
    """Show a suite: rows, what each composes to, the paper's figures, and the number of runs.

    Args:
        suite: A suite by name, or your own as a YAML file.
        full: Also show the complete settings of each row.
    """
    from gaze_insight.benchmark.planning import compose_row
    from gaze_insight.benchmark.suite import load_suite
    from gaze_insight.config.loading import to_yaml

    load_plugins(plugins)
    loaded = load_suite(suite)
    chosen = scale or loaded.default_scale
    wanted = _rows_in(rows, loaded) or list(loaded.rows)
    configs = {
        key: compose_row(loaded, key, chosen, overrides)
        for key in dict.fromkeys(map(loaded.runs_of, wanted))
        if loaded.rows[key].made_by is None
    }
    runs = len(configs) * len(loaded.seeds)
    if json:
        settings = {key: config.model_dump(mode="json") for key, config in configs.items()}
        print_json(
            {"suite": loaded.model_dump(mode="json"), "scale": chosen, "runs": runs, "settings": settings}
        )
        return
    say(f"{loaded.name}: {loaded.title}" + (f" ({loaded.paper})" if loaded.paper else ""))
    say(f"scales: {', '.join(loaded.scales)}; shown: {chosen}. Reference row: {loaded.reference}.")
    say(
        f"protocol: {loaded.protocol}. {count_of(runs, 'run')}: "
        f"{count_of(len(configs), 'row')} x {count_of(len(loaded.seeds), 'seed')}."
    )
    say(row_head(loaded))
    for key in wanted:
        say(row_line(loaded, key, configs))
    for note in loaded.notes:
        say(f"note: {note}")
    for key, config in configs.items() if full else ():
        say(f"\n# {key}\n{to_yaml(config).rstrip()}")


def benchmark_run(
    suite: str,
    cohort: Path,
    /,
    *,
    name: Path | None = None,
    scale: Scale = None,
    rows: Rows = None,
    seeds: Seeds = None,
    overrides: Overrides = (),
    protocol: Literal["honest", "paper"] | None = None,
    workers: Count = 1,
    devices: str | None = None,
    cluster: Cluster = None,
    slurm: Path | None = None,
    on_failure: Annotated[Literal["continue", "stop"], Parameter(name="--on-failure")] = "continue",
    on_bad: OnBad = "raise",
    plugins: Plugins = (),
    dry_run: Annotated[bool, Parameter(name="--dry-run", show_default=False)] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run what of a suite is not finished. Ctrl-C saves and stops; the same command goes on.

    Several of these commands on one folder, also from several machines, share its runs. --set
    row:dotted.key=value reaches one row alone. Exit code 1 if any run failed.

    Args:
        suite: A suite by name, or your own as a YAML file.
        cohort: The cohort's folder.
        name: The benchmark's folder; a bare name lies in runs/. By default made of suite, cohort and scale.
        protocol: honest: weights chosen without the test set; paper: the best of some evaluations on it. By
            default the suite's.
        workers: Runs at once on this machine; they share its cores.
        devices: GPUs that the runs take in turns, such as 0,1.
        slurm: YAML file of sbatch options: a job array is written, and submitted where there is sbatch.
        on_failure: After a failed run: go on with the others (continue), or begin no more (stop).
        dry_run: List the runs and how far they are; do nothing.
    """
    from gaze_insight.benchmark.folder import BenchmarkFolder
    from gaze_insight.benchmark.running import run_suite
    from gaze_insight.benchmark.suite import load_suite
    from gaze_insight.cohort.cohort import Cohort

    loaded, opened = load_suite(suite), Cohort.open(cohort)
    if protocol is not None:
        loaded = loaded.model_copy(update={"protocol": protocol})
    place = name or Path(f"{loaded.name}-{opened.name}-{scale or loaded.default_scale}")
    folder = BenchmarkFolder(place if len(place.parts) > 1 else Path("runs") / place)
    _load_plugins_of(folder, plugins)
    asked: dict[str, Any] = {
        "scale": scale,
        "rows": _rows_in(rows, loaded),
        "seeds": _numbers_in(seeds),
        "overrides": overrides or None,
        "plugins": plugins or None,
    }
    if dry_run:
        tell_plan(folder.begin(loaded, opened, **asked, write=False), folder, json=json)
        return
    with show_progress(quiet=quiet) as progress:
        result = run_suite(
            loaded,
            opened,
            folder.path,
            **asked,
            workers=workers,
            devices=tuple(one.strip() for one in devices.split(",")) if devices else (),
            cluster=cluster,
            slurm=slurm,
            on_failure=on_failure,
            on_bad=on_bad,
            progress=progress,
            news=(lambda _: None) if quiet else line_writer(),
        )
    tell_result(result, json=json)


def benchmark_table(folder: Path, /, *, plugins: Plugins = (), json: Json = False) -> None:
    """Make the tables of a benchmark: Markdown, LaTeX, JSON and HTML, with intervals and paired differences.

    Plug-ins are those that the runs were made with; --plugin takes their place where they have moved.

    Args:
        folder: The benchmark's folder.
    """
    from gaze_insight.benchmark.folder import BenchmarkFolder
    from gaze_insight.benchmark.tables.writing import write_tables

    _load_plugins_of(BenchmarkFolder(folder), plugins)
    written = write_tables(folder)
    if json:
        print_json({kind: str(path) for kind, path in written.items()})
        return
    for path in written.values():
        say(str(path))


def benchmark_attempt(
    folder: Path,
    run: str,
    /,
    *,
    wait_s: Annotated[float, Parameter(name="--wait-s", validator=Number(gte=0))] = 0.0,
    leashed: bool = False,
    record: bool = False,
    plugins: Plugins = (),
) -> None:
    """Bring one run of a benchmark to its end; `benchmark run` starts these, and so does its Slurm script.

    Args:
        folder: The benchmark's folder.
        run: The run's name, such as unet-seed0.
        wait_s: Seconds to wait where another process is at work on the run.
        leashed: Save and stop when standard input ends, as it does when the parent process ends.
        record: Write a failure into the benchmark's failed.jsonl.
    """
    from gaze_insight.benchmark.attempt import attempt, end_with_parent
    from gaze_insight.benchmark.folder import BenchmarkFolder

    if leashed:
        end_with_parent()
    benchmark = BenchmarkFolder(folder)
    try:
        _load_plugins_of(benchmark, plugins)
        with show_progress() as progress:
            outcome = attempt(folder, run, wait_s=wait_s, progress=progress)
    except Exception as error:
        code = error.exit_code if isinstance(error, GazeInsightError) else 1
        if record and code not in (75, 130):
            benchmark.record_failure(run, code, [f"error: {error}"])
        raise
    say(f"{run}: {outcome}")


def _load_plugins_of(folder: BenchmarkFolder, given: tuple[str, ...]) -> None:
    if given or not folder.begun():
        load_plugins(given)
        return
    try:
        load_plugins(folder.facts().plugins)
    except SettingsError as error:
        raise SettingsError(
            error.message,
            path=error.path,
            remedy="the benchmark was begun with this plug-in; say where it lies now with --plugin",
        ) from error


def _rows_in(text: str | None, suite: Suite) -> list[str] | None:
    if text is None:
        return None
    if text.strip() == "all":
        return list(suite.rows)
    rows = [one.strip() for one in text.split(",") if one.strip()]
    if not rows:
        raise SettingsError("--rows: expected keys of rows such as unet,fgi, or all, found none")
    return rows


def _numbers_in(text: str | None) -> list[int] | None:
    if text is None:
        return None
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SettingsError(f"--seeds: expected numbers such as 0,1 or 0-4, found {text!r}")
        if dash and int(last) < int(first):
            raise SettingsError(f"--seeds: expected the lower number first, found {part.strip()!r}")
        numbers += range(int(first), int(last if dash else first) + 1)
    return list(dict.fromkeys(numbers))
