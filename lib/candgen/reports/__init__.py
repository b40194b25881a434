"""The comparison of a sweep's runs: one page to send, a table beside it, an archive of both.

The sections live in `overview`, `results`, `groups`, `examples` and `closing`; the notebook
`notebooks/90_compare_runs.ipynb` puts them in order. Importing this package is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candgen.on_demand import names_on_demand

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

__getattr__, __dir__ = names_on_demand(__name__, _HOMES)
