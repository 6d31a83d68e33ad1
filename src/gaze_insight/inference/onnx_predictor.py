"""A predictor that needs ONNX Runtime, numpy and OpenCV, and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.inference.fitting import fit_image
from gaze_insight.inference.model_card import CARD_KEY, INPUT_NAME, OUTPUT_NAME, ModelCard
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["OnnxPredictor"]


class OnnxPredictor:
    """Predict with a model that `gaze-insight export` wrote; the model stays loaded between calls.

    Probabilities equal those of :class:`~gaze_insight.inference.predictor.Predictor` on the same run within
    the tolerance that the export checked. Averaging over mirror images and scales is part of the model.

    Args:
        path: The ``.onnx`` file.
        threads: Threads of ONNX Runtime; None for one a core.

    Raises:
        DataError: The file is missing, damaged, or was not exported by gaze-insight.
        MissingExtraError: ONNX Runtime is not installed.

    Attributes:
        card: What the model says of itself.
        heads: The one prediction it makes.
        input_size: Height and width in pixels that it computes at.

    Example:
        >>> OnnxPredictor("nowhere.onnx")  # doctest: +SKIP
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.onnx: expected an exported model, found no such file
          -> make one with: gaze-insight export RUN
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise SettingsError(f"expected at least one thread, found {threads}")
        self.path = Path(path)
        self._session, described = _open(self.path, threads)
        self.card = ModelCard.from_json(described, self.path)
        self.heads = (self.card.head,)
        self.input_size = self.card.input_size

    def predict(self, image: ByteArray) -> dict[str, FloatArray]:
        """Predict one image.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Head to foreground probability, (H, W) float32 in [0, 1].

        Raises:
            DataError: The image has another shape or type.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[ByteArray], words: None = None) -> list[dict[str, FloatArray]]:
        """Predict several images of any sizes.

        Args:
            images: (H, W, 3) uint8 each.
            words: An exported model reads none.

        Returns:
            For each image, head to probability at the image's own size; empty for no images.

        Raises:
            DataError: An image has another shape or type.
        """
        if not images:
            return []
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise DataError(
                    f"expected an image (H, W, 3) uint8, found {image.dtype} of shape {tuple(image.shape)}"
                )
        batch = np.stack([fit_image(image, self.input_size) for image in images]).transpose(0, 3, 1, 2)
        logits = self.logits(batch)
        return [
            {self.heads[0]: _probability(one[0], image)} for one, image in zip(logits, images, strict=True)
        ]

    def logits(self, batch: ByteArray) -> FloatArray:
        """Predict logits at the model's own size.

        Args:
            batch: (B, 3, H, W) uint8, RGB, at `input_size`.

        Returns:
            (B, 1, H, W) float32.
        """
        found = self._session.run([OUTPUT_NAME], {INPUT_NAME: np.ascontiguousarray(batch)})[0]
        return np.asarray(found, np.float32)


def _probability(logits: FloatArray, image: ByteArray) -> FloatArray:
    height, width = image.shape[:2]
    resized = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * resized)), np.float32)


def _open(path: Path, threads: int | None) -> tuple[Any, str | None]:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError as error:
        raise MissingExtraError.for_package("onnxruntime", "onnx") from error
    refused = (
        failures.Fail,
        failures.InvalidArgument,
        failures.InvalidGraph,
        failures.InvalidProtobuf,
        failures.NotImplemented,
        failures.RuntimeException,
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(_content(path), options, providers=["CPUExecutionProvider"])
    except refused as error:
        raise DataError(
            f"expected an ONNX model, found a file that ONNX Runtime refuses ({str(error).splitlines()[0]})",
            path=path,
            remedy="the file may be damaged or cut short; export the run again",
        ) from error
    return session, session.get_modelmeta().custom_metadata_map.get(CARD_KEY)


def _content(path: Path) -> bytes:
    remedy = "make one with: gaze-insight export RUN"
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("expected an exported model, found no such file", path=path, remedy=remedy) from error
    except OSError as error:
        raise DataError(f"the model cannot be read ({error.strerror})", path=path, remedy=remedy) from error
