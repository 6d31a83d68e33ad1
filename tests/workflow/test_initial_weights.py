"""A run that begins with the weights of a file says so, and needs the file no more when it is finished."""

from __future__ import annotations

import pytest
import torch

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.loading import compose
from gaze_insight.errors import DataError
from gaze_insight.networks.unet import UNetEncoder
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.training import train

SETTINGS = [
    "method.kind=unet",
    "method.target=mask",
    "method.student_epochs=1",
    "method.network.encoder=unet",
    "method.network.student_channels=[4,4,4,4,4]",
    "training.input_size_px=32",
    "training.device=cpu",
    "training.selection=last",
    "labels.working_long_side_px=48",
]


def test_a_run_tells_what_it_began_with_and_goes_on_only_with_the_same(tmp_path):
    cohort = import_synthetic(
        tmp_path / "source", tmp_path / "cohort", settings=SyntheticSettings(cases=6, size_px=(40, 48))
    )
    begun, path = UNetEncoder(channels=(4,) * 5), tmp_path / "w.pth"
    torch.save({**begun.state_dict(), "fc.weight": torch.zeros(1)}, path)
    config = compose(overrides=[*SETTINGS, f"method.network.weights={path}"])
    folder = train(cohort, config, tmp_path / "run")
    told = folder.plan()["initial_weights"]["student.encoder"]
    assert (told["source"], told["unused"]) == (str(path), ["fc.weight"])
    assert told["loaded"] == len(begun.state_dict())

    moved = path.rename(tmp_path / "moved.pth")
    predictor = load_predictor(folder.path)
    weight = predictor.method.student.encoder.levels[0][0][0].weight
    assert not torch.equal(weight, begun.levels[0][0][0].weight)
    with pytest.raises(DataError, match="expected a file of weights, found none"):
        train(cohort, config, folder.path, resume=True)
    begun.levels[0][0][0].weight.data.add_(1)
    torch.save(begun.state_dict(), path)
    with pytest.raises(DataError, match="other settings or other data"):
        train(cohort, config, folder.path, resume=True)
    elsewhere = compose(overrides=[*SETTINGS, f"method.network.weights={moved}"])
    assert train(cohort, elsewhere, folder.path, resume=True).plan()["initial_weights"]
