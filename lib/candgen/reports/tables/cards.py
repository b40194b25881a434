"""A dataset card as Markdown: counts, split, leaks, licence and citation."""

from __future__ import annotations

import re

from candgen.reports import terms
from candgen.reports.comparing import Comparison
from candgen.reports.overview import card
from candgen.reports.report import Report
from candgen.text.markdown import as_text

_NUMBERS = re.compile(r"[−+0-9.,%]+( to [−+0-9.,%]+)?")
_ORDER = ("source", "files", "licence", "citation", "split", "futures seen")


def card_text(report: Report, ground: Comparison) -> str:
    """Return the card of the dataset that runs were judged on."""
    told = card(report, ground)
    lines = [f"# {in_markdown(told['title'])}", "", f"Digest: `{ground.digest}`", ""]
    facts = dict(told["facts"])
    for name in [*_ORDER, *(name for name in facts if name not in _ORDER)]:
        if name in facts:
            lines += [f"## {name.capitalize()}", "", in_markdown(facts[name]), ""]
    lines += ["## Counts", "", "| count | value | meaning |", "|---|---:|---|"]
    for name, number in told["counts"]:
        cells = map(in_markdown, (name, number, terms.meaning(name)))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Leaks and warnings", ""]
    warnings = told["warnings"] or ["None known."]
    return "\n".join([*lines, *(f"- {in_markdown(text)}" for text in warnings)]) + "\n"


def in_markdown(text: object) -> str:
    """Return text that Markdown shows as it is; numbers stay readable in the file, too."""
    return str(text) if _NUMBERS.fullmatch(str(text)) else as_text(text)
