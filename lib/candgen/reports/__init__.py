"""The comparison of a sweep's runs: one page to send, a table beside it, an archive of both.

The sections live in `overview`, `results`, `groups`, `examples` and `closing`; the notebook
`notebooks/90_compare_runs.ipynb` puts them in order. Importing this package is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candgen.reports.archive import zip_report
    from candgen.reports.leaderboard import write_leaderboard
    from candgen.reports.report import Report, open_report

_HOMES = {
    "Report": "report",
    "open_report": "report",
    "write_leaderboard": "leaderboard",
    "zip_report": "archive",
}

__all__ = ["Report", "open_report", "write_leaderboard", "zip_report"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
