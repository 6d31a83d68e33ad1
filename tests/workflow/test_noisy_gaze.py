"""Training on worse gaze than was recorded: what changes, what stays, and where it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.config.loading import compose
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.noise import NoiseSettings
from gaze_insight.methods.protocol import Method
from gaze_insight.workflow.labelling import pseudo_mask_key
from gaze_insight.workflow.noisy_gaze import with_noisy_gaze
from gaze_insight.workflow.training import train
from gaze_insight.workflow.weak_labels import weak_label_key

TINY = (
    "labels.working_long_side_px=48", "training.input_size_px=32", "training.min_steps=0",
    "training.device=cpu", "evaluation.resamples=100",
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("noisy-gaze")
    import_synthetic(folder / "source", folder, settings=SyntheticSettings(cases=12, size_px=(48, 64)))
    return Cohort.open(folder)


def rows(cohort: Cohort, split: str) -> list[list[tuple[float, ...]]]:
    return [list(map(tuple, case.fixations.to_rows())) for case in cohort.subset(split)]


def test_no_dial_changes_nothing(cohort):
    same = with_noisy_gaze(cohort, NoiseSettings(), seed=5)
    assert same.cohort is cohort
    assert same.account is None
    assert same.facts() is None


@pytest.mark.parametrize(
    "dials", [{"jitter_sd_frac": 0.05}, {"offset_frac": 0.1}, {"dropout": 0.5}, {"annotator_swap": 0.9}]
)
def test_the_training_split_alone_gets_worse(cohort, dials):
    noisy = with_noisy_gaze(cohort, NoiseSettings(**dials), seed=1)
    assert rows(noisy.cohort, "train") != rows(cohort, "train")
    for split in ("val", "test"):
        assert rows(noisy.cohort, split) == rows(cohort, split)
    assert noisy.recorded is cohort
    assert noisy.account.dials == dials
    again, other = (with_noisy_gaze(cohort, NoiseSettings(**dials), seed=seed) for seed in (1, 2))
    assert rows(again.cohort, "train") == rows(noisy.cohort, "train") != rows(other.cohort, "train")


def test_offset_moves_each_reading_as_a_whole_by_its_length(cohort):
    noisy = with_noisy_gaze(cohort, NoiseSettings(offset_frac=0.1), seed=0)
    angles = set()
    for before, after in zip(cohort.subset("train"), noisy.cohort.subset("train"), strict=True):
        own = before.fixations.to_frame("image_unit")
        x, y = after.fixations.x - own.x, after.fixations.y - own.y
        assert np.allclose(np.hypot(x, y), 0.1)
        assert np.ptp(x) < 1e-9
        angles.add(round(float(np.arctan2(y[0], x[0])), 6))
    assert len(angles) == len(cohort.subset("train"))


def test_more_of_a_dial_is_more_of_the_same(cohort):
    few, many = (with_noisy_gaze(cohort, NoiseSettings(dropout=one), seed=0) for one in (0.3, 0.7))
    for kept, fewer in zip(rows(few.cohort, "train"), rows(many.cohort, "train"), strict=True):
        assert set(fewer) <= set(kept)
    assert few.account.fixations_after > many.account.fixations_after


def test_a_case_draws_alike_whichever_others_there_are(cohort):
    ids = cohort.splits["train"]
    smaller = cohort.with_splits({**cohort.splits, "train": ids[2:5]})
    settings = NoiseSettings(jitter_sd_frac=0.05, dropout=0.2)
    whole = {
        case.id: case.fixations.to_rows() for case in with_noisy_gaze(cohort, settings).cohort.subset("train")
    }
    for case in with_noisy_gaze(smaller, settings).cohort.subset("train"):
        assert np.array_equal(case.fixations.to_rows(), whole[case.id])


def test_the_account_counts(cohort):
    account = with_noisy_gaze(cohort, NoiseSettings(dropout=1.0)).account
    train_rows = rows(cohort, "train")
    assert account.readings == account.emptied == len(train_rows)
    assert (account.fixations_before, account.fixations_after) == (sum(map(len, train_rows)), 0)
    far = with_noisy_gaze(cohort, NoiseSettings(offset_frac=3.0)).account
    assert far.off_image == far.fixations_after == far.fixations_before
    assert "offset_frac 3" in far.words()


def test_a_swap_needs_another_reading(cohort):
    ids = cohort.splits["train"]
    alone = cohort.with_splits({"train": ids[:1]})
    with pytest.raises(DataError, match="at least two readings"):
        with_noisy_gaze(alone, NoiseSettings(annotator_swap=0.5))
    everything = with_noisy_gaze(cohort, NoiseSettings(annotator_swap=1.0)).cohort
    own = {case.id: case.fixations.to_rows() for case in cohort.subset("train")}
    for case in everything.subset("train"):
        givers = [id for id, one in own.items() if np.array_equal(one, case.fixations.to_rows())]
        assert givers
        assert case.id not in givers


def test_what_is_made_of_readings_gets_other_keys(cohort):
    config = compose((), (), TINY)
    noisy = with_noisy_gaze(cohort, NoiseSettings(jitter_sd_frac=0.02)).cohort
    for id in cohort.splits["train"]:
        before, after = cohort.cases[id], noisy.cases[id]
        keys = {pseudo_mask_key(cohort.derived, case, config.labels) for case in (before, after)}
        assert len(keys) == 2
        keys = {weak_label_key(cohort.derived, case, "box", config.weak_labels) for case in (before, after)}
        assert len(keys) == 2


def test_an_unread_case_stays_unread(cohort):
    first = cohort.splits["train"][0]
    bare = replace(cohort, cases={**cohort.cases, first: replace(cohort.cases[first], fixations=None)})
    noisy = with_noisy_gaze(bare, NoiseSettings(dropout=0.5))
    assert noisy.cohort.cases[first].fixations is None
    assert noisy.account.readings == len(cohort.subset("train")) - 1
    empty = replace(cohort.cases[first], fixations=Fixations.empty())
    assert with_noisy_gaze(replace(cohort, cases={**cohort.cases, first: empty}), NoiseSettings(dropout=0.5))


def test_a_run_learns_from_it_and_says_so(cohort, tmp_path, monkeypatch, capsys):
    seen: list[Cohort] = []
    from gaze_insight.workflow import training

    choose = training.choose_training_cases

    def watched(given: Cohort, config, method: Method, *more):
        seen.append(given)
        return choose(given, config, method, *more)

    monkeypatch.setattr(training, "choose_training_cases", watched)
    config = compose(("tiny", "unet_gaze"), (), (*TINY, "gaze_noise.dropout=0.6"))
    run = train(cohort, config, tmp_path / "noisy")
    settings = NoiseSettings(dropout=0.6)
    assert rows(seen[0], "train") == rows(with_noisy_gaze(cohort, settings, config.seed).cohort, "train")
    plan = run.plan()
    assert plan["gaze_noise"]["dials"] == {"dropout": 0.6}
    assert plan["gaze_noise"]["fixations_after"] < plan["gaze_noise"]["fixations_before"]
    spent = {case.id: case.fixations.span_ms for case in cohort.subset("train")}
    learned = [case.id for case in cohort.subset("train") if case.id not in plan["left_out"]]
    assert plan["learned_from"]["gaze_s"] == pytest.approx(sum(spent[id] for id in learned) / 1000)
    assert main(["evaluate", str(run.path), "--quiet"]) == 0
    assert main(["report", str(run.path)]) == 0
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "made worse (dropout 0.6)" in page
    assert "made worse on purpose" in page
    assert json.loads((run.path / "summary.json").read_text(encoding="utf-8"))["test"]["student"]["dice"]["n"]
