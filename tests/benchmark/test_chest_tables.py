"""Tables of suites on chest radiographs, from stand-ins of finished runs; and the suites themselves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import yaml
from chest_benchmark_folders import (
    COMMIT,
    FINDINGS,
    SKILL,
    chest_suite,
    drawn_table,
    make_chest_benchmark,
    write_chest_run,
)
from sklearn.metrics import f1_score, roc_auc_score

from chest_drawing import chest_cohort
from gaze_insight.benchmark.chest.comparison import compare_chest
from gaze_insight.benchmark.chest.reading import collect_chest
from gaze_insight.benchmark.chest.tables import chest_tables, chest_verdict
from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.planning import compose_row
from gaze_insight.benchmark.running import prepare_labels, run_suite
from gaze_insight.benchmark.suite import SuiteRow, load_suite, save_suite
from gaze_insight.benchmark.tables.writing import write_tables
from gaze_insight.cli.app import main
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.loading import to_yaml
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.radiograph_cases import read_radiograph_table, write_radiograph_table


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = make_chest_benchmark(tmp_path_factory.mktemp("chest") / "b")
    return folder, write_tables(folder, resamples=200), compare_chest(collect_chest(folder), resamples=200)


def read_json(files) -> dict:
    return json.loads(files["json"].read_text(encoding="utf-8"), parse_constant=lambda _: pytest.fail("NaN"))


def sections(text: str) -> dict[str, list[list[str]]]:
    """Tables of Markdown by the heading above them."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line[3:]
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.setdefault(title, []).append([cell.strip() for cell in cells])
    return found


def macro_auc(folder, row, seed) -> float:
    table = read_radiograph_table(folder / "runs" / f"{row}-seed{seed}" / "cases.csv")
    known = [~np.isnan(table.labels[:, c]) for c in range(2)]
    return float(
        np.mean([roc_auc_score(table.labels[k, c], table.probabilities[k, c]) for c, k in enumerate(known)])
    )


def test_the_numbers_are_those_of_an_independent_library(whole):
    folder, files, _ = whole
    rows = read_json(files)["rows"]
    assert list(rows) == list(SKILL)
    for key in SKILL:
        expected = [macro_auc(folder, key, seed) for seed in (0, 1, 2)]
        found = rows[key]["estimates"]["auc_macro"]
        assert found["seed_values"] == pytest.approx(expected)
        assert found["mean"] == pytest.approx(np.mean(expected))
        assert found["sd_seeds"] == pytest.approx(np.std(expected, ddof=1))
        tables = [read_radiograph_table(folder / "runs" / f"{key}-seed{s}" / "cases.csv") for s in (0, 1, 2)]
        known = ~np.isnan(tables[0].labels)
        for metric, score in (
            ("auc_micro", lambda y, p: roc_auc_score(y, p)),
            ("f1_micro", lambda y, p: f1_score(y, p >= 0.5)),
        ):
            values = [score(one.labels[known], one.probabilities[known]) for one in tables]
            assert rows[key]["estimates"][metric]["mean"] == pytest.approx(np.mean(values))
        looks = [np.nanmean([one.cc for one in table.saliency]) for table in tables]
        assert rows[key]["estimates"]["cc"]["mean"] == pytest.approx(np.mean(looks))
        assert rows[key]["estimates"]["cc"]["cases"] == 20


def test_differences_are_row_minus_reference(whole):
    folder, files, comparison = whole
    rows = read_json(files)["rows"]
    assert rows["no_gaze"]["differences"] == {}
    means = {key: np.mean([macro_auc(folder, key, seed) for seed in (0, 1, 2)]) for key in SKILL}
    for key in ("gaze", "shuffled"):
        found = rows[key]["differences"]["auc_macro"]
        assert found["difference"] == pytest.approx(means[key] - means["no_gaze"])
        assert found["ci95"][0] <= found["difference"] <= found["ci95"][1]
    gaze = comparison.rows[1].differences["auc_macro"]
    assert gaze.difference > 0
    assert comparison.rows[1].stands
    assert not comparison.rows[2].stands
    assert comparison.rows[1].p_holm == pytest.approx(min(1, 2 * gaze.p))
    assert chest_verdict(comparison) == (
        "2 rows against 'no gaze', AUC, 95 % intervals without 0. Better: gaze & co_1."
    )


