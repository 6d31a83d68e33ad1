"""`predict`: mask, probability and overlay for any image; with the reader's gaze where there is some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight.cohort.images import IMAGE_SUFFIXES, read_image, write_mask, write_png
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.source import GazeSource
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.inference.overlay import overlay
from gaze_insight.pseudomask.fusion import REASONS, Fused, FusionCalibration
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import ByteArray, FloatArray, Progress, silent
from gaze_insight.workflow.assisting import ASSISTED, ImageGaze, fusion_of, keep_looks, read_image_gaze
from gaze_insight.workflow.loading import open_predictor
from gaze_insight.workflow.promising import Promises

__all__ = ["PredictionGaze", "PredictionReport", "find_images", "overlay", "predict"]

OnBad = Literal["raise", "skip"]


@dataclass(frozen=True)
class PredictionGaze:
    """The gaze that images are predicted with.

    Args:
        files: Gaze files, or folders of them.
        source: How they are read; None for a table of GazeMedSeg.
        min_duration_ms: Shorter fixations are dropped and counted.
        fusion: When to believe which; None for the run's own, or else the one that comes with the package.

    Example:
        >>> PredictionGaze((Path("gaze.csv"),)).min_duration_ms
        50.0
    """

    files: tuple[Path, ...]
    source: GazeSource | None = None
    min_duration_ms: float = 50.0
    fusion: FusionCalibration | None = None


@dataclass
class PredictionReport:
    """What was predicted.

    Attributes:
        area_frac: Image name to the share of it that is predicted as lesion, in [0, 1].
        failed: Path to message of the images that were skipped.
        assisted: Image name to how gaze took part: ``gaze_share``, ``reason`` and its words, ``agreement``
            and ``recording_agreement`` (None where not known), ``area_frac_image_alone``, ``fixations``.
            Empty without gaze.
        gaze: The gaze that was joined; None without gaze.
        certainty: Image name to what is promised of its prediction (see `Promises.make`); empty for a run
            that was not calibrated.
    """

    area_frac: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    assisted: dict[str, dict[str, Any]] = field(default_factory=dict)
    gaze: ImageGaze | None = None
    certainty: dict[str, dict[str, Any]] = field(default_factory=dict)


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


def predict(
    run: str | Path,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    gaze: PredictionGaze | None = None,
    device: str = "auto",
    on_bad: OnBad = "raise",
    progress: Progress = silent,
) -> PredictionReport:
    """Predict images and write ``NAME_mask.png``, ``NAME_probability.png`` and ``NAME_overlay.png`` for each.

    The probability is stored in 16 bits: grey level / 65535. Masks lie at the image's own size. With gaze
    these three are of image and gaze together, and ``NAME_image_alone_mask.png`` is that of the image alone.
    Images whose gaze is missing are predicted from the image alone, and the report says so. For a run that
    was calibrated there is ``NAME_safe_mask.png`` too.

    Args:
        run: The run's folder, or a ``.onnx`` file from `export`.
        inputs: Image files and folders of images.
        output: Folder for the results; made where missing.
        gaze: Where the readers of these very images looked; None predicts from the images alone.
        device: Where to compute.
        on_bad: What an image or a row of gaze that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in images.

    Returns:
        What was predicted and what was skipped; predictions written before a failure stay.

    Raises:
        DataError: The run is not finished, an input cannot be read, or the output cannot be written.
    """
    paths = find_images([Path(one) for one in inputs])
    looked = None
    if gaze is not None:
        looked = read_image_gaze(
            paths, gaze.files, gaze.source, min_duration_ms=gaze.min_duration_ms, on_bad=on_bad
        )
    predictor, threshold = open_predictor(run, device=device)
    target, report, promises = Path(output), PredictionReport(gaze=looked), Promises.of(Path(run))
    predictions = _predictions(predictor, paths, report, on_bad, progress)
    if gaze is None or looked is None:
        for path, image, prob in predictions:
            _write(target, path, image, prob, threshold)
            report.area_frac[path.name] = float((prob > threshold).mean())
            _promise(report, promises, target, path, predictor.heads[0], prob)
        return report
    labels, fusion = _labels_of(Path(run)), gaze.fusion or fusion_of(Path(run))
    with keep_looks() as looks:
        seen: dict[str, Path] = {}
        for path, image, prob in predictions:
            one = image_id_of(path.name)
            reading, seen[one] = looked.fixations.get(one), path
            vote = None if reading is None else make_pseudo_mask(image, reading, labels)
            looks.add(one, prob, vote, looked.recording.get(one, ""))
            write_mask(target / f"{path.stem}_image_alone_mask.png", prob > threshold)
            report.assisted[path.name] = {"area_frac_image_alone": float((prob > threshold).mean())}
        for one, network, fused in looks.fused(fusion):
            path, reading = seen[one], looked.fixations.get(one)
            _write(target, path, read_image(path), fused.probability, threshold, network, reading)
            report.area_frac[path.name] = float((fused.probability > threshold).mean())
            report.assisted[path.name] |= _told(fused, 0 if reading is None else len(reading))
            output_name = ASSISTED if fused.features else predictor.heads[0]
            _promise(report, promises, target, path, output_name, fused.probability)
    return report


def _promise(
    report: PredictionReport, promises: Promises, target: Path, path: Path, head: str, prob: FloatArray
) -> None:
    made = promises.make(target, path.stem, head, prob)
    if made is not None:
        report.certainty[path.name] = made


def _predictions(
    predictor: Any, paths: Sequence[Path], report: PredictionReport, on_bad: OnBad, progress: Progress
) -> Iterator[tuple[Path, ByteArray, FloatArray]]:
    """Predict each image that can be read by the deployable head."""
    head = predictor.heads[0]
    for done, path in enumerate(paths):
        progress("predicting", done, len(paths))
        try:
            image = read_image(path)
        except DataError as error:
            if on_bad == "raise":
                raise
            report.failed[str(path)] = str(error)
            continue
        yield path, image, predictor.predict(image)[head]
    progress("predicting", len(paths), len(paths))


def _write(
    target: Path,
    path: Path,
    image: ByteArray,
    prob: FloatArray,
    threshold: float,
    alone: FloatArray | None = None,
    reading: Fixations | None = None,
) -> None:
    mask = prob > threshold
    drawn = overlay(image, mask, alone=None if alone is None else alone > threshold, fixations=reading)
    write_mask(target / f"{path.stem}_mask.png", mask)
    write_png(target / f"{path.stem}_probability.png", np.rint(prob * 65535).astype(np.uint16))
    write_png(target / f"{path.stem}_overlay.png", drawn)


def _told(fused: Fused, fixations: int) -> dict[str, Any]:
    return {
        "gaze_share": fused.gaze_share,
        "reason": fused.reason,
        "words": REASONS[fused.reason],
        "agreement": fused.features.get("agreement"),
        "recording_agreement": fused.features.get("recording_agreement"),
        "fixations": fixations,
    }


def _labels_of(run: Path) -> PseudoMaskSettings:
    """The recipe that the run learnt from; an exported model does not carry it, and gets the defaults."""
    return PseudoMaskSettings() if run.is_file() else RunFolder(run).config().labels
