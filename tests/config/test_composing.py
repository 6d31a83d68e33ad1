"""Presets, files and single settings become one checked configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.config.loading import compose, list_presets, to_yaml
from gaze_insight.config.overrides import merge
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.tasks import compose_task, load_run_config
from gaze_insight.errors import SettingsError
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.recipe import PseudoMaskSettings

VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def leaves(tree: dict, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    found: dict[tuple[str, ...], object] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, (*above, key))
        elif not isinstance(value, dict):
            found[(*above, key)] = value
    return found


@given(TREES, TREES)
def test_merge_keeps_every_leaf_of_the_update_and_touches_no_argument(base, update):
    before = repr((base, update))
    merged = leaves(merge(base, update))
    assert leaves(update).items() <= merged.items()
    assert merged.keys() <= leaves(base).keys() | leaves(update).keys()
    assert repr((base, update)) == before


@given(TREES)
def test_merge_with_nothing_changes_nothing(tree):
    assert merge(tree, {}) == tree == merge({}, tree)


def test_a_mapping_of_another_kind_is_replaced_and_one_of_the_same_kind_merged():
    base = {"m": {"kind": "x", "p": 1, "q": 2}}
    assert merge(base, {"m": {"kind": "y", "r": 3}}) == {"m": {"kind": "y", "r": 3}}
    assert merge(base, {"m": {"kind": "x", "p": 5}}) == {"m": {"kind": "x", "p": 5, "q": 2}}
    assert merge(base, {"m": None}) == {"m": None}


def test_overrides_win_over_files_over_presets_over_defaults(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("training: {batch_size: 5, input_size_px: 96}\nseed: 1\n")
    second.write_text("training: {batch_size: 6}\nseed: 2\n")
    config = compose(["kvasir_cpu"], [first, second], ["seed=3"])
    assert config.method.student_epochs == 10  # the preset's
    assert config.training.input_size_px == 96  # the first file's, over the preset's 160
    assert config.training.batch_size == 6  # the second file's
    assert config.seed == 3
    assert config.training.gradient_clip == RunConfig().training.gradient_clip
    assert compose(["kvasir_cpu"], [second, first]).seed == 1


def test_a_later_preset_wins_and_another_method_brings_its_own_defaults():
    config = compose(["kvasir_cpu", "unet_masks"])
    assert (config.method_name, config.method.target) == ("unet", "mask")
    assert config.method == METHODS["unet"].settings_type(target="mask")
    assert config.training.input_size_px == 160


def test_an_override_can_change_the_kind_and_then_its_settings():
    config = compose(
        overrides=["training.optimizer.kind=sgd", "training.optimizer.momentum=0.5", "method.kind=unet"]
    )
    assert config.training.optimizer.momentum == 0.5
    assert config.training.optimizer.learning_rate == 1e-2
    assert config.method_name == "unet"


def test_values_are_yaml():
    config = compose(
        overrides=[
            "training.ema_decay=null",
            "labels.prior.cluster_gap_frac=null",
            "method.darm={budget_frac: 0.2}",
        ]
    )
    assert config.training.ema_decay is None
    assert config.labels.prior.cluster_gap_frac is None
    assert config.method.darm.budget_frac == 0.2


@pytest.mark.parametrize("preset", [None, *list_presets()])
def test_what_is_saved_is_read_back_equal(preset, tmp_path):
    config = compose_task([preset] if preset else [], overrides=["training.optimizer.learning_rate=1e-5"])
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load_run_config(tmp_path / "config.yaml") == config


def test_every_preset_says_in_a_line_what_it_is():
    assert all(len(summary) > 20 for summary in list_presets().values())


@pytest.mark.parametrize(
    ("override", "place", "nearest"),
    [
        ("sed=1", "'sed'", "'seed'"),
        ("trainin.batch_size=1", "'trainin'", "'training'"),
        ("training.bach_size=1", "'training.bach_size'", "'batch_size'"),
        ("training.optimizer.learning_rat=1", "'training.optimizer.learning_rat'", "'learning_rate'"),
        ("training.augmentation.hu=1", "'training.augmentation.hu'", "'hue'"),
        ("labels.parts=[{kind: heat}, {kind: crf, wieght: 3}]", "'labels.parts.1.wieght'", "'weight'"),
        (
            "labels.parts=[{kind: crf, crf: {iteration: 3}}]",
            "'labels.parts.0.crf.iteration'",
            "'iterations'",
        ),
        ("labels.parts=[{kind: grabcat}]", "'grabcat'", "'grabcut'"),
        ("labels.prior.heatmap.sigma=1", "'labels.prior.heatmap.sigma'", "'sigma_frac'"),
        ("language.encoder.di=3", "'language.encoder.di'", "'dim'"),
        ("language.describer.contrst=3", "'language.describer.contrst'", "'contrast'"),
        ("method.afc_wieght=0", "'method.afc_wieght'", "'afc_weight'"),
        ("method.darm.blok_px=0", "'method.darm.blok_px'", "'block_px'"),
        ("method.network.encodr=unet", "'method.network.encodr'", "'encoder'"),
        ("method.kind=fgy", "'fgy'", "'fgi'"),
        ("language.encoder.kind=attribute", "language.encoder.kind", "'attributes'"),
        ("training.optimizer.kind=adm", "training.optimizer.kind", "'adam'"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known(override, place, nearest):
    with pytest.raises(SettingsError) as caught:
        compose(overrides=[override])
    assert place in caught.value.message
    assert caught.value.remedy == f"did you mean {nearest}?"


def test_where_nothing_is_near_the_known_keys_are_listed():
    with pytest.raises(SettingsError, match=r"known: .*seed, training"):
        compose(overrides=["xyz=1"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.batch_size=0", "training.batch_size: expected greater than or equal to 1, found 0"),
        ("training.batch_size=many", "found 'many'"),
        ("training=3", "training: expected a mapping of settings, found 3"),
        ("method=null", "method: expected a mapping of settings, found None"),
        ("method.kind=[1]", "method.kind: expected the name of a method, found \\[1\\]"),
        ("method.tau_positive=0.2", "method.tau_positive: .* found 0.2"),
        ("method.network.student_channels=[4, 4]", "method.network.student_channels.2: expected a value"),
        ("labels.levels.comprehensive=0.9", "labels.levels: .* must hold"),
        ("labels.parts=[{kind: heat, weight: 0}]", "labels.parts.0.weight: expected greater than 0, found 0"),
        ("labels.parts=[{weight: 1}]", "labels.parts: each part needs the name of a part as its kind"),
        ("labels.parts=[grabcut]", "labels.parts.0: expected a mapping of settings, found 'grabcut'"),
        ("labels.parts=[]", "labels.parts: expected at least 1 item, found "),
        ("language.describer.kind=file", "language.describer.path: expected a value, found none"),
        ("schema_version=2", "schema_version: expected 1, found 2"),
        ("training.batch_size=[", "not valid YAML"),
        ("seed", "--set expects dotted.key=value, found 'seed'"),
        ("=3", "--set expects dotted.key=value"),
    ],
)
def test_a_bad_value_is_named_with_its_key_and_origin(override, message):
    with pytest.raises(SettingsError, match=message) as caught:
        compose(overrides=[override])
    assert override.split("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ("seed: 1\ntraining:\n  batch_size: [1\nmethod: {}\n", 4, "not valid YAML"),
        ("seed: 1\nmethod:\n\tkind: unet\n", 3, "not valid YAML"),
        ("seed: 1\ntraining: {}\nseed: 2\n", 3, "'seed' is given twice"),
        ("- 1\n", None, "expected a mapping of keys to values, found list"),
        ("training: {bach_size: 3}\n", None, "did you mean 'batch_size'"),
    ],
)
def test_a_bad_file_is_named_with_its_row(tmp_path, text, row, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        compose(config_files=[path])
    assert str(path) in str(caught.value)
    assert caught.value.row == row


def test_missing_unreadable_and_empty_files(tmp_path):
    with pytest.raises(SettingsError, match="expected a YAML or JSON file, found none"):
        compose(config_files=[tmp_path / "none.yaml"])
    with pytest.raises(SettingsError, match="cannot be read"):
        compose(config_files=[tmp_path])
    (tmp_path / "latin.yaml").write_bytes(b"seed: \xe9")
    with pytest.raises(SettingsError, match="cannot be read"):
        compose(config_files=[tmp_path / "latin.yaml"])
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert compose(config_files=[tmp_path / "empty.yaml"]) == RunConfig()
    with pytest.raises(SettingsError, match=r"unknown preset .kvasir_cp.; known: chest, chest_cpu"):
        compose(["kvasir_cp"])


PLUGIN = """
from typing import ClassVar, Literal
from pydantic import Field
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.methods.unet import UNet, UNetSettings

