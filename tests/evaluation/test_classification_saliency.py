from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score

from gaze_insight.errors import DataError
from gaze_insight.evaluation.saliency import KL_EPS, SALIENCY_METRICS, saliency_scores

values = st.floats(0.0625, 10, width=16)
maps = arrays(np.float64, (4, 5), elements=values).filter(lambda field: np.ptp(field) > 0.1)


def pair(seed: int = 0, shape: tuple[int, int] = (6, 8)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(shape), rng.random(shape) ** 3


def looks(seed: int = 0, count: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2))


@pytest.mark.parametrize("seed", range(4))
def test_the_measures_agree_with_other_libraries_and_with_loops(seed):
    attention, gaze = pair(seed)
    points = looks(seed)
    boxes = np.zeros((6, 8))
    boxes[1:4, 2:5] = 1
    boxes[4, 2:5] = 0.25
    found = saliency_scores(attention, gaze, points, boxes)
    p, q = attention / attention.sum(), gaze / gaze.sum()
    smooth = [(one + KL_EPS) / (one + KL_EPS).sum() for one in (p, q)]
    assert found.cc == pytest.approx(stats.pearsonr(p.ravel(), q.ravel()).statistic)
    assert found.kl == pytest.approx(stats.entropy(smooth[1].ravel(), smooth[0].ravel()))
    assert found.jsd == pytest.approx(jensenshannon(p.ravel(), q.ravel(), base=2) ** 2)
    assert found.sim == pytest.approx(sum(min(a, b) for a, b in zip(p.ravel(), q.ravel(), strict=True)))
    scored = stats.zscore(attention.ravel()).reshape(6, 8)
    cells = [(int(y * 6), int(x * 8)) for x, y in points]
    assert found.nss == pytest.approx(np.mean([scored[cell] for cell in cells]))
    looked = np.zeros((6, 8))
    for cell in cells:
        looked[cell] = 1
    assert found.auc_judd == pytest.approx(roc_auc_score(looked.ravel(), attention.ravel()))
    centres = [(np.array(ndimage.center_of_mass(one)) + 0.5) / (6, 8) for one in (p, q)]
    assert found.com_distance == pytest.approx(math.dist(*centres) / math.sqrt(2))
    assert found.box_energy == pytest.approx(sum(p[i, j] * boxes[i, j] for i in range(6) for j in range(8)))
    assert found.box_ratio == pytest.approx(found.box_energy / boxes.mean())
    assert found.pointing == float(boxes.ravel()[attention.argmax()] >= 0.5)
    assert found.reasons == {}


@settings(max_examples=25, deadline=None)
@given(maps, maps, st.floats(0.001, 1000))
def test_scale_does_not_matter_and_every_measure_keeps_its_range(attention, gaze, scale):
    points, boxes = looks(3), np.eye(4, 5)
    found = saliency_scores(attention, gaze, points, boxes)
    again = saliency_scores(attention * scale, gaze / scale, points, boxes)
    for name in SALIENCY_METRICS:
        assert getattr(again, name) == pytest.approx(getattr(found, name), abs=1e-6), name
    assert -1 <= found.cc <= 1
    assert found.kl >= 0
    for name in ("jsd", "sim", "auc_judd", "com_distance", "box_energy", "pointing"):
        assert 0 <= getattr(found, name) <= 1


@settings(max_examples=25, deadline=None)
@given(maps)
def test_a_map_agrees_best_with_itself(field):
    same = saliency_scores(field, 3 * field)
    assert (same.cc, same.sim) == (pytest.approx(1), pytest.approx(1))
    assert (same.kl, same.jsd) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert same.com_distance == pytest.approx(0, abs=1e-9)


def test_maps_without_a_shared_cell_agree_worst():
    left, right = np.zeros((2, 4)), np.zeros((2, 4))
    left[:, 0], right[:, 3] = 1, 1
    found = saliency_scores(left, right)
    assert found.jsd == pytest.approx(1)
    assert found.sim == 0
    assert found.kl == pytest.approx(math.log(0.5 / KL_EPS), rel=1e-4)
    assert found.com_distance == pytest.approx(0.75 / math.sqrt(2))


def test_moving_the_attention_away_moves_its_centre_away():
    spot = np.zeros((9, 9))
    spot[4, 1] = 1
    distances = [saliency_scores(np.roll(spot, step, axis=1), spot).com_distance for step in range(7)]
    np.testing.assert_allclose(np.diff(distances), 1 / 9 / math.sqrt(2))


def test_attention_where_the_reader_looked_scores_high():
    spot = np.zeros((5, 5))
    spot[2, 2] = 1
    found = saliency_scores(spot, None, [[0.5, 0.5], [0.45, 0.55]], spot)
    assert found.nss == pytest.approx(math.sqrt(24))
    assert (found.auc_judd, found.box_energy, found.box_ratio, found.pointing) == (1, 1, 25, 1)


def test_what_is_not_defined_is_not_a_number_and_says_why():
    flat, spot = np.ones((3, 3)), np.eye(3)
    found = saliency_scores(flat, spot, [[0.5, 0.5]], spot)
    assert found.reasons == {
        "cc": "the attention is the same everywhere",
        "nss": "the attention is the same everywhere",
        "pointing": "the attention is the same everywhere",
    }
    assert found.auc_judd == 0.5
    assert found.box_ratio == pytest.approx(1)
    alone = saliency_scores(spot, np.zeros((3, 3)), np.empty((0, 2)), np.zeros((3, 3)))
    assert set(alone.reasons) == set(SALIENCY_METRICS)
    assert {alone.reasons[name] for name in ("cc", "nss", "pointing")} == {"no gaze", "no fixation", "no box"}
    assert all(math.isnan(getattr(alone, name)) for name in SALIENCY_METRICS)
    empty = saliency_scores(np.zeros((3, 3)), spot)
    assert set(empty.reasons.values()) == {"the attention is zero everywhere"}
    everywhere = saliency_scores(np.eye(1, 2), None, [[0.1, 0.5], [0.9, 0.5]])
    assert everywhere.reasons["auc_judd"] == "every cell was looked at"


def test_fixations_off_the_image_are_counted_and_the_far_edge_belongs_to_it():
    spot = np.zeros((2, 2))
    spot[1, 1] = 1
    found = saliency_scores(spot, None, [[1.0, 1.0], [1.2, 0.5], [-0.1, 0.5]])
    assert found.off_image == 2
    assert found.nss == pytest.approx(math.sqrt(3))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"gaze": np.ones((2, 3))}, "gaze must be that of the attention"),
        ({"attention": -np.ones((2, 2))}, "at least 0"),
        ({"attention": np.ones(4)}, r"must be \(h, w\)"),
        ({"boxes": 2 * np.ones((2, 2))}, "covered shares"),
        ({"fixations": [0.5, 0.5, 0.5]}, "pairs of x and y"),
    ],
)
def test_wrong_maps_are_refused(changed, words):
    with pytest.raises(DataError, match=words):
        saliency_scores(**({"attention": np.eye(2)} | changed))
