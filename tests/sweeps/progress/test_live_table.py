"""A sweep's display: a table in a terminal, plain lines elsewhere, failures at the end."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from candgen.sweeps.plan import Stage
from candgen.sweeps.progress import live_table
from candgen.sweeps.progress.stage_progress import LEFT, Record, failures, span, time_left


class Terminal(io.StringIO):
    def isatty(self):
        return True


NOW = 5000.0  # on a clock that stands still


@pytest.fixture(autouse=True)
def still_clock(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: NOW)


@pytest.fixture
def make(tmp_path):
    def record(name="a", **given):
        stage = Stage("run", name, None, {}, {}, {}, tmp_path / name, 5.0)
        return Record(stage, **given)

    return record


@pytest.fixture
def lines(make):
    """A view of two records that writes lines, and what it wrote so far."""
    stream, both = io.StringIO(), [make("a"), make("b")]
    view = live_table.view_of(both, 1, stream)
    assert isinstance(view, live_table.Lines)
    return view, both, lambda: stream.getvalue().splitlines()


def test_there_is_one_line_an_event(lines):
    view, (a, b), written = lines
    a.state, a.started = "running", NOW
    view.started(a)
    a.end("done", "")
    view.ended(a)
    b.end("not run", "dataset films failed")
    view.ended(b)
    assert written() == [
        "[0/2] run a: started",
        "[1/2] run a: done after 0 s",
        "[2/2] run b: not run (dataset films failed)",
    ]


def test_a_stage_on_a_cluster_says_on_which_worker(lines, make):
    view, (a, _), written = lines
    a.begin("worker 1 on node7")
    view.started(a)
    assert written() == ["[0/2] run a: started on worker 1 on node7"]
    a.cell, a.started = 3, NOW - 60
    a.begin("worker 2")
    assert (a.state, a.cell, a.elapsed()) == ("running", 0, 60)
    for records, shown in (([a, make("b")], True), ([make("b")], False)):
        table = live_table.view_of(records, 1, Terminal())
        console = Console(file=io.StringIO(), width=120)
        console.print(table.drawn())
        assert ("worker 2" in console.file.getvalue()) == shown
        assert ("worker" in console.file.getvalue().splitlines()[0]) == shown


def test_a_skipped_stage_says_so(lines):
    view, (a, _), written = lines
    a.skipped = True
    a.end("done", "")
    view.ended(a)
    assert written() == ["[1/2] run a: unchanged, skipped"]


def test_progress_is_throttled(lines, monkeypatch):
    view, (a, _), written = lines
    a.state, a.started, a.cell, a.cells = "running", NOW - 30, 3, 9
    for _ in range(100):
        view.progressed(a)
    assert written() == []
    monkeypatch.setattr(live_table, "SECONDS_BETWEEN_LINES", 0.0)
    view.progressed(a)
    assert written() == ["[0/2] run a: cell 3 of 9, 30 s, about 1 min 00 s left"]


def test_a_terminal_gets_a_table_of_all_stages(make, monkeypatch):
    running = make("slow", state="running", cell=1, cells=4, started=NOW - 10)
    failed = make("wrong", state="failed", why="ValueError: no [loss]", started=1.0, seconds=75)
    view = live_table.view_of([make("first"), running, failed], 2, Terminal())
    assert isinstance(view, live_table.Table)
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(view.drawn())
    shown = console.file.getvalue()
    assert "run first" in shown and "planned" in shown
    assert "10 s" in shown and "30 s" in shown  # elapsed, and three times as many cells left
    assert "ValueError: no [loss]" in shown and "1 min 15 s" in shown
    assert "1 of 3 stages, 1 failed" in shown


def test_a_table_fits_the_terminal_and_keeps_what_matters(make):
    many = [make(f"r{n}", state="done", skipped=True) for n in range(200)]
    view = live_table.Table([*many, make("wrong", state="failed"), make("now", state="running")], 2)
    shown = view._shown()
    assert len(shown) <= max(5, view._console.height)
    assert {"wrong", "now"} <= {record.stage.name for record in shown}


def test_remaining_follows_last_time_then_cells_then_the_others(make):
    started = NOW - 10
    assert make(state="running", started=started, expected_seconds=25).remaining() == 15
    assert make(state="running", started=started, cell=1, cells=3).remaining() == 20
    assert make().remaining() is None and make().remaining(7.0) == 7.0
    assert make(state="done").remaining() == 0.0


def test_a_sweep_takes_at_least_as_long_as_its_longest_stage(make):
    waiting = [make("a", expected_seconds=60), make("b", expected_seconds=4)]
    assert time_left(waiting, 4) == 60
    assert time_left([make(expected_seconds=10) for _ in range(6)], 2) == 30
    assert time_left([make()], 1) is None
    ended = make("z", state="done", seconds=8.0)
    assert time_left([make(), make(), ended], 1) == 16


def test_failures_end_with_a_table_that_says_why_and_where_to_look(make):
    fine, wrong = make("fine", state="done"), make("wrong", state="failed", why="ValueError: x")
    late = make("late", state="timed out", why="ran longer than 5 minutes")
    wrong.stage.folder.mkdir()
    (wrong.stage.folder / "page.html").touch()
    said = failures([fine, wrong, late])
    assert said[0] == "2 of 3 stages did not finish:"
    assert said[1].split() == ["run", "wrong", "failed", "ValueError:", "x"]
    assert Path(said[2].split()[-1]) == wrong.stage.folder / "page.html"
    assert "ran longer than 5 minutes" in said[3]
    assert failures([fine]) == []


def test_what_a_stopped_sweep_never_came_to_is_only_counted(make):
    killed = make("now", state="killed", why="Stopped: the run was stopped from outside")
    waiting = [make(f"r{n}", state="not run", why=LEFT) for n in range(40)]
    said = failures([killed, *waiting])
    assert len(said) == 3 and said[-1].startswith("Stopped") and "40" in said[-1]


def test_an_error_that_stops_a_dataset_is_said_once(make):
    films = make("films", state="failed", why="DataError: films.csv, line 7: user is missing.")
    waiting = [make(f"r{n}", state="not run", why="dataset films failed") for n in range(40)]
    other = make("alone", state="not run", why="dataset songs failed")
    said = failures([films, *waiting, other])
    assert said[0] == "42 of 42 stages did not finish:" and len(said) == 4
    assert sum("user is missing" in line for line in said) == 1
    assert said[2].split() == ["40", "runs", "not", "run", "dataset", "films", "failed"]
    assert said[3].split() == ["run", "alone", "not", "run", "dataset", "songs", "failed"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (4200, "1 h 10 min")],
)
def test_durations_are_short(seconds, written):
    assert span(seconds) == written


def test_a_record_knows_how_long_it_took(make):
    record = make(state="running", started=NOW - 3)
    record.end("failed", "x")
    assert record.seconds == 3 and record.failed
