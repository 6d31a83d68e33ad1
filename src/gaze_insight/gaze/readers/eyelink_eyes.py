"""One line of gaze from an EyeLink recording of one or two eyes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.eyelink_lines import Block, EyeFixation, EyeLinkLines

__all__ = ["EyeChoice", "Gaze", "average_fixations", "choose_eyes"]

EyeChoice = Literal["best", "left", "right", "average"]

_VALIDATION = re.compile(r"!CAL VALIDATION .*\b(LEFT|RIGHT)\b.*\bERROR\s+([\d.]+)\s+avg")


@dataclass(frozen=True, eq=False)
class Gaze:
    """What one line of gaze holds.

    Args:
        fixations: In time order, positions never NaN.
        xy: Position at each sample of the file, shape (N, 2); NaN where lost.
        other_eye: Fixations left out: of the eye that was not chosen, or that contradict the other eye's.
        no_position: Fixations left out for want of a position.
    """

    fixations: list[EyeFixation]
    xy: NDArray[np.float64]
    other_eye: int
    no_position: int


def choose_eyes(lines: EyeLinkLines, eye: EyeChoice) -> Gaze:
    """Choose an eye, or the mean of both, block by block.

    ``best`` is the eye with the smaller mean error in the last validation before the block ends; without
    one for both eyes, the eye with more time in fixations; then the left. A block with one eye gives that
    eye for ``best`` and ``average``.

    Args:
        lines: The parsed file.
        eye: Which eye.

    Returns:
        The chosen gaze and how many fixations were left out.

    Raises:
        DataError: No block holds the eye that is asked for.

    Example:
        >>> from gaze_insight.gaze.readers.eyelink_lines import EyeLinkSamples
        >>> none = np.empty((0, 2))
        >>> lines = EyeLinkLines(
        ...     messages=(), blinks=(), problems=[], notes=[],
        ...     blocks=(Block(0.0, 900.0, ("left", "right"), 1),),
        ...     fixations=(EyeFixation("left", 10.0, 200.0, 5.0, 5.0, 2),
        ...                EyeFixation("right", 10.0, 250.0, 7.0, 5.0, 3)),
        ...     samples=EyeLinkSamples(np.empty(0), none, none),
        ... )
        >>> gaze = choose_eyes(lines, "best")
        >>> gaze.fixations[0].eye, gaze.other_eye
        ('right', 1)
    """
    if eye in ("left", "right") and not any(eye in block.eyes for block in lines.blocks):
        found = ", ".join(sorted({one for block in lines.blocks for one in block.eyes}))
        raise DataError(f"the {eye} eye was not recorded; found: {found}", remedy="set eye: best")
    placed = [one for one in lines.fixations if not np.isnan(one.x) and not np.isnan(one.y)]
    xy = np.full((len(lines.samples.t_ms), 2), np.nan)
    chosen: list[EyeFixation] = []
    unused = 0
    for block in lines.blocks:
        own = [one for one in placed if block.start_ms <= one.start_ms <= block.end_ms]
        first, stop = np.searchsorted(
            lines.samples.t_ms, [block.start_ms, np.nextafter(block.end_ms, np.inf)]
        )
        part = slice(int(first), int(stop))
        left, right = lines.samples.left[part], lines.samples.right[part]
        which = _of_block(lines, block, own, eye)
        if which == "average":
            taken, left_out = average_fixations(own)
            lost_left, lost_right = np.isnan(left), np.isnan(right)
            mean = (left + right) / 2
            xy[part] = np.where(lost_left, right, np.where(lost_right, left, mean))
        else:
            taken = [one for one in own if one.eye == which]
            left_out = len(own) - len(taken)
            xy[part] = left if which == "left" else right
        chosen += taken
        unused += left_out
    chosen.sort(key=lambda one: one.start_ms)
    return Gaze(chosen, xy, other_eye=unused, no_position=len(lines.fixations) - len(placed))


def average_fixations(fixations: Sequence[EyeFixation]) -> tuple[list[EyeFixation], int]:
    """Join the fixations of two eyes.

    Two fixations, one of each eye, that overlap each other in time more than any other become one: start,
    end and place are the means of the two. A fixation without such a partner stays where it overlaps none of
    the joined ones (the other eye was lost), and is left out else.

    Args:
        fixations: Of both eyes, any order; those of one eye do not overlap.

    Returns:
        The joined fixations in time order, and how many were left out.

    Example:
        >>> left = EyeFixation("left", 0.0, 100.0, 10.0, 0.0, 5)
        >>> right = EyeFixation("right", 10.0, 110.0, 12.0, 2.0, 6)
        >>> (one,), unused = average_fixations([left, right])
        >>> one.start_ms, one.duration_ms, one.x, unused
        (5.0, 105.0, 11.0, 0)
    """
    left = sorted((one for one in fixations if one.eye == "left"), key=lambda one: one.start_ms)
    right = sorted((one for one in fixations if one.eye == "right"), key=lambda one: one.start_ms)
    to_right: dict[int, tuple[float, int]] = {}
    to_left: dict[int, tuple[float, int]] = {}
    at = 0
    for i, one in enumerate(left):
        while at < len(right) and _end(right[at]) <= one.start_ms:
            at += 1
        for j in range(at, len(right)):
            if right[j].start_ms >= _end(one):
                break
            shared = min(_end(one), _end(right[j])) - max(one.start_ms, right[j].start_ms)
            to_right[i] = max(to_right.get(i, (0.0, -1)), (shared, j))
            to_left[j] = max(to_left.get(j, (0.0, -1)), (shared, i))
    pairs = [(i, j) for i, (_, j) in to_right.items() if to_left[j][1] == i]
    joined = [_mean(left[i], right[j]) for i, j in pairs]
    paired = {id(left[i]) for i, _ in pairs} | {id(right[j]) for _, j in pairs}
    for one in sorted((*left, *right), key=lambda one: one.start_ms):
        at = bisect_right(joined, one.start_ms, key=_end)
        if id(one) not in paired and (at == len(joined) or _end(one) <= joined[at].start_ms):
            joined.insert(at, one)
    return joined, len(fixations) - len(pairs) - len(joined)


def _mean(a: EyeFixation, b: EyeFixation) -> EyeFixation:
    return EyeFixation(
        a.eye,
        (a.start_ms + b.start_ms) / 2,
        (a.duration_ms + b.duration_ms) / 2,
        (a.x + b.x) / 2,
        (a.y + b.y) / 2,
        min(a.line, b.line),
    )


def _end(one: EyeFixation) -> float:
    return one.start_ms + one.duration_ms


def _of_block(lines: EyeLinkLines, block: Block, own: Sequence[EyeFixation], eye: EyeChoice) -> EyeChoice:
    if len(block.eyes) == 1 and eye in ("best", "average"):
        return block.eyes[0]
    if eye != "best":
        return eye
    error_deg: dict[str, float] = {}
    for message in lines.messages:
        found = _VALIDATION.match(message.text)
        if found and message.t_ms <= block.end_ms:
            error_deg[found[1]] = float(found[2])
    if len(error_deg) == 2 and error_deg["LEFT"] != error_deg["RIGHT"]:
        return "left" if error_deg["LEFT"] < error_deg["RIGHT"] else "right"
    still = {one: sum(f.duration_ms for f in own if f.eye == one) for one in ("left", "right")}
    return "right" if still["right"] > still["left"] else "left"
