"""Prompts: what is sent, what is not, and that their hash follows what is sent."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import gaze_insight
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.vlm.answer_schema import (
    ANSWER_FIELDS,
    answer_schema,
    response_format,
    schema_in_words,
)
from gaze_insight.language.vlm.pictures import EncodedPicture, encode_pictures
from gaze_insight.language.vlm.prompts import SHIPPED_PROMPTS, Prompt, load_prompt, prompt_messages
from gaze_insight.language.vocabulary import VOCABULARY
from gaze_insight.types import Size

PACKAGE = Path(gaze_insight.__file__).parent
LOOKED = Fixations.from_rows([(0.5, 0.5, 300, 0)])

PINNED = {
    "paper": ("paper@1", "c114a1d81bcc0abf"),
    "paper_gaze": ("paper_gaze@1", "576160ba46bf0c7c"),
    "paper_gaze_crop": ("paper_gaze_crop@1", "c54cba3a0097e3b1"),
    "blank": ("blank@1", "bf8bc19cd8a214c3"),
    "random": ("random@1", "6385db805f730d0d"),
}


def picture(url="data:image/png;base64,AA"):
    return EncodedPicture(url, "0" * 64, Size(4, 4), 1)


def text_of(messages):
    parts = []
    for message in messages:
        content = message["content"]
        parts += [content] if isinstance(content, str) else [one.get("text", "") for one in content]
    return "\n".join(parts)


def write(tmp_path, **content):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SHIPPED_PROMPTS)
def test_a_shipped_prompt_is_as_it_was_when_it_got_its_version(name):
    prompt = load_prompt(name)
    assert prompt.name == name
    assert prompt.summary
    assert (prompt.label, prompt.sha256[:16]) == PINNED[name], "a changed prompt needs a new version"


def test_every_data_file_of_the_room_is_shipped():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["gaze_insight"]
    shipped = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    found = {
        path for path in (PACKAGE / "language").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }  # fmt: skip
    assert found <= shipped
    assert {path.stem for path in found if path.parent.name == "prompts"} == set(SHIPPED_PROMPTS)


@pytest.mark.parametrize("name", ["paper", "paper_gaze", "paper_gaze_crop"])
def test_the_papers_prompts_name_every_field_and_every_word(name):
    text = load_prompt(name).text_of("user")
    for field, words in VOCABULARY.items():
        line = next(one for one in text.splitlines() if one.strip().startswith(f"- {field}:"))
        assert all(f'"{word}"' in line for word in words)
    assert all(re.search(rf"- {field}\b", text) for field in ANSWER_FIELDS)
    assert "{" not in text
    assert "JSON" in text


def test_the_prompts_of_the_ablation_say_nothing_of_the_picture():
    blank = load_prompt("blank")
    messages = prompt_messages(blank, [picture()])
    assert [part["type"] for part in messages[0]["content"]] == ["image_url"]
    assert len(messages) == 1
    told = text_of(prompt_messages(load_prompt("random"), [picture()])).lower()
    assert told
    words = {word for words in VOCABULARY.values() for word in words} | {
        "lesion",
        "polyp",
        "medical",
        "image",
    }
    assert not words & set(re.findall("[a-z]+", told))


def test_which_pictures_each_prompt_shows():
    shown = {name: load_prompt(name).pictures for name in SHIPPED_PROMPTS}
    assert shown["paper"] == shown["blank"] == shown["random"] == ("image",)
    assert shown["paper_gaze"] == ("image", "gaze_overlay")
    assert shown["paper_gaze_crop"] == ("image", "gaze_crop")
    assert [name for name in SHIPPED_PROMPTS if load_prompt(name).shows_gaze] == [
        "paper_gaze",
        "paper_gaze_crop",
    ]


def test_the_messages_hold_the_texts_and_the_pictures_in_order():
    prompt = Prompt(name="a", version=1, system=" be brief ", user="look", pictures=("image", "gaze_overlay"))
    system, user = prompt_messages(prompt, [picture("data:one"), picture("data:two")])
    assert system == {"role": "system", "content": "be brief"}
    assert user["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:one"}},
        {"type": "image_url", "image_url": {"url": "data:two"}},
    ]


@pytest.mark.parametrize("answer_format", ["json_object", "text"])
def test_a_server_that_enforces_no_schema_is_told_the_form(answer_format):
    for name in SHIPPED_PROMPTS:
        prompt = load_prompt(name)
        pictures = [picture()] * len(prompt.pictures)
        told = text_of(prompt_messages(prompt, pictures, answer_format))
        assert told.rstrip().endswith(schema_in_words())
        assert "JSON" in told
        for enforced in ("json_schema", "json_object_schema"):
            assert schema_in_words() not in text_of(prompt_messages(prompt, pictures, enforced))


def test_a_prompt_without_pictures_is_plain_text():
    prompt = Prompt(name="a", version=1, user="say", pictures=())
    assert prompt_messages(prompt, answer_format="text")[0]["content"].startswith(
        "say\n\nAnswer with one JSON"
    )


def test_another_number_of_pictures_is_refused():
    with pytest.raises(DataError, match=r"paper_gaze@1 shows 2 pictures, found 1"):
        prompt_messages(load_prompt("paper_gaze"), [picture()])


def test_nothing_of_a_case_but_its_pictures_is_sent():
    image = np.full((30, 40, 3), 90, np.uint8)
    for name in SHIPPED_PROMPTS:
        prompt = load_prompt(name)
        sent = prompt_messages(prompt, encode_pictures(prompt.pictures, image, LOOKED))
        urls = [
            part["image_url"]["url"] for message in sent if isinstance(message["content"], list)
            for part in message["content"] if part["type"] == "image_url"
        ]  # fmt: skip
        rest = json.dumps(sent, ensure_ascii=False)
        for url in urls:
            rest = rest.replace(url, "")
        for text in (prompt.text_of("system"), prompt.text_of("user")):
            rest = rest.replace(json.dumps(text, ensure_ascii=False)[1:-1], "")
        assert re.sub(r"[^a-z]+", " ", rest).split() == [
            word for message in sent for word in ("role", message["role"], "content") + (
                ("type", "text", "text") * bool(prompt.text_of("user"))
                + ("type", "image", "url", "image", "url", "url") * len(urls)
                if isinstance(message["content"], list) else ()
            )
        ]  # fmt: skip


def test_the_hash_follows_what_is_sent_and_nothing_else(tmp_path):
    base = {"name": "mine", "version": 1, "system": "s", "user": "u {fields}", "fields": {"shape": "form"}}
    first = load_prompt(write(tmp_path, **base)).sha256
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert load_prompt(write(tmp_path, **base, summary="new")).sha256 == first
    (tmp_path / "mine.yml").write_text(
        "# a remark\nversion: 1\nname: mine\nfields: {shape: '  form '}\nuser: 'u {fields}  '\nsystem: s\n"
    )
    assert load_prompt(tmp_path / "mine.yml").sha256 == first
    changes = [
        {"name": "other"}, {"version": 2}, {"system": "t"}, {"user": "v {fields}"}, {"pictures": []},
        {"fields": {"shape": "figure"}},
    ]  # fmt: skip
    others = {load_prompt(write(tmp_path, **base | change)).sha256 for change in changes}
    assert len(others | {first}) == 1 + len(changes)


def test_a_users_own_prompt_may_show_json(tmp_path):
    prompt = load_prompt(write(tmp_path, name="mine", version=3, user='Like {"location": "centre"}.'))
    assert prompt.text_of("user") == 'Like {"location": "centre"}.'
    with pytest.raises(SettingsError, match="system and user"):
        prompt.text_of("fields")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"name": "a", "version": 1, "user": "case {case_id}"}, r"\{case_id\} is not filled in"),
        ({"name": "a", "version": 1, "user": "x", "fields": {"shape": "y"}}, "stands neither"),
        (
            {"name": "a", "version": 1, "user": "{fields}", "fields": {"colour": "y"}},
            "unknown field 'colour'",
        ),
        ({"name": "a", "version": 1, "pictures": []}, "neither a text"),
        ({"name": "a", "version": 0, "user": "x"}, "version: "),
        ({"name": "a b", "version": 1, "user": "x"}, "name: "),
        ({"name": "a", "user": "x"}, "version: Field required"),
        ({"name": "a", "version": 1, "user": "x", "pictures": ["mask"]}, "pictures.0: "),
        ({"name": "a", "version": 1, "user": "x", "temperature": 1}, "temperature: Extra inputs"),
    ],
)
def test_an_unfit_prompt_is_refused_with_its_reason(tmp_path, content, match):
    path = write(tmp_path, **content)
    with pytest.raises(DataError, match=match) as caught:
        load_prompt(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("text", "match"), [("a: [", "not YAML"), ("- a", "found list"), ("", "found nothing"), ("\xff", "read")]
)
def test_a_file_that_is_no_prompt_is_refused(tmp_path, text, match):
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=match):
        load_prompt(path)


def test_a_missing_prompt_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load_prompt(tmp_path / "absent.yaml")
    with pytest.raises(SettingsError, match="no prompt is called 'zzz'") as caught:
        load_prompt("zzz")
    assert caught.value.remedy.startswith("your own prompt")


def test_the_schema_is_strict_everywhere():
    schema = answer_schema()

    def check(part):
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
            for inner in part["properties"].values():
                check(inner)

    check(schema)
    flat = schema["properties"] | schema["properties"]["characteristics"]["properties"]
    assert {name: tuple(flat[name]["enum"]) for name in VOCABULARY} == VOCABULARY
    assert (flat["area_percentage"]["minimum"], flat["area_percentage"]["maximum"]) == (0, 100)
    sent = response_format("json_schema")
    part = sent["json_schema"]["schema"]["properties"]["area_percentage"]
    assert not {"minimum", "maximum"} & set(part), "hosted models turn such a schema down"
    assert "0 to 100" in part["description"]
    part |= {"minimum": 0, "maximum": 100}
    assert sent["json_schema"]["schema"] == schema
    assert json.loads(json.dumps(sent)) == sent
    schema["properties"].clear()
    assert answer_schema()["properties"]