class MySettings(UNetSettings):
    kind: Literal["mine"] = "mine"
    target: Literal["sparse"] = "sparse"
    patience: int = Field(3, ge=1)

@METHODS.register("mine")
class Mine(UNet):
    settings_type = MySettings
    summary = "a method of my own"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch):
    (tmp_path / "my_method.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    yield "my_method"
    sys.modules.pop("my_method", None)


def test_a_plug_in_method_is_listed_composed_and_checked(plugin, capsys):
    from gaze_insight.cli.app import main

    assert main(["config", "methods", "--plugin", plugin]) == 0
    assert "mine            a method of my own" in capsys.readouterr().out
    assert main(["config", "show", "--plugin", plugin, "--set", "method.kind=mine"]) == 0
    assert "kind: mine" in capsys.readouterr().out
    flags = ["--set", "method.kind=mine", "--set", "method.patiense=4"]
    assert main(["config", "show", "--plugin", plugin, *flags]) == 2
    assert "did you mean 'patience'?" in capsys.readouterr().err


def test_a_plug_in_that_cannot_be_imported_is_a_settings_error(capsys):
    from gaze_insight.cli.app import main

    assert main(["config", "show", "--plugin", "no_such_module"]) == 2
    assert "the plug-in 'no_such_module' cannot be imported" in capsys.readouterr().err


def test_a_yardstick_beside_a_preset_keeps_its_network_and_length():
    config = compose(["kvasir", "unet_masks"])
    assert config.method.kind == "unet"
    assert config.method.network.encoder == "unet"
    assert config.method.student_epochs == compose(["kvasir"]).method.student_epochs


def test_the_preset_of_the_papers_scale_has_gazemedsegs_labels():
    found, expected = compose(["kvasir"]).labels, PseudoMaskSettings.gazemedseg_kvasir()
    sigma = found.parts[0].heatmap.sigma_frac
    assert sigma == pytest.approx(70 / 768, abs=1e-6)
    exact = expected.parts[0].heatmap.model_copy(update={"sigma_frac": sigma})
    part = expected.parts[0].model_copy(update={"heatmap": exact})
    assert found == expected.model_copy(update={"parts": (part,)})
