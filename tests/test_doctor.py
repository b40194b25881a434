"""The doctor says what is there and what to do about what is missing."""

import errno
import os
import shutil
import sys
import tempfile
from collections import namedtuple

import psutil
import pytest

from candgen import cache_folder, doctor


@pytest.mark.notebook
def test_this_machine_has_what_is_essential_and_starts_a_kernel():
    found = {each.name: each for each in doctor.examine()}
    assert [each for each in found.values() if each.state == "missing"] == []
    assert "one answered after" in found["kernels"].found


def test_whatever_is_not_well_comes_with_a_remedy(monkeypatch, project):
    monkeypatch.setenv("CANDGEN_TEST_DATA", str(project / "nowhere"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    looked = [*doctor._project(), doctor._threads()]
    wanting = {each.name: each.remedy for each in looked if each.state != "ok"}
    assert set(wanting) == {"real data", "threads"} and all(wanting.values())


def test_a_kernel_that_does_not_start_is_essential(monkeypatch):
    async def fail():
        raise RuntimeError("no ports")

    monkeypatch.setattr(doctor, "_start_kernel", fail)
    found = doctor._kernels()
    assert (found.state, found.found) == ("missing", "RuntimeError: no ports") and found.remedy


def test_an_old_python_is_essential(monkeypatch):
    Version = namedtuple("Version", "major minor micro")
    monkeypatch.setattr(sys, "version_info", Version(3, 10, 1))
    assert doctor._python().state == "missing"


def test_without_annoy_the_rest_still_works(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    found = doctor._annoy()
    assert found.state == "warning" and "pip install annoy" in found.remedy
    assert "apt install g++" not in found.remedy
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "apt install g++" in doctor._annoy().remedy
    monkeypatch.setattr(doctor, "_version", lambda package: "1.17.3")
    assert doctor._annoy().state == "ok"


def test_missing_packages_are_named(monkeypatch):
    whole = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name == "papermill" else whole(name)
    )
    found = doctor._packages()
    assert found.state == "missing" and found.found == "not installed: papermill"


def test_without_tensorflow_the_rest_still_works(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    assert doctor._tensorflow().state == "warning"


def test_little_memory_and_little_disk_are_warned_of(monkeypatch, tmp_path):
    Memory = namedtuple("Memory", "available total")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(2 * 2**30, 8 * 2**30))
    assert doctor._memory().found == "2.0 of 8.0 GiB available"
    assert doctor._memory().state == "warning"
    Disk = namedtuple("Disk", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(2**30))
    assert doctor._disk(tmp_path).state == "warning"


def test_prepared_datasets_are_named(project):
    folder = project / "outputs" / "datasets" / "films"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text("{}")
    assert doctor._datasets().found == "films"


def test_no_project_is_said_with_what_to_do(monkeypatch):
    from candgen.errors import DataError

    def nowhere():
        raise DataError("No candgen project around here.")

    monkeypatch.setattr(doctor.paths, "project_root", nowhere)
    (found,) = doctor._project()
    assert (found.state, found.remedy) == ("missing", "No candgen project around here.")


def test_an_unwritable_home_is_essential(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert doctor._home().state == "ok"
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    found = doctor._home()
    assert found.state == "missing" and "export HOME=" in found.remedy


def test_a_temporary_folder_is_there_as_asked_for_and_short(monkeypatch, tmp_path):
    def at(folder, wanted):
        monkeypatch.setenv("TMPDIR", str(wanted))
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        return doctor._temporary_folder()

    long = tmp_path / ("x" * 100)
    long.mkdir()
    short = os.path.realpath("/tmp")
    assert at(short, short).state == "ok"
    absent = tmp_path / "absent"
    assert at(short, absent).found == f"TMPDIR={absent} cannot be used; {short} is"
    assert at(long, long).state == "warning" and "too long" in at(long, long).found
    assert at(absent, absent).state == "missing"


def test_where_compiled_code_goes_is_said(monkeypatch, tmp_path):
    Place = cache_folder.Place
    (tmp_path / "file").touch()
    places = {
        "ok": Place("package", tmp_path),
        "warning": Place("temporary", tmp_path / "candgen-numba-0"),
        "missing": Place("set", tmp_path / "file" / "cache"),
    }
    for state, place in places.items():
        monkeypatch.setattr(cache_folder, "find_folder", lambda place=place: place)
        found = doctor._compiled_code()
        assert found.state == state and str(place.path) in found.found
        assert bool(found.remedy) == (state != "ok")
    monkeypatch.setattr(cache_folder, "find_folder", lambda: Place("none", None))
    assert doctor._compiled_code().state == "missing"


def test_a_file_system_without_locks_is_warned_of(monkeypatch, project):
    (project / "outputs").mkdir(exist_ok=True)
    assert doctor._locks(project).state == "ok"
    fcntl = pytest.importorskip("fcntl")
    fault = errno.ENOLCK

    def refuse(descriptor, operation):
        raise OSError(fault, "no")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert doctor._locks(project).state == "warning"
    fault = errno.EIO
    assert doctor._locks(project).state == "missing"
