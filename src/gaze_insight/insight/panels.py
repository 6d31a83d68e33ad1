"""The row of pictures that tells one case's story, with a caption and an alternative text for each."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.pictures import (
    agreement_tile,
    data_uri,
    gaze_tile,
    heat_tile,
    labels_tile,
    outline_tile,
    probability_tile,
)
from gaze_insight.types import IGNORE, BoolArray, ByteArray, FloatArray

__all__ = ["Tile", "gaze_tiles", "label_tiles", "prediction_tiles"]


@dataclass(frozen=True)
class Tile:
    """One picture of a panel.

    Args:
        title: A few words.
        text: What to see, in a sentence or less.
        alt: The picture in words, for those who cannot see it.
        uri: The picture as a ``data:`` address.

    Example:
        >>> Tile("Image", "", "the image", "data:,").title
        'Image'
    """

    title: str
    text: str
    alt: str
    uri: str


def gaze_tiles(
    case: str,
    image: ByteArray,
    fixations: Fixations | None,
    heat: FloatArray | None,
    truth: BoolArray | None,
) -> list[Tile]:
    """Show the image, the gaze on it, and the heat map, as far as they are there.

    Args:
        case: Name of the case.
        image: RGB, (H, W, 3) uint8.
        fixations: In a frame that converts to ``image_px``, or None.
        heat: (h, w) in [0, 1], or None.
        truth: True mask, or None.

    Returns:
        One to three tiles.

    Example:
        >>> [tile.title for tile in gaze_tiles("a", np.zeros((4, 4, 3), np.uint8), None, None, None)]
        ['Image']
    """
    seen = "with the expert's outline" if truth is not None else "as recorded"
    tiles = [Tile("Image", seen.capitalize(), f"{case}: image {seen}", data_uri(outline_tile(image, truth)))]
    if fixations is not None:
        words = f"{len(fixations)} fixation{'' if len(fixations) == 1 else 's'}"
        seconds = fixations.total_duration_ms / 1000
        tiles.append(
            Tile(
                "Where the clinician looked",
                f"{words}, {seconds:.1f} s" if len(fixations) else "Nothing was recorded",
                f"{case}: {words} drawn as circles on the image",
                data_uri(gaze_tile(image, fixations)),
            )
        )
    if heat is not None:
        tiles.append(
            Tile(
                "Heat map of the gaze",
                "Brighter: looked at longer",
                f"{case}: heat map of the gaze",
                data_uri(heat_tile(image, heat)),
            )
        )
    return tiles


def label_tiles(
    case: str, image: ByteArray, sparse: ByteArray | None, comprehensive: ByteArray | None
) -> list[Tile]:
    """Show the two levels of labels that the gaze was turned into.

    Args:
        case: Name of the case.
        image: RGB, (H, W, 3) uint8.
        sparse: (h, w) uint8 in {0, 1, 255}, or None.
        comprehensive: (h, w) uint8 in {0, 1}, or None.

    Returns:
        Up to two tiles.

    Example:
        >>> label_tiles("a", np.zeros((4, 4, 3), np.uint8), None, None)
        []
    """
    tiles = []
    if sparse is not None:
        unknown = float((sparse == IGNORE).mean())
        tiles.append(
            Tile(
                "Sure pixels",
                f"Labels for the teacher; {100 * unknown:.0f} % left open",
                f"{case}: sure lesion and background pixels, {100 * unknown:.0f} percent unknown",
                data_uri(labels_tile(image, sparse)),
            )
        )
    if comprehensive is not None:
        tiles.append(
            Tile(
                "Likely lesion",
                "Labels for the student, wider and noisier",
                f"{case}: every pixel labelled lesion or background from the gaze",
                data_uri(labels_tile(image, comprehensive)),
            )
        )
    return tiles


def prediction_tiles(
    case: str,
    image: ByteArray,
    probs: dict[str, FloatArray],
    truth: BoolArray | None,
    threshold: float,
    dices: dict[str, float],
) -> list[Tile]:
    """Show each model's prediction, and where the last one agrees with the expert.

    Args:
        case: Name of the case.
        image: RGB, (H, W, 3) uint8.
        probs: Title to probability (h, w), in the order to show.
        truth: True mask, or None.
        threshold: A pixel is predicted where the probability is above it.
        dices: Title to Dice, where known.

    Returns:
        A tile for each prediction, and one of the agreement if the truth is known.

    Example:
        >>> flat = np.zeros((4, 4))
        >>> [t.title for t in prediction_tiles("a", np.zeros((4, 4, 3), np.uint8), {"Student": flat},
        ...                                    flat > 0, 0.5, {})]
        ['Student', 'Agreement']
    """
    tiles = []
    for title, prob in probs.items():
        score = f"Dice {dices[title]:.2f}" if title in dices else "Cyan: predicted lesion"
        tiles.append(
            Tile(
                title,
                score,
                f"{case}: prediction of the {title.lower()}, {score}",
                data_uri(probability_tile(image, prob, truth, threshold=threshold)),
            )
        )
    if probs and truth is not None:
        height, width = image.shape[:2]
        last = list(probs.values())[-1].astype(np.float32)
        pred = cv2.resize(last, (width, height), interpolation=cv2.INTER_LINEAR) > threshold
        tiles.append(
            Tile(
                "Agreement",
                "Green: both. Yellow: missed. Cyan: too much",
                f"{case}: where prediction and expert agree and differ",
                data_uri(agreement_tile(image, pred, truth)),
            )
        )
    return tiles
