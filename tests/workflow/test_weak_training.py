"""The points, boxes and scribbles of a gaze as what a network learns from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from gaze_insight.cli.app import main
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.weak_labels import WEAK_KINDS, BoxSettings, WeakLabelSettings
from gaze_insight.methods.protocol import Batch
from gaze_insight.methods.unet import UNet, UNetSettings
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Size
from gaze_insight.workflow import weak_labels
from gaze_insight.workflow.training_set import build_training_set, usable_cases
from gaze_insight.workflow.weak_labels import weak_label_of

SIZE = Size(32, 32)
NETWORK = NetworkSettings(encoder="unet", student_channels=(4,) * 5)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("weak-training")
    return import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))


def plane(cohort: Cohort, kind: str, cases: list[Case], weak: WeakLabelSettings | None = None) -> np.ndarray:
    built = build_training_set(cohort, cases, [kind], PseudoMaskSettings(), SIZE, weak=weak)
    return np.array(built.labels[kind])


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_the_plane_is_the_label_drawn_at_the_networks_size(cohort, kind):
    cases = cohort.subset("train")
    drawn = plane(cohort, kind, cases)
    for case, one in zip(cases, drawn, strict=True):
        assert np.array_equal(one, weak_label_of(case, kind).rasterise(SIZE))
        assert (one == 1).any()
    assert not list((cohort.folder / "derived").glob("pseudomask/*"))


def test_settings_and_version_make_a_new_plane(cohort, monkeypatch):
    cases = cohort.subset("train")
    plain, wide = (plane(cohort, "box", cases, own) for own in (None, _wide()))
    assert (wide == 1).sum() > (plain == 1).sum()
    assert np.array_equal(plane(cohort, "box", cases), plain)
    monkeypatch.setattr(weak_labels, "make_weak_label", lambda kind, gaze, size, _: _All())
    assert np.array_equal(plane(cohort, "box", cases), plain)
    monkeypatch.setattr(weak_labels, "_VERSION", weak_labels._VERSION + 1)
    assert (plane(cohort, "box", cases) == 1).all()


def _wide() -> WeakLabelSettings:
    return WeakLabelSettings(box=BoxSettings(margin_frac=0.3))


class _All:
    def rasterise(self, size: Size) -> np.ndarray:
        return np.ones(size, np.uint8)


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_cases_without_gaze_on_the_image_are_left_out_with_the_reason(cohort, kind):
    case = cohort.subset("train")[0]
    nobody = replace(case, id="nobody", fixations=None)
    away = replace(case, id="away", fixations=Fixations.from_rows([(1.4, 0.5, 200, 0)]))
    usable, left_out = usable_cases([case, nobody, away], [kind])
    assert usable == [case]
    assert left_out == {"nobody": "no fixations", "away": "no fixation on the image"}


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_the_plain_network_learns_from_the_labelled_pixels_alone(kind):
    torch.manual_seed(0)
    method = UNet(UNetSettings(network=NETWORK, target=kind), None, SIZE)
    assert method.label_maps == (kind,)
    labels = torch.full((1, 1, *SIZE), 255, dtype=torch.uint8)
    labels[..., 4:8, 4:8], labels[..., 20:24, 20:24] = 1, 0
    image = torch.rand(1, 3, *SIZE)
    loss = method(Batch(image, {kind: labels}, None, torch.zeros(1, 1, *SIZE), 0.0), "student")["loss"]
    known = labels != 255
    logits = method.predict(image)["student"]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known].float())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_a_run_trains_on_it_from_the_command_line(cohort, tmp_path, kind):
    settings = (
        "training.input_size_px=32", "training.min_steps=0", "training.batch_size=4", "training.device=cpu",
        "method.kind=unet", "method.student_epochs=1", f"method.target={kind}",
        "method.network={encoder: unet, student_channels: [4,4,4,4,4]}",
    )  # fmt: skip
    flags = [word for one in settings for word in ("--set", one)]
    assert main(["train", str(cohort.folder), "--name", str(tmp_path / "run"), "--quiet", *flags]) == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["method"]["target"] == kind
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["training_cases"] == len(cohort.splits["train"])
