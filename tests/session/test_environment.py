import json
import os
import platform
import socket

from candgen.session import environment


def test_versions_machine_threads_and_seeds_are_named(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = environment.describe({"seed": 3, "split_seed": 4, "dim": 5})
    assert found["seeds"] == {"seed": 3, "split_seed": 4}
    assert found["threads"]["OMP_NUM_THREADS"] == "2"
    assert 1 <= found["threads"]["usable_cores"] <= os.cpu_count()
    assert found["packages"]["numpy"][0].isdigit()
    assert found["python"] == platform.python_version()
    assert found["machine"]["memory_mib"] > 100
    json.dumps(found, allow_nan=False)


def test_a_package_that_is_not_there_is_none(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package",))
    assert environment.describe()["packages"] == {"no-such-package": None}


def test_neither_the_machine_nor_its_owner_is_named():
    assert socket.gethostname() not in json.dumps(environment.describe()).split('"')


def test_outside_git_there_is_no_commit(tmp_path, monkeypatch):
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    environment.commit.cache_clear()
    assert environment.commit() is None
    environment.commit.cache_clear()