def test_markdown_holds_each_table_and_the_facts(whole):
    _, files, comparison = whole
    text = files["markdown"].read_text(encoding="utf-8")
    tables = sections(text)
    assert list(tables) == [
        "AUC",
        "Other scores of the classifier",
        "Attention against gaze and boxes",
        "Differences in the other scores",
        "Differences in attention",
    ]
    for table in tables.values():
        assert {len(row) for row in table} == {len(table[0])}
    head, _, reference, gaze, _ = tables["AUC"]
    shown = dict(zip(head, gaze, strict=True))
    found, difference = (
        comparison.rows[1].estimates["auc_macro"],
        comparison.rows[1].differences["auc_macro"],
    )
    assert reference[0] == "**no gaze**"
    assert shown["Method"] == r"gaze & co\_1"
    assert shown["Seeds"] == "3"
    assert shown["AUC"] == f"{found.mean:.3f} ± {found.sd_seeds:.3f}"
    assert shown["minus no gaze"].startswith(f"+{difference.difference:.3f} [")
    assert tables["Attention against gaze and boxes"][0] == ["Method", "CC", "KL", "centre distance"]
    assert "- gaze of another image: A control." in text
    assert "40 test cases of 20 patients" in text
    assert "- Command: `gaze-insight benchmark run suite.yaml drawn-cohort --scale tiny`\n" in text
    assert f"- Commit: {COMMIT}" in text
    assert "- Learned from: 70 images" in text
    assert "- Protocol: honest (averaged weights; thresholds of validation; test scored" in text
    assert "Please note" not in files["html"].read_text(encoding="utf-8")


def test_the_command_line_says_what_was_changed(tmp_path):
    folder = make_chest_benchmark(
        tmp_path / "b",
        seeds=(4, 0),
        rows=("no_gaze", "gaze"),
        set=("gaze:training.batch_size=2",),
        plugins=("/far/own.py",),
    )
    content = read_json(write_tables(folder, resamples=100))
    assert content["facts"]["Command"] == (
        "gaze-insight benchmark run suite.yaml drawn-cohort --scale tiny --plugin own.py --seeds 0,4 "
        "--rows no_gaze,gaze --set gaze:training.batch_size=2"
    )
    assert list(content["rows"]) == ["no_gaze", "gaze"]


def test_the_same_folder_gives_the_same_bytes_and_names_no_place(whole, tmp_path):
    folder, files, _ = whole
    assert {kind: path.name for kind, path in files.items()} == {
        "markdown": "table.md", "latex": "table.tex", "json": "table.json", "html": "table.html",
    }  # fmt: skip
    before = {kind: path.read_bytes() for kind, path in files.items()}
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    for place in (folder, copy):
        again = write_tables(place, resamples=200)
        assert {kind: path.read_bytes() for kind, path in again.items()} == before
    assert not any(str(folder.parent).encode() in content for content in before.values())


def test_latex_is_balanced_and_keeps_rows_on_a_line(whole):
    _, files, comparison = whole
    text = files["latex"].read_text(encoding="utf-8")
    tables = chest_tables(comparison)
    assert "% Command: gaze-insight benchmark run suite.yaml" in text
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count(r"\begin{tabular}") == body.count(r"\end{tabular}") == len(tables)
    assert all(ord(sign) < 128 for sign in body)
    for table, part in zip(
        tables, re.findall(r"\\begin{tabular}{([lr]+)}\n(.*?)\\end{tabular}", body, re.DOTALL), strict=True
    ):
        lines = [line for line in part[1].splitlines() if not line.endswith("rule")]
        assert len(lines) == len(table.rows) + 1
        assert all(line.endswith(r" \\") for line in lines)
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(part[0])}
    assert r"gaze \& co\_1" in body


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_latex_compiles(whole, tmp_path):
    shutil.copy(whole[1]["latex"], tmp_path / "table.tex")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\usepackage{graphicx}\begin{document}\input{table}"
        r"\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "paper"], cwd=tmp_path, check=True, capture_output=True)


