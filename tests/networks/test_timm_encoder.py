"""Networks of timm as encoders: a small one that stands for timm's, and timm's own where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.networks import timm_encoder
from gaze_insight.networks.building import NetworkSettings, build_encoder, build_student, build_teacher
from gaze_insight.networks.timm_encoder import TimmEncoder
from gaze_insight.networks.timm_import import import_timm

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
SHAPES = {
    "tiny_net": ((4, 8, 8, 16, 16), (2, 4, 8, 16, 32)),
    "tiny_four": ((8, 8, 16, 16), (4, 8, 16, 32)),
    "tiny_last": ((8, 8, 16, 16), (4, 8, 16, 32)),
    "tiny_vit": ((16,) * 8, (16,) * 8),
    "tiny_three": ((8, 8, 16), (4, 8, 16)),
    "tiny_square": ((8, 8, 16, 16), (4, 8, 16, 32)),
}


class Network(nn.Module):
    """What timm gives for `features_only`: maps, `feature_info` and `pretrained_cfg`."""

    def __init__(self, name: str, taken: list[int], free: bool) -> None:
        super().__init__()
        channels, strides = SHAPES[name]
        self.name, self.taken, self.free = name, taken, free
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, c, s, stride=s), nn.BatchNorm2d(c))
            for c, s in zip(channels, strides, strict=True)
        )
        self.pretrained_cfg = {"mean": MEAN, "std": STD}
        self.feature_info = SimpleNamespace(
            channels=lambda: [channels[i] for i in taken],
            reduction=lambda: [strides[i] for i in taken],
            info=list(strides),
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        if self.name == "tiny_square" or (self.name == "tiny_vit" and not self.free):
            assert x.shape[-2] == x.shape[-1], "found an image that is not square"
        maps = [self.steps[index](x) for index in self.taken]
        return [m.permute(0, 2, 3, 1) for m in maps] if self.name == "tiny_last" else maps


class Whole(Network):
    def __init__(self, name: str, free: bool) -> None:
        super().__init__(name, list(range(len(SHAPES[name][0]))), free)
        self.head = nn.Linear(2, 2)


def create_model(
    name, *, pretrained, features_only=False, out_indices=None, pretrained_cfg_overlay=None, **options
):
    name = name.partition(".")[0]
    if "strict_img_size" in options:
        raise TypeError("unexpected keyword argument 'strict_img_size'")
    free = options.get("dynamic_img_size", False)
    if not features_only:
        whole = Whole(name, free)
        whole.load_state_dict(pretrained_cfg_overlay["state_dict"])
        return whole
    count = len(SHAPES[name][0])
    return Network(name, list(out_indices or range(count))[-5:], free)


@pytest.fixture
def timm(monkeypatch):
    module = ModuleType("timm")
    module.__version__ = "9.9"
    module.create_model, module.list_models = create_model, lambda: list(SHAPES)
    module.is_model = SHAPES.__contains__
    module.get_pretrained_cfg = lambda name: SimpleNamespace(
        hf_hub_id=None if "untagged" in name else f"timm/{name}",
        hf_hub_filename="own.bin" if "own" in name else None,
        fixed_input_size=name.startswith("tiny_vit"),
    )
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


@pytest.mark.parametrize(
    ("name", "channels", "strides"),
    [
        ("tiny_net", (4, 8, 8, 16, 16), (2, 4, 8, 16, 32)),
        ("tiny_four", (32, 8, 8, 16, 16), (2, 4, 8, 16, 32)),
        ("tiny_last", (32, 8, 8, 16, 16), (2, 4, 8, 16, 32)),
        ("tiny_vit", (32, 8, 8, 16, 16), (2, 4, 8, 16, 32)),
    ],
)
@pytest.mark.parametrize("size", [(64, 96), (67, 33)])
def test_five_maps_of_any_image_at_the_strides_told(timm, name, channels, strides, size):
    encoder = TimmEncoder(name, pretrained=False)
    assert (encoder.channels, encoder.strides) == (channels, strides)
    maps = encoder(torch.rand(2, 3, *size))
    for found, c, stride in zip(maps, channels, strides, strict=True):
        assert found.shape == (2, c, -(-size[0] // stride), -(-size[1] // stride))
    sum(x.square().mean() for x in maps).backward()
    used = [p for n, p in encoder.named_parameters() if name != "tiny_vit" or ".steps." not in f".{n}"]
    assert all(p.grad is not None for p in used)


def test_the_image_is_normalised_as_the_weights_expect_and_continued_by_its_last_pixels(timm):
    encoder = TimmEncoder("tiny_net", pretrained=False).eval()
    image = torch.rand(1, 3, 40, 64)
    by_hand = torch.cat([image, image[:, :, -1:].expand(-1, -1, 24, -1)], dim=2)
    by_hand = (by_hand - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.no_grad():
        expected, found = encoder.network(by_hand), encoder(image)
    torch.testing.assert_close(found[0], expected[0][:, :, :20])
    torch.testing.assert_close(found[-1], expected[-1][:, :, :2])


def test_maps_of_a_quarter_of_the_depth_each_are_taken_from_one_stride(timm):
    encoder = TimmEncoder("tiny_vit", pretrained=False)
    assert encoder.network.taken == [1, 3, 5, 7]
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        given, maps = encoder.eval().network(encoder.normalise(image)), encoder(image)
    torch.testing.assert_close(maps[3], given[2])
    torch.testing.assert_close(maps[4], torch.nn.functional.max_pool2d(given[3], 2))


def test_training_leaves_the_statistics(timm):
    encoder = TimmEncoder("tiny_net", pretrained=False).train()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    encoder(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())
    assert encoder.training
    assert not encoder.network.steps[0][1].training


@pytest.mark.parametrize("name", ["timm:tiny_four", "timm:tiny_vit", "transunet_timm:tiny_net"])
def test_teacher_and_student_take_them(timm, name):
    settings = NetworkSettings(encoder=name, pretrained=False, transformer_heads=4)
    teacher, student = build_teacher(settings, 6), build_student(settings)
    image = torch.rand(2, 3, 48, 70)
    taught = teacher(image, torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    learnt = student(image)
    assert learnt.logits.shape == taught.logits.shape == (2, 1, 48, 70)
    assert [x.shape for x in taught.features] == [x.shape for x in learnt.features]


def test_published_weights_come_from_this_machine_and_pass_timms_own_check(timm, tmp_path, monkeypatch):
    whole = Whole("tiny_four", free=False)
    torch.save(whole.state_dict(), tmp_path / "model.bin")
    asked = []

    def cached(repository, filename):
        asked.append((repository, filename))
        return str(tmp_path / "model.bin") if filename.endswith(".bin") else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    encoder = build_encoder(NetworkSettings(encoder="timm:tiny_four.in1k"))
    assert asked == [
        ("timm/tiny_four.in1k", "model.safetensors"),
        ("timm/tiny_four.in1k", "pytorch_model.bin"),
    ]
    assert torch.equal(encoder.network.steps[2][0].weight, whole.steps[2][0].weight)
    assert encoder.initial_weights.source == "timm:tiny_four.in1k"
    assert encoder.initial_weights.unused == ("head.weight", "head.bias")
    TimmEncoder("tiny_four.own")
    assert asked[-1] == ("timm/tiny_four.own", "own.bin")
    torch.save({"steps.0.0.weight": torch.zeros(1)}, tmp_path / "model.bin")
    with pytest.raises(DataError, match="timm cannot load these weights"):
        TimmEncoder("tiny_four.own")


def test_nothing_is_downloaded(timm, monkeypatch):
    monkeypatch.setattr(timm_encoder, "_cached", lambda repository, filename: None)
    with pytest.raises(MissingExtraError, match=r"hf download timm/tiny_net\.a1"):
        TimmEncoder("tiny_net.a1")
    with pytest.raises(MissingExtraError, match="no published weights"):
        TimmEncoder("tiny_net.untagged")


def test_own_checkpoints_bring_the_finer_map_too(timm, tmp_path):
    source = build_encoder(NetworkSettings(encoder="timm:tiny_four", pretrained=False))
    torch.save({f"student.encoder.{k}": v for k, v in source.state_dict().items()}, tmp_path / "w.pth")
    torch.save(Whole("tiny_four", free=False).state_dict(), tmp_path / "published.pth")
    settings = NetworkSettings(encoder="timm:tiny_four", weights=tmp_path / "w.pth")
    encoder = build_encoder(settings)
    assert torch.equal(encoder.fine[0].weight, source.fine[0].weight)
    counters = sum(name.endswith("num_batches_tracked") for name in source.state_dict())
    assert encoder.initial_weights.loaded == len(source.state_dict()) - counters
    published = build_encoder(settings.model_copy(update={"weights": tmp_path / "published.pth"}))
    assert published.initial_weights.unused == ("head.weight", "head.bias")


@pytest.mark.parametrize("name", ["tiny_three", "tiny_square"])
def test_networks_that_cannot_are_refused(timm, name):
    with pytest.raises(SettingsError, match=f"timm:{name} cannot be an encoder.*(strides|square)"):
        TimmEncoder(name, pretrained=False)


def test_maps_that_are_not_what_was_told_are_refused(timm, monkeypatch):
    monkeypatch.setattr(Network, "forward", lambda self, x: [x] * 5)
    with pytest.raises(SettingsError, match="expected maps of"):
        TimmEncoder("tiny_net", pretrained=False)


def test_unknown_names_are_answered_with_near_ones(timm):
    with pytest.raises(SettingsError, match="did you mean tiny_net"):
        TimmEncoder("tiny_nett", pretrained=False)
    with pytest.raises(ValueError, match="timm:NAME or transunet_timm:NAME, found 'timm:hf-hub:a/b'"):
        NetworkSettings(encoder="timm:hf-hub:a/b")


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """A folder for packages that are found first, and no timm or torchvision loaded."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("timm", "torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)

    yield write
    for name in [n for n in sys.modules if n.partition(".")[0] in ("timm", "torchvision")]:
        del sys.modules[name]


