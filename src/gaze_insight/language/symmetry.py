"""The eight flips and quarter turns of an image, and what they do to a place named in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CELL_MOVES", "SYMMETRIES", "apply_symmetry", "moved_cell", "symmetry_code"]

SYMMETRIES = 8
"""How many codes there are: ``code = 4 * flipped_horizontally + quarter_turns``."""


def _check(code: int) -> None:
    if not 0 <= code < SYMMETRIES:
        raise SettingsError(f"a symmetry code must be a whole number from 0 to 7, found {code}")


def symmetry_code(
    *, flip_horizontal: bool = False, flip_vertical: bool = False, quarter_turns: int = 0
) -> int:
    """Give the code of flips followed by quarter turns.

    A vertical flip is a horizontal flip followed by two quarter turns, so every combination is one of
    eight codes.

    Args:
        flip_horizontal: Swap left and right first.
        flip_vertical: Swap top and bottom as well.
        quarter_turns: Counter-clockwise quarter turns made after the flips; any whole number.

    Returns:
        ``4 * flip + turns`` with turns in 0..3.

    Example:
        >>> symmetry_code(flip_vertical=True)
        6
    """
    turns = (quarter_turns + 2 * flip_vertical) % 4
    return 4 * int(flip_horizontal != flip_vertical) + turns


def apply_symmetry(tensor: Tensor, code: int) -> Tensor:
    """Flip and turn the last two axes: ``rot90(flip(x) if code >= 4 else x, code % 4)``, counter-clockwise.

    Args:
        tensor: ``(..., H, W)``, of any type.
        code: 0..7; see `symmetry_code`.

    Returns:
        ``(..., H, W)``, or ``(..., W, H)`` after an odd number of quarter turns. Code 0 returns the
        tensor itself.

    Raises:
        SettingsError: The code is not in 0..7.

    Example:
        >>> import torch
        >>> apply_symmetry(torch.tensor([[1, 2], [3, 4]]), 4).tolist()
        [[2, 1], [4, 3]]
        >>> apply_symmetry(torch.tensor([[1, 2], [3, 4]]), 1).tolist()
        [[2, 4], [1, 3]]
    """
    _check(code)
    flipped = tensor.flip(-1) if code >= 4 else tensor
    turns = code % 4
    return flipped.rot90(turns, (-2, -1)) if turns else flipped


def _moves(code: int) -> tuple[int, ...]:
    cells = np.arange(9).reshape(3, 3)
    after = np.rot90(cells[:, ::-1] if code >= 4 else cells, code % 4)
    return tuple(int(place) for place in np.argsort(after.ravel()))


CELL_MOVES: tuple[tuple[int, ...], ...] = tuple(_moves(code) for code in range(SYMMETRIES))
"""``CELL_MOVES[code][cell]``: where a cell of the 3 x 3 grid (row by row) goes under a symmetry."""


def moved_cell(cell: int, code: int) -> int:
    """Say where a cell of the 3 x 3 grid goes.

    Args:
        cell: 0..8, row by row from the upper left.
        code: 0..7.

    Returns:
        The cell after the symmetry.

    Raises:
        SettingsError: The code is not in 0..7.

    Example:
        >>> moved_cell(0, 1)
        6
    """
    _check(code)
    return CELL_MOVES[code][cell]
