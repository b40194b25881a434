"""The list of runs: those of sweeps in plan order, and those run by hand."""

import pytest

from candgen import files
from candgen.errors import DataError
from candgen.session import run_files, status
from candgen.sweeps.run_list import find_sweep, list_runs


@pytest.fixture
def outputs(project):
    return project / "outputs"


def leave(folder, state="done", rows=(), **more):
    status.write(folder, {"state": state, "wall_seconds": 30.0, **more})
    if rows:
        files.write_json(folder / "metrics.json", {"generators": list(rows)})


def row(generator, value, metric="recall@20", baseline=False):
    return {"generator": generator, "baseline": baseline, metric: value}


def plan(outputs, name, runs, metric="recall@20", datasets=()):
    described = {
        "report": {"metric": metric},
        "datasets": [{"folder": f"datasets/{d}", "state": "done"} for d in datasets],
        "runs": [{"folder": folder, "state": state} for folder, state in runs],
    }
    files.write_json(outputs / name / "sweep.json", described)


def test_a_sweep_lists_its_plan_and_nothing_else(outputs):
    plan(outputs, "s", [("b", "done"), ("a", "planned")], datasets=["world"])
    for name in ("a", "b", "old", "report", "datasets/world"):
        (outputs / "s" / name).mkdir(parents=True)
    leave(outputs / "s" / "b", rows=[row("popularity", 0.9, baseline=True), row("WALS", 0.2)])
    leave(outputs / "s" / "old")
    found = [(r.name, r.state, r.generator, r.value) for r in list_runs("s")]
    assert found == [
        ("datasets/world", "done", "", None),
        ("b", "done", "WALS", 0.2),
        ("a", "planned", "", None),
    ]


def test_the_sweeps_own_metric_is_shown_and_the_best_of_several_generators(outputs):
    plan(outputs, "s", [("a", "done")], metric="ndcg@10")
    rows = [row("X", 0.1, "ndcg@10"), row("Y", 0.3, "ndcg@10"), row("Z", None, "ndcg@10")]
    leave(outputs / "s" / "a", rows=rows)
    (found,) = list_runs("s")
    assert (found.metric, found.value, found.generator, found.minutes) == ("ndcg@10", 0.3, "Y", 0.5)


def test_the_part_of_a_value_is_listed_with_it(outputs):
    plan(outputs, "s", [("a", "done"), ("b", "done"), ("c", "done")])
    parts = {"a": {"judged_on": "validation (shaped by test)", "evaluate_on": "validation"},
             "b": {"evaluate_on": "validation"}, "c": {}}  # fmt: skip
    for name, described in parts.items():
        leave(outputs / "s" / name, rows=[row("X", 0.1)])
        held = {"generators": [row("X", 0.1)], "dataset": described}
        files.write_json(outputs / "s" / name / "metrics.json", held)
    listed = [found.judged_on for found in list_runs("s")]
    assert listed == ["validation (shaped by test)", "validation", ""]


def test_a_metric_that_was_not_recorded_gives_way_to_one_that_was(outputs):
    plan(outputs, "s", [("a", "done")])
    leave(outputs / "s" / "a", rows=[row("X", 0.1, "map@5")])
    assert list_runs("s")[0].metric == "map@5"


def test_metrics_of_a_run_that_did_not_finish_are_not_shown(outputs):
    plan(outputs, "s", [("a", "running")])
    leave(outputs / "s" / "a", state="running", rows=[row("X", 0.1)], pid=2**22 + 1)
    assert (list_runs("s")[0].state, list_runs("s")[0].value) == ("interrupted", None)


def test_a_result_of_an_earlier_plan_does_not_pass_for_the_present_one(outputs):
    planned = {"folder": "a", "state": "planned", "fingerprint": None}
    files.write_json(outputs / "s" / "sweep.json", {"runs": [planned]})
    leave(outputs / "s" / "a", rows=[row("X", 0.1)], fingerprint="notebook=1")
    assert (list_runs("s")[0].state, list_runs("s")[0].value) == ("planned", None)
    # Killed after the run had ended, but before the sweep wrote it down.
    running = {"folder": "a", "state": "running", "fingerprint": "notebook=1"}
    files.write_json(outputs / "s" / "sweep.json", {"runs": [running]})
    assert (list_runs("s")[0].state, list_runs("s")[0].value) == ("done", 0.1)


def test_runs_by_hand_and_prepared_datasets_are_listed_too(outputs):
    leave(outputs / "scratch" / "20_toy")
    (outputs / "datasets" / "world").mkdir(parents=True)
    files.write_json(outputs / "datasets" / "world" / "dataset.json", {"digest": "x"})
    assert [(r.sweep, r.name, r.state) for r in list_runs()] == [
        ("datasets", "world", "done"),
        ("scratch", "20_toy", "done"),
    ]


def test_a_sweep_is_found_by_folder_or_name_or_suggested(outputs):
    plan(outputs, "quick", [])
    assert find_sweep("quick") == find_sweep("outputs/quick") == outputs / "quick"
    with pytest.raises(DataError, match=r"No sweep 'quik'.*Did you mean 'quick'"):
        find_sweep("quik")


def test_a_run_whose_results_were_cut_or_lost_is_damaged(outputs):
    plan(outputs, "s", [("a", "done")])
    folder = outputs / "s" / "a"
    leave(folder, rows=[row("WALS", 0.2)])
    (folder / "page.html").write_text("page")
    leave(folder, files=run_files.describe(folder))
    assert [(found.state, found.value) for found in list_runs("s")] == [("done", 0.2)]
    (folder / "page.html").unlink()  # the value is there all the same
    assert [(found.state, found.value) for found in list_runs("s")] == [("done", 0.2)]
    (folder / "metrics.json").write_text('{"generators": []}')
    assert [(found.state, found.value) for found in list_runs("s")] == [("damaged", None)]


