"""`gaze-insight demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import say, show_progress
from gaze_insight.cli.evaluating import tell_scores
from gaze_insight.cli.options import Quiet, Seed
from gaze_insight.errors import SettingsError

__all__ = ["demo"]


def demo(
    task: Literal["segmentation", "chest-xray"] = "segmentation",
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("demo"),
    cases: Annotated[int | None, Parameter(validator=Number(gte=20))] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Run the whole way on drawn images with simulated gaze: cohort, inspection, training, scores, report.

    Args:
        task: Segmentation; or chest radiographs: with gaze, without, and with that of another image.
        out: Folder for everything; a demo that lies there already is refused.
        cases: Number of images to draw, 20 or more; by default 120. Of chest radiographs: patients, by
            default 360.
        seed: Seed of images, gaze and training.
    """
    if task == "chest-xray":
        from gaze_insight.cli.demo_chest import demo_chest

        demo_chest(out, patients=cases or 360, seed=seed, quiet=quiet)
        return
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
            settings=SyntheticSettings(cases=cases or 120, seed=seed),
            progress=progress,
        )
        inspect_cohort(cohort, out / "inspect.html")
        summary = run(cohort, compose(["demo"], overrides=[f"seed={seed}"]), out / "run", progress=progress)
    tell_scores(summary, out / "run" / "report.html")
    say(f"what went in: {out / 'inspect.html'}")
