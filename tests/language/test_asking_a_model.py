"""Asking a model about a cohort: what is asked again and what is not, and what a training reads."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace

import pytest
import yaml
from asking_making import (  # noqa: F401
    SECRET,
    flags_for,
    make_cohort,
    pictures_in,
    rows_of,
    see_requests,
    serve,
    settings_for,
    start_server,
)

from gaze_insight.cli.app import main
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import LanguageSettings, RunConfig
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.workflow.asking_model import ask_model, plan_asking
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.model_answers import AnswerBook
from gaze_insight.workflow.running import run


def test_what_shapes_the_words_asks_again_and_pace_budget_price_and_key_do_not(server, tmp_path, monkeypatch):
    monkeypatch.setenv("EYE_KEY", SECRET)
    cohort = make_cohort(tmp_path, 2)
    ask_model(cohort, settings_for(server))
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"name": "own", "version": 1, "user": "What is there?"}))
    same = [
        {"pace": {"concurrency": 1}}, {"budget": {"requests": 5}}, {"price": {"input_per_million": 1}},
        {"api_key_env": "EYE_KEY"}, {"dicom": "clean"},
    ]  # fmt: skip
    other = [
        {"model": "b"},
        {"seed": 1},
        {"prompt": "blank"},
        {"prompt": str(own)},
        {"picture": {"quality": 50}},
    ]
    left = [len(plan_asking(cohort, settings_for(server, **one)).questions) for one in (*same, *other)]
    assert left == [0] * len(same) + [2] * len(other)
    decisive = [
        LanguageSettings(describer=settings_for(server, **one)).decisive() for one in ({}, *same, *other)
    ]
    assert all(one == decisive[0] for one in decisive[: len(same) + 1])
    assert all(one != decisive[0] for one in decisive[len(same) + 1 :])
    ask_model(cohort, settings_for(server, prompt=str(own)))
    moved = own.rename(tmp_path / "moved.yaml")
    assert not plan_asking(cohort, settings_for(server, prompt=str(moved))).questions
    moved.write_text(yaml.safe_dump({"name": "own", "version": 1, "user": "What do you see?"}))
    assert len(plan_asking(cohort, settings_for(server, prompt=str(moved))).questions) == 2


def test_a_changed_image_is_asked_about_again_and_equal_images_once(server, seen, tmp_path):
    cohort = make_cohort(tmp_path, 3)
    paths = [case.image_path for case in cohort.cases.values()]
    paths[2].write_bytes(paths[0].read_bytes())
    report = ask_model(cohort, settings_for(server))
    assert (report.asked, len(seen())) == (2, 2)
    assert report.answers.described["smith-0"] == report.answers.described["smith-2"]
    assert list(report.answers.described) == list(cohort.cases)
    paths[1].write_bytes(paths[0].read_bytes() + b" ")
    assert [case.id for case in plan_asking(cohort, settings_for(server)).to_ask] == ["smith-1"]


def test_a_refusal_is_stored_and_asked_again_only_on_request_and_a_missing_answer_each_time(
    server, seen, tmp_path, capsys
):
    cohort = make_cohort(tmp_path, 3)
    once = ("--concurrency", "1", "--set", "language.describer.pace.attempts=2")
    server.script("refusal", "wrong_words", "wrong_words", "500", "500")
    assert main(flags_for(cohort, server, *once)) == 1
    failed = cohort.folder / "derived" / "descriptions.failed.jsonl"
    assert [(row["id"], row["kind"]) for row in rows_of(failed)] == [
        ("smith-0", "refused"), ("smith-1", "invalid"), ("smith-2", "unavailable"),
    ]  # fmt: skip
    assert "quixotic" in rows_of(failed)[1]["reason"]
    assert rows_of(failed)[2]["provenance"]["prompt"] == "paper@1"
    assert "1 case got no answer; first 'smith-2'" in capsys.readouterr().err
    before = len(seen())
    assert main(flags_for(cohort, server, *once)) == 0
    assert len(seen()) == before + 1
    assert len(rows_of(failed)) == 2
    words = describe(cohort, LanguageSettings(describer=settings_for(server)))
    assert list(words) == ["smith-2"], "a case that failed for good has no words, and stops nothing"
    assert main(flags_for(cohort, server, *once, "--again")) == 0
    assert len(seen()) == before + 3
    assert not failed.exists()


def test_training_reads_what_is_stored_never_asks_and_names_the_command_that_does(server, seen, tmp_path):
    cohort = make_cohort(tmp_path)
    language = LanguageSettings(describer=settings_for(server, seed=3))
    with pytest.raises(DataError, match="6 of 6 cases are not described yet by 'eye'") as missing:
        describe(cohort, language)
    assert not seen()
    masks = {one: replace(case, mask_path=case.image_path) for one, case in cohort.cases.items()}
    with pytest.raises(DataError, match="6 of 6 cases"):
        run(replace(cohort, cases=masks), RunConfig(language=language), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert main([*flags_for(cohort, server, "--split", "train"), "--set", "language.describer.seed=3"]) == 0
    train, test = cohort.subset("train"), cohort.subset("test")
    assert set(describe(cohort, language, cases=train)) == {case.id for case in train}
    with pytest.raises(DataError, match="3 of 6 cases are not described yet"):
        describe(cohort, language, cases=[*train, *test])
    command = shlex.split(missing.value.remedy.partition(": ")[2])
    assert command[:2] == ["gaze-insight", "describe"]
    assert main([*command[1:], "--quiet"]) == 0
    words = describe(cohort, language)
    assert set(words) == set(cohort.cases)
    assert len(seen()) == 6


def test_a_cohort_of_failures_is_no_cohort_without_words(server, tmp_path):
    cohort = make_cohort(tmp_path, 2)
    server.script("refusal", "refusal")
    assert main(flags_for(cohort, server)) == 0
    with pytest.raises(DataError, match=r"none of 2 cases has a description by 'eye'.*I cannot help"):
        describe(cohort, LanguageSettings(describer=settings_for(server)))


def test_a_damaged_image_keeps_no_training_from_the_words_of_the_others(server, tmp_path):
    cohort = make_cohort(tmp_path, 4)
    cohort.cases["smith-1"].image_path.write_bytes(b"no image")
    settings = settings_for(server)
    with pytest.raises(DataError, match="of 4 cases are not described yet"):
        describe(cohort, LanguageSettings(describer=settings))
    report = ask_model(cohort, settings)
    assert list(report.kept_back) == ["smith-1"]
    assert set(describe(cohort, LanguageSettings(describer=settings))) == {"smith-0", "smith-2", "smith-3"}
    assert {one.source for one in report.answers.described.values()} == {"eye"}
    assert {one["model"] for one in report.answers.provenance.values()} == {"served-model"}
    shuffled = LanguageSettings(describer=settings, shuffled=True)
    left = [case for case in cohort.cases.values() if case.id != "smith-1"]
    assert len(describe(cohort, shuffled, cases=left)) == 2


def test_a_prompt_that_shows_gaze_keeps_cases_without_back_and_follows_the_gaze(server, seen, tmp_path):
    cohort = make_cohort(tmp_path, 3, gaze=True)
    cohort.cases["smith-1"] = replace(cohort.cases["smith-1"], fixations=None)
    settings = settings_for(server, prompt="paper_gaze")
    report = ask_model(cohort, settings)
    assert set(report.answers.described) == {"smith-0", "smith-2"}
    assert list(report.kept_back) == ["smith-1"]
    assert all(len(pictures_in(one)) == 2 for one in seen())
    assert set(describe(cohort, LanguageSettings(describer=settings))) == {"smith-0", "smith-2"}
    elsewhere = Fixations.from_rows([[0.1, 0.2, 200.0, 0.0]], frame="image_unit")
    moved = replace(cohort.cases["smith-0"], fixations=elsewhere)
    plain = settings_for(server)
    assert AnswerBook(cohort, settings).key(moved) != AnswerBook(cohort, settings).key(
        cohort.cases["smith-0"]
    )
    assert AnswerBook(cohort, plain).key(moved) == AnswerBook(cohort, plain).key(cohort.cases["smith-0"])


def test_dicom_files_are_kept_back_by_default(server, seen, tmp_path, capsys):
    pydicom = pytest.importorskip("pydicom")
    cohort = make_cohort(tmp_path, 1)
    path = tmp_path / "scan.dcm"
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    data = pydicom.dataset.Dataset()
    data.file_meta, data.PatientName, data.SOPClassUID = meta, "Smith^John", pydicom.uid.CTImageStorage
    pydicom.dcmwrite(path, data)
    replace(cohort, cases={"scan": Case(id="scan", image_path=path)}, splits={}).save()
    assert main(flags_for(cohort, server)) == 0
    assert not seen()
    told = capsys.readouterr().out
    assert "kept back" in told
    assert "DICOM" in told
    (row,) = rows_of(cohort.folder / "derived" / "descriptions.failed.jsonl")
    assert (row["id"], row["kind"]) == ("scan", "kept_back")
    with pytest.raises(DataError, match=r"none of 1 cases has a description.*DICOM"):
        describe(Cohort.open(cohort.folder), LanguageSettings(describer=settings_for(server)))


def test_what_another_process_asked_meanwhile_is_taken_from_it(server, seen, tmp_path):
    cohort = make_cohort(tmp_path, 4)
    settings = settings_for(server, pace={"concurrency": 1})
    others = []

    def watch(report) -> None:
        if not others:
            others.append(ask_model(cohort, settings).asked)

    report = ask_model(cohort, settings, watch=watch)
    assert others == [3]
    assert len(report.answers.described) == 4
    counts = Counter(picture for one in seen() for picture in pictures_in(one))
    assert len(counts) == 4
    assert counts.total() <= 4 + 2, "at most what was read ahead or under way is asked about twice"


def test_a_record_that_is_damaged_counts_as_absent(server, seen, tmp_path):
    cohort = make_cohort(tmp_path, 1)
    settings = settings_for(server)
    ask_model(cohort, settings)
    (path,) = (cohort.derived.folder / "vlm-description").glob("*.json")
    for text in (
        '{"description": {"location": "nowhere"}, "failure": null, "provenance": {}}',
        "[1]",
        "{}",
        "{",
    ):
        path.write_text(text)
        assert len(plan_asking(cohort, settings).questions) == 1
    assert len(seen()) == 1


def test_asking_with_no_such_prompt_raises_before_anything_is_sent(server, seen, tmp_path):
    with pytest.raises((SettingsError, DataError), match="absent"):
        ask_model(make_cohort(tmp_path, 1), settings_for(server, prompt="absent"))
    assert not seen()
