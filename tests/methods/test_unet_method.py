"""The yardstick learns from labelled pixels only, with the network that `fgi` deploys."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_making import NETWORK, SIDE, make_batch, make_fgi

from gaze_insight.errors import GazeInsightError
from gaze_insight.methods.registry import METHODS
from gaze_insight.methods.unet import UNet, UNetSettings
from gaze_insight.types import IGNORE, Size


def make_unet(target: str = "comprehensive") -> UNet:
    torch.manual_seed(0)
    method = UNet(UNetSettings(network=NETWORK, target=target), None, Size(SIDE, SIDE))
    method.begin_stage("student")
    return method


@pytest.mark.parametrize("target", ["mask", "comprehensive", "sparse"])
def test_it_learns_from_the_map_it_was_told(target: str) -> None:
    method, batch = make_unet(target), make_batch(None)
    only = replace(batch, labels={target: batch.labels[target]})
    assert method.label_maps == (target,)
    assert torch.equal(method(batch, "student")["loss"], method(only, "student")["loss"])


def test_ignored_pixels_do_not_count() -> None:
    method, batch = make_unet(), make_batch(None)
    labels = batch.labels["comprehensive"]
    known = torch.zeros_like(labels, dtype=torch.bool)
    known[..., : SIDE // 4] = True
    seen = labels.masked_fill(~known, IGNORE)
    loss = method(replace(batch, labels={"comprehensive": seen}), "student")["loss"]
    logits = method.predict(batch.image)["student"]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known].float())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    nothing = torch.full_like(labels, IGNORE)
    assert method(replace(batch, labels={"comprehensive": nothing}), "student")["loss"] == 0


def test_it_is_the_network_that_fgi_deploys() -> None:
    own = {name: tuple(value.shape) for name, value in make_unet().student.state_dict().items()}
    student = make_fgi().student.state_dict()
    theirs = {name: tuple(v.shape) for name, v in student.items() if not name.startswith("adapters")}
    assert own == theirs


def test_methods_are_found_by_name() -> None:
    assert METHODS["unet"] is UNet
    with pytest.raises(GazeInsightError, match="unet"):
        METHODS["unett"]
