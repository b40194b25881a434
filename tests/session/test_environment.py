import json
import os
import platform
import socket
import subprocess

import pytest

from candgen.session import environment
from waiting import gone, until


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


@pytest.fixture
def standing(tmp_path, monkeypatch):
    """The root of a project outside git, of which nothing is known yet."""
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GIT_", "CANDGEN_"))]:
        monkeypatch.delenv(name)
    environment._asked_commit.cache_clear()
    yield tmp_path
    environment._asked_commit.cache_clear()


def git(*arguments):
    who = ("-c", "user.name=A User", "-c", "user.email=user@example.org")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def stand_in(folder, monkeypatch, script):
    """Put a program in front of git."""
    (folder / "bin").mkdir()
    (folder / "bin" / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def test_outside_git_there_is_no_commit(standing):
    assert environment.commit() is None


def test_the_commit_says_whether_tracked_files_differ(standing):
    git("init", "--quiet")
    (standing / "params" / "a.yaml").write_text("k: 1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "Add a sweep")
    (standing / "params" / "new.yaml").write_text("k: 2\n")
    head = git("rev-parse", "HEAD")
    assert environment.commit() == head
    (standing / "params" / "a.yaml").write_text("k: 20\n")
    assert environment.commit() == head  # asked once
    environment._asked_commit.cache_clear()
    assert environment.commit() == f"{head}+changes"


@pytest.mark.parametrize("script", ["exec sleep 600", "exit 128", "kill -9 $$"])
def test_a_commit_that_git_does_not_say_is_unknown_and_not_none(standing, monkeypatch, script):
    git("init", "--quiet")
    stand_in(standing, monkeypatch, script)
    monkeypatch.setattr(environment, "_GIT_SECONDS", 0.5)
    assert environment.commit() == "unknown"


def test_a_fresh_checkout_is_clean_when_git_must_look_into_each_file(standing, monkeypatch):
    """The filter of notebooks runs for each of them; what it takes out is no change."""
    git("init", "--quiet")
    git("config", "filter.nbstripout.clean", "sed s/output//")
    (standing / ".gitattributes").write_text("*.ipynb filter=nbstripout\n")
    for n in range(3):
        (standing / "notebooks" / f"{n}.ipynb").write_text("cell\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "Add notebooks")
    for file in (standing / "notebooks").iterdir():
        file.write_text("cell\n")
        os.utime(file, (1, 1))
    assert environment.commit() == git("rev-parse", "HEAD")
    (standing / "notebooks" / "1.ipynb").write_text("celloutput\n")
    environment._asked_commit.cache_clear()
    assert environment.commit() == git("rev-parse", "HEAD")
    (standing / "notebooks" / "1.ipynb").write_text("another\n")
    environment._asked_commit.cache_clear()
    assert environment.commit().endswith("+changes")


def test_when_git_hangs_changes_are_unknown_and_nothing_is_left_running(standing, monkeypatch):
    hanging = "sleep 600 & echo $! > child; wait"
    stand_in(standing, monkeypatch, f'case "$*" in *rev-parse*) echo abc;; *) {hanging};; esac')
    monkeypatch.setattr(environment, "_GIT_SECONDS", 6.0)  # time to begin, on a busy machine
    assert environment.commit() == "abc+unknown"
    child = int((standing / "child").read_text())
    assert until(lambda: gone(child), "git's child is gone")


@pytest.mark.parametrize(("told", "kept"), [("abc+changes", "abc+changes"), ("", None)])
def test_a_kernel_of_a_sweep_takes_the_commit_it_is_told(standing, monkeypatch, told, kept):
    stand_in(standing, monkeypatch, "echo asked >> log")
    monkeypatch.setenv(environment.COMMIT, told)
    assert environment.describe()["commit"] == kept
    assert not (standing / "log").exists()
