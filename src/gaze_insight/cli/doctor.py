"""`gaze-insight doctor`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gaze_insight.cli.console import print_json, say
from gaze_insight.cli.options import Json

__all__ = ["doctor"]


def doctor(*, json: Json = False) -> None:
    """Show versions, devices and what is missing: the first thing a bug report needs."""
    from gaze_insight.training.devices import choose_device
    from gaze_insight.workflow.environment import describe_environment

    found = describe_environment(choose_device("auto"))
    del found["command"]
    found["pretrained encoder"] = _pretrained()
    found["current folder"] = _writable(Path.cwd())
    if json:
        print_json(found)
        return
    for name, value in found.items():
        say(f"{name:<24}{value}")


def _pretrained() -> str:
    from gaze_insight.errors import GazeInsightError
    from gaze_insight.networks.efficientnet import EfficientNetLiteEncoder

    try:
        EfficientNetLiteEncoder(pretrained=True)
    except GazeInsightError as error:
        return str(error)
    return "efficientnet_lite0 is here"


def _writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return f"{folder} can be written"
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
