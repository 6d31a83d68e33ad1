"""What single sentences and reports say, written out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.chest.findings import all_names
from gaze_insight.chest.keyword_phrases import lexicon, phrase_pattern
from gaze_insight.chest.keywords import KeywordSettings, extract_mentions, is_normal, label_report
from gaze_insight.chest.misspellings import finding_meant
from gaze_insight.chest.report_text import read_sentences, split_sentences
from gaze_insight.errors import SettingsError

P, N, U = "positive", "negative", "uncertain"
SENTENCES = [
    ("No pneumothorax or pleural effusion.", {"Pneumothorax": N, "Pleural Effusion": N}),
    ("No pneumothorax, but a small effusion.", {"Pneumothorax": N, "Pleural Effusion": P}),
    ("No pneumothorax, small left effusion.", {"Pneumothorax": N, "Pleural Effusion": P}),
    ("No focal consolidation, large effusion, or pneumothorax.", {"Pleural Effusion": N, "Pneumothorax": N}),
    ("No focal consolidation, pneumothorax, effusion.", {"Consolidation": N, "Pleural Effusion": N}),
    ("No infiltrate, pneumothorax or effusion is identified.", {"Lung Opacity": N, "Pleural Effusion": N}),
    ("Lungs are without evidence of edema.", {"Edema": N}),
    ("The chest is clear of consolidation.", {"Consolidation": N}),
    ("The lungs are free of focal infiltrates.", {"Lung Opacity": N}),
    ("Negative for fracture.", {"Fracture": N}),
    ("The pneumothorax has resolved.", {"Pneumothorax": N}),
    ("Interval resolution of the right effusion.", {"Pleural Effusion": N}),
    ("Pleural effusion and pneumothorax are not seen.", {"Pleural Effusion": N, "Pneumothorax": N}),
    ("The effusion is small and pneumothorax is not seen.", {"Pleural Effusion": P, "Pneumothorax": N}),
    ("The lungs are clear.", {"Consolidation": N, "Edema": N, "Lung Opacity": N, "Pneumonia": N}),
    ("Heart size is normal.", {"Cardiomegaly": N}),
    ("The heart is not enlarged.", {"Cardiomegaly": N}),
    ("The heart is mildly enlarged.", {"Cardiomegaly": P}),
    (
        "Heart size, mediastinal contours, and vascularity are within normal limits.",
        {"Cardiomegaly": N, "Edema": N},
    ),
    ("Scarring rather than pneumonia.", {"Pneumonia": N}),
    ("Pneumonia cannot be excluded.", {"Pneumonia": U}),
    ("Cannot exclude pneumonia.", {"Pneumonia": U}),
    ("Opacity which may represent atelectasis.", {"Lung Opacity": P, "Atelectasis": U}),
    ("Opacity which may be due to atelectasis.", {"Lung Opacity": P, "Atelectasis": U}),
    ("Atelectasis or infiltrate at the left base.", {"Atelectasis": U, "Lung Opacity": U}),
    (
        "Opacity in the base concerning for atelectasis versus pneumonia.",
        {"Lung Opacity": P, "Atelectasis": U, "Pneumonia": U},
    ),
    ("No opacity to suggest pneumonia.", {"Lung Opacity": N, "Pneumonia": N}),
    ("No change in the right pleural effusion.", {"Pleural Effusion": P}),
    ("No significant interval change in cardiomegaly.", {"Cardiomegaly": P}),
    ("No new infiltrate.", {"Lung Opacity": N}),
    ("Unchanged cardiomegaly.", {"Cardiomegaly": P}),
    ("Chest tube has been removed.", {"Support Devices": N}),
    ("Recommend CT to rule out pneumonia.", {"Pneumonia": None}),
    ("History of pneumonia.", {"Pneumonia": None}),
    ("Moderate pericardial effusion.", {"Pleural Effusion": None}),
    ("Soft tissue edema of the arm.", {"Edema": None}),
    ("Blunting of the left costophrenic angle.", {"Pleural Effusion": U}),
    ("Cardiomegaly with mild edema and no pneumothorax.", {"Cardiomegaly": P, "Edema": P, "Pneumothorax": N}),
    ("There is no effusion and there is a right nodule.", {"Pleural Effusion": N, "Lung Lesion": P}),
    ("NO PNEUMOTHORAX.", {"Pneumothorax": N}),
    ("", {"No Finding": None, "Edema": None}),
    ("Sternotomy wires.", {"No Finding": P}),
    ("Right PICC. No effusion.", {"No Finding": P, "Support Devices": P}),
    ("Possible edema.", {"No Finding": N, "Edema": U}),
]


@pytest.mark.parametrize(("text", "expected"), SENTENCES)
def test_a_sentence_says(text, expected):
    labels = label_report(text)
    assert {name: labels[name] for name in expected} == expected


def test_every_known_finding_has_a_label():
    assert tuple(label_report("Clear.")) == all_names()
    assert set(lexicon().findings) <= set(all_names())


def test_the_most_that_is_said_of_a_finding_counts():
    assert label_report("No effusion. Possible effusion.")["Pleural Effusion"] == U
    assert label_report("Possible effusion. Small effusion. No effusion.")["Pleural Effusion"] == P
    assert label_report("Lungs are clear. Left basilar atelectasis.")["Atelectasis"] == P


def test_questions_under_indication_are_no_findings():
    text = "INDICATION: pneumonia, effusion.\nFINDINGS: Mild edema.\nCOMPARISON: prior pneumothorax."
    labels = label_report(text)
    assert (labels["Edema"], labels["Pneumonia"], labels["Pneumothorax"]) == (P, None, None)


def test_mentions_carry_their_place_in_the_text():
    text = "IMPRESSION:\n1. Small right pleural effusion.\n2. No left apical pneumothorax."
    found = extract_mentions(text)
    assert [text[one.start : one.end] for one in found] == [one.phrase for one in found]
    sided = {one.finding: (one.laterality, one.places, one.status) for one in found}
    assert sided["Pleural Effusion"] == ("right", (), P)
    assert sided["Pneumothorax"] == ("left", ("apical",), N)
    assert {one.section for one in found} == {"impression"}


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Bibasilar atelectasis", "bilateral"),
        ("Left effusion and right atelectasis", "right"),
        ("Atelectasis in the left base, right effusion", "left"),
        ("Atelectasis", None),
        ("No effusion but right atelectasis", "right"),
    ],
)
def test_the_side_is_that_of_the_finding(text, side):
    assert {one.laterality for one in extract_mentions(text) if one.finding == "Atelectasis"} == {side}


def test_a_side_does_not_cross_a_but():
    first, second = extract_mentions("No pneumothorax, but a small left effusion")
    assert (first.laterality, second.laterality) == (None, "left")


def test_settings_switch_each_part_off():
    text = "No effusion. Possible edema. Heart size is normal."
    plain = label_report(text, KeywordSettings(negation=False))
    assert (plain["Pleural Effusion"], plain["Cardiomegaly"]) == (P, None)
    assert label_report(text, KeywordSettings(uncertainty=False))["Edema"] == P
    assert label_report(text, KeywordSettings(normal_statements=False))["Cardiomegaly"] is None


def test_misspellings_are_understood_only_on_request():
    text = "Small pnuemothorax."
    assert label_report(text)["Pneumothorax"] is None
    assert label_report(text, KeywordSettings(misspellings=True))["Pneumothorax"] == P
    assert [finding_meant(word) for word in ("infusion", "perfusion", "effussion")] == [
        None,
        None,
        "Pleural Effusion",
    ]


def test_normal_asks_for_more_than_no_finding():
    assert is_normal(extract_mentions("Heart size is normal. Lungs are clear."))
    assert not is_normal(extract_mentions("Clear lungs. Degenerative spine."))
    assert label_report("Clear lungs. Degenerative spine.")["No Finding"] == P


def test_sentences_end_where_they_should():
    text = "Dr. Smith saw 1.5 cm nodule vs. scar. 2. XXXX XXXX. Clear;normal\n\nStable"
    words = [one for _, one in split_sentences(text)]
    assert words == ["Dr. Smith saw 1.5 cm nodule vs. scar", "XXXX XXXX", "Clear", "normal", "Stable"]
    assert all(text[start:].startswith(one) for start, one in split_sentences(text))


def test_a_wrapped_line_is_one_sentence():
    (sentence,) = read_sentences("There is no evidence\nof pneumothorax")
    assert label_report(sentence.text)["Pneumothorax"] == N


@pytest.mark.parametrize("phrase", ["", "~ effusion", "effusion ~~"])
def test_phrases_without_an_end_are_refused(phrase):
    with pytest.raises(SettingsError, match="begin and end with a word"):
        phrase_pattern(phrase)


@given(st.text(max_size=120))
def test_any_text_can_be_read(text):
    for one in extract_mentions(text, KeywordSettings(misspellings=True)):
        assert text[one.start : one.end] == one.phrase
        assert one.status in (P, N, U)


@given(st.lists(st.sampled_from([text for text, _ in SENTENCES[:-5] if text]), max_size=6))
def test_sentences_do_not_disturb_each_other(texts):
    apart = [(one.finding, one.status) for text in texts for one in extract_mentions(text)]
    assert [(one.finding, one.status) for one in extract_mentions("\n\n".join(texts))] == apart
