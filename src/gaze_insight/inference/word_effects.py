"""What a trained network makes of words: its attention to each field, and its answer to other words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaze_insight.errors import SettingsError
from gaze_insight.inference.fitting import fit_image
from gaze_insight.inference.predictor import Predictor
from gaze_insight.language.schema import NOT_VISIBLE, VOCABULARY, Description
from gaze_insight.methods.protocol import Words
from gaze_insight.networks.word_attention import record_attention, relative_attention
from gaze_insight.training.words import WordRows, look_up, select_rows
from gaze_insight.types import ByteArray, FloatArray

__all__ = [
    "AREA",
    "BLANK",
    "NO_WORDS",
    "OTHER_CASE",
    "Counterfactual",
    "WordProbe",
    "counterfactuals",
    "reading_head",
]

AREA = "area_percentage"
BLANK = "blank words"
NO_WORDS = "no words"
OTHER_CASE = "words of another case"


@dataclass(frozen=True)
class Counterfactual:
    """Words as they are not: one field changed, or all of them.

    Args:
        field: The changed field, or `BLANK`, `NO_WORDS`, `OTHER_CASE` for a control.
        value: Its new word, or "x 0.5" for an area; empty for a control.
        description: The changed words; None for none at all.
    """

    field: str
    value: str
    description: Description | None


def counterfactuals(
    description: Description,
    *,
    area_factors: Sequence[float] = (0.5, 2.0),
    other: Description | None = None,
) -> list[Counterfactual]:
    """Change each field of a description in every way, one at a time; then the controls.

    The location takes each of the other eight places ("not visible" would take the other fields with it).
    An area stays at most 100 %. The controls are blank words, no words, and those of another case.

    Args:
        description: What was said; something must be visible.
        area_factors: What the area is multiplied by.
        other: The words of another case; None leaves that control out.

    Returns:
        The changed descriptions, in the order of the fields; empty where nothing is visible.

    Example:
        >>> seen = Description(location="centre", boundary="clear", shape="oval", texture="smooth",
        ...     brightness="darker", area_percentage=12, confidence="high", source="measured")
        >>> found = counterfactuals(seen)
        >>> len(found), found[0].value, found[-3].description.area_percentage, found[-1].field
        (24, 'upper left', 24.0, 'no words')
    """
    if not description.visible:
        return []
    found = [
        Counterfactual(field, word, description.model_copy(update={field: word}))
        for field, words in VOCABULARY.items()
        for word in words
        if word not in (getattr(description, field), NOT_VISIBLE)
    ]
    for factor in area_factors:
        area = min(100.0, description.area_percentage * factor)
        found.append(Counterfactual(AREA, f"x {factor:g}", description.model_copy(update={AREA: area})))
    if other is not None:
        found.append(Counterfactual(OTHER_CASE, "", other))
    found.append(Counterfactual(BLANK, "", Description.nothing_seen("blank")))
    found.append(Counterfactual(NO_WORDS, "", None))
    return found


@torch.inference_mode()
def reading_head(predictor: Predictor) -> str | None:
    """Find the head of a method that reads words: the first that an image alone does not bring.

    Args:
        predictor: The run's predictor.

    Returns:
        The head's name; None where every head is content with the image, also where words took part in the
        training alone.

    Example:
        >>> from gaze_insight.methods.unet import UNet, UNetSettings
        >>> from gaze_insight.networks.building import NetworkSettings
        >>> from gaze_insight.types import Size
        >>> blind = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, Size(32, 32))
        >>> reading_head(Predictor(blind, Size(32, 32))) is None
        True
    """
    if not predictor.method.uses_words:
        return None
    image = torch.zeros(1, 3, *predictor.input_size, device=predictor.device)
    alone = predictor.method.predict(image)
    return next((head for head in predictor.method.heads if head not in alone), None)


class WordProbe:
    """Ask the head of a trained method that reads words.

    Args:
        predictor: The run's predictor; its mirror images and scales take part in probabilities.
        batch_size: Words that are tried at once on an image.

    Attributes:
        head: The head's name.

    Raises:
        SettingsError: The method reads no words.

    Example:
        >>> from gaze_insight.methods.unet import UNet, UNetSettings
        >>> from gaze_insight.networks.building import NetworkSettings
        >>> from gaze_insight.types import Size
        >>> blind = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, Size(32, 32))
        >>> WordProbe(Predictor(blind, Size(32, 32)))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.SettingsError: the method 'unet' reads no words
          -> choose a run with a teacher that does, such as one of method.kind=fgi
    """

    def __init__(self, predictor: Predictor, batch_size: int = 8) -> None:
        head = reading_head(predictor)
        if head is None:
            kind = getattr(getattr(predictor.method, "settings", None), "kind", "of this run")
            raise SettingsError(
                f"the method {kind!r} reads no words",
                remedy="choose a run with a teacher that does, such as one of method.kind=fgi",
            )
        self.predictor, self.batch_size, self.head = predictor, batch_size, head

    def probabilities(self, image: ByteArray, rows: WordRows) -> FloatArray:
        """Predict one image with several words.

        Args:
            image: (H, W, 3) uint8, RGB.
            rows: N descriptions.

        Returns:
            Probabilities (N, h, w) float32 at the network's input size.
        """
        batch = self._fitted(image)
        found: list[Tensor] = []
        for start in range(0, len(rows), self.batch_size):
            part = select_rows(rows, torch.arange(start, min(start + self.batch_size, len(rows))))
            logits = self.predictor.logits(batch.expand(len(part), -1, -1, -1), _words_under(part))
            found.append(logits[self.head].float().sigmoid()[:, 0].cpu())
        if not found:
            size = self.predictor.input_size
            return np.zeros((0, size.height, size.width), np.float32)
        probabilities: FloatArray = torch.cat(found).numpy()
        return probabilities

    @torch.inference_mode()
    def attention(
        self, image: ByteArray, rows: WordRows, fields: Sequence[str | None]
    ) -> dict[str, FloatArray]:
        """Show how much each place of an image asks each field of its words.

        Args:
            image: (H, W, 3) uint8, RGB; shown as it is, without mirror images.
            rows: The words; the first are read.
            fields: The field of each token.

        Returns:
            Field to (S, h, w) float32, one map a fusion stage, finest first, at the network's input size;
            1 is indifference (see `relative_attention`). Empty for a method without text-vision fusion.
        """
        batch, words = self._fitted(image), _words_under(select_rows(rows, torch.arange(1)))(0)
        moved = words.map(lambda part: part.to(self.predictor.device))
        with record_attention(self.predictor.method) as stages:
            self.predictor.method.predict(batch, moved)
        maps = relative_attention(stages, fields, self.predictor.input_size)
        return {name: values.cpu().numpy() for name, values in maps.items()}

    def _fitted(self, image: ByteArray) -> Tensor:
        fitted = fit_image(image, self.predictor.input_size)
        batch = torch.from_numpy(fitted).permute(2, 0, 1)[None].float().div_(255)
        return batch.to(self.predictor.device)


def _words_under(rows: WordRows) -> Callable[[int], Words]:
    return lambda code: look_up(rows, torch.full((len(rows),), code))
