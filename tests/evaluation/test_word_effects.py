"""How far a prediction moves: against scipy and literal sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from gaze_insight.evaluation.word_effects import centre_of_mass, word_effect
from gaze_insight.language.vocabulary import LOCATIONS

PROBS = arrays(np.float32, (9, 12), elements=st.floats(0.015625, 1, width=32))


@settings(max_examples=40, deadline=None)
@given(PROBS)
def test_the_centre_of_mass_is_scipys(prob):
    row, column = ndimage.center_of_mass(prob.astype(np.float64))
    assert centre_of_mass(prob) == pytest.approx(((column + 0.5) / 12, (row + 0.5) / 9))


@settings(max_examples=40, deadline=None)
@given(PROBS, PROBS)
def test_going_back_undoes_the_signed_measures(first, second):
    there, back = word_effect(first, second, place="lower left"), word_effect(second, first)
    assert there.moved == pytest.approx(back.moved)
    assert there.area_change == pytest.approx(-back.area_change)
    assert there.dice == back.dice
    assert abs(there.area_change) <= there.moved + 1e-9
    assert there.place_change == pytest.approx(float((second - first)[6:, :4].mean()), abs=1e-6)


@pytest.mark.parametrize("number", range(9))
def test_mass_that_goes_to_the_named_place_goes_all_the_way(number):
    row, column = divmod(number, 3)
    start, end = np.zeros((30, 30)), np.zeros((30, 30))
    other = (row + 1) % 3, (column + 1) % 3
    start[10 * other[0] : 10 * other[0] + 10, 10 * other[1] : 10 * other[1] + 10] = 1
    end[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] = 1
    effect = word_effect(start, end, place=LOCATIONS[number])
    distance = math.hypot((other[0] - row) / 3, (other[1] - column) / 3)
    assert effect.towards == pytest.approx(distance)
    assert effect.place_change == 1
    assert effect.dice == 0
    assert word_effect(end, start, place=LOCATIONS[other[0] * 3 + other[1]]).towards == pytest.approx(
        distance
    )


def test_what_cannot_be_measured_is_no_number():
    flat, nothing = np.full((6, 6), 0.3), np.zeros((6, 6))
    assert math.isnan(word_effect(flat, flat).towards)
    assert math.isnan(word_effect(flat, flat, place="not visible").towards)
    assert math.isnan(word_effect(flat, flat, place="centre").towards), "it was there already"
    assert math.isnan(word_effect(nothing, flat, place="upper left").towards)
    assert word_effect(nothing, flat, place="upper left").place_change == pytest.approx(0.3)
    assert math.isnan(word_effect(flat, flat).truth_change)
    assert word_effect(nothing, nothing).dice == 1


def test_the_change_against_the_truth_is_that_of_its_dice():
    truth = np.zeros((6, 6), bool)
    truth[:3] = True
    right, half = truth.astype(float), np.zeros((6, 6))
    half[2:5] = 1
    assert word_effect(half, right, truth=truth).truth_change == pytest.approx(1 - 2 * 6 / 36)
    assert word_effect(right, half, threshold=1.0, truth=truth).truth_change == 0
