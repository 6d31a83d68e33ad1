"""Settings of any kind from flags such as ``--study-set simulator.count_mean=20``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gaze_insight.types import Settings

__all__ = ["settings_from"]

_Kind = TypeVar("_Kind", bound="Settings")


def settings_from(
    model: type[_Kind], texts: tuple[str, ...], flag: str, base: Mapping[str, Any] | None = None
) -> _Kind:
    """Build settings from ``dotted.key=value`` with the value in YAML.

    Args:
        model: The settings' class.
        texts: The flag's values, in order; a later one wins.
        flag: The flag, for messages.
        base: Values below those of the flag.

    Returns:
        The settings.

    Raises:
        SettingsError: A text that is not ``key=value``, or a key or value that does not fit.

    Example:
        >>> from gaze_insight.gaze.noise import NoiseSettings
        >>> settings_from(NoiseSettings, ("dropout=0.2",), "--noise").dropout
        0.2
    """
    from pydantic import ValidationError

    from gaze_insight.config.overrides import merge, parse_override
    from gaze_insight.gaze.mapping_file import explain

    values = dict(base or {})
    for text in texts:
        values = merge(values, parse_override(text, flag))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        message, remedy = explain(error, model)
        raise SettingsError(f"{flag}: {message}", remedy=remedy) from error
