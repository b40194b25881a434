import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen import retrieval
from candgen.models import Generator, VectorGenerator
from candgen.retrieval import indexes, speeds
from candgen.retrieval.timing import least_seconds


class Counting(Generator):
    """Scores only; remembers how much it was asked for."""

    name = "counting"

    def __init__(self):
        self.known_users_ = np.ones(9, bool)
        self.known_items_ = np.array([True, True, False, True])
        self.history_matrix_ = csr_array((9, 4))
        self.asked = []

    def _fit(self, dataset):
        raise NotImplementedError

    def _score(self, users, items):
        assert self.known_items_[items].all()
        self.asked.append((len(users), len(items)))
        return np.ones((len(users), len(items)), np.float32)


class CountingVectors(Counting, VectorGenerator):
    def item_vectors(self):
        return np.eye(4, dtype=np.float32)

    def _user_vectors(self, users):
        self.asked.append(len(users))
        return np.ones((len(users), 4), np.float32)


def test_every_user_asks_the_whole_catalogue_in_every_repeat():
    generator = Counting()
    assert retrieval.queries_per_second(generator, np.arange(9), 2, n_items=1000, repeats=2) > 0
    assert {n_items for _, n_items in generator.asked} == {1000}
    assert sum(n for n, _ in generator.asked) == 2 + 2 * 9  # a small one first


def test_without_a_size_the_catalogue_is_what_the_generator_knows():
    generator = Counting()
    retrieval.queries_per_second(generator, np.arange(3), 50, repeats=1)
    assert {n_items for _, n_items in generator.asked} == {3}


def test_vectors_are_searched_as_vectors():
    generator = CountingVectors()
    assert retrieval.queries_per_second(generator, np.arange(9), 2, n_items=500, repeats=1) > 0
    assert generator.asked == [2, 9]


def test_the_best_repeat_counts(monkeypatch):
    clock = iter([0.0, 4.0, 10.0, 12.0, 20.0, 23.0])
    monkeypatch.setattr("candgen.retrieval.timing.time.perf_counter", lambda: next(clock))
    assert retrieval.queries_per_second(Counting(), np.arange(8), 2) == pytest.approx(8 / 2)


def test_an_index_is_asked_alone_together_and_with_one_thread(monkeypatch):
    import numba

    index = indexes.build("exact", np.eye(6), "dot")
    asked = []
    plain = type(index).query

    def query(self, queries, k, *, exclude=None):
        asked.append((len(queries), list(told), exclude.shape[0]))
        return plain(self, queries, k, exclude=exclude)

    monkeypatch.setattr(type(index), "query", query)
    clock = iter([0.0, 2.0, 10.0, 15.0, 20.0, 28.0])
    monkeypatch.setattr("candgen.retrieval.timing.time.perf_counter", lambda: next(clock))
    threads, told = numba.get_num_threads(), []
    monkeypatch.setattr(numba, "set_num_threads", told.append)
    withheld = csr_array((6, 6))
    found = speeds(index, np.eye(6), 2, exclude=withheld, n_single=3, repeats=1)
    assert asked == [(6, [], 6), *[(1, [], 1)] * 3, (6, [1], 6)]
    assert found == pytest.approx((3 / 5, 6 / 8, 6 / 2))
    assert found._fields == ("single", "one_thread", "batch")
    assert told == [1, threads]  # and back


def test_long_work_is_measured_once(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 11.0, 20.0, 20.4])
    monkeypatch.setattr("candgen.retrieval.timing.time.perf_counter", lambda: next(clock))
    assert least_seconds(lambda: None, 9, enough=1.5) == 2
    assert least_seconds(lambda: None, 2, enough=1.5) == pytest.approx(0.4)


def test_short_work_is_repeated_until_it_has_lasted(monkeypatch):
    clock = iter([0.0, 0.5, 1.0, 1.4, 2.0, 2.3, 3.0, 3.5])
    monkeypatch.setattr("candgen.retrieval.timing.time.perf_counter", lambda: next(clock))
    assert least_seconds(lambda: None, 2, lasting=1.0) == pytest.approx(0.3)
    assert next(clock) == 3.0  # three repeats took more than a second
