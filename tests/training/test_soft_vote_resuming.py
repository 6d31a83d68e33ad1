"""The soft vote in the loop: stopped and resumed to the same weights; soft maps through the augmentation."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_making import NETWORK, SIDE, make_data, make_trainer, same_weights, signal_after, weights_of

from gaze_insight.errors import StoppedError
from gaze_insight.losses.soft_labels import SHARE_STEPS, decode_share
from gaze_insight.methods.soft_vote import FgiParts, SoftVote, SoftVoteSettings
from gaze_insight.methods.words import WordSpace
from gaze_insight.training.augmentation import AugmentationSettings, augment
from gaze_insight.training.batches import TrainingSet
from gaze_insight.types import IGNORE, Size

ALL = {"dice_weight": 1, "projection_weight": 0.1, "area_weight": 0.1, "weight": "weighted_trust"}


def make_method(**settings: Any) -> SoftVote:
    torch.manual_seed(1)
    chosen = SoftVoteSettings(network=NETWORK, teacher_epochs=2, student_epochs=2, **settings)
    return SoftVote(chosen, WordSpace("attributes", 8), Size(SIDE, SIDE))


def soft_data(method: SoftVote) -> TrainingSet:
    data = make_data()
    rng = np.random.default_rng(0)
    soft = np.clip(0.8 * data.labels["mask"] + 0.2 * rng.random(data.labels["mask"].shape), 0, 1)
    shares = {"soft": soft, "trust": np.abs(2 * soft - 1), "weighted_trust": 0.5 * np.abs(2 * soft - 1)}
    planes = {name: np.rint(SHARE_STEPS * share).astype(np.uint8) for name, share in shares.items()}
    wanted = {name: {**data.labels, **planes}[name] for name in method.label_maps}
    return replace(data, labels=wanted, words=data.words if method.uses_words else None)


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        ({"teacher": "ema", "least_confidence": 0.51, **ALL}, 4),
        ({"teacher": "words", "described_area_weight": 0.1, "fgi": FgiParts(cwc_weight=1)}, 8),
        ({"teacher": "ema", "student_view": "strong", "least_confidence": 0.51}, 2),
    ],
)
def test_stopping_and_resuming_changes_nothing(tmp_path: Path, settings: dict[str, Any], step: int) -> None:
    def trainer(folder: str, **options: Any):
        method = make_method(**settings)
        return make_trainer(tmp_path / folder, method=method, data=soft_data(method), **options)

    def finish(folder: str) -> dict[str, torch.Tensor]:
        running = trainer(folder)
        running.run()
        return weights_of(running.method)

    weights = finish("whole")
    with pytest.raises(StoppedError):
        trainer("parts", progress=signal_after(step, signal.SIGTERM)).run()
    assert same_weights(finish("parts"), weights)


def test_shares_pass_the_augmentation_unmixed_and_unknown_outside() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 255, (4, 1, 32, 32), generator=generator).to(torch.uint8)
    codes[:, :, :4] = IGNORE
    strong = AugmentationSettings(scale=0.5, shift_frac=0.3, rotation_deg=30)
    _, moved, _ = augment(
        torch.rand(4, 3, 32, 32), {"soft": codes, "trust": 254 - codes}, None, strong, generator
    )
    for one, found in zip(codes, moved["soft"], strict=True):
        assert set(found.unique().tolist()) <= {*one.unique().tolist(), IGNORE}
    known = moved["soft"] != IGNORE
    assert 0.2 < known.float().mean() < 0.9
    total = decode_share(moved["soft"]) + decode_share(moved["trust"])
    assert torch.allclose(total[known], torch.ones(int(known.sum())), atol=1e-6)
    turned = AugmentationSettings(rotation_deg=0, scale=0, shift_frac=0)
    _, flipped, _ = augment(torch.rand(4, 3, 32, 32), {"soft": codes}, None, turned, generator)
    for one, found in zip(codes, flipped["soft"], strict=True):
        assert torch.equal(one.flatten().sort().values, found.flatten().sort().values)
