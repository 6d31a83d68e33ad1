"""What `gaze-insight predict` says of chest radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gaze_insight.cli.console import print_json, say, show_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gaze_insight.workflow.chest.predicting import RadiographPredictions

__all__ = ["plain_radiographs", "predict_chest", "tell_radiographs"]


def predict_chest(
    run: Path,
    images: Sequence[Path],
    out: Path,
    *,
    device: str = "auto",
    on_bad: Literal["raise", "skip"] = "raise",
    writer: Path | None = None,
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Read radiographs with a run and say what is called: the part of `predict` for chest radiographs.

    Args:
        run: The run's folder.
        images: Image files and folders of images.
        out: Folder for the results.
        device: Where to compute.
        on_bad: What an image that cannot be read does.
        writer: JSON with the settings of a language model that words the reports; None for templates.
        json: Print values instead of words.
        quiet: Show no progress.
    """
    from gaze_insight.chest.report_writer import WriterSettings
    from gaze_insight.workflow.chest.predicting import predict_radiographs
    from gaze_insight.workflow.settings_file import read_settings_file

    remedy = 'write one, such as {"model": "qwen2.5:7b", "endpoint": "http://localhost:11434/v1"}'
    words = None if writer is None else read_settings_file(writer, WriterSettings, "report writer", remedy)
    with show_progress(quiet=quiet) as progress:
        done = predict_radiographs(
            run, images, out, device=device, on_bad=on_bad, writer=words, progress=progress
        )
    if json:
        print_json(plain_radiographs(done))
    else:
        tell_radiographs(done, out)


def plain_radiographs(done: RadiographPredictions) -> dict[str, Any]:
    """Give what was predicted as plain values, for ``--json``.

    Args:
        done: The predictions.

    Returns:
        images (probabilities, report, page, notes by file name), thresholds, calibrated, failed, index.
    """
    images = {
        name: {
            "probabilities": {finding: round(p, 4) for finding, p in one.probabilities.items()},
            "report": one.report.to_json(),
            "view": one.view or None,
            "notes": list(one.notes),
            "page": str(one.page),
        }
        for name, one in done.images.items()
    }
    return {
        "images": images,
        "thresholds": done.thresholds,
        "calibrated": done.calibrated,
        "failed": done.failed,
        "index": None if done.index is None else str(done.index),
    }


def tell_radiographs(done: RadiographPredictions, out: Path) -> None:
    """Say the impression of each image, what to beware of, and where the files are.

    Args:
        done: The predictions.
        out: The folder of the results.
    """
    notes: dict[str, int] = {}
    for name, one in done.images.items():
        called = ", ".join(f"{finding} {p:.2f}" for finding, p in one.called(done.thresholds).items())
        impression = " ".join(sentence.text for sentence in one.report.section("impression"))
        say(f"{name}: {impression}{f' ({called})' if called else ''}")
        for note in one.notes:
            notes[note] = notes.get(note, 0) + 1
    for note, count in notes.items():
        say(f"note{f' for {count} images' if len(done.images) > 1 else ''}: {note}")
    for message in done.failed.values():
        say(f"skipped {message}")
    say(f"pages, values and overlays: {done.index or out}")
