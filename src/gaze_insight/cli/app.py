"""The command `gaze-insight`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from gaze_insight import __version__
from gaze_insight.errors import GazeInsightError

__all__ = ["app", "main"]

app = App(
    name="gaze-insight",
    version=__version__,
    help="Train medical-image models from recordings of where a clinician looked.\n\n"
    "The way of the data: import -> inspect -> label -> describe -> train -> evaluate -> report. "
    "`run` does the last five in one go; `demo` shows it all on images made by the package itself.",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)

_IMPORTS = App(name="import", help="Make a cohort from images, masks and gaze recordings.", sort_key=0)
_STUDIES = App(
    name="study",
    help="What seconds buy, what noise costs, what parts and simulated gaze are worth.",
    sort_key=80,
)
_NNUNET = App(name="nnunet", help="nnU-Net on the same labels: export, train, read back.", sort_key=85)
_BENCHMARK = App(
    name="benchmark",
    help="Tables of many runs: the paper's, and your own: run, resume, tabulate.",
    sort_key=70,
)
_CONFIG = App(name="config", help="Show and check settings; list presets and methods.", sort_key=90)
app.command(_IMPORTS)
app.command(_STUDIES)
app.command(_NNUNET)
app.command(_CONFIG)
app.command(_BENCHMARK)

_COMMANDS = {
    "download": ("downloading:download", "Fetch a public data set: terms, resume, checksum."),
    "inspect": ("inspecting:inspect", "What of a cohort will be used, and what is wrong with it."),
    "quality": (
        "quality:quality",
        "Which recordings can be trusted; offset and drift, corrected on request.",
    ),
    "label": ("labelling:label", "Gaze to pseudo-masks."),
    "weak-labels": ("weak_labels:weak_labels", "Gaze to points, boxes or scribbles, for other tools."),
    "describe": ("describing:describe", "Words for each case."),
    "train": ("training:train", "Label, describe and train; stop at any moment and resume."),
    "evaluate": ("evaluating:evaluate", "Score a run on its test set, or on another cohort."),
    "calibrate": (
        "calibrating:calibrate",
        "What a run's predictions promise: expected Dice, safe masks, when to ask a human.",
    ),
    "report": ("reporting:report", "One HTML page about a run."),
    "run": ("running:run", "Label, describe, train, evaluate and report in one go."),
    "predict": ("predicting:predict", "Mask, probability and overlay for images."),
    "export": ("exporting:export", "The trained network as one ONNX file, checked against the run."),
    "demo": ("demo:demo", "The whole way on images drawn by the package: cohort, training, scores, report."),
    "doctor": ("doctor:doctor", "Versions, devices and what is missing."),
}
_IMPORTERS = {
    "folder": "Your own images, masks and gaze files.",
    "kvasir": "Kvasir-SEG with the fixations of GazeMedSeg.",
    "ph2": "PH2 dermoscopy, with simulated gaze where asked for.",
    "nci-isbi": "NCI-ISBI 2013 prostate MRI (DICOM, NRRD) with the fixations of GazeMedSeg.",
    "isic": "ISIC 2016-2018 dermoscopy, with simulated gaze where asked for.",
    "gazemedseg": "The preprocessed data of GazeMedSeg.",
    "fgi": "The preprocessed data of FGI.",
    "mimic-eye": "MIMIC-Eye 1.0.0: chest radiographs with the readings of REFLACX and EGD.",
    "reflacx": "REFLACX chest radiographs as published, with the pictures of MIMIC-CXR-JPG.",
    "egd": "Eye Gaze Data for chest X-rays as published, with the pictures of MIMIC-CXR-JPG.",
    "nih-chest-xray": "NIH ChestX-ray14, with simulated gaze on its boxes where asked for.",
    "fake-mimic-eye": "A made-up MIMIC-Eye tree with drawn radiographs, and its cohort.",
    "synthetic": "Drawn images with known masks and simulated gaze.",
    "custom": "A data set that your own module registers.",
    "formats": "List the gaze file formats and their settings.",
}
_IMPORTER_FILES = {
    **dict.fromkeys(("nci-isbi", "isic", "gazemedseg", "fgi"), "importing_papers"),
    **dict.fromkeys(("mimic-eye", "reflacx", "egd", "nih-chest-xray", "fake-mimic-eye"), "importing_chest"),
}
_SETTINGS = {
    "show": "Check settings and show the complete configuration they make.",
    "presets": "List the presets.",
    "methods": "List the methods.",
    "check-method": "Try a method, your own with --plugin, and say what is missing in it.",
}
_STUDY_COMMANDS = {
    "time": "Quality of the pseudo-masks against seconds of looking.",
    "noise": "Quality of the pseudo-masks against noise in the recordings.",
    "simulator": "Simulated against real readings of the same images.",
    "parts": "Each part of the pseudo-mask, the vote, trust and quality score against true masks.",
}
_NNUNET_COMMANDS = {
    "export": "Write a cohort as an nnU-Net data set, unknown pixels as its ignore label.",
    "train": "Plan, train and predict with an installed nnU-Net.",
    "import-predictions": "Score nnU-Net's test masks as a run of ours.",
}
for _place, (_name, _help) in enumerate(_NNUNET_COMMANDS.items()):
    _path = f"gaze_insight.cli.nnunet:{_name.replace('-', '_')}"
    _NNUNET.command(_path, name=_name, help=_help, sort_key=_place)
_BENCHMARK_COMMANDS = {
    "list": "List the suites.",
    "show": "The rows of a suite, what each composes to, and the paper's figures.",
    "run": "Run what of a suite is not finished: here, on a dask cluster, or through Slurm.",
    "table": "Make the tables of a benchmark's folder.",
}
for _place, (_name, _help) in enumerate(_BENCHMARK_COMMANDS.items()):
    _path = f"gaze_insight.cli.benchmarking:benchmark_{_name}"
    _BENCHMARK.command(_path, name=_name, help=_help, sort_key=_place)
_BENCHMARK.command("gaze_insight.cli.benchmarking:benchmark_attempt", name="attempt", show=False)
for _place, (_name, _help) in enumerate(_STUDY_COMMANDS.items()):
    _STUDIES.command(f"gaze_insight.cli.study:{_name}", name=_name, help=_help, sort_key=_place)
_STUDIES.command(
    "gaze_insight.cli.shift:shift",
    name="shift",
    help="Trained runs on corrupted images: blur, light, JPEG, noise, another scope.",
    sort_key=len(_STUDY_COMMANDS),
)
_STUDIES.command(
    "gaze_insight.cli.assisted:assisted",
    name="assisted",
    help="What gaze at the reading adds to a run, and what poor gaze costs.",
    sort_key=len(_STUDY_COMMANDS) + 1,
)
_STUDIES.command(
    "gaze_insight.cli.words:words",
    name="words",
    help="Where a teacher reads its words, and what moves when one of them changes.",
    sort_key=len(_STUDY_COMMANDS) + 2,
)
_STUDIES.command(
    "gaze_insight.cli.keywords:keywords",
    name="keywords",
    help="Findings that the keyword labeler reads in real chest reports, against their tags.",
    sort_key=len(_STUDY_COMMANDS) + 3,
)
for _place, (_name, _help) in enumerate(_IMPORTERS.items()):
    _path = f"{_IMPORTER_FILES.get(_name, 'importing')}:import_{_name.replace('-', '_')}"
    _names = dict.fromkeys((_name, _name.replace("-", "_")))
    _IMPORTS.command(f"gaze_insight.cli.{_path}", name=tuple(_names), help=_help, sort_key=_place)
for _name, _help in _SETTINGS.items():
    _path = f"gaze_insight.cli.configuration:{_name.replace('-', '_')}"
    _CONFIG.command(_path, name=_name, help=_help)
for _place, (_name, (_path, _help)) in enumerate(_COMMANDS.items(), start=1):
    app.command(f"gaze_insight.cli.{_path}", name=_name, help=_help, sort_key=_place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the command; None takes those of the process.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage or settings, 3 data, 4 missing extra, 130 interrupted.
    """
    try:
        with _stopped_by_sigterm():
            app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        return 2
    except GazeInsightError as error:
        sys.stderr.write(f"{'stopped' if error.exit_code == 130 else 'error'}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("stopped: interrupted; finished steps are kept\n")
        return 130
    except BrokenPipeError:
        return 0
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'a file'}: {error.strerror or error}\n")
        return 3
    return 0


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, with its message and what it had to clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
