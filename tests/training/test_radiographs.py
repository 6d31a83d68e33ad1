"""Batches of radiographs: image, gaze, boxes and fixations move as one, and follow from the step alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.training.radiograph_augmentation import Moves, RadiographAugmentation, draw_moves
from gaze_insight.training.radiographs import (
    BoxRows,
    RadiographSet,
    RadiographSource,
    cover_boxes,
    pool_areas,
)
from gaze_insight.types import Size

STILL = RadiographAugmentation(rotation_deg=0, scale=0, shift_frac=0, brightness=0, contrast=0)
SIDE = 64


def radiograph_set(spot: tuple[float, float] = (0.75, 0.25), count: int = 6) -> RadiographSet:
    """Cases whose bright spot, gaze, box and only fixation are all at one place."""
    x, y = spot
    at = (np.arange(SIDE) + 0.5) / SIDE
    blob = np.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / 0.004)
    image = np.round(255 * blob).astype(np.uint8)
    sequence = np.zeros((count, 3, 4), np.float32)
    sequence[:, 0] = (x, y, 0.0, 0.3)
    valid = np.zeros((count, 3), bool)
    valid[:, 0] = True
    edges = np.array([[x - 0.1, y - 0.1, x + 0.1, y + 0.1]], np.float32)
    return RadiographSet(
        ids=tuple(map(str, range(count))),
        images=np.repeat(image[None], count, axis=0),
        labels=np.tile(np.array([[1, np.nan]], np.float32), (count, 1)),
        gaze=np.repeat((blob / blob.sum())[None].astype(np.float32), count, axis=0),
        trust=np.full(count, 0.5, np.float32),
        boxes=BoxRows(
            np.arange(count), np.zeros(count, np.int64), edges.repeat(count, axis=0), np.zeros(count, bool)
        ),
        text=np.zeros((count, 4), np.int64),
        sequence=sequence,
        sequence_mask=valid,
        frames=np.tile(np.array([[0, 0, 1, 1]], np.float32), (count, 1)),
    )


def source(data: RadiographSet, augmentation: RadiographAugmentation, **more) -> RadiographSource:
    return RadiographSource(data, Size(16, 16), batch_size=4, seed=3, augmentation=augmentation, **more)


def centre(plane: torch.Tensor) -> tuple[float, float]:
    """Centre of mass of a map, x and y as fractions, by a literal sum."""
    height, width = plane.shape
    total = float(plane.sum())
    x = sum(float(plane[i, j]) * (j + 0.5) / width for i in range(height) for j in range(width))
    y = sum(float(plane[i, j]) * (i + 0.5) / height for i in range(height) for j in range(width))
    return x / total, y / total


def test_without_variation_the_batch_is_the_data():
    data = radiograph_set()
    made = source(data, STILL).batch("classifier", 0, 10)
    assert made.image.shape == (4, 3, SIDE, SIDE)
    expected = torch.from_numpy(data.images[0].astype(np.float32)) / 255
    torch.testing.assert_close(made.image[0, 1], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.gaze.sum(dim=(1, 2)), torch.ones(4))
    pooled = data.gaze[0].reshape(16, 4, 16, 4).sum(axis=(1, 3))
    np.testing.assert_allclose(made.gaze[0].numpy(), pooled, atol=1e-5)
    assert made.labels[0, 0] == 1
    assert torch.isnan(made.labels[0, 1])
    torch.testing.assert_close(made.sequence[0, 0], torch.tensor([0.75, 0.25, 0.0, 0.3]))
    assert made.sequence_mask.sum() == 4


def test_image_gaze_box_and_fixation_move_as_one():
    varied = RadiographAugmentation(rotation_deg=25, scale=0.3, shift_frac=0.1, brightness=0, contrast=0)
    made = source(radiograph_set(spot=(0.65, 0.4)), varied).batch("classifier", 0, 10)
    places = set()
    for row in range(4):
        seen = made.sequence[row, 0, :2].tolist()
        places.add(tuple(round(one, 3) for one in seen))
        assert centre(made.image[row, 0]) == pytest.approx(seen, abs=0.02)
        assert centre(made.gaze[row]) == pytest.approx(seen, abs=0.02)
        assert centre(made.boxes[row, 0]) == pytest.approx(seen, abs=0.02)
        assert made.boxes[row, 1].sum() == 0
    assert len(places) == 4


def test_gaze_and_fixations_that_leave_the_picture_leave_nothing():
    far = RadiographAugmentation(rotation_deg=0, scale=0, shift_frac=0.5, brightness=0, contrast=0)
    data = radiograph_set(spot=(0.98, 0.02))
    batches = [source(data, far).batch("classifier", step, 40) for step in range(10)]
    left = [row for made in batches for row in range(4) if not made.sequence_mask[row].any()]
    assert left
    for made in batches:
        for row in range(4):
            if not made.sequence_mask[row].any():
                assert made.sequence[row].abs().sum() == 0
            if not made.gaze[row].any():
                assert made.trust[row] == 0
            else:
                assert float(made.gaze[row].sum()) == pytest.approx(1, abs=1e-5)
    gone = [made.trust[row] for made in batches for row in range(4) if not made.gaze[row].any()]
    assert gone


def test_a_step_follows_from_its_number_alone():
    data, varied = radiograph_set(), RadiographAugmentation()
    first, second = source(data, varied), source(data, varied)
    for step in (0, 1):
        second.batch("classifier", step, 20)
    left, right = first.batch("classifier", 7, 20), second.batch("classifier", 7, 20)
    for name in ("image", "gaze", "boxes", "sequence", "labels"):
        torch.testing.assert_close(getattr(left, name), getattr(right, name), equal_nan=True)
    assert (left.seed, left.progress) == (right.seed, 7 / 20)
    assert not torch.equal(left.image, first.batch("classifier", 8, 20).image)


def test_two_processes_see_together_what_one_would_have_seen():
    data, varied = radiograph_set(), RadiographAugmentation()
    whole = source(data, varied).batch("classifier", 2, 9)
    halves = [source(data, varied, rank=rank, world=2).batch("classifier", 2, 9) for rank in (0, 1)]
    for name in ("image", "gaze", "boxes", "trust", "sequence", "sequence_mask"):
        together = torch.cat([getattr(half, name) for half in halves])
        torch.testing.assert_close(together, getattr(whole, name))


def test_light_falls_on_the_image_and_not_on_the_black_beside_it():
    data = radiograph_set(spot=(0.5, 0.5))
    data.frames[:] = (0.25, 0, 0.75, 1)
    light = RadiographAugmentation(rotation_deg=0, scale=0, shift_frac=0, brightness=1, contrast=0)
    made = source(data, light).batch("classifier", 0, 9)
    assert made.image[..., : SIDE // 4].abs().max() < 1e-4
    assert made.image[..., SIDE // 4 : 3 * SIDE // 4].amax() > 0.3


def test_nothing_is_mirrored_unless_asked_for():
    generator = torch.Generator().manual_seed(0)
    plain = draw_moves(64, RadiographAugmentation(), generator)
    assert bool((torch.linalg.det(plain.matrix) > 0).all())
    mirrored = draw_moves(64, RadiographAugmentation(mirror=True), generator)
    share = float((torch.linalg.det(mirrored.matrix) < 0).float().mean())
    assert 0.3 < share < 0.7


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_where_a_moved_point_comes_from_is_the_point(seed, x, y):
    varied = RadiographAugmentation(rotation_deg=40, scale=0.4, shift_frac=0.3, mirror=True)
    moves = draw_moves(1, varied, torch.Generator().manual_seed(seed))
    moved = moves.points(torch.tensor([[[x, y]]]))
    assert moves.sources(moved[0])[0, 0].tolist() == pytest.approx([x, y], abs=1e-4)


def test_areas_of_any_grids_are_pooled_exactly():
    plane = torch.rand(1, 10, 7, generator=torch.Generator().manual_seed(1))
    fine = plane.repeat_interleave(3, 1).repeat_interleave(5, 2) / 15
    by_hand = torch.zeros(3, 5)
    for i in range(30):
        for j in range(35):
            by_hand[i * 3 // 30, j * 5 // 35] += fine[0, i, j]
    torch.testing.assert_close(pool_areas(plane, Size(3, 5))[0], by_hand)


def test_boxes_cover_their_share_and_ellipses_pi_quarters_of_it():
    edges = np.array([[0.25, 0.25, 0.75, 0.75]] * 2, np.float32)
    rows = BoxRows(np.array([0, 0]), np.array([0, 1]), edges, np.array([False, True]))
    covered = cover_boxes(rows, np.array([0, 1]), 2, Size(32, 32))
    assert float(covered[0, 0].mean()) == pytest.approx(0.25, abs=1e-3)
    assert float(covered[0, 1].mean()) == pytest.approx(0.25 * np.pi / 4, abs=2e-3)
    assert covered[1].sum() == 0
    turned = Moves(torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]), torch.tensor([[0.25, 0.0]]))
    moved = cover_boxes(BoxRows(rows.case[:1], rows.finding[:1], edges[:1], rows.ellipse[:1]),
                        np.array([0]), 1, Size(32, 32), turned)  # fmt: skip
    assert centre(moved[0, 0]) == pytest.approx((0.75, 0.5), abs=0.01)


def test_a_corner_marker_lies_in_the_square_where_its_coordinates_say():
    image = np.zeros((60, 90), np.uint8)
    image[:6, 84:] = 255
    place = Letterbox(Size(60, 90), 45)
    square = place.fit(image)
    assert (place.height, place.width, place.top, place.left) == (30, 45, 7, 0)
    assert centre(torch.from_numpy(square.astype(np.float32))) == pytest.approx(
        place.place(np.array([87 / 90, 3 / 60])).tolist(), abs=0.01
    )
    assert square[:7].max() == square[37:].max() == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(8, 64))
def test_a_letterbox_keeps_the_aspect_and_turns_back(height, width, side):
    place = Letterbox(Size(height, width), side)
    assert max(place.height, place.width) == side
    assert abs(place.height * max(height, width) / side - height) <= max(height, width) / side
    points = np.random.default_rng(0).random((5, 2))
    np.testing.assert_allclose(place.on_image(place.place(points)), points, atol=1e-9)
    x0, y0, x1, y1 = place.frame
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1


def test_a_map_of_the_square_is_cut_to_the_image():
    place = Letterbox(Size(40, 80), 64)
    plane = np.zeros((16, 16), np.float32)
    plane[4:12] = np.arange(16)[None]
    shown = place.map_on_image(plane, Size(8, 16))
    np.testing.assert_allclose(shown[2:6], np.tile(np.arange(16.0), (4, 1)), atol=1e-4)


def test_a_letterbox_refuses_another_image():
    with pytest.raises(DataError, match="expected an image of"):
        Letterbox(Size(4, 4), 8).fit(np.zeros((5, 4), np.uint8))
    with pytest.raises(DataError, match="positive"):
        Letterbox(Size(0, 4), 8)
