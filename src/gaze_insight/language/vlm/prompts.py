"""Prompts as data: what a model is told and which pictures it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.vlm.answer_schema import CHARACTERISTICS, ENFORCING, AnswerFormat, schema_in_words
from gaze_insight.language.vlm.pictures import EncodedPicture, PictureKind
from gaze_insight.language.vocabulary import VOCABULARY
from gaze_insight.types import Settings

__all__ = ["SHIPPED_PROMPTS", "Prompt", "load_prompt", "prompt_messages"]

SHIPPED_PROMPTS = ("paper", "paper_gaze", "paper_gaze_crop", "blank", "random")
"""The prompts that come with the package; the last two are the ablation of FGI's table 4."""

_EXPLAINED = (
    "location", "boundary", "shape", "texture", "brightness", "area_percentage", "confidence", "remarks",
)  # fmt: skip
_PLACE = "{fields}"
_ANY_PLACE = re.compile(r"\{[A-Za-z_][A-Za-z_0-9.]*\}")


class Prompt(Settings):
    """What a model is told about every case, in the same words; nothing of a case but its pictures enters.

    ``{fields}`` in the user's text stands for a list of the fields with the words each may hold, taken from
    the vocabulary, and their explanations, so that prompt and schema cannot differ.

    Example:
        >>> Prompt(name="short", version=2, user="Describe the lesion.").label
        'short@2'
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="a short name for records")
    version: int = Field(ge=1, description="raised by whoever changes the prompt")
    summary: str = Field("", description="what is special about it; never sent")
    system: str = Field("", description="the system message; none is sent where empty")
    user: str = Field("", description="the text before the pictures")
    pictures: tuple[PictureKind, ...] = Field(("image",), max_length=4, description="what is shown, in order")
    fields: dict[str, str] = Field({}, description="an explanation of each field, shown at {fields}")

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: dict[str, str]) -> dict[str, str]:
        unknown = [name for name in fields if name not in _EXPLAINED]
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}; known: {', '.join(_EXPLAINED)}")
        return {name: " ".join(fields[name].split()) for name in _EXPLAINED if name in fields}

    @model_validator(mode="after")
    def _whole(self) -> Prompt:
        unknown = [one for one in _ANY_PLACE.findall(self.system + self.user) if one != _PLACE]
        if unknown:
            raise ValueError(
                f"{unknown[0]} is not filled in; {_PLACE} is, and nothing of a case but its pictures is sent"
            )
        if self.fields and _PLACE not in self.system + self.user:
            raise ValueError(f"fields are explained, but {_PLACE} stands neither in system nor in user")
        if not self.user.strip() and not self.pictures:
            raise ValueError("neither a text for the user's turn nor a picture is given")
        return self

    @property
    def label(self) -> str:
        """Name and version, such as ``paper@1``."""
        return f"{self.name}@{self.version}"

    @property
    def shows_gaze(self) -> bool:
        """Whether a picture depends on where the reader looked."""
        return any(kind != "image" for kind in self.pictures)

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal of all that is sent and of name and version.

        The list at ``{fields}`` counts as it is filled in; the summary, and how a YAML file is laid out, do
        not count.
        """
        content = {
            "name": self.name,
            "version": self.version,
            "system": self.text_of("system"),
            "user": self.text_of("user"),
            "pictures": list(self.pictures),
        }
        return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def text_of(self, part: str) -> str:
        """Fill in the list of fields.

        Args:
            part: "system" or "user".

        Returns:
            The text as it is sent, without space at its ends; may be empty.

        Raises:
            SettingsError: There is no such part.

        Example:
            >>> Prompt(name="a", version=1, user="{fields}").text_of("user").splitlines()[1]
            '- boundary: one of "clear", "irregular", "ambiguous".'
        """
        if part not in ("system", "user"):
            raise SettingsError(f"a prompt has the parts system and user, found {part!r}")
        text: str = getattr(self, part).strip()
        return text.replace(_PLACE, "\n".join(self._lines())) if _PLACE in text else text

    def _lines(self) -> list[str]:
        lines = []
        for name in _EXPLAINED:
            if name == "shape":
                lines.append("- characteristics: an object with")
            if name in VOCABULARY:
                allowed = "one of " + ", ".join(f'"{word}"' for word in VOCABULARY[name])
            else:
                allowed = "a number from 0 to 100" if name == "area_percentage" else "text"
            told = self.fields.get(name, "").rstrip(".")
            indent = "  " if name in CHARACTERISTICS else ""
            end = "." if told else ""
            lines.append(f"{indent}- {name}: {allowed}. {told[:1].upper()}{told[1:]}{end}".rstrip())
        return lines


