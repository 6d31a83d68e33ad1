"""From a suite to its runs: what each is composed of, where it lies, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gaze_insight.benchmark.suite import Suite, nearest
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.loading import compose
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.config.tasks import compose_chest, load_run_config
from gaze_insight.errors import SettingsError
from gaze_insight.methods.registry import METHODS

__all__ = [
    "AnyConfig",
    "PlannedRun",
    "RunState",
    "check_same_settings",
    "compose_row",
    "plan_runs",
    "state_of",
]

RunState = Literal["finished", "unfinished", "missing"]
AnyConfig = RunConfig | ChestConfig
"""The settings of a run of either task."""

_FREE = ("device", "checkpoint_minutes")


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite.

    Attributes:
        row: The row's key.
        seed: The run's seed.
        config: All its settings.
        folder: The run's folder, ``runs/<row>-seed<seed>`` in that of the benchmark.
    """

    row: str
    seed: int
    config: AnyConfig
    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name


def plan_runs(
    suite: Suite,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    rows: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    folder: Path = Path(),
) -> list[PlannedRun]:
    """List the runs of a suite, all rows of the first seed first.

    A row that shows another row's runs asks for those; a row that is made in another way has none here.

    Args:
        suite: The suite.
        scale: One of its scales; None for its default.
        seeds: The seeds; None for the suite's.
        rows: The rows; None for all.
        overrides: ``dotted.key=value`` for all rows, or ``row:dotted.key=value`` for one.
        folder: The benchmark's folder.

    Returns:
        Each run once.

    Raises:
        SettingsError: No such scale or row, or a row's settings do not fit; the row is named.

    Example:
        >>> from gaze_insight.benchmark.suite import load_suite
        >>> runs = plan_runs(load_suite("kvasir_table7"), "tiny", seeds=(0, 1))
        >>> [run.name for run in runs]
        ['without_darm-seed0', 'with_darm-seed0', 'without_darm-seed1', 'with_darm-seed1']
        >>> runs[0].config.method.darm is None
        True
    """
    wanted = _wanted_rows(suite, rows)
    configs = {row: compose_row(suite, row, scale, overrides) for row in wanted}
    return [
        PlannedRun(
            row,
            seed,
            configs[row].model_copy(update={"seed": seed}),
            folder / "runs" / f"{row}-seed{seed}",
        )
        for seed in (suite.seeds if seeds is None else seeds)
        for row in wanted
    ]


def compose_row(suite: Suite, row: str, scale: str | None = None, overrides: Iterable[str] = ()) -> AnyConfig:
    """Compose the settings of a row's runs, but for the seed.

    Args:
        suite: The suite.
        row: A row with runs of its own.
        scale: One of the suite's scales; None for its default.
        overrides: ``dotted.key=value`` for all rows, or ``row:dotted.key=value`` for one.

    Returns:
        The settings; the protocol is the suite's.

    Raises:
        SettingsError: No such scale or row, or the settings do not fit; the row is named.

    Example:
        >>> from gaze_insight.benchmark.suite import load_suite
        >>> suite = load_suite("kvasir_table8")
        >>> config = compose_row(suite, "stages_2", "tiny", ["stages_2:training.batch_size=2"])
        >>> config.method.fusion.stages, config.training.batch_size
        (2, 2)
    """
    name = suite.default_scale if scale is None else scale
    shared = _named(suite.scales, name, f"suite {suite.name!r} has no scale")
    own = _named(suite.rows, row, f"suite {suite.name!r} has no row")
    suite.check_task()
    presets = (*shared.presets, *own.presets)
    settings = (*shared.set, *own.set, *own.set_at.get(name, ()), *_overrides_of(suite, row, overrides))
    try:
        if suite.task == "chest_xray":
            return compose_chest(presets, (), settings)
        protocol = f"evaluation.protocol={suite.protocol}"
        times = f"evaluation.test_evaluations={suite.test_evaluations}"
        config = compose(presets, (), (times, *settings, protocol))
        _check_outputs(suite, row, config)
    except SettingsError as error:
        raise SettingsError(
            f"suite {suite.name!r}, row {row!r} at scale {name!r}: {error.message}",
            path=error.path,
            remedy=error.remedy,
        ) from error
    return config


def state_of(planned: PlannedRun) -> RunState:
    """Say how far a run is, from its folder alone.

    Args:
        planned: The run.

    Returns:
        ``finished`` with scores and report, ``missing`` without anything to go on with, else ``unfinished``.

    Example:
        >>> state_of(PlannedRun("unet", 0, RunConfig(), Path("nowhere")))
        'missing'
    """
    folder = RunFolder(planned.folder)
    if folder.summary_json.exists() and folder.report_html.exists():
        return "finished"
    return "unfinished" if folder.config_yaml.exists() else "missing"


def check_same_settings(planned: PlannedRun) -> None:
    """Refuse to go on with a run that was begun with other settings.

    Args:
        planned: The run; where its folder holds no settings yet, there is nothing to check.

    Raises:
        SettingsError: The settings differ; the first that does is named.
    """
    folder = RunFolder(planned.folder)
    if not folder.config_yaml.exists():
        return
    begun, now = (_plain(config) for config in (load_run_config(folder.config_yaml), planned.config))
    different = _first_difference(begun, now)
    if different is not None:
        key, before, after = different
        raise SettingsError(
            f"the run was begun with {key}={before}, the suite now asks for {after}",
            path=planned.folder,
            remedy="give the benchmark another folder with --name, or move this run's folder away",
        )


def _plain(config: AnyConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    for key in _FREE:
        values["training"].pop(key, None)
    return values


def _first_difference(before: Any, after: Any, key: str = "") -> tuple[str, Any, Any] | None:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            place = f"{key}.{name}" if key else name
            found = _first_difference(before.get(name), after.get(name), place)
            if found is not None:
                return found
        return None
    return None if before == after else (key, before, after)


def _wanted_rows(suite: Suite, rows: Sequence[str] | None) -> list[str]:
    given = list(suite.rows) if rows is None else rows
    for name in given:
        _named(suite.rows, name, f"suite {suite.name!r} has no row")
    owners = dict.fromkeys(suite.runs_of(name) for name in given)
    return [name for name in owners if suite.rows[name].made_by is None]


def _overrides_of(suite: Suite, row: str, overrides: Iterable[str]) -> list[str]:
    kept = []
    for text in overrides:
        key, sign, value = text.partition("=")
        owner, colon, dotted = key.partition(":")
        if colon:
            _named(suite.rows, owner.strip(), f"--set {text}: suite {suite.name!r} has no row")
        if not colon:
            kept.append(text)
        elif owner.strip() == row:
            kept.append(f"{dotted}{sign}{value}")
    return kept


def _check_outputs(suite: Suite, row: str, config: RunConfig) -> None:
    """Each row shows a head that its runs score; gaze is scored beside those of the method."""
    heads = (*METHODS[config.method_name].heads, "pseudomask", "assisted")
    for name, shown in suite.rows.items():
        if suite.runs_of(name) == row and shown.output not in heads:
            raise SettingsError(
                f"rows.{name}.output: expected a head that the runs score, found {shown.output!r}",
                remedy=nearest(shown.output, heads) or f"known: {', '.join(heads)}",
            )


def _named(known: Mapping[str, Any], name: str, missing: str) -> Any:
    if name not in known:
        raise SettingsError(
            f"{missing} {name!r}", remedy=nearest(name, known) or f"known: {', '.join(known)}"
        )
    return known[name]
