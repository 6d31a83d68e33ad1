from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.fusion import fuse, fusion_features, shipped_fusion
from gaze_insight.pseudomask.levels import make_levels
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, make_pseudo_mask
from gaze_insight.workflow.assisting import FUSION_FILE, fusion_of, keep_looks, read_image_gaze
from gaze_insight.workflow.fusion_file import read_fusion, write_fusion
from gaze_insight.workflow.labelling import load_pseudo_mask
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.studies.assisted_network import unseen_cases
from gaze_insight.workflow.studies.assisted_pictures import examples_of

TINY = (
    "training.input_size_px=32", "training.min_steps=0", "training.batch_size=4", "training.device=cpu",
    "training.selection=last", "method.student_epochs=2", "evaluation.resamples=100",
    "method.network={encoder: unet, student_channels: [4,4,4,4,4]}", "labels.working_long_side_px=48",
)  # fmt: skip


SMALL = PseudoMaskSettings(working_long_side_px=96)


class Trained(NamedTuple):
    cohort: Path
    run: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("assisted")
    cohort, run = folder / "cohort", folder / "run"
    flags = [word for setting in TINY for word in ("--set", setting)]
    for step in (
        ["import", "synthetic", "--out", cohort, "--cases", "18", "--quiet"],
        ["train", cohort, "--name", run, "--preset", "unet_masks", "--quiet", *flags],
        ["evaluate", run, "--device", "cpu", "--quiet"],
    ):
        assert main([str(word) for word in step]) == 0, step
    return Trained(cohort, run)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def gaze_table(path: Path, cohort: Cohort, ids: list[str], extra: list[tuple] = ()) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["img", "fx", "fy", "ms", "t"])
        for one in ids:
            for x, y, duration, start in cohort.cases[one].fixations.to_rows():
                writer.writerow([f"{one}.png", x, y, duration, start])
        writer.writerows(extra)
    return path


COLUMNS = [
    word for pair in ("image=img", "x=fx", "y=fy", "duration_ms=ms", "start_ms=t", "annotator=",
                      "image_height=", "image_width=") for word in ("--column", pair)
]  # fmt: skip


