"""Workers come, go, fit or are refused; slots are given to one run at a time. No Dask here."""

import threading
from types import SimpleNamespace

import pytest

from candgen.errors import SettingError
from candgen.sweeps.cluster import versions, workers
from candgen.sweeps.cluster.workers import ClusterLost, Workers
from waiting import until


class Client:
    """A stand-in for Dask's client: who is there, and what each worker says of itself."""

    def __init__(self):
        self.there, self.versions, self.status, self.looks = {}, {}, "running", 0
        self.scheduler = SimpleNamespace(identity=lambda n_workers: {"workers": dict(self.there)})

    def add(self, address, name="", nthreads=1, life="1", **other):
        self.versions[address] = {**versions.here(), **other}
        self.there[address] = {
            "name": name or address, "host": "10.0.0.2", "nthreads": nthreads,
            "local_directory": f"/tmp/worker-{life}",
        }  # fmt: skip

    def sync(self, function, **options):
        self.looks += 1
        return function(**options)

    def run(self, function, workers):
        found = self.versions[workers[0]]
        if isinstance(found, Exception):
            raise found
        return {workers[0]: found}


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def watched(client, monkeypatch):
    """Watch the client's workers; `said` is what people were told."""
    monkeypatch.setattr(workers, "EVERY", 0.01)
    made = []

    def watch(settle=lambda client, worker: None, **options):
        said = []
        made.append(Workers(client, settle, said.append, **options))
        made[-1].said = said
        return made[-1]

    yield watch
    for each in made:
        each.close()


def wait_for_end(found, worker):
    """Wait for something that never ends on a worker, until the waiting is ended."""
    thread = threading.Thread(target=found.wait, args=(worker, lambda: False), daemon=True)
    thread.start()
    until(lambda: not thread.is_alive(), "nothing is waited for any more", seconds=60)


def test_a_worker_has_a_slot_for_each_thread_and_none_more(client, watched):
    client.add("tcp://10.0.0.2:4000", nthreads=2)
    found = watched()
    taken = [found.take(), found.take()]
    assert {worker.label for worker in taken} == {"worker 10.0.0.2:4000"}
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(found.take()))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive() and waiting == []
    found.give_back(taken[0])
    thread.join()
    assert waiting == [taken[0]] and found.n_slots() == 2


def test_a_worker_that_comes_later_is_taken_on(client, watched):
    found = watched()
    found.await_first()
    client.add("tcp://10.0.0.2:4000", name="node7")
    assert found.take().label == "worker node7 on 10.0.0.2"


def test_a_worker_that_has_what_a_run_reads_is_preferred(client, watched):
    for port in (1, 2, 3):
        client.add(f"tcp://10.0.0.2:{port}")
    found = watched()
    until(lambda: found.n_slots() == 3, "all are ready")
    three = [found.take() for _ in range(3)]
    three[1].parcels.add("films")
    for worker in three:
        found.give_back(worker)
    assert found.take(["films"]) is three[1]


def test_a_worker_that_dies_ends_the_waiting_for_it(client, watched):
    client.add("tcp://10.0.0.2:4000")
    found = watched()
    worker = found.take()
    client.there.clear()
    wait_for_end(found, worker)
    assert worker.gone and found.n_slots() == 0
    until(lambda: found.said == ["worker 10.0.0.2:4000 has gone"], "that is said")
    client.add("tcp://10.0.0.2:4001")
    assert found.take().address == "tcp://10.0.0.2:4001"
    found.give_back(worker)
    assert found.n_slots() == 1


def test_a_worker_that_is_restarted_under_its_address_is_another_one(client, watched):
    client.add("tcp://10.0.0.2:4000")
    found = watched()
    worker = found.take()
    client.add("tcp://10.0.0.2:4000", life="2", source="0" * 64)
    wait_for_end(found, worker)
    assert worker.gone
    until(lambda: found.refused, "the new one has been looked at")
    client.add("tcp://10.0.0.2:4000", life="3")
    assert found.take() is not worker


def test_workers_that_do_not_fit_are_refused_by_name_and_others_are_not(client, watched):
    client.add("tcp://10.0.0.2:1", source="0" * 64)
    client.add("tcp://10.0.0.2:2")
    client.versions["tcp://10.0.0.2:2"] = ModuleNotFoundError("No module named 'candgen'")
    settled = []
    found = watched(lambda client, worker: settled.append(worker.address))
    with pytest.raises(SettingError) as refused:
        found.await_first()
    assert "worker 10.0.0.2:1: candgen" in str(refused.value)
    assert "worker 10.0.0.2:2: it cannot be asked (ModuleNotFoundError" in str(refused.value)
    client.add("tcp://10.0.0.2:3")
    assert found.take().address == "tcp://10.0.0.2:3"
    assert found.n_slots() == 1 and settled == ["tcp://10.0.0.2:3"]
    found.await_first()


def test_a_worker_that_cannot_be_made_ready_is_refused(client, watched):
    def settle(client, worker):
        raise OSError("no space left")

    client.add("tcp://10.0.0.2:1")
    found = watched(settle)
    with pytest.raises(SettingError, match="no space left"):
        found.await_first()


def test_a_worker_that_dies_while_it_is_made_ready_is_not_taken_on(client, watched):
    died, settled = threading.Event(), []

    def settle(client, worker):
        died.wait(60)
        settled.append(worker)

    client.add("tcp://10.0.0.2:1")
    found = watched(settle)
    client.there.clear()
    looks = client.looks
    until(lambda: client.looks > looks + 2, "it looked again")
    died.set()
    client.add("tcp://10.0.0.2:2")
    assert found.take().address == "tcp://10.0.0.2:2"
    until(lambda: len(settled) == 2, "both have been made ready")
    assert found.n_slots() == 1


def test_a_scheduler_that_has_gone_is_no_reason_to_wait(client, watched):
    client.add("tcp://10.0.0.2:1")
    found = watched()
    worker = found.take()
    client.status = "connecting"  # it may come back
    client.there.clear()
    with pytest.raises(AssertionError):
        until(lambda: worker.gone, "the worker counts as gone", seconds=0.1)
    client.status = "closed"
    wait_for_end(found, worker)
    with pytest.raises(ClusterLost, match="scheduler"):
        found.take()


def test_a_local_cluster_that_loses_its_workers_for_good_is_lost(client, watched):
    with pytest.raises(ClusterLost, match="no worker"):
        watched(patience=0.05).take()


def test_a_local_cluster_is_asked_for_the_workers_that_it_lacks(client, watched):
    asked = []
    client.cluster = SimpleNamespace(scale=asked.append)
    client.add("tcp://10.0.0.2:1")
    client.add("tcp://10.0.0.2:2")
    watched(n_local=2)
    looks = client.looks
    until(lambda: client.looks > looks + 3, "it looked again")
    assert asked == []
    del client.there["tcp://10.0.0.2:1"]
    until(lambda: asked, "another is asked for")
    assert set(asked) == {2}


def test_that_nobody_fits_is_said_once(client, watched, monkeypatch):
    monkeypatch.setattr(workers, "_LONELY", 0.02)
    found = watched()
    until(lambda: found.said, "that is said")
    looks = client.looks
    until(lambda: client.looks > looks + 3, "it looked again")
    client.add("tcp://10.0.0.2:1")
    found.take()
    assert len(found.said) == 1 and "waiting for one" in found.said[0]


def test_after_the_end_nobody_gets_a_slot(client, watched):
    client.add("tcp://10.0.0.2:1")
    found = watched()
    found.take()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(found.take()))
    thread.start()
    found.close()
    thread.join()
    assert taken == [None]
