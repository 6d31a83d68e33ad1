"""The look that all charts share: SVG that takes its text colour from the page, for light and dark."""

from __future__ import annotations

import io
import re
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["INK", "SERIES", "STYLE", "as_svg", "blank_figure"]

INK = "#010203"
"""Colour of text and axes while a chart is drawn; `as_svg` puts the page's text colour in its place."""

SERIES = ("#1f8fe0", "#e8a013", "#b14fe0", "#2aa876", "#e0527a")
"""Colours of what is shown, in this order; readable on light and on dark."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gaze-insight",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
"""Matplotlib settings under which a chart is drawn and written: ``with mpl.rc_context(STYLE)``."""


def blank_figure(width_in: float, height_in: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a see-through figure with axes side by side; no window and no global state.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.
        columns: Number of axes.

    Returns:
        The figure and its axes, from left to right.

    Example:
        >>> len(blank_figure(4, 3, columns=2)[1])
        2
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.patch.set_alpha(0)
    axes = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for axis in axes:
        axis.patch.set_alpha(0)
    return figure, axes


def as_svg(figure: Figure, name: str, label: str) -> str:
    """Write a figure as inline SVG whose ids are its own and whose ink is the page's text colour.

    Args:
        figure: The figure, drawn under `STYLE`.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        One ``<svg>`` element without width and height, so that it fills its place.

    Example:
        >>> as_svg(blank_figure(4, 3)[0], "empty", "nothing")[:4]
        '<svg'
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-").replace(INK, "currentColor")
    text = re.sub(r'<svg[^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" HEAD>', text, count=1)
    safe = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    head = (
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="chart" role="img" aria-label="{safe}"'
    )
    return text.replace("HEAD", head, 1)
