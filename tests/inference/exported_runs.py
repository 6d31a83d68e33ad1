"""Finished runs of tiny networks, made without training, whose masks are neither empty nor full."""

from __future__ import annotations

from pathlib import Path

import torch

from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.training.checkpoints import save_weights
from gaze_insight.workflow.loading import build_method

TINY = {"encoder": "unet", "student_channels": [4, 4, 4, 4, 4], "teacher_channels": [8, 8, 8, 8, 8]}
ENCODERS = {
    "unet": TINY,
    "transunet": {**TINY, "encoder": "transunet", "transformer_depth": 1, "transformer_heads": 2},
    "efficientnet_lite0": {"encoder": "efficientnet_lite0", "pretrained": False},
    "transunet_lite0": {"encoder": "transunet_lite0", "pretrained": False, "transformer_depth": 1},
}


def make_run(folder: Path, encoder: str = "unet", *, side_px: int = 32, seed: int = 0, **prediction) -> Path:
    config = RunConfig(
        seed=seed,
        method={"kind": "unet", "network": ENCODERS[encoder]},
        training={"input_size_px": side_px},
        prediction=prediction,
    )
    torch.manual_seed(seed)
    method = build_method(config, None)
    for name, value in method.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("classifier.weight"):
            value.mul_(8)
    run = RunFolder(folder)
    run.write_config(config)
    run.write_json(
        run.plan_json, {"method": "unet", "cohort": "drawn", "cohort_folder": str(folder), "words": None}
    )
    save_weights(method, run.weights)
    return folder
