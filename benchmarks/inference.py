"""Images a second of a trained student, in PyTorch and in ONNX Runtime, and whether its masks stay the same.

Without a run, a small one is trained first on drawn images (minutes). All ways are timed in turns, a few
images each, so that they share whatever else the machine does; the best time counts. A mask pixel differs
where a way and plain PyTorch (with mirror images, for the rows that have them) disagree.

    python benchmarks/inference.py [RUN] [--size 224] [--threads 2 1] [--images FOLDER] [--compile]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

IMAGES, BATCH, PER_ROUND, CALIBRATING = 24, 8, 4, 32
EAGER = "PyTorch, eager"
WITH_FLIPS = "four mirror images"

Way = Callable[[np.ndarray], np.ndarray]


def _train(folder: Path) -> Path:
    """Train the default encoder on drawn images until its masks are masks."""
    from gaze_insight.cli.app import main

    cohort, run = folder / "cohort", folder / "run"
    settings = (
        "method.kind=unet", "method.target=mask", "method.student_epochs=6", "training.input_size_px=128",
        "training.device=cpu", "training.min_steps=0",
    )  # fmt: skip
    flags = [word for one in settings for word in ("--set", one)]
    for words in (
        ["import", "synthetic", "--out", cohort, "--cases", "120", "--quiet"],
        ["train", cohort, "--name", run, "--quiet", *flags],
    ):
        if main([str(word) for word in words]):
            raise SystemExit("the small run could not be trained")
    return run


def _pictures(folder: Path | None, count: int, seed: int) -> list[np.ndarray]:
    from gaze_insight.cohort.images import read_image
    from gaze_insight.cohort.synthetic import SyntheticSettings, draw_case
    from gaze_insight.workflow.predicting import find_images

    if folder is None:
        settings = SyntheticSettings(size_px=(480, 560), seed=seed)
        return [draw_case(settings, index)[0] for index in range(count)]
    paths = find_images([folder])
    return [read_image(path) for path in paths[seed :: max(1, len(paths) // count)][:count]]


def _session(path: Path, threads: int) -> Way:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})[0]


def _quantise(path: Path, batch: np.ndarray, out: Path) -> None:
    """Weights and activations of convolutions in 8 bits; ranges from images."""
    import logging

    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(batch)

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {"image": image[None]}

    logging.disable(logging.WARNING)
    quantize_static(
        str(path), str(out), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    logging.disable(logging.NOTSET)


def _ways(run: Path, folder: Path, options: argparse.Namespace, threads: int) -> dict[str, Way]:
    import torch

    from gaze_insight.inference.deployable import Deployable
    from gaze_insight.types import Size
    from gaze_insight.workflow.loading import load_predictor

    def eager(flips: bool) -> Way:
        predictor = load_predictor(run, device="cpu", flips=flips)
        head = predictor.heads[0]
        return lambda batch: predictor.logits(torch.from_numpy(batch).float() / 255)[head].numpy()

    plain = load_predictor(run, device="cpu", flips=False)
    plain.input_size = Size(options.size, options.size)
    folded = Deployable(plain)

    def in_bfloat16(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            return folded(torch.from_numpy(batch)).float().numpy()

    ways = {
        EAGER: eager(False),
        "ONNX Runtime": _session(folder / "plain.onnx", threads),
        "ONNX Runtime, weights of 16 bits": _session(folder / "half.onnx", threads),
        "ONNX Runtime, static int8": _session(folder / "int8.onnx", threads),
        "PyTorch, bfloat16": in_bfloat16,
        f"{EAGER}, {WITH_FLIPS}": eager(True),
        f"ONNX Runtime, {WITH_FLIPS}": _session(folder / "flips.onnx", threads),
    }
    if options.compile:
        compiled = torch.compile(folded)
        with torch.inference_mode():
            compiled(torch.zeros(1, 3, options.size, options.size, dtype=torch.uint8))

        def fast(batch: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return compiled(torch.from_numpy(batch)).numpy()

        ways["PyTorch, torch.compile"] = fast
    return ways


def _seconds(ways: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Best seconds of one call, the ways taking turns; the first call of each turn is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way(0)
            for index in range(PER_ROUND):
                start = time.perf_counter()
                way(index)
                spent[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in spent.items()}


def _masks(way: Way, batch: np.ndarray, threshold: float) -> np.ndarray:
    level = np.log(threshold / (1 - threshold))
    return np.concatenate([way(batch[index : index + 1]) for index in range(len(batch))]) > level


def _whole(run: Path, folder: Path, files: list[Path], threads: int, size: int):
    """From a JPEG on the disk to a mask of its own size."""
    from gaze_insight.cohort.images import read_image
    from gaze_insight.inference.onnx_predictor import OnnxPredictor
    from gaze_insight.types import Size
    from gaze_insight.workflow.loading import load_predictor

    trained = load_predictor(run, device="cpu", flips=False)
    trained.input_size = Size(size, size)
    head = trained.heads[0]
    predictors = {EAGER: trained, "ONNX Runtime": OnnxPredictor(folder / "plain.onnx", threads=threads)}

    def of(predictor) -> Callable[[int], object]:
        return lambda index: predictor.predict(read_image(files[index]))[head] > 0.5

    return {f"{name}, from JPEG to mask": of(predictor) for name, predictor in predictors.items()}


def _prepare(run: Path, folder: Path, options: argparse.Namespace) -> tuple[np.ndarray, list[Path], float]:
    import cv2

    from gaze_insight.inference.fitting import fit_image
    from gaze_insight.types import Size
    from gaze_insight.workflow.exporting import export

    size, fitted = Size(options.size, options.size), []
    for seed, count in ((1, CALIBRATING), (0, IMAGES)):
        pictures = _pictures(options.images, count, seed)
        fitted.append(np.stack([fit_image(one, size).transpose(2, 0, 1) for one in pictures]))
    files = [folder / f"{index}.jpg" for index in range(PER_ROUND)]
    for file, picture in zip(files, pictures, strict=False):
        cv2.imwrite(str(file), picture[:, :, ::-1])
    plain = export(run, folder / "plain.onnx", input_size_px=options.size, flips=False)
    export(run, folder / "flips.onnx", input_size_px=options.size, flips=True)
    half = export(run, folder / "half.onnx", input_size_px=options.size, flips=False, precision="fp16")
    _quantise(folder / "plain.onnx", fitted[0], folder / "int8.onnx")
    int8_mb = (folder / "int8.onnx").stat().st_size / 1e6
    print(f"{plain.card.encoder}, {options.size} px, trained on {plain.card.cohort}; best of ", end="")
    print(f"{options.rounds * PER_ROUND} single images; file {plain.size_mb:.1f} MB, ", end="")
    print(f"weights of 16 bits {half.size_mb:.1f} MB, int8 {int8_mb:.1f} MB\n")
    return fitted[1], files, plain.card.threshold


def _table(run: Path, folder: Path, options: argparse.Namespace) -> None:
    import torch

    batch, files, threshold = _prepare(run, folder, options)
    speeds: dict[int, dict[str, float]] = {}
    for threads in options.threads:
        torch.set_num_threads(threads)
        ways = _ways(run, folder, options, threads)
        calls = {name: lambda index, way=way: way(batch[index : index + 1]) for name, way in ways.items()}
        calls |= _whole(run, folder, files, threads, options.size)
        speeds[threads] = {name: 1 / seconds for name, seconds in _seconds(calls, options.rounds).items()}
    truth = {flips: _masks(ways[EAGER + flips], batch, threshold) for flips in ("", f", {WITH_FLIPS}")}
    heads = [f"images/s, {threads} threads | x eager" for threads in options.threads]
    print(
        f"| one image at a time | {' | '.join(heads)} | mask pixels that differ, % | in the worst image, % |"
    )
    print("|---|" + "---|" * (2 * len(heads) + 2))
    for name in calls:
        cells = []
        for threads in options.threads:
            beside = ", from JPEG to mask" if "JPEG" in name else f", {WITH_FLIPS}" * (WITH_FLIPS in name)
            speed = speeds[threads]
            cells += [f"{speed[name]:.1f}", f"{speed[name] / speed[EAGER + beside]:.2f}"]
        differs = ["", ""]
        if name in ways:
            wanted = truth[f", {WITH_FLIPS}" if WITH_FLIPS in name else ""]
            shares = (_masks(ways[name], batch, threshold) != wanted).mean(axis=(1, 2, 3))
            differs = [f"{100 * shares.mean():.4f}", f"{100 * shares.max():.3f}"]
        print("| " + " | ".join([name, *cells, *differs]) + " |", flush=True)
    print(f"\nlesion on {100 * truth[''].mean():.1f} % of the pixels of {len(batch)} images")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, help="a finished run; by default a small one is trained")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--images", type=Path, help="folder of images; by default drawn ones")
    parser.add_argument("--compile", action="store_true", help="torch.compile too; it needs a C++ compiler")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _table(options.run or _train(Path(folder)), Path(folder), options)


if __name__ == "__main__":
    main()
