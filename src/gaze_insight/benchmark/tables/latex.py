"""The tables in LaTeX, for a paper; the preamble needs the package booktabs."""

from __future__ import annotations

from gaze_insight.benchmark.results import Comparison
from gaze_insight.benchmark.tables.captions import how_it_was_made
from gaze_insight.benchmark.tables.layout import REPORTED, TEXT_COLUMNS, all_tables
from gaze_insight.insight.study_page import StudyTable

__all__ = ["as_latex", "escape_latex", "latex_table"]

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
}


def escape_latex(text: str) -> str:
    r"""Write text so that LaTeX sets it as it stands.

    Args:
        text: Any text.

    Returns:
        The text with LaTeX's special signs escaped, and mathematical signs set as such.

    Example:
        >>> print(escape_latex("a_b: 95 % ± 0.01"))
        a\_b: 95 \% $\pm$ 0.01
    """
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def as_latex(comparison: Comparison) -> str:
    r"""Write all tables of a comparison.

    Args:
        comparison: The comparison.

    Returns:
        ``table`` environments to be put in with ``\input{table}``; facts stand before them as comments.
    """
    suite = comparison.benchmark.suite
    head = [f"% {suite.title}", "% \\usepackage{booktabs} and \\usepackage{graphicx} in the preamble."]
    head += [f"% {name}: {' '.join(text.split())}" for name, text in how_it_was_made(comparison)]
    head += [f"% Note: {' '.join(note.split())}" for note in comparison.warnings]
    tables = [
        latex_table(table, f"tab:{suite.name}-{number}")
        for number, table in enumerate(all_tables(comparison))
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(tables) + "\n"


def latex_table(table: StudyTable, label: str) -> str:
    r"""Write one table; it is shrunk to the width of the text where it is wider.

    Args:
        table: The table; the marked rows are set in bold.
        label: For ``\ref``.

    Returns:
        A ``table`` environment.

    Example:
        >>> print(latex_table(StudyTable("t", "Dice.", ("Method", "Dice"), (("a", "0.8"),)), "tab:x"))
        \begin{table}[tb]
        \centering
        \caption{Dice.}
        \label{tab:x}
        \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
        \begin{tabular}{lr}
        \toprule
        Method & Dice \\
        \midrule
        a & 0.8 \\
        \bottomrule
        \end{tabular}}
        \end{table}
    """
    sides = "".join("l" if name in TEXT_COLUMNS else "r" for name in table.columns)
    lines = [
        r"\begin{table}[tb]",
        r"\centering",
        rf"\caption{{{_head(table.caption)}}}",
        rf"\label{{{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        " & ".join(_head(name) for name in table.columns) + r" \\",
        r"\midrule",
    ]
    for place, row in enumerate(table.rows):
        cells = [escape_latex(" ".join(cell.split())) for cell in row]
        if place in table.marked:
            cells[0] = rf"\textbf{{{cells[0]}}}"
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"])


def _head(text: str) -> str:
    """Escape a head or a caption, in which *reported* is set in italics."""
    return escape_latex(text).replace(REPORTED, r"\emph{reported}")
