"""ROUGE and BLEU against counts by hand."""

import math
from collections import Counter

import pytest

from gaze_insight.errors import DataError, MissingExtraError
from gaze_insight.evaluation.text_overlap import bleu_scores, rouge_scores, text_overlap

pytest.importorskip("rouge_score")
pytest.importorskip("sacrebleu")

REFERENCE = "no focal consolidation pleural effusion or pneumothorax in the chest"
SAID = "no focal consolidation or large pneumothorax in the left chest"


def _pairs(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _longest(one, two):
    table = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@pytest.mark.parametrize(("n", "place"), [(1, 0), (2, 1)])
def test_rouge_n_is_the_f_of_common_n_grams(n, place):
    wanted, said = _pairs(REFERENCE, n), _pairs(SAID, n)
    common = sum((wanted & said).values())
    expected = 2 * common / (sum(wanted.values()) + sum(said.values()))
    assert rouge_scores([REFERENCE], [SAID]).per_report[0][place] == pytest.approx(expected)


def test_rouge_l_is_the_f_of_the_longest_common_subsequence():
    wanted, said = REFERENCE.split(), SAID.split()
    expected = 2 * _longest(wanted, said) / (len(wanted) + len(said))
    assert rouge_scores([REFERENCE], [SAID]).rouge_l == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 2])
def test_bleu_is_the_geometric_mean_of_precisions_with_brevity(order):
    precisions = []
    for n in range(1, order + 1):
        wanted, said = _pairs(REFERENCE, n), _pairs(SAID, n)
        precisions.append(sum((wanted & said).values()) / sum(said.values()))
    a, b = len(SAID.split()), len(REFERENCE.split())
    brevity = 1.0 if a >= b else math.exp(1 - b / a)
    expected = brevity * math.prod(precisions) ** (1 / order)
    assert bleu_scores([REFERENCE], [SAID]).bleu[order - 1] == pytest.approx(expected)


def test_a_text_against_itself_is_one():
    found = text_overlap([REFERENCE, SAID], [REFERENCE, SAID])
    assert (found.rouge.rouge1, found.rouge.rouge2, found.rouge.rouge_l) == (1, 1, 1)
    assert found.bleu.bleu == pytest.approx((1, 1, 1, 1))


def test_flavours_are_named():
    numbers = text_overlap([REFERENCE], [SAID]).as_dict()
    assert numbers["rouge_flavour"].endswith("stemmed, mean F over reports")
    assert numbers["bleu_flavour"].startswith("BLEU-4|")
    assert "version:" in numbers["bleu_flavour"]


def test_blank_references_are_left_out_and_counted():
    found = text_overlap(["", REFERENCE, REFERENCE], ["anything", SAID, " "])
    assert (found.scored, found.without_reference, found.without_text) == ((1, 2), 1, 1)
    assert found.rouge.rouge1 == pytest.approx(rouge_scores([REFERENCE], [SAID]).rouge1 / 2)


def test_no_report_gives_no_number():
    numbers = text_overlap([], []).as_dict()
    assert math.isnan(numbers["rouge1"])
    assert math.isnan(numbers["bleu4"])
    assert numbers["reports"] == 0


def test_lists_must_be_of_one_length():
    with pytest.raises(DataError, match="1 references and 0 texts"):
        text_overlap(["a"], [])


@pytest.mark.parametrize(
    ("module", "score"), [("rouge_score.rouge_scorer", rouge_scores), ("sacrebleu.metrics", bleu_scores)]
)
def test_a_missing_package_is_named(monkeypatch, module, score):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=r"gaze-insight\[text\]"):
        score(["a"], ["a"])
