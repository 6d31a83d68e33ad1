"""Weak labels against masks: hand-made cases with known shares."""

from __future__ import annotations

import numpy as np
import pytest

from gaze_insight.evaluation.weak_label_scores import score_weak_label
from gaze_insight.gaze.weak_labels import BoxLabel, PointLabel, ScribbleLabel

MASK = np.zeros((100, 200), bool)
MASK[20:60, 40:120] = True
MEASURES = ("labelled", "foreground_on_lesion", "background_off_lesion", "lesion_inside", "box_iou")
NONE = np.zeros((0, 2))


def test_points_are_counted_as_points():
    on = np.array([[0.3, 0.3], [0.5, 0.5], [0.9, 0.9], [1.0, 1.0]])
    off = np.array([[0.0, 0.0], [0.4, 0.4]])
    scores = score_weak_label(PointLabel(on, off, 0.05), MASK)
    assert scores["foreground_on_lesion"] == 0.5
    assert scores["background_off_lesion"] == 0.5
    assert 0 < scores["labelled"] < 0.2
    assert set(score_weak_label(PointLabel(NONE, NONE, 0.0), MASK)) == {"labelled"}


def test_the_box_of_the_lesion_scores_one():
    scores = score_weak_label(BoxLabel(np.array([[0.2, 0.2, 0.6, 0.6]])), MASK)
    assert scores == pytest.approx(dict.fromkeys(MEASURES, 1))


def test_a_half_box_scores_a_half_and_several_boxes_are_taken_together():
    half = score_weak_label(BoxLabel(np.array([[0.2, 0.2, 0.4, 0.6]])), MASK)
    assert (half["box_iou"], half["lesion_inside"]) == (pytest.approx(0.5), 0.5)
    halves = BoxLabel(np.array([[0.2, 0.2, 0.4, 0.6], [0.4, 0.2, 0.6, 0.6]]))
    assert score_weak_label(halves, MASK)["box_iou"] == pytest.approx(1)
    apart = score_weak_label(BoxLabel(np.array([[0.7, 0.7, 0.9, 0.9]])), MASK)
    assert (apart["box_iou"], apart["lesion_inside"]) == (0, 0)


def test_what_lies_in_an_unknown_box_still_counts_for_the_box():
    scores = score_weak_label(BoxLabel(np.array([[0.2, 0.2, 0.6, 0.6]]), "unknown"), MASK)
    assert "foreground_on_lesion" not in scores
    assert (scores["lesion_inside"], scores["box_iou"]) == (1, pytest.approx(1))
    assert scores["labelled"] == pytest.approx(1 - MASK.mean())


def test_an_empty_mask_has_no_box_and_a_box_without_gaze_no_scores():
    assert "box_iou" not in score_weak_label(BoxLabel(np.array([[0, 0, 1, 1]])), np.zeros_like(MASK))
    assert score_weak_label(BoxLabel(np.zeros((0, 4))), MASK) == {"labelled": 0.0}


def test_strokes_are_counted_by_pixels():
    on = (np.array([[0.2, 0.4], [1.0, 0.4]]),)
    scores = score_weak_label(ScribbleLabel(on, (np.array([[0.1, 0.9], [0.9, 0.9]]),), 0.01), MASK)
    assert scores["foreground_on_lesion"] == pytest.approx(0.5, abs=0.02)
    assert scores["background_off_lesion"] == 1
