"""Commands about results: comparing two sweeps, and a gate for jobs that run by themselves."""

import json

import pytest


@pytest.fixture
def project(sweep_builder, tmp_path, monkeypatch):
    """A project with the sweeps good, same and bad, on the same data."""
    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    world = sweep_builder.build_dataset(tmp_path / "outputs/datasets/world")
    for name, skill in (("good", 1.4), ("same", 1.4), ("bad", 0.9)):
        folder = tmp_path / "outputs" / name
        sweep_builder.write_run(folder / "wals", world, "WALS", skill, params={"dim": 4})
        sweep_builder.write_sweep(folder, {"wals": {}})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_compare_prints_what_moved_and_what_changed(candgen, project):
    code, out, _ = candgen("compare", "good", project / "outputs/bad")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and rows[0] == ["recall@20, margin 0.005"]
    assert rows[1][-1] == "verdict"
    (moved,) = [row for row in rows if row[1:2] == ["wals"]]
    assert moved[-1] == "worse" and float(moved[4]) < -0.005
    assert out.endswith("Parameters, versions and code are the same.\n")


def test_compare_can_print_json(candgen, project):
    found = json.loads(candgen("compare", "good", "bad", "--json", "--metric", "ndcg@10")[1])
    assert found["metric"] == "ndcg@10" and len(found["moved"]) == 3


def test_compare_of_a_sweep_that_is_not_there_suggests_one(candgen, project):
    code, out, err = candgen("compare", "good", "badd")
    assert (code, out) == (2, "") and "Did you mean 'bad'" in err


def test_a_gate_fails_where_a_metric_fell_and_names_the_row(candgen, project):
    code, out, err = candgen("report", "bad", "--gate", "recall@20", "--against", "good")
    assert code == 1 and "\twals\t" in out and "popularity" not in out
    assert "1 row fell by more than 0.005 of recall@20" in err


@pytest.mark.parametrize(
    ("sweep", "more", "code"), [("same", (), 0), ("bad", ("--margin", "0.9"), 0), ("bad", (), 1)]
)
def test_a_gate_holds_within_its_margin(candgen, project, sweep, more, code):
    asked = ("report", sweep, "--gate", "recall@20", "--against", "good", *more)
    assert candgen(*asked)[0] == code
    assert not (project / "outputs" / sweep / "report.html").exists()


def test_a_gate_fails_where_a_run_of_before_did_not_finish(candgen, project):
    status = project / "outputs/same/wals/status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "failed"}))
    code, _, err = candgen("report", "same", "--gate", "recall@20", "--against", "good")
    assert code != 0 and err


@pytest.mark.parametrize("asked", [("--gate", "recall@20"), ("--against", "good"),
                                   ("--margin", "0.1")])  # fmt: skip
def test_half_a_gate_is_refused(candgen, project, asked):
    code, _, err = candgen("report", "same", *asked)
    assert code == 2 and "--gate" in err


def test_tables_are_written_and_their_paths_printed(candgen, project):
    code, out, _ = candgen("report", "good", "--format", "latex")
    folder = project / "outputs/good"
    assert code == 0 and set(out.split()) == {str(path) for path in folder.glob("tables/*.tex")}
    assert not (folder / "report.html").exists()
    assert candgen("report", "good", "--format", "word")[0] == 2
    assert "goes alone" in candgen("report", "good", "--format", "csv", "--zip")[2]


def test_judged_lists_become_a_row_and_short_ones_are_said_first(candgen, project):
    lists = project / "lists.csv"
    lists.write_text("visitor,sku\n" + "".join(f"u{n},{100 + n}\n" for n in range(150)))
    named = ("--column", "user=visitor", "--column", "item=sku")
    code, out, err = candgen("judge", lists, "--into", "good", "--as", "production", *named)
    assert code == 0 and out.startswith("production on world, judged on test\n")
    assert err.startswith("150 of 150 judged users have fewer than 50 candidates.")
    assert "production" in candgen("runs", "good")[1]
    assert "production\t" in candgen("compare", "same", "good")[1]
    assert candgen("judge", lists, *named)[0] == 2
    assert "OURS=THEIRS" in candgen("judge", lists, "--into", "good", "--column", "user")[2]
