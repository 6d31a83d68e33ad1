"""Keyword precision and recall, and the scorers of other packages behind a stand-in."""

import math
import sys
from types import ModuleType

import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from gaze_insight.chest.keyword_scores import KEYWORD_FINDINGS, Rates, keyword_scores, labels_scores
from gaze_insight.chest.keywords import label_report
from gaze_insight.chest.outside_scorers import chexbert_scores, radgraph_scores
from gaze_insight.errors import DataError, MissingExtraError, SettingsError

REFERENCES = [
    "Small effusion. Cardiomegaly.",
    "No effusion. Possible edema.",
    "Clear lungs.",
    "Pneumothorax and nodule.",
]
SAID = ["Effusion. No cardiomegaly.", "Edema and effusion.", "Clear lungs.", "Normal chest."]


@pytest.mark.parametrize("uncertain", ["positive", "negative"])
def test_rates_are_those_of_sklearn(uncertain):
    asserting = ("positive", "uncertain") if uncertain == "positive" else ("positive",)
    wanted, said = (
        [[label_report(t)[f] in asserting for f in KEYWORD_FINDINGS] for t in texts]
        for texts in (REFERENCES, SAID)
    )
    scores = keyword_scores(REFERENCES, SAID, uncertain=uncertain)
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert getattr(scores.micro, name) == pytest.approx(function(wanted, said, average="micro"))
    rows = [
        function(wanted, said, average=None, zero_division=math.nan)
        for function in (precision_score, recall_score)
    ]
    for place, row in enumerate(rows):
        defined = [value for value in row if not math.isnan(value)]
        assert scores.macro[place] == pytest.approx(sum(defined) / len(defined))


def test_empty_reports_are_counted_and_skipped_in_means():
    scores = keyword_scores(REFERENCES, SAID)
    assert (scores.reports, scores.reference_empty, scores.generated_empty, scores.both_empty) == (4, 1, 2, 1)
    assert scores.by_report[1] == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_a_flipped_denial_scores_nothing_and_is_counted():
    scores = keyword_scores(["There is an effusion."], ["There is no effusion."])
    assert (scores.micro.recall, scores.contradicted) == (0.0, 1)
    assert math.isnan(scores.micro.precision)
    assert scores.micro.f1 == 0


def test_nothing_to_count_is_not_a_number():
    numbers = keyword_scores([], []).as_dict()
    assert math.isnan(numbers["f1_micro"])
    assert math.isnan(numbers["recall_macro"])
    assert numbers["reports"] == 0
    assert math.isnan(Rates(0, 0, 0).f1)


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="2 references and 1 texts"):
        keyword_scores(["a", "b"], ["a"])
    with pytest.raises(SettingsError, match="Broken Heart"):
        keyword_scores(["a"], ["a"], findings=["Broken Heart"])
    with pytest.raises(DataError, match="found 1 references"):
        labels_scores([{}], [])
    with pytest.raises(SettingsError, match="uncertain must be"):
        labels_scores([], [], uncertain="maybe")


@pytest.fixture
def stand_in(monkeypatch):
    asked = {}

    class Graph:
        def __init__(self, **settings):
            asked.update(settings)

        def __call__(self, hyps, refs):
            same = [float(a == b) for a, b in zip(hyps, refs, strict=True)]
            mean = sum(same) / len(same)
            return (mean, mean / 2, mean / 4), (same, same, same), [], []

    class Bert:
        def __init__(self, device):
            asked["device"] = device

        def __call__(self, hyps, refs):
            report = {"micro avg": {"f1-score": 0.5}, "macro avg": {"f1-score": 0.25}}
            return 1.0, [1.0], report, {**report, "micro avg": {"f1-score": 0.75}}

    for name, attribute, scorer in (("radgraph", "F1RadGraph", Graph), ("f1chexbert", "F1CheXbert", Bert)):
        module = ModuleType(name)
        setattr(module, attribute, scorer)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_radgraph_gives_three_levels(stand_in):
    found = radgraph_scores(["a", "", "b"], ["a", "x", "c"])
    assert found.scores == {"radgraph_simple": 0.5, "radgraph_partial": 0.25, "radgraph_complete": 0.125}
    assert (found.per_report["radgraph_simple"], found.without_reference) == ((1.0, 0.0), 1)
    assert stand_in == {"reward_level": "all", "model_type": "radgraph-xl", "cuda": -1}
    assert "model radgraph-xl" in found.flavour


def test_chexbert_gives_micro_and_macro_of_14_and_5(stand_in):
    found = chexbert_scores(["a"], ["a"])
    assert found.scores == {
        "chexbert_micro_14": 0.5,
        "chexbert_macro_14": 0.25,
        "chexbert_micro_5": 0.75,
        "chexbert_macro_5": 0.25,
    }
    assert stand_in == {"device": "cpu"}


def test_no_report_needs_no_model(stand_in):
    assert math.isnan(radgraph_scores([" "], ["a"]).scores["radgraph_simple"])
    assert math.isnan(chexbert_scores([], []).scores["chexbert_micro_5"])
    assert stand_in == {}


@pytest.mark.parametrize(("name", "score"), [("radgraph", radgraph_scores), ("f1chexbert", chexbert_scores)])
def test_what_is_missing_is_named_with_a_remedy(monkeypatch, stand_in, name, score):
    def fail(*args, **kwargs):
        raise OSError("no network")

    attribute = "F1RadGraph" if name == "radgraph" else "F1CheXbert"
    monkeypatch.setattr(sys.modules[name], attribute, fail)
    with pytest.raises(MissingExtraError, match=r"no network[\s\S]*hub"):
        score(["a"], ["a"])
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=f"pip install {name}"):
        score(["a"], ["a"])


def test_an_answer_of_another_form_is_refused(monkeypatch, stand_in):
    monkeypatch.setattr(
        sys.modules["radgraph"], "F1RadGraph", lambda **_: lambda hyps, refs: ([1.0], [[1.0]], [], [])
    )
    with pytest.raises(DataError, match="three scores"):
        radgraph_scores(["a"], ["a"])
    with pytest.raises(SettingsError, match="unknown RadGraph model"):
        radgraph_scores(["a"], ["a"], model="other")
