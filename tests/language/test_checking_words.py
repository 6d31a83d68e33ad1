"""Words held against what label, gaze and image show."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_making import make_blob, make_description
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.checking import WordCheck, check_against, check_description, word_weight
from gaze_insight.language.measured import MeasuredSettings, describe_measured
from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.language.symmetry import apply_symmetry
from gaze_insight.language.word_evidence import CheckSettings, WordEvidence, gather_evidence
from gaze_insight.types import Size

PLACES = LOCATIONS[:9]
SHARES = st.lists(st.floats(0, 1), min_size=9, max_size=9).filter(lambda cells: sum(cells) > 0.01)


def looking_at(row: float, column: float) -> Fixations:
    return Fixations.from_rows([(column, row, 300, 0), (column + 0.01, row, 500, 400)])


def square(cell: int, side: int = 60, inside: float = 0.9) -> np.ndarray:
    """A label that fills one cell of the nine."""
    soft = np.zeros((side, side), np.float32)
    row, column = divmod(cell, 3)
    third = side // 3
    soft[row * third : (row + 1) * third, column * third : (column + 1) * third] = inside
    return soft


def cells_of(mass: np.ndarray) -> list[float]:
    """Shares of nine cells, pixel by pixel."""
    found = [0.0] * 9
    height, width = mass.shape
    for row, column in product(range(height), range(width)):
        found[3 * int(3 * (row + 0.5) / height) + int(3 * (column + 0.5) / width)] += float(mass[row, column])
    return [value / sum(found) for value in found]


def location_by_loops(cells: list[float], named: int, credit: float) -> float:
    near = []
    for one in range(9):
        total = 0.0
        for other in range(9):
            down, across = abs(one // 3 - other // 3), abs(one % 3 - other % 3)
            total += (1, credit, 0)[down] * (1, credit, 0)[across] * cells[other]
        near.append(total)
    return near[named] / max(near)


def test_the_cells_of_label_and_gaze_are_counted_pixel_by_pixel_and_by_time():
    rng = np.random.default_rng(3)
    soft = rng.uniform(0, 1, (17, 23)).astype(np.float32)
    gaze = Fixations.from_rows(
        [(0.1, 0.1, 100, 0), (0.9, 0.9, 300, 200), (0.5, 0.99, 600, 600), (1.4, 0.5, 900, 1300)]
    )
    seen = gather_evidence(soft, gaze, settings=CheckSettings(likely=0.3, sure=0.8))
    assert seen.label_cells == pytest.approx(cells_of(np.where(soft >= 0.3, soft, 0)), abs=1e-6)
    assert seen.gaze_cells == pytest.approx([0.1, 0, 0, 0, 0, 0, 0, 0.6, 0.3])
    assert seen.likely_area_frac == pytest.approx((soft >= 0.3).mean())
    assert seen.sure_area_frac == pytest.approx((soft >= 0.8).mean())
    assert seen.area_frac == pytest.approx((soft >= 0.4).mean())
    assert seen.presence == pytest.approx(soft[soft >= 0.4].mean(), abs=1e-6)
    assert seen.boundary is None


@settings(max_examples=40, deadline=None)
@given(SHARES, SHARES, st.integers(0, 8), st.floats(0, 0.9))
def test_the_location_follows_its_formula(label, gaze, named, credit):
    label, gaze = ([value / sum(cells) for value in cells] for cells in (label, gaze))
    own = CheckSettings(neighbour_credit=credit)
    evidence = WordEvidence(
        label_cells=label, gaze_cells=gaze, sure_area_frac=0.1, area_frac=0.1, likely_area_frac=0.15
    )
    check = check_against(make_description(location=PLACES[named], area_percentage=12), evidence, own)
    expected = max(location_by_loops(cells, named, credit) for cells in (label, gaze))
    assert check.location_agreement == pytest.approx(expected, abs=1e-9)
    assert check.gaze_share == pytest.approx(gaze[named])
    assert check.hallucination == pytest.approx(1 - (1 - 0.9 * (1 - expected)), abs=1e-9)
    assert ("location" in check.wrong) == (check.location_agreement < 0.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 8), st.integers(0, 7), st.integers(0, 8), st.floats(0.5, 60))
def test_a_mirrored_picture_with_mirrored_words_has_the_same_score(cell, code, named, area):
    torch = pytest.importorskip("torch")
    soft = square(cell)
    words = make_description(location=PLACES[named], area_percentage=area)
    moved = apply_symmetry(torch.from_numpy(soft), code).numpy()
    one, other = check_description(words, soft), check_description(words.under(code), moved)
    assert one.hallucination == pytest.approx(other.hallucination, abs=1e-6)


@pytest.mark.parametrize(
    ("percent", "agreement"),
    [
        (10, 1.0),
        (8, 1.0),
        (37.5, 1.0),
        (4, math.exp(-0.5)),
        (75, math.exp(-0.5)),
        (2, math.exp(-2)),
        (0, math.exp(-0.5 * (math.log(0.08 / 1e-4) / math.log(2)) ** 2)),
    ],
)
def test_an_area_agrees_within_its_interval_and_less_beyond(percent, agreement):
    evidence = WordEvidence(
        label_cells=(1.0, *[0.0] * 8), sure_area_frac=0.1, area_frac=0.2, likely_area_frac=0.3
    )
    check = check_against(make_description(area_percentage=percent), evidence)
    assert check.area_agreement == pytest.approx(agreement)
    assert check.wrong == (("area_percentage",) if agreement < 0.5 else ())


@pytest.mark.parametrize(
    ("said", "measured", "near", "agreement"),
    [
        ("clear", "clear", ("clear",), 1.0),
        ("ambiguous", "clear", ("clear",), 0.0),
        ("ambiguous", "clear", ("clear", "ambiguous"), 1.0),
        ("irregular", "clear", ("clear",), 0.5),
        ("clear", "irregular", ("irregular",), 0.5),
    ],
)
def test_a_boundary_agrees_with_the_measured_one_or_a_near_one(said, measured, near, agreement):
    evidence = WordEvidence(
        label_cells=(1.0, *[0.0] * 8),
        sure_area_frac=0.1,
        likely_area_frac=0.2,
        boundary=measured,
        boundaries=near,
    )
    check = check_against(make_description(boundary=said), evidence)
    assert check.boundary_agreement == agreement
    assert check.hallucination == pytest.approx(0.15 * (1 - agreement))


@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_measured_words_are_borne_out_and_every_corruption_raises_the_score(blur):
    image, soft = make_blob(row=0.2, column=0.8, radii=(12, 14), blur=blur)
    gaze = looking_at(0.2, 0.8)
    own = CheckSettings(boundary_tolerance=1)
    said = describe_measured(image, soft, gaze)
    right = check_description(said, soft, gaze, image, own)
    assert (right.hallucination, right.wrong, right.reasons) == (pytest.approx(0, abs=0.02), (), ())
    opposite = {"clear": "ambiguous", "ambiguous": "clear"}[said.boundary]
    for name, value in (("location", "lower left"), ("area_percentage", 60.0), ("boundary", opposite)):
        wrong = check_description(said.model_copy(update={name: value}), soft, gaze, image, own)
        assert wrong.hallucination > right.hallucination + 0.1
        assert wrong.wrong == (name,)
        assert len(wrong.reasons) == 1


def test_contradictions_add_up_and_none_exceeds_its_weight():
    soft = square(0)
    words = make_description(location="lower right", area_percentage=11)
    alone = check_description(words, soft).hallucination
    both = check_description(words.model_copy(update={"area_percentage": 100.0}), soft)
    assert alone == pytest.approx(0.9)
    assert 0.9 < both.hallucination < 1
    assert both.wrong == ("location", "area_percentage")
    assert "lower right" in both.reasons[0]
    assert "upper left" in both.reasons[0]
    assert "100 %" in both.reasons[1]


def test_a_place_that_gaze_bears_out_is_not_held_against_the_words_where_the_label_is_elsewhere():
    said = make_description(location="lower centre", area_percentage=11)
    check = check_description(said, square(0), looking_at(0.9, 0.5))
    assert (check.location_agreement, check.gaze_share, check.hallucination) == (1.0, 1.0, 0.0)


def test_a_neighbouring_cell_counts_in_part_and_a_diagonal_one_less():
    agreements = [
        check_description(make_description(location=place), square(0)).location_agreement
        for place in ("upper left", "upper centre", "centre", "upper right", "lower right")
    ]
    assert agreements == pytest.approx([1, 0.4, 0.16, 0, 0])


def test_words_that_see_nothing_where_gaze_points_are_a_hallucination_of_absence():
    nothing = Description.nothing_seen("x")
    missed = check_description(nothing, square(4, inside=0.9), looking_at(0.5, 0.5))
    assert missed.hallucination == pytest.approx(0.9, abs=1e-6)
    assert missed.wrong == ("location",)
    assert "see nothing" in missed.reasons[0]
    assert "centre" in missed.reasons[0]
    assert (missed.area_agreement, missed.boundary_agreement, missed.gaze_share) == (None, None, None)
    speck = np.zeros((100, 100), np.float32)
    speck[0, 0] = 0.9
    below_the_smallest = check_description(nothing, speck, looking_at(0.5, 0.5))
    assert (below_the_smallest.hallucination, below_the_smallest.wrong) == (0.0, ())


def test_a_lesion_named_where_gaze_finds_no_region_is_held_against_the_gaze_alone():
    empty = np.zeros((30, 30), np.float32)
    right = check_description(make_description(location="lower right"), empty, looking_at(0.9, 0.9))
    wrong = check_description(make_description(location="upper left"), empty, looking_at(0.9, 0.9))
    assert (right.hallucination, right.area_agreement) == (0.0, None)
    assert wrong.hallucination == pytest.approx(0.9)
    assert wrong.gaze_share == 0


@pytest.mark.parametrize("gaze", [None, Fixations.empty(), Fixations.from_rows([(1.5, 1.5, 200, 0)])])
def test_without_gaze_and_label_nothing_is_checked_and_the_words_keep_their_weight(gaze):
    check = check_description(make_description(), np.zeros((9, 9), np.float32), gaze)
    assert not check.checked
    assert check.hallucination == 0
    assert "nothing to check against" in check.reasons[0]
    assert word_weight(check, CheckSettings(floor=0.2)) == 1


def test_the_weight_is_what_is_left_of_the_trust_and_has_a_floor():
    checks = [WordCheck(None, None, None, None, score) for score in (0.0, 0.3, 1.0)]
    assert [word_weight(check) for check in checks] == pytest.approx([1, 0.7, 0])
    assert word_weight(checks[2], CheckSettings(floor=0.25)) == 0.25


def test_pixel_fixations_need_only_the_image():
    image, soft = make_blob(row=0.2, column=0.8)
    pixels = looking_at(0.2, 0.8).to_frame("image_px", image_size=Size(*image.shape[:2]))
    unit = gather_evidence(soft, looking_at(0.2, 0.8), image)
    assert gather_evidence(soft, pixels, image) == unit


def test_near_thresholds_name_further_boundaries():
    image, soft = make_blob(lightness=(104, 90), blur=0.35)
    strict = gather_evidence(soft, None, image, CheckSettings(boundary_tolerance=1))
    wide = gather_evidence(soft, None, image, CheckSettings(boundary_tolerance=8))
    assert strict.boundaries == (strict.boundary,)
    assert set(wide.boundaries) > set(strict.boundaries)
    own = MeasuredSettings(clear_edge=1e-3)
    assert gather_evidence(soft, None, image, CheckSettings(measured=own)).boundary == "clear"


@pytest.mark.parametrize(
    ("soft", "words"),
    [
        (np.zeros((4, 4, 1)), r"\(h, w\)"),
        (np.zeros((0, 4)), r"\(h, w\)"),
        (np.full((4, 4), 1.5), r"\[0, 1\]"),
        (np.full((4, 4), np.nan), r"\[0, 1\]"),
    ],
)
def test_what_is_no_probability_is_refused(soft, words):
    with pytest.raises(DataError, match=words):
        check_description(make_description(), soft)


def test_an_image_of_another_type_is_refused():
    with pytest.raises(DataError, match="uint8"):
        check_description(make_description(), square(0), None, np.zeros((60, 60)))


def test_thresholds_must_be_in_order():
    with pytest.raises(ValidationError, match="likely <= sure"):
        CheckSettings(likely=0.9, sure=0.5)


def test_evidence_survives_being_stored():
    image, soft = make_blob()
    seen = gather_evidence(soft, looking_at(0.5, 0.5), image)
    assert WordEvidence.model_validate(seen.model_dump(mode="json")) == seen
