"""The archive to send holds the sweep's own files, whatever its folder says."""

import json
import zipfile

import pytest

from candgen.errors import DataError
from candgen.reports import zip_report
from candgen.reports.reading import read_sweep


@pytest.fixture
def sweep(small_sweep):
    """A sweep with a report and a run's page, beside a file of somebody else."""
    folder = small_sweep.parent
    (folder / "report.html").write_text("the report")
    (small_sweep / "page.html").write_text("a page")
    (folder.parent / "secret").mkdir()
    (folder.parent / "secret" / "page.html").write_text("a secret")
    return folder


def test_report_and_pages_are_packed(sweep):
    with zipfile.ZipFile(zip_report(sweep)) as archive:
        assert {"small/report.html", "small/only/page.html"} <= set(archive.namelist())


@pytest.mark.parametrize("name", ["../secret", "/etc", "only/../../secret", "..", "a\nb", ""])
@pytest.mark.parametrize("kind", ["runs", "datasets"])
def test_a_name_that_leads_elsewhere_is_refused(sweep, name, kind):
    plan = json.loads((sweep / "sweep.json").read_text())
    plan[kind] = [{"name": name, "parameters": {}}]
    (sweep / "sweep.json").write_text(json.dumps(plan))
    with pytest.raises(DataError, match=r"sweep\.json: .* is no name of a file or folder inside"):
        zip_report(sweep)
    plan[kind] = {name: {}}
    (sweep / "sweep.json").write_text(json.dumps(plan))
    with pytest.raises(DataError, match=r"sweep\.json: "):
        read_sweep(sweep)


@pytest.mark.parametrize("place", ["only/page.html", "only", "report.html", "leaderboard.csv"])
def test_a_link_is_refused(sweep, place):
    path = sweep / place
    if path.is_dir():
        path.rename(sweep.parent / "moved")
        path.symlink_to(sweep.parent / "moved")
    else:
        path.unlink(missing_ok=True)
        path.symlink_to(sweep.parent / "secret" / "page.html")
    with pytest.raises(DataError, match=rf"{place} is a link"):
        zip_report(sweep)
    assert not (sweep / "small-report.zip").exists()


def test_a_sweep_that_is_reached_by_a_link_is_packed(sweep):
    link = sweep.parent / "link"
    link.symlink_to(sweep)
    assert zip_report(link).read_bytes()[:2] == b"PK"
