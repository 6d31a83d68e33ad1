"""What is exported equals what the predictor computes, before any file is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exported_runs import ENCODERS, make_run

from gaze_insight.inference.deployable import Deployable, FoldedConvolution, fold_norms
from gaze_insight.inference.predictor import Predictor
from gaze_insight.networks.efficientnet import FrozenNormConvolution
from gaze_insight.workflow.loading import load_predictor


def bytes_batch(count: int, side: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("flips", "scales"), [(False, (1.0,)), (True, (1.0, 2.0))])
def test_it_averages_as_the_predictor_does(tmp_path, encoder: str, flips: bool, scales) -> None:
    predictor = load_predictor(make_run(tmp_path, encoder, flips=flips, scales=scales), device="cpu")
    batch = bytes_batch(2, 32)
    with torch.no_grad():
        found = Deployable(predictor)(batch)
    wanted = predictor.logits(batch.float() / 255)["student"]
    assert wanted.std() > 0.05
    assert torch.allclose(found, wanted, atol=1e-4)


def test_folding_leaves_the_method_and_its_answers_as_they_are(tmp_path) -> None:
    predictor = load_predictor(make_run(tmp_path, "efficientnet_lite0", flips=False), device="cpu")
    before = {name: value.clone() for name, value in predictor.method.state_dict().items()}
    folded = fold_norms(predictor.method)
    kinds = {type(module) for module in folded.modules()}
    assert FoldedConvolution in kinds
    assert FrozenNormConvolution not in kinds
    after = predictor.method.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    image = torch.rand(1, 3, 33, 47)
    with torch.no_grad():
        assert torch.equal(folded.predict(image)["student"], predictor.method.predict(image)["student"])
    assert isinstance(predictor, Predictor)


def test_a_folded_kernel_is_the_norm_of_the_convolution() -> None:
    source = FrozenNormConvolution(3, 5, 3, activate=False)
    with torch.no_grad():
        for value in (source.scale, source.shift, source.running_mean):
            value.normal_()
        source.running_var.uniform_(0.5, 2)
        x = torch.rand(2, 3, 8, 8)
        plain = torch.nn.functional.conv2d(x, source.weight, padding=1)
        normed = torch.nn.functional.batch_norm(
            plain, source.running_mean, source.running_var, source.scale, source.shift, eps=1e-3
        )
        assert torch.allclose(FoldedConvolution(source)(x), normed, atol=1e-5)
