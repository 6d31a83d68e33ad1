"""The comparison that an exported model must pass sees what it has to see."""

from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.errors import DataError
from gaze_insight.inference.export_check import check_images, compare
from gaze_insight.types import Size

SIZE = Size(32, 48)


def red(batch: np.ndarray) -> np.ndarray:
    return batch[:, :1] / 32.0 - 4


def test_images_are_fixed_and_of_many_kinds() -> None:
    images = check_images(SIZE)
    assert images.dtype == np.uint8
    assert np.array_equal(images, check_images(SIZE))
    assert len({image.tobytes() for image in images}) == len(images)


def test_differences_are_those_of_a_literal_loop() -> None:
    def other(batch: np.ndarray) -> np.ndarray:
        return red(batch) + (batch[:, :1] == 130) * 0.2

    found = compare(red, other, SIZE, threshold=0.52)
    images = check_images(SIZE)
    worst, total, largest = 0.0, 0, 0.0
    for image in images:
        one, two = (1 / (1 + np.exp(-f(image[None]))) for f in (red, other))
        different = int(((one > 0.52) != (two > 0.52)).sum())
        worst, total = max(worst, different / one.size), total + different
        largest = max(largest, float(np.abs(one - two).max()))
    assert found.worst_frac == pytest.approx(worst)
    assert found.differing_frac == pytest.approx(total / images[:, 0].size)
    assert found.probability == pytest.approx(largest)
    assert not found.passed


def test_a_weak_precision_may_differ_more() -> None:
    def other(batch: np.ndarray) -> np.ndarray:
        return red(batch) + 0.01 * np.sign(red(batch))

    assert not compare(red, other, SIZE, threshold=0.5).passed
    assert compare(red, other, SIZE, threshold=0.5, precision="fp16").passed


@pytest.mark.parametrize(
    "broken", [lambda batch: red(batch)[:, :, 1:], lambda batch: red(batch) * np.nan], ids=["shape", "nan"]
)
def test_what_is_no_probability_map_is_refused(broken) -> None:
    with pytest.raises(DataError, match="from the exported model"):
        compare(red, broken, SIZE, threshold=0.5)