def load_prompt(name_or_path: str | Path) -> Prompt:
    """Load a prompt that comes with the package, or a user's own.

    Args:
        name_or_path: One of `SHIPPED_PROMPTS`, or the path of a YAML file (ending in .yaml or .yml).

    Returns:
        The prompt.

    Raises:
        SettingsError: No prompt has this name.
        DataError: The file cannot be read, or is no prompt.

    Example:
        >>> load_prompt("paper").label, load_prompt("paper_gaze").shows_gaze
        ('paper@1', True)
        >>> load_prompt("papper")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.SettingsError: no prompt is called 'papper'; there are paper, paper_gaze, \
paper_gaze_crop, blank, random
          -> did you mean 'paper'? Your own prompt is named by the path of its .yaml file
    """
    if str(name_or_path) in SHIPPED_PROMPTS:
        shipped = resources.files(__package__).joinpath("prompts", f"{name_or_path}.yaml")
        return _read(shipped.read_text(encoding="utf-8"), Path(f"{name_or_path}.yaml"))
    path = Path(name_or_path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        near = get_close_matches(str(name_or_path), SHIPPED_PROMPTS, n=1)
        raise SettingsError(
            f"no prompt is called {str(name_or_path)!r}; there are {', '.join(SHIPPED_PROMPTS)}",
            remedy=(f"did you mean {near[0]!r}? Your" if near else "your")
            + " own prompt is named by the path of its .yaml file",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(
            f"the prompt cannot be read: {reason}", path=path, remedy="check the path and its permissions"
        ) from error
    return _read(text, path)


def _read(text: str, path: Path) -> Prompt:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"the prompt is not YAML: {error}", path=path) from error
    if not isinstance(content, dict):
        raise DataError(
            "a prompt holds name, version, system, user, pictures and fields; "
            f"found {type(content).__name__ if content is not None else 'nothing'}",
            path=path,
            remedy="start from a copy of the prompt 'paper'",
        )
    try:
        return Prompt.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise DataError(
            f"{where}: {told}" if where else told,
            path=path,
            remedy="a prompt holds name, version, summary, system, user, pictures and fields",
        ) from error


def prompt_messages(
    prompt: Prompt, pictures: Sequence[EncodedPicture] = (), answer_format: AnswerFormat = "json_schema"
) -> list[dict[str, Any]]:
    """Build the messages of a chat-completions request.

    Where the server does not enforce the schema (``json_object``, ``text``) the form of the answer is said
    after the prompt's own text. Without pictures the content is plain text, which servers of text-only models
    expect.

    Args:
        prompt: What is said.
        pictures: The encoded pictures, as many as the prompt shows and in its order.
        answer_format: How the server is asked for the schema.

    Returns:
        A system message where the prompt has one, and one user message.

    Raises:
        DataError: There are more or fewer pictures than the prompt shows.

    Example:
        >>> ask = Prompt(name="a", version=1, user="Describe a round lesion.", pictures=())
        >>> prompt_messages(ask)
        [{'role': 'user', 'content': 'Describe a round lesion.'}]
    """
    if len(pictures) != len(prompt.pictures):
        raise DataError(
            f"the prompt {prompt.label} shows {len(prompt.pictures)} pictures, found {len(pictures)}"
        )
    told = "" if answer_format in ENFORCING else schema_in_words()
    text = "\n\n".join(part for part in (prompt.text_of("user"), told) if part)
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    parts += [{"type": "image_url", "image_url": {"url": picture.data_url}} for picture in pictures]
    content: str | list[dict[str, Any]] = parts if pictures else text
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    system = prompt.text_of("system")
    return [{"role": "system", "content": system}, *messages] if system else messages
