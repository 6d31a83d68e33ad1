"""Settings of runs on radiographs: their own presets, and clear words where two tasks are mixed up."""

from __future__ import annotations

import pytest

from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.layers import asked_task, list_presets, read_layers
from gaze_insight.config.loading import compose, load_config, to_yaml
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.config.tasks import (
    compose_chest,
    compose_task,
    load_chest_config,
    load_run_config,
    task_of_file,
)
from gaze_insight.errors import SettingsError

CHEST_PRESETS = sorted(name for name in list_presets() if name.startswith("chest"))


@pytest.mark.parametrize("name", CHEST_PRESETS)
def test_every_preset_composes_and_its_file_reads_back_equal(name, tmp_path):
    config = compose_chest([name])
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load_chest_config(path) == load_run_config(path) == config
    assert task_of_file(path) == "chest_xray"


def test_the_presets_are_listed():
    assert {"chest", "chest_cpu", "chest_demo", "chest_tiny"} <= set(CHEST_PRESETS)


def test_later_layers_win_and_another_method_keeps_what_both_have():
    config = compose_chest(["chest_tiny"], overrides=["method.epochs=3", "method.kind=text_only"])
    assert config.method_name == "text_only"
    assert config.method.epochs == 3
    assert config.training.input_size_px == 64


def test_data_and_settings_of_different_tasks_are_refused_in_words():
    with pytest.raises(
        SettingsError, match="'xr' is for chest radiographs, but the settings are for segm"
    ) as told:
        compose_task(["kvasir_cpu"], task="chest_xray", whose="the cohort 'xr'")
    assert "--preset chest" in str(told.value)
    with pytest.raises(SettingsError, match="is for segmentation, but the settings are for chest"):
        compose_task(["chest_tiny"], task="segmentation")
    with pytest.raises(
        SettingsError, match="preset tiny is for segmentation, preset chest_tiny is for chest"
    ):
        compose_task(["tiny", "chest_tiny"])
    with pytest.raises(SettingsError, match="preset chest_tiny is for chest radiographs"):
        compose(["chest_tiny"])
    with pytest.raises(SettingsError, match="preset tiny is for segmentation"):
        compose_chest(["tiny"])


def test_radiographs_without_a_preset_get_theirs_and_others_are_as_ever():
    assert compose_task(task="chest_xray") == compose_chest(["chest"])
    assert compose_task(task="segmentation") == compose() == RunConfig()
    assert compose_task() == RunConfig()
    assert compose_task(overrides=["task=chest_xray"]) == ChestConfig()
    assert compose_task(overrides=["task=segmentation", "seed=2"]).seed == 2


def test_a_file_says_what_it_is_for_only_if_it_does(tmp_path):
    neutral, chest = tmp_path / "neutral.yaml", tmp_path / "chest.yaml"
    neutral.write_text("seed: 4\n")
    chest.write_text("task: chest_xray\nseed: 5\n")
    assert asked_task(read_layers((), [neutral])) is None
    assert compose_task((), [neutral], task="chest_xray").seed == 4
    assert isinstance(compose_task((), [chest]), ChestConfig)
    with pytest.raises(SettingsError, match=r"task: expected one of .* found 'ecg'"):
        read_layers((), (), ["task=ecg"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("gaze.sigma=1", r"unknown key 'gaze.sigma'"),
        ("method.kind=gaze_clasifier", "did you mean 'gaze_classifier'"),
        ("method.network.encoder=7", "method.network.encoder"),
        ("training.validation_target=mask", r"unknown key 'training.validation_target'"),
        ("training.augmentation.symmetry=all", r"unknown key 'training.augmentation.symmetry'"),
        ("labels.uncertain=perhaps", "labels.uncertain"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(override, words):
    with pytest.raises(SettingsError, match=words):
        compose_chest(["chest_tiny"], overrides=[override])


def test_a_run_folder_knows_its_task(tmp_path):
    for config, task in ((compose_chest(["chest_tiny"]), "chest_xray"), (RunConfig(), "segmentation")):
        folder = RunFolder(tmp_path / task)
        folder.write_config(config)
        assert folder.task() == task
    assert isinstance(RunFolder(tmp_path / "segmentation").config(), RunConfig)
    assert isinstance(RunFolder(tmp_path / "chest_xray").chest_config(), ChestConfig)
    with pytest.raises(SettingsError, match="is of a run on chest radiographs"):
        load_config(tmp_path / "chest_xray" / "config.yaml")
    with pytest.raises(SettingsError, match="is of a run that segments"):
        RunFolder(tmp_path / "segmentation").chest_config()
