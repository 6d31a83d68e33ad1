"""Suites: the packaged ones, one's own, and what is wrong with a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from suite_making import own_suite_text, write_own_suite

from gaze_insight.benchmark.planning import check_same_settings, compose_row, plan_runs, state_of
from gaze_insight.benchmark.suite import Suite, list_suites, load_suite, save_suite
from gaze_insight.cli.app import main
from gaze_insight.config.loading import compose, to_yaml
from gaze_insight.errors import SettingsError
from gaze_insight.methods.registry import METHODS
from gaze_insight.pseudomask.recipe import PseudoMaskSettings

CHEST = {"chest_demo", "chest_parts"}
"""Suites of another task, whose tests are with their tables."""

SUITES = sorted(set(list_suites()) - CHEST)
TABLES = {
    "kvasir_table1": 18, "nci_isbi_table2": 18, "isic_table3": 10, "kvasir_table4": 3, "kvasir_table5": 2,
    "kvasir_table6": 4, "kvasir_table7": 2, "kvasir_table8": 4, "kvasir_table9": 4,
}  # fmt: skip


def own_rows(suite: Suite) -> list[str]:
    return [key for key, row in suite.rows.items() if row.of is None and row.made_by is None]


def test_there_is_a_suite_for_each_table_of_the_paper_and_some_of_ours():
    own = {
        "cpu_comparison",
        "selection_bias",
        "label_efficiency",
        "gaze_noise",
        "soft_vote",
        "soft_vote_parts",
        "words",
    }
    assert set(SUITES) == own | set(TABLES)
    for name, rows in TABLES.items():
        suite = load_suite(name)
        assert len(suite.rows) == rows
        assert suite.paper is not None
        assert suite.paper.startswith(f"Table {name.rpartition('table')[2]} of")


@pytest.mark.parametrize("name", SUITES)
def test_every_row_composes_at_every_scale(name):
    suite = load_suite(name)
    assert suite.name == name
    assert {"paper", "cpu", "tiny"} <= set(suite.scales)
    for scale in suite.scales:
        for key in own_rows(suite):
            config = compose_row(suite, key, scale)
            assert config.evaluation.protocol == suite.protocol
            if scale == "tiny":
                assert config.training.input_size_px <= 64
                assert config.method.student_epochs == 1
                assert max(config.method.network.teacher_channels) <= 8


@pytest.mark.parametrize("name", SUITES)
def test_rows_that_are_run_differ_in_something(name):
    suite = load_suite(name)
    for scale in suite.scales:
        texts = [to_yaml(compose_row(suite, key, scale)) for key in own_rows(suite)]
        assert len(set(texts)) == len(texts)


def test_the_reported_figures_are_those_of_the_paper():
    table1, table2, table3 = (
        load_suite(name) for name in ("kvasir_table1", "nci_isbi_table2", "isic_table3")
    )
    assert table1.rows["fgi"].reported == {"dice": 0.8078, "dice_sd": 0.0011, "hours": 2.2}
    assert table1.rows["agmm_scribble"].reported == {"dice": 0.6723, "dice_sd": 0.0102, "hours": 2.6}
    assert table2.rows["point_sup"].reported == {"dice": 0.7346, "dice_sd": 0.0471, "hours": 4.8}
    assert table3.rows["gazemedseg"].reported == {
        "dice": 0.8291, "dice_sd": 0.0002, "iou": 0.7338, "iou_sd": 0.0007,
        "hd95_px": 10.35, "hd95_px_sd": 0.47, "asd_px": 4.64, "asd_px_sd": 0.04,
    }  # fmt: skip
    for number, row, dice in (
        (4, "random_words", 0.7882),
        (6, "without_cwc", 0.7599),
        (9, "tau_04_06", 0.8011),
    ):
        assert load_suite(f"kvasir_table{number}").rows[row].reported["dice"] == dice
    for number in range(4, 10):
        suite = load_suite(f"kvasir_table{number}")
        assert suite.rows[suite.reference].reported["dice"] == 0.8078


def test_what_the_rows_vary_is_what_the_tables_name():
    def method(number: int, row: str):
        return compose_row(load_suite(f"kvasir_table{number}"), row, "paper").method

    assert (method(6, "without_both").afc_weight, method(6, "without_both").cwc_weight) == (0, 0)
    assert (method(6, "without_afc").afc_weight, method(6, "without_afc").cwc_weight) == (0, 1)
    assert method(7, "without_darm").darm is None
    assert [method(8, f"stages_{n}").fusion.stages for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert [method(5, row).fusion.mode for row in ("concat", "sum")] == ["concat", "sum"]
    assert (method(9, "tau_01_09").tau_negative, method(9, "tau_01_09").tau_positive) == (0.1, 0.9)
    words = load_suite("kvasir_table4")
    kinds = [compose_row(words, row).language.describer_name for row in words.rows]
    assert kinds == ["random", "blank", "measured"]


def test_the_comparison_covers_every_method_of_the_package():
    suite = load_suite("cpu_comparison")
    used = {compose_row(suite, key).method_name for key in own_rows(suite)}
    built_in = {name for name in METHODS if METHODS[name].__module__.startswith("gaze_insight.")}
    assert used == built_in
    assert {row.supervision for row in suite.rows.values()} == {"full", "gaze", "box", "point", "scribble"}


def test_the_parts_of_the_soft_vote_differ_from_its_default_in_what_their_label_says():
    suite = load_suite("soft_vote_parts")
    default = compose_row(suite, suite.reference).model_dump()
    for key in own_rows(suite):
        found = compose_row(suite, key).model_dump()
        other = {part for part in found if found[part] != default[part]}
        others = {
            "soft_vote": set(),
            "last_weights": {"training"},
            "large_batches": {"training"},
            "refined": {"refinement"},
        }
        expected = others.get(key, {"method"})
        if key in ("blank_words", "random_words", "no_words"):
            expected = {"method", "language"}
        assert other == expected, key


def test_the_twin_of_the_soft_vote_differs_in_its_labels_alone():
    suite = load_suite("soft_vote")
    gaze, masks = (compose_row(suite, key) for key in ("soft_vote", "soft_vote_masks"))
    assert gaze.model_copy(update={"method": masks.method}) == masks
    assert gaze.method.model_copy(update={"labels": "mask"}) == masks.method
    assert masks.method.labels == "mask"
    assert compose_row(suite, "soft_vote_refined").refinement.rounds == 1
    assert gaze.refinement.rounds == 0


def test_the_preset_of_the_soft_vote_is_the_row_of_its_suite():
    assert compose(["soft_vote_cpu"]) == compose_row(load_suite("soft_vote"), "soft_vote", "cpu")


def test_presets_carry_the_label_recipes_of_the_papers():
    prostate, voted = PseudoMaskSettings.gazemedseg_prostate(), PseudoMaskSettings()
    for preset in ("nci_isbi", "nci_isbi_cpu", "gazemedseg_prostate_labels"):
        assert compose([preset]).labels == prostate
    assert compose(["kvasir", "vote_labels"]).labels == voted
    for preset in ("isic", "isic_cpu"):
        heat = compose([preset]).labels.parts[0].heatmap
        assert round(heat.sigma_frac * 768) == 70
    table2 = load_suite("nci_isbi_table2")
    for scale in table2.scales:
        for row in ("gazemedseg", "fgi_released"):
            config = compose_row(table2, row, scale)
            assert config.method.thresholds == (0.4, 0.2)
            assert config.labels.parts == prostate.parts


def test_a_suite_is_written_and_read_back_the_same(tmp_path):
    for name in SUITES:
        suite = load_suite(name)
        save_suite(suite, tmp_path / f"{name}.yaml")
        assert load_suite(tmp_path / f"{name}.yaml") == suite


def test_planning_goes_by_seed_and_leaves_out_rows_without_runs():
    suite = load_suite("isic_table3")
    runs = plan_runs(suite, "tiny", rows=["pseudomask", "nnunet", "unet", "fgi_teacher"], folder=Path("b"))
    names = [run.name for run in runs]
    assert names == [f"{row}-seed{seed}" for seed in (0, 1, 2) for row in ("unet", "fgi")]
    assert runs[2].config.seed == 1
    assert runs[2].folder == Path("b/runs/unet-seed1")
    assert runs[2].config == runs[0].config.model_copy(update={"seed": 1})


def test_settings_reach_all_rows_or_one():
    suite = load_suite("kvasir_table7")
    overrides = ["training.batch_size=2", "with_darm:method.darm.budget_frac=0.1"]
    without, with_darm = plan_runs(suite, "tiny", [0], overrides=overrides)
    assert without.config.training.batch_size == with_darm.config.training.batch_size == 2
    assert with_darm.config.method.darm.budget_frac == 0.1
    assert without.config.method.darm is None
    with pytest.raises(SettingsError, match="no row 'witth_darm'") as caught:
        plan_runs(suite, "tiny", [0], overrides=["witth_darm:seed=1"])
    assert caught.value.remedy == "did you mean 'with_darm'?"


def test_the_protocol_wins_and_its_count_can_be_set():
    suite = load_suite("selection_bias")
    assert compose_row(suite, "unet", "paper").evaluation.test_evaluations == 15
    assert compose_row(suite, "unet", "tiny").evaluation.test_evaluations == 2
    config = compose_row(
        suite, "unet", "paper", ["evaluation.protocol=honest", "evaluation.test_evaluations=7"]
    )
    assert (config.evaluation.protocol, config.evaluation.test_evaluations) == ("paper", 7)


def test_a_run_begun_with_other_settings_is_refused(tmp_path):
    suite = load_suite("kvasir_table7")
    first, other = (
        plan_runs(suite, "tiny", [0], ["with_darm"], given, tmp_path)[0]
        for given in ((), ("method.afc_weight=0.5",))
    )
    assert state_of(first) == "missing"
    first.folder.mkdir(parents=True)
    (first.folder / "config.yaml").write_text(to_yaml(first.config))
    assert state_of(first) == "unfinished"
    check_same_settings(first)
    with pytest.raises(SettingsError, match=r"method\.afc_weight=0\.1, the suite now asks for 0\.5"):
        check_same_settings(other)


BAD = {
    "a preset": (
        ("scales", "tiny", "presets"),
        ["tinny"],
        "scales.tiny.presets: unknown preset 'tinny'",
        "tiny",
    ),
    "a row's preset": (
        ("rows", "wide", "presets"),
        ["x"],
        "rows.wide.presets: unknown preset 'x'",
        "known: ",
    ),
    "a key": (("rows", "wide", "lable"), "x", "unknown key 'rows.wide.lable'", "label"),
    "a suite's key": (("sceles",), {}, "unknown key 'sceles'", "scales"),
    "a reference": (("reference",), "wied", "reference: there is no row 'wied'", "wide"),
    "a default scale": (("default_scale",), "tin", "default_scale: there is no scale 'tin'", "tiny"),
    "a row that is shown": (("rows", "labels", "of"), "wid", "rows.labels.of: there is no row 'wid'", "wide"),
    "of with runs": (("rows", "labels", "set"), ["seed=1"], "rows.labels: a row with 'of' shows", None),
    "a chain": (
        ("rows", "narrow"),
        {"label": "n", "supervision": "gaze", "of": "labels"},
        "runs of its own",
        None,
    ),
    "a figure": (
        ("rows", "wide", "reported"),
        {"dcie": 0.5},
        "unknown figure 'rows.wide.reported.dcie'",
        "dice",
    ),
    "a percentage": (
        ("rows", "wide", "reported"),
        {"dice": 80.1},
        "expected a fraction in [0, 1], found 80.1",
        None,
    ),
    "a scale of set_at": (
        ("rows", "wide", "set_at"),
        {"cup": ["seed=1"]},
        "there is no scale 'cup'",
        "known: ",
    ),
    "supervision": (("rows", "wide", "supervision"), "gaz", "rows.wide.supervision: expected 'full'", None),
    "a seed twice": (("seeds",), [1, 1], "expected each seed once", None),
    "a protocol": (("protocol",), "papers", "protocol: expected 'honest' or 'paper'", None),
    "an empty list of rows": (("rows",), {}, "rows", None),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_suite_is_refused_with_its_file_and_place(tmp_path, what):
    keys, value, message, remedy = BAD[what]
    values = yaml.safe_load(own_suite_text())
    place = values
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path = write_own_suite(tmp_path, yaml.safe_dump(values))
    with pytest.raises(SettingsError) as caught:
        load_suite(path)
    assert message in caught.value.message
    assert caught.value.path == path
    assert remedy is None or remedy in (caught.value.remedy or "")


def test_yaml_that_is_none_names_its_line_and_a_missing_file_is_said(tmp_path):
    path = write_own_suite(tmp_path, "name: own\nrows: [1,\n")
    with pytest.raises(SettingsError, match="not valid YAML") as caught:
        load_suite(path)
    assert caught.value.row == 3
    path = write_own_suite(tmp_path, "name: a\nname: b\n")
    with pytest.raises(SettingsError, match="given twice"):
        load_suite(path)
    with pytest.raises(SettingsError, match="found none"):
        load_suite(tmp_path / "absent.yaml")
    with pytest.raises(SettingsError) as caught:
        load_suite("kvasir_tabel1")
    assert caught.value.remedy == "did you mean 'kvasir_table1'?"


def test_what_only_composition_can_tell_is_refused_with_row_and_scale():
    suite = load_suite("kvasir_table7")

    def changed(**row: object) -> Suite:
        rows = {**suite.rows, "with_darm": suite.rows["with_darm"].model_copy(update=row)}
        return suite.model_copy(update={"rows": rows})

    with pytest.raises(
        SettingsError, match=r"row 'with_darm' at scale 'tiny': unknown key 'method\.dram'"
    ) as bad:
        compose_row(changed(set=("method.dram=1",)), "with_darm", "tiny")
    assert bad.value.remedy == "did you mean 'darm'?"
    with pytest.raises(SettingsError, match=r"rows\.with_darm\.output: expected a head") as bad:
        compose_row(changed(output="teachr"), "with_darm", "tiny")
    assert bad.value.remedy == "did you mean 'teacher'?"
    with pytest.raises(SettingsError, match="no scale 'cup'"):
        compose_row(suite, "with_darm", "cup")
    with pytest.raises(SettingsError, match="no row 'x'"):
        plan_runs(suite, "tiny", rows=["x"])


def test_the_commands_list_and_show(capsys, tmp_path):
    assert main(["benchmark", "list"]) == 0
    assert "kvasir_table1" in capsys.readouterr().out
    assert main(["benchmark", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(list_suites())
    assert main(["benchmark", "show", "kvasir_table1", "--scale", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "42 runs: 14 rows x 3 seeds" in shown
    assert "Dice 80.78 +- 0.11" in shown
    assert "pseudomask of unet" in shown
    words = ["benchmark", "show", "kvasir_table7", "--scale", "tiny", "--rows", "without_darm"]
    assert main([*words, "--full"]) == 0
    assert "darm: null" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], list(found["settings"])) == (3, ["without_darm"])
    assert main(["benchmark", "show", "kvasir_tabel7"]) == 2
    assert "did you mean 'kvasir_table7'" in capsys.readouterr().err


def test_the_rows_of_words_differ_in_their_words_alone_and_each_shows_student_and_teacher():
    suite = load_suite("words")
    rows = {key: compose_row(suite, key) for key in own_rows(suite)}
    no_words = rows["no_words"]
    assert all(one.model_copy(update={"language": no_words.language}) == no_words for one in rows.values())
    assert [one.language.describer_name for one in rows.values()] == [
        "measured", "blank", "random", "measured", "measured", "vlm",
    ]  # fmt: skip
    assert [key for key, one in rows.items() if one.language.shuffled] == ["shuffled_words"]
    assert [key for key, one in rows.items() if one.language.encoder.kind == "none"] == ["no_words"]
    shown = {(row.of or key, row.output) for key, row in suite.rows.items()}
    assert shown == {(key, head) for key in rows for head in ("student", "teacher")}
    own = ["model_words:language.describer={kind: file, path: words.jsonl}"]
    assert compose_row(suite, "model_words", "cpu", own).language.describer_name == "file"