LIKE_TIMM = """
import torchvision.transforms as transforms
import torchvision.transforms.functional as F
from torchvision.transforms.functional import InterpolationMode
from torchvision.ops.misc import FrozenBatchNorm2d
from torchvision.datasets import CIFAR10
try:
    from torchvision.models.feature_extraction import create_feature_extractor
except ImportError:
    create_feature_extractor = None
MODES = {InterpolationMode.NEAREST: "nearest", InterpolationMode.BICUBIC: "bicubic"}
class MaybeToTensor(transforms.ToTensor):
    pass
"""


@pytest.mark.parametrize("state", ["absent", "broken"])
def test_timm_is_imported_without_torchvision_and_nobody_is_told_otherwise(packages, monkeypatch, state):
    packages("timm", LIKE_TIMM)
    if state == "broken":
        packages("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    elif importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed")
    module = import_timm()
    assert not [name for name in sys.modules if name.startswith("torchvision")]
    assert len(module.MODES) == 2
    assert module.create_feature_extractor is None
    assert not isinstance(nn.BatchNorm2d(2), module.FrozenBatchNorm2d)
    with pytest.raises(MissingExtraError, match="torchvision is not installed"):
        module.MaybeToTensor()
    with pytest.raises(MissingExtraError, match=r"functional.to_tensor' is wanted"):
        module.F.to_tensor(None)
    assert not hasattr(module.CIFAR10, "__wrapped__")
    assert not hasattr(module.transforms, "__path__")
    assert import_timm() is module


