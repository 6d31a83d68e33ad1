"""Optimisers and the learning rate over a stage."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from gaze_insight.training.settings import AdamSettings, RateChanges, SgdSettings

__all__ = ["build_optimizer", "rate_factor", "rate_shares", "rate_step"]


def rate_shares(method: nn.Module) -> list[tuple[float, list[nn.Parameter]]]:
    """Sort what is trained by its share of the learning rate.

    A module that learns slower says so by an attribute ``rate_share`` in (0, 1], which holds for all its
    parameters.

    Args:
        method: The method; what needs no gradient is left out.

    Returns:
        Share to parameters, the whole rate first where anything has it; empty where nothing is trained.

    Example:
        >>> slow = nn.Linear(2, 2, bias=False)
        >>> slow.rate_share = 0.5
        >>> [(share, len(found)) for share, found in rate_shares(nn.Sequential(nn.Linear(1, 2), slow))]
        [(1.0, 2), (0.5, 1)]
    """
    share_of = {
        id(parameter): float(share)
        for module in method.modules()
        if (share := getattr(module, "rate_share", None)) is not None
        for parameter in module.parameters()
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in method.parameters():
        if parameter.requires_grad:
            groups.setdefault(share_of.get(id(parameter), 1.0), []).append(parameter)
    return sorted(groups.items(), key=lambda group: -group[0])


def build_optimizer(
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], settings: AdamSettings | SgdSettings
) -> torch.optim.Optimizer:
    """Build the optimiser that the settings describe.

    Args:
        parameters: What to train, or groups of it as `torch.optim` takes them.
        settings: Adam (decoupled weight decay) or SGD (Nesterov).

    Returns:
        The optimiser.

    Example:
        >>> type(build_optimizer([nn.Parameter(torch.zeros(1))], SgdSettings())).__name__
        'SGD'
    """
    if isinstance(settings, AdamSettings):
        return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )


def rate_factor(step: int, steps: int, *, warmup_frac: float, final_rate_frac: float) -> float:
    r"""Compute the learning rate's factor: linear warm-up, then a cosine down to a floor.

    $$f(t) = \epsilon + (1 - \epsilon) \tfrac{1}{2}(1 + \cos \pi t), \quad t = (s - w) / (S - w)$$

    Args:
        step: The step s, from 0.
        steps: The number of steps S.
        warmup_frac: Share of the steps with a rising rate; w = warmup_frac * S.
        final_rate_frac: The floor, epsilon.

    Returns:
        The factor, in (0, 1].

    Example:
        >>> [round(rate_factor(s, 10, warmup_frac=0, final_rate_frac=0.0), 2) for s in (0, 5, 9)]
        [1.0, 0.5, 0.02]
    """
    warmup = int(warmup_frac * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    return final_rate_frac + (1 - final_rate_frac) * 0.5 * (1 + math.cos(math.pi * done))


def rate_step(step: int, epoch_steps: int, changes: RateChanges) -> int:
    """Tell the step whose learning rate is in force.

    Args:
        step: The step, from 0.
        epoch_steps: Steps of an epoch.
        changes: "step"; "epoch": the first of the epoch; "epoch_lagged": the first of the epoch before.

    Returns:
        A step that is not later.

    Example:
        >>> [rate_step(s, 2, "epoch_lagged") for s in range(7)]
        [0, 0, 0, 0, 2, 2, 4]
    """
    if changes == "step":
        return step
    epoch = step // epoch_steps
    return max(epoch - 1, 0) * epoch_steps if changes == "epoch_lagged" else epoch * epoch_steps
