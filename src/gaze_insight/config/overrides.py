"""Nested settings as plain values: merged, and given one at a time as ``dotted.key=value``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from gaze_insight.errors import SettingsError

__all__ = ["merge", "parse_override"]


def merge(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; a mapping whose ``kind`` changes is replaced as a whole.

    Args:
        base: The values so far.
        update: The values that win.

    Returns:
        A new mapping.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
        >>> merge({"m": {"kind": "x", "p": 1}}, {"m": {"kind": "y"}})
        {'m': {'kind': 'y'}}
    """
    merged = dict(base)
    for key, value in update.items():
        present = merged.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            other_kind = "kind" in value and "kind" in present and value["kind"] != present["kind"]
            merged[key] = dict(value) if other_kind else merge(present, value)
        else:
            merged[key] = value
    return merged


def parse_override(text: str, flag: str = "--set") -> dict[str, Any]:
    """Read one setting, such as ``method.afc_weight=0``.

    Args:
        text: ``dotted.key=value`` with the value in YAML.
        flag: The flag it was given with, for messages.

    Returns:
        The value in nested mappings.

    Raises:
        SettingsError: There is no key or no ``=``, or the value is no YAML.

    Example:
        >>> parse_override("phases.consecutive=3")
        {'phases': {'consecutive': 3}}
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise SettingsError(f"{flag} expects dotted.key=value, found {text!r}")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"the value in {flag} {text!r} is not valid YAML") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)
