"""Pages of trials that a report links to: the chosen ones, and those that failed."""

from __future__ import annotations

from pathlib import Path

from candgen.reports.searches.reading import FAILED, Search, Trial, read_searches


def link(folder: Path, search: Search, trial: Trial) -> str | None:
    """Return the page of a trial, relative to the sweep's folder; None for most of them.

    An archive of the report holds every page that the report links to, so the pages of trials that
    nobody looks at are left out.
    """
    if not trial.folder or (trial.number != search.chosen_number and trial.state != FAILED):
        return None
    for file in ("page.html", "notebook.ipynb"):
        if (folder / trial.folder / file).is_file():
            return f"{trial.folder}/{file}"
    return None


def links(folder: Path) -> list[str]:
    """Return all of these pages of a sweep."""
    found = read_searches(folder).found
    every = [link(folder, search, trial) for search in found for trial in search.trials]
    return [page for page in every if page is not None]
