"""`gaze-insight demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.evaluating import tell_scores
from gaze_insight.cli.options import Quiet, Seed
from gaze_insight.errors import SettingsError

__all__ = ["demo"]


def demo(
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("demo"),
    cases: Annotated[int, Parameter(validator=Number(gte=20))] = 120,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Run the whole way on drawn images with simulated gaze: cohort, inspection, training, scores, report.

    Args:
        out: Folder for everything; a demo that lies there already is refused.
        cases: Number of images to draw, 20 or more.
        seed: Seed of images, gaze and training.
    """
    from gaze_insight.cohort.datasets.synthetic import import_synthetic
    from gaze_insight.cohort.synthetic import SyntheticSettings
    from gaze_insight.config.loading import compose
    from gaze_insight.workflow.inspecting import inspect_cohort
    from gaze_insight.workflow.running import run

    if (out / "run").exists():
        raise SettingsError(f"{out} holds a demo already", remedy="remove it, or choose another --out")
    with show_progress(quiet=quiet) as progress:
        cohort = import_synthetic(
            out / "images",
            out / "cohort",
            settings=SyntheticSettings(cases=cases, seed=seed),
            progress=progress,
        )
        inspect_cohort(cohort, out / "inspect.html")
        summary = run(cohort, compose(["demo"], overrides=[f"seed={seed}"]), out / "run", progress=progress)
    tell_scores(summary, out / "run" / "report.html")
    say(f"what went in: {out / 'inspect.html'}")
