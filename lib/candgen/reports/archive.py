"""One archive to send: the report, its tables and the pages it links to."""

from __future__ import annotations

import zipfile
from pathlib import Path

from candgen import files, folders
from candgen.errors import DataError
from candgen.reports.leaderboard import FILE
from candgen.reports.reading import read_sweep
from candgen.reports.report_file import REPORT, is_made
from candgen.reports.reproduction import FILE as REPRODUCED
from candgen.reports.searches import pages
from candgen.reports.searches.table import FILE as TRIALS

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same pages give the same bytes


def zip_report(sweep_folder: Path | str) -> Path:
    """Put report, tables and pages into `<sweep>/<sweep>-report.zip`, where links still work.

    Raises:
        DataError: If there is no such sweep, its report was not made yet, or one of the files is
            a link, which could lead out of the sweep.
    """
    folders.check(sweep_folder, folders.SWEEP)
    sweep = read_sweep(sweep_folder)
    if not is_made(sweep.folder / REPORT):
        raise DataError(
            f"{sweep.folder} has no {REPORT} yet. Make it with `candgen report {sweep.folder}`."
        )
    links = [stage.link for stage in (*sweep.preparations, *sweep.runs)]
    links += pages.links(sweep.folder)
    tables = (FILE, REPRODUCED, TRIALS)
    names = sorted({REPORT, *tables, *(link for link in links if link is not None)})
    name = sweep.folder.resolve().name
    path = sweep.folder / f"{name}-report.zip"
    with (
        files.appearing(path) as passing,
        zipfile.ZipFile(passing, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in names:
            _check_no_link(sweep.folder, member)
            if (sweep.folder / member).is_file():
                info = zipfile.ZipInfo(f"{name}/{member}", _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, (sweep.folder / member).read_bytes())
    return path


def _check_no_link(folder: Path, member: str) -> None:
    for part in (Path(member), *list(Path(member).parents)[:-1]):
        if (folder / part).is_symlink():
            raise DataError(
                f"{folder / part} is a link. The archive holds files of the sweep's own folder "
                "only: put what it leads to in its place, or remove it."
            )
