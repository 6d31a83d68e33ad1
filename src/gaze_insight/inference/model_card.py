"""What an exported model says of itself, inside its own file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gaze_insight import __version__
from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = ["CARD_KEY", "INPUT_NAME", "OUTPUT_NAME", "ModelCard"]

CARD_KEY = "gaze_insight"
"""Name of the metadata entry (ONNX) or extra file (torch.export) that holds the card as JSON."""

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
_SCHEMA = 1
_INPUT = "uint8 (N, 3, height, width), RGB 0..255; scaled and normalised inside; N is free"
_OUTPUT = "float32 (N, 1, height, width), logits; the probability is 1 / (1 + exp(-logit))"


@dataclass(frozen=True)
class ModelCard:
    """How to use an exported model, and where it comes from; names only, no paths.

    Args:
        method: The method that trained it.
        head: Which of the method's predictions it makes.
        encoder: The network's encoder; empty where the method does not say.
        cohort: Name of the cohort it learnt from.
        seed: Seed of the run.
        height_px: Height of its input.
        width_px: Width of its input.
        threshold: Probability from which a pixel is lesion.
        flips: Whether it averages the logits of the image and its three mirror images.
        scales: Sizes over which it averages, as shares of its input size.
        precision: "fp32", or "fp16": weights stored in 16 bits, computed in 32.
        temperature: What to divide logits by for calibrated probabilities; None where it was not fitted.
        package_version: Version of gaze-insight that wrote it.

    Example:
        >>> card = ModelCard("unet", "student", "unet", "mine", 0, 224, 160, 0.5)
        >>> ModelCard.from_json(card.to_json()) == card, card.input_size
        (True, Size(height=224, width=160))
    """

    method: str
    head: str
    encoder: str
    cohort: str
    seed: int
    height_px: int
    width_px: int
    threshold: float
    flips: bool = False
    scales: tuple[float, ...] = (1.0,)
    precision: str = "fp32"
    temperature: float | None = None
    package_version: str = __version__

    @property
    def input_size(self) -> Size:
        """Height and width of the input in pixels."""
        return Size(self.height_px, self.width_px)

    def as_dict(self) -> dict[str, Any]:
        """List the fields, with a line each on the model's input and output."""
        return {"schema_version": _SCHEMA, **asdict(self), "input": _INPUT, "output": _OUTPUT}

    def to_json(self) -> str:
        """Write the card as JSON."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str | None, path: str | Path | None = None) -> ModelCard:
        """Read a card.

        Args:
            text: The JSON, or None where the file holds none.
            path: The model's file, for the message.

        Returns:
            The card.

        Raises:
            DataError: There is no card, it is damaged, or a newer version wrote it.
        """
        remedy = "export the run again: gaze-insight export RUN"
        if text is None:
            raise DataError(
                "expected a model that gaze-insight exported, found no card in it", path=path, remedy=remedy
            )
        try:
            fields = json.loads(text)
            schema = fields.pop("schema_version")
            if schema != _SCHEMA:
                raise DataError(
                    f"expected a model card of version {_SCHEMA}, found {schema!r}",
                    path=path,
                    remedy="update gaze-insight, or export the run with this version",
                )
            kept = {name: value for name, value in fields.items() if name not in ("input", "output")}
            return cls(**{**kept, "scales": tuple(kept["scales"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"the model's card is damaged ({error})", path=path, remedy=remedy) from error
