"""Compiling and first loading are counted apart from the work, each second once."""

import json
import subprocess
import sys
import threading
import time

import pytest

from candgen.training import compile_time
from candgen.training.compile_time import Stopwatch, Took, count, preparing

FIT_TWICE = """
import json, sys
import numba
import numpy as np
from candgen import evaluation, models
from candgen.datasets import open_dataset
from candgen.datasets.preparation import prepare

@numba.njit
def twice(scores):
    return 2 * scores

class Compiled(models.Popularity):
    def _fit(self, dataset):
        super()._fit(dataset)
        twice(np.ones(3))

prepare(sys.argv[1], source="world", n_users=200, n_items=300)
data = open_dataset(sys.argv[1])
rows = []
for _ in range(2):
    made = Compiled() if sys.argv[2] == "Compiled" else models.by_name(sys.argv[2])(dim=8, epochs=2)
    made.fit(data)
    judged = evaluation.judge(made, data, k=20, cutoffs=[10])
    rows.append({"compiled in fit": made.compile_seconds_, **judged.row()})
print(json.dumps(rows))
"""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "process_time", lambda: 3 * self.now)
        monkeypatch.setattr(compile_time, "_total", compile_time._Total())


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_what_is_prepared_meanwhile_is_not_work(clock):
    watch = Stopwatch()
    clock.now += 2
    with preparing():
        clock.now += 5
        with preparing():  # compiling one function compiles those that it calls
            clock.now += 7
    clock.now += 1
    assert watch.read() == Took(3, 9, 12)


def test_preparations_before_the_start_belong_to_somebody_else(clock):
    with preparing():
        clock.now += 5
        watch = Stopwatch()
        clock.now += 4
    clock.now += 1
    assert watch.read() == Took(1, 3, 4)


def test_preparing_that_has_not_ended_counts_already_and_an_error_ends_it(clock):
    watch = Stopwatch()
    with pytest.raises(KeyError), preparing():
        clock.now += 5
        assert watch.read() == Took(0, 0, 5)
        raise KeyError
    clock.now += 2
    assert watch.read() == Took(2, 6, 5)


def test_seconds_that_were_taken_for_work_can_be_counted_later(clock):
    watch = Stopwatch()
    clock.now += 9
    count(Took(4, 12, 0))
    assert watch.read() == Took(5, 15, 4)


def test_threads_that_prepare_at_the_same_time_count_once(clock):
    watch, inside, go_on = Stopwatch(), threading.Event(), threading.Event()

    def load():
        with preparing():
            inside.set()
            go_on.wait(60)

    other = threading.Thread(target=load)
    with preparing():
        other.start()
        assert inside.wait(60)
        clock.now += 6
    clock.now += 1
    go_on.set()
    other.join(60)
    clock.now += 2
    assert watch.read() == Took(2, 6, 7)


@pytest.mark.parametrize("generator", ["Compiled", "GMF"])
def test_the_first_fit_of_a_process_compiles_and_the_second_does_not(tmp_path, generator):
    asked = [sys.executable, "-c", FIT_TWICE, str(tmp_path / "world"), generator]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert 0 < first["compiled in fit"] < first["compile_seconds"]  # ranking compiles, too
    assert min(first["fit_seconds"], first["rank_seconds"], second["fit_seconds"]) > 0
    if generator == "Compiled":
        assert second["compile_seconds"] == second["compiled in fit"] == 0
    else:  # another network is traced again, what ranks it is not compiled
        assert second["compile_seconds"] == second["compiled in fit"] > 0