@pytest.fixture
def search(outputs):
    """A search of three trials, of which the last is pruned and has no value."""
    trial = {"state": "done", "params": {"dim": 8}, "seconds": 60.0}
    trials = [{**trial, "number": 0, "value": 0.1}, {**trial, "number": 1, "value": 0.3}]
    trials += [{**trial, "number": 2, "state": "pruned", "value": None, "steps": [[1, 0.9]]}]
    held = {"generator": "WALS", "metric": "recall@20", "space": {"dim": [8]}, "trials": trials}
    held |= {"state": "done", "used": {"seconds": 180.0}}
    plan(outputs, "s", [("w", "planned")])
    files.write_json(outputs / "s" / "search.json", {"runs": {"w": held}})


def test_a_search_is_one_line_with_its_trials_and_the_best_of_those_that_finished(search):
    run, found = list_runs("s")
    assert (run.name, run.trials) == ("w", None)
    assert (found.name, found.state, found.trials, found.minutes) == ("trials/w", "done", 3, 3.0)
    assert (found.value, found.generator, found.judged_on) == (0.3, "WALS", "validation")


def test_trials_have_lines_of_their_own_where_they_are_asked_for(search):
    rows = list_runs("s", trials=True)[2:]
    assert [(row.name, row.state, row.value) for row in rows] == [
        ("trials/w/000", "done", 0.1),
        ("trials/w/001", "done", 0.3),
        ("trials/w/002", "pruned", 0.9),
    ]


def test_a_search_that_nobody_goes_on_with_is_unfinished(search, outputs):
    path = outputs / "s" / "search.json"
    held = files.read_json(path)
    (found,) = held["runs"].values()
    found["state"] = found["trials"][2]["state"] = "running"
    found["trials"][2]["folder"] = "trials/w/002"
    files.write_json(path, held)
    states = [(row.state, row.trials) for row in list_runs("s", trials=True)[1:]]
    assert states == [("unfinished", 2), ("done", None), ("done", None), ("not started", None)]
    status.write(outputs / "s/trials/w/002", {"state": "running", "pid": 2**22 + 1})
    states = [row.state for row in list_runs("s", trials=True)[1:]]
    assert states == ["unfinished", "done", "done", "interrupted"]
    status.write(outputs / "s/trials/w/002", {"state": "running", **status.owner()})
    assert [row.state for row in list_runs("s", trials=True)[1:]][::3] == ["running", "running"]


def test_a_damaged_search_is_unreadable_and_hides_no_run(search, outputs):
    (outputs / "s" / "search.json").write_text("{")
    assert [(r.name, r.state) for r in list_runs("s")] == [
        ("w", "planned"), ("search.json", "unreadable"),
    ]  # fmt: skip


DAMAGED = {
    "not JSON": "{",
    "a list": "[]",
    "text": '"done"',
    "NaN": '{"state": "done", "generators": [], "wall_seconds": NaN}',
    "a number without end": '{"state": "done", "generators": [], "wall_seconds": 1e999}',
    "deep nesting": "[" * 100_000 + "]" * 100_000,
    "a name twice": '{"state": "done", "generators": [], "generators": []}',
    "wrong types": '{"state": 7, "generators": "WALS"}',
    "generators that are text": '{"state": "done", "wall_seconds": "long", "generators": ["WALS"]}',
    "bytes": "\x00\x01",
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("name", ["status.json", "metrics.json"])
def test_damaged_records_of_a_run_are_unreadable_and_hide_no_other_run(outputs, name, damage):
    for run in ("a", "b"):
        leave(outputs / "s" / run, rows=[row("X", 0.1)])
    plan(outputs, "s", [("a", "done"), ("b", "done")])
    (outputs / "s" / "a" / name).write_text(DAMAGED[damage])
    found = [(r.name, r.state, r.value) for r in list_runs()]
    assert found == [("a", "unreadable", None), ("b", "done", 0.1)]


@pytest.mark.parametrize("damage", [*DAMAGED, "a folder outside", "stages that are numbers"])
def test_a_damaged_plan_is_listed_with_the_runs_that_are_there(outputs, damage):
    leave(outputs / "s" / "a", rows=[row("X", 0.1)])
    odd = {
        "a folder outside": '{"runs": [{"folder": "../../victim"}]}',
        "stages that are numbers": '{"runs": [7], "datasets": null}',
    }
    text = (odd | DAMAGED)[damage]
    (outputs / "s" / "sweep.json").write_text(text)
    states = [(r.name, r.state) for r in list_runs("s")]
    if damage in ("wrong types", "generators that are text"):  # a plan has no such fields
        assert states == [("a", "done")]
    else:
        assert states == [("sweep.json", "unreadable"), ("a", "done")]


def test_a_damaged_dataset_is_unreadable(outputs):
    (outputs / "datasets" / "world").mkdir(parents=True)
    (outputs / "datasets" / "world" / "dataset.json").write_text("{")
    assert [(r.name, r.state) for r in list_runs()] == [("world", "unreadable")]


def test_a_failed_run_stays_failed_whatever_its_metrics(outputs):
    leave(outputs / "s" / "a", state="failed")
    (outputs / "s" / "a" / "metrics.json").write_text("{")
    assert [r.state for r in list_runs()] == ["failed"]
