"""Locks on files: one holder at a time, and none after its process was killed."""

import errno
import os
import signal
import subprocess
import sys
import threading

import filelock
import pytest

from candgen import locks, owners
from candgen.errors import BusyError
from candgen.locks import locked

HOLDER = """
import sys, time
from candgen.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock `.lock`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_has_one_holder_and_the_message_names_its_process(tmp_path):
    busy = f"{tmp_path} is in use by process {os.getpid()}. Wait for it to end"
    with locked(tmp_path / ".lock"):
        with pytest.raises(BusyError) as caught, locked(tmp_path / ".lock"):
            pass
        assert str(caught.value).startswith(busy)
    with locked(tmp_path / ".lock"):
        pass


def test_a_lock_is_free_after_an_error_in_its_block(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "made" / ".lock"):
        _ = 1 / 0
    with locked(tmp_path / "made" / ".lock"):
        pass


def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path, holder):
    with pytest.raises(BusyError, match=f"by process {holder.pid}\\."), locked(tmp_path / ".lock"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / ".lock"):
        pass


def test_a_waiting_process_gets_the_lock_when_the_holder_is_killed(tmp_path, holder):
    got = threading.Event()

    def wait():
        with locked(tmp_path / ".lock", wait=True):
            got.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert not got.wait(0.3)
    holder.kill()
    assert got.wait(60)
    waiting.join()


@pytest.fixture(params=["ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])
def without_flock(request, monkeypatch):
    """A file system that cannot lock files."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor, operation):
        raise OSError(getattr(errno, request.param), "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_without_flock_a_lock_still_has_one_holder(tmp_path, without_flock):
    assert not locks.native(tmp_path)
    busy = f"{tmp_path} is in use by process {os.getpid()}. Wait for it to end, or stop it."
    with locked(tmp_path / ".lock"):
        with pytest.raises(BusyError) as caught, locked(tmp_path / ".lock"):
            pass
        assert str(caught.value) == busy
    with locked(tmp_path / ".lock"):
        pass


def test_a_file_system_that_locks_is_known_and_left_clean(tmp_path):
    assert locks.native(tmp_path) and list(tmp_path.iterdir()) == []


def marker(folder, pid: int, host: str) -> None:
    (folder / ".lock.marker").write_text(f"{pid}\n{host}\n")


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("without_flock", ["ENOLCK"], indirect=True)
def test_a_marker_of_an_ended_process_is_replaced_or_named(
    tmp_path, without_flock, ended, monkeypatch
):
    host = owners.machine()
    assert host == filelock._identity.host_name()
    marker(tmp_path, ended, host)
    with locked(tmp_path / ".lock"):  # filelock can prove that the owner has ended
        pass
    # A network drive cannot exchange two names, so filelock leaves the marker in place.
    monkeypatch.setattr("filelock._soft.exchange_names", lambda one, other: False)
    for wait in (False, True):
        marker(tmp_path, ended, host)
        with pytest.raises(BusyError) as caught, locked(tmp_path / ".lock", wait=wait):
            pass
        assert f"process {ended}, which has ended" in str(caught.value)
        assert str(caught.value).endswith(f"Delete {tmp_path / '.lock.marker'}.")


@pytest.mark.parametrize("without_flock", ["ENOLCK"], indirect=True)
def test_a_marker_of_another_machine_is_not_taken_for_a_dead_one(tmp_path, without_flock, ended):
    marker(tmp_path, ended, "elsewhere")
    with pytest.raises(BusyError) as caught, locked(tmp_path / ".lock"):
        pass
    assert f"in use by process {ended} on elsewhere" in str(caught.value)
    assert f"if it runs no more, delete {tmp_path / '.lock.marker'}" in str(caught.value)


@pytest.mark.parametrize(
    ("signed", "said"),
    [
        ("{ended}", "a process that process {ended} left behind when it ended"),
        ("{ended} {here}", "a process that process {ended} left behind when it ended"),
        ("{ended} elsewhere", "process {ended} on elsewhere. Wait"),
        ("{ended} elsewhere?pidns-1", "process {ended} on elsewhere, process namespace 1. Wait"),
        ("{pid} {here} 0-boot 5", "a process that process {pid} left behind when it ended"),
        ("{pid} {here} {boot} 5", "a process that process {pid} left behind when it ended"),
        ("{pid} {here} {boot} {started}", "process {pid}. Wait for it to end, or stop it."),
        ("", "another process. Wait for it to end."),
    ],
)
def test_who_holds_a_lock_is_told_from_who_signed_it(tmp_path, monkeypatch, ended, signed, said):
    mine = owners.this_process()
    words = {"ended": ended, "here": mine.host, "pid": mine.pid, "boot": mine.boot or "-"}
    words["started"] = mine.started
    signature = signed.format(**words).ljust(400).encode()
    monkeypatch.setattr(locks, "_sign", lambda d: os.pwrite(d, signature, 1))
    with locked(tmp_path / ".lock"):
        with pytest.raises(BusyError) as caught, locked(tmp_path / ".lock"):
            pass
        assert f"{tmp_path} is in use by {said.format(**words)}" in str(caught.value)


def test_other_faults_of_the_file_system_are_not_taken_for_contention(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def break_down(descriptor, operation):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", break_down)
    with pytest.raises(OSError, match="broken"), locked(tmp_path / ".lock"):
        pass
