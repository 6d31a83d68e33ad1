"""What is known about the recording of one reading besides its fixations."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["RecordingFacts", "image_id_of"]

_IMAGE_SUFFIX = re.compile(
    r"\.(jpe?g|png|bmp|tiff?|gif|webp|dcm|dicom|nii(\.gz)?|nrrd|mha|npy)$", re.IGNORECASE
)


@dataclass(frozen=True)
class RecordingFacts:
    """Facts about one image's reading, as far as the recording states them; None for what it does not.

    Args:
        session: The recording or sitting in which the image was seen.
        order: Position of the image among those of its session, from 0.
        trial_ms: How long the image was shown, in ms.
        loss_share: Share in [0, 1] of the time (or samples) without gaze.
        fixations: Fixations recorded, before any was dropped.
        off_image: Of these, fixations beside the image.
        too_short: Of these, fixations below the shortest duration that counts.
        not_shown: Of these, fixations at a time or place where the geometry shows no image.

    Example:
        >>> RecordingFacts(session="reader1", order=0, fixations=12).off_image
        0
    """

    session: str | None = None
    order: int | None = None
    trial_ms: float | None = None
    loss_share: float | None = None
    fixations: int | None = None
    off_image: int = 0
    too_short: int = 0
    not_shown: int = 0


def image_id_of(name: str) -> str:
    r"""Return the id by which a recording's image name joins an image: the file's stem.

    Folders (with / or \\) are left out, and so are the endings that image files have; any other dot stays.

    Args:
        name: The name as the recording states it.

    Returns:
        The id; empty where the name is.

    Example:
        >>> image_id_of("C:\\slides\\lung.07.PNG"), image_id_of(" scan.nii.gz "), image_id_of("")
        ('lung.07', 'scan', '')
    """
    return _IMAGE_SUFFIX.sub("", name.strip().replace("\\", "/").rsplit("/", 1)[-1])
