from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, jaccard_score

from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import EmptyPolicy, dice, iou

MASKS = hnp.arrays(bool, (7, 5))


@settings(max_examples=60, deadline=None)
@given(MASKS, MASKS)
def test_equals_scikit_learn_and_stays_in_bounds(pred, target):
    if pred.any() or target.any():
        assert dice(pred, target) == pytest.approx(f1_score(target.ravel(), pred.ravel(), zero_division=0.0))
        assert iou(pred, target) == pytest.approx(
            jaccard_score(target.ravel(), pred.ravel(), zero_division=0.0)
        )
    assert 0 <= iou(pred, target) <= dice(pred, target) <= 1


@settings(max_examples=30, deadline=None)
@given(MASKS, MASKS)
def test_is_symmetric_and_iou_follows_from_dice(pred, target):
    assert dice(pred, target) == dice(target, pred)
    overlap = dice(pred, target)
    assert iou(pred, target) == pytest.approx(overlap / (2 - overlap))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), MASKS, MASKS)
def test_does_not_change_when_the_picture_is_enlarged(factor, pred, target):
    block = np.ones((factor, factor), bool)
    assert dice(np.kron(pred, block), np.kron(target, block)) == pytest.approx(dice(pred, target))


def test_empty_masks_score_by_the_policy():
    empty, full = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    assert (dice(empty, empty), iou(empty, empty)) == (1.0, 1.0)
    assert (dice(empty, full), iou(full, empty)) == (0.0, 0.0)
    strict = EmptyPolicy(both_empty_overlap=0.0, one_empty_overlap=0.25)
    assert (dice(empty, empty, strict), iou(empty, full, strict)) == (0.0, 0.25)


@pytest.mark.parametrize("measure", [dice, iou])
def test_refuses_what_is_not_a_pair_of_masks(measure):
    mask = np.ones((3, 4), bool)
    with pytest.raises(DataError, match="same shape"):
        measure(mask, mask.T)
    with pytest.raises(DataError, match=r"pred must be a boolean \(H, W\) array, found float64"):
        measure(mask.astype(float), mask)
    with pytest.raises(DataError, match="target must be a boolean"):
        measure(mask, mask[None])


def test_the_policy_says_in_words_what_it_does():
    assert "overlap 0, distance = the image's diagonal" in EmptyPolicy().describe()
    assert "left out" in EmptyPolicy(one_empty_distance="exclude").describe()