def damage(folder, name, change):
    path = folder / "runs" / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_runs_that_cannot_be_used_are_listed_with_the_reason(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", skip=[("shuffled", 2)], cases=20)
    runs = folder / "runs"
    config = ChestConfig.model_validate(yaml.safe_load((runs / "gaze-seed0" / "config.yaml").read_text()))
    other = config.model_copy(update={"least_cases": 3})
    (runs / "gaze-seed0" / "config.yaml").write_text(to_yaml(other))
    damage(folder, "gaze-seed1/summary.json", lambda content: content.update(cohort="another"))
    (runs / "no_gaze-seed1" / "cases.csv").write_text("id,patient,p:Edema\n1,p,high\n")
    (runs / "no_gaze-seed2" / "summary.json").unlink()
    damage(folder, "shuffled-seed0/calibration.json", lambda content: content["thresholds"].pop("Edema"))
    table = read_radiograph_table(runs / "shuffled-seed1" / "cases.csv")
    turned = replace(table, labels=1 - table.labels)
    write_radiograph_table(runs / "shuffled-seed1" / "cases.csv", turned)
    BenchmarkFolder(folder).record_failure("shuffled-seed2", 3, ["error: no room on the disk"])
    (runs / "stray-seed0").mkdir()
    files = write_tables(folder, resamples=100)
    content = read_json(files)
    absent = {(one["row"], one["seed"]): (one["state"], one["reason"]) for one in content["absent"]}
    assert list(absent) == [
        ("no_gaze", 1), ("no_gaze", 2), ("gaze", 0), ("gaze", 1),
        ("shuffled", 0), ("shuffled", 1), ("shuffled", 2),
    ]  # fmt: skip
    assert absent["gaze", 0] == ("other settings", "least_cases: 3 (planned 1)")
    assert absent["gaze", 1][0] == "other cases"
    assert "cohort 'another', the benchmark's is 'drawn'" in absent["gaze", 1][1]
    assert absent["no_gaze", 1][0] == absent["shuffled", 0][0] == "damaged"
    assert "expected the table of a run's test cases" in absent["no_gaze", 1][1]
    assert "expected a threshold of 'Edema'" in absent["shuffled", 0][1]
    assert absent["no_gaze", 2] == ("unfinished", "training not finished")
    assert absent["shuffled", 1][0] == "other cases"
    assert "unlike no_gaze, seed 0: the labels of the runs differ" in absent["shuffled", 1][1]
    assert absent["shuffled", 2][0] == "missing"
    assert "its last process ended with exit code 3" in absent["shuffled", 2][1]
    text = files["markdown"].read_text(encoding="utf-8")
    tables = sections(text)
    assert len(tables["Runs left out"]) == 2 + len(absent)
    assert tables["AUC"][2][1] == "1 of 3"
    assert tables["AUC"][4][1:4] == ["0 of 3", "–", "–"]
    assert "stray-seed0" in text
    assert "the rows' means rest on the others: no gaze; gaze & co_1." in text
    assert "2 of 9" in files["html"].read_text(encoding="utf-8")


def test_runs_of_a_row_that_no_longer_composes_are_listed(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0,), cases=12)
    rows = {**chest_suite().rows, "gaze": SuiteRow(label="g", supervision="labels", set=("gaze.usee=true",))}
    save_suite(chest_suite(rows=rows), folder / "suite.yaml")
    content = read_json(write_tables(folder, resamples=100))
    (absent,) = content["absent"]
    assert (absent["row"], absent["state"]) == ("gaze", "other settings")
    assert "gaze.usee" in absent["reason"]


