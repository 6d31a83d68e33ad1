"""Each part on images whose lesion is known, and on images and gaze that tell little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pseudomask_making import dice, ellipse, evidence_of, gaze_on, painted

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.evidence import PriorSettings
from gaze_insight.pseudomask.parts import (
    PARTS,
    AppearancePart,
    CrfPart,
    GrabCutPart,
    HeatPart,
    PriorPart,
    RandomWalkPart,
    part_names,
)
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.types import Settings, Size

SIZE = Size(72, 96)
AT = {"x": 0.55, "y": 0.45, "rx": 0.2, "ry": 0.24}
TRUTH = ellipse(SIZE, **AT)
ALL = (
    HeatPart(), PriorPart(), CrfPart(), CrfPart(unary="heat"),
    AppearancePart(), GrabCutPart(), RandomWalkPart(),
)  # fmt: skip
LOOKING = (CrfPart(), AppearancePart(), GrabCutPart(), RandomWalkPart())
NOISE = np.random.default_rng(0).integers(0, 255, (72, 96, 3)).astype(np.uint8)


def soft_of(part, image, gaze, long_side_px: int = 96) -> np.ndarray:
    """Make a part's soft mask, and check what holds for all of them."""
    evidence = evidence_of(image, gaze, long_side_px=long_side_px)
    before = evidence.image.copy()
    soft = PARTS[part.kind].make(evidence, part)
    assert soft.shape == evidence.size
    assert soft.dtype == np.float32
    assert np.isfinite(soft).all()
    assert 0 <= soft.min() <= soft.max() <= 1
    np.testing.assert_array_equal(evidence.image, before)
    return soft


# The least Dice on each drawing, a little below what is reached; the prior alone reaches 0.86.
@pytest.mark.parametrize(
    ("colours", "least"),
    [
        (([200, 120, 100], [120, 70, 60], 5), [0.97, 0.97, 0.97, 0.97]),  # colour
        ((150, 90, 5), [0.97, 0.97, 0.97, 0.97]),  # grey
        ((96, 90, 0), [0.95, 0.95, 0.97, 0.75]),  # grey, steps of 6
        (([96, 90, 90], [90, 84, 84], 0), [0.95, 0.95, 0.97, 0.75]),  # colour, steps of 6
        ((60, 180, 5), [0.97, 0.97, 0.97, 0.97]),  # darker than its surroundings
    ],
)
def test_a_part_that_looks_finds_the_drawn_lesion(colours, least):
    image = painted(TRUTH, *colours)
    found = [dice(soft_of(part, image, gaze_on(**AT)) >= 0.5, TRUTH) for part in LOOKING]
    names = [part.kind for part in LOOKING]
    assert [n for n, f, low in zip(names, found, least, strict=True) if f < low] == [], dict(
        zip(names, found, strict=True)
    )
    vote = make_pseudo_mask(image, gaze_on(**AT), PseudoMaskSettings(working_long_side_px=96))
    assert dice(vote.comprehensive == 1, TRUTH) >= min(found)


def test_gaze_alone_is_worse_than_gaze_and_looks():
    image = painted(TRUTH, [200, 120, 100], [120, 70, 60], noise=5)
    alone = [dice(soft_of(part, image, gaze_on(**AT)) >= 0.5, TRUTH) for part in (HeatPart(), PriorPart())]
    together = [dice(soft_of(part, image, gaze_on(**AT)) >= 0.5, TRUTH) for part in LOOKING]
    assert max(alone) < min(together)


@pytest.mark.parametrize(
    ("part", "least"), [(AppearancePart(), 0.28), (GrabCutPart(), 0.55), (RandomWalkPart(), 0.75)]
)
def test_a_lesion_of_half_a_percent_of_the_image_is_found(part, least):
    size = Size(192, 256)
    truth = ellipse(size, 0.3, 0.6, 0.035, 0.0466)
    assert 0.0045 < truth.mean() < 0.0055
    image = painted(truth, [210, 90, 90], [130, 80, 70], noise=4)
    gaze = gaze_on(0.3, 0.6, 0.035, 0.0466)
    assert dice(soft_of(part, image, gaze, 256) >= 0.5, truth) > least
    vote = make_pseudo_mask(image, gaze, PseudoMaskSettings(working_long_side_px=256)).soft >= 0.5
    assert vote[truth].mean() > 0.95
    assert dice(vote, truth) > 0.5
    sharp = PseudoMaskSettings(working_long_side_px=256, prior=PriorSettings(heat_weight=0))
    assert dice(make_pseudo_mask(image, gaze, sharp).soft >= 0.5, truth) > 0.75


