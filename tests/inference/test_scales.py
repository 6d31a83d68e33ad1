"""Predictions averaged over scales: as a literal loop does, at sizes that networks take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gaze_insight.config.loading import compose
from gaze_insight.errors import SettingsError
from gaze_insight.inference.predictor import Predictor
from gaze_insight.methods.unet import UNet, UNetSettings
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.types import Size

SIZE = Size(64, 96)


def make_method() -> UNet:
    torch.manual_seed(0)
    return UNet(UNetSettings(network=NetworkSettings(encoder="unet", student_channels=(4,) * 5)), None, SIZE)


@pytest.mark.parametrize("flips", [False, True])
def test_scales_are_averaged_as_a_literal_loop_does(flips):
    method, batch = make_method().eval(), torch.rand(2, 3, *SIZE)
    found = Predictor(method, SIZE, flips=flips, scales=(1.0, 0.5, 1.3)).logits(batch)["student"]
    total, count = torch.zeros(2, 1, *SIZE), 0
    for size in (SIZE, (32, 64), (96, 128)):
        shown = batch
        if size != SIZE:
            shown = F.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
        for axes in ((), (-1,), (-2,), (-2, -1)) if flips else ((),):
            with torch.no_grad():
                logits = method.student.predict(shown.flip(axes)).flip(axes)
            total += F.interpolate(logits, size=SIZE, mode="bilinear", align_corners=False)
            count += 1
    assert torch.allclose(found, total / count, atol=1e-5)
    alone = Predictor(method, SIZE, flips=flips).logits(batch)["student"]
    assert not torch.allclose(found, alone, atol=1e-4)


def test_sizes_are_multiples_of_the_coarsest_stride_or_the_own_one(monkeypatch):
    method, seen = make_method(), []
    predict = method.predict
    monkeypatch.setattr(
        method, "predict", lambda image, words: seen.append(image.shape[-2:]) or predict(image)
    )
    Predictor(method, Size(40, 40), flips=False, scales=(1.0, 0.25, 0.9, 2.0)).predict(
        np.zeros((50, 30, 3), np.uint8)
    )
    assert [tuple(size) for size in seen] == [(40, 40), (32, 32), (32, 32), (64, 64)]


def test_a_scale_alone_leaves_its_size_and_none_is_refused():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    assert Predictor(make_method(), SIZE, scales=(0.5,)).predict(image)["student"].shape == (50, 70)
    for scales in ((), (1.0, 0.0)):
        with pytest.raises(SettingsError, match="one scale above 0 or more"):
            Predictor(make_method(), SIZE, scales=scales)


def test_the_settings_take_scales_and_name_what_is_wrong():
    assert compose(overrides=["prediction.scales=[0.75, 1, 1.25]"]).prediction.scales == (0.75, 1.0, 1.25)
    for wrong in ("[]", "[0]"):
        with pytest.raises(SettingsError, match=r"prediction\.scales"):
            compose(overrides=[f"prediction.scales={wrong}"])
