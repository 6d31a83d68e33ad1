"""Factories for small training runs; as a script, one run in a process of its own that can be killed.

``python training_making.py FOLDER THREADS [SIGNAL STEP]`` trains in FOLDER and sends itself SIGNAL after STEP
steps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaze_insight.errors import StoppedError
from gaze_insight.language.encoders.attribute_tokens import FIELDS
from gaze_insight.methods.fgi import Fgi, FgiSettings
from gaze_insight.methods.protocol import Method
from gaze_insight.methods.words import WordSpace
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.training.batches import BatchSource, TrainingSet
from gaze_insight.training.devices import build_accelerator
from gaze_insight.training.loop import Trainer
from gaze_insight.training.settings import TrainingSettings
from gaze_insight.training.words import AttributeRows
from gaze_insight.types import IGNORE, Size

SIDE = 32
NETWORK = NetworkSettings(encoder="unet", teacher_channels=(8,) * 5, student_channels=(4,) * 5)
STEPS = 12


def make_data(count: int = 13, *, seed: int = 0) -> TrainingSet:
    """Bright discs on noise; the sparse map knows the disc's middle and the far background."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE]
    centres, radii = rng.uniform(8, SIDE - 8, (count, 2)), rng.uniform(4, 8, count)
    distance = np.stack([np.hypot(down - y, across - x) for y, x in centres]) / radii[:, None, None]
    mask = (distance < 1).astype(np.uint8)
    images = rng.integers(0, 120, (count, SIDE, SIDE, 3)) + 100 * mask[..., None]
    sparse = np.where(distance < 0.6, 1, np.where(distance > 1.5, 0, IGNORE)).astype(np.uint8)
    ids = torch.from_numpy(rng.integers(1, 4, (count, len(FIELDS))))
    area = torch.from_numpy(mask.mean((1, 2)).astype(np.float32))
    return TrainingSet(
        tuple(f"case-{index}" for index in range(count)),
        images.astype(np.uint8),
        {"mask": mask, "sparse": sparse, "comprehensive": mask},
        AttributeRows(ids, area),
    )


def make_method(**settings: Any) -> Fgi:
    torch.manual_seed(1)
    chosen = {"teacher_epochs": 2, "student_epochs": 2, **settings}
    return Fgi(FgiSettings(network=NETWORK, **chosen), WordSpace("attributes", 8), Size(SIDE, SIDE))


def make_trainer(folder: Path, *, method: Method | None = None, **options: Any) -> Trainer:
    own = {"data", "fingerprint", "validate", "watch", "progress", "seed"}
    settings = {name: value for name, value in options.items() if name not in own}
    chosen = TrainingSettings(
        **{"input_size_px": SIDE, "min_steps": 0, "batch_size": 4, "device": "cpu", **settings}
    )
    source = BatchSource(
        options.get("data", make_data()),
        batch_size=chosen.batch_size,
        seed=options.get("seed", 3),
        augmentation=chosen.augmentation,
    )
    return Trainer(
        make_method() if method is None else method,
        source,
        chosen,
        accelerator=build_accelerator("cpu", "no"),
        folder=folder,
        fingerprint=options.get("fingerprint", "one"),
        validate=options.get("validate"),
        watch=options.get("watch"),
        progress=options.get("progress", lambda what, done, total: None),
    )


def weights_of(method: Method) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def signal_after(step: int, number: int) -> Callable[[str, int, int], None]:
    def progress(what: str, done: int, total: int) -> None:
        if done == step:
            os.kill(os.getpid(), number)

    return progress


def main(folder: str, threads: str, number: str = "0", step: str = "-1") -> int:
    torch.set_num_threads(int(threads))
    trainer = make_trainer(Path(folder), progress=signal_after(int(step), signal.Signals(int(number))))
    try:
        trainer.run()
    except StoppedError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
