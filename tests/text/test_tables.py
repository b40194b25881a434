"""Tables in notebooks hold text; nothing else in the library or a notebook makes HTML."""

import ast
import html
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from candgen.sweeps.notebook_parameters import read_notebook, source_of
from candgen.text import tables

EVIL = "<img src=x onerror=ran()> & \"q\" 'q' </td></table><script>ran()</script> $x$"
# Makers of HTML or Markdown, and where each may stand. What is here escapes, and a test shows it.
MAKERS = {
    "style": {
        "candgen/text/tables.py",  # pandas' Styler
        "candgen/reports/rendering.py", "candgen/reports/report.py",  # modules and CSS of ours
        "candgen/reports/tables/latex.py",  # Styler.to_latex
    },
    "to_html": {"candgen/text/tables.py"},
    "Styler": set(),
    "HTML": {"candgen/studies/course/my_ratings.py"},  # the widget's list of escaped titles
    "Markdown": {"candgen/session/runs.py"},  # `run.say`
    "display_html": set(), "display_markdown": set(), "Javascript": set(), "IFrame": set(),
    "SVG": set(), "Latex": set(), "Math": set(),
    "_repr_html_": {
        "candgen/text/tables.py", "candgen/datasets/dataset.py", "candgen/evaluation/judgement.py",
    },
    "_repr_mimebundle_": {"candgen/reports/rendering.py"},  # Jinja escapes
    "_repr_markdown_": set(), "_repr_javascript_": set(), "_repr_latex_": set(),
}  # fmt: skip
OURS = {"rendering.style"}  # the report's own


class Found(HTMLParser):
    """Elements and texts of a piece of HTML, as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.texts = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def evil_frames():
    frame = pd.DataFrame({EVIL: [EVIL, "b"], "l": [[EVIL], np.array([EVIL])], 3: [EVIL, None]})
    yield frame
    yield frame.set_index(pd.Index([EVIL, 2.5], name=EVIL))
    yield frame.rename_axis(columns=EVIL)
    many = frame.set_axis(pd.MultiIndex.from_tuples([(EVIL, "a"), (EVIL, EVIL), ("c", "")]), axis=1)
    yield many.set_axis(pd.MultiIndex.from_tuples([(EVIL, 1), (EVIL, 1)], names=["n", EVIL]))
    yield frame.astype({EVIL: "category", 3: "string"})


@pytest.mark.parametrize("frame", [*evil_frames()])
@pytest.mark.parametrize("escaped_by_default", [False, True])
def test_cells_headers_and_labels_are_text(frame, escaped_by_default):
    with pd.option_context("styler.format.escape", "html" if escaped_by_default else None):
        made = tables.shown(frame, left=[0])
    found = Found(made._repr_html_())
    assert found.elements == {"style", "table", "thead", "tbody", "tr", "th", "td"}
    assert EVIL in found.texts
    assert not any("&lt;" in text for text in found.texts)  # escaped once
    assert EVIL in repr(made)
    assert tables.NO_MATHS in made._repr_html_()


def test_what_pandas_shows_by_itself_is_text_too(monkeypatch):
    with pd.option_context("styler.format.escape", None, "display.html.use_mathjax", True):
        tables.keep_text()
        frame = pd.DataFrame({"title": [EVIL]})
        assert "img" not in Found(frame._repr_html_()).elements
        assert "tex2jax_ignore" in frame._repr_html_()
        assert "img" not in Found(frame.style.to_html()).elements


def cells(frame, *given, **more) -> list[list[str]]:
    made = tables.shown(frame, *given, **more)._repr_html_()
    rows = re.findall(r"<tr>(.*?)</tr>", made.partition("<tbody>")[2], flags=re.DOTALL)
    return [[html.unescape(c) for c in re.findall(r'class="[^"]*" ?>(.*?)</t', r)] for r in rows]


def test_numbers_are_formatted_by_kind_and_column():
    frame = pd.DataFrame(
        {"share": [0.5, 0.25], "n": [1000, 2], "x": [1.5, np.nan], "ok": [True, False]},
        index=pd.Index([0.5, 2.0]),
    )
    found = cells(frame, "{:.1f}", {"share": "{:.0%}"}, whole="{:,}")
    assert found == [["0.5", "50%", "1,000", "1.5", "True"], ["2", "25%", "2", "", "False"]]
    assert cells(frame.iloc[:, :2], index=False) == [["0.500000", "1000"], ["0.250000", "2"]]


def test_missing_values_of_every_kind_are_empty():
    frame = pd.DataFrame({"a": [None, pd.NaT, pd.NA, float("nan"), "x"]}, dtype=object)
    assert [row[1] for row in cells(frame)] == ["", "", "", "", "x"]


def test_text_is_aligned_where_it_is_asked_for():
    frame = pd.DataFrame({"title": ["a" * 31], "n": [1]})
    made = tables.shown(frame, left=[0])._repr_html_()
    assert re.search(r"td\.col0 {\s+text-align: left", made)
    assert re.search(r"td\.col0 {\s+white-space: nowrap", made)
    assert not re.search(r"td\.col1 {\s+text-align: left", made)
    assert "td.col0" not in tables.shown(frame)._repr_html_()  # long texts break into lines


def literal(node: ast.expr) -> bool:
    """Tell whether a text is written out in the code, whole or as a choice of several."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and literal(node.left) and literal(node.right)
    if isinstance(node, ast.IfExp):
        return literal(node.body) and literal(node.orelse)
    return isinstance(node, ast.Constant)


def made_in(code: str) -> set[str]:
    """Names in `MAKERS` that code imports, defines or calls as a method."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) not in OURS:
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MAKERS.keys()


def test_nothing_else_makes_html_in_the_library(root):
    library, wrong = root / "lib", []
    for path in sorted((library / "candgen").rglob("*.py")):
        place = path.relative_to(library).as_posix()
        wrong += [f"{place}: {n}" for n in made_in(path.read_text()) if place not in MAKERS[n]]
    assert wrong == []


def test_no_notebook_makes_html_and_sentences_stand_in_it(root):
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        code = "\n".join(
            source_of(c) for c in read_notebook(path).cells if c["cell_type"] == "code"
        )
        assert made_in(code) == set(), path.name
        for call in ast.walk(ast.parse(code)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "run.say":
                assert literal(call.args[0]), f"{path.name}: {ast.unparse(call)}"
