"""What an exported model says of itself survives the file, and a strange card is refused."""

from __future__ import annotations

import json

import pytest

from gaze_insight.errors import DataError
from gaze_insight.inference.model_card import ModelCard

CARD = ModelCard("fgi", "student", "unet", "mine", 3, 224, 160, 0.4, True, (1.0, 1.25), "fp16", 1.7)


def test_a_card_reads_as_it_was_written() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD
    told = json.loads(CARD.to_json())
    assert "uint8" in told["input"]
    assert "logits" in told["output"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no card"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ('{"schema_version": 1}', "damaged"),
        (json.dumps({**json.loads(CARD.to_json()), "more": 1}), "damaged"),
        (json.dumps({**json.loads(CARD.to_json()), "schema_version": 9}), "version 1, found 9"),
    ],
)
def test_a_strange_card_is_refused_with_the_files_name(text: str | None, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        ModelCard.from_json(text, "here.onnx")
    assert "here.onnx" in str(caught.value)
    assert caught.value.remedy
