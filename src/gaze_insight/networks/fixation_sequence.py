"""A recurrent encoder of the fixations of a reading, in their order."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from gaze_insight.errors import DataError

__all__ = ["FIXATION_CHANNELS", "FixationSequenceEncoder"]

FIXATION_CHANNELS = 4
"""x and y in fractions of the image's sides, start and duration in seconds."""


class FixationSequenceEncoder(nn.Module):
    """A bidirectional gated recurrent unit over fixations; its two last states are the reading's features.

    A fixation enters as (2x - 1, 2y - 1, log(1 + start), log(1 + duration)) and a linear layer. That such a
    sequence passes through a bidirectional GRU is known of "Eyes on the Image"; the rest is ours.

    Args:
        width: Channels of the features, an even number.

    Raises:
        DataError: The width is odd.

    Example:
        >>> mask = torch.tensor([[True, True, False], [False, False, False]])
        >>> features = FixationSequenceEncoder(8)(torch.rand(2, 3, 4), mask)
        >>> features.shape, features[1].abs().sum().item()
        (torch.Size([2, 8]), 0.0)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % 2:
            raise DataError(f"expected an even width, half for each direction, found {width}")
        self.embed = nn.Linear(FIXATION_CHANNELS, width)
        self.recurrent = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Encode a batch of readings.

        Args:
            sequence: (B, T, 4), x, y, start and duration; T may be 0, and where the mask is False anything
                may stand, NaN included.
            mask: (B, T) bool, True for fixations; those of a reading need not stand at its beginning.

        Returns:
            (B, width); zeros for a reading without fixations.

        Raises:
            DataError: The shapes do not fit.
        """
        if sequence.ndim != 3 or sequence.shape[-1] != FIXATION_CHANNELS or mask.shape != sequence.shape[:2]:
            raise DataError(
                f"expected a sequence (B, T, {FIXATION_CHANNELS}) and its mask (B, T), found "
                f"{tuple(sequence.shape)} and {tuple(mask.shape)}"
            )
        if sequence.shape[1] == 0:
            sequence, mask = sequence.new_zeros(len(mask), 1, FIXATION_CHANNELS), mask.new_zeros(len(mask), 1)
        order = mask.long().argsort(dim=1, descending=True, stable=True)
        sequence = sequence.gather(1, order[..., None].expand_as(sequence))
        lengths = mask.sum(dim=1)
        present = torch.arange(mask.shape[1], device=mask.device)[None] < lengths[:, None]
        sequence = torch.where(present[..., None], sequence, 0.0)
        place, time = sequence[..., :2] * 2 - 1, sequence[..., 2:].clamp_min(0).log1p()
        steps = self.embed(torch.cat([place, time], dim=-1))
        packed = pack_padded_sequence(
            steps, lengths.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, last = self.recurrent(packed)
        features = last.transpose(0, 1).flatten(1)
        return torch.where(lengths[:, None] > 0, features, torch.zeros_like(features))
