"""`gaze-insight demo chest-xray`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaze_insight.cli.benchmark_telling import line_writer
from gaze_insight.cli.console import say, show_progress
from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort

__all__ = ["demo_chest"]


def demo_chest(out: Path, *, patients: int, seed: int, quiet: bool) -> None:
    """Make up a MIMIC-Eye tree, train with gaze, without, and with that of other images, and read one image.

    Args:
        out: Folder for everything.
        patients: How many patients are made up.
        seed: Seed of the tree; networks are trained with seeds 0 to 2.
        quiet: Show no progress.

    Raises:
        SettingsError: A demo lies there already.
    """
    from gaze_insight.benchmark.running import run_suite
    from gaze_insight.benchmark.suite import load_suite
    from gaze_insight.benchmark.tables.writing import write_tables
    from gaze_insight.workflow.chest.predicting import predict_radiographs
    from gaze_insight.workflow.inspecting import inspect_cohort

    if out.exists():
        raise SettingsError(f"{out} holds a demo already", remedy="remove it, or choose another --out")
    cohort = _made_up(out, patients, seed, quiet=quiet)
    inspect_cohort(cohort, out / "inspect.html")
    suite, news = load_suite("chest_demo"), (lambda _: None) if quiet else line_writer()
    result = run_suite(suite, cohort, out / "benchmark", workers=2, on_failure="stop", news=news)
    written = write_tables(result.folder, resamples=500)
    run = out / "benchmark" / "runs" / "gaze-seed0"
    shown = _worth_showing(cohort)
    with show_progress(quiet=quiet) as progress:
        predict_radiographs(run, [shown], out / "prediction", progress=progress)
    say(written["markdown"].read_text(encoding="utf-8").split("## Other")[0].strip())
    say(f"what went in: {out / 'inspect.html'}")
    say(f"all tables: {written['html']}; a run's page: {run / 'report.html'}")
    say(f"one radiograph, read from the image alone: {out / 'prediction' / f'{shown.stem}.html'}")


def _made_up(out: Path, patients: int, seed: int, *, quiet: bool) -> Cohort:
    from gaze_insight.cohort.datasets.mimic_eye import import_mimic_eye
    from gaze_insight.cohort.fake_mimic_eye.demo import demo_tree
    from gaze_insight.cohort.fake_mimic_eye.tree import write_fake_mimic_eye

    with show_progress(quiet=quiet) as progress:
        write_fake_mimic_eye(out / "mimic-eye", demo_tree(patients, seed), progress=progress)
        return import_mimic_eye(out / "mimic-eye", out / "cohort", progress=progress)


def _worth_showing(cohort: Cohort) -> Path:
    """The test image with the most marked findings that has a picture of its own."""
    tests = cohort.subset("test")
    best = max(tests, key=lambda case: 0 if case.chest is None else len(case.chest.boxes))
    return best.image_path
