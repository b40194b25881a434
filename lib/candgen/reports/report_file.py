"""The file `report.html`, and the progress of a running sweep that is shown on it for a while."""

from __future__ import annotations

import re
from pathlib import Path

REPORT = "report.html"
NO_REPORT = '<!doctype html>\n<html lang="en">\n<head></head>\n<body></body>\n</html>\n'
"""What stands in a report's place while the first one is not made yet."""
_BEGIN, _END = "<!--progress-->", "<!--/progress-->"  # data cannot hold them: it is escaped
_PROGRESS = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_MOST_BYTES = 2**26  # a larger report is not rewritten every few seconds


def with_progress(html: str, head: str, body: str) -> str:
    """Put the progress of a running sweep into the head and at the top of a report."""
    for place, text in (("<head>", head), ("<body>", body)):
        html = html.replace(place, f"{place}{_BEGIN}{text}{_END}", 1)
    return html


def without_progress(report: Path) -> str | None:
    """Read a report without the progress that a sweep showed on it.

    Returns:
        Its text, `NO_REPORT` if there is none; None if it cannot be read, or is too large to be
        written again and again.
    """
    try:
        if not report.exists():
            return NO_REPORT
        if report.is_symlink() or report.stat().st_size > _MOST_BYTES:
            return None
        html = report.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return _PROGRESS.sub("", html)


def is_made(report: Path) -> bool:
    """Tell whether there is a report, and not only the progress of its sweep."""
    return report.is_file() and without_progress(report) != NO_REPORT
