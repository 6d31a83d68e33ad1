"""A trained network as one file for other runtimes: ONNX, or PyTorch's own exported program."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from gaze_insight.errors import MissingExtraError, SettingsError
from gaze_insight.inference.deployable import Deployable
from gaze_insight.inference.model_card import CARD_KEY, INPUT_NAME, OUTPUT_NAME, ModelCard

__all__ = ["ExportFormat", "Precision", "trace", "write_onnx", "write_torch_export"]

ExportFormat = Literal["onnx", "torch_export"]
Precision = Literal["fp32", "fp16"]

_LEAST_WEIGHTS = 64
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def trace(network: Deployable, card: ModelCard) -> ExportedProgram:
    """Record a network's computation, for any number of images of the card's size.

    Args:
        network: The network, on the CPU.
        card: Height and width in pixels.

    Returns:
        The program; it names no file of this machine.

    Raises:
        SettingsError: The network's code cannot be recorded, or works for one number of images only.
    """
    sample = torch.zeros(2, 3, card.height_px, card.width_px, dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(network, (sample,), dynamic_shapes=({0: Dim("images")},))
    except (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(
            f"the method {card.method!r} cannot be exported: {str(error).strip().splitlines()[0]}",
            remedy="its predict() must be made of tensor operations and work for any number of images; write "
            "image.shape[0] rather than len(image)",
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def write_onnx(program: ExportedProgram, card: ModelCard, path: Path) -> None:
    """Write a program as an ONNX file with the card in its metadata.

    Args:
        program: What `trace` returned.
        card: The card; precision "fp16" stores the weights in 16 bits, and computes in 32.
        path: The file to write.

    Raises:
        MissingExtraError: The packages of the extra ``onnx`` are not installed.
        SettingsError: An operation has no counterpart in ONNX.
    """
    missing = next((name for name in _PACKAGES if find_spec(name) is None), None)
    if missing is not None:
        raise MissingExtraError.for_package(missing, "onnx")
    try:
        with _quiet():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise SettingsError(
            f"the method {card.method!r} cannot be written as ONNX: {str(error).strip().splitlines()[0]}",
            remedy="export it with --format torch_export",
        ) from error
    if converted is None:
        raise SettingsError(f"the method {card.method!r} cannot be written as ONNX")
    model: Any = converted.model_proto
    _forget_sources(model)
    if card.precision == "fp16":
        _halve_weights(model)
    model.producer_name, model.producer_version = "gaze-insight", card.package_version
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    path.write_bytes(model.SerializeToString())


def write_torch_export(program: ExportedProgram, card: ModelCard, path: Path) -> None:
    """Write a program as a ``.pt2`` file, for ``torch.export.load``, with the card as an extra file.

    Args:
        program: What `trace` returned.
        card: The card, stored as ``gaze_insight.json``.
        path: The file to write.
    """
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(program, buffer, extra_files={f"{CARD_KEY}.json": card.to_json()})
    path.write_bytes(buffer.getvalue())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes to its own developers, such as on torchvision, off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _forget_sources(model: Any) -> None:
    """Remove what the exporter notes on the source code, which holds paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for part in (function, *function.node):
            del part.metadata_props[:]
            part.doc_string = ""


def _halve_weights(model: Any) -> None:
    """Store each array of 32-bit weights in 16 bits, and widen it in the graph, once, when it is loaded."""
    from onnx import TensorProto, helper, numpy_helper

    widened = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(tensor)
        if weights.size < _LEAST_WEIGHTS or np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        widened.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
