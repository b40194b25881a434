"""Figures of a source beside ours: the CSV, the table, and what cannot be read."""

import csv
import json
import shutil

import pytest

from candgen.reports import open_report, reproduction, zip_report
from candgen.reports.reading import read_sweep
from candgen.sweeps.run_report import make_report

ROWS = [
    {"figure": "cost at step 0", "source": 200.0, "ours": 201.0, "why": "another <release>"},
    {"figure": "films", "source": 694.0, "ours": 694.0, "why": ""},
    {"figure": "least", "source": -0.5, "ours": -0.25, "why": "luck"},
    {"figure": "nothing", "source": 0.0, "ours": 0.1, "why": "a start"},
    {"figure": "none", "source": 0.0, "ours": 0.0, "why": ""},
]


@pytest.fixture
def sweep(small_sweep):
    """A sweep whose only run recorded figures."""
    (small_sweep / "figures.json").write_text(json.dumps(ROWS))
    return small_sweep.parent


def test_the_csv_has_a_row_a_figure_and_the_difference_as_a_share(sweep):
    path = reproduction.write_figures(sweep)
    assert path == sweep / "figures.csv"
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["figure", "source", "ours", "relative_difference"],
        ["cost at step 0", "200.0", "201.0", "0.005"],
        ["films", "694.0", "694.0", "0.0"],
        ["least", "-0.5", "-0.25", "0.5"],
        ["nothing", "0.0", "0.1", ""],
        ["none", "0.0", "0.0", "0.0"],
    ]


def test_a_sweep_without_figures_has_no_csv_not_even_an_old_one(sweep):
    reproduction.write_figures(sweep)
    (sweep / "only" / "figures.json").unlink()
    assert reproduction.write_figures(sweep) is None
    assert not (sweep / "figures.csv").exists()


def test_a_run_that_did_not_finish_gives_no_figures(sweep):
    state = json.loads((sweep / "only" / "status.json").read_text())
    (sweep / "only" / "status.json").write_text(json.dumps({**state, "state": "failed"}))
    assert reproduction.read_figures(read_sweep(sweep)) == ([], [])
    report = open_report(sweep)
    assert "No finished run recorded a figure" in reproduction.opening(report).html
    assert "did not finish" in reproduction.opening(report).html


@pytest.mark.parametrize(
    "text", ["{", "3", '[{"figure": "x"}]', '[{"figure": "x", "source": "y"}]']
)
def test_a_file_that_cannot_be_read_is_named_and_the_rest_stays(sweep, text):
    (sweep / "only" / "figures.json").write_text(text)
    found, remarks = reproduction.read_figures(read_sweep(sweep))
    assert found == []
    assert len(remarks) == 1 and remarks[0].startswith("only/figures.json cannot be read")
    assert "only/figures.json cannot be read" in reproduction.opening(open_report(sweep)).html


def test_the_opening_counts_what_agrees(sweep):
    html = reproduction.opening(open_report(sweep)).html
    assert "5 printed figures made again: 2 agree to the digits printed" in html
    assert "1 more lie within 1% of the source&#39;s value, 2 differ by more" in html


def test_the_furthest_come_first_and_what_agrees_is_left_out(sweep):
    html = reproduction.furthest(open_report(sweep)).html
    places = [html.index(f">{name}<") for name in ("nothing", "least", "cost at step 0")]
    assert places == sorted(places)
    assert ">films<" not in html


def test_all_figures_are_there_with_their_reasons_escaped(sweep):
    html = reproduction.all_figures(open_report(sweep)).html
    assert all(f">{row['figure']}<" in html for row in ROWS)
    assert "another &lt;release&gt;" in html and "+0.50 %" in html


@pytest.mark.notebook
def test_a_sweep_may_ask_for_this_report(sweep, root, tmp_path, monkeypatch):
    project = tmp_path / "project"
    for folder in ("params", "notebooks"):
        (project / folder).mkdir(parents=True)
    shutil.copy(root / "notebooks/91_source_figures.ipynb", project / "notebooks")
    monkeypatch.chdir(project)
    plan = json.loads((sweep / "sweep.json").read_text())
    plan["report"] = {"notebook": "notebooks/91_source_figures.ipynb", "title": "As printed"}
    (sweep / "sweep.json").write_text(json.dumps(plan))
    html = make_report(sweep).read_text()
    assert "<title>As printed</title>" in html
    assert "cost at step 0" in html and "91_source_figures.ipynb" in html
    assert 'href="figures.csv"' in html
    assert (sweep / "figures.csv").is_file()
    import zipfile

    names = zipfile.ZipFile(zip_report(sweep)).namelist()
    assert f"{sweep.name}/figures.csv" in names
