"""Searches with a stand-in for kernels: what is tried, chosen, written down and done again."""

import json
import shutil
from itertools import pairwise

import pytest
from optuna.storages.journal import JournalFileBackend

from candgen.session import status
from candgen.sweeps import run_sweep
from candgen.sweeps.search import trials
from sweeps.search.toy_search import SWEEP, Silent, told, value_of

EQUAL = {"dim": 4, "rate": 0.1, "loss": "bpr"}


def test_the_first_trial_has_the_defaults_and_the_best_one_is_chosen(search, toy):
    found = search()
    assert found["trials"][0]["params"] == {"dim": 8, "rate": 0.5, "loss": "softmax"}
    best = max(found["trials"], key=lambda trial: trial["value"])
    assert found["chosen"] == {key: best[key] for key in ("number", "params", "value")}
    assert found["used"] == {"trials": 6, "seconds": 12.0, "pruned": 0, "failed": 0}


def test_trials_see_validation_and_the_chosen_run_alone_sees_test(search, toy):
    chosen = search()["chosen"]["params"]
    runs = [(folder, p) for folder, p in toy.ran if "n_users" not in p]
    on_test = [folder for folder, p in runs if p.get("evaluate_on", "test") != "validation"]
    assert on_test == ["outputs/asked/toy"]
    assert {key: runs[-1][1][key] for key in chosen} == chosen
    assert len(runs) == 7


def test_no_test_figure_of_a_trial_is_on_disk_even_where_the_file_asks_for_it(search, outputs):
    search(more="    evaluate_on: test\n")
    parts = [json.loads(p.read_text())["dataset"] for p in outputs.glob("trials/*/*/metrics.json")]
    assert {part["evaluate_on"] for part in parts} == {"validation"}
    assert len(parts) == 6


def test_a_page_that_judges_a_trial_on_test_all_the_same_is_not_believed(search, toy, monkeypatch):
    train = toy._train
    monkeypatch.setattr(
        toy, "_train", lambda p, folder: train({**p, "evaluate_on": "test"}, folder)
    )
    found = search()
    assert {trial["state"] for trial in found["trials"]} == {"failed"}
    assert "judged on test" in found["trials"][0]["why"]
    assert found["chosen"] is None
    assert [folder for folder, _ in toy.ran if folder.endswith("asked/toy")] == []


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_the_same_seed_gives_the_same_trials_and_another_one_others(search, outputs, sampler):
    first = told(search(sampler=sampler))
    shutil.rmtree(outputs)
    assert told(search(sampler=sampler)) == first
    other = told(search(sampler=sampler, more="    seed: 5\n"))
    assert other[0][1] == first[0][1]
    assert all(mine[1] != theirs[1] for mine, theirs in zip(other[1:], first[1:], strict=True))


def test_tpe_finds_more_than_its_first_ten_draws(search):
    values = [trial["value"] for trial in search(trials=30)["trials"]]
    assert max(values[10:]) > max(values[:10])


def test_of_equal_trials_the_first_is_chosen_which_has_the_defaults(search, toy, monkeypatch):
    train = toy._train
    monkeypatch.setattr(toy, "_train", lambda p, folder: train({**p, **EQUAL}, folder))
    assert search()["chosen"]["number"] == 0


def test_a_finished_search_is_not_run_again(search, toy):
    first = search()
    toy.ran.clear()
    assert told(search()) == told(first)
    assert toy.ran == []


def test_a_larger_budget_goes_on_where_it_was(search, toy):
    first = told(search(trials=3))
    toy.ran.clear()
    assert told(search(trials=5))[:3] == first
    assert [folder[-3:] for folder in toy.trials()] == ["003", "004"]


def test_fresh_runs_every_trial_again(search, toy):
    first = told(search())
    toy.ran.clear()
    assert told(search(fresh=True)) == first
    assert len(toy.trials()) == 6


def test_without_its_journal_a_search_asks_again_and_runs_nothing_again(search, toy, outputs):
    first = told(search())
    (outputs / "search.journal").unlink()
    toy.ran.clear()
    assert told(search()) == first
    assert toy.trials() == []


def test_another_space_is_another_search_that_uses_the_trials_it_shares(search, toy, outputs):
    search()
    toy.ran.clear()
    text = SWEEP.replace("[0.01, 1.0]", "[0.01, 0.9]")
    found = search(text=text, trials=3)
    assert len(found["trials"]) == 3
    assert [folder[-3:] for folder in toy.trials()] == ["006", "007"]  # the defaults are there
    assert found["trials"][0]["folder"] == "trials/toy/000"


def test_failed_trials_count_are_named_and_stop_nothing(search, toy):
    toy.fails = lambda parameters: parameters.get("loss") == "bpr"
    found = search(trials=8)
    failed = [trial for trial in found["trials"] if trial["state"] == "failed"]
    assert len(found["trials"]) == 8 and found["used"]["failed"] == len(failed) > 0
    assert {trial["params"]["loss"] for trial in failed} == {"bpr"}
    assert failed[0]["why"] == "ValueError: it fell over (cell 2)"
    assert found["chosen"]["params"]["loss"] == "softmax"
    assert any("toy, trial" in said and "it fell over" in said for said in Silent.said)