def test_the_control_that_reads_texts_is_not_shown_off_as_the_best(tmp_path):
    text = SuiteRow(label="text alone", supervision="labels", set=("method.kind=text_only",))
    suite = chest_suite(rows={**chest_suite().rows, "text": text})
    folder = make_chest_benchmark(
        tmp_path / "b", suite=suite, seeds=(0,), cases=20, skill={**SKILL, "text": 20.0}
    )
    files = write_tables(folder, resamples=100)
    assert read_json(files)["rows"]["text"]["estimates"]["auc_macro"]["mean"] == 1
    number = files["html"].read_text(encoding="utf-8").partition("Best AUC of an image")[2][:200]
    assert "gaze &amp; co_1" in number


def test_without_its_reference_nothing_is_compared(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", skill={"gaze": 2.0}, seeds=(0, 1), cases=20)
    files = write_tables(folder, resamples=100)
    content = read_json(files)
    assert content["reference"] is None
    assert content["rows"]["gaze"]["differences"] == {}
    assert content["rows"]["no_gaze"]["estimates"] == {}
    assert content["verdict"] == "The reference has no finished run, so nothing is compared."
    text = files["markdown"].read_text(encoding="utf-8")
    assert "minus" not in text
    assert "Differences" not in text


def test_one_seed_has_no_interval_over_seeds(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(3,), cases=20)
    files = write_tables(folder, resamples=100)
    gaze = read_json(files)["rows"]["gaze"]
    assert gaze["estimates"]["auc_macro"]["ci95"] is gaze["estimates"]["auc_macro"]["sd_seeds"] is None
    assert gaze["differences"]["auc_macro"]["ci95"] is None
    assert gaze["differences"]["auc_macro"]["ci95_cases"] is not None
    head, _, _, row, _ = sections(files["markdown"].read_text(encoding="utf-8"))["AUC"]
    assert dict(zip(head, row, strict=True))["with new seeds"] == "–"
    assert "A row with one seed tells nothing" in files["html"].read_text(encoding="utf-8")


def test_measures_that_no_case_has_are_left_out(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0,), cases=20, looks=False)
    files = write_tables(folder, resamples=100)
    rows = read_json(files)["rows"]
    assert not {"cc", "kl", "nss", "box_energy"} & {*rows["gaze"]["estimates"], *rows["gaze"]["differences"]}
    assert "Attention against" not in files["markdown"].read_text(encoding="utf-8")


def test_a_row_that_attends_to_nothing_shows_so_and_the_others_count(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0,), cases=20)
    blind = drawn_table(2.0, 0, 20, looks=False)
    write_radiograph_table(folder / "runs" / "shuffled-seed0" / "cases.csv", blind)
    tables = sections(write_tables(folder, resamples=100)["markdown"].read_text(encoding="utf-8"))
    assert tables["Attention against gaze and boxes"][4][1:] == ["–"] * 3
    assert "–" not in tables["Attention against gaze and boxes"][3]


@pytest.mark.parametrize("label", [0.0, np.nan])
def test_scores_that_are_not_defined_are_left_out_and_break_nothing(tmp_path, label):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0, 1), cases=12)
    for place in (folder / "runs").iterdir():
        table = read_radiograph_table(place / "cases.csv")
        write_radiograph_table(place / "cases.csv", replace(table, labels=np.full_like(table.labels, label)))
    files = write_tables(folder, resamples=100)
    content = read_json(files)
    assert "auc_macro" not in content["rows"]["gaze"]["estimates"]
    assert "auc_micro" not in content["rows"]["gaze"]["estimates"]
    assert "cc" in content["rows"]["gaze"]["estimates"]
    assert "there is no AUC" in content["verdict"]
    assert "6 of 6" in files["html"].read_text(encoding="utf-8")


