"""The U-Net equals MONAI's, and takes any image size."""

from __future__ import annotations

import pytest
import torch

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.networks.blocks import fit_to
from gaze_insight.networks.segmenter import Segmenter
from gaze_insight.networks.unet import UNetDecoder, UNetEncoder

CHANNELS = (8, 8, 16, 16, 32)


def make_unet(channels=CHANNELS, upsample="deconv") -> Segmenter:
    encoder = UNetEncoder(channels=channels)
    return Segmenter(encoder, UNetDecoder(channels, channels[-2::-1], upsample=upsample))


@pytest.mark.parametrize("size", [(32, 32), (35, 50), (49, 33)])
def test_outputs_equal_those_of_monai_with_the_same_weights(size):
    nets = pytest.importorskip("monai.networks.nets")
    torch.manual_seed(0)
    ours = make_unet()
    theirs = nets.BasicUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=1,
        features=(*CHANNELS, CHANNELS[0]),
        norm=("group", {"num_groups": 4}),
    )
    values = list(ours.state_dict().values())
    reference = theirs.state_dict()
    assert [v.shape for v in values] == [v.shape for v in reference.values()]
    theirs.load_state_dict(dict(zip(reference, values, strict=True)))
    image = torch.rand(2, 3, *size)
    torch.testing.assert_close(
        ours.predict(image), theirs(ours.encoder.normalise(image)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("upsample", ["deconv", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (61, 40)])
def test_logits_have_the_size_of_the_image(size, upsample):
    network = make_unet(upsample=upsample)
    out = network(torch.rand(1, 3, *size))
    assert out.logits.shape == (1, 1, *size)
    assert out.features == []
    assert torch.isfinite(out.logits).all()


def test_an_image_does_not_depend_on_its_batch():
    torch.manual_seed(1)
    network = make_unet().train()
    images = torch.rand(3, 3, 32, 32)
    together = network.predict(images)
    alone = torch.cat([network.predict(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_grey_images_take_the_mean_statistics():
    encoder = UNetEncoder(in_channels=1, channels=(4, 4, 4, 4, 4))
    assert encoder.mean.item() == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert encoder(torch.rand(1, 1, 32, 32))[-1].shape == (1, 4, 2, 2)


def test_all_weights_receive_a_gradient():
    network = make_unet()
    network.predict(torch.rand(2, 3, 32, 32)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name


def test_too_small_and_misshapen_images_are_refused():
    network = make_unet()
    with pytest.raises(DataError, match="at least 16 x 16 px, found 8 x 40"):
        network.predict(torch.rand(1, 3, 8, 40))
    with pytest.raises(DataError, match=r"\(B, 3, H, W\)"):
        network.predict(torch.rand(1, 1, 32, 32))
    with pytest.raises(DataError, match=r"\(B, 3, H, W\)"):
        network.predict(torch.rand(3, 32, 32))


@pytest.mark.parametrize("widths", [(16, 8, 8), (16, 16, 8, 6)])
def test_widths_that_do_not_fit_are_refused(widths):
    with pytest.raises(SettingsError, match="4 decoder widths"):
        UNetDecoder(CHANNELS, widths)


def test_fit_to_repeats_and_cuts():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert fit_to(x, 2, 3) is x
    assert fit_to(x, 3, 2).tolist() == [[[[0, 1], [3, 4], [3, 4]]]]
