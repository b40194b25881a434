"""`report.html` while its sweep runs: the stages, above the earlier report if there is one."""

import json
import re

import pytest

from candgen.reports import report_file
from candgen.sweeps.plan import Stage
from candgen.sweeps.progress import live_page
from candgen.sweeps.progress.stage_progress import Record

EARLIER = "<!doctype html>\n<html><head>\n<title>old</title></head><body>the old result\n</body>"


@pytest.fixture
def make(tmp_path):
    """Make the record of a run in some state."""

    def make(name, state="planned", *, why="", value=None, kind="run"):
        folder = tmp_path / name
        folder.mkdir()
        stage = Stage(kind, name, None, {}, {}, {}, folder, 5.0)
        record = Record(stage, state=state, why=why)
        if value is not None:
            rows = [{"generator": "popularity", "baseline": True, "recall@20": 0.9},
                    {"generator": "WALS", "recall@20": value}]  # fmt: skip
            (folder / "metrics.json").write_text(json.dumps({"generators": rows}))
            (folder / "page.html").write_text("page")
        return record

    return make


@pytest.fixture
def page(tmp_path):
    """The page of a sweep with some records, renewed whenever it is asked for."""

    def page(*records, title="Which model?"):
        return live_page.LivePage(tmp_path, title, "recall@20", records, workers=1)

    return page


def shown(folder):
    """The rows of the page as lists of texts."""
    html = (folder / "report.html").read_text()
    rows = re.findall(r"<tr class.*?</tr>", html)
    cells = [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]
    return [[re.sub(r"<.*?>", "", cell) for cell in row] for row in cells]


def test_failed_runs_come_first_then_running_done_and_planned_ones(page, make, tmp_path):
    running = make("now", "running")
    running.begin()
    running.cell, running.cells = 3, 12
    wrong = make("wrong", "failed", why="ValueError: no loss")
    page(make("later"), make("good", "done", value=0.25), running, wrong).renew()
    rows = shown(tmp_path)
    assert [row[:3] for row in rows] == [
        ["run wrong", "failed", ""], ["run now", "running", ""], ["run good", "done", "0.2500"],
        ["run later", "planned", ""],
    ]  # fmt: skip
    assert rows[0][-1] == "ValueError: no loss" and rows[1][3] == "cell 3 of 12"
    html = (tmp_path / "report.html").read_text()
    assert "1 of 4 stages done, 1 failed, 1 running" in html
    assert '<a href="good/page.html">' in html and "wrong/page.html" not in html
    assert f'http-equiv="refresh" content="{live_page.SECONDS}"' in html


def test_the_page_of_a_sweep_without_a_report_ends_with_its_last_words(page, make, tmp_path):
    live = page(make("a", "running"))
    live.renew()
    assert not report_file.is_made(tmp_path / "report.html")
    live.leave("The sweep was stopped.")
    html = (tmp_path / "report.html").read_text()
    assert "The sweep was stopped." in html and "refresh" not in html
    assert not report_file.is_made(tmp_path / "report.html")


def test_an_earlier_report_stands_below_and_keeps_every_byte(page, make, tmp_path):
    report = tmp_path / "report.html"
    report.write_bytes(EARLIER.encode())
    live = page(make("a", "running"))
    live.renew()
    html = report.read_text()
    assert "the old result" in html and "run a" in html and 'content="5"' in html
    assert html.count("<title>") == 1
    assert report_file.is_made(report)
    page(make("b", "running")).renew()  # the next sweep, after this one was killed
    assert "run b" in report.read_text() and "run a" not in report.read_text()
    live.leave("not said")
    assert report.read_bytes() == EARLIER.encode()


def test_nothing_is_written_for_a_sweep_in_which_nothing_runs(page, make, tmp_path):
    page(make("a", "done")).leave("over")
    assert not (tmp_path / "report.html").exists()


def test_the_page_is_written_once_in_a_few_seconds(page, make, tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(live_page.time, "monotonic", lambda: clock[0])
    record = make("a", "running")
    live = page(record)
    live.renew()
    record.state = "failed"
    clock[0] += live_page.SECONDS - 0.5
    live.renew()
    assert shown(tmp_path)[0][1] == "running"
    clock[0] += 1
    live.renew()
    assert shown(tmp_path)[0][1] == "failed"


def test_text_from_data_stays_text(page, make, tmp_path):
    why = "ValueError: <!--/progress--><script>alert(1)</script>"
    page(make("a", "failed", why=why), title="<img src=x>").renew()
    html = (tmp_path / "report.html").read_text()
    assert "<script" not in html and "<img" not in html
    assert report_file.without_progress(tmp_path / "report.html") == report_file.NO_REPORT


@pytest.mark.parametrize("damage", ["not utf-8", "a link"])
def test_a_report_that_cannot_be_read_is_left_alone(page, make, tmp_path, damage):
    report = tmp_path / "report.html"
    if damage == "a link":
        (tmp_path / "theirs").write_text("x")
        report.symlink_to(tmp_path / "theirs")
    else:
        report.write_bytes(b"\xff\xfe<head><body>")
    before = report.read_bytes()
    page(make("a", "running")).renew()
    assert report.read_bytes() == before and report.is_symlink() == (damage == "a link")


@pytest.mark.parametrize("metrics", ["{", '{"generators": [{"generator": "x"}]}', "[]"])
def test_a_run_whose_metrics_cannot_be_read_has_no_value(page, make, tmp_path, metrics):
    record = make("a", "done", value=0.1)
    (tmp_path / "a" / "metrics.json").write_text(metrics)
    page(record).renew()
    assert shown(tmp_path)[0][2] == ""
