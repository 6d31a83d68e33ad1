"""`predict`: mask, probability and overlay for any image; the image is all it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from gaze_insight.cohort.images import IMAGE_SUFFIXES, read_image, write_mask, write_png
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.types import BoolArray, ByteArray, Progress, silent
from gaze_insight.workflow.loading import load_predictor

__all__ = ["PredictionReport", "find_images", "overlay", "predict"]

_OUTLINE = (255, 210, 0)


@dataclass
class PredictionReport:
    """What was predicted.

    Attributes:
        area_frac: Image name to the share of it that is predicted as lesion, in [0, 1].
        failed: Path to message of the images that were skipped.
    """

    area_frac: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """List the images that files and folders stand for.

    Args:
        inputs: Image files, or folders whose images (not those of subfolders) are taken in order.

    Returns:
        Paths; a file that is named is listed whatever its ending.

    Raises:
        DataError: A path does not exist, a folder holds no image, or two images share a name.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = sorted(
                one for one in path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES and one.is_file()
            )
            if not inside:
                raise DataError(f"expected images ({', '.join(IMAGE_SUFFIXES)}), found none", path=path)
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise DataError("expected an image or a folder of images, found nothing", path=path)
    stems = [path.stem for path in found]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise DataError(
            f"two images are named {twice!r}, and their masks would overwrite each other",
            remedy="predict them into different folders",
        )
    return found


def overlay(image: ByteArray, mask: BoolArray) -> ByteArray:
    """Draw a mask's outline on an image.

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool.

    Returns:
        (H, W, 3) uint8; a mask without pixels leaves the image as it is.

    Example:
        >>> drawn = overlay(np.zeros((20, 20, 3), np.uint8), np.eye(20, dtype=bool))
        >>> bool(drawn.any())
        True
    """
    drawn = image.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(image.shape[:2]) / 250))
    cv2.drawContours(drawn, outlines, -1, _OUTLINE, thickness)
    return drawn


def predict(
    run: str | Path,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    device: str = "auto",
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> PredictionReport:
    """Predict images and write ``NAME_mask.png``, ``NAME_probability.png`` and ``NAME_overlay.png`` for each.

    The probability is stored in 16 bits: grey level / 65535. Masks lie at the image's own size.

    Args:
        run: The run's folder.
        inputs: Image files and folders of images.
        output: Folder for the results; made where missing.
        device: Where to compute.
        on_bad: What an image that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in images.

    Returns:
        What was predicted and what was skipped; predictions written before a failure stay.

    Raises:
        DataError: The run is not finished, an input cannot be read, or the output cannot be written.
    """
    paths = find_images([Path(one) for one in inputs])
    threshold = RunFolder(Path(run)).config().prediction.threshold
    predictor = load_predictor(run, device=device)
    head = predictor.method.heads[0]
    target, report = Path(output), PredictionReport()
    for done, path in enumerate(paths):
        progress("predicting", done, len(paths))
        try:
            image = read_image(path)
        except DataError as error:
            if on_bad == "raise":
                raise
            report.failed[str(path)] = str(error)
            continue
        prob = predictor.predict(image)[head]
        mask = prob > threshold
        write_mask(target / f"{path.stem}_mask.png", mask)
        write_png(target / f"{path.stem}_probability.png", np.rint(prob * 65535).astype(np.uint16))
        write_png(target / f"{path.stem}_overlay.png", overlay(image, mask))
        report.area_frac[path.name] = float(mask.mean())
    progress("predicting", len(paths), len(paths))
    return report