def test_a_search_whose_trials_all_fail_runs_nothing_on_test(search, toy, outputs):
    toy.fails = lambda parameters: parameters.get("evaluate_on") == "validation"
    assert search(trials=3)["state"] == "failed"
    sweep = json.loads((outputs / "sweep.json").read_text())
    assert sweep["runs"][0]["state"] == "not run"
    assert sweep["runs"][0]["why"] == "no trial of search toy ended well (3 failed)"


def test_minutes_end_a_search_once_its_trials_have_taken_them(search):
    text = (
        "notebook: notebooks/30_toy.ipynb\ndatasets:\n  world: {n_users: 30}\n"
        "budget: {minutes: 0.1}\nruns:\n  toy: {search: {rate: {float: [0.01, 1.0]}}}\n"
    )
    assert search(text=text)["used"] == {"trials": 3, "seconds": 6.0, "pruned": 0, "failed": 0}


def test_the_grid_sampler_tries_every_point_once(search):
    text = (
        "notebook: notebooks/30_toy.ipynb\ndatasets:\n  world: {n_users: 30}\n"
        "budget: {sampler: grid}\n"
        "runs:\n  toy: {search: {dim: [8, 16], rate: {float: [0.25, 0.75], step: 0.25}}}\n"
    )
    tried = [trial["params"] for trial in search(text=text)["trials"]]
    assert tried[0] == {"dim": 8, "rate": 0.5}
    points = [{"dim": d, "rate": r} for d in (8, 16) for r in (0.25, 0.5, 0.75)]
    assert sorted(map(str, tried)) == sorted(map(str, points))


def test_each_seed_gets_the_chosen_settings_and_one_search(search, toy, outputs):
    found = search(more="seeds: [3, 4]\n")
    assert found["final"] == ["toy-seed3", "toy-seed4"]
    finals = [p for folder, p in toy.ran if "toy-seed" in folder]
    assert [p["seed"] for p in finals] == [3, 4]
    assert all(p["dim"] == found["chosen"]["params"]["dim"] for p in finals)
    assert len(toy.trials()) == 6 and found["seed"] == 3


def test_several_workers_run_as_many_trials_and_lose_none(search, toy):
    found = search(trials=12, workers=3)
    assert [trial["number"] for trial in found["trials"]] == list(range(12))
    assert len(set(toy.trials())) == len(toy.trials()) == 12
    assert {trial["state"] for trial in found["trials"]} == {"done"}


def test_values_are_drawn_short_and_inside_the_space(search):
    for trial in search(trials=12)["trials"]:
        assert 2 <= trial["params"]["dim"] <= 64 and 0.01 <= trial["params"]["rate"] <= 1
        assert len(str(trial["params"]["rate"])) <= 9
        assert trial["value"] == pytest.approx(value_of(trial["params"]))


# --- large files

HEAVY = ("vectors.npz", "query_tower.npz", "candidates-toy.parquet")


def left_by(toy, outputs):
    """Names of large files that lie in trials, and in the chosen run."""
    chosen = {name for name in toy.heavy if (outputs / "toy" / name).is_file()}
    return {p.name for name in toy.heavy for p in outputs.glob(f"trials/*/*/{name}")}, chosen


@pytest.mark.parametrize("pruning", ["none", "median"])
def test_trials_keep_no_vectors_and_candidates_and_are_whole_without(search, toy, outputs, pruning):
    toy.heavy, toy.steps = HEAVY, curve
    first = search(trials=12, pruning=pruning)
    assert left_by(toy, outputs) == (set(), set(HEAVY))
    for trial in first["trials"]:
        folder = outputs / trial["folder"]
        known = status.read(folder)
        assert known["state"] == trial["state"] and "metrics.json" in known["files"]
        assert status.damage(folder, known, digests=True) == []
    (outputs / "search.journal").unlink()
    toy.ran.clear()
    assert told(search(trials=12, pruning=pruning)) == told(first)
    pruned = [trial["folder"] for trial in first["trials"] if trial["state"] == "pruned"]
    assert len(toy.trials()) == len(pruned), "what is done is not run again"


def test_killed_before_its_large_files_are_removed_a_trial_is_told_and_they_go(
    search, toy, outputs, monkeypatch
):
    toy.heavy = HEAVY
    right = told(search())
    shutil.rmtree(outputs)

    def dies(folder, names):
        raise Killed

    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(trials.folders, "remove_listed", dies)
        search()
    assert left_by(toy, outputs)[0] == set(HEAVY)
    toy.ran.clear()
    assert told(search()) == right
    assert left_by(toy, outputs) == (set(), set(HEAVY))
    assert len(toy.trials()) == 5


# --- kills


class Killed(BaseException):
    """Ends the sweep like a kill: nothing after it is written."""


