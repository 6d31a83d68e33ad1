from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from gaze_insight.errors import SettingsError
from gaze_insight.language.schema import LOCATIONS
from gaze_insight.language.symmetry import (
    CELL_MOVES,
    SYMMETRIES,
    apply_symmetry,
    moved_cell,
    symmetry_code,
)

CODES = range(SYMMETRIES)


@pytest.mark.parametrize("code", CODES)
def test_the_code_means_flip_then_counter_clockwise_turns(code):
    image = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    expected = image[:, :, ::-1] if code >= 4 else image
    expected = np.rot90(expected, code % 4, axes=(1, 2))
    assert np.array_equal(apply_symmetry(torch.from_numpy(image), code).numpy(), expected)


def test_the_eight_symmetries_differ():
    image = torch.arange(9).reshape(3, 3)
    assert len({tuple(apply_symmetry(image, code).flatten().tolist()) for code in CODES}) == SYMMETRIES


@pytest.mark.parametrize(("horizontal", "vertical", "turns"), itertools.product([0, 1], [0, 1], range(-3, 6)))
def test_any_flips_and_turns_have_a_code(horizontal, vertical, turns):
    image = torch.arange(20).reshape(4, 5)
    expected = image.flip(-1) if horizontal else image
    expected = expected.flip(-2) if vertical else expected
    expected = torch.rot90(expected, turns, (0, 1))
    code = symmetry_code(flip_horizontal=bool(horizontal), flip_vertical=bool(vertical), quarter_turns=turns)
    assert torch.equal(apply_symmetry(image, code), expected)


@pytest.mark.parametrize("code", CODES)
def test_cells_move_as_the_image_moves(code):
    for cell in range(9):
        grid = torch.zeros(3, 3)
        grid.view(-1)[cell] = 1
        assert apply_symmetry(grid, code).flatten().argmax().item() == moved_cell(cell, code)
    assert sorted(CELL_MOVES[code]) == list(range(9))
    assert LOCATIONS[moved_cell(4, code)] == "centre"


@pytest.mark.parametrize("code", [-1, 8])
def test_unknown_codes_are_refused(code):
    with pytest.raises(SettingsError, match="0 to 7"):
        apply_symmetry(torch.zeros(2, 2), code)
    with pytest.raises(SettingsError, match="0 to 7"):
        moved_cell(0, code)
