"""`gaze-insight predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.options import Device, Json, OnBad, Plugins, Quiet

__all__ = ["predict"]


def predict(
    run: Path,
    /,
    *images: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("predictions"),
    plugins: Plugins = (),
    device: Device = "auto",
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write mask, probability and overlay for images; the image is all it needs.

    Args:
        run: The run's folder.
        images: Image files and folders of images.
        out: Folder for the results.
    """
    from gaze_insight.errors import SettingsError
    from gaze_insight.workflow.predicting import predict as make

    if not images:
        raise SettingsError("expected at least one image or folder of images, found none")
    load_plugins(plugins)
    with show_progress(quiet=quiet) as progress:
        done = make(run, images, out, device=device, on_bad=on_bad, progress=progress)
    if json:
        print_json({"area_frac": done.area_frac, "failed": done.failed})
        return
    for name, share in done.area_frac.items():
        say(f"{name}: lesion on {100 * share:.1f} % of the image")
    for message in done.failed.values():
        say(f"skipped {message}")
    say(f"masks, probabilities and overlays: {out}")
