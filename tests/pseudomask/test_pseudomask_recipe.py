from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_test
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, render_heatmap
from gaze_insight.pseudomask.dense_crf import DenseCrfSettings, dense_crf
from gaze_insight.pseudomask.evidence import gather_evidence
from gaze_insight.pseudomask.levels import LevelSettings, trust_map
from gaze_insight.pseudomask.parts import (
    PARTS,
    CrfPart,
    GrabCutPart,
    HeatPart,
    PriorPart,
    RandomWalkPart,
)
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask, vote
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, Size


def lesion_case(
    height: int = 120, width: int = 160, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, Fixations]:
    """Draw a noisy image with an elliptic lesion, its mask, and fixations spread over the lesion."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    mask = ((x - 0.6) / 0.16) ** 2 + ((y - 0.4) / 0.2) ** 2 < 1
    image = np.where(mask[..., None], [200, 120, 100], [120, 70, 60]) + rng.normal(0, 5, (height, width, 3))
    angles = rng.uniform(0, 2 * np.pi, 14)
    radii = np.sqrt(rng.uniform(0, 0.8, 14))
    rows = [
        (0.6 + 0.16 * r * np.cos(a), 0.4 + 0.2 * r * np.sin(a), 300.0, 320.0 * i)
        for i, (a, r) in enumerate(zip(angles, radii, strict=True))
    ]
    return np.clip(image, 0, 255).astype(np.uint8), mask, Fixations.from_rows(rows, frame="image_unit")


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def at_native_size(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST)


def test_the_lesion_that_was_looked_at_is_labelled():
    image, mask, gaze = lesion_case()
    settings = PseudoMaskSettings(working_long_side_px=128, levels=LevelSettings(least_trust=0.5))
    labels = make_pseudo_mask(image, gaze, settings)
    assert labels.soft.shape == (96, 128)
    comprehensive = at_native_size(labels.comprehensive, mask.shape)
    sparse = at_native_size(labels.sparse, mask.shape)
    assert dice(comprehensive == FOREGROUND, mask) > 0.95
    assert mask[sparse == FOREGROUND].mean() > 0.99
    assert (~mask)[sparse == BACKGROUND].mean() > 0.97
    assert 0.4 < labels.sparse_share < 1


def test_the_papers_recipe_is_one_crf_over_the_square_heat_map_at_their_thresholds():
    image, _, gaze = lesion_case()
    recipes = [
        (PseudoMaskSettings.gazemedseg_kvasir(), 70 / 768, 80 * 256 / 622, 0.5, 0.3),
        (PseudoMaskSettings.gazemedseg_prostate(), 50 / 768, 80 * 256 / 320, 0.4, 0.2),
    ]
    small = cv2.resize(image, (256, 192), interpolation=cv2.INTER_LINEAR)
    for settings, sigma, width, foreground, comprehensive in recipes:
        square = HeatMapSettings(sigma_frac=sigma, long_side_px=768, recipe="square")
        heat = render_heatmap(gaze, Size(120, 160), square)
        heat = cv2.resize(heat, (256, 192), interpolation=cv2.INTER_AREA)
        crf = DenseCrfSettings(bilateral_sxy_px=width, bilateral_srgb=13, compat=1, iterations=10)
        expected = dense_crf(small, heat, crf)
        mask = make_pseudo_mask(image, gaze, settings)
        np.testing.assert_allclose(mask.soft, expected, atol=1e-6)
        sure = np.where(expected >= foreground, FOREGROUND, np.where(expected < 0.1, BACKGROUND, IGNORE))
        np.testing.assert_array_equal(mask.sparse, sure)
        np.testing.assert_array_equal(mask.comprehensive, expected >= comprehensive)
        assert mask.features == {}


def test_the_vote_fits_the_image_better_than_gaze_and_than_the_papers_recipe():
    image, mask, gaze = lesion_case()
    recipes = [
        PseudoMaskSettings(),
        PseudoMaskSettings(parts=(HeatPart(),)),
        PseudoMaskSettings(parts=(PriorPart(),)),
        PseudoMaskSettings.gazemedseg_kvasir(),
    ]
    scores = [
        dice(at_native_size(make_pseudo_mask(image, gaze, one).comprehensive, mask.shape) == 1, mask)
        for one in recipes
    ]
    assert scores[0] > max(scores[1:]) + 0.01


@given(st.integers(1, 5), st.integers(0, 10**6))
@settings_of_test(max_examples=30, deadline=None)
def test_the_vote_is_a_weighted_mean_of_each_pixel(count, seed):
    rng = np.random.default_rng(seed)
    parts, weights = rng.random((count, 4, 6)).astype(np.float32), rng.uniform(0.01, 9, count).tolist()
    found = vote(parts, weights)
    assert found.dtype == np.float32
    for place in np.ndindex(4, 6):
        total = sum(weight * float(part[place]) for weight, part in zip(weights, parts, strict=True))
        assert found[place] == pytest.approx(total / sum(weights), abs=1e-5)


def test_a_pseudo_mask_is_the_vote_of_its_parts_and_their_trust():
    image, _, gaze = lesion_case()
    settings = PseudoMaskSettings(
        parts=(GrabCutPart(weight=3), RandomWalkPart(), GrabCutPart(cut={"iterations": 1}))
    )
    mask = make_pseudo_mask(image, gaze, settings)
    assert list(mask.parts) == ["grabcut", "random_walk", "grabcut_2"]
    evidence = gather_evidence(image, gaze, settings.prior, settings.working_long_side_px)
    made = [PARTS[part.kind].make(evidence, part) for part in settings.parts]
    np.testing.assert_array_equal(mask.soft, vote(made, [3, 1, 1]))
    np.testing.assert_array_equal(mask.trust, trust_map([*made, evidence.prior], mask.soft))
    for part, stored in zip(made, mask.parts.values(), strict=True):
        np.testing.assert_allclose(stored, part, atol=5e-4)
    alone = [make_pseudo_mask(image, gaze, PseudoMaskSettings(parts=(part,))) for part in settings.parts]
    for part, one in zip(made, alone, strict=True):
        np.testing.assert_allclose(one.soft, part, atol=1e-6)
        assert one.features == {}


@pytest.mark.parametrize("long_side", [16, 64, 200])
def test_the_grid_keeps_the_aspect_ratio_whatever_the_heat_maps_grid(long_side):
    image, _, gaze = lesion_case()
    labels = make_pseudo_mask(image, gaze, PseudoMaskSettings(working_long_side_px=long_side))
    assert labels.soft.shape == (round(long_side * 0.75), long_side)
    assert labels.soft.min() >= 0
    assert labels.soft.max() <= 1


def test_the_result_hardly_depends_on_the_working_size():
    image, _, gaze = lesion_case(240, 320)
    masks = [
        at_native_size(
            make_pseudo_mask(image, gaze, PseudoMaskSettings(working_long_side_px=side)).comprehensive,
            (240, 320),
        )
        for side in (160, 320)
    ]
    assert dice(masks[0] == 1, masks[1] == 1) > 0.95


def test_pixels_and_fractions_give_the_same_mask():
    image, _, gaze = lesion_case()
    in_px = gaze.to_frame("image_px", image_size=Size(120, 160))
    np.testing.assert_allclose(
        make_pseudo_mask(image, in_px).soft, make_pseudo_mask(image, gaze).soft, atol=1e-5
    )


@pytest.mark.parametrize("rows", [[], [(1.4, 0.5, 300.0, 0.0)]])
def test_nothing_is_known_without_a_fixation_on_the_image(rows):
    image, _, _ = lesion_case()
    labels = make_pseudo_mask(image, Fixations.from_rows(rows, frame="image_unit"))
    assert not labels.soft.any()
    assert np.all(labels.sparse == IGNORE)
    assert np.all(labels.comprehensive == BACKGROUND)


def test_grey_images_are_labelled():
    image, _, gaze = lesion_case()
    grey = make_pseudo_mask(image[..., 0], gaze)
    np.testing.assert_array_equal(grey.soft, make_pseudo_mask(np.stack([image[..., 0]] * 3, -1), gaze).soft)


def test_the_same_input_gives_the_same_bits():
    image, _, gaze = lesion_case()
    first, second = make_pseudo_mask(image, gaze), make_pseudo_mask(image.copy(), gaze)
    assert first.soft.tobytes() == second.soft.tobytes()


_ELSEWHERE = """
import hashlib, sys
sys.path.insert(0, {folder!r})
from test_pseudomask_recipe import lesion_case
from gaze_insight.pseudomask.recipe import make_pseudo_mask
image, _, gaze = lesion_case()
mask = make_pseudo_mask(image, gaze)
print(hashlib.sha256(mask.soft.tobytes() + mask.trust.tobytes()).hexdigest())
"""


def test_another_process_makes_the_same_bits():
    image, _, gaze = lesion_case()
    mask = make_pseudo_mask(image, gaze)
    program = _ELSEWHERE.format(folder=str(Path(__file__).parent))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == hashlib.sha256(mask.soft.tobytes() + mask.trust.tobytes()).hexdigest()


def test_settings_survive_json():
    crf = CrfPart(crf=DenseCrfSettings(compat=3), weight=2)
    settings = PseudoMaskSettings(parts=(crf, HeatPart()), levels=LevelSettings(comprehensive=0.4))
    again = PseudoMaskSettings.model_validate_json(settings.model_dump_json())
    assert again == settings
    assert [type(part) for part in again.parts] == [CrfPart, HeatPart]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 9, 3)),
        np.zeros((0, 9, 3), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((8, 9, 4), np.uint8),
    ],
)
def test_an_image_that_is_none_is_refused(image):
    with pytest.raises(DataError, match="image must be uint8"):
        make_pseudo_mask(image, Fixations.from_rows([(0.5, 0.5, 200.0, 0.0)], frame="image_unit"))


@pytest.mark.realdata
def test_quality_on_real_gaze(real_data: Path):
    rows = defaultdict(list)
    with (real_data / "gazemedseg" / "kvasir_fixation.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            numbers = [float(row[f"CURRENT_FIX_{column}"]) for column in ("X", "Y", "DURATION", "START")]
            rows[Path(row["IMAGE"]).stem].append(numbers)
    folder = real_data / "kvasir-seg"
    scores, precision, background = [], [], []
    for name in (folder / "splits" / "train.txt").read_text().split()[:40]:
        image = cv2.cvtColor(cv2.imread(str(folder / "images" / f"{name}.jpg")), cv2.COLOR_BGR2RGB)
        mask = cv2.imread(str(folder / "masks" / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE) > 127
        labels = make_pseudo_mask(image, Fixations.from_rows(rows[name], frame="image_unit"))
        scores.append(dice(at_native_size(labels.comprehensive, mask.shape) == FOREGROUND, mask))
        sparse = at_native_size(labels.sparse, mask.shape)
        precision.extend(mask[sparse == FOREGROUND])
        background.extend(~mask[sparse == BACKGROUND])
    assert np.mean(scores) > 0.83
    assert np.mean(precision) > 0.95
    assert np.mean(background) > 0.985
