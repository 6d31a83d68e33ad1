"""From a template and its values to one HTML page without outside links."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gaze_insight.insight.pictures import COLOURS

__all__ = ["as_yaml", "duration_words", "fixed", "render_page", "share"]


def fixed(value: float | None, digits: int = 2) -> str:
    """Write a number with fixed digits; a dash where there is none.

    Args:
        value: The number, or None or NaN.
        digits: Digits behind the point.

    Returns:
        The text.

    Example:
        >>> fixed(0.8149), fixed(None)
        ('0.81', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}"


def share(value: float | None, digits: int = 1) -> str:
    """Write a fraction as a percentage; a dash where there is none.

    Args:
        value: In [0, 1], or None or NaN.
        digits: Digits behind the point.

    Returns:
        The text.

    Example:
        >>> share(0.0349)
        '3.5 %'
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def duration_words(seconds: float) -> str:
    """Write a span of time as a reader says it.

    Args:
        seconds: The span, >= 0.

    Returns:
        Seconds, minutes or hours, whichever is readable.

    Example:
        >>> duration_words(42), duration_words(754), duration_words(8000)
        ('42 s', '12 min 34 s', '2 h 13 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def as_yaml(values: Mapping[str, Any]) -> str:
    r"""Write nested settings as YAML; what YAML does not know is written as text.

    Args:
        values: Any nesting of mappings, lists and plain values.

    Returns:
        The text; empty for an empty mapping.

    Example:
        >>> as_yaml({"steps": 10, "size": {"width": 3}})
        'steps: 10\nsize:\n  width: 3\n'
    """
    if not values:
        return ""
    plain = json.loads(json.dumps(values, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _rgb(name: str) -> str:
    return "rgb({}, {}, {})".format(*COLOURS[name])


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of this room; text is escaped, charts (finished SVG) are not.

    Args:
        template: File name below ``insight/templates``.
        values: Names the template uses; a missing one is an error.

    Returns:
        The page.

    Example:
        >>> render_page("legend.html.j2", {"kinds": ()}).strip()
        '<ul class="legend"></ul>'
    """
    environment = Environment(
        loader=PackageLoader("gaze_insight.insight"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(fixed=fixed, share=share, span=duration_words, colour=_rgb, svg=Markup)
    environment.globals.update(count=_count)
    return environment.get_template(template).render(**values)
