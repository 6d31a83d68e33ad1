from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings, draw_case
from gaze_insight.errors import DataError

SETTINGS = SyntheticSettings(cases=36)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2.0 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


@pytest.fixture(scope="module")
def drawn() -> list:
    return [draw_case(SETTINGS, index) for index in range(SETTINGS.cases)]


def test_a_case_depends_on_settings_and_index_only():
    one, other = draw_case(SETTINGS, 5), draw_case(SyntheticSettings(cases=900), 5)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert one[2].to_rows() == other[2].to_rows()
    assert not np.array_equal(one[0], draw_case(SyntheticSettings(seed=1), 5)[0])


def test_lesions_are_of_every_size_and_in_one_or_two_pieces(drawn: list):
    areas = np.array([mask.mean() for _, mask, _ in drawn])
    assert areas.min() > 0.01
    assert areas.max() < 0.45
    assert np.quantile(areas, 0.8) > 2.5 * np.quantile(areas, 0.2)
    pieces = [cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 for _, mask, _ in drawn]
    assert np.mean(np.array(pieces) == 1) > 0.6
    assert max(pieces) > 1


def test_most_looks_are_on_the_lesion(drawn: list):
    shares = []
    for _, mask, fixations in drawn:
        assert len(fixations) >= 5
        assert fixations.inside.all()
        rows = np.minimum((fixations.y * mask.shape[0]).astype(int), mask.shape[0] - 1)
        columns = np.minimum((fixations.x * mask.shape[1]).astype(int), mask.shape[1] - 1)
        shares.append(mask[rows, columns].mean())
    assert 0.6 < np.mean(shares) < 0.97


@pytest.mark.parametrize(("look", "limit"), [(0, 0.6), (1, 0.7), (2, 0.6)])
def test_even_the_best_threshold_of_each_image_fails(drawn: list, look: int, limit: float):
    best = []
    for image, mask, _ in drawn[look::3]:
        scores = [0.0]
        for channel in cv2.split(cv2.GaussianBlur(image, (0, 0), 2)):
            for level in np.quantile(channel, np.linspace(0.05, 0.95, 19)):
                scores += [dice(channel > level, mask), dice(channel < level, mask)]
        best.append(max(scores))
    assert np.mean(best) < limit


def test_harder_cases_have_less_contrast():
    def contrast(difficulty: float) -> float:
        settings = SyntheticSettings(difficulty=difficulty, looks=("dermoscopy",))
        cases = [draw_case(settings, index)[:2] for index in range(12)]
        return float(np.mean([abs(image[mask].mean() - image[~mask].mean()) for image, mask in cases]))

    assert contrast(0.0) > 1.5 * contrast(1.0)


def test_it_is_imported_like_any_folder(tmp_path: Path):
    settings = SyntheticSettings(cases=9, size_px=(64, 80))
    cohort = import_synthetic(tmp_path, tmp_path / "cohort", settings=settings)
    assert cohort.report.clean
    assert len(cohort.report.joined) == 9
    assert cohort.source["synthetic"]["cases"] == 9
    assert {case.meta["gaze"] for case in cohort.cases.values()} == {"simulated"}
    image, mask, fixations = draw_case(settings, 4)
    case = cohort.cases["dermoscopy-0004"]
    assert np.array_equal(case.read_image(), image)
    assert np.array_equal(case.read_mask(), mask)
    assert np.allclose(case.fixations.x, fixations.x, atol=1e-6)


def test_an_image_too_small_is_refused():
    with pytest.raises(DataError, match="32 px"):
        draw_case(SyntheticSettings(size_px=(16, 64)), 0)
