"""A pseudo-mask as plain arrays, with what its parts were made by, for a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, provenance

__all__ = ["from_arrays", "made_by", "to_arrays"]

_PART = "part_"
_STEPS = np.float32(255)


def to_arrays(mask: PseudoMask, settings: PseudoMaskSettings) -> dict[str, NDArray[Any]]:
    """Turn a pseudo-mask into named arrays.

    Args:
        mask: The pseudo-mask.
        settings: The recipe that made it; kept beside it as JSON text.

    Returns:
        ``soft`` (h, w) float16, ``sparse`` and ``comprehensive`` (h, w) uint8, ``trust`` and ``part_NAME``
        (h, w) uint8 in steps of 1/255, ``features`` (F,) float64 in the order of `FEATURES` (F is 0 without
        them), ``made_by`` UTF-8 JSON.

    Example:
        >>> from gaze_insight.pseudomask.levels import make_levels
        >>> arrays = to_arrays(make_levels(np.array([[0.9, 0.1]])), PseudoMaskSettings())
        >>> from_arrays(arrays).sparse, [part["name"] for part in made_by(arrays)]
        (array([[1, 0]], dtype=uint8), ['appearance', 'grabcut', 'random_walk'])
    """
    arrays: dict[str, NDArray[Any]] = {
        "soft": mask.soft.astype(np.float16),
        "sparse": mask.sparse,
        "comprehensive": mask.comprehensive,
        "trust": _in_steps(mask.trust),
        "features": np.array([mask.features[name] for name in FEATURES] if mask.features else [], np.float64),
        "made_by": np.frombuffer(json.dumps(provenance(settings)).encode(), np.uint8),
    }
    return arrays | {f"{_PART}{name}": _in_steps(part) for name, part in mask.parts.items()}


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> PseudoMask:
    """Turn named arrays back into a pseudo-mask.

    Args:
        arrays: What `to_arrays` gave.

    Returns:
        The pseudo-mask; trust and parts to within 1/510.

    Raises:
        KeyError: An array is missing.

    Example:
        >>> from_arrays({})
        Traceback (most recent call last):
        ...
        KeyError: 'features'
    """
    features = arrays["features"]
    return PseudoMask(
        soft=arrays["soft"].astype(np.float32),
        sparse=arrays["sparse"],
        comprehensive=arrays["comprehensive"],
        trust=arrays["trust"].astype(np.float32) / _STEPS,
        parts={
            name.removeprefix(_PART): (part.astype(np.float32) / _STEPS).astype(np.float16)
            for name, part in arrays.items()
            if name.startswith(_PART)
        },
        features=dict(zip(FEATURES, features.tolist(), strict=True)) if len(features) else {},
    )


def made_by(arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Read what the parts of a stored pseudo-mask were made by: name, version and settings of each.

    Args:
        arrays: What `to_arrays` gave.

    Returns:
        One record a part.
    """
    records: list[dict[str, Any]] = json.loads(arrays["made_by"].tobytes().decode())
    return records


def _in_steps(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(values.astype(np.float32) * _STEPS).astype(np.uint8)
