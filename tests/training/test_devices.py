from __future__ import annotations

import pytest
import torch

from gaze_insight.errors import SettingsError
from gaze_insight.training.devices import build_accelerator, choose_device


def test_auto_is_a_device_that_works():
    assert torch.zeros(1, device=choose_device("auto")).item() == 0


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_here_is_named(name):
    with pytest.raises(SettingsError, match=f"found '{name}'"):
        choose_device(name)


def test_half_precision_that_a_cpu_lacks_is_refused():
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        build_accelerator("cpu", "fp16")
