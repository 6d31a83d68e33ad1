"""`gaze-insight evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.options import Device, Json, Plugins, Quiet
from gaze_insight.cli.task import evaluate_any, tell_chest_scores

__all__ = ["evaluate", "tell_scores"]


def evaluate(
    run: Path,
    /,
    *,
    cohort: Annotated[
        Path | None, Parameter(help="Another cohort with masks or labels; by default the run's own.")
    ] = None,
    split: Literal["train", "val", "test", "all"] | None = None,
    plugins: Plugins = (),
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a trained run on its test set, or on another cohort, case by case.

    Args:
        run: The run's folder.
        split: Which cases; by default the test split, and all cases of another cohort.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.config.run_folder import RunFolder

    load_plugins(plugins)
    chosen = split or ("test" if cohort is None else "all")
    other = None if cohort is None else Cohort.open(cohort)
    if other is not None and str(other.folder.resolve()) == RunFolder(run).plan()["cohort_folder"]:
        other = None
    chosen_split = None if chosen == "all" else chosen
    with show_progress(quiet=quiet) as progress:
        summary = evaluate_any(run, other, split=chosen_split, device=device, progress=progress)
    if json:
        print_json(summary)
    else:
        place = RunFolder(run).evaluation(None if other is None else other.name, chosen_split)
        tell_scores(summary, place / "cases.csv")


def tell_scores(summary: dict[str, Any], where: Path) -> None:
    """Write a summary as a small table.

    Args:
        summary: What evaluation returned.
        where: The file with the details.
    """
    if summary.get("task") == "chest_xray":
        tell_chest_scores(summary, where)
        return
    count = summary["split"]["test"]
    say(f"{summary['method']} on {summary['cohort']}, {count} test cases; {summary['protocol']}")
    say(f"{'':<12}{'Dice [95 % interval]':<24}{'IoU':<8}{'HD95 px':<10}{'ASD px':<8}")
    for head, metrics in summary["test"].items():
        dice = metrics["dice"]
        low, high = dice["ci95"]
        interval = f"{dice['mean']:.3f} [{low:.3f}, {high:.3f}]"
        others = [
            metrics[name]["mean"] if name in metrics else float("nan")
            for name in ("iou", "hd95_px", "asd_px")
        ]
        say(f"{head:<12}{interval:<24}{others[0]:<8.3f}{others[1]:<10.1f}{others[2]:<8.1f}")
    say(f"details: {where}")
