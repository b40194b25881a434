"""From a sweep's folder to `report.html`: execute the report's notebook, then publish it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import candgen
from candgen import files, folders
from candgen.errors import CandgenError, DataError
from candgen.reports.interaction.page_script import page_script
from candgen.reports.leaderboard import FILE as LEADERBOARD
from candgen.reports.leaderboard import write_leaderboard
from candgen.reports.reading import PLAN, read_sweep
from candgen.reports.rendering import ABSENT, TEMPLATES
from candgen.reports.report_file import REPORT
from candgen.reports.reproduction import FILE as REPRODUCED
from candgen.reports.reproduction import write_numbers
from candgen.reports.searches.table import FILE as TRIALS
from candgen.reports.searches.table import write_trials
from candgen.session import paths, run_files, status
from candgen.sweeps.stage_options import DEFAULT_RETRIES

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = "notebooks/90_compare_runs.ipynb"
FOLDER = "report"
STYLES = ("colours.css", "page.css", "fragments.css", "charts.css", "live.css", "dark.css")
_MINUTES = 10.0


def make_report(
    sweep_folder: Path | str,
    *,
    kernel: Literal["warm", "ordinary"] = "warm",
    fingerprint: str | None = None,
    **parameters: Any,
) -> Path:
    """Make a sweep's report and its tables; earlier ones are replaced when all are whole.

    The notebook is the one that the sweep's YAML names, else `notebooks/90_compare_runs.ipynb`.
    The tables are `leaderboard.csv`, `trials.csv` where the sweep searched settings, and
    `reproduced.csv` where runs reproduced printed numbers.
    Runs that failed, were killed or never started are part of the report. What the notebook itself
    needs lies in `<sweep>/report/`.

    Args:
        sweep_folder: The sweep's folder.
        kernel: How to start its kernel.
        fingerprint: What the caller knows this report by; kept in `report/status.json`.
        **parameters: Of the report's notebook, such as `title`; the comparison also takes
            `metric`, `baseline`, `margin` and `example_users`. What is left out comes from the
            sweep's YAML.

    Returns:
        The path of `report.html`.

    Raises:
        DataError: If there is no such folder, it is no sweep's, or the report's notebook failed.
            An earlier report and its tables are as they were.
    """
    from candgen.sweeps import execution

    folder = Path(sweep_folder).resolve()
    if folder.is_dir():
        folders.require(folder, folders.SWEEP)
    files.remove_left_behind(folder)
    report = folder / REPORT
    notebook = _notebook_of(folder)  # also refuses a folder that is not there
    named = _from_root(folder)
    asked = {"sweep": named, "run_folder": f"{named}/{FOLDER}", **parameters}
    ended = execution.execute(
        paths.project_root() / notebook,
        asked,
        folder / FOLDER,
        kernel=kernel,
        timeout_s=60 * _MINUTES,
        fingerprint=fingerprint,
        retries=DEFAULT_RETRIES,
        page=False,  # its page is the report
    )
    if ended["state"] != status.DONE:
        error = ended.get("error") or {}
        raise DataError(
            f"The report of {folder.name} {ended['state']} in cell {error.get('cell')}: "
            f"{error.get('name')}: {error.get('message')}. See {folder / FOLDER / 'page.html'}."
            f"{_older(report)}"
        )
    try:
        with folders.replacing(folder, folders.REPORT) as aside:
            write_leaderboard(folder, aside)
            write_trials(folder, aside)
            write_numbers(folder, aside)
            publish(folder / FOLDER / "notebook.ipynb", aside / REPORT, made_from=notebook)
            made = run_files.describe(aside, [path.name for path in aside.iterdir()])
    except CandgenError as error:
        message = f"The report of {folder.name} failed: {error}{_older(report)}"
        raise DataError(message) from None
    status.write(folder / FOLDER, {**ended, "made": made})
    return report


def _older(report: Path) -> str:
    """Say that an earlier report is still there, and of when it is."""
    if not report.is_file():
        return ""
    made = datetime.fromtimestamp(report.stat().st_mtime, UTC).isoformat(" ", "minutes")
    return f" {report} and the tables beside it are older: of {made[:16]} UTC."


def _notebook_of(folder: Path) -> str:
    """Return the path of the report's notebook; a plan names one inside the project.

    Raises:
        DataError: If it names another.
    """
    named = str(read_sweep(folder).options.get("notebook") or NOTEBOOK)
    root = paths.project_root().resolve()
    # Not resolved: the project's folder of notebooks may be a link to another place.
    if not Path(os.path.normpath(root / named)).is_relative_to(root):
        raise DataError(
            f"{folder / PLAN}: the report's notebook must be a path inside the project, such as "
            f"{NOTEBOOK}, got {named!r}. Run the sweep again."
        )
    return named


def _from_root(folder: Path) -> str:
    """Name a folder from the project's root, so that a report to send holds no whole path."""
    root = paths.project_root().resolve()
    return (folder.relative_to(root) if folder.is_relative_to(root) else folder).as_posix()


def publish(notebook: Path, report: Path, *, made_from: str = NOTEBOOK) -> None:
    """Turn the executed notebook of a report into one HTML file that fetches nothing."""
    import nbformat

    executed = nbformat.read(notebook, as_version=4)
    known = (REPRODUCED, LEADERBOARD, TRIALS)
    tables = [name for name in known if report.with_name(name).is_file()]
    files.write_text(report, render_page(executed, made_from=made_from, tables=tables))


def render_page(
    notebook: NotebookNode, *, made_from: str = NOTEBOOK, tables: Sequence[str] = (LEADERBOARD,)
) -> str:
    """Render the executed notebook of a report with the report's own template.

    Args:
        notebook: The executed one.
        made_from: The notebook's path, to name at the end.
        tables: Files beside the report, to link at the end.
    """
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(TEMPLATES)],
        anchor_link_text="",  # headings keep their ids, which the contents lead to
    )
    notebook = _without_absent_sections(notebook)
    folder = TEMPLATES / "report"
    script = page_script(_html(notebook))
    resources = {
        "report": {
            "title": _title(notebook),
            "headings": _headings(notebook),
            "style": "".join(_read(folder / name) for name in STYLES),
            "script": script,
            # The browser runs this script and no other, whatever a title may contain.
            "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            "version": candgen.__version__,
            "made_from": Path(made_from).name,
            "tables": tables,
        }
    }
    html, _ = exporter.from_notebook_node(notebook, resources=resources)
    return html


def _without_absent_sections(notebook: NotebookNode) -> NotebookNode:
    """Leave out sections, from one `## ` to the next, of which an output is marked as absent."""
    sections: list[list[NotebookNode]] = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append(cell)
    kept = [cell for section in sections if not _is_absent(section) for cell in section]
    return type(notebook)(notebook, cells=kept)


def _is_absent(section: list[NotebookNode]) -> bool:
    outputs = [output for cell in section for output in cell.get("outputs", [])]
    return any(output.get("metadata", {}).get(ABSENT) for output in outputs)


def _title(notebook: NotebookNode) -> str:
    """Take the title that the opening left beside its HTML."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            title = output.get("metadata", {}).get("title")
            if title:
                return str(title)
    return "Comparison"


def _headings(notebook: NotebookNode) -> list[str]:
    shown = [c for c in notebook.cells if "author" not in c.metadata.get("tags", [])]
    texts = [cell.source for cell in shown if cell.cell_type == "markdown"]
    return [line[3:] for text in texts for line in text.splitlines() if line.startswith("## ")]


def _html(notebook: NotebookNode) -> str:
    """Return all HTML that cells show."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