def test_a_benchmark_without_a_finished_run_says_why(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0,), cases=6)
    for place in (folder / "runs").iterdir():
        (place / "cases.csv").write_text("id,patient\n")
    with pytest.raises(DataError, match=r"none of the 3 runs .* is finished; no_gaze, seed 0: .*found none"):
        write_tables(folder)
    assert not (folder / "table.md").exists()


def test_the_page_warns_of_test_images_that_took_part_in_training(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", cases=10, seeds=(0, 1))
    damage(folder, "gaze-seed1/summary.json", lambda content: content.update(seen_in_training=3))
    content = read_json(write_tables(folder, resamples=100))
    assert content["warnings"] == ["Test images took part in the training of: gaze, seed 1."]


def test_the_commands_know_the_suite(whole, tmp_path, capsys):
    folder = shutil.copytree(whole[0], tmp_path / "b")
    assert main(["benchmark", "list"]) == 0
    assert re.search(r"^chest_parts +chest radiographs", capsys.readouterr().out, re.MULTILINE)
    assert main(["benchmark", "show", "chest_parts", "--scale", "tiny"]) == 0
    head, *lines = capsys.readouterr().out.partition("\nrow ")[2].splitlines()
    suite = load_suite("chest_parts")
    place = head.index("runs as") + len("row ")
    for key, line in zip(suite.rows, lines, strict=False):
        assert line.split()[0] == key
        assert line[place - 1] == " "
        assert line[place:] == ("text_only" if key == "text_only" else "gaze_classifier") + ", 64 px"
    assert main(["benchmark", "show", "chest_parts", "--scale", "tiny", "--rows", "full", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["full"]["task"] == "chest_xray"
    assert main(["benchmark", "table", str(folder)]) == 0
    said = capsys.readouterr().out.split()
    assert sorted(said) == sorted(str(folder / f"table.{end}") for end in ("md", "tex", "json", "html"))


def test_every_row_of_the_packaged_suite_composes_and_differs():
    suite = load_suite("chest_parts")
    assert {"paper", "cpu", "tiny"} <= set(suite.scales)
    for scale in suite.scales:
        found = {key: compose_row(suite, key, scale) for key in suite.rows}
        assert all(isinstance(config, ChestConfig) for config in found.values())
        assert len({config.training.input_size_px for config in found.values()}) == 1
        assert len({to_yaml(config) for config in found.values()}) == len(suite.rows)
        assert {key for key, config in found.items() if not config.gaze.use} == {
            "no_gaze", "labels_alone", "plain_network",
        }  # fmt: skip
        assert [key for key, config in found.items() if config.gaze.shuffled] == ["shuffled_gaze"]
        assert [key for key, config in found.items() if config.method_name == "text_only"] == ["text_only"]


def test_the_rows_of_the_demonstration_are_rows_of_the_parts():
    demo, parts = load_suite("chest_demo"), load_suite("chest_parts")
    same = {"no_gaze": "no_gaze", "gaze": "full", "shuffled_gaze": "shuffled_gaze"}
    assert set(demo.rows) == set(same)
    for scale in ("cpu", "tiny"):
        for key, other in same.items():
            assert compose_row(demo, key, scale) == compose_row(parts, other, scale)


def test_the_papers_protocol_is_refused_for_radiographs(tmp_path, capsys):
    with pytest.raises(SettingsError, match=r"protocol: expected 'honest'.*found 'paper'"):
        chest_suite(protocol="paper")
    changed = load_suite("chest_parts").model_copy(update={"protocol": "paper"})
    with pytest.raises(SettingsError, match="protocol: expected 'honest'"):
        compose_row(changed, "full", "tiny")
    cohort = chest_cohort(tmp_path, 8)
    words = ["benchmark", "run", "chest_parts", str(cohort.folder), "--name", str(tmp_path / "b" / "c")]
    assert main([*words, "--scale", "tiny", "--protocol", "paper"]) == 2
    assert "protocol: expected 'honest'" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("of", "no_gaze"),
        ("made_by", "another program"),
        ("curve", "gaze"),
        ("reported", {"dice": 0.8}),
        ("output", "teacher"),
    ],
)
def test_rows_of_radiographs_know_nothing_of_masks(key, value, tmp_path):
    rows = chest_suite().model_dump(mode="json")["rows"]
    rows["shuffled"] = {"label": "s", "supervision": "labels", key: value}
    path = tmp_path / "own.yaml"
    values = {**chest_suite().model_dump(mode="json"), "rows": rows}
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match=rf"rows\.shuffled\.{key}: expected none") as caught:
        load_suite(path)
    assert caught.value.path == path
    values["task"] = "segmentation"
    path.write_text(yaml.safe_dump(values))
    assert load_suite(path).task == "segmentation"


