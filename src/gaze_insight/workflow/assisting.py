"""Gaze-assisted prediction of many images: gaze joined to images, recordings weighed, maps fused."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gaze_insight.cohort.building import OnBad
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.datasets.gaze_part import read_gaze_part
from gaze_insight.cohort.images import image_size
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.source import GazeSource
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.pseudomask.fusion import (
    LEAST_OTHERS,
    Fused,
    FusionCalibration,
    fuse,
    fusion_features,
    shipped_fusion,
)
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.types import FloatArray
from gaze_insight.workflow.fusion_file import read_fusion

__all__ = [
    "ASSISTED",
    "FUSION_FILE",
    "ImageGaze",
    "Looks",
    "fusion_of",
    "keep_looks",
    "read_image_gaze",
    "recording_of",
]

ASSISTED = "assisted"
"""The output of image and gaze together, beside the heads of the method."""

FUSION_FILE = "fusion.json"
"""A run's own fusion, in its folder."""


@dataclass(frozen=True)
class ImageGaze:
    """The gaze on some images.

    Args:
        fixations: Image id to its reading, fractions of the image; images that nobody looked at are absent.
        recording: Image id to the name of its recording: the session, or else the annotator.
        without_gaze: Ids of images for which no reading was found.
        unjoined: Names in the gaze files that are none of the images.
        dropped: Reason to count of what of the files was not used.
        problems: What is wrong with rows or files that were skipped.
    """

    fixations: dict[str, Fixations] = field(default_factory=dict)
    recording: dict[str, str] = field(default_factory=dict)
    without_gaze: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_image_gaze(
    images: Sequence[Path],
    gaze: str | Path | Sequence[str | Path],
    source: GazeSource | None = None,
    *,
    min_duration_ms: float = 50.0,
    on_bad: OnBad = "raise",
) -> ImageGaze:
    """Read gaze files and join them to images by name, as an import does.

    Args:
        images: Image files; an image's id is its name without ending.
        gaze: Files, or folders of files.
        source: How they are read; None for a table of GazeMedSeg.
        min_duration_ms: Shorter fixations are dropped and counted.
        on_bad: What a bad row or file does.

    Returns:
        The gaze; an image all of whose fixations were dropped keeps an empty reading.

    Raises:
        DataError: A file is bad, or gaze cannot be placed on its image.
    """
    by_id = {image_id_of(path.name): path for path in images}
    reading = read_gaze_part(
        gaze, by_id, source=source, min_duration_ms=min_duration_ms, on_bad=on_bad
    ).reading
    if reading is None:
        return ImageGaze(without_gaze=tuple(by_id))
    joined = {one: found for one, found in reading.fixations.items() if one in by_id}
    sessions = {one: facts.session for one, facts in reading.facts.items()}
    return ImageGaze(
        fixations={one: _in_unit(found, by_id[one]) for one, found in joined.items()},
        recording={one: sessions.get(one) or found.annotator or "" for one, found in joined.items()},
        without_gaze=tuple(one for one in by_id if one not in joined),
        unjoined=tuple(sorted(reading.fixations.keys() - by_id.keys())),
        dropped={why: count for why, count in reading.dropped.items() if count},
        problems=tuple(str(problem) for problem in reading.problems),
    )


def _in_unit(fixations: Fixations, path: Path) -> Fixations:
    size = fixations.image_size or image_size(path)
    return fixations.to_frame("image_unit", image_size=size)


def recording_of(case: Case) -> str:
    """Name a case's recording: its session, or else its annotator; empty where neither is known.

    Args:
        case: The case.

    Example:
        >>> recording_of(Case(id="a", image_path=Path("a.png")))
        ''
    """
    session = None if case.recording is None else case.recording.session
    annotator = None if case.fixations is None else case.fixations.annotator
    return session or annotator or ""


def fusion_of(run: Path) -> FusionCalibration:
    """Return the fusion that a run's folder holds (`fusion.json`), or the one that comes with the package.

    Args:
        run: The run's folder, or an exported model.

    Raises:
        DataError: The run's file is damaged.

    Example:
        >>> fusion_of(Path("nowhere")) == shipped_fusion()
        True
    """
    own = run / FUSION_FILE
    return read_fusion(own) if own.is_file() else shipped_fusion()


class Looks:
    """What network and gaze say of each of some images, kept until all are known; see `keep_looks`.

    The network's maps lie in a temporary folder, so that any number of images can be fused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gaze: dict[str, PseudoMask | None] = {}
        self._recording: dict[str, str] = {}
        self._agreement: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._gaze)

    def add(self, id: str, network: FloatArray, gaze: PseudoMask | None, recording: str = "") -> None:
        """Keep one image.

        Args:
            id: The image.
            network: (H, W) probability of the image alone.
            gaze: The pseudo-mask of its gaze; None where nobody looked.
            recording: Name of the recording that the gaze comes from.
        """
        np.save(self._folder / f"{len(self._gaze)}.npy", network.astype(np.float32))
        self._gaze[id] = None if gaze is None else replace(gaze, parts={})
        self._recording[id] = recording
        if gaze is not None and np.any(gaze.soft > 0):
            self._agreement[id] = fusion_features(network, gaze)["agreement"]

    def agreements(self) -> dict[str, float | None]:
        """Return the mean agreement of the other images of each image's recording, None for too few others.

        Images without a fixation say nothing about their recording.
        """
        totals: dict[str, list[float]] = defaultdict(list)
        for one, value in self._agreement.items():
            totals[self._recording[one]].append(value)
        found: dict[str, float | None] = {}
        for one, recording in self._recording.items():
            values, own = totals[recording], self._agreement.get(one)
            count = len(values) - (own is not None)
            mean = (sum(values) - (own or 0.0)) / max(count, 1)
            found[one] = float(np.clip(mean, 0, 1)) if count >= LEAST_OTHERS else None
        return found

    def fused(self, calibration: FusionCalibration | None = None) -> Iterator[tuple[str, FloatArray, Fused]]:
        """Fuse each image, with what its recording is worth.

        Args:
            calibration: When to believe which; None for the shipped one.

        Yields:
            Id, the network's own map and the fused one, in the order in which they were added.
        """
        agreements = self.agreements()
        for place, (one, gaze) in enumerate(self._gaze.items()):
            network = np.load(self._folder / f"{place}.npy")
            fused = fuse(network, gaze, calibration, recording_agreement=agreements[one])
            yield one, network, fused


@contextmanager
def keep_looks() -> Iterator[Looks]:
    """Keep images until all of a recording are known; what was kept is removed at the end.

    Yields:
        An empty store.

    Example:
        >>> with keep_looks() as looks:
        ...     looks.add("a", np.array([[0.7]], np.float32), None)
        ...     [(one, fused.reason) for one, _, fused in looks.fused()]
        [('a', 'no_gaze')]
    """
    with tempfile.TemporaryDirectory(prefix="gaze-insight-") as folder:
        yield Looks(Path(folder))
