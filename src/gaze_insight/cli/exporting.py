"""`gaze-insight export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import load_plugins, print_json, say
from gaze_insight.cli.options import Json, Plugins

__all__ = ["export"]


def export(
    run: Path,
    /,
    *,
    format: Literal["onnx", "torch_export"] = "onnx",
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    input_size: Annotated[int | None, Parameter(validator=Number(gte=32))] = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    flips: Annotated[bool | None, Parameter(negative="--no-flips")] = None,
    plugins: Plugins = (),
    json: Json = False,
) -> None:
    """Write a trained network as one file that runs without this package, and check it against the run.

    Args:
        run: The run's folder.
        format: onnx for ONNX Runtime and others; torch_export for PyTorch (torch.export.load).
        out: The file; by default model.onnx or model.pt2 in the run's folder.
        input_size: Height and width in pixels; by default those of the training.
        precision: fp16 halves an ONNX file: weights of 16 bits, computation in 32.
        flips: Average over the three mirror images, at four times the cost; by default as the run does.
    """
    from gaze_insight.workflow.exporting import export as make

    load_plugins(plugins)
    done = make(run, out, format=format, input_size_px=input_size, precision=precision, flips=flips)
    if json:
        content = {"path": str(done.path), "model": done.card.as_dict(), "check": asdict(done.check)}
        print_json({**content, "size_mb": done.size_mb})
        return
    card, check = done.card, done.check
    size = f"{card.height_px} x {card.width_px} px"
    say(f"{done.path}: {done.size_mb:.1f} MB, {card.method} {card.head}, {size}")
    say(
        f"checked on {check.images} images against the run: probabilities differ by at most "
        f"{check.probability:.1g}, masks on {100 * check.differing_frac:.4f} % of pixels"
    )
    say(f"details: {done.report}")
