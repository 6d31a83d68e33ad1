"""The command `gaze-insight`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App
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
)

_IMPORTS = App(name="import", help="Make a cohort from images, masks and gaze recordings.")
_CONFIG = App(name="config", help="Show, check and explain configurations.")
app.command(_IMPORTS)
app.command(_CONFIG)

_COMMANDS = {
    "demo": ("demo:demo", "The whole way on images drawn by the package: cohort, training, scores, report."),
    "inspect": ("inspecting:inspect", "What of a cohort will be used, and what is wrong with it."),
    "label": ("labelling:label", "Gaze to pseudo-masks."),
    "describe": ("describing:describe", "Words for each case."),
    "train": ("training:train", "Label, describe and train; stop at any moment and resume."),
    "evaluate": ("evaluating:evaluate", "Score a run on its test set, or on another cohort."),
    "report": ("reporting:report", "One HTML page about a run."),
    "run": ("running:run", "Label, describe, train, evaluate and report in one go."),
    "predict": ("predicting:predict", "Mask, probability and overlay for images."),
    "doctor": ("doctor:doctor", "Versions, devices and what is missing."),
}
_IMPORTERS = {
    "kvasir": "Kvasir-SEG with the fixations of GazeMedSeg.",
    "ph2": "PH2 dermoscopy, with simulated gaze where asked for.",
    "folder": "Your own images, masks and fixation table.",
    "synthetic": "Drawn images with known masks and simulated gaze.",
}
_SETTINGS = {
    "show": "Check settings and show the complete configuration they make.",
    "presets": "List the presets.",
    "methods": "List the methods.",
}
for _name, _help in _IMPORTERS.items():
    _IMPORTS.command(f"gaze_insight.cli.importing:import_{_name}", name=_name, help=_help)
for _name, _help in _SETTINGS.items():
    _CONFIG.command(f"gaze_insight.cli.configuration:{_name}", name=_name, help=_help)
for _name, (_path, _help) in _COMMANDS.items():
    app.command(f"gaze_insight.cli.{_path}", name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the command; None takes those of the process.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage or settings, 3 data, 4 missing extra, 130 interrupted.
    """
    try:
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
        sys.stderr.write(f"error: {error.filename or 'the file system'}: {error.strerror or error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
