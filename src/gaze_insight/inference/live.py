"""Gaze-assisted prediction while somebody is reading: the image once, the gaze as it arrives."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

import numpy as np

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.fusion import LEAST_OTHERS, Fused, FusionCalibration, fuse, shipped_fusion
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["AssistedPredictor", "ImagePredictor"]


class ImagePredictor(Protocol):
    """What predicts an image alone: a run's predictor or an exported model."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The predictions it makes, the deployable one first."""
        ...

    def predict(self, image: ByteArray) -> dict[str, FloatArray]:
        """Return head to probability (H, W) of an image (H, W, 3)."""
        ...


class AssistedPredictor:
    """Predict the image that is being read, better with each fixation.

    The network sees an image once, when it is opened. Each update labels it by all fixations so far and joins
    both. When the next image is opened, the last one's agreement of image and gaze is added to what is known
    of the recording, which from the sixth image on tells how far this tracker and this reader can be trusted.

    Args:
        predictor: Predicts the image alone.
        labels: The recipe of the pseudo-masks; None for the defaults.
        fusion: When to believe which; None for the one that comes with the package.

    Example:
        >>> class Half:
        ...     heads = ("student",)
        ...     def predict(self, image):
        ...         return {"student": np.full(image.shape[:2], 0.5, np.float32)}
        >>> live = AssistedPredictor(Half())
        >>> live.open(np.zeros((32, 32, 3), np.uint8)).shape, live.update(Fixations.empty()).reason
        ((32, 32), 'nothing_looked_at')
    """

    def __init__(
        self,
        predictor: ImagePredictor,
        labels: PseudoMaskSettings | None = None,
        fusion: FusionCalibration | None = None,
    ) -> None:
        self._predictor = predictor
        self._labels, self._fusion = labels or PseudoMaskSettings(), fusion or shipped_fusion()
        self._image: ByteArray | None = None
        self._network: FloatArray | None = None
        self._last: Fused | None = None
        self._recording = ""
        self._agreements: dict[str, list[float]] = defaultdict(list)

    def open(self, image: ByteArray, recording: str = "") -> FloatArray:
        """Begin with an image.

        Args:
            image: (H, W, 3) uint8, RGB.
            recording: Name of the recording; another name begins another record of agreement.

        Returns:
            (H, W) float32, the probability of the image alone.
        """
        self._remember()
        self._network = self._predictor.predict(image)[self._predictor.heads[0]]
        self._image, self._recording = image, recording
        return self._network

    def update(self, fixations: Fixations) -> Fused:
        """Join the open image with the fixations on it so far.

        Args:
            fixations: All fixations of this reading until now, in a frame that leads to ``image_unit``.

        Returns:
            The fused map; the image alone as long as no fixation lies on it.

        Raises:
            SettingsError: No image is open.
        """
        if self._image is None or self._network is None:
            raise SettingsError("expected an open image, found none", remedy="call open(image) first")
        gaze = make_pseudo_mask(self._image, fixations, self._labels)
        self._last = fuse(
            self._network, gaze, self._fusion, recording_agreement=self.recording_agreement(self._recording)
        )
        return self._last

    def recording_agreement(self, recording: str = "") -> float | None:
        """Return the mean agreement of a recording's finished images.

        Args:
            recording: The recording's name.

        Returns:
            A fraction in [0, 1]; None before five images with gaze.
        """
        known = self._agreements[recording]
        return float(np.clip(np.mean(known), 0, 1)) if len(known) >= LEAST_OTHERS else None

    def _remember(self) -> None:
        if self._last is not None and self._last.features:
            self._agreements[self._recording].append(self._last.features["agreement"])
        self._last = None
