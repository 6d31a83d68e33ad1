"""`export`: the trained network as one file, checked against the run before it is let out."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gaze_insight.atomic import replace_atomic, write_text_atomic
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.inference.export_check import ExportCheck, compare
from gaze_insight.inference.model_card import ModelCard
from gaze_insight.types import ByteArray, FloatArray, Size
from gaze_insight.workflow.loading import load_predictor

if TYPE_CHECKING:
    from gaze_insight.inference.export import ExportFormat, Precision
    from gaze_insight.inference.predictor import Predictor

__all__ = ["Export", "export"]

_LEAST_PX = 32


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        path: The file.
        report: The JSON beside it: the card, the check and the file's size.
        card: How to use it.
        check: How far it is from the run's network.
        size_mb: Size of the file in 10^6 bytes.
    """

    path: Path
    report: Path
    card: ModelCard
    check: ExportCheck
    size_mb: float


def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    format: ExportFormat = "onnx",
    input_size_px: int | None = None,
    precision: Precision = "fp32",
    flips: bool | None = None,
) -> Export:
    """Write the deployable head of a finished run as one file, and what was measured beside it.

    The model takes uint8 RGB (N, 3, H, W) for any N and gives float32 logits (N, 1, H, W). Normalisation and
    averaging over mirror images and scales are inside. It is compared with the run's own predictor on drawn
    images first; a model that differs too much is not written.

    Args:
        run: The run's folder.
        out: The file; by default ``model.onnx`` or ``model.pt2`` in the run's folder.
        format: "onnx" for ONNX Runtime and others, "torch_export" for PyTorch without this package.
        input_size_px: Height and width; by default those of the training.
        precision: "fp16" halves an ONNX file: weights of 16 bits, computation in 32.
        flips: Average over mirror images; None takes the run's setting.

    Returns:
        What was written.

    Raises:
        DataError: The run is not finished, the file cannot be written, or the model says something else than
            the run's network.
        SettingsError: The method cannot be exported, or the settings do not go together.
        MissingExtraError: The extra ``onnx`` is not installed.
    """
    if format == "torch_export" and precision != "fp32":
        raise SettingsError(
            f"expected precision fp32 with format torch_export, found {precision}", remedy="use --format onnx"
        )
    if input_size_px is not None and input_size_px < _LEAST_PX:
        raise SettingsError(f"expected an input size of at least {_LEAST_PX} px, found {input_size_px}")
    predictor = load_predictor(run, device="cpu", flips=flips)
    if input_size_px is not None:
        predictor.input_size = Size(input_size_px, input_size_px)
    card = _card(RunFolder(Path(run)), predictor, precision)
    suffix = ".onnx" if format == "onnx" else ".pt2"
    target = Path(run) / f"model{suffix}" if out is None else Path(out)
    if target.suffix != suffix:
        raise SettingsError(f"expected a file that ends in {suffix}, found {target.name!r}", path=target)
    with replace_atomic(target) as temporary:
        check = _write(predictor, card, temporary, format)
        if not check.passed:
            raise DataError(
                f"the exported model differs from the run's network: a probability by "
                f"{check.probability:.2g} (at most {check.most_probability:g}), masks on "
                f"{100 * check.worst_frac:.3f} % of an image's pixels (at most "
                f"{100 * check.most_differing_frac:g} %); nothing was written",
                path=target,
                remedy="export with --precision fp32" if precision != "fp32" else "try --format torch_export",
            )
    size_mb = target.stat().st_size / 1e6
    report = target.with_name(target.name + ".json")
    content = {"model": card.as_dict(), "check": asdict(check), "size_mb": size_mb}
    write_text_atomic(report, json.dumps(content, indent=2) + "\n")
    return Export(target, report, card, check, size_mb)


def _write(predictor: Predictor, card: ModelCard, path: Path, format: ExportFormat) -> ExportCheck:
    import torch

    from gaze_insight.inference.deployable import Deployable
    from gaze_insight.inference.export import trace, write_onnx, write_torch_export
    from gaze_insight.inference.onnx_predictor import OnnxPredictor

    def trained(batch: ByteArray) -> FloatArray:
        return predictor.logits(torch.from_numpy(batch).float() / 255)[card.head].numpy()

    program = trace(Deployable(predictor), card)
    if format == "onnx":
        write_onnx(program, card, path)
        exported = OnnxPredictor(path).logits
    else:
        write_torch_export(program, card, path)
        network = torch.export.load(io.BytesIO(path.read_bytes())).module()

        def exported(batch: ByteArray) -> FloatArray:
            found: torch.Tensor = network(torch.from_numpy(batch))
            return found.detach().numpy()

    return compare(
        trained, exported, predictor.input_size, threshold=card.threshold, precision=card.precision
    )


def _card(folder: RunFolder, predictor: Predictor, precision: str) -> ModelCard:
    config, plan = folder.config(), folder.plan()
    head = predictor.method.heads[0]
    network = getattr(config.method, "network", None)
    uncertainty = folder.path / "uncertainty.json"
    fitted = folder.read_json(uncertainty).get("heads", {}) if uncertainty.exists() else {}
    return ModelCard(
        method=plan["method"],
        head=head,
        encoder=str(getattr(network, "encoder", "")),
        cohort=plan["cohort"],
        seed=config.seed,
        height_px=predictor.input_size.height,
        width_px=predictor.input_size.width,
        threshold=config.prediction.threshold,
        flips=predictor.flips,
        scales=predictor.scales,
        precision=precision,
        temperature=fitted.get(head, {}).get("temperature"),
    )
