"""The strong view: labels and predictions move as the images do, and a step repeats exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gaze_insight.losses.soft_labels import decode_share, read_labels
from gaze_insight.methods.checks.drawn_batches import drawn_batch
from gaze_insight.methods.protocol import Batch
from gaze_insight.methods.strong_view import StrongViewSettings, strong_view
from gaze_insight.types import IGNORE, Size

SIZE = Size(48, 64)
STILL = StrongViewSettings(zoom=1, colour=0, blur_px=0, noise_sd=0, cutout_frac=0)
FILL = torch.full((1, 3, 1, 1), 0.5)


def batch(count: int = 4, seed: int = 0) -> Batch:
    return drawn_batch(("soft", "trust", "sparse"), SIZE, count=count, seed=seed)


def with_coordinates(plain: Batch) -> Batch:
    """Images whose first two channels say where each pixel lies, in (0, 1)."""
    rows = ((torch.arange(SIZE.height) + 0.5) / SIZE.height).view(1, 1, -1, 1).expand(4, 1, *SIZE)
    columns = ((torch.arange(SIZE.width) + 0.5) / SIZE.width).view(1, 1, 1, -1).expand(4, 1, *SIZE)
    return replace(plain, image=torch.cat([rows, columns, rows], dim=1))


def test_nothing_varied_changes_nothing():
    plain = batch()
    view = strong_view(plain, STILL, FILL)
    assert torch.allclose(view.image, plain.image, atol=1e-5)
    assert view.known.all()
    labels = read_labels(plain.labels["soft"], plain.labels["trust"])
    moved = view.move_labels(labels)
    assert torch.equal(moved.known, labels.known)
    assert torch.allclose(moved.foreground, labels.foreground, atol=1e-5)
    assert torch.equal(view.move_hard(plain.labels["sparse"]), plain.labels["sparse"])


def test_images_labels_and_predictions_move_alike():
    plain = with_coordinates(batch())
    view = strong_view(plain, STILL.model_copy(update={"zoom": 2.0}), FILL)
    assert view.scale.min() < 1 < view.scale.max()
    assert torch.allclose(view.move(plain.image), torch.where(view.known, view.image, 0.0), atol=1e-6)
    height, width = SIZE
    codes = plain.labels["sparse"]
    hard = view.move_hard(codes)
    for b, _, y, x in view.known.nonzero()[::97].tolist():
        row, column = view.image[b, 0, y, x] * height - 0.5, view.image[b, 1, y, x] * width - 0.5
        near = [
            codes[b, 0, i, j].item()
            for i in (int(row), min(int(row) + 1, height - 1))
            for j in (int(column), min(int(column) + 1, width - 1))
        ]
        assert hard[b, 0, y, x].item() in near
    assert (hard[~view.known] == IGNORE).all()


def test_an_enlarged_image_stays_inside_and_a_reduced_one_whole():
    plain = with_coordinates(batch())
    view = strong_view(plain, STILL.model_copy(update={"zoom": 3.0}), FILL)
    for b, scale in enumerate(view.scale.tolist()):
        seen = view.image[b, :2, view.known[b, 0]]
        if scale > 1:
            assert view.known[b].all()
            spans = seen.amax(dim=1) - seen.amin(dim=1)
            assert torch.allclose(spans, torch.full((2,), 1 / scale), atol=0.05)
        else:
            share = view.known[b].float().mean().item()
            assert share == pytest.approx(scale**2, abs=0.06)
            assert seen.min() < 0.05
            assert seen.max() > 0.95
            assert (view.image[b][:, ~view.known[b, 0]] == 0.5).all()


def test_the_cut_out_is_at_most_its_area_filled_and_unknown():
    plain = batch(count=16)
    view = strong_view(plain, STILL.model_copy(update={"cutout_frac": 0.3}), FILL)
    shares = (~view.known).float().mean(dim=(1, 2, 3))
    assert 0 < shares.max() <= 0.33
    assert (view.image.amax(dim=1, keepdim=True)[~view.known] == 0.5).all()
    moved = view.move_labels(read_labels(plain.labels["soft"], plain.labels["trust"]))
    assert not moved.known[~view.known].any()
    assert torch.allclose(
        moved.foreground[moved.known], decode_share(plain.labels["soft"])[moved.known], atol=1e-5
    )


@pytest.mark.parametrize("part", [{"colour": 0.5}, {"blur_px": 2.0}, {"noise_sd": 0.1}])
def test_colour_blur_and_noise_leave_the_place(part):
    plain = batch()
    view = strong_view(plain, STILL.model_copy(update=part), FILL)
    assert view.known.all()
    assert 0 <= view.image.min() < view.image.max() <= 1
    assert (view.image - plain.image).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_a_step_repeats_and_an_image_is_varied_alike_in_any_process():
    plain, state = batch(), torch.random.get_rng_state()
    one, again = (strong_view(plain, StrongViewSettings(), FILL) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.image, again.image)
    share = replace(
        plain,
        image=plain.image[2:],
        noise=plain.noise[2:],
        labels={k: v[2:] for k, v in plain.labels.items()},
    )
    assert torch.allclose(strong_view(share, StrongViewSettings(), FILL).image, one.image[2:], atol=1e-6)
    assert not torch.equal(strong_view(replace(plain, seed=9), StrongViewSettings(), FILL).image, one.image)
