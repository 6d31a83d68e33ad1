"""`gaze-insight nnunet`: export a cohort, train nnU-Net on it, read its masks back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, print_json, say, show_progress
from gaze_insight.cli.evaluating import tell_scores
from gaze_insight.cli.options import (
    Cluster,
    ConfigFiles,
    Count,
    Json,
    OnBad,
    Overrides,
    Plugins,
    Presets,
    Quiet,
    Seed,
    Workers,
    compose_config,
)

__all__ = ["export", "import_predictions", "train"]

_Id = Annotated[
    int, Parameter(name="--id", help="The data set's number, in 1..999; nnU-Net's own lie below 500.")
]


def export(
    cohort: Path,
    /,
    *,
    to: Annotated[Path, Parameter(help="nnU-Net's folder of data sets, called nnUNet_raw.")] = Path(
        "nnUNet_raw"
    ),
    number: _Id = 501,
    name: Annotated[str | None, Parameter(help="The data set's name; by default the cohort's.")] = None,
    labels: Literal["sparse", "comprehensive", "mask", "points", "scribble", "box"] = "sparse",
    presets: Presets = (),
    config: ConfigFiles = (),
    overrides: Overrides = (),
    plugins: Plugins = (),
    workers: Workers = None,
    cluster: Cluster = None,
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write images, label maps and splits as an nnU-Net data set; unknown pixels become its ignore label.

    Args:
        cohort: The cohort's folder.
        labels: What nnU-Net learns from: one of the two pseudo-masks, the true masks, or weak labels of the
            same gaze.
    """
    from dataclasses import asdict

    from gaze_insight.cli.lesions_only import open_for_lesions
    from gaze_insight.workflow.nnunet.export import export_nnunet

    settings = compose_config(presets, config, overrides, plugins)
    opened = open_for_lesions(cohort, "nnunet export")
    with show_progress(quiet=quiet) as progress:
        done = export_nnunet(
            opened, to, number=number, name=name, labels=labels, recipe=settings.labels,
            weak=settings.weak_labels, workers=workers, cluster=cluster, on_bad=on_bad, progress=progress,
        )  # fmt: skip
    if json:
        print_json(asdict(done))
        return
    say(f"{done.folder}: train {len(done.train)}, val {len(done.val)}, test {len(done.test)}")
    say(f"unknown to nnU-Net (ignore): {100 * done.ignored_frac:.1f} % of the labelled images' pixels")
    if not done.val:
        say("no validation case: nnU-Net trains on all cases (fold all)")
    if done.left_out:
        id, reason = next(iter(done.left_out.items()))
        say(f"left out: {count_of(len(done.left_out), 'case')}; the first: {id}: {reason}")
    if done.test_without_mask:
        say(f"test cases without a mask, which cannot be scored: {len(done.test_without_mask)}")
    say(f"next: gaze-insight nnunet train --id {number} --raw {to}")


def train(
    *,
    number: _Id = 501,
    raw: Annotated[Path, Parameter(help="nnU-Net's folder of data sets.")] = Path("nnUNet_raw"),
    work: Annotated[
        Path | None,
        Parameter(help="Folder for nnUNet_preprocessed and nnUNet_results; by default beside --raw."),
    ] = None,
    predictions: Annotated[Path | None, Parameter(help="Folder for the test masks.")] = None,
    configuration: str = "2d",
    fold: str | None = None,
    trainer: str = "nnUNetTrainer",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    processes: Count = 2,
    bin_folder: Annotated[
        Path | None,
        Parameter(name="--bin", help="Folder of nnU-Net's commands, if they are not on the PATH."),
    ] = None,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show the commands; run none.")] = False,
) -> None:
    """Plan, train and predict with an installed nnU-Net; run it again to go on where it was.

    Args:
        configuration: nnU-Net's configuration; 2d suits single images.
        fold: A number of splits_final.json, or all; by default 0, and all without validation cases.
        trainer: nnU-Net's trainer, such as nnUNetTrainer_250epochs; the default one does 1000 epochs.
        processes: Processes of planning and preprocessing.
    """
    from pydantic import ValidationError

    from gaze_insight.errors import SettingsError
    from gaze_insight.workflow.nnunet.training import NnunetSettings, plan_nnunet, train_nnunet

    try:
        settings = NnunetSettings(
            configuration=configuration, fold=fold, trainer=trainer, device=device, processes=processes
        )
    except ValidationError as error:
        raise SettingsError(f"--fold: expected a number or 'all', found {fold!r}") from error
    plan = plan_nnunet(raw, number, work=work, predictions=predictions, settings=settings)
    for key, value in plan.environment.items() if dry_run else ():
        say(f"export {key}={value}")
    if dry_run:
        for step in plan.steps:
            say(f"{step}{'' if step.needed else '  # done already'}")
            if step.name == "plan" and (plan.dataset / "splits_final.json").exists():
                say(f"cp {plan.dataset / 'splits_final.json'} {plan.preprocessed}")
        return
    done = train_nnunet(plan, bin_folder=bin_folder, tell=say)
    say(f"test masks: {done}")
    say(f"next: gaze-insight nnunet import-predictions {done} --cohort COHORT --out runs/nnunet")


def import_predictions(
    predictions: Path,
    /,
    *,
    cohort: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"), help="The folder to make, like that of a run.")],
    dataset: Annotated[
        Path | None,
        Parameter(help="The exported data set, where `nnunet train` did not make the predictions."),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score nnU-Net's test masks case by case, as `evaluate` does, so that it stands in the same table.

    Args:
        predictions: Folder with ID.png of each test case.
        cohort: The cohort's folder.
        seed: Noted as the run's seed.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.nnunet.reading import import_predictions as read

    with show_progress(quiet=quiet) as progress:
        summary = read(predictions, Cohort.open(cohort), out, dataset=dataset, seed=seed, progress=progress)
    if json:
        print_json(summary)
    else:
        tell_scores(summary, out / "cases.csv")
