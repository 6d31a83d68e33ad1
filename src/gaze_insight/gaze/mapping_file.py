"""Settings files in YAML or JSON: read with each key once, and explained when they do not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gaze_insight.errors import SettingsError

__all__ = ["expectation", "explain", "read_mapping"]


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping from YAML or JSON (which YAML includes).

    Args:
        path: The file, UTF-8.

    Returns:
        The mapping; empty for an empty file.

    Raises:
        SettingsError: The file is missing, no YAML, holds no mapping, or gives a key twice.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.json")
        >>> _ = file.write_text('{"a": 1}')
        >>> read_mapping(file)
        {'a': 1}
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeys)
    except FileNotFoundError as error:
        raise SettingsError("expected a YAML or JSON file, found none", path=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file cannot be read ({error})", path=path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise SettingsError(
            f"not valid YAML or JSON: {getattr(error, 'problem', error)}",
            path=path,
            row=None if mark is None else mark.line + 1,
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"expected a mapping of keys to values, found {type(values).__name__}", path=path)
    return {str(key): value for key, value in values.items()}


def explain(error: ValidationError, model: type[BaseModel]) -> tuple[str, str | None]:
    """Say what is wrong with the first bad key, and what to do.

    Args:
        error: What the validation raised.
        model: The settings that were validated.

    Returns:
        The message, which names the key as the user writes it, and the remedy.

    Example:
        >>> from gaze_insight.types import Settings
        >>> class Screen(Settings):
        ...     width: int
        >>> try:
        ...     Screen.model_validate({"width": 1, "heigth": 2})
        ... except ValidationError as error:
        ...     explain(error, Screen)
        ("unknown key 'heigth'", 'known: width')
    """
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    place, kind = ".".join(keys), first["type"]
    if kind == "extra_forbidden":
        known = _fields(model, keys[:-1])
        near = get_close_matches(keys[-1], known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}" if known else None
        return f"unknown key {place!r}", remedy
    if kind == "missing":
        return f"{place}: expected a value, found none", None
    if kind == "value_error":
        text = str(first["msg"].removeprefix("Value error, "))
        return (f"{place}: {text}" if place else text), None
    what = "a mapping" if kind.startswith("model") else expectation(first["msg"])
    return f"{place}: expected {what}, found {first['input']!r}", None


def expectation(message: str) -> str:
    """Turn pydantic's message into words that follow "expected".

    Args:
        message: Such as "Input should be a valid number".

    Returns:
        What was expected.

    Example:
        >>> expectation("Input should be a valid tuple")
        'a list'
        >>> expectation("Tuple should have at least 1 item after validation, not 0")
        'at least 1 item'
    """
    text = message.removeprefix("Input should be ")
    if text in ("a valid tuple", "a valid list"):
        return "a list"
    if text.startswith("Invalid JSON"):
        return "valid JSON"
    counted = re.search(r"should have (at (?:least|most) \d+ items?)", text)
    return counted.group(1) if counted else text


def _fields(model: type[BaseModel], keys: Sequence[str]) -> list[str]:
    """Names of the fields that could stand below these keys."""
    models = [model]
    for key in keys:
        inner = [one.model_fields[key].annotation for one in models if key in one.model_fields]
        models = [found for annotation in inner for found in _models(annotation)] or models
    return sorted({name for one in models for name in one.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error and not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Mapping[Any, Any]:  # type: ignore[override]
        seen: set[Any] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