def test_a_chest_suite_with_a_preset_of_segmentation_names_the_row():
    suite = chest_suite(scales={"tiny": {"presets": ["tiny"]}})
    with pytest.raises(SettingsError, match="preset tiny is for segmentation"):
        compose_row(suite, "gaze")


def test_the_suite_is_written_and_read_back_the_same(tmp_path):
    suite = load_suite("chest_parts")
    save_suite(suite, tmp_path / "s.yaml")
    assert load_suite(tmp_path / "s.yaml") == suite


@pytest.mark.slow
def test_the_packaged_suite_runs_to_its_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cohort, suite = chest_cohort(tmp_path, 40), load_suite("chest_parts")
    rows = ("no_gaze", "full", "text_only")
    asked = {"scale": "tiny", "seeds": (0,), "rows": rows}
    result = run_suite(suite, cohort, tmp_path / "b", **asked)
    assert result.failed == {}
    assert sorted(result.finished) == sorted(f"{row}-seed0" for row in rows)
    assert run_suite(suite, cohort, tmp_path / "b", **asked).finished == []
    files = write_tables(tmp_path / "b", resamples=100)
    content = read_json(files)
    assert content["absent"] == []
    assert list(content["rows"]) == list(rows)
    for key in rows:
        table = read_radiograph_table(tmp_path / "b" / "runs" / f"{key}-seed0" / "cases.csv")
        scores = [roc_auc_score(table.labels[:, c], table.probabilities[:, c]) for c in range(2)]
        assert content["rows"][key]["estimates"]["auc_macro"]["mean"] == pytest.approx(np.mean(scores))
        assert (tmp_path / "b" / "runs" / f"{key}-seed0" / "report.html").stat().st_size > 1000
    assert "cc" in content["rows"]["full"]["estimates"]
    assert "cc" not in content["rows"]["text_only"]["estimates"]
    assert content["facts"]["Command"].endswith("--scale tiny --seeds 0 --rows no_gaze,full,text_only")
    assert content["facts"]["Test cases"] == "10 test cases of 5 patients"


def test_classifiers_need_no_pseudo_masks(tmp_path):
    cohort = chest_cohort(tmp_path, 8)
    planned = BenchmarkFolder(tmp_path / "b").begin(chest_suite(), cohort, seeds=(0,))
    assert prepare_labels(cohort, planned) == 0


def test_a_run_with_no_recorded_environment_is_used_all_the_same(tmp_path):
    folder = make_chest_benchmark(tmp_path / "b", seeds=(0,), cases=12, skip=[("gaze", 0)])
    config = BenchmarkFolder(folder).planned("gaze-seed0").config
    place = folder / "runs" / "gaze-seed0"
    write_chest_run(place, drawn_table(2.0, 0, 12), seed=0, config=config)
    (place / "environment.json").unlink()
    content = read_json(write_tables(folder, resamples=100))
    assert content["facts"]["Hardware"] == "A processor; unknown"
    assert content["facts"]["Findings"] == ", ".join(FINDINGS)
