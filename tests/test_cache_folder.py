"""Compiled code finds a folder, also where package and home cannot be written to."""

import os
import stat
import tempfile

import pytest

from candgen import cache_folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine on which only the temporary folder is writable; holds refused folders."""
    monkeypatch.delenv(cache_folder.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setattr(cache_folder.sys, "platform", "linux")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "home").mkdir()
    (tmp_path / "package" / "room").mkdir(parents=True)
    monkeypatch.setattr(cache_folder, "_PACKAGE", tmp_path / "package")
    refused = {tmp_path / "package" / "room", tmp_path / "home"}
    allowed = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: allowed(path, mode) and tmp_path.joinpath(path) not in refused,
    )
    return refused


def test_the_package_comes_first_then_the_home_folder(nowhere, tmp_path):
    nowhere.discard(tmp_path / "home")
    assert cache_folder.find_folder() == ("home", tmp_path / "home" / ".cache" / "numba")
    nowhere.clear()
    assert cache_folder.find_folder() == ("package", tmp_path / "package")
    assert cache_folder.VARIABLE not in os.environ


def test_a_folder_that_was_set_stays(nowhere, monkeypatch):
    monkeypatch.setenv(cache_folder.VARIABLE, "/elsewhere")
    assert cache_folder.find_folder().kind == "set"
    assert os.environ[cache_folder.VARIABLE] == "/elsewhere"


def test_else_it_is_temporary_private_and_the_same_next_time(nowhere, monkeypatch):
    kind, path = cache_folder.find_folder()
    assert kind == "temporary" and os.environ[cache_folder.VARIABLE] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    monkeypatch.delenv(cache_folder.VARIABLE)
    assert cache_folder.find_folder().path == path


def test_a_temporary_folder_that_others_can_write_to_is_not_used(nowhere, tmp_path):
    taken = tmp_path / f"candgen-numba-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    kind, path = cache_folder.find_folder()
    assert kind == "temporary" and path != taken and path.is_dir()


def test_without_any_folder_nothing_is_set(nowhere, monkeypatch):
    def refuse(*given, **settings):
        raise PermissionError("read-only")

    monkeypatch.setattr(cache_folder.Path, "mkdir", refuse)
    assert cache_folder.find_folder() == ("none", None)
    assert cache_folder.VARIABLE not in os.environ
