"""A part from a user's own module: named in the configuration, voted with, stored, and refused when wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from pseudomask_making import gaze_on

from gaze_insight.config.loading import compose, load_config, to_yaml
from gaze_insight.errors import SettingsError
from gaze_insight.pseudomask.parts import PARTS, Part, PartSettings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask, provenance
from gaze_insight.pseudomask.stored import made_by, to_arrays

MODULE = """
from __future__ import annotations

from typing import Literal

from pydantic import Field

from gaze_insight.pseudomask.parts import PARTS, Part, PartSettings


class BrightPart(PartSettings):
    kind: Literal["bright"] = "bright"
    least_level: int = Field(128, ge=0, le=255)


def bright(evidence, settings):
    return (evidence.image.mean(axis=2) >= settings.least_level).astype("float32")


BRIGHT = PARTS.register("bright")(Part(BrightPart, bright, version=7))
"""
NAME = "users_own_bright_part"
IMAGE = np.repeat((np.indices((48, 64))[1] * 4).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def bright(tmp_path, monkeypatch):
    (tmp_path / f"{NAME}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(PARTS, "_entries", dict(PARTS._entries))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    yield import_module(NAME)
    sys.modules.pop(NAME, None)


def test_it_is_chosen_by_kind_and_votes(bright, tmp_path):
    config = compose(overrides=["labels.parts=[{kind: bright, least_level: 200, weight: 3}, {kind: heat}]"])
    assert type(config.labels.parts[0]) is bright.BrightPart
    mask = make_pseudo_mask(IMAGE, gaze_on(0.5, 0.5, 0.2, 0.2), config.labels)
    assert list(mask.parts) == ["bright", "heat"]
    alone = make_pseudo_mask(
        IMAGE, gaze_on(0.5, 0.5, 0.2, 0.2), compose(overrides=["labels.parts=[{kind: bright}]"]).labels
    )
    assert alone.comprehensive[:, -20:].all()
    assert not alone.comprehensive[:, :20].any()
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load_config(tmp_path / "config.yaml") == config


def test_its_version_and_settings_are_stored_with_the_label(bright):
    settings = PseudoMaskSettings(parts=({"kind": "bright", "least_level": 9},))
    mask = make_pseudo_mask(IMAGE, gaze_on(0.5, 0.5, 0.2, 0.2), settings)
    assert made_by(to_arrays(mask, settings)) == [
        {"name": "bright", "version": 7, "settings": {"kind": "bright", "weight": 1.0, "least_level": 9}}
    ]


@pytest.mark.parametrize(
    ("part", "message", "remedy"),
    [
        ("{kind: brihgt}", "unknown part of a pseudo-mask 'brihgt'; known: appearance, bright", "'bright'"),
        ("{kind: bright, least_levl: 3}", "unknown key 'labels.parts.1.least_levl'", "'least_level'"),
        ("{kind: bright, least_level: 999}", "labels.parts.1.least_level: expected less than", None),
        ("{kind: bright, weight: -1}", "labels.parts.1.weight: expected greater than 0, found -1", None),
        ("{kind: 3}", "each part needs the name of a part as its kind, found 3", "bright"),
    ],
)
def test_a_wrong_part_is_named_with_its_place(bright, part, message, remedy):
    with pytest.raises(SettingsError) as caught:
        compose(overrides=[f"labels.parts=[{{kind: heat}}, {part}]"])
    assert message in caught.value.message
    assert remedy is None or remedy in caught.value.remedy


def test_an_unregistered_part_is_unknown():
    with pytest.raises(SettingsError, match="unknown part of a pseudo-mask 'bright'"):
        PseudoMaskSettings(parts=({"kind": "bright"},))


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(SettingsError, match="'heat' is registered already"):
        PARTS.register("heat")(Part(PartSettings, lambda *_: None))


def test_provenance_reads_the_version_that_is_registered(bright, monkeypatch):
    settings = PseudoMaskSettings(parts=({"kind": "bright"},))
    monkeypatch.setitem(PARTS._entries, "bright", Part(bright.BrightPart, bright.bright, version=8))
    assert provenance(settings)[0]["version"] == 8


def test_settings_sent_to_another_process_bring_the_module_with_them(bright, tmp_path):
    (tmp_path / "settings.pkl").write_bytes(
        pickle.dumps(PseudoMaskSettings(parts=({"kind": "bright", "least_level": 4},)))
    )
    program = (
        "import pickle, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "settings = pickle.loads(Path(sys.argv[1], 'settings.pkl').read_bytes());"
        "from gaze_insight.pseudomask.recipe import provenance; print(provenance(settings)[0]['version'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(Path(tmp_path))], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "7"