def test_predict_with_gaze_writes_the_fusion_and_the_image_alone(trained, tmp_path, capsys):
    cohort = Cohort.open(trained.cohort)
    ids = sorted(cohort.cases)[:8]
    images = [str(cohort.cases[one].image_path) for one in ids]
    table = gaze_table(
        tmp_path / "gaze.csv", cohort, ids[:6],
        [(f"{ids[6]}.png", 3.0, 3.0, 300, 0), ("stranger.png", 0.5, 0.5, 300, 0)],
    )  # fmt: skip
    out = tmp_path / "out"
    words = ["predict", str(trained.run), *images, "--out", str(out), "--gaze", str(table), *COLUMNS]
    capsys.readouterr()
    assert main([*words, "--json", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["gaze"]["without_gaze"] == [ids[7]]
    assert told["gaze"]["unjoined"] == ["stranger"]
    assert told["gaze"]["dropped"] == {"off_image": 1}
    predictor, config = load_predictor(trained.run, device="cpu"), RunFolder(trained.run).config()
    looks = {}
    for one in ids:
        image = cohort.cases[one].read_image()
        prob = predictor.predict(image)["student"]
        gaze = cohort.cases[one].fixations if one in ids[:6] else None
        looks[one] = (prob, None if gaze is None else make_pseudo_mask(image, gaze, config.labels))
    agreements = {one: fusion_features(*looks[one])["agreement"] for one in ids[:6]}
    for one in ids:
        prob, vote = looks[one]
        others = [value for name, value in agreements.items() if name != one]
        expected = fuse(prob, vote, shipped_fusion(), recording_agreement=float(np.mean(others)))
        facts = told["assisted"][f"{one}.png"]
        mask = pixels(out / f"{one}_mask.png") > 0
        assert np.mean(mask != (expected.probability > 0.5)) < 2e-3
        assert facts["gaze_share"] == pytest.approx(expected.gaze_share, abs=1e-4)
        assert np.array_equal(pixels(out / f"{one}_image_alone_mask.png") > 0, prob > 0.5)
        assert facts["area_frac_image_alone"] == pytest.approx(float((prob > 0.5).mean()))
        assert pixels(out / f"{one}_overlay.png").shape == (*prob.shape, 3)
    assert told["assisted"][f"{ids[7]}.png"]["reason"] == "no_gaze"
    assert told["assisted"][f"{ids[6]}.png"]["reason"] == "nothing_looked_at"
    for one in ids[6:]:
        assert np.array_equal(pixels(out / f"{one}_mask.png"), pixels(out / f"{one}_image_alone_mask.png"))
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "without gaze: 1 image" in text
    assert "stranger" in text
    assert "by the image alone" in text


def test_predict_without_gaze_is_as_before(trained, tmp_path, capsys):
    cohort = Cohort.open(trained.cohort)
    one = sorted(cohort.cases)[0]
    words = ["predict", str(trained.run), str(cohort.cases[one].image_path), "--out", str(tmp_path)]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"area_frac", "failed"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{one}_{what}.png" for what in ("mask", "overlay", "probability")
    ]
    assert main([*words, "--gaze-format", "fixation_table"]) == 2
    assert "--gaze FILE" in capsys.readouterr().err


def test_evaluate_scores_image_and_gaze_together(trained):
    cohort, folder = Cohort.open(trained.cohort), RunFolder(trained.run)
    config, summary = folder.config(), json.loads((trained.run / "summary.json").read_text())
    rows = list(csv.DictReader((trained.run / "cases.csv").read_text().splitlines()))
    cases = cohort.subset("test")
    predictor = load_predictor(trained.run, device="cpu")
    looks = {
        case.id: (
            predictor.predict(case.read_image())["student"],
            load_pseudo_mask(cohort, case, config.labels),
        )
        for case in cases
    }
    found = {one: fusion_features(*look)["agreement"] for one, look in looks.items()}
    assert {row["id"] for row in rows if row["head"] == "assisted"} == set(looks)
    for case in cases:
        others = [value for one, value in found.items() if one != case.id]
        known = float(np.mean(others)) if len(others) >= 5 else None
        fused = fuse(*looks[case.id], recording_agreement=known)
        truth, mask = case.read_mask(), fused.probability > 0.5
        expected = 2 * (truth & mask).sum() / max(truth.sum() + mask.sum(), 1)
        row = next(row for row in rows if (row["id"], row["head"]) == (case.id, "assisted"))
        assert float(row["dice"]) == pytest.approx(expected, abs=2e-3)
        assert (trained.run / "assisted" / f"{case.id}.png").exists()
    assert sum(summary["assisted"]["reasons"].values()) == len(cases)
    assert 0 <= summary["assisted"]["mean_gaze_share"] <= 1
    assert set(summary["test"]) == {"student", "pseudomask", "assisted"}


def test_the_study_tells_gain_and_safety_and_fits(trained, tmp_path, capsys):
    levels = "levels={offset_frac: [0.2], dropout: [1.0], annotator_swap: [1.0]}"
    files = {name: tmp_path / name for name in ("page.html", "table.csv", "cases.csv")}
    words = [
        "study", "assisted", str(trained.run), "--study-set", levels, "--study-set", "resamples=50",
        "--page", str(files["page.html"]), "--table", str(files["table.csv"]), "--pictures", "2",
        "--case-table", str(files["cases.csv"]), "--workers", "1", "--device", "cpu", "--json",
    ]  # fmt: skip
    capsys.readouterr()
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    levels = {(one["dial"], one["level"]): one for one in told["levels"]}
    assert list(levels) == [("", 0.0), ("offset_frac", 0.2), ("dropout", 1.0), ("annotator_swap", 1.0)]
    nothing = levels["dropout", 1.0]
    assert nothing["assisted"]["mean"] == nothing["image"]["mean"]
    assert (nothing["gain"]["mean"], nothing["share"]) == (0.0, 0.0)
    assert len({one["image"]["mean"] for one in told["levels"]}) == 1
    rows = list(csv.DictReader(files["cases.csv"].read_text().splitlines()))
    count = len(Cohort.open(trained.cohort).splits["test"])
    assert len(rows) == 4 * count
    recorded = [float(row["assisted"]) - float(row["image"]) for row in rows if row["reading"] == "recorded"]
    assert told["levels"][0]["gain"]["mean"] == pytest.approx(np.mean(recorded))
    page = files["page.html"].read_text()
    assert "Readings of another image" in page
    assert page.count("<svg") >= 3
    scored = list(csv.DictReader((trained.run / "cases.csv").read_text().splitlines()))
    evaluated = np.mean([float(row["dice"]) for row in scored if row["head"] == "assisted"])
    assert told["levels"][0]["assisted"]["mean"] == pytest.approx(evaluated, abs=1e-3)


def test_a_fusion_is_not_fitted_on_test_or_on_what_was_learned_from(trained, tmp_path, capsys):
    words = ["study", "assisted", str(trained.run), "--fit", str(tmp_path / "fusion.json")]
    assert main([*words, "--split", "test"]) == 2
    assert "test split" in capsys.readouterr().err
    assert main([*words, "--split", "train"]) != 0
    assert "learned from all" in capsys.readouterr().err
    cohort = Cohort.open(trained.cohort)
    some = [cohort.subset("train")[0], *cohort.subset("val")]
    found = unseen_cases(trained.run, cohort, some)
    assert found.left_out == (some[0].id,)
    assert found.out_of_fold == 0
    assert [case.id for case in found.by_run[trained.run]] == [case.id for case in some[1:]]


def test_a_run_uses_its_own_fusion(trained, tmp_path):
    assert fusion_of(tmp_path) == shipped_fusion()
    own = shipped_fusion().model_copy(update={"source": "of this run"})
    write_fusion(own, tmp_path / FUSION_FILE)
    assert fusion_of(tmp_path).source == "of this run"
    (tmp_path / "bad.json").write_text(own.model_dump_json().replace('"agreement"', '"agrement"'))
    with pytest.raises(DataError, match="agrement"):
        read_fusion(tmp_path / "bad.json")
    (tmp_path / "worse.json").write_text("{}")
    with pytest.raises(DataError, match="study assisted RUN --fit"):
        read_fusion(tmp_path / "worse.json")


def test_the_agreement_of_a_recording_leaves_the_image_itself_out():
    with keep_looks() as looks:
        values = [0.2, 0.4, 0.5, 0.6, 0.7, 0.9]
        for number, value in enumerate(values):
            gaze = make_levels(np.full((4, 4), value))
            looks.add(str(number), np.full((4, 4), value, np.float32), gaze, "p1")
        looks.add("other", np.full((4, 4), 0.5), make_levels(np.full((4, 4), 0.5)), "p2")
        looks.add("unseen", np.full((4, 4), 0.5), None, "p1")
        agreements = looks.agreements()
    assert agreements["other"] is None
    assert agreements["0"] == pytest.approx(1.0)
    assert agreements["unseen"] == pytest.approx(1.0)


def test_gaze_in_pixels_is_joined_by_the_image_size(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    Image.new("RGB", (50, 50)).save(tmp_path / "b.png")
    (tmp_path / "g.csv").write_text("IMAGE,x,y,ms\na.jpg,150,25,200\nc.jpg,1,1,200\n")
    from gaze_insight.gaze.readers.source import GazeSource

    columns = dict.fromkeys(("start_ms", "annotator", "image_height", "image_width"))
    settings = {"image": "IMAGE", "x": "x", "y": "y", "duration_ms": "ms", "frame": "image_px", **columns}
    images = [tmp_path / "a.jpg", tmp_path / "b.png"]
    found = read_image_gaze(images, tmp_path / "g.csv", GazeSource(settings=settings))
    assert found.fixations["a"].to_rows() == [[0.75, 0.25, 200.0, 0.0]]
    assert (found.without_gaze, found.unjoined) == (("b",), ("c",))


def test_examples_run_from_the_largest_gain_to_the_largest_loss():
    assert examples_of([0.1, -0.2, 0.3], 5) == [2, 0, 1]
    assert examples_of([], 3) == examples_of([0.1], 0) == []
    assert examples_of(list(np.linspace(0, 1, 11)), 3) == [10, 5, 0]


def test_real_gaze_helps_a_poor_network_and_swapped_gaze_does_not_count(real_data, tmp_path):
    """A stand-in for a network that sees the lesion shifted and too small; real images, masks and gaze."""
    from gaze_insight.cohort.datasets.kvasir import import_kvasir
    from gaze_insight.evaluation.overlap import dice
    from gaze_insight.workflow.studies.assisted_scoring import Reading, made_worse

    source, table = tmp_path / "few", real_data / "gazemedseg" / "kvasir_fixation.csv"
    for kind in ("images", "masks"):
        (source / kind).mkdir(parents=True)
        for path in sorted((real_data / "kvasir-seg" / kind).iterdir())[:8]:
            (source / kind / path.name).symlink_to(path)
    cases = [
        case for case in import_kvasir(source, tmp_path / "c", gaze=table).cases.values() if case.fixations
    ]
    gains = {}
    for reading in (Reading(), Reading("annotator_swap", 1.0)):
        found = []
        with keep_looks() as looks:
            for case in made_worse(cases, reading, 0):
                truth = case.read_mask()
                shift = round(0.12 * np.sqrt(truth.sum()))
                network = np.where(np.roll(truth, shift, axis=1), 0.8, 0.06).astype(np.float32)
                looks.add(
                    case.id,
                    network,
                    make_pseudo_mask(case.read_image(), case.fixations or Fixations.empty(), SMALL),
                )
            for one, network, fused in looks.fused():
                truth = next(case for case in cases if case.id == one).read_mask()
                found.append(dice(fused.probability > 0.5, truth) - dice(network > 0.5, truth))
        gains[reading.name] = float(np.mean(found))
    assert gains["recorded"] > 0
    assert gains["annotator_swap 1"] > -0.02
