"""Turn an executed notebook into one HTML file that fetches nothing.

Inputs tagged `setup` or `hide-input` are left out, other code is folded. What comes from data
stays text: HTML is cleaned, and the page forbids scripts and requests to whoever opens it.
"""

from __future__ import annotations

import re
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import folders
from candgen.reports.report_file import REPORT

if TYPE_CHECKING:
    from nbformat import NotebookNode

_TEMPLATES = Path(__file__).parent / "templates"
_HIDDEN = {"setup", "hide-input", "remove-input"}
_MARKERS = "papermill-error-cell-tag"  # papermill's own cells about an error; ours say it better
_TAGS = [
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "kbd", "li", "mark", "ol", "p", "pre", "s", "small", "span", "strong", "style", "sub",
    "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
]  # fmt: skip
_ATTRIBUTES = {
    "*": ["class", "id", "style", "title", "align", "colspan", "rowspan", "scope"],
    "a": ["href"],
    "img": ["src", "alt", "width", "height"],
    "details": ["open"],
}
# Data of a report's scripts, which do not run here; without this it would be shown as text.
_DATA = re.compile(r'<script type="application/json" class="cg-data"[^<>]*>[^<]*</script>')
_rendering = threading.Lock()  # an exporter is slow to make, and serves one page at a time
_MOST_ABOVE = 3  # folders between a run, or a trial of a search, and its sweep's
_MOST_TEXT = 20_000  # characters of one output; the notebook keeps the rest


def render(
    notebook: NotebookNode,
    name: str,
    error: dict[str, Any] | None = None,
    *,
    folder: Path | None = None,
) -> str:
    """Render an executed notebook.

    Args:
        notebook: As papermill left it.
        name: The page's name, used as title where the notebook has none.
        error: The run's error as the status describes it, shown at the top.
        folder: The run's folder. Its name stands at the top of the page, and inside of a sweep a
            link to the sweep's report.

    Returns:
        A whole HTML document.
    """
    import copy

    shown = copy.deepcopy(notebook)
    shown.cells = [c for c in shown.cells if _MARKERS not in c.metadata.get("tags", [])]
    for cell in shown.cells:
        tags = set(cell.metadata.get("tags", []))
        cell.metadata["transient"] = {"remove_source": bool(tags & _HIDDEN)}
        for output in cell.get("outputs", []):
            _shorten(output)
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = _DATA.sub("", output.data["text/html"])
    title = _title(shown, name)
    told = {} if folder is None else _whereabouts(folder)
    resources = {
        "page_title": f"{told['run']} · {title}" if told else title,
        "page_error": error,
        "page_told": told,
    }
    with _rendering:
        html, _ = _exporter().from_notebook_node(shown, resources)
    return html


@cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors.sanitize import SanitizeHTML
    from pygments.formatters import HtmlFormatter

    exporter = HTMLExporter(
        template_name="page",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_anchor_links=True,
    )
    cleaner = SanitizeHTML(tags=_TAGS, attributes=_ATTRIBUTES)
    exporter.register_filter("cleaned", cleaner.sanitize_html_tags)
    exporter.log.setLevel("ERROR")  # it warns of figures without a description
    exporter.environment.globals["code_css"] = HtmlFormatter(style="default").get_style_defs(
        ".highlight"
    )
    return exporter


def _whereabouts(folder: Path) -> dict[str, str]:
    """Return the run's name, and its sweep with the way to the report, for a run of a sweep."""
    folder = Path(folder).absolute()
    for up, above in enumerate(list(folder.parents)[:_MOST_ABOVE], start=1):
        if folders.is_marked(above, folders.SWEEP):
            run = folder.relative_to(above).as_posix()
            return {"run": run, "sweep": above.name, "back": "../" * up + REPORT}
    return {"run": folder.name}


def _title(notebook: NotebookNode, name: str) -> str:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (
            found := re.search(r"^#\s+(.+?)\s*$", cell.source, flags=re.MULTILINE)
        ):
            return found.group(1)
    return name


def _shorten(output: Any) -> None:
    if output.output_type == "stream" and len(output.text) > _MOST_TEXT:
        left_out = len(output.text) - _MOST_TEXT
        half = _MOST_TEXT // 2
        output.text = (
            f"{output.text[:half]}\n… {left_out:,} characters are in notebook.ipynb …\n"
            f"{output.text[-half:]}"
        )
