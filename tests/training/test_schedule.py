"""The learning rate over a stage, and the optimisers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gaze_insight.training.schedule import build_optimizer, rate_factor
from gaze_insight.training.settings import AdamSettings, SgdSettings


def test_it_rises_in_a_line_and_falls_along_a_cosine() -> None:
    factors = [rate_factor(step, 100, warmup_frac=0.1, final_rate_frac=0.2) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    expected = [0.2 + 0.4 * (1 + math.cos(math.pi * (step - 10) / 90)) for step in range(10, 100)]
    assert factors[10:] == pytest.approx(expected)
    assert max(factors) == factors[10] == 1


@given(
    steps=st.integers(1, 500),
    warmup=st.floats(0, 0.99),
    final=st.floats(0, 1),
    data=st.data(),
)
def test_it_lies_between_zero_and_one(steps: int, warmup: float, final: float, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < rate_factor(step, steps, warmup_frac=warmup, final_rate_frac=final) <= 1 + 1e-12


def test_the_optimisers_are_those_of_the_settings() -> None:
    weight = nn.Parameter(torch.zeros(1))
    adam = build_optimizer([weight], AdamSettings(learning_rate=0.5, weight_decay=0.25))
    sgd = build_optimizer([weight], SgdSettings(learning_rate=0.5, momentum=0.5, weight_decay=0.25))
    still = build_optimizer([weight], SgdSettings(momentum=0))
    assert isinstance(adam, torch.optim.AdamW)
    assert isinstance(sgd, torch.optim.SGD)
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (0.5, 0.25)
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.5, True)
    assert not still.defaults["nesterov"]