GAZES = {
    "spread": gaze_on(**AT).to_rows(),
    "on one spot": [(0.5, 0.5, 200.0, float(i)) for i in range(9)],
    "one": [(0.5, 0.5, 200.0, 0.0)],
    "two": [(0.5, 0.5, 200.0, 0.0), (0.6, 0.4, 200.0, 300.0)],
    "at the corners": [
        (x, y, 200.0, float(i)) for i, (x, y) in enumerate([(0.5, 0.5), (0, 0), (1, 1), (0, 1), (1, 0)])
    ],
    "mostly off": [(1.5, 0.5, 200.0, 0.0), (0.5, -0.5, 200.0, 1.0), (0.6, 0.4, 200.0, 2.0)],
}
IMAGES = {
    "noise": NOISE,
    "one colour": np.full((72, 96, 3), 77, np.uint8),
    "black": np.zeros((72, 96), np.uint8),
    "white": np.full((72, 96), 255, np.uint8),
    "one wide": NOISE[:, :1],
    "one high": NOISE[:1],
    "one pixel": NOISE[:1, :1],
    "long": NOISE[:7],
    "checked": (np.indices((72, 96)).sum(axis=0) % 2 * 255).astype(np.uint8),
}


@pytest.mark.parametrize("gaze", GAZES)
@pytest.mark.parametrize("image", IMAGES)
def test_every_part_gives_a_soft_mask_of_whatever_is_there(image, gaze):
    rows = Fixations.from_rows(GAZES[gaze])
    for part in ALL:
        soft_of(part, IMAGES[image], rows, 48)
    mask = make_pseudo_mask(IMAGES[image], rows, PseudoMaskSettings(working_long_side_px=48))
    assert all(np.isfinite(value) for value in mask.features.values())


@pytest.mark.parametrize("gaze", ["on one spot", "one", "two"])
def test_little_gaze_labels_what_was_looked_at_and_little_else(gaze):
    mask = make_pseudo_mask(NOISE, Fixations.from_rows(GAZES[gaze]))
    at = np.array(GAZES[gaze][-1][1::-1]) * mask.soft.shape
    assert mask.comprehensive[tuple(at.astype(int))] == 1
    assert 0 < mask.comprehensive.mean() < 0.15


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.kind)
def test_an_image_of_one_colour_leaves_gaze_alone_to_speak(part):
    evidence = evidence_of(IMAGES["one colour"], gaze_on(**AT))
    soft = PARTS[part.kind].make(evidence, part)
    assert np.corrcoef(soft.ravel(), evidence.prior.ravel())[0, 1] > 0.6
    assert (evidence.prior[soft >= 0.5] > 0.2).all()


@given(st.integers(0, 10**6), st.sampled_from(ALL[1:]))
@settings(max_examples=25, deadline=None)
def test_a_mirrored_case_gives_the_mirrored_mask(seed, part):
    image = painted(TRUTH, [200, 120, 100], [120, 70, 60], noise=3, seed=seed)
    gaze = gaze_on(**AT, seed=seed)
    other = Fixations.from_rows([(1 - x, y, d, t) for x, y, d, t in gaze.to_rows()])
    here, there = soft_of(part, image, gaze), soft_of(part, np.ascontiguousarray(image[:, ::-1]), other)
    assert np.mean((here >= 0.5) != (there[:, ::-1] >= 0.5)) < 0.005


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.kind)
def test_brightening_the_whole_image_changes_little(part):
    image = painted(TRUTH, [160, 110, 100], [110, 70, 60], noise=4)
    here, there = (soft_of(part, one, gaze_on(**AT)) >= 0.5 for one in (image, image + np.uint8(40)))
    assert dice(here, there) > 0.97


def test_the_clip_lets_looks_overrule_gaze():
    image = painted(ellipse(SIZE, 0.55, 0.45, 0.1, 0.12), 200, 60)
    evidence = evidence_of(image, gaze_on(**AT), PriorSettings(softness_frac=0.001))
    crf = {"bilateral_sxy_px": 20, "bilateral_srgb": 7, "compat": 5, "reference_long_side_px": 256}
    held, free = (
        PARTS["crf"].make(evidence, CrfPart(clip_logit=clip, crf=crf)) >= 0.5 for clip in (None, 0.5)
    )
    assert np.mean(held != (evidence.prior >= 0.5)) < np.mean(free != (evidence.prior >= 0.5))


def test_parts_are_named_by_kind_and_numbered():
    assert part_names(ALL) == [
        "heat", "prior", "crf", "crf_2", "appearance", "grabcut", "random_walk"
    ]  # fmt: skip
    with pytest.raises(SettingsError, match="must have a field 'kind', found none"):
        part_names([Settings()])
    for kind in PARTS:
        assert PARTS[kind].settings_type().kind == kind
