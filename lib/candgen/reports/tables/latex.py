"""LaTeX of tables: text from data escaped, the layout from pandas' Styler."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from candgen.text.plain import one_line

_MARKS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}",
    "`": r"\textasciigrave{}", "−": "$-$", "–": "--", "…": r"\ldots{}",
    "·": r"\textperiodcentered{}",
}  # fmt: skip
_AS_WIDE_AS_ITS_PLACE = r"\ifdim\width>\linewidth\linewidth\else\width\fi"
_ANY = re.compile("|".join(map(re.escape, _MARKS)))


def escaped(text: object) -> str:
    """Return text on one line that LaTeX prints letter by letter.

    A bracket at the front stands in braces, because after the end of a row it would be an option.
    """
    shown = _ANY.sub(lambda mark: _MARKS[mark.group()], " ".join(one_line(text).split()))
    return f"{{{shown[0]}}}{shown[1:]}" if shown[:1] in ("[", "*") else shown


def cell(text: str, note: str, strong: bool) -> str:
    """Return the content of one cell: the text, bold if `strong`, and a note in small print."""
    shown = escaped(text)
    shown = rf"\textbf{{{shown}}}" if strong else shown
    return rf"{shown} {{\footnotesize {escaped(note)}}}" if note else shown


def table(
    frame: pd.DataFrame, *, heads: Sequence[str], caption: str, right: Sequence[bool], label: str
) -> str:
    """Return a table environment with the rules of booktabs, made smaller where it is too wide.

    Args:
        frame: Cells, escaped before.
        heads: Names of the columns, not escaped.
        caption: Of the table, not escaped.
        right: Whether each column is set to the right.
        label: To refer to; letters, digits and hyphens.
    """
    style = frame.style.hide(axis="index").relabel_index([escaped(h) for h in heads], axis=1)
    layout = "".join("r" if to_right else "l" for to_right in right)
    text = style.to_latex(
        hrules=True, column_format=layout, caption=escaped(caption), label=label, position="htbp",
        position_float="centering",
    )  # fmt: skip
    begins, ends = r"\begin{tabular}", r"\end{tabular}"
    text = text.replace(begins, f"\\resizebox{{{_AS_WIDE_AS_ITS_PLACE}}}{{!}}{{%\n{begins}")
    text = text.replace(ends, f"{ends}%\n}}")
    return f"% Needs \\usepackage{{booktabs,graphicx}}.\n{text}"
