"""Locks on files: one holder at a time, and none after its process was killed."""

import os
import signal
import subprocess
import sys
import threading

import pytest

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
