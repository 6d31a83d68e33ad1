"""Averaged weights (exponential moving average) that are of use in short stages too."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["average_weights", "decay_at"]


def decay_at(updates: int, decay: float) -> float:
    r"""Compute the decay of an update: the average forgets its beginning fast, then settles.

    $$d_n = \min(d, \tfrac{1 + n}{10 + n})$$

    With a constant decay, the first weights of a stage of N steps would keep a share of d^N in its result.

    Args:
        updates: The number n of weights averaged so far.
        decay: The decay d that is reached in the end, in (0, 1).

    Returns:
        The decay of this update, in (0, 1).

    Example:
        >>> [round(decay_at(updates, 0.99), 2) for updates in (1, 10, 100, 10_000)]
        [0.18, 0.55, 0.92, 0.99]
    """
    return min(decay, (1 + updates) / (10 + updates))


def average_weights(module: nn.Module, decay: float) -> AveragedModel:
    """Begin averaging a module's weights; buffers are copied, not averaged.

    Args:
        module: The module; it is copied.
        decay: See :func:`decay_at`.

    Returns:
        The average, to be updated after each step with ``update_parameters(module)``.

    Example:
        >>> import torch
        >>> module = nn.Linear(1, 1, bias=False)
        >>> average = average_weights(module, 0.99)
        >>> for value in (0.0, 11.0):
        ...     _ = module.weight.data.fill_(value)
        ...     average.update_parameters(module)
        >>> round(average.module.weight.item(), 4)
        9.0
    """

    def update(averaged: Any, current: Any, updates: Any) -> None:
        step: Any = get_ema_multi_avg_fn(decay_at(int(updates), decay))  # type: ignore[no-untyped-call]
        step(averaged, current, updates)

    average = AveragedModel(module, multi_avg_fn=update)
    average.requires_grad_(False)
    return average
