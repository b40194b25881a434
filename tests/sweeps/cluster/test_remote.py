"""The worker's part of a run: its own folders, and texts that name those of the driver."""

import json
import os
from types import SimpleNamespace

import pytest

from candgen import files
from candgen.session import environment, run_files
from candgen.sweeps.cluster import archives, parcels, remote


def request(page, **more):
    given = {
        "sweep": "s", "key": "k", "notebook": page.name, "content": page.read_bytes(),
        "parameters": {"dataset": "/home/ana/data/films", "dim": 3, "run_folder": "/home/ana/x"},
        "home": "/home/ana", "folder": "outputs/asked/a", "kernel": "ordinary", "timeout_s": 300,
        "fingerprint": "print", "explore": False,
    }  # fmt: skip
    return remote.Request(**{**given, **more})


@pytest.mark.notebook
def test_a_run_leaves_its_files_and_names_the_drivers_paths(page, tmp_path):
    scratch, root = tmp_path / "scratch", tmp_path / "root"
    root.mkdir()
    place = parcels.place_of("d1", "films", scratch)
    place.mkdir(parents=True)
    files.write_json(place / "dataset.json", {"digest": "d"})
    cells = []
    asked = request(page, parcels={"dataset": ("d1", "/home/ana/data/films")})
    answer = remote.execute_in(root, scratch, asked, lambda *cell: cells.append(cell))
    assert (answer.state["state"], answer.state["fingerprint"]) == ("done", "print")
    assert cells[-1] == (3, 3)
    names = archives.unpack(answer.packed, tmp_path / "home")
    assert {"metrics.json", "page.html", "notebook.ipynb", "pid.txt"} <= set(names)
    assert "status.json" not in names
    assert run_files.damage(tmp_path / "home", answer.state["files"], digests=True) == []
    for name in names:
        assert str(tmp_path).encode() not in (tmp_path / "home" / name).read_bytes(), name
    found = files.read_json(tmp_path / "home" / "metrics.json")
    assert found["dataset"]["folder"] == "/home/ana/data/films"
    notebook = json.loads((tmp_path / "home" / "notebook.ipynb").read_text())
    injected = notebook["metadata"]["papermill"]["parameters"]
    assert injected["run_folder"] == "/home/ana/outputs/asked/a" and injected["dim"] == 3
    _, where = (tmp_path / "home" / "pid.txt").read_text().split()
    assert where[::-1] == str(root.resolve() / "notebooks")


def test_paths_are_written_as_each_kind_of_file_writes_them(tmp_path):
    written = {"/tmp/w/run": 'C:\\ana "&" co', "/tmp/w": "/home/ana"}
    texts = {
        "params.json": ('{"a": "/tmp/w/run/x"}', '{"a": "C:\\\\ana \\"&\\" co/x"}'),
        "page.html": ("<p>/tmp/w/run</p>", "<p>C:\\ana &quot;&amp;&quot; co</p>"),
        "notes.txt": ("/tmp/w/other", "/home/ana/other"),
        "vectors.npz": ("/tmp/w/run", "/tmp/w/run"),
    }
    for name, (before, after) in texts.items():
        (tmp_path / name).write_text(before)
        assert remote._readdress(tmp_path / name, written) == (before != after)
        assert (tmp_path / name).read_text() == after
    json.loads((tmp_path / "params.json").read_text())
    state = {"error": {"message": "no file /tmp/w/run/x", "cell": 3}, "tail": ["/tmp/w"]}
    assert remote._readdressed(state, {"/tmp/w/run": "R", "/tmp/w": "H"}) == {
        "error": {"message": "no file R/x", "cell": 3},
        "tail": ["H"],
    }


@pytest.fixture
def surroundings(monkeypatch):
    """An environment without limits of threads, restored afterwards."""
    for name in (*environment.THREAD_VARIABLES, environment.COMMIT):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "usable_cores", lambda: 8)
    return monkeypatch


def settle(tmp_path, slots):
    worker = SimpleNamespace(local_directory=str(tmp_path))
    return remote.settle("abc", slots, False, False, worker)


@pytest.mark.parametrize(("slots", "threads"), [(1, "8"), (3, "2"), (99, "1")])
def test_runs_on_a_machine_share_its_cores(surroundings, tmp_path, slots, threads):
    told = settle(tmp_path, slots)
    assert told == {"scratch": tmp_path / "candgen", "threads": threads}
    assert {os.environ[name] for name in environment.THREAD_VARIABLES} == {threads}
    assert environment.commit() == "abc"


def test_limits_that_a_worker_was_started_with_are_respected(surroundings, tmp_path):
    surroundings.setenv("OMP_NUM_THREADS", "4")
    surroundings.setenv("NUMBA_NUM_THREADS", "2")
    assert settle(tmp_path, 1)["threads"] == "4"
    assert os.environ["NUMBA_NUM_THREADS"] == "2"
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "4"


def test_a_sweep_is_stopped_on_a_worker_and_others_go_on(tmp_path, monkeypatch):
    stopped = []
    monkeypatch.setattr(remote.execution, "stop_inside", stopped.append)
    remote.stop("mine", SimpleNamespace(local_directory=str(tmp_path)))
    assert stopped == [tmp_path.resolve() / "candgen" / "runs" / "mine"]
