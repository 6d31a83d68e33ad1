"""A pseudo-mask as arrays and back, with the provenance of its parts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pseudomask_making import ellipse, gaze_on, painted

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.pseudomask.parts import PARTS, CrfPart, GrabCutPart
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask, provenance
from gaze_insight.pseudomask.stored import from_arrays, made_by, to_arrays
from gaze_insight.types import Size

IMAGE = painted(ellipse(Size(60, 80), 0.5, 0.5, 0.3, 0.3), 170, 90, noise=9)
GAZE = gaze_on(0.5, 0.5, 0.2, 0.2)
TWO = PseudoMaskSettings(parts=(GrabCutPart(), CrfPart(weight=2), GrabCutPart(cut={"iterations": 1})))


def through_a_file(arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("settings", [PseudoMaskSettings(), TWO, PseudoMaskSettings.gazemedseg_kvasir()])
def test_what_comes_back_is_what_was_stored(settings):
    mask = make_pseudo_mask(IMAGE, GAZE, settings)
    again = from_arrays(through_a_file(to_arrays(mask, settings)))
    np.testing.assert_array_equal(again.sparse, mask.sparse)
    np.testing.assert_array_equal(again.comprehensive, mask.comprehensive)
    np.testing.assert_allclose(again.soft, mask.soft, atol=2.5e-4)
    np.testing.assert_allclose(again.trust, mask.trust, atol=1 / 510 + 1e-6)
    assert list(again.parts) == list(mask.parts)
    for name, part in mask.parts.items():
        np.testing.assert_allclose(again.parts[name], part, atol=1 / 510 + 5e-4)
    assert dict(again.features) == dict(mask.features)
    assert again.soft.dtype == again.trust.dtype == np.float32
    assert {part.dtype for part in again.parts.values()} == {np.dtype(np.float16)}


def test_storing_twice_loses_nothing_more():
    mask = make_pseudo_mask(IMAGE, GAZE, TWO)
    once = to_arrays(mask, TWO)
    twice = to_arrays(from_arrays(once), TWO)
    assert once.keys() == twice.keys()
    for name, array in once.items():
        np.testing.assert_array_equal(twice[name], array)


def test_a_mask_without_gaze_is_stored_too():
    mask = make_pseudo_mask(IMAGE, Fixations.empty(), TWO)
    again = from_arrays(to_arrays(mask, TWO))
    assert not again.soft.any()
    assert again.features == {}
    assert again.parts == {}


def test_the_artefact_says_by_what_each_part_was_made():
    arrays = through_a_file(to_arrays(make_pseudo_mask(IMAGE, GAZE, TWO), TWO))
    records = made_by(arrays)
    assert records == provenance(TWO)
    assert [one["name"] for one in records] == ["grabcut", "crf", "grabcut_2"]
    assert [one["version"] for one in records] == [PARTS[part.kind].version for part in TWO.parts]
    assert records[2]["settings"]["cut"]["iterations"] == 1
    assert records[1]["settings"]["weight"] == 2
    for record, part in zip(records, TWO.parts, strict=True):
        assert PARTS[part.kind].settings_type.model_validate(record["settings"]) == part


def test_features_keep_their_order():
    arrays = to_arrays(make_pseudo_mask(IMAGE, GAZE), PseudoMaskSettings())
    assert arrays["features"].shape == (len(FEATURES),)
    assert list(from_arrays(arrays).features) == list(FEATURES)


def test_what_is_missing_is_named():
    arrays = to_arrays(make_pseudo_mask(IMAGE, GAZE), PseudoMaskSettings())
    for name in ("features", "soft", "sparse", "comprehensive", "trust"):
        with pytest.raises(KeyError, match=name):
            from_arrays({key: value for key, value in arrays.items() if key != name})
