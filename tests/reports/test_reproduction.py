"""Printed numbers beside ours: the CSV, the table, and what cannot be read."""

import csv
import json
import shutil

import pytest

from candgen.reports import open_report, reproduction, zip_report
from candgen.reports.reading import read_sweep
from candgen.sweeps.run_report import make_report

ROWS = [
    {"name": "cost at step 0", "printed": 200.0, "ours": 201.0, "why": "another <release>"},
    {"name": "films", "printed": 694.0, "ours": 694.0, "why": ""},
    {"name": "least", "printed": -0.5, "ours": -0.25, "why": "luck",
     "starts": [-0.25, -0.75, 0.125]},
    {"name": "nothing", "printed": 0.0, "ours": 0.1, "why": "a start"},
    {"name": "none", "printed": 0.0, "ours": 0.0, "why": ""},
]  # fmt: skip


@pytest.fixture
def sweep(small_sweep):
    """A sweep whose only run recorded reproduced numbers."""
    (small_sweep / "reproduced.json").write_text(json.dumps(ROWS))
    return small_sweep.parent


def test_the_csv_has_a_row_a_number_and_the_difference_as_a_share(sweep):
    path = reproduction.write_numbers(sweep)
    assert path == sweep / "reproduced.csv"
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["name", "printed", "ours", "relative_difference", "starts", "lowest", "highest"],
        ["cost at step 0", "200.0", "201.0", "0.005", "", "", ""],
        ["films", "694.0", "694.0", "0.0", "", "", ""],
        ["least", "-0.5", "-0.25", "0.5", "3", "-0.75", "0.125"],
        ["nothing", "0.0", "0.1", "", "", "", ""],
        ["none", "0.0", "0.0", "0.0", "", "", ""],
    ]


def test_a_sweep_without_reproduced_numbers_has_no_csv_not_even_an_old_one(sweep):
    reproduction.write_numbers(sweep)
    (sweep / "only" / "reproduced.json").unlink()
    assert reproduction.write_numbers(sweep) is None
    assert not (sweep / "reproduced.csv").exists()


def test_a_run_that_did_not_finish_gives_no_numbers(sweep):
    state = json.loads((sweep / "only" / "status.json").read_text())
    (sweep / "only" / "status.json").write_text(json.dumps({**state, "state": "failed"}))
    assert reproduction.read_numbers(read_sweep(sweep)) == ([], [])
    report = open_report(sweep)
    assert "No finished run recorded a printed number" in reproduction.opening(report).html
    assert "did not finish" in reproduction.opening(report).html


@pytest.mark.parametrize("text", ["{", "3", '[{"name": "x"}]', '[{"name": "x", "printed": "y"}]'])
def test_a_file_that_cannot_be_read_is_named_and_the_rest_stays(sweep, text):
    (sweep / "only" / "reproduced.json").write_text(text)
    found, remarks = reproduction.read_numbers(read_sweep(sweep))
    assert found == []
    assert len(remarks) == 1 and remarks[0].startswith("only/reproduced.json cannot be read")
    assert "only/reproduced.json cannot be read" in reproduction.opening(open_report(sweep)).html


def test_the_opening_counts_what_agrees(sweep):
    html = reproduction.opening(open_report(sweep)).html
    assert "5 printed numbers reproduced: 2 agree to the digits printed" in html
    assert "1 more lie within 1% of the printed value, 2 differ by more" in html


def test_the_furthest_come_first_and_what_agrees_is_left_out(sweep):
    html = reproduction.furthest(open_report(sweep)).html
    places = [html.index(f">{name}<") for name in ("nothing", "least", "cost at step 0")]
    assert places == sorted(places)
    assert ">films<" not in html


def test_all_numbers_are_there_with_their_reasons_escaped(sweep):
    html = reproduction.every_number(open_report(sweep)).html
    assert all(f">{row['name']}<" in html for row in ROWS)
    assert "another &lt;release&gt;" in html and "+0.50 %" in html


@pytest.mark.notebook
def test_a_sweep_may_ask_for_this_report(sweep, root, tmp_path, monkeypatch):
    project = tmp_path / "project"
    for folder in ("params", "notebooks"):
        (project / folder).mkdir(parents=True)
    shutil.copy(root / "notebooks/91_reproduced_numbers.ipynb", project / "notebooks")
    monkeypatch.chdir(project)
    plan = json.loads((sweep / "sweep.json").read_text())
    plan["report"] = {"notebook": "notebooks/91_reproduced_numbers.ipynb", "title": "As printed"}
    (sweep / "sweep.json").write_text(json.dumps(plan))
    html = make_report(sweep).read_text()
    assert "<title>As printed</title>" in html
    assert "cost at step 0" in html and "91_reproduced_numbers.ipynb" in html
    assert 'href="reproduced.csv"' in html
    assert (sweep / "reproduced.csv").is_file()
    import zipfile

    names = zipfile.ZipFile(zip_report(sweep)).namelist()
    assert f"{sweep.name}/reproduced.csv" in names


def test_a_number_that_rests_on_a_random_start_stands_beside_the_range_of_ours(sweep):
    report = open_report(sweep)
    said = reproduction.opening(report).html
    assert "1 numbers rest on a random start that was not printed: 1 of them lie" in said
    assert "over 3 starts" in said
    assert "−0.75 to 0.12" in reproduction.every_number(report).html.replace("-0.75", "−0.75")
    assert "lies inside" in reproduction.furthest(report).html


@pytest.mark.parametrize(
    ("printed", "starts", "within"),
    [
        (0.25, (0.25, 0.5), True),
        (0.75, (0.25, 0.5), False),
        (0.24, (0.2449, 0.5), True),  # as printed, 0.2449 is 0.24
        (0.51, (0.25, 0.504), False),
        (3.0, (), False),
    ],
)
def test_a_printed_number_is_in_the_range_as_it_was_printed(printed, starts, within):
    assert reproduction.Number(None, "x", printed, 0.3, "", starts).within == within


def test_without_several_starts_no_table_speaks_of_them(sweep):
    rows = [{key: value for key, value in row.items() if key != "starts"} for row in ROWS]
    (sweep / "only" / "reproduced.json").write_text(json.dumps(rows))
    report = open_report(sweep)
    assert "starts" not in reproduction.every_number(report).html
    assert "random start" not in reproduction.opening(report).html