def test_a_torchvision_that_works_is_used(packages):
    packages("torchvision", "mark = 1")
    packages("timm", "import torchvision\nmark = torchvision.mark")
    assert import_timm().mark == 1
    assert sys.modules["torchvision"].mark == 1


def test_a_timm_that_wants_more_leaves_nothing_behind(packages):
    packages("timm", "import torchvision.io")
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed")
    with pytest.raises(MissingExtraError, match="cannot be imported without torchvision"):
        import_timm()
    assert not [name for name in sys.modules if name.partition(".")[0] in ("timm", "torchvision")]


def test_a_timm_that_is_missing_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="--no-deps timm"):
        TimmEncoder("resnet18")


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224"])
def test_maps_equal_timms_own(name, tmp_path):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    timm = import_timm()
    options = {"dynamic_img_size": True} if name.startswith("vit") else {}
    whole = timm.create_model(name, pretrained=False, **options).eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in whole.state_dict().items()}}, tmp_path / "w.pth")
    encoder = build_encoder(NetworkSettings(encoder=f"timm:{name}", weights=tmp_path / "w.pth")).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected = whole.forward_intermediates(encoder.normalise(image), intermediates_only=True)
        found = encoder(image)
    if name.startswith("vit"):
        torch.testing.assert_close(found[3], expected[8])
        return
    for ours, theirs in zip(found[-len(expected) :], expected, strict=True):
        torch.testing.assert_close(ours, theirs)
