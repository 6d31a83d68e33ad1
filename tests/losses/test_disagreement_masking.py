"""DARM: hidden pixels are patches inside the disagreement, within each image's budget."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from gaze_insight.errors import DataError
from gaze_insight.losses.disagreement_masking import DarmSettings, apply_masking, disagreement_mask


def make(seed: int, size: tuple[int, int, int] = (3, 11, 13)) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    images, height, width = size
    return tuple(torch.rand(images, 1, height, width, generator=generator) for _ in range(3))


def mask_by_loops(student, teacher, noise, options: DarmSettings) -> torch.Tensor:
    hidden = torch.zeros(student.shape, dtype=torch.bool)
    _, _, height, width = student.shape
    for b in range(student.shape[0]):
        disputed = (student[b, 0] - teacher[b, 0]).abs() > options.disagreement
        priority = torch.zeros(height, width)
        for row in range(height):
            for column in range(width):
                value = noise[b, 0, row, column]
                if not disputed[row, column]:
                    continue
                bits = float(value) * 4096
                side = options.block_px[int((bits - int(bits)) * len(options.block_px))]
                reach = side // 2
                rows = slice(max(row - reach, 0), row + reach + 1)
                columns = slice(max(column - reach, 0), column + reach + 1)
                priority[rows, columns] = priority[rows, columns].clamp(min=float(value))
        places = [(r, c) for r in range(height) for c in range(width) if disputed[r, c]]
        places.sort(key=lambda place: -float(priority[place]))
        for row, column in places[: int(len(places) * options.budget_frac + 1e-9)]:
            hidden[b, 0, row, column] = True
    return hidden


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block_px", [(3, 5, 7, 9), (1,), (5,)])
def test_equals_the_literal_loop(seed, block_px):
    student, teacher, noise = make(seed)
    options = DarmSettings(disagreement=0.2, block_px=block_px)
    found = disagreement_mask(student, teacher, noise, options)
    assert found.any()
    assert torch.equal(found, mask_by_loops(student, teacher, noise, options))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 0.95))
def test_hidden_lies_in_the_disagreement_and_meets_each_budget(seed, budget, disagreement):
    student, teacher, noise = make(seed)
    options = DarmSettings(disagreement=disagreement, budget_frac=budget)
    hidden = disagreement_mask(student, teacher, noise, options)
    disputed = (student - teacher).abs() > disagreement
    assert not (hidden & ~disputed).any()
    for mine, whole in zip(hidden, disputed, strict=True):
        assert mine.sum().item() == whole.sum().item() * round(budget * 1e6) // 1_000_000


def test_no_image_spends_the_budget_of_another():
    student, teacher = torch.zeros(2, 1, 40, 40), torch.zeros(2, 1, 40, 40)
    student[0] = 1
    student[1, 0, :5, :2] = 1
    hidden = disagreement_mask(student, teacher, torch.rand(2, 1, 40, 40))
    assert hidden.flatten(1).sum(dim=1).tolist() == [480, 3]
    assert not hidden[1, 0, 5:].any()


def test_hidden_pixels_form_patches():
    noise = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(5))
    hidden = disagreement_mask(torch.ones(1, 1, 96, 96), torch.zeros(1, 1, 96, 96), noise)[0, 0]
    _, pieces = ndimage.label(hidden.numpy())
    assert hidden.sum().item() / pieces > 9
    _, scattered = ndimage.label((noise[0, 0] > 0.7).numpy())
    assert pieces < scattered / 4


def test_every_disputed_pixel_can_be_hidden():
    generator = torch.Generator().manual_seed(6)
    student, teacher = torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    times = sum(
        disagreement_mask(student, teacher, torch.rand(1, 1, 16, 16, generator=generator)) for _ in range(300)
    )
    assert times.min() > 30


def test_agreement_hides_nothing_and_the_same_noise_hides_the_same():
    student, teacher, noise = make(7)
    assert not disagreement_mask(student, student, noise).any()
    assert torch.equal(disagreement_mask(student, teacher, noise), disagreement_mask(student, teacher, noise))


def test_masking_fills_the_image_and_ignores_the_labels():
    image, labels = torch.rand(2, 3, 4, 5), torch.ones(2, 1, 4, 5, dtype=torch.uint8)
    hidden = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    hidden[0, 0, 1, 2] = True
    before = image.clone(), labels.clone()
    masked, seen = apply_masking(image, labels, hidden, fill=(0.1, 0.2, 0.3))
    torch.testing.assert_close(masked[0, :, 1, 2], torch.tensor([0.1, 0.2, 0.3]))
    assert seen.dtype == torch.uint8
    assert (seen == 255).nonzero().tolist() == [[0, 0, 1, 2]]
    assert (masked != image).sum() == 3
    assert torch.equal(image, before[0])
    assert torch.equal(labels, before[1])


def test_hidden_pixels_are_zero_after_the_encoders_normalisation():
    from gaze_insight.networks.efficientnet import EfficientNetLiteEncoder

    encoder = EfficientNetLiteEncoder(pretrained=False)
    hidden = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    labels = torch.zeros(1, 1, 32, 32, dtype=torch.int64)
    masked, _ = apply_masking(torch.rand(1, 3, 32, 32), labels, hidden, fill=encoder.mean)
    assert encoder.normalise(masked).abs().max() == 0


def test_bad_settings_and_shapes_are_refused():
    with pytest.raises(ValidationError, match="odd sides"):
        DarmSettings(block_px=(3, 4))
    with pytest.raises(ValidationError):
        DarmSettings(budget_frac=1.1)
    student, teacher, noise = make(8)
    with pytest.raises(DataError, match="noise"):
        disagreement_mask(student, teacher, noise[:1])
    with pytest.raises(DataError, match="hidden"):
        apply_masking(
            torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool)
        )
