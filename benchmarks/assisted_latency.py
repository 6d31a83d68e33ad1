"""How long an update of gaze-assisted prediction takes while somebody reads, beside the network's own pass.

The network sees an image once; each update labels it by all fixations so far and joins both. Network and
updates are timed in turns on one core, in processor time, so that what else the machine does matters little;
medians count. Without a run the default network is untrained, which takes as long.

    python benchmarks/assisted_latency.py [--run RUN] [--images FOLDER] [--size 224] [--rounds 5]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

COUNTS = (3, 10, 30, 100)
PICTURES = 4


def _predictor(run: Path | None, size: int) -> Any:
    from gaze_insight.inference.predictor import Predictor
    from gaze_insight.methods.unet import UNet, UNetSettings
    from gaze_insight.networks.building import NetworkSettings
    from gaze_insight.types import Size
    from gaze_insight.workflow.loading import load_predictor

    if run is not None:
        return load_predictor(run, device="cpu", flips=False)
    side = Size(size, size)
    method = UNet(UNetSettings(network=NetworkSettings(pretrained=False)), None, side)
    return Predictor(method, side, flips=False)


def _pictures(folder: Path | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images with the place of a lesion on them; of real images the middle stands for it."""
    from gaze_insight.cohort.images import read_image
    from gaze_insight.cohort.synthetic import SyntheticSettings, draw_case
    from gaze_insight.workflow.predicting import find_images

    if folder is None:
        return [draw_case(SyntheticSettings(size_px=(480, 560)), index)[:2] for index in range(PICTURES)]
    images = [read_image(path) for path in find_images([folder])[:PICTURES]]
    rows_columns = [np.mgrid[: image.shape[0], : image.shape[1]] for image in images]
    discs = [
        np.hypot(r / r.max() - 0.5, c / c.max() - 0.5) < 0.2 for r, c in rows_columns
    ]  # fmt: skip
    return list(zip(images, discs, strict=True))


def _milliseconds(work: Any) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def main() -> None:
    """Time it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    import cv2
    import torch

    from gaze_insight.gaze.fixations import Fixations
    from gaze_insight.inference.live import AssistedPredictor

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    predictor = _predictor(options.run, options.size)
    live = AssistedPredictor(predictor)
    rng = np.random.default_rng(0)
    network: list[float] = []
    updates: dict[int, list[float]] = {count: [] for count in COUNTS}
    for image, lesion in _pictures(options.images):
        places = np.argwhere(lesion)
        picked = (places[rng.integers(len(places), size=max(COUNTS))] + 0.5) / np.array(lesion.shape)
        rows = [(x, y, 220.0, 260.0 * index) for index, (y, x) in enumerate(picked)]
        live.open(image)
        live.update(Fixations.from_rows(rows))
        for _ in range(options.rounds):
            network.append(_milliseconds(lambda image=image: live.open(image)))
            for count in COUNTS:
                reading = Fixations.from_rows(rows[:count])
                updates[count].append(_milliseconds(lambda reading=reading: live.update(reading)))
    own = median(network)
    print(f"network, one pass at {predictor.input_size.height} px, one core: {own:.0f} ms")
    print("| fixations | an update | of the network's pass |\n|---|---|---|")
    for count, spent in updates.items():
        print(f"| {count} | {median(spent):.0f} ms | {median(spent) / own:.2f} |")


if __name__ == "__main__":
    main()
