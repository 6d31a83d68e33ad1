"""`gaze-insight predict`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gaze_insight.cli.console import load_plugins, print_json, say, show_progress
from gaze_insight.cli.gaze_options import (
    Columns,
    Frame,
    GazeConfigs,
    GazeFormatName,
    GazeOverrides,
    GazePaths,
    GeometryFile,
    TrialsFile,
    compose_gaze_source,
)
from gaze_insight.cli.import_options import ShortestMs
from gaze_insight.cli.options import Device, Json, OnBad, Plugins, Quiet
from gaze_insight.cli.predicting_chest import predict_chest
from gaze_insight.cli.task import task_of_run
from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.workflow.predicting import PredictionGaze, PredictionReport

__all__ = ["predict"]

FusionFile = Annotated[
    Path | None,
    Parameter(
        help="When gaze is believed beside the image: a file from `study assisted --fit`. By default the "
        "run's own fusion.json, or else the package's."
    ),
]


WriterFile = Annotated[
    Path | None,
    Parameter(
        help="Chest radiographs: JSON with the settings of a language model that words the report, checked "
        "against the findings; by default sentences are made from templates."
    ),
]


def predict(
    run: Path,
    /,
    *images: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("predictions"),
    gaze: GazePaths = (),
    gaze_format: GazeFormatName = None,
    columns: Columns = (),
    frame: Frame = None,
    geometry: GeometryFile = None,
    trials: TrialsFile = None,
    gaze_config: GazeConfigs = (),
    gaze_set: GazeOverrides = (),
    min_duration_ms: ShortestMs = 50.0,
    fusion: FusionFile = None,
    writer: WriterFile = None,
    plugins: Plugins = (),
    device: Device = "auto",
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write mask, probability and overlay for images; the image is all it needs, and gaze on it helps.

    A run on chest radiographs gives probabilities, attention with regions and the text of a report instead.

    Args:
        run: The run's folder, or a model that `export` wrote (.onnx).
        images: Image files and folders of images.
        out: Folder for the results.
        min_duration_ms: Shorter fixations are dropped and counted.
    """
    from gaze_insight.workflow.predicting import predict as make

    if not images:
        raise SettingsError("expected at least one image or folder of images, found none")
    load_plugins(plugins)
    flags = (gaze_format, columns, frame, geometry, trials, gaze_config, gaze_set, fusion)
    if task_of_run(run) == "chest_xray":
        if gaze or any(flags):
            raise SettingsError(
                "a run on chest radiographs predicts from the image alone, found flags about gaze",
                remedy="leave them out",
            )
        predict_chest(run, images, out, device=device, on_bad=on_bad, writer=writer, json=json, quiet=quiet)
        return
    if writer is not None:
        raise SettingsError("--writer is for runs on chest radiographs; this one segments")
    if not gaze and any(flags):
        raise SettingsError("these flags say how gaze is used, but there is none", remedy="--gaze FILE")
    looked = None
    if gaze:
        source = compose_gaze_source(
            files=gaze_config, overrides=gaze_set, form=gaze_format, columns=columns, frame=frame,
            geometry=geometry, trials=trials,
        )  # fmt: skip
        looked = _gaze(gaze, source, min_duration_ms, fusion)
    with show_progress(quiet=quiet) as progress:
        done = make(run, images, out, gaze=looked, device=device, on_bad=on_bad, progress=progress)
    if json:
        print_json(_plain(done))
    else:
        _tell(done, out)


def _gaze(
    files: tuple[Path, ...], source: Any, min_duration_ms: float, fusion: Path | None
) -> PredictionGaze:
    from gaze_insight.workflow.fusion_file import read_fusion
    from gaze_insight.workflow.predicting import PredictionGaze

    if math.isnan(min_duration_ms):
        raise SettingsError("--min-duration-ms must be 0 or more, found nan")
    chosen = None if fusion is None else read_fusion(fusion)
    return PredictionGaze(files, source, min_duration_ms, chosen)


def _plain(done: PredictionReport) -> dict[str, Any]:
    found: dict[str, Any] = {"area_frac": done.area_frac, "failed": done.failed}
    if done.certainty:
        found["certainty"] = done.certainty
    if done.gaze is None:
        return found
    gaze = {
        "without_gaze": list(done.gaze.without_gaze),
        "unjoined": list(done.gaze.unjoined),
        "dropped": done.gaze.dropped,
        "problems": list(done.gaze.problems),
    }
    return {**found, "assisted": done.assisted, "gaze": gaze}


def _tell(done: PredictionReport, out: Path) -> None:
    from gaze_insight.workflow.promising import certainty_words

    for name, share in done.area_frac.items():
        line = f"{name}: lesion on {100 * share:.1f} % of the image"
        how = done.assisted.get(name)
        if how is not None:
            alone = f"{100 * how['area_frac_image_alone']:.1f} % by the image alone"
            line += f" ({alone}); gaze {100 * how['gaze_share']:.0f} %, {how['words']}"
        if name in done.certainty:
            line += f"; {certainty_words(done.certainty[name])}"
        say(line)
    for message in done.failed.values():
        say(f"skipped {message}")
    _tell_gaze(done)
    say(f"masks, probabilities and overlays: {out}")


def _tell_gaze(done: PredictionReport) -> None:
    from gaze_insight.gaze.readers.left_out import count_words

    if done.gaze is None:
        return
    looked = done.gaze
    if looked.without_gaze:
        say(f"without gaze: {len(looked.without_gaze)} images, the first is {looked.without_gaze[0]}")
    if looked.unjoined:
        say(f"gaze on none of the images: {len(looked.unjoined)} names, the first is {looked.unjoined[0]}")
    if looked.dropped:
        say(f"not used of the gaze files: {', '.join(count_words(*one) for one in looked.dropped.items())}")
    if looked.problems:
        say(f"problems in the gaze files: {len(looked.problems)}; the first: {looked.problems[0]}")
