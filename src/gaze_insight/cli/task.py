"""Which task a cohort or a run is about, and the verbs of that task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gaze_insight.cli.console import load_plugins, say

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.config.chest_config import ChestConfig
    from gaze_insight.config.layers import Task
    from gaze_insight.config.run_config import RunConfig
    from gaze_insight.config.run_folder import RunFolder
    from gaze_insight.types import Progress, Split

__all__ = [
    "compose_any",
    "evaluate_any",
    "report_any",
    "run_any",
    "task_of_cohort",
    "task_of_run",
    "tell_chest_scores",
    "train_any",
]


def task_of_cohort(cohort: Cohort) -> Task:
    """Say what a cohort is for: chest radiographs where any case is one.

    Args:
        cohort: The cohort.

    Returns:
        The task.

    Example:
        >>> from gaze_insight.cohort.cohort import Cohort
        >>> task_of_cohort(Cohort("empty", Path("empty"), {}))
        'segmentation'
    """
    chest = any(case.chest is not None for case in cohort.cases.values())
    return "chest_xray" if chest else "segmentation"


def task_of_run(run: Path) -> Task:
    """Say what a run is about; an exported model segments.

    Args:
        run: The run's folder, or a model's file.

    Returns:
        The task; segmentation where there is no run, which the verb itself then says.

    Example:
        >>> task_of_run(Path("nowhere"))
        'segmentation'
    """
    from gaze_insight.config.run_folder import RunFolder

    files = RunFolder(run)
    return files.task() if files.config_yaml.is_file() else "segmentation"


def compose_any(
    presets: tuple[str, ...],
    files: tuple[Path, ...],
    overrides: tuple[str, ...],
    plugins: tuple[str, ...] = (),
    cohort: Cohort | None = None,
) -> RunConfig | ChestConfig:
    """Load plug-ins, then compose the configuration of the task that flags and cohort mean.

    Args:
        presets: Names of presets.
        files: YAML files.
        overrides: Single settings.
        plugins: Modules of the user.
        cohort: The cohort that it is for; None for none.

    Returns:
        The configuration.

    Raises:
        SettingsError: Flags and cohort mean different tasks, or a setting cannot be used.
    """
    from gaze_insight.config.tasks import compose_task

    load_plugins(plugins)
    if cohort is None:
        return compose_task(presets, files, overrides)
    whose = f"the cohort {cohort.name!r}"
    return compose_task(presets, files, overrides, task=task_of_cohort(cohort), whose=whose)


def train_any(
    cohort: Cohort,
    config: RunConfig | ChestConfig,
    folder: Path,
    *,
    resume: bool,
    on_bad: Literal["raise", "skip"],
    progress: Progress,
) -> RunFolder:
    """Train by the task of the configuration.

    Args:
        cohort: The cohort.
        config: The configuration.
        folder: The run's folder.
        resume: Go on with an interrupted run.
        on_bad: What a bad case does.
        progress: Receives progress.

    Returns:
        The run's folder.
    """
    from gaze_insight.config.run_config import RunConfig

    if isinstance(config, RunConfig):
        from gaze_insight.workflow.training import train

        return train(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)
    from gaze_insight.workflow.chest.training import train_chest

    return train_chest(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)


def run_any(
    cohort: Cohort,
    config: RunConfig | ChestConfig,
    folder: Path,
    *,
    resume: bool,
    on_bad: Literal["raise", "skip"],
    progress: Progress,
) -> dict[str, Any]:
    """Go from a cohort to a report by the task of the configuration.

    Args:
        cohort: The cohort.
        config: The configuration.
        folder: The run's folder.
        resume: Go on with an interrupted run.
        on_bad: What a bad case does.
        progress: Receives progress.

    Returns:
        The summary.
    """
    from gaze_insight.config.run_config import RunConfig

    if isinstance(config, RunConfig):
        from gaze_insight.workflow.running import run

        return run(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)
    from gaze_insight.workflow.chest.running import run_chest

    return run_chest(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)


def evaluate_any(
    run: Path, cohort: Cohort | None, *, split: Split | None, device: str, progress: Progress
) -> dict[str, Any]:
    """Score a run by its task.

    Args:
        run: The run's folder.
        cohort: Another cohort; None for the run's own.
        split: The split; None for all cases.
        device: Where to compute.
        progress: Receives progress.

    Returns:
        The summary.
    """
    from gaze_insight.config.run_folder import RunFolder

    if RunFolder(run).task() == "chest_xray":
        from gaze_insight.workflow.chest.evaluating import evaluate_chest

        return evaluate_chest(run, cohort, split=split, device=device, progress=progress)
    from gaze_insight.workflow.evaluating import evaluate

    return evaluate(run, cohort, split=split, device=device, progress=progress)


def report_any(run: Path, out: Path | None, *, each: int, device: str) -> Path:
    """Write the report of a run by its task.

    Args:
        run: The run's folder.
        out: The file; None for ``report.html`` in the run's folder.
        each: How many cases of a kind are shown.
        device: Where to compute.

    Returns:
        The file.
    """
    from gaze_insight.config.run_folder import RunFolder

    if RunFolder(run).task() == "chest_xray":
        from gaze_insight.workflow.chest.reporting import report_chest

        return report_chest(run, out, each=each, device=device)
    from gaze_insight.workflow.reporting import report

    return report(run, out, each=each, device=device)


def tell_chest_scores(summary: dict[str, Any], where: Path) -> None:
    """Write the summary of a run on chest radiographs as a small table.

    Args:
        summary: What evaluation returned.
        where: The file with the details.
    """
    test = summary["test"]
    say(
        f"{summary['method']} on {summary['cohort']}, {summary['split']['test']} cases; {summary['protocol']}"
    )
    say(f"{'':<28}{'AUC [95 % interval]':<24}{'F1':<8}{'precision':<11}{'recall':<8}positive")
    for name, row in test["classes"].items():
        others = "".join(
            f"{_number(row[one]['mean']):<{width}}"
            for one, width in (("f1", 8), ("precision", 11), ("recall", 8))
        )
        count = f"{row['positives']} of {row['positives'] + row['negatives']}"
        say(f"{name:<28}{_interval(row['auc']):<24}{others}{count}")
    averages = test["classifier"]
    for kind in ("macro", "micro"):
        others = "".join(
            f"{_number(averages[f'{one}_{kind}']['mean']):<{width}}"
            for one, width in (("f1", 8), ("precision", 11), ("recall", 8))
        )
        say(f"{kind:<28}{_interval(averages[f'auc_{kind}']):<24}{others}")
    for name, reason in test["skipped"].items():
        say(f"{name}: not scored, {reason}")
    looked = test["attention"]
    if looked:
        told = ", ".join(f"{name} {_number(looked[name]['mean'])}" for name in looked)
        say(f"attention against gaze and boxes: {told}")
    say(f"details: {where}")


def _interval(entry: dict[str, Any]) -> str:
    if entry["ci95"] is None:
        return _number(entry["mean"])
    low, high = entry["ci95"]
    return f"{_number(entry['mean'])} [{low:.3f}, {high:.3f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
