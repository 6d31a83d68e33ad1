"""Predictions at the image's own size, averaged over mirror images, one image or many."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gaze_insight.inference.predictor import Predictor, fit_image
from gaze_insight.language.encoders.attribute_tokens import encode_ids
from gaze_insight.language.schema import Description
from gaze_insight.methods.fgi import Fgi, FgiSettings
from gaze_insight.methods.protocol import AttributeWords, Method, Stage, Words
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.training.words import AttributeRows, look_up
from gaze_insight.types import Size

NETWORK = NetworkSettings(encoder="unet", teacher_channels=(8,) * 5, student_channels=(4,) * 5)
SIZE = Size(32, 32)


def make_fgi() -> Fgi:
    torch.manual_seed(0)
    return Fgi(FgiSettings(network=NETWORK), WordSpace("attributes", 8), SIZE)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Brightness(Method):
    """Logits that grow with the red channel: the right answer is known at every size."""

    heads = ("student",)
    label_maps = ("mask",)
    uses_words = False
    stages = (Stage("student", 1),)

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def trained_in(self, stage: str) -> nn.Module:
        return self

    def forward(self, batch, stage: str) -> dict[str, Tensor]:
        return {"loss": self.scale}

    def predict(self, image: Tensor, words: Words | None = None) -> dict[str, Tensor]:
        return {"student": self.scale * (image[:, :1] - 0.5)}


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (101, 64), (17, 250), (7, 9)])
def test_probabilities_have_the_images_own_size_and_place(size: tuple[int, int]) -> None:
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = 255
    prob = Predictor(Brightness(), SIZE).predict(image)["student"]
    assert prob.shape == size
    assert prob.dtype == np.float32
    rim = max(1, round(1.5 * width / SIZE.width))
    assert (prob[:, : width // 2 - rim] > 0.9).all()
    assert (prob[:, width // 2 + rim + 1 :] < 0.1).all()


def test_it_is_the_network_on_the_fitted_image_without_mirrors() -> None:
    method, image = make_fgi(), picture(45, 61)
    prob = Predictor(method, SIZE, flips=False).predict(image)
    small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        logits = method.student.predict(torch.from_numpy(small).permute(2, 0, 1)[None] / 255)
    large = torch.nn.functional.interpolate(logits, (45, 61), mode="bilinear", align_corners=False)
    assert set(prob) == {"student"}
    assert np.allclose(prob["student"], large.sigmoid()[0, 0].numpy(), atol=1e-6)


def test_mirror_images_are_averaged_as_a_literal_loop_does() -> None:
    method = make_fgi()
    batch = torch.rand(2, 3, 32, 32)
    found = Predictor(method, SIZE).logits(batch)["student"]
    total = torch.zeros(2, 1, 32, 32)
    with torch.no_grad():
        for across in (False, True):
            for down in (False, True):
                axes = [-1] * across + [-2] * down
                total += method.student.predict(batch.flip(axes)).flip(axes)
    assert torch.allclose(found, total / 4, atol=1e-6)
    assert not torch.allclose(found, Predictor(method, SIZE, flips=False).logits(batch)["student"], atol=1e-4)


def test_an_averaged_prediction_follows_the_mirrored_image() -> None:
    predictor, image = Predictor(make_fgi(), SIZE), picture(32, 32)
    mirrored = np.ascontiguousarray(image[::-1])
    one, other = predictor.predict(image)["student"], predictor.predict(mirrored)["student"]
    assert np.allclose(one[::-1], other, atol=1e-5)


def test_words_are_told_as_of_the_mirrored_image() -> None:
    method = make_fgi()
    told = Description(
        location="upper left",
        boundary="clear",
        shape="round",
        texture="smooth",
        brightness="darker",
        area_percentage=20,
        confidence="high",
        source="test",
    )
    rows = AttributeRows(*encode_ids([told]))
    batch = torch.rand(1, 3, 32, 32)
    found = Predictor(method, SIZE).logits(batch, lambda code: look_up(rows, torch.tensor([code])))
    total = torch.zeros(1, 1, 32, 32)
    with torch.no_grad():
        for axes, flips in (
            ((), {}),
            ((-1,), {"horizontal": True}),
            ((-2,), {"vertical": True}),
            ((-2, -1), {"horizontal": True, "vertical": True}),
        ):
            moved = told.flipped(**flips)
            words = AttributeWords(*encode_ids([moved]), torch.tensor([0]))
            total += method.predict(batch.flip(axes), words)["teacher"].flip(axes)
    assert set(found) == {"student", "teacher"}
    assert torch.allclose(found["teacher"], total / 4, atol=1e-6)


def test_a_batch_gives_what_single_images_give() -> None:
    predictor = Predictor(make_fgi(), SIZE)
    images = [picture(32, 32, 1), picture(41, 20, 2), picture(64, 99, 3)]
    for image, together in zip(images, predictor.predict_batch(images), strict=True):
        alone = predictor.predict(image)["student"]
        assert together["student"].shape == image.shape[:2]
        assert np.allclose(together["student"], alone, atol=1e-5)
    assert predictor.predict_batch([]) == []


def test_asking_changes_no_weight_and_needs_no_gradient() -> None:
    method = make_fgi()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    predictor = Predictor(method, SIZE)
    one, again = (predictor.predict(picture(40, 40))["student"] for _ in range(2))
    assert np.array_equal(one, again)
    assert not method.training
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


@pytest.mark.parametrize("size", [(64, 64), (16, 80), (16, 16)])
def test_fitting_averages_where_it_shrinks(size: tuple[int, int]) -> None:
    image = picture(*size)
    fitted = fit_image(image, SIZE)
    assert fitted.shape == (32, 32, 3)
    assert fitted.dtype == np.uint8
    if size == (64, 64):
        means = image.reshape(32, 2, 32, 2, 3).mean((1, 3))
        assert np.abs(fitted - means).max() <= 0.75
