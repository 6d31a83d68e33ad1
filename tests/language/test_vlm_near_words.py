"""The table of near words, and the JSON objects in a text."""

import json
from hashlib import sha256
from importlib import resources

import pytest
import yaml

from gaze_insight.errors import SettingsError
from gaze_insight.language.vlm import near_words
from gaze_insight.language.vlm.answer_schema import ANSWER_SCHEMA_VERSION, answer_schema
from gaze_insight.language.vlm.json_in_text import objects_in
from gaze_insight.language.vlm.near_words import field_of_key, nearest_word
from gaze_insight.language.vocabulary import LOCATIONS, VOCABULARY

TABLE = yaml.safe_load((resources.files(near_words.__package__) / "near_words.yaml").read_text("utf-8"))
ENTRIES = [
    (field, word, other)
    for field, words in TABLE["words"].items()
    for word, others in words.items()
    for other in others
]


def test_the_table_is_text_and_means_one_word_each():
    for field, words in TABLE["words"].items():
        assert set(words) <= set(VOCABULARY[field])
        listed = [other for others in words.values() for other in others]
        assert len(listed) == len(set(listed))
        assert not set(listed) & set(VOCABULARY[field])
    lists = [TABLE["fillers"], TABLE["unsure"], TABLE["middle"], *TABLE["field_fillers"].values()]
    lists += [*TABLE["rows"].values(), *TABLE["columns"].values(), *TABLE["keys"].values()]
    lists += [others for words in TABLE["words"].values() for others in words.values()]
    assert all(isinstance(one, str) for part in lists for one in part)
    keys = [one for others in TABLE["keys"].values() for one in others]
    assert len(keys) == len(set(keys))
    assert all(nearest_word(field, other) == word for field, word, other in ENTRIES)


def test_a_letter_too_few_never_turns_a_word_into_another():
    wrong = []
    for field, word, other in [*ENTRIES, *((f, w, w) for f, words in VOCABULARY.items() for w in words)]:
        if len(other) > 5:
            shorter = {other[:at] + other[at + 1 :] for at in range(len(other))}
            wrong += [(field, one, word) for one in shorter if nearest_word(field, one) not in (word, None)]
    assert not wrong


def test_every_place_is_found_in_either_order_and_by_every_name():
    for row, above in TABLE["rows"].items():
        for column, beside in TABLE["columns"].items():
            for first in above:
                for second in beside:
                    assert nearest_word("location", f"{first} {second}") == f"{row} {column}"
                    assert nearest_word("location", f"{second}-{first}") == f"{row} {column}"
    for middle in TABLE["middle"]:
        assert nearest_word("location", middle) == "centre"
        assert nearest_word("location", f"{middle} left") == "middle left"
        assert nearest_word("location", f"top {middle}") == "upper centre"
    assert all(nearest_word("location", place) == place for place in LOCATIONS)


def test_a_changed_table_or_schema_has_a_new_version():
    content = json.dumps([TABLE, answer_schema(), VOCABULARY], sort_keys=True)
    assert (ANSWER_SCHEMA_VERSION, sha256(content.encode()).hexdigest()[:16]) == (1, "85feb0e9db7f7134")


def test_unknown_fields_and_keys():
    with pytest.raises(SettingsError, match="no field is called 'colour'"):
        nearest_word("colour", "red")
    assert field_of_key("Morphological Characteristics") == "characteristics"
    assert field_of_key("") is None


def test_objects_are_found_with_how():
    assert objects_in("none").how == "none"
    assert objects_in("{broken}").how == "none"
    assert objects_in('{"a": 1}').how == "alone"
    assert objects_in('[{"a": 1}]').how == "in other text"
    assert objects_in("{1: 2}").objects == ()
    assert objects_in('{"a": {"b": 1}, }').objects == ({"a": {"b": 1}},)
    assert objects_in('{"a": 1, "a": 2, "a": 3}').objects == ({"a": [1, 2, 3]},)
    assert objects_in('{"b": "cut', "a").objects == ()