def kill_at(monkeypatch, point: int, how: str) -> None:
    """Let the process die at one write to the journal: before it, in it or after it."""
    write, count = JournalFileBackend.append_logs, iter(range(10**6))

    def append_logs(self, logs):
        if next(count) != point:
            return write(self, logs)
        if how == "after":
            write(self, logs)
        elif how == "torn":
            whole = json.dumps(logs[0])
            with open(self._file_path, "a") as file:
                file.write(whole[: len(whole) // 2])
        raise Killed

    monkeypatch.setattr(JournalFileBackend, "append_logs", append_logs)


def killed_at(monkeypatch, point: int, how: str, search, **asked) -> None:
    """Run a search that is killed at one write; if it is not, say what it did instead."""
    with monkeypatch.context() as killing:
        kill_at(killing, point, how)
        try:
            found = search(**asked)
        except Killed:
            return
    lines = "\n".join(map(str, [*told(found), *Silent.said]))
    pytest.fail(f"it ended without a write {point}, {how} which it was to be killed:\n{lines}")


def test_killed_at_any_write_a_search_ends_as_undisturbed(search, toy, outputs, monkeypatch):
    whole = search(trials=3)
    right = told(whole)
    n_writes = len((outputs / "search.journal").read_text().splitlines())
    assert n_writes == 1 + 3 * 4  # the study; of a trial: its start, two notes and its end
    for point in range(n_writes):  # three ways and four kinds of writes: each meets each
        how = ("before", "torn", "after")[point % 3]
        shutil.rmtree(outputs)
        toy.ran.clear()
        killed_at(monkeypatch, point, how, search, trials=3)
        found = search(trials=3)
        assert told(found) == right, f"killed {how} write {point}"
        assert found["used"] == whole["used"]
        assert len(toy.trials()) == 3, "a trial whose folder is done is told, not run again"


def test_a_trial_that_was_interrupted_runs_again_under_its_number(
    search, toy, outputs, monkeypatch
):
    right = told(search(trials=4))
    shutil.rmtree(outputs)
    end = run_sweep._Sweep._end_trial

    def ends(self, trial):
        if trial.number == 2:
            shutil.rmtree(trial.stage.folder)
            raise Killed
        end(self, trial)

    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(run_sweep._Sweep, "_end_trial", ends)
        search(trials=4)
    toy.ran.clear()
    assert told(search(trials=4)) == right
    assert [folder[-3:] for folder in toy.trials()] == ["002", "003"]


# --- pruning


def curve(parameters) -> list[float]:
    """Six steps towards what the settings reach."""
    return [value_of(parameters) * (1 - 0.5**n) for n in range(1, 7)]


@pytest.mark.parametrize("pruning", ["median", "hyperband"])
def test_poor_trials_are_pruned_by_their_steps_and_the_folder_says_why(
    search, toy, outputs, pruning
):
    toy.steps = curve
    found = search(trials=20, pruning=pruning)
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert 0 < len(pruned) == found["used"]["pruned"] < 20
    for trial in pruned:
        assert trial["value"] is None and 0 < len(trial["steps"]) <= 6
        known = json.loads((outputs / trial["folder"] / "status.json").read_text())
        assert known["state"] == "pruned" and known["error"]["message"] == trial["why"]
    assert found["chosen"]["number"] not in [trial["number"] for trial in pruned]


def test_median_pruning_follows_its_rule(search, toy):
    toy.steps = curve
    trials = search(trials=20, pruning="median")["trials"]
    assert all(trial["state"] == "done" for trial in trials[:5])
    for number, trial in enumerate(trials):
        whole = [t for t in trials[:number] if t["state"] == "done"]
        poor = None
        for epoch in range(1, 7):
            others = sorted(t["steps"][epoch - 1][1] for t in whole)
            best = max(v for e, v in enumerate(curve(trial["params"]), 1) if e <= epoch)
            middle = len(others) // 2
            median = others[middle] if len(others) % 2 else sum(others[middle - 1 : middle + 1]) / 2
            if len(whole) >= 5 and epoch > 1 and best < median:
                poor = epoch
                break
        assert (trial["state"] == "pruned") == (poor is not None)
        assert poor is None or trial["steps"][-1][0] == poor


@pytest.mark.parametrize("pruning", ["median", "hyperband"])
def test_pruning_is_the_same_after_a_kill(search, toy, outputs, monkeypatch, pruning):
    toy.steps = curve
    right = told(search(trials=12, pruning=pruning))
    n_writes = len((outputs / "search.journal").read_text().splitlines())
    for point in range(30, n_writes, 17):
        shutil.rmtree(outputs)
        killed_at(monkeypatch, point, "after", search, trials=12, pruning=pruning)
        assert told(search(trials=12, pruning=pruning)) == right


def test_steps_only_rise_in_a_history(search, toy):
    toy.steps = curve
    for trial in search(trials=8, pruning="median")["trials"]:
        assert all(one[0] < other[0] for one, other in pairwise(trial["steps"]))
