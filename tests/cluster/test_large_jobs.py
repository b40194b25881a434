"""Large jobs over two workers: the results of one process, also after workers were killed.

All tests that need workers stand in this file, so that they share one cluster.
"""

import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import candgen as cg
from candgen import evaluation
from candgen.cluster import block_files, workers
from candgen.errors import ClusterError, SettingError, UnsupportedError
from candgen.models import EASE, WALS, Popularity
from candgen.models.factorization.wals_kernels import ROWS
from candgen.retrieval import top_k
from candgen.retrieval.in_blocks import top_k_on
from waiting import until


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each; a test that kills one leaves two again."""
    with cg.open_cluster("local:2", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def data():
    """Thirty users who took half of the items of their own kind, of sixty items of three kinds."""
    rng = np.random.default_rng(0)
    taken = [(u, i) for u in range(30) for i in rng.permutation(np.arange(u % 3, 60, 3))[:10]]
    events = pd.DataFrame(taken, columns=["user", "item"])
    return cg.dataset(events.assign(timestamp=np.arange(len(events))), split="leave_last_out")


@pytest.fixture
def killing(cluster, monkeypatch):
    """Kill a worker with a block each time a task has returned so many blocks."""
    original, moments, killed = cluster.each, [], []

    def each(function, calls):
        for done, (place, value) in enumerate(original(function, calls), 1):
            if moments and moments[0] == (function.__name__, done):
                moments.pop(0)
                # The worker of the last result goes: the other one is at a block meanwhile.
                # One that was killed before may still be asked, and does not answer.
                pids = cluster.client.run(os.getpid, on_error="ignore")
                pid = pids[sorted(pids)[len(killed) % len(pids)]]
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            yield place, value

    monkeypatch.setattr(cluster, "each", each)
    yield moments, killed
    until(lambda: cluster.n_workers == 2, "both workers are back")


def pairs(n_users=900, n_items=500, seed=0):
    """Weights and values of invented pairs; user 3 and item 4 have none."""
    rng = np.random.default_rng(seed)
    present = rng.random((n_users, n_items)) < 0.03 * (1 + np.arange(n_items) % 3)
    present[3], present[:, 4] = False, False
    weights = csr_array(np.where(present, rng.uniform(0.5, 4, present.shape), 0))
    values = weights.copy()
    values.data = rng.normal(1, 0.5, weights.nnz)
    return weights, values


def fitted(weights, values=None, *, cluster=None, **settings):
    model = WALS(**{"dim": 9, "epochs": 2, "seed": 5, **settings})
    model.fit_matrix(weights, values, cluster=cluster)
    return model


def assert_same(ours, expected):
    np.testing.assert_array_equal(ours._users, expected._users)
    np.testing.assert_array_equal(ours._items, expected._items)
    reached = [[epoch.objective for epoch in model.history_] for model in (ours, expected)]
    np.testing.assert_allclose(*reached, rtol=1e-9)


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_wals_in_blocks_gives_the_vectors_and_the_objective_of_one_process(cluster, solver):
    weights, values = pairs()
    expected = fitted(weights, values, solver=solver, unobserved_weight=0.3)
    ours = fitted(weights, values, solver=solver, unobserved_weight=0.3, cluster=cluster)
    assert len(expected._users) > 8 * ROWS
    assert_same(ours, expected)


def test_plain_events_and_a_matrix_of_few_rows_are_solved_in_blocks_too(cluster):
    weights, _ = pairs(40, 33)
    weights.data[:] = 1
    assert_same(fitted(weights, cluster=cluster), fitted(weights))


def test_killed_workers_change_nothing(cluster, killing):
    weights, values = pairs()
    moments, killed = killing
    moments += [("_solve", 3), ("_solve", 5)]
    ours = fitted(weights, values, cluster=cluster)
    assert len(killed) == 2
    assert_same(ours, fitted(weights, values))


def test_nothing_is_scattered_and_no_file_is_left(cluster, monkeypatch):
    monkeypatch.setattr(cluster.client, "scatter", None)
    fitted(pairs()[0], cluster=cluster)
    assert list(cluster.folder.iterdir()) == []


def test_fit_takes_the_cluster_and_counts_the_workers_time(cluster, data):
    expected = WALS(dim=6, epochs=2).fit(data)
    ours = WALS(dim=6, epochs=2).fit(data, cluster=cluster)
    assert_same(ours, expected)
    before = cluster.cpu_seconds()
    cluster.value(cluster.table(_burn, 0.3))
    assert sum(cluster.cpu_seconds().values()) - sum(before.values()) >= 0.3
    assert ours.fit_cpu_seconds_ > 0


def _burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_a_generator_that_cannot_share_its_work_says_so(cluster, data):
    with pytest.raises(UnsupportedError, match=r"EASE has no fit on a cluster.*fits_on_clusters"):
        EASE().fit(data, cluster=cluster)
    with pytest.raises(UnsupportedError, match=r"popularity has no vectors.*has_vectors"):
        cg.judge(Popularity().fit(data), cluster=cluster)


def ranked(n_queries=700, n_items=900, seed=1):
    rng = np.random.default_rng(seed)
    queries, items = (rng.standard_normal((n, 7), dtype=np.float32) for n in (n_queries, n_items))
    seen = csr_array(rng.random((n_queries, n_items)) < 0.05)
    return queries, items, seen


@pytest.mark.parametrize("offered", ["all", "a mask", "lists"])
def test_ranking_in_blocks_finds_what_one_process_finds(cluster, offered):
    queries, items, seen = ranked()
    rng = np.random.default_rng(2)
    allowed = {
        "all": None,
        "a mask": rng.random(len(items)) < 0.5,
        "lists": csr_array(rng.random(seen.shape) < 0.1),
    }[offered]
    expected = top_k(queries, items, 20, exclude=seen, allowed=allowed)
    found = top_k_on(cluster, queries, items, 20, exclude=seen, allowed=allowed)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_ranking_outlives_a_killed_worker(cluster, killing):
    queries, items, seen = ranked()
    moments, killed = killing
    moments += [("_rank", 2)]
    found = top_k_on(cluster, queries, items, 20, exclude=seen, rows_per_block=32)
    assert len(killed) == 1
    expected = top_k(queries, items, 20, exclude=seen, rows_per_block=32)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_judging_on_a_cluster_gives_the_judgement_of_one_process(cluster, data):
    model = WALS(dim=6).fit(data)
    here, there = evaluation.judge(model, k=20), cg.judge(model, k=20, cluster=cluster)
    assert there.per_user.equals(here.per_user) and there.overall == here.overall
    assert there.counts == here.counts
    np.testing.assert_array_equal(there.candidates.scores, here.candidates.scores)


def test_an_error_of_a_block_arrives_as_itself(cluster):
    queries, items, _ = ranked()
    items[5, 0] = np.nan
    with pytest.raises(ValueError, match="item_vectors holds NaN"):
        top_k_on(cluster, queries, items, 5)


def test_a_file_that_a_worker_does_not_find_is_named_with_the_folder(cluster, tmp_path):
    absent = tmp_path / "absent.npy"
    with pytest.raises(ClusterError, match=f"block 1 failed.*absent.npy.*share {cluster.folder}"):
        list(cluster.each(block_files.read_array, [(str(absent),)]))


def _die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_block_that_kills_its_workers_is_named(cluster, monkeypatch):
    monkeypatch.setattr(cluster.client.cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(ClusterError, match=r"the workers that took block 1 died.*memory"):
        list(cluster.each(_die, [(0,)]))
    until(lambda: cluster.n_workers == 2, "both workers are back")


def test_a_cluster_without_workers_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(workers, "_SECONDS_WITHOUT_WORKERS", 0.0)
    monkeypatch.setattr(workers, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(cluster.client, "nthreads", dict)
    with pytest.raises(ClusterError, match="no worker has been there"):
        list(cluster.each(_burn, [(0.0,)]))


def test_a_folder_that_a_worker_cannot_read_is_refused(cluster, monkeypatch):
    told = {"tcp://1": "here", "tcp://2": "No such file"}
    monkeypatch.setattr(cluster.client, "run", lambda *_: told)
    with pytest.raises(SettingError, match=r"Worker tcp://2 .* cannot read.*1 of 2 workers"):
        workers._check_shared(cluster)


def test_a_running_cluster_needs_a_shared_folder(cluster, tmp_path):
    scheduler = cluster.client.scheduler.address
    with pytest.raises(SettingError, match="needs a folder"):
        cg.open_cluster(scheduler)
    with pytest.raises(SettingError, match="does not exist"):
        cg.open_cluster(scheduler, folder=tmp_path / "absent")
    with cg.open_cluster(scheduler, folder=tmp_path) as other:
        assert other.n_workers == 2 and other.folder == tmp_path
    assert cluster.n_workers == 2  # only the client went
