"""The one script of a report: sorting and contents, and charts where the page has data for them.

The page's Content-Security-Policy names the script's hash, so all parts become one text. Charts are
Vega specifications (Satyanarayan et al., Reactive Vega, 2016) in `templates/report/charts`. Vega's
interpreter evaluates their expressions, because the policy forbids `eval`.
"""

from __future__ import annotations

import json
from functools import cache

from candgen.reports.interaction.data_blocks import MARK
from candgen.reports.rendering import TEMPLATES

_FOLDER = TEMPLATES / "report"
ALWAYS = ("sorting.js", "contents.js", "wide_tables.js")
CHARTS = (
    "charts.js", "explorer.js", "scatter.js", "parallel.js", "curves.js", "users.js", "map.js",
    "start.js",
)  # fmt: skip
"""Scripts of pages with data blocks, in this order: the last one draws what the others define."""
_IMPORT, _EXPORT = "import {", "export {"


def page_script(html: str) -> str:
    """Return the script for a page; Vega (0.5 MB) is part of it only where the page has charts.

    Args:
        html: The page's fragments, or all of its text.
    """
    parts = [_read("scripts", name) for name in ALWAYS]
    if MARK in html:
        parts += [_vega(), _specifications(), *(_read("scripts", name) for name in CHARTS)]
    return "\n" + "".join(parts)


@cache
def _vega() -> str:
    """Return Vega, its licence and its interpreter, which joins Vega's own namespace."""
    licence = _read("vendor", "LICENSE-vega.txt")
    vega = _read("vendor", "vega.min.js")
    return f"/*! Vega and vega-interpreter\n{licence}*/\n{vega}\n{_wrapped()}"


def _wrapped() -> str:
    """Make a function of the interpreter's module: its import and its export become assignments."""
    lines = _read("vendor", "vega-interpreter.js").splitlines()
    kept = [line for line in lines if not line.startswith((_IMPORT, _EXPORT, "//# "))]
    return "\n".join([
        "(() => {",
        "const { ascending, isString, DisallowedObjectProperties } = vega;",
        *kept,
        "vega.expressionInterpreter = expression;",
        "})();",
        "",
    ])  # fmt: skip


def _specifications() -> str:
    """Return all charts' specifications as one object, by the names of their files."""
    files = sorted((_FOLDER / "charts").glob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    text = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    return f"const cgSpecifications = {text};\n"


@cache
def _read(folder: str, name: str) -> str:
    return (_FOLDER / folder / name).read_text(encoding="utf-8")
