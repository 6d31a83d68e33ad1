"""Teacher, student and plain segmenter, as the settings build them."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.networks.building import NetworkSettings, build_segmenter, build_student, build_teacher
from gaze_insight.networks.fusion import FusionSettings

SMALL = NetworkSettings(
    encoder="unet", teacher_channels=(8, 8, 16, 16, 32), student_channels=(4, 4, 8, 8, 16), pretrained=False
)
LITE = NetworkSettings(pretrained=False)


def words(batch: int, channels: int = 6, length: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, length, channels), torch.ones(batch, length, dtype=torch.bool)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("settings", [SMALL, LITE], ids=["unet", "efficientnet_lite0"])
@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_the_student_gives_features_of_the_teachers_shape(settings, stages):
    image = torch.rand(2, 3, 64, 48)
    teacher = build_teacher(settings, 6, FusionSettings(stages=stages), (64, 48))
    student = build_student(settings, stages)
    with torch.no_grad():
        taught, learnt = teacher(image, *words(2)), student(image)
        torch.testing.assert_close(learnt.logits, student.predict(image))
    assert taught.logits.shape == learnt.logits.shape == (2, 1, 64, 48)
    assert len(taught.features) == stages
    assert [x.shape for x in taught.features] == [x.shape for x in learnt.features]


@pytest.mark.parametrize("settings", [SMALL, LITE], ids=["unet", "efficientnet_lite0"])
@pytest.mark.parametrize("size", [(32, 32), (51, 70)])
def test_any_image_size_works_whatever_the_training_size(settings, size):
    teacher = build_teacher(settings, 6, input_size=(64, 64))
    assert teacher(torch.rand(1, 3, *size), *words(1)).logits.shape == (1, 1, *size)


@pytest.mark.parametrize("mode", ["sum", "concat"])
def test_the_words_change_the_teachers_answer_and_all_its_weights_learn(mode):
    torch.manual_seed(0)
    teacher = build_teacher(SMALL, 6, FusionSettings(mode=mode), (32, 32))
    image = torch.rand(2, 3, 32, 32)
    tokens, mask = words(2)
    out = teacher(image, tokens, mask)
    assert not torch.allclose(out.logits, teacher(image, tokens + 1, mask).logits)
    out.logits.square().sum().backward()
    for name, parameter in teacher.named_parameters():
        assert parameter.grad is not None, name


def test_a_teacher_without_words_needs_none_and_gives_its_features():
    teacher = build_teacher(SMALL, 0, FusionSettings(stages=3))
    out = teacher(torch.rand(1, 3, 32, 32))
    assert len(teacher.fusions) == 0
    assert [x.shape[1] for x in out.features] == [8, 16, 16]


def test_a_teacher_with_words_refuses_to_do_without():
    teacher = build_teacher(SMALL, 6)
    with pytest.raises(DataError, match="expected the tokens"):
        teacher(torch.rand(1, 3, 32, 32))


def test_the_papers_networks_have_the_published_number_of_weights():
    paper = NetworkSettings(encoder="unet")
    with torch.device("meta"):
        teacher, student = build_segmenter(paper, "teacher"), build_segmenter(paper)
    assert count(teacher) == pytest.approx(31.4e6, rel=0.03)
    assert count(student) == pytest.approx(7.8e6, rel=0.03)


def test_the_plain_network_is_the_student_without_adapters():
    plain, student = build_segmenter(LITE), build_student(LITE)
    assert count(plain) == count(student) - count(student.adapters)
    plain.load_state_dict({k: v for k, v in student.state_dict().items() if not k.startswith("adapters")})
    image = torch.rand(1, 3, 40, 40)
    torch.testing.assert_close(plain.predict(image), student.predict(image))
    assert count(build_segmenter(LITE, "teacher")) > count(plain)


def test_the_memory_format_changes_no_number():
    student = build_student(LITE).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        plain = student.predict(image)
        student.to(memory_format=torch.channels_last)
        torch.testing.assert_close(student.predict(image), plain, rtol=1e-3, atol=1e-4)


def test_gradients_flow_under_autocast():
    teacher = build_teacher(SMALL, 6, input_size=(32, 32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = teacher(torch.rand(1, 3, 32, 32), *words(1))
    out.logits.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in teacher.parameters())


def test_settings_are_checked():
    with pytest.raises(ValidationError):
        NetworkSettings(encoder="resnet")
    with pytest.raises(ValidationError):
        NetworkSettings(student_decoder=(64, 48, 32, 15))
    with pytest.raises(ValidationError):
        FusionSettings(stages=5)
    with pytest.raises(SettingsError, match="heads that divide"):
        build_teacher(SMALL, 6, FusionSettings(heads=3))
