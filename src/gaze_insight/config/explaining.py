"""What is wrong with settings, in words: the key as it was written, what fits, and the nearest name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.mapping_file import expectation
from gaze_insight.registry import Registry

__all__ = ["Root", "explain"]


@dataclass(frozen=True)
class Root:
    """The model of a whole configuration.

    Args:
        model: The model.
        registered: Place of settings whose model is named by their ``kind`` to the registry and the default;
            ``*`` stands for a position in a list.

    Example:
        >>> Root(BaseModel, {}).model.__name__
        'BaseModel'
    """

    model: type[BaseModel]
    registered: Mapping[tuple[str, ...], tuple[Registry[Any], str]]


def explain(
    error: ValidationError, values: dict[str, Any], origins: Sequence[str], root: Root
) -> SettingsError:
    """Turn the first of pydantic's complaints into one message for who wrote the settings.

    Args:
        error: What validation raised.
        values: The composed values.
        origins: Where they came from, in order.
        root: The configuration's model.

    Returns:
        The error to raise.
    """
    first, location = _innermost(error)
    remedy = None
    if first["type"] == "extra_forbidden":
        above, models = _walk(location[:-1], values, root)
        known = sorted({name for model in models for name in model.model_fields})
        message, remedy = f"unknown key {'.'.join([*above, location[-1]])!r}", _nearest(location[-1], known)
    elif first["type"] == "union_tag_invalid":
        found, tags = first["ctx"]["tag"], first["ctx"]["expected_tags"]
        known = [name.strip("'") for name in tags.split(", ")]
        place = ".".join([*_walk(location, values, root)[0], "kind"])
        message, remedy = f"{place}: expected {' or '.join(known)}, found {found!r}", _nearest(found, known)
    else:
        message = f"{'.'.join(_walk(location, values, root)[0])}: {_problem(first)}"
    return SettingsError(f"{message} (from {', '.join(origins) or 'defaults'})", remedy=remedy)


def _problem(first: Any) -> str:
    kind, text = first["type"], first["msg"]
    if kind == "missing":
        return "expected a value, found none"
    if kind == "value_error":
        return str(text.removeprefix("Value error, "))
    what = "a mapping of settings" if kind.startswith("model") else expectation(text)
    return f"expected {what}, found {first['input']!r}"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _innermost(error: ValidationError) -> tuple[Any, tuple[str, ...]]:
    first = error.errors()[0]
    location = tuple(str(part) for part in first["loc"])
    nested = first.get("ctx", {}).get("error")
    if isinstance(nested, ValidationError):
        inner, rest = _innermost(nested)
        return inner, location + rest
    return first, location


def _walk(
    location: Sequence[str], values: dict[str, Any], root: Root
) -> tuple[list[str], list[type[BaseModel]]]:
    """Follow an error's place through the models, leaving out the kinds that pydantic puts between.

    Returns the keys as a user writes them, and the models that could stand at the end.
    """
    models: list[type[BaseModel]] = [root.model]
    keys: list[str] = []
    for part in location:
        of_kind = [model for model in models if _kind(model) == part] if len(models) > 1 else []
        if of_kind:
            models = of_kind
            continue
        keys.append(part)
        registered = root.registered.get(tuple("*" if key.isdigit() else key for key in keys))
        if registered is not None:
            registry, default = registered
            models = [registry[_kind_given(keys, values) or default].settings_type]
        else:
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in fields for model in _models_in(field.annotation)]
    return keys, models


def _kind_given(keys: Sequence[str], values: Any) -> str | None:
    for key in keys:
        if isinstance(values, list | tuple):
            values = values[int(key)]
        else:
            values = values.get(key) if isinstance(values, dict) else None
    return values.get("kind") if isinstance(values, dict) else None


def _kind(model: type[BaseModel]) -> Any:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
