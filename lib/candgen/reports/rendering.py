"""From tables and drawings to HTML that fetches nothing and lets no data become markup.

Everything that came from data passes through Jinja's escaping. Figures are vector images inside
the page, drawn once for a wide window and once for a narrow one. Tables are plain HTML, whole
without any script and on paper; forty lines of script sort them. (itables would put 0.7 MB of
script into each report, and rows that exist only once it has run.)
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from candgen.reports import terms
from candgen.text.tables import NO_MATHS

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).resolve().parent / "templates"
ABSENT = "absent"
"""Mark on the output of a section without a subject."""
WIDE, NARROW = 8.6, 4.2  # inches; text keeps its size in both


class Fragment:
    """A piece of a page: HTML in a notebook and in the report."""

    def __init__(
        self,
        html: str | Callable[[], str],
        summary: str,
        *,
        title: str = "",
        absent: bool = False,
        tables: Sequence[Table] = (),
    ) -> None:
        self._html = html
        self.summary = summary
        self.title = title
        self.absent = absent
        """True if its section has no subject in this sweep: the report leaves the section out."""
        self.tables = tuple(tables)
        """The tables in it, to be written in other formats."""

    @cached_property
    def html(self) -> str:
        """Its HTML; pictures are drawn when it is first asked for."""
        return self._html if isinstance(self._html, str) else self._html()

    def __add__(self, other: Fragment) -> Fragment:
        return Fragment(
            lambda: self.html + other.html,
            f"{self.summary}; {other.summary}",
            tables=(*self.tables, *other.tables),
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """Build Jupyter's MIME bundle: HTML and a line of text; title and absence beside them."""
        html = f'<div class="{NO_MATHS}">{self.html}</div>'
        shown = {"text/html": html, "text/plain": repr(self)}
        told = {"title": self.title, ABSENT: self.absent}
        return shown, {name: held for name, held in told.items() if held}

    def __repr__(self) -> str:
        return f"<{self.summary}>"


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    sort: float | str | None = None
    """What to sort by; the text itself when omitted."""
    note: str = ""
    """A second line in small print."""
    link: str | None = None
    """A path relative to the report."""
    tone: str = ""
    """good, bad or muted."""
    numeric: bool = False
    ends: tuple[float, float] | None = None
    """Ends of the interval of a number."""

    @property
    def href(self) -> str | None:
        return None if self.link is None else quote(self.link)


EMPTY = Cell("–", sort="", tone="muted", numeric=True)


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by any column and scrolls inside its own box."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    tones: Sequence[str] = ()
    """One a row: "" or reference, bad, best."""
    hints: Sequence[str] = ()
    """One a column: what it means, shown on hovering; where empty, the meaning of the term."""
    sortable: bool = True
    wordy: bool = False
    """Whether names and last cells are sentences, which must wrap."""
    name: str = ""
    """What a file of it is called; the caption by default."""
    keys: Sequence[str] = ()
    """One a row: what scripts know its run by, as `Comparison.key` says, or ""."""

    def fragment(self) -> Fragment:
        tones = self.tones or [""] * len(self.rows)
        keys = self.keys or [""] * len(self.rows)
        hints = self.hints or [""] * len(self.columns)
        pairs = zip(self.columns, hints, strict=True)
        hints = [hint or terms.meaning(name) for name, hint in pairs]
        numeric = [any(row[i].numeric for row in self.rows) for i in range(len(self.columns))]
        html = render(
            "table.html.j2",
            table=self,
            heads=list(zip(self.columns, hints, numeric, strict=True)),
            rows=list(zip(self.rows, tones, keys, strict=True)),
        )
        return Fragment(html, f"table of {len(self.rows)} rows: {self.caption}", tables=[self])


def value(
    number: float | None,
    *,
    digits: int = 4,
    note: str = "",
    tone: str = "",
    ends: tuple[float, float] | None = None,
) -> Cell:
    """Make a cell of a number, the ends of its interval below it; a dash where there is none."""
    note = "\n".join(filter(None, [interval_note(ends, digits), note]))
    if number is None or number != number:
        return EMPTY
    text = _signed(f"{number:,.{digits}f}")
    return Cell(text, sort=number, note=note, tone=tone, numeric=True, ends=ends)


def _signed(text: str) -> str:
    """Write a minus as wide as a plus."""
    return text.replace("-", "−")


def interval_note(interval: tuple[float, float] | None, digits: int = 4) -> str:
    """Write an interval as the second line of a cell."""
    if interval is None:
        return ""
    return " to ".join(_signed(f"{end:,.{digits}f}") for end in interval)


def note(text: str, *, tone: str = "", absent: bool = False) -> Fragment:
    """A sentence in its own paragraph; `tone` is "", "good", "warning" or "bad"."""
    return Fragment(render("note.html.j2", text=text, tone=tone), text, absent=absent)


def heading(text: str) -> Fragment:
    """A heading below the section's own, for one of several datasets."""
    return Fragment(render("heading.html.j2", text=text), text)


def fold(title: str, inside: Fragment) -> Fragment:
    """Something that opens when it is clicked."""
    return Fragment(
        lambda: render("fold.html.j2", title=title, inside=inside.html),
        title,
        tables=inside.tables,
    )


def render(template: str, **values: Any) -> str:
    """Fill one of the report's templates; whatever is not a `Fragment`'s own HTML is escaped."""
    return _environment().get_template(template).render(**values)


def picture(draw: Callable[[float], Figure], *, alt: str, caption: str = "") -> Fragment:
    """Draw a figure for wide and for narrow windows.

    Args:
        draw: Makes the figure for a width in inches. It belongs to no window.
        alt: What the figure shows, in words, for those who cannot see it.
        caption: A sentence below it.
    """

    def drawn() -> str:
        wide, narrow = (_svg(draw(width)) for width in (WIDE, NARROW))
        return render("picture.html.j2", wide=wide, narrow=narrow, alt=alt, caption=caption)

    return Fragment(drawn, f"figure: {alt}")


def plain(text: str) -> str:
    """Keep a name from being read as mathematics by matplotlib."""
    return text.replace("$", r"\$")


def style() -> Fragment:
    """The style and the sorting of the fragments, for looking at them in JupyterLab."""
    folder = TEMPLATES / "report"
    names = ("colours.css", "fragments.css", "charts.css", "live.css")
    css = "".join((folder / name).read_text("utf-8") for name in names)
    js = (folder / "scripts" / "sorting.js").read_text("utf-8")
    return Fragment(f"<style>{css}</style><script>{js}</script>", "style of the report")


def _svg(figure: Figure) -> str:
    import matplotlib

    buffer = io.BytesIO()
    # A fixed salt and no date: the same results give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "candgen", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES / "report" / "fragments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
