"""`export` and what reads its files: equal answers, no torch, no half file, clear errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_runs import make_run
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.errors import DataError, MissingExtraError, SettingsError
from gaze_insight.inference.onnx_predictor import OnnxPredictor
from gaze_insight.workflow.exporting import export
from gaze_insight.workflow.loading import load_predictor, open_predictor
from gaze_insight.workflow.predicting import predict

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="extra onnx missing",
)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "tiny", seed=5, threshold=0.45)


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    assert main(["export", str(run)]) == 0
    return run / "model.onnx"


def test_the_model_predicts_what_the_run_predicts_at_any_size(run: Path, model: Path) -> None:
    images = [
        picture(33, 47, 1),
        picture(20, 90, 2),
        picture(32, 32, 3),
        picture(7, 9, 4),
        picture(64, 64, 5),
    ]
    wanted = load_predictor(run, device="cpu").predict_batch(images)
    found = OnnxPredictor(model, threads=1).predict_batch(images)
    for image, one, two in zip(images, wanted, found, strict=True):
        assert two["student"].shape == image.shape[:2]
        assert two["student"].dtype == np.float32
        assert one["student"].std() > 0.01
        assert np.allclose(one["student"], two["student"], atol=1e-4)
    alone = OnnxPredictor(model, threads=1).predict(images[0])
    assert np.allclose(alone["student"], found[0]["student"], atol=1e-5)
    assert OnnxPredictor(model).predict_batch([]) == []


def test_the_card_and_the_report_tell_what_a_deployer_needs_and_no_path(run: Path, model: Path) -> None:
    card = OnnxPredictor(model).card
    assert (card.method, card.head, card.encoder, card.cohort) == ("unet", "student", "unet", "drawn")
    assert (card.seed, card.threshold, card.flips, card.scales) == (5, 0.45, True, (1.0,))
    assert (card.input_size, card.temperature, card.precision) == ((32, 32), None, "fp32")
    report = json.loads((run / "model.onnx.json").read_text())
    assert report["model"]["seed"] == 5
    assert report["check"]["probability"] < 1e-4
    assert report["check"]["differing_frac"] <= 1e-3
    content = model.read_bytes()
    for place in (str(run), str(Path(__file__).parents[2]), ".py"):
        assert place.encode() not in content


def test_options_are_built_in_and_told(tmp_path: Path) -> None:
    import onnx

    run = make_run(tmp_path / "run", seed=1, scales=(1.0, 1.5))
    (run / "uncertainty.json").write_text(json.dumps({"heads": {"student": {"temperature": 1.5}}}))
    done = export(run, tmp_path / "half.onnx", precision="fp16", input_size_px=48, flips=False)
    card = OnnxPredictor(done.path).card
    assert (card.input_size, card.flips, card.scales) == ((48, 48), False, (1.0, 1.5))
    assert (card.precision, card.temperature) == ("fp16", 1.5)
    predictor = load_predictor(run, device="cpu", flips=False)
    predictor.input_size = card.input_size
    image = picture(50, 70)
    wanted, found = predictor.predict(image)["student"], OnnxPredictor(done.path).predict(image)["student"]
    assert 0 < np.abs(wanted - found).max() < 0.02
    kinds = {one.data_type for one in onnx.load(done.path).graph.initializer if np.prod(one.dims) >= 64}
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_an_exported_program_needs_torch_alone(run: Path, tmp_path: Path) -> None:
    done = export(run, tmp_path / "a.pt2", format="torch_export")
    batch = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    script = (
        "import json, sys, numpy, torch\n"
        "extra = {'gaze_insight.json': ''}\n"
        "network = torch.export.load(sys.argv[1], extra_files=extra).module()\n"
        "numpy.save(sys.argv[3], network(torch.from_numpy(numpy.load(sys.argv[2]))).detach().numpy())\n"
        "print(json.loads(extra['gaze_insight.json'])['head'], 'gaze_insight' in sys.modules)\n"
    )
    places = [str(done.path), str(tmp_path / "batch.npy"), str(tmp_path / "out.npy")]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *places], check=True, capture_output=True, text=True
    )
    assert said.stdout.split() == ["student", "False"]
    wanted = load_predictor(run, device="cpu").logits(torch.from_numpy(batch).float() / 255)["student"]
    assert np.allclose(np.load(tmp_path / "out.npy"), wanted.numpy(), atol=1e-4)


def test_predicting_with_a_model_imports_no_torch(model: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from gaze_insight.inference.onnx_predictor import OnnxPredictor\n"
        "prob = OnnxPredictor(sys.argv[1]).predict(np.zeros((40, 50, 3), np.uint8))['student']\n"
        "heavy = {'torch', 'monai', 'scipy', 'onnx', 'kornia', 'PIL'}\n"
        "print(prob.shape, sorted(heavy & set(sys.modules)))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(model)], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "(40, 50) []"


def test_predict_takes_a_model_in_place_of_a_run(run: Path, model: Path, tmp_path: Path, capsys) -> None:
    Image.fromarray(picture(40, 60)).save(tmp_path / "a.png")
    for source, out in ((run, "one"), (model, "two")):
        assert (
            main(["predict", str(source), str(tmp_path / "a.png"), "-o", str(tmp_path / out), "--quiet"]) == 0
        )
    one, two = (np.asarray(Image.open(tmp_path / out / "a_probability.png")) for out in ("one", "two"))
    assert one.shape == (40, 60)
    assert np.abs(one.astype(int) - two.astype(int)).max() <= 8
    masks = [np.asarray(Image.open(tmp_path / out / "a_mask.png")) for out in ("one", "two")]
    assert 0 < masks[0].mean() < 255
    assert (masks[0] != masks[1]).mean() <= 1e-3
    assert "lesion on" in capsys.readouterr().out


def test_wrong_files_are_named_with_what_to_do(run: Path, model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    for name, content in (("noise", b"abc" * 100), ("empty", b""), ("cut", whole[: len(whole) // 2])):
        place = tmp_path / f"{name}.onnx"
        place.write_bytes(content)
        with pytest.raises(DataError, match=name) as caught:
            OnnxPredictor(place)
        assert caught.value.remedy
    with pytest.raises(DataError, match="no such file"):
        OnnxPredictor(tmp_path / "nowhere.onnx")
    with pytest.raises(DataError, match="cannot be read"):
        OnnxPredictor(tmp_path)
    with pytest.raises(SettingsError, match="at least one thread"):
        OnnxPredictor(model, threads=0)
    with pytest.raises(SettingsError, match="on the CPU"):
        open_predictor(model, device="cuda")
    with pytest.raises(DataError, match=r"float64 of shape \(4, 4, 3\)"):
        OnnxPredictor(model).predict(np.zeros((4, 4, 3)))


def test_a_model_of_another_tool_is_refused(tmp_path: Path) -> None:
    import onnx

    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    made = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [value], [out]),
        ir_version=10,
        opset_imports=[onnx.helper.make_opsetid("", 18)],
    )
    onnx.save(made, tmp_path / "other.onnx")
    with pytest.raises(DataError, match="no card"):
        OnnxPredictor(tmp_path / "other.onnx")


def test_a_model_that_differs_or_a_stop_leaves_what_was_there(
    run: Path, model: Path, tmp_path: Path, monkeypatch
) -> None:
    from gaze_insight.inference import export as writing

    target = tmp_path / "m.onnx"
    target.write_bytes(b"before")

    def wrong(program, card, path: Path) -> None:
        path.write_bytes(model.read_bytes())

    def stopped(program, card, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_onnx", wrong)
    with pytest.raises(DataError, match=r"differs from the run's network.*nothing was written"):
        export(make_run(tmp_path / "other", seed=9), target)
    monkeypatch.setattr(writing, "write_onnx", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(run, target)
    assert target.read_bytes() == b"before"
    left = {place.name for place in tmp_path.iterdir() if place.is_file()}
    assert left == {"m.onnx"}


def test_the_script_on_the_page_stands_alone_and_gives_the_masks_of_predict(
    run: Path, model: Path, tmp_path: Path
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    script = next(block for block in blocks if "sys.argv" in block)
    assert "gaze_insight import" not in script
    images = [tmp_path / "0.png", tmp_path / "1.png"]
    for path, size in zip(images, [(40, 60), (25, 90)], strict=True):
        Image.fromarray(picture(*size)).save(path)
    (tmp_path / "alone.py").write_text(script)
    words = [sys.executable, "alone.py", str(model), *map(str, images)]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    predict(run, images, tmp_path / "out", device="cpu")
    for path in images:
        found = np.asarray(Image.open(tmp_path / f"{path.stem}_mask.png"))
        wanted = np.asarray(Image.open(tmp_path / "out" / f"{path.stem}_mask.png"))
        assert found.shape == wanted.shape
        assert 0 < wanted.mean() < 255
        assert (found != wanted).mean() <= 1e-3


def test_settings_that_do_not_go_together_are_refused(run: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SettingsError, match="precision fp32"):
        export(run, format="torch_export", precision="fp16")
    with pytest.raises(SettingsError, match="at least 32 px"):
        export(run, input_size_px=16)
    with pytest.raises(SettingsError, match=r"ends in \.onnx"):
        export(run, tmp_path / "a.bin")
    with pytest.raises(DataError, match=r"no config\.yaml"):
        export(tmp_path)
    assert main(["export", str(tmp_path)]) == 3
    assert main(["export", str(run), "--format", "tflite"]) == 2


def test_a_method_for_one_number_of_images_is_named(run: Path, tmp_path: Path, monkeypatch) -> None:
    from gaze_insight.methods.one_network import OneNetwork

    def for_two(self, image, words=None):
        return {"student": self.student.predict(image).reshape(2, 1, *image.shape[-2:])}

    monkeypatch.setattr(OneNetwork, "predict", for_two)
    with pytest.raises(SettingsError, match="cannot be exported") as caught:
        export(run, tmp_path / "a.onnx", flips=False)
    assert "any number of images" in str(caught.value)


def test_without_the_extra_the_message_names_it(run: Path, tmp_path: Path, monkeypatch) -> None:
    from gaze_insight.inference import export as writing

    monkeypatch.setattr(writing, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gaze-insight\[onnx\]"):
        export(run, tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"gaze-insight\[onnx\]"):
        OnnxPredictor(tmp_path / "a.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["transunet", "efficientnet_lite0", "transunet_lite0"])
def test_every_encoder_can_be_exported(tmp_path: Path, encoder: str) -> None:
    done = export(make_run(tmp_path / "run", encoder), flips=False)
    assert done.check.probability < 1e-3
    assert 0 < done.check.foreground_frac < 1
    images = [picture(40, 40, seed) for seed in range(4)]
    wanted = load_predictor(tmp_path / "run", device="cpu", flips=False).predict_batch(images)
    found = OnnxPredictor(done.path).predict_batch(images)
    for one, two in zip(wanted, found, strict=True):
        assert np.allclose(one["student"], two["student"], atol=1e-3)
