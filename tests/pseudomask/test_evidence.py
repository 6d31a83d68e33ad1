"""The prior of gaze: its formula pixel by pixel, several lesions, and how it moves with the gaze."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pseudomask_making import EVERYTHING, ellipse, evidence_of, gaze_on, painted
from scipy import ndimage

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings
from gaze_insight.gaze.selection import GazeSelection
from gaze_insight.pseudomask.evidence import PriorSettings, fitted, gather_evidence
from gaze_insight.pseudomask.parts import RandomWalkPart
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import Size

BLACK = np.zeros((60, 80, 3), np.uint8)
TWO = [
    *((0.22 + x, 0.5 + y, 200.0, i) for i, (x, y) in enumerate([(0, 0), (-0.08, 0), (0.08, 0.02), (0, 0.1)])),
    *(
        (0.78 + x, 0.5 + y, 200.0, 9 + i)
        for i, (x, y) in enumerate([(0, 0), (-0.08, 0), (0.08, 0), (0, -0.1)])
    ),
]
APART = PriorSettings(gaze=EVERYTHING, cluster_gap_frac=0.2)
ONE_HULL = PriorSettings(gaze=EVERYTHING, cluster_gap_frac=None)


def literal_prior(evidence, chosen: PriorSettings) -> np.ndarray:
    """Evaluate the formula for each pixel, with the heat map from its own sum of Gaussians."""
    height, width = evidence.size
    longer = max(height, width)
    area = sum(1 for value in evidence.distance.ravel() if value > 0)
    radius = math.sqrt(max(area, 1) / math.pi) / longer
    margin = chosen.margin_frac + chosen.margin_per_radius * radius
    margin += chosen.margin_of_one / len(evidence.gaze.fixations)
    gaze, sigma = evidence.gaze.everywhere, chosen.heatmap.sigma_frac * longer
    heat = np.zeros(evidence.size)
    for i in range(height):
        for j in range(width):
            for x, y, duration in zip(gaze.x, gaze.y, gaze.duration_ms, strict=True):
                square = (j + 0.5 - x * width) ** 2 + (i + 0.5 - y * height) ** 2
                heat[i, j] += duration * math.exp(-square / (2 * sigma**2))
    heat /= heat.max()
    prior = np.empty(evidence.size)
    for place, distance in np.ndenumerate(evidence.distance):
        logit = (distance + margin) / chosen.softness_frac
        logit += chosen.heat_weight * (heat[place] - chosen.heat_level)
        prior[place] = 1 / (1 + math.exp(-logit))
    return prior


@pytest.mark.parametrize(
    "chosen",
    [
        PriorSettings(),
        PriorSettings(margin_frac=-0.05, margin_per_radius=0.4, softness_frac=0.1),
        PriorSettings(heat_weight=0),
        PriorSettings(margin_of_one=0),
        PriorSettings(heat_weight=9, heat_level=0.1, heatmap=HeatMapSettings(sigma_frac=0.05)),
    ],
)
def test_the_prior_equals_its_formula_pixel_by_pixel(chosen):
    evidence = evidence_of(BLACK, gaze_on(0.55, 0.45, 0.2, 0.25, count=8), chosen, 40)
    np.testing.assert_allclose(evidence.prior, literal_prior(evidence, chosen), atol=2e-5)


def test_an_outlier_does_not_widen_the_hull_unless_it_is_asked_to():
    rows = gaze_on(0.4, 0.4, 0.1, 0.1).to_rows()
    astray = Fixations.from_rows([*rows, (0.97, 0.95, 200.0, 9000.0)])
    chosen = PriorSettings(gaze=GazeSelection(), cluster_gap_frac=None)
    robust = evidence_of(BLACK, astray, chosen)
    assert robust.gaze.left_out == {"off_image": 0, "first": 1, "outlier": 1}
    assert robust.distance[68, 92] < 0
    np.testing.assert_array_equal(
        robust.distance, evidence_of(BLACK, Fixations.from_rows(rows), chosen).distance
    )
    whole = evidence_of(BLACK, astray, ONE_HULL)
    assert (whole.distance > 0).sum() > 2 * (robust.distance > 0).sum()


def test_two_groups_of_fixations_are_two_hulls():
    gaze = Fixations.from_rows(TWO)
    apart, joined = (evidence_of(BLACK, gaze, one) for one in (APART, ONE_HULL))
    assert apart.groups.tolist() == [0] * 4 + [1] * 4
    assert [ndimage.label(one.distance > 0)[1] for one in (apart, joined)] == [2, 1]
    middle = (36, 48)
    assert apart.prior[middle] < 0.02
    assert joined.prior[middle] > 0.3
    each = [evidence_of(BLACK, Fixations.from_rows(rows), ONE_HULL).distance for rows in (TWO[:4], TWO[4:])]
    np.testing.assert_allclose(apart.distance, np.maximum(*each), atol=1e-6)


def test_two_lesions_are_labelled_as_two():
    size = Size(96, 128)
    truth = ellipse(size, 0.22, 0.5, 0.13, 0.17) | ellipse(size, 0.78, 0.5, 0.13, 0.17)
    image = painted(truth, [190, 110, 90], [110, 60, 50], noise=6)
    rows = [
        (x + 0.1 * np.cos(a), 0.5 + 0.13 * np.sin(a), 200.0, float(i))
        for x in (0.22, 0.78)
        for i, a in enumerate(np.linspace(0, 6, 9))
    ]
    gaze = Fixations.from_rows([(0.5, 0.5, 100.0, -1.0), *rows])
    masks = [
        make_pseudo_mask(image, gaze, PseudoMaskSettings(prior=PriorSettings(cluster_gap_frac=gap)))
        for gap in (0.2, None)
    ]
    assert ndimage.label(masks[0].comprehensive)[1] == 2
    truth_there = fitted(truth.astype(np.float32), Size(*masks[0].soft.shape)) >= 0.5
    assert (masks[0].comprehensive == 1)[truth_there].mean() > 0.9
    part = PseudoMaskSettings(parts=(RandomWalkPart(),), prior=PriorSettings(cluster_gap_frac=0.2))
    assert ndimage.label(make_pseudo_mask(image, gaze, part).comprehensive)[1] == 2


def test_a_group_with_little_looking_gets_no_hull_and_is_counted():
    gaze = Fixations.from_rows([*TWO[:4], (0.9, 0.9, 30.0, 20)])
    found = evidence_of(BLACK, gaze, APART)
    assert found.groups.tolist() == [0] * 4
    assert found.gaze.left_out["outlier"] == 1
    assert len(found.gaze.everywhere) == 5
    all_of_them = APART.model_copy(update={"least_cluster_share": 0.0, "least_cluster_count": 1})
    assert evidence_of(BLACK, gaze, all_of_them).groups.tolist() == [0, 0, 0, 0, 1]


def test_outliers_are_sought_in_each_group_alone_and_all_are_counted():
    many = [(0.2 + 0.004 * (i % 5), 0.3 + 0.004 * (i // 5), 200.0, float(i)) for i in range(40)]
    few = [(0.8 + 0.004 * i, 0.7, 200.0, 100.0 + i) for i in range(8)]
    gaze = Fixations.from_rows([(0.5, 0.5, 200.0, -1.0), *many, *few, (0.3, 0.3, 9.0, 300.0)])
    crowded = GazeSelection(least_heat=0.25)
    joined = evidence_of(BLACK, gaze, PriorSettings(gaze=crowded, cluster_gap_frac=None))
    assert joined.gaze.left_out["outlier"] == 9
    chosen = PriorSettings(gaze=crowded, cluster_gap_frac=0.2)
    apart = evidence_of(BLACK, gaze, chosen)
    assert (apart.groups == 1).sum() == 8
    assert len(apart.gaze.fixations) + sum(apart.gaze.left_out.values()) == len(gaze)


def test_where_every_group_is_small_all_fixations_share_one_hull():
    rows = [(0.05 + 0.09 * i, 0.1 + 0.8 * (i % 2), 100.0, float(i)) for i in range(11)]
    found = evidence_of(BLACK, Fixations.from_rows(rows), APART.model_copy(update={"cluster_gap_frac": 0.05}))
    assert found.groups.tolist() == [0] * 11


@given(st.integers(0, 10**6), st.integers(-10, 10), st.integers(-8, 8))
@settings(max_examples=25, deadline=None)
def test_the_prior_moves_with_the_gaze(seed, right, down):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.35, 0.65, (6, 2))
    plain = [(x, y, 200.0, i) for i, (x, y) in enumerate(points)]
    moved = [(x + right / 80, y + down / 60, 200.0, i) for i, (x, y) in enumerate(points)]
    chosen = ONE_HULL
    here, there = (
        evidence_of(BLACK, Fixations.from_rows(rows), chosen, 80).prior_logit for rows in (plain, moved)
    )
    assert np.isfinite(here).all()
    window = np.s_[20:40, 25:55]
    shifted = there[20 + down : 40 + down, 25 + right : 55 + right]
    np.testing.assert_allclose(shifted, here[window], atol=0.15)  # the heat's maximum lies between pixels


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_prior_hardly_depends_on_the_grid(seed):
    gaze = gaze_on(0.5, 0.5, 0.25, 0.25, seed=seed)
    small, large = (evidence_of(BLACK, gaze, long_side_px=side).prior for side in (80, 160))
    assert np.abs(fitted(large, Size(60, 80)) - small).max() < 0.1


def test_pixels_and_fractions_are_one_place():
    gaze = gaze_on(0.4, 0.6, 0.2, 0.2)
    in_px = gaze.to_frame("image_px", image_size=Size(60, 80))
    np.testing.assert_allclose(evidence_of(BLACK, in_px).prior, evidence_of(BLACK, gaze).prior, atol=1e-5)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_grey_images_are_known_as_such(channels):
    image = np.random.default_rng(0).integers(0, 255, (60, 80, *channels)).astype(np.uint8)
    assert evidence_of(image, gaze_on(0.5, 0.5, 0.2, 0.2)).grey is (channels == ())


def test_a_slight_tint_is_grey_and_a_coloured_patch_is_not():
    image = np.full((60, 80, 3), 100, np.uint8)
    image[..., 0] += 7
    gaze = gaze_on(0.5, 0.5, 0.2, 0.2)
    assert evidence_of(image, gaze).grey
    image[20:30, 20:30] = (200, 60, 60)
    assert not evidence_of(image, gaze).grey


@pytest.mark.parametrize(
    "rows", [[], [(1.4, 0.5, 300.0, 0.0)], [(-0.1, 0.5, 300.0, 0.0), (0.5, 1.2, 9.0, 1.0)]]
)
@pytest.mark.parametrize("chosen", [PriorSettings(), PriorSettings(cluster_gap_frac=0.1)])
def test_without_a_fixation_on_the_image_there_is_no_evidence(rows, chosen):
    assert gather_evidence(BLACK, Fixations.from_rows(rows), chosen) is None


def test_fixations_off_the_image_change_nothing():
    rows = gaze_on(0.5, 0.5, 0.2, 0.2).to_rows()
    more = Fixations.from_rows([*rows, (1.3, 0.5, 500.0, 9000.0), (0.5, -2.0, 500.0, 9900.0)])
    found, plain = evidence_of(BLACK, more), evidence_of(BLACK, Fixations.from_rows(rows))
    assert found.gaze.left_out["off_image"] == 2
    np.testing.assert_array_equal(found.prior, plain.prior)


@pytest.mark.parametrize("shape", [(90, 1), (1, 90), (1, 1), (7, 200)])
def test_the_grid_follows_the_image_however_narrow(shape):
    found = evidence_of(np.zeros(shape, np.uint8), gaze_on(0.5, 0.5, 0.3, 0.3), long_side_px=64)
    assert max(found.size) == 64
    assert min(found.size) == max(1, round(64 * min(shape) / max(shape)))
    assert np.isfinite(found.prior).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_fitted_keeps_the_range_and_a_constant(height, width, seed):
    array = np.random.default_rng(seed).random((13, 17)).astype(np.float32)
    found = fitted(array, Size(height, width))
    assert found.shape == (height, width)
    assert array.min() - 1e-6 <= found.min()
    assert found.max() <= array.max() + 1e-6
    np.testing.assert_allclose(
        fitted(np.full((13, 17), 0.3, np.float32), Size(height, width)), 0.3, atol=1e-6
    )


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
        gather_evidence(image, gaze_on(0.5, 0.5, 0.2, 0.2))


def test_a_sparse_reading_is_one_hull_and_not_a_hull_for_each_fixation():
    corners = [(0.35, 0.35), (0.65, 0.35), (0.65, 0.65), (0.35, 0.65)]
    gaze = Fixations.from_rows([(x, y, 200, k) for k, (x, y) in enumerate([(0.5, 0.5), *corners])])
    found = evidence_of(BLACK, gaze, PriorSettings(cluster_gap_frac=0.25))
    assert found.groups.tolist() == [0, 0, 0, 0]
    assert found.distance[BLACK.shape[0] // 2, BLACK.shape[1] // 2] > 0
