"""Waiting ends with what was waited for, or with the process that should have brought it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from waiting import gone, until


def start(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def test_a_file_that_is_absent_or_empty_is_waited_for(tmp_path):
    looks = iter([FileNotFoundError(), "", "", "41\n"])

    def last_word():
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return int(found.split()[-1])

    assert until(last_word, "there is a number") == 41


def test_a_process_that_has_died_is_not_waited_for_and_says_why():
    with start("import no_such_module") as process:
        with pytest.raises(AssertionError, match=r"process \d+ ended with 1") as said:
            until(lambda: False, "it works", process, seconds=3600)
        assert "No module named 'no_such_module'" in str(said.value)
    assert gone(process.pid)


def test_what_a_process_did_before_it_ended_counts():
    with start("") as process:
        process.wait()
        assert until(lambda: "done", "it is done", process) == "done"


def test_a_thread_that_has_failed_raises_its_own_error():
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        until(lambda: False, "it works", pool.submit(lambda: 1 / 0), seconds=3600)


def test_waiting_ends():
    with pytest.raises(AssertionError, match=r"in vain until it works, for 0\.1 s"):
        until(lambda: False, "it works", seconds=0.1)
