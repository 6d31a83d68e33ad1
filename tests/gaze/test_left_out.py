from __future__ import annotations

import re
from pathlib import Path

import pytest

from gaze_insight.gaze.readers import left_out
from gaze_insight.gaze.readers.left_out import REASONS, count_words, unexpected

READERS = sorted(Path(left_out.__file__).parent.glob("*.py"))


def test_every_reason_that_readers_count_has_words():
    text = "".join(path.read_text() for path in READERS if path.name != "left_out.py")
    counted = set(re.findall(r'(?:dropped|counted)\["(\w+)"\]', text)) | set(
        re.findall(r"as ``(\w+)``", text)
    )
    assert counted >= {"other_rows", "not_valid", "off_image", "not_placed", "other_eye", "same_time"}
    assert counted <= REASONS.keys()


@pytest.mark.parametrize("reason", REASONS)
def test_words_are_a_count_and_a_noun(reason):
    one, many = count_words(reason, 1), count_words(reason, 2000)
    assert one.startswith("1 ")
    assert many.startswith("2,000 ")
    assert one != many.replace("2,000", "1")
    assert "(s)" not in one + many
    assert REASONS[reason].meaning.endswith(".")


def test_only_what_every_recording_may_have_needs_no_look():
    every = dict.fromkeys([*REASONS, "of_a_plug_in"], 1)
    assert every.keys() - unexpected(every).keys() == {"other_rows", "other_eye", "repeated", "same_time"}
    assert unexpected(dict.fromkeys(REASONS, 0)) == {}
